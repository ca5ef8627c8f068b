#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/store.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/kfl.h"
#include "sched/floor.h"
#include "sched/spec.h"

#define MISSED_LINES                                                                   \
    3 /* of windows that were missed in a row; more are counted in one line */

/* ---- from the writer's thread */

static void on_stopped(void *context, struct iteration *iteration, int why)
{
    struct run *run = context;
    struct sched *sched = run->sched;

    (void)iteration;
    pthread_mutex_lock(&sched->lock);
    run->stopped = true;
    run->why = why;
    run->stopped_at = floor_now(sched);
    pthread_mutex_unlock(&sched->lock);
    floor_wake(sched);
}

static void on_closed(void *context, int result)
{
    struct run *run = context;
    struct sched *sched = run->sched;

    pthread_mutex_lock(&sched->lock);
    run->closed = true;
    run->result = result;
    pthread_cond_broadcast(&sched->closed);
    floor_wake(sched);
    pthread_mutex_unlock(&sched->lock);
}

/* ---- beginning */

void run_free(struct run *run)
{
    iteration_unref(run->iteration);
    free(run);
}

/* Of iterations of a recording, the one that began in that second; NULL: none. */
static struct iteration *find_iteration(struct sched *sched, const char *name,
                                        int64_t start)
{
    struct iteration *iteration;
    struct iteration_info info;

    for (unsigned i = 0; (iteration = store_iteration(sched->options.store, name, i));
         i++) {
        iteration_info(iteration, &info);
        if (info.start / NS_PER_S == start / NS_PER_S)
            break;
        iteration_unref(iteration);
    }
    return iteration;
}

/* An iteration's folder is named by the second of its start, so that each needs its
 * own. */
static int64_t free_start(struct sched *sched, const char *name, int64_t start)
{
    struct iteration *taken;

    while ((taken = find_iteration(sched, name, start))) {
        iteration_unref(taken);
        start = (start / NS_PER_S + 1) * NS_PER_S;
    }
    return start;
}

static void describe(struct iteration_options *out, const struct job *job,
                     const struct kfl *kfl, struct run *run, int64_t now)
{
    *out = (struct iteration_options){
        .name = job->name,
        .start = run->start,
        .late_since = now - run->start >= NS_PER_S ? run->start : 0,
        .spec = job->spec->text,
        .kfl = job->spec->kfl,
        .keep = job->spec->keep,
        .max_size = job->spec->max_size,
        .on_full = job->spec->on_full,
        .entry_limit = (uint64_t)kfl_limit(kfl),
        .stopped = on_stopped,
        .context = run,
    };
}

/* Has the job's window recorded, from its start or going on with what is there. */
static int attach(struct sched *sched, struct job *job, struct err *err)
{
    struct sched_recorder *recorder = &sched->options.recorder;
    struct run *run = mem_zalloc(sizeof(*run));
    struct iteration_options options;
    struct kfl *kfl = NULL;
    int status;

    run->sched = sched;
    memcpy(run->job, job->name, sizeof(run->job));
    run->start = job->window.start;
    run->number = job->window.number;
    status = spec_compile(&kfl, job->spec, run->start / NS_PER_MS, err);
    if (status == 0)
        status = store_create(sched->options.store, job->name, err);
    if (status < 0)
        goto out;
    describe(&options, job, kfl, run, floor_now(sched));
    status = iteration_open(&run->iteration, sched->options.store, &options, err);
    if (status < 0)
        goto out;
    status = recorder->record(recorder->context, &run->id, kfl, run->iteration,
                              kfl_redacts(kfl), err);
    if (status < 0)
        (void)iteration_end(run->iteration, job_end_name(ENDED_FAILED),
                            floor_now(sched), NULL);
out:
    kfl_unref(kfl);
    if (status < 0) {
        run_free(run);
        return status;
    }
    pthread_mutex_lock(&sched->lock);
    job->run = run;
    run->next = sched->runs;
    sched->runs = run;
    pthread_mutex_unlock(&sched->lock);
    return 0;
}

/* The window is over; `words` say why if that needs saying. */
static void window_close(struct sched *sched, struct job *job, enum job_end ended,
                         int64_t at, const char *words)
{
    int64_t number = job->window.number;

    pthread_mutex_lock(&sched->lock);
    job->window = (struct window){0};
    job->run = NULL;
    job->ended = ended;
    job->failure[0] = 0;
    if (words && (ended == ENDED_FULL || ended == ENDED_FAILED))
        memcpy(job->failure, words, strlen(words) + 1);
    pthread_mutex_unlock(&sched->lock);
    floor_log(sched, job, at, "iteration %lld %s%s%s", (long long)number,
              job_end_name(ended), words ? ": " : "", words ? words : "");
    floor_save(sched, job);
}

static void log_begin(struct sched *sched, struct job *job, const char *verb)
{
    char until[CLOCK_TEXT];

    if (job->window.ends_at == WHEN_NEVER)
        floor_log(sched, job, floor_now(sched), "iteration %lld %s, until stopped",
                  (long long)job->window.number, verb);
    else
        floor_log(sched, job, floor_now(sched), "iteration %lld %s, until %s",
                  (long long)job->window.number, verb,
                  clock_format(until, job->window.ends_at, 0));
}

static int attach_or_fail(struct sched *sched, struct job *job, const char *verb,
                          struct err *err)
{
    struct err own = {0};
    bool full;
    int status = attach(sched, job, &own);

    if (status == 0) {
        log_begin(sched, job, verb);
        return 0;
    }
    full = status == -ENOSPC || status == -EDQUOT;
    window_close(sched, job, full ? ENDED_FULL : ENDED_FAILED, floor_now(sched),
                 own.msg);
    return err_set(err, status, "%s", own.msg);
}

int run_begin(struct sched *sched, struct job *job, int64_t index, int64_t start,
              int64_t ends_at, struct err *err)
{
    start = free_start(sched, job->name, start);
    pthread_mutex_lock(&sched->lock);
    if (index >= job->next) {
        job->missed += index - job->next;
        job->next = index + 1;
    }
    job->window = (struct window){start, ends_at, index >= 0 ? index + 1 : job->next};
    job->last_start = start;
    job->ended = ENDED_NOT;
    job->failure[0] = 0;
    pthread_mutex_unlock(&sched->lock);
    /* First said, then done: after a crash in between it is gone on with. */
    floor_save(sched, job);
    return attach_or_fail(sched, job, "begins", err);
}

/* ---- ending */

static void unrecord(struct sched *sched, struct run *run, enum job_end ended,
                     int64_t at)
{
    struct sched_recorder *recorder = &sched->options.recorder;

    pthread_mutex_lock(&sched->lock);
    run->ending = true;
    pthread_mutex_unlock(&sched->lock);
    recorder->unrecord(recorder->context, run->id, job_end_name(ended), at, on_closed,
                       run);
}

void run_end(struct sched *sched, struct job *job, enum job_end ended, int64_t at,
             const char *words)
{
    struct run *run = job->run;

    window_close(sched, job, ended, at, words);
    unrecord(sched, run, ended, at);
}

void run_abandon(struct sched *sched, struct job *job)
{
    unrecord(sched, job->run, ENDED_STOPPED, floor_now(sched));
}

bool run_is_closing(const struct sched *sched, const char *name)
{
    for (const struct run *run = sched->runs; run; run = run->next)
        if (run->ending && !run->closed && strcmp(run->job, name) == 0)
            return true;
    return false;
}

static struct run *take_closed(struct sched *sched)
{
    struct run **at, *run;

    pthread_mutex_lock(&sched->lock);
    for (at = &sched->runs; *at && !((*at)->ending && (*at)->closed);)
        at = &(*at)->next;
    run = *at;
    if (run)
        *at = run->next;
    pthread_mutex_unlock(&sched->lock);
    return run;
}

void run_reap(struct sched *sched)
{
    struct iteration_info info;
    struct run *run;
    struct job *job;

    while ((run = take_closed(sched))) {
        job = floor_find(sched, run->job);
        iteration_info(run->iteration, &info);
        if (job && run->result < 0)
            floor_log(sched, job, floor_now(sched), "iteration %lld was not closed: %s",
                      (long long)run->number, strerror(-run->result));
        else if (job)
            floor_log(sched, job, floor_now(sched),
                      "iteration %lld holds %llu packets of %llu streams, %llu entries",
                      (long long)run->number, (unsigned long long)info.packets,
                      (unsigned long long)info.streams,
                      (unsigned long long)info.entries);
        run_free(run);
    }
}

/* An iteration whose time ran out while nobody recorded. */
static void end_left_open(struct sched *sched, struct job *job)
{
    struct iteration *iteration = find_iteration(sched, job->name, job->window.start);
    int64_t at = job->window.ends_at;
    struct err err = {0};

    if (iteration &&
        iteration_end(iteration, job_end_name(ENDED_FINISHED), at, &err) < 0)
        log_warn("iteration was not closed: %s job=%s", err.msg, job->name);
    iteration_unref(iteration);
    window_close(sched, job, ENDED_FINISHED, at, NULL);
}

/* How a job says that this iteration of it ended. */
static enum job_end end_of(struct sched *sched, const char *name, int64_t start)
{
    struct job *job = floor_find(sched, name);

    if (job && job->last_start / NS_PER_S == start / NS_PER_S &&
        job->ended != ENDED_NOT)
        return job->ended;
    return ENDED_STOPPED;
}

static void adopt(struct sched *sched, const char *name)
{
    struct job *job = floor_find(sched, name);
    struct iteration *iteration;
    struct iteration_info info;
    struct err err = {0};

    for (unsigned i = 0; (iteration = store_iteration(sched->options.store, name, i));
         i++) {
        iteration_info(iteration, &info);
        if (!(job && job->window.start / NS_PER_S == info.start / NS_PER_S) &&
            info.unfinished &&
            iteration_end(iteration, job_end_name(end_of(sched, name, info.start)),
                          info.ended_at, &err) < 0)
            log_warn("iteration was not closed: %s recording=%s", err.msg, name);
        iteration_unref(iteration);
    }
}

void run_adopt(struct sched *sched)
{
    char *names = store_list(sched->options.store);

    for (const char *name = names; *name; name += strlen(name) + 1)
        adopt(sched, name);
    free(names);
}

/* ---- in place */

int run_rewrite(struct sched *sched, struct job *job, struct err *err)
{
    struct sched_recorder *recorder = &sched->options.recorder;
    struct iteration_options options;
    struct kfl *kfl = NULL;
    int status = spec_compile(&kfl, job->spec, job->run->start / NS_PER_MS, err);

    if (status == 0)
        status = recorder->rewrite(recorder->context, job->run->id, kfl, err);
    if (status == 0) {
        describe(&options, job, kfl, job->run, floor_now(sched));
        iteration_update(job->run->iteration, &options);
    }
    kfl_unref(kfl);
    return status;
}

/* ---- what is due */

static void end_stopped(struct sched *sched, struct job *job)
{
    int64_t at;
    int why;

    pthread_mutex_lock(&sched->lock);
    at = job->run->stopped_at;
    why = job->run->why;
    pthread_mutex_unlock(&sched->lock);
    switch (why) {
    case 0:
        run_end(sched, job, ENDED_FINISHED, at, "limit() is reached");
        break;
    case -EDQUOT:
        run_end(sched, job, ENDED_FULL, at, "max_size is reached");
        break;
    case -EFBIG:
        run_end(sched, job, ENDED_FULL, at, "the store's limit is reached");
        break;
    case -ENOSPC:
        run_end(sched, job, ENDED_FULL, at, "the store's disk is full");
        break;
    default:
        run_end(sched, job, ENDED_FAILED, at, strerror(-why));
    }
}

static bool is_stopped(struct sched *sched, const struct run *run)
{
    bool stopped;

    pthread_mutex_lock(&sched->lock);
    stopped = run->stopped;
    pthread_mutex_unlock(&sched->lock);
    return stopped;
}

/* Brings the iteration in progress to where it should be by now. */
static void step_window(struct sched *sched, struct job *job, int64_t now)
{
    if (!job->window.start)
        return;
    if (!job->run && now >= job->window.ends_at)
        end_left_open(sched, job);
    else if (!job->run)
        (void)attach_or_fail(sched, job, "resumes", NULL);
    else if (is_stopped(sched, job->run))
        end_stopped(sched, job);
    else if (now >= job->window.ends_at)
        run_end(sched, job, ENDED_FINISHED, job->window.ends_at, NULL);
}

static void log_missed(struct sched *sched, struct job *job, const struct due *due,
                       int64_t now)
{
    int64_t first = job->noticed > job->next ? job->noticed : job->next;
    char start[CLOCK_TEXT], end[CLOCK_TEXT];

    if (due->index <= first)
        return;
    for (int64_t i = first; i < due->index && i < first + MISSED_LINES; i++)
        floor_log(sched, job, now, "iteration %lld was missed, %s to %s",
                  (long long)i + 1, clock_format(start, when_start(&job->plan, i), 0),
                  clock_format(end, when_end(&job->plan, i), 0));
    if (due->index > first + MISSED_LINES)
        floor_log(sched, job, now, "and %lld more were missed",
                  (long long)(due->index - first - MISSED_LINES));
    pthread_mutex_lock(&sched->lock);
    job->noticed = due->index;
    pthread_mutex_unlock(&sched->lock);
    floor_save(sched, job);
}

int64_t run_step(struct sched *sched, struct job *job, int64_t now)
{
    int64_t deadline = WHEN_NEVER;
    struct due due;

    step_window(sched, job, now);
    if (!job->spec)
        return deadline;
    when_due(&due, &job->plan, job->next, now);
    log_missed(sched, job, &due, now);
    if (due.open) {
        /* One that was started by hand gives way to the plan's. */
        if (job->run)
            run_end(sched, job, ENDED_FINISHED, now, NULL);
        (void)run_begin(sched, job, due.index, due.at, due.ends_at, NULL);
        when_due(&due, &job->plan, job->next, now);
    }
    deadline = due.at;
    if (job->window.start && job->window.ends_at < deadline)
        deadline = job->window.ends_at;
    return deadline;
}
