/* A bounded pool of threads that run tasks in small steps. Thread safe. */
#pragma once
#include <stdbool.h>

struct err;
struct pool;

/* Embedded in what is to be done; zero-initialised but for its calls. A task runs in
 * one thread at a time. */
struct task {
    void (*run)(struct task *task);
    void (*release)(
        struct task *task); /* after pool_retire, when it does not run any more */
    struct task *next;
    bool queued, running, again, retired;
};

int pool_start(struct pool **out, unsigned threads, struct err *err);
/* Waits for the steps that run. All tasks must be retired or idle. */
void pool_stop(struct pool *pool);
/* The task will run, once more if it is running now. Never waits. */
void pool_submit(struct pool *pool, struct task *task);
/* It will not run any more; release() is called from here, or after the step that runs
 * now. */
void pool_retire(struct pool *pool, struct task *task);
