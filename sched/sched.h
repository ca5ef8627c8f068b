/* The scheduler: jobs, what they record and when. The door of the floor; thread safe.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct clock;
struct err;
struct iteration;
struct kfl;
struct kfl_env;
struct sched;
struct store;

#define JOB_NAME 129 /* with the NUL */

/* How recording is done; the daemon's is the engine, tests have their own. */
struct sched_recorder {
    int (*record)(void *context, uint64_t *id, struct kfl *kfl,
                  struct iteration *iteration, bool entries_only, struct err *err);
    int (*rewrite)(void *context, uint64_t id, struct kfl *kfl, struct err *err);
    /* done() from another thread when the iteration is closed. */
    void (*unrecord)(void *context, uint64_t id, const char *state, int64_t at,
                     void (*done)(void *done_context, int result), void *done_context);
    void *context;
};

struct sched_options {
    struct store *store;
    const struct clock *clock;
    struct sched_recorder recorder;
    /* Fills the part of the environment that finds saved statements; may be NULL. The
     * text of a job's statement is kept with those of the saved ones as they were when
     * it was accepted. */
    const char *(*saved)(void *context, const char *name, size_t len);
    void *saved_context;
    /* A spec was refused: for /query/error_log. May be NULL. */
    void (*refused)(void *context, const char *job, const char *text,
                    const struct err *err);
    void *context;
};

/* Reads the jobs of the store and what they were doing. */
int sched_open(struct sched **out, const struct sched_options *options,
               struct err *err);
/* Resumes windows in progress, then keeps the schedule in a thread of its own. */
int sched_start(struct sched *sched, struct err *err);
/* Does what is due at clock->now(); returns when to be called next. For tests;
 * sched_start's thread does the same. */
int64_t sched_run_due(struct sched *sched);
/* Ends the thread; from here on nothing begins or ends. To be called before the
 * recorder is closed, whose last callbacks may come until sched_close(). */
void sched_stop(struct sched *sched);
/* Recordings in progress stay open on disk and resume at the next start. */
void sched_close(struct sched *sched);

/* 1–128 of a-z A-Z 0-9 _ - . not starting with a dot. */
bool sched_name_is_valid(const char *name);
int sched_job_create(struct sched *sched, const char *name,
                     struct err *err); /* -EEXIST, -EINVAL */
int sched_job_remove(struct sched *sched, const char *name,
                     struct err *err); /* -ENOENT */
bool sched_job_exists(struct sched *sched, const char *name);
/* Names in order, NUL-separated, ended by an empty one; the caller frees. */
char *sched_job_list(struct sched *sched);
/* Is the job recording now? Then its recording can't be removed. */
bool sched_is_recording(struct sched *sched, const char *recording);
/* Does a job own this recording (has a spec accepted under that name)? */
bool sched_owns(struct sched *sched, const char *recording);

/* Judges a text as a complete document: 0 it is a good spec, 1 it holds no key (no
 * spec), -EINVAL with line and column. Changes nothing. */
int sched_spec_check(struct sched *sched, const char *name, const char *text,
                     size_t len, struct err *err);
/* The same, and the spec takes effect. A refusal is kept as the job's `error` in status
 * and told to refused(). -ENOENT: no such job. */
int sched_spec_set(struct sched *sched, const char *name, const char *text, size_t len,
                   struct err *err);
/* Files of the job's folder as text, appended to `out`; -ENOENT without such a job. */
int sched_job_spec(struct sched *sched, const char *name,
                   struct buf *out); /* in force, else the template */
int sched_job_status(struct sched *sched, const char *name, struct buf *out);
int sched_job_log(struct sched *sched, const char *name, struct buf *out);
/* "start" or "stop"; -EINVAL other words, or nothing to start or stop. */
int sched_job_control(struct sched *sched, const char *name, const char *text,
                      size_t len, struct err *err);
/* ns since 1970 of creation and of the last event. */
int sched_job_times(struct sched *sched, const char *name, int64_t *created_at,
                    int64_t *changed_at);
/* When what the job records now will be deleted; INT64_MAX never, 0 it is not known. */
int64_t sched_expires_at(struct sched *sched, const char *name);
/* Jobs in each state, for metrics. */
void sched_each_state(struct sched *sched,
                      void (*each)(void *context, const char *state, unsigned jobs),
                      void *context);
