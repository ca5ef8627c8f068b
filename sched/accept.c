#include <errno.h>
#include <string.h>

#include "capture/store/store.h"
#include "kfl/base/err.h"
#include "sched/floor.h"
#include "sched/spec.h"

#define SHOWN 200 /* bytes of a statement in the log */

/* What a new spec does to a job. */
enum change {
    CHANGE_PLAN,     /* its plan begins anew */
    CHANGE_IN_PLACE, /* plan and iteration in progress go on, by the new words */
    CHANGE_REOPEN,   /* an iteration that was full or failed goes on */
};

static bool is_over(const struct job *job, int64_t now)
{
    struct due due;

    when_due(&due, &job->plan, job->next, now);
    return due.over;
}

/* The end of the window that the last begun iteration was for, by a new duration. */
static int64_t last_end(const struct job *job, int64_t duration)
{
    struct plan plan = job->plan;

    plan.duration = duration;
    return job->next > 0 ? when_end(&plan, job->next - 1) : INT64_MIN;
}

static enum change find_change(const struct job *job, const struct spec *spec,
                               int64_t now)
{
    const struct spec *old = job->spec;

    if (!old || old->start_minute != spec->start_minute)
        return CHANGE_PLAN;
    if (job->window.start || strcmp(old->text, spec->text) == 0)
        return CHANGE_IN_PLACE;
    if ((job->ended == ENDED_FULL || job->ended == ENDED_FAILED) &&
        now < last_end(job, spec->duration))
        return CHANGE_REOPEN;
    if (is_over(job, now) &&
        !(spec_same_statement(old, spec) && spec_same_plan(old, spec)))
        return CHANGE_PLAN;
    return CHANGE_IN_PLACE;
}

/* The job as it will be. */
static struct job changed(const struct job *job, struct spec *spec, enum change change,
                          int64_t now)
{
    struct job next = *job;
    int64_t begin;

    next.spec = spec;
    next.plan.count = spec->daily_iterations;
    next.plan.duration = spec->duration;
    next.changed_at = now;
    next.refusal[0] = 0;
    if (change == CHANGE_PLAN) {
        next.plan.first = when_first(spec->start_minute, now);
        next.next = next.noticed = next.missed = 0;
        next.window = (struct window){0};
        next.ended = ENDED_NOT;
        next.failure[0] = 0;
    } else if (job->window.start && job->spec->duration != spec->duration) {
        begin = job->spec->duration ? job->window.ends_at - job->spec->duration
                                    : job->window.start;
        next.window.ends_at = when_end_from(&next.plan, begin);
    }
    return next;
}

static void log_accepted(struct sched *sched, struct job *job, int64_t now)
{
    const char *kfl = *job->spec->kfl ? job->spec->kfl : "everything";
    size_t len = strlen(kfl);

    if (len > SHOWN)
        for (len = SHOWN; len > 0 && ((unsigned char)kfl[len] & 0xc0) == 0x80;)
            len--;
    floor_log(sched, job, now, "spec accepted: %.*s%s", (int)len, kfl,
              kfl[len] ? "…" : "");
}

static bool same_limits(const struct spec *a, const struct spec *b)
{
    return a->keep == b->keep && a->max_size == b->max_size && a->on_full == b->on_full;
}

/* The iteration in progress goes on by the new spec. */
static void go_on(struct sched *sched, struct job *job, const struct spec *old,
                  int64_t now)
{
    int64_t ends_at = job->window.ends_at;
    struct err err = {0};

    if (old->redacts != job->spec->redacts || old->limit != job->spec->limit) {
        /* Whether packets are kept and how many entries is said at the beginning. */
        run_end(sched, job, ENDED_STOPPED, now, "redact() or limit() changed");
        (void)run_begin(sched, job, -1, now, ends_at, NULL);
        return;
    }
    if (spec_same_statement(old, job->spec) && same_limits(old, job->spec))
        return;
    if (run_rewrite(sched, job, &err) < 0)
        run_end(sched, job, ENDED_FAILED, now, err.msg);
}

int accept_spec(struct sched *sched, struct job *job, struct spec *spec,
                struct err *err)
{
    int64_t now = floor_now(sched);
    enum change change = find_change(job, spec, now);
    struct job next = changed(job, spec, change, now);
    struct spec *old = job->spec;
    int status;

    status = store_create(sched->options.store, job->name, err);
    if (status == 0)
        status = job_save_spec(&next, sched->options.store, err);
    if (status == 0)
        status = job_save(&next, sched->options.store, err);
    if (status < 0)
        return status;
    pthread_mutex_lock(&sched->lock);
    next.run = job->run;
    next.log = job->log;
    /* What is recorded for the old plan ends next, and is saved with the new one. */
    if (change == CHANGE_PLAN && job->run)
        next.window = job->window;
    *job = next;
    pthread_mutex_unlock(&sched->lock);
    if (change == CHANGE_PLAN && job->run)
        run_end(sched, job, ENDED_STOPPED, now, "the job is planned anew");
    log_accepted(sched, job, now);
    if (change == CHANGE_IN_PLACE && job->run)
        go_on(sched, job, old, now);
    else if (change == CHANGE_REOPEN)
        (void)run_begin(sched, job, -1, now, last_end(job, spec->duration), NULL);
    spec_free(old);
    return 0;
}
