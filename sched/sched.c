#include "sched/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/store/store.h"
#include "kfl/base/clock.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"
#include "sched/floor.h"
#include "sched/spec.h"
#include "sched/table.h"

#define CLOSE_WAIT (2 * NS_PER_S)

bool sched_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-.";
    size_t len = strlen(name);

    return len > 0 && len < JOB_NAME && name[0] != '.' && strspn(name, allowed) == len;
}

/* ---- what the files of the floor share */

int64_t floor_now(const struct sched *sched)
{
    return sched->options.clock->now(sched->options.clock);
}

void floor_wake(struct sched *sched)
{
    uint64_t one = 1;

    /* It can only fail where the counter is full of wakes already. */
    if (write(sched->wake_fd, &one, sizeof(one)) < 0)
        return;
}

void floor_save(struct sched *sched, struct job *job)
{
    struct err err = {0};

    pthread_mutex_lock(&sched->lock);
    job->changed_at = floor_now(sched);
    pthread_mutex_unlock(&sched->lock);
    if (job_save(job, sched->options.store, &err) < 0)
        log_warn("%s", err.msg);
}

void floor_log(struct sched *sched, struct job *job, int64_t at, const char *format,
               ...)
{
    struct buf words = {0};
    size_t from = job->log.len;
    va_list args;
    int status;

    va_start(args, format);
    buf_addv(&words, format, args);
    va_end(args);
    pthread_mutex_lock(&sched->lock);
    job_log_add(job, at, words.data);
    pthread_mutex_unlock(&sched->lock);
    status = job_log_write(job, sched->options.store, from);
    if (status < 0)
        log_warn("log of a job was not written: %s job=%s", strerror(-status),
                 job->name);
    buf_fini(&words);
}

/* ---- jobs by name */

int sched_job_create(struct sched *sched, const char *name, struct err *err)
{
    struct job *job = NULL;
    int status;

    if (!sched_name_is_valid(name))
        return err_set(err, -EINVAL,
                       "no name of a job (expected 1 to 128 of a-z A-Z 0-9 _ - ., not "
                       "starting with a dot)");
    pthread_mutex_lock(&sched->work);
    status = table_room(sched, name, err);
    if (status < 0)
        goto out;
    job = job_new(name, floor_now(sched));
    status = sys_make_dirs(sched->jobs_fd, name);
    if (status < 0)
        err_set(err, status, "job %s was not made: %s", name, strerror(-status));
    else
        status = job_save(job, sched->options.store, err);
    if (status == 0)
        status = sys_sync_dir(sched->jobs_fd);
    if (status < 0) {
        job_free(job);
        goto out;
    }
    pthread_mutex_lock(&sched->lock);
    table_insert(sched, job);
    pthread_mutex_unlock(&sched->lock);
    floor_log(sched, job, job->created_at, "created");
out:
    pthread_mutex_unlock(&sched->work);
    return status;
}

/* So that who stopped a job may delete its recording next; a recorder that hangs is not
 * waited for. */
static void wait_closed(struct sched *sched, const char *name)
{
    int64_t until = clock_monotonic() + CLOSE_WAIT;
    struct timespec time = {until / NS_PER_S, until % NS_PER_S};

    pthread_mutex_lock(&sched->lock);
    while (sched->started && run_is_closing(sched, name))
        if (pthread_cond_timedwait(&sched->closed, &sched->lock, &time) != 0)
            break;
    pthread_mutex_unlock(&sched->lock);
}

int sched_job_remove(struct sched *sched, const char *name, struct err *err)
{
    struct job *job;
    int status;

    pthread_mutex_lock(&sched->work);
    job = floor_find(sched, name);
    if (!job) {
        status = err_set(err, -ENOENT, "there is no job %s", name);
        goto out;
    }
    status = job_delete(sched->jobs_fd, name, err);
    if (status < 0)
        goto out;
    if (job->run)
        run_abandon(sched, job);
    pthread_mutex_lock(&sched->lock);
    table_remove(sched, job);
    pthread_mutex_unlock(&sched->lock);
    job_free(job);
out:
    pthread_mutex_unlock(&sched->work);
    if (status == 0)
        wait_closed(sched, name);
    return status;
}

bool sched_job_exists(struct sched *sched, const char *name)
{
    bool exists;

    pthread_mutex_lock(&sched->lock);
    exists = floor_find(sched, name);
    pthread_mutex_unlock(&sched->lock);
    return exists;
}

char *sched_job_list(struct sched *sched)
{
    struct buf names = {0};

    pthread_mutex_lock(&sched->lock);
    for (size_t i = 0; i < sched->count; i++)
        buf_add(&names, sched->jobs[i]->name, strlen(sched->jobs[i]->name) + 1);
    pthread_mutex_unlock(&sched->lock);
    buf_addch(&names, 0);
    return buf_take(&names);
}

bool sched_is_recording(struct sched *sched, const char *recording)
{
    struct job *job;
    bool recording_now;

    pthread_mutex_lock(&sched->lock);
    job = floor_find(sched, recording);
    recording_now = (job && job->window.start) || run_is_closing(sched, recording);
    pthread_mutex_unlock(&sched->lock);
    return recording_now;
}

bool sched_owns(struct sched *sched, const char *recording)
{
    struct job *job;
    bool owns;

    pthread_mutex_lock(&sched->lock);
    job = floor_find(sched, recording);
    owns = job && job->spec;
    pthread_mutex_unlock(&sched->lock);
    return owns;
}

/* ---- specs */

static int parse(struct sched *sched, struct spec **out, const char *text, size_t len,
                 struct err *err)
{
    struct spec_env env = {
        .now_ms = floor_now(sched) / NS_PER_MS,
        .saved = sched->options.saved,
        .context = sched->options.saved_context,
    };

    return spec_parse(out, text, len, &env, err);
}

/* Keeps the words of a refusal for status and log. */
static void refuse(struct sched *sched, const char *name, const char *text, size_t len,
                   const struct err *err)
{
    char words[ERR_TEXT], *copy;
    struct job *job;

    err_text(err, words, sizeof(words));
    pthread_mutex_lock(&sched->work);
    job = floor_find(sched, name);
    if (job) {
        pthread_mutex_lock(&sched->lock);
        memcpy(job->refusal, words, sizeof(words));
        pthread_mutex_unlock(&sched->lock);
        floor_log(sched, job, floor_now(sched), "spec refused: spec.yaml:%s%s",
                  status_gap(words), words);
        floor_save(sched, job);
    }
    pthread_mutex_unlock(&sched->work);
    if (!sched->options.refused)
        return;
    copy = mem_dup(text, len);
    sched->options.refused(sched->options.context, name, copy, err);
    free(copy);
}

int sched_spec_check(struct sched *sched, const char *name, const char *text,
                     size_t len, struct err *err)
{
    struct spec *spec = NULL;
    int status;

    if (!sched_job_exists(sched, name))
        return err_set(err, -ENOENT, "there is no job %s", name);
    status = parse(sched, &spec, text, len, err);
    spec_free(spec);
    return status;
}

int sched_spec_set(struct sched *sched, const char *name, const char *text, size_t len,
                   struct err *err)
{
    struct spec *spec = NULL;
    struct err own = {0};
    struct job *job;
    int status;

    status = parse(sched, &spec, text, len, &own);
    if (status < 0) {
        if (!sched_job_exists(sched, name))
            return err_set(err, -ENOENT, "there is no job %s", name);
        refuse(sched, name, text, len, &own);
        if (err)
            *err = own;
        return status;
    }
    pthread_mutex_lock(&sched->work);
    job = floor_find(sched, name);
    if (!job)
        status = err_set(err, -ENOENT, "there is no job %s", name);
    else if (status == 0)
        status = accept_spec(sched, job, spec, err);
    if (status == 0)
        (void)run_step(sched, job, floor_now(sched));
    else
        spec_free(spec);
    pthread_mutex_unlock(&sched->work);
    floor_wake(sched);
    return status;
}

/* ---- files of a job's folder */

int sched_job_spec(struct sched *sched, const char *name, struct buf *out)
{
    struct job *job;

    pthread_mutex_lock(&sched->lock);
    job = floor_find(sched, name);
    if (job)
        buf_addstr(out, job->spec ? job->spec->text : spec_template());
    pthread_mutex_unlock(&sched->lock);
    return job ? 0 : -ENOENT;
}

int sched_job_status(struct sched *sched, const char *name, struct buf *out)
{
    return status_write(sched, name, out);
}

int sched_job_log(struct sched *sched, const char *name, struct buf *out)
{
    struct job *job;

    pthread_mutex_lock(&sched->lock);
    job = floor_find(sched, name);
    if (job)
        buf_add(out, job->log.data, job->log.len);
    pthread_mutex_unlock(&sched->lock);
    return job ? 0 : -ENOENT;
}

int sched_job_times(struct sched *sched, const char *name, int64_t *created_at,
                    int64_t *changed_at)
{
    struct job *job;

    pthread_mutex_lock(&sched->lock);
    job = floor_find(sched, name);
    if (job) {
        *created_at = job->created_at;
        *changed_at = job->changed_at;
    }
    pthread_mutex_unlock(&sched->lock);
    return job ? 0 : -ENOENT;
}

void sched_each_state(struct sched *sched,
                      void (*each)(void *context, const char *state, unsigned jobs),
                      void *context)
{
    static const char *const states[] = {"waiting",  "scheduled", "recording",
                                         "finished", "full",      "failed"};
    int64_t now = floor_now(sched);

    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
        unsigned jobs = 0;

        pthread_mutex_lock(&sched->lock);
        for (size_t j = 0; j < sched->count; j++)
            jobs += strcmp(status_state(sched, sched->jobs[j], now), states[i]) == 0;
        pthread_mutex_unlock(&sched->lock);
        each(context, states[i], jobs);
    }
}

/* ---- control */

/* Now: the plan's first iteration if it has not come yet, else one beside the plan. */
static int control_start(struct sched *sched, struct job *job, int64_t now,
                         struct err *err)
{
    int64_t index = job->next == 0 ? 0 : -1;

    if (!job->spec)
        return err_set(err, -EINVAL, "nothing to start: the job has no spec yet");
    if (job->window.start)
        return err_set(err, -EINVAL, "nothing to start: the job is recording");
    floor_log(sched, job, now, "started by hand");
    return run_begin(sched, job, index, now, when_end_from(&job->plan, now), err);
}

static int control_stop(struct sched *sched, struct job *job, int64_t now,
                        struct err *err)
{
    if (!job->run)
        return err_set(err, -EINVAL, "nothing to stop: the job is not recording");
    run_end(sched, job, ENDED_STOPPED, now, "by hand");
    return 0;
}

int sched_job_control(struct sched *sched, const char *name, const char *text,
                      size_t len, struct err *err)
{
    bool start, stop;
    struct job *job;
    int64_t now;
    int status;

    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    start = len == 5 && memcmp(text, "start", 5) == 0;
    stop = len == 4 && memcmp(text, "stop", 4) == 0;
    pthread_mutex_lock(&sched->work);
    job = floor_find(sched, name);
    now = floor_now(sched);
    if (!job)
        status = err_set(err, -ENOENT, "there is no job %s", name);
    else if (start)
        status = control_start(sched, job, now, err);
    else if (stop)
        status = control_stop(sched, job, now, err);
    else
        status = err_set(err, -EINVAL, "no command of a job (expected start or stop)");
    pthread_mutex_unlock(&sched->work);
    floor_wake(sched);
    if (status == 0 && stop)
        wait_closed(sched, name);
    return status;
}
