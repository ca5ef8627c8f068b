/* A job: its spec, how far its plan is, and its log; kept in <store>/jobs/<name>/. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "sched/sched.h"
#include "sched/when.h"

struct run;
struct spec;
struct store;

#define JOB_FOLDER  "jobs" /* of the store */
#define JOB_LOG_MAX 65536  /* bytes; the older half goes when it is full */

/* How the last iteration ended. */
enum job_end { ENDED_NOT, ENDED_FINISHED, ENDED_STOPPED, ENDED_FULL, ENDED_FAILED };

/* An iteration in progress. */
struct window {
    int64_t start;   /* names its folder; 0: there is none */
    int64_t ends_at; /* WHEN_NEVER: until stopped */
    int64_t number;  /* of the plan, from 1 */
};

struct job {
    char name[JOB_NAME];
    struct spec *spec; /* NULL: none yet */
    struct plan plan;
    int64_t next;    /* iterations of the plan that were begun or passed by */
    int64_t noticed; /* iterations whose missing is in the log */
    int64_t missed;  /* before `next` */
    struct window window;
    enum job_end ended;
    int64_t last_start; /* of the iteration that status speaks of; 0: none */
    int64_t created_at, changed_at;
    char refusal[ERR_TEXT]; /* of the last spec, "" if it was accepted */
    char failure[ERR_TEXT]; /* why an iteration failed or is full */
    struct buf log;
    bool log_behind; /* the file has not all of it */
    struct run *run; /* what carries `window`; NULL: to be resumed */
};

struct job *job_new(const char *name, int64_t now);
void job_free(struct job *job);

/* In the store; its reserve pays where the disk is full. */
int job_save(const struct job *job, struct store *store, struct err *err);
/* The spec as a file for people; what counts is in the state. */
int job_save_spec(const struct job *job, struct store *store, struct err *err);
/* -ENOENT: the leftover of a job that was never made or is gone. */
int job_load(struct job **out, int jobs_fd, const char *name, struct err *err);
int job_delete(int jobs_fd, const char *name, struct err *err);

/* Adds a line to the log in memory; control characters become blanks. */
void job_log_add(struct job *job, int64_t at, const char *words);
/* Brings the file to what memory holds. `from` is where the log ended before. */
int job_log_write(struct job *job, struct store *store, size_t from);

const char *job_end_name(enum job_end ended);
/* waiting, scheduled, recording, finished, full or failed. */
const char *job_state(const struct job *job, int64_t now);
/* Windows that went by unrecorded. */
int64_t job_missed(const struct job *job, int64_t now);
