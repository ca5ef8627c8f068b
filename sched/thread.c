#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "capture/store/store.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"
#include "sched/floor.h"
#include "sched/table.h"

#define LOOK_AGAIN NS_PER_S /* who sets an expiry tells the store alone */

int64_t sched_run_due(struct sched *sched)
{
    int64_t now = floor_now(sched), next = WHEN_NEVER, at;

    pthread_mutex_lock(&sched->work);
    for (size_t i = 0; i < sched->count; i++) {
        at = run_step(sched, sched->jobs[i], now);
        next = at < next ? at : next;
    }
    run_reap(sched);
    pthread_mutex_unlock(&sched->work);
    at = store_expire(sched->options.store, now);
    return at < next ? at : next;
}

/* ---- the thread */

static void set_timer(struct sched *sched, int64_t next)
{
    int64_t again = floor_now(sched) + LOOK_AGAIN;
    struct itimerspec timer = {0};

    if (next > again)
        next = again;
    if (next < 1)
        next = 1; /* zero would disarm it */
    timer.it_value.tv_sec = next / NS_PER_S;
    timer.it_value.tv_nsec = next % NS_PER_S;
    timerfd_settime(sched->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                    &timer, NULL);
}

static void drain(int fd)
{
    uint64_t count;

    /* ECANCELED: the clock was set; that is a reason to look, as any other. */
    while (read(fd, &count, sizeof(count)) > 0)
        continue;
}

static void *thread_main(void *context)
{
    struct sched *sched = context;
    struct epoll_event events[2];

    while (!atomic_load(&sched->stopping)) {
        set_timer(sched, sched_run_due(sched));
        if (epoll_wait(sched->poll_fd, events, 2, -1) < 0 && errno != EINTR)
            break;
        drain(sched->wake_fd);
        drain(sched->timer_fd);
    }
    return NULL;
}

static int watch(struct sched *sched, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(sched->poll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int sched_start(struct sched *sched, struct err *err)
{
    int status = 0;

    sched->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    sched->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (sched->timer_fd < 0 || sched->poll_fd < 0)
        status = -errno;
    if (status == 0)
        status = watch(sched, sched->timer_fd);
    if (status == 0)
        status = watch(sched, sched->wake_fd);
    if (status == 0)
        status = -pthread_create(&sched->thread, NULL, thread_main, sched);
    if (status < 0)
        return err_set(err, status, "the scheduler was not started: %s",
                       strerror(-status));
    pthread_mutex_lock(&sched->lock);
    sched->started = true;
    pthread_mutex_unlock(&sched->lock);
    return 0;
}

void sched_stop(struct sched *sched)
{
    bool started;

    pthread_mutex_lock(&sched->lock);
    started = sched->started;
    sched->started = false;
    pthread_cond_broadcast(&sched->closed);
    pthread_mutex_unlock(&sched->lock);
    if (!started)
        return;
    atomic_store(&sched->stopping, true);
    floor_wake(sched);
    pthread_join(sched->thread, NULL);
}

/* ---- opening */

/* A job that can't be read costs its own recording, not those of others. */
static void load_one(struct sched *sched, const char *name)
{
    struct err err = {0};
    struct job *job = NULL;

    if (!sched_name_is_valid(name) || sched->count >= TABLE_JOBS_MAX)
        return;
    if (job_load(&job, sched->jobs_fd, name, &err) == 0)
        table_insert(sched, job);
    else if (err.code == -ENOENT)
        (void)sys_remove_tree(sched->jobs_fd, name);
    else
        log_error("%s", err.msg);
}

static int load(struct sched *sched, struct err *err)
{
    int dir_fd = store_dir(sched->options.store), status;
    struct dirent *entry;
    DIR *dir = NULL;

    status = sys_make_dirs(dir_fd, JOB_FOLDER);
    if (status == 0) {
        sched->jobs_fd = openat(dir_fd, JOB_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = sched->jobs_fd < 0 ? NULL : fdopendir(dup(sched->jobs_fd));
        status = dir ? 0 : -errno;
    }
    if (status < 0)
        return err_set(err, status, "jobs were not read: %s", strerror(-status));
    while ((entry = readdir(dir)))
        load_one(sched, entry->d_name);
    closedir(dir);
    return 0;
}

int sched_open(struct sched **out, const struct sched_options *options, struct err *err)
{
    struct sched *sched = mem_zalloc(sizeof(*sched));
    pthread_condattr_t attributes;
    int status;

    sched->options = *options;
    sched->jobs_fd = sched->timer_fd = sched->poll_fd = -1;
    pthread_mutex_init(&sched->work, NULL);
    pthread_mutex_init(&sched->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sched->closed, &attributes);
    pthread_condattr_destroy(&attributes);
    sched->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    status = sched->wake_fd < 0
                 ? err_set(err, -errno, "no eventfd: %s", strerror(errno))
                 : 0;
    if (status == 0)
        status = load(sched, err);
    if (status < 0) {
        sched_close(sched);
        return status;
    }
    run_adopt(sched);
    *out = sched;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void sched_close(struct sched *sched)
{
    struct run *run;

    if (!sched)
        return;
    sched_stop(sched);
    run_reap(sched);
    while ((run = sched->runs)) {
        sched->runs = run->next;
        run_free(run);
    }
    for (size_t i = 0; i < sched->count; i++)
        job_free(sched->jobs[i]);
    free(sched->jobs);
    close_fd(sched->jobs_fd);
    close_fd(sched->wake_fd);
    close_fd(sched->timer_fd);
    close_fd(sched->poll_fd);
    pthread_cond_destroy(&sched->closed);
    pthread_mutex_destroy(&sched->work);
    pthread_mutex_destroy(&sched->lock);
    free(sched);
}
