/* What the files of this floor share: the scheduler's inside.
 *
 * Two locks, taken in this order. `work` serialises everything that changes jobs and is
 * held over I/O and calls of the recorder. `lock` protects what readers see and is
 * never held over either: who changes a job's fields holds both, who reads them one.
 * The writer's thread takes `lock` alone: it marks its run and rings. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sched/job.h"
#include "sched/sched.h"

/* An iteration that the recorder fills, up to when it is closed. */
struct run {
    struct run *next;
    struct sched *sched;
    char job[JOB_NAME];
    int64_t start, number;
    uint64_t id; /* the recorder's */
    struct iteration *iteration;
    bool ending;          /* the recorder was told */
    bool stopped, closed; /* the writer's thread says so */
    int why, result;
    int64_t stopped_at;
};

struct sched {
    struct sched_options options;
    int jobs_fd;
    pthread_mutex_t work, lock;
    pthread_cond_t closed; /* a run was closed */
    struct job **jobs;     /* by name */
    size_t count, cap;
    struct run *runs;
    int wake_fd, timer_fd, poll_fd;
    pthread_t thread;
    bool started;
    atomic_bool stopping;
};

/* NULL: there is none. Needs either lock. */
struct job *floor_find(struct sched *sched, const char *name);
int64_t floor_now(const struct sched *sched);
void floor_wake(struct sched *sched);
/* Saves; a failure goes to the daemon's log, because what is being recorded counts
 * more. */
void floor_save(struct sched *sched, struct job *job);
__attribute__((format(printf, 4, 5))) void
floor_log(struct sched *sched, struct job *job, int64_t at, const char *format, ...);

/* ---- run.c; all under `work` */

/* Begins iteration `index` of the plan, -1: one beside it. A failure is the job's, too.
 */
int run_begin(struct sched *sched, struct job *job, int64_t index, int64_t start,
              int64_t ends_at, struct err *err);
void run_end(struct sched *sched, struct job *job, enum job_end ended, int64_t at,
             const char *words);
/* The same for a job that is removed: it has no files any more. */
void run_abandon(struct sched *sched, struct job *job);
/* Does what is due; returns when to look again. */
int64_t run_step(struct sched *sched, struct job *job, int64_t now);
/* Is an iteration of that job still on its way to its end? Needs `lock`. */
bool run_is_closing(const struct sched *sched, const char *name);
/* Lets go of what was closed. */
void run_reap(struct sched *sched);
/* Ends iterations that a crash left open and that no job goes on with. */
void run_adopt(struct sched *sched);
/* The statement and limits of the iteration in progress become those of the job's spec.
 */
int run_rewrite(struct sched *sched, struct job *job, struct err *err);
void run_free(struct run *run);

/* ---- accept.c */

/* A spec takes effect, under `work`; the job owns it where 0 is returned. */
int accept_spec(struct sched *sched, struct job *job, struct spec *spec,
                struct err *err);

/* ---- status.c */

/* The job's state as it is shown; needs `lock`. */
const char *status_state(const struct sched *sched, const struct job *job, int64_t now);

/* What stands between a file's name and: a position, or words that have none. */
const char *status_gap(const char *words);
/* Appends the status; takes `lock` itself. -ENOENT. */
int status_write(struct sched *sched, const char *name, struct buf *out);
