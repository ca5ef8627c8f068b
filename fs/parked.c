#include "fs/parked.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"

/* Who takes a request out of `waiting` answers it. Its memory has two holders:
 * `waiting`, and whoever holds the waiter (the file, or a thread in attempt()). */
struct lot {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct parked *waiting;
    unsigned alive; /* requests that somebody still holds */
    uint64_t last_id;
    int64_t next_until; /* when the clock thread looks again */
    bool stopping;
    pthread_t clock;
};

static void drop(struct parked *parked)
{
    struct lot *lot = parked->lot;
    if (--parked->refs)
        return;
    file_unref(parked->file);
    parked->release(parked);
    pthread_mutex_lock(&lot->lock);
    if (!--lot->alive)
        pthread_cond_broadcast(&lot->changed);
    pthread_mutex_unlock(&lot->lock);
}

static void give_up(struct parked *parked, int64_t result)
{
    parked->answer(parked, result);
    if (parked->file->ops->cancel(parked->file, &parked->waiter))
        drop(parked);
    drop(parked);
}

static struct parked *find_late(struct lot *lot, int64_t now)
{
    struct parked *parked, *next;
    lot->next_until = INT64_MAX;
    HASH_ITER(hh, lot->waiting, parked, next)
    {
        if (!parked->until || parked->entering)
            continue;
        if (parked->until <= now)
            return parked;
        if (parked->until < lot->next_until)
            lot->next_until = parked->until;
    }
    return NULL;
}

static void *keep_time(void *context)
{
    struct lot *lot = context;
    pthread_mutex_lock(&lot->lock);
    while (!lot->stopping) {
        struct parked *late = find_late(lot, clock_monotonic());
        if (late) {
            HASH_DEL(lot->waiting, late);
            pthread_mutex_unlock(&lot->lock);
            give_up(late, -ETIME);
            pthread_mutex_lock(&lot->lock);
        } else if (lot->next_until == INT64_MAX) {
            pthread_cond_wait(&lot->changed, &lot->lock);
        } else {
            struct timespec ts = {.tv_sec = lot->next_until / NS_PER_S,
                                  .tv_nsec = lot->next_until % NS_PER_S};
            pthread_cond_timedwait(&lot->changed, &lot->lock, &ts);
        }
    }
    pthread_mutex_unlock(&lot->lock);
    return NULL;
}

int lot_new(struct lot **out, struct err *err)
{
    struct lot *lot = mem_zalloc(sizeof *lot);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&lot->lock, NULL);
    pthread_cond_init(&lot->changed, &attr);
    pthread_condattr_destroy(&attr);
    lot->next_until = INT64_MAX;
    int r = pthread_create(&lot->clock, NULL, keep_time, lot);
    if (r) {
        free(lot);
        return err_set(err, -r, "can't start a thread: errno=%d", r);
    }
    *out = lot;
    return 0;
}

void lot_free(struct lot *lot)
{
    pthread_mutex_lock(&lot->lock);
    lot->stopping = true;
    pthread_cond_signal(&lot->changed);
    pthread_mutex_unlock(&lot->lock);
    pthread_join(lot->clock, NULL);
    /* A thread that came to answer one may be about to find that it is answered. */
    pthread_mutex_lock(&lot->lock);
    while (lot->alive)
        pthread_cond_wait(&lot->changed, &lot->lock);
    pthread_mutex_unlock(&lot->lock);
    pthread_cond_destroy(&lot->changed);
    pthread_mutex_destroy(&lot->lock);
    free(lot);
}

static bool claim(struct parked *parked)
{
    struct lot *lot = parked->lot;
    struct parked *found;
    pthread_mutex_lock(&lot->lock);
    HASH_FIND(hh, lot->waiting, &parked->id, sizeof parked->id, found);
    if (found)
        HASH_DEL(lot->waiting, found);
    pthread_mutex_unlock(&lot->lock);
    return found;
}

static bool is_waiting(struct parked *parked)
{
    struct lot *lot = parked->lot;
    struct parked *found;
    pthread_mutex_lock(&lot->lock);
    HASH_FIND(hh, lot->waiting, &parked->id, sizeof parked->id, found);
    pthread_mutex_unlock(&lot->lock);
    return found;
}

/* One attempt by the thread that holds the waiter. */
static void try_again(struct parked *parked)
{
    /* The file may drop the waiter's hold in another thread as soon as it is parked. */
    parked->refs++;
    int64_t result = parked->attempt(parked, &parked->waiter);
    if (result != -EINPROGRESS) {
        if (claim(parked)) {
            parked->answer(parked, result);
            drop(parked);
        }
        drop(parked);
    } else if (!is_waiting(parked) &&
               parked->file->ops->cancel(parked->file, &parked->waiter)) {
        /* Answered by an interrupt while it was being parked. */
        drop(parked);
    }
    drop(parked);
}

static void woken(struct waiter *waiter)
{
    try_again((struct parked *)waiter);
}

void lot_enter(struct lot *lot, struct parked *parked, struct file *file)
{
    parked->waiter = (struct waiter){.wake = woken};
    parked->lot = lot;
    parked->refs = 2;
    parked->file = file_ref(file);
    parked->entering = true;
    pthread_mutex_lock(&lot->lock);
    parked->id = ++lot->last_id;
    lot->alive++;
    HASH_ADD(hh, lot->waiting, id, sizeof parked->id, parked);
    pthread_mutex_unlock(&lot->lock);
}

void lot_run(struct parked *parked)
{
    struct lot *lot = parked->lot;
    pthread_mutex_lock(&lot->lock);
    parked->entering = false;
    if (parked->interrupted)
        HASH_DEL(lot->waiting, parked);
    else if (parked->until && parked->until < lot->next_until)
        pthread_cond_signal(&lot->changed);
    bool interrupted = parked->interrupted;
    pthread_mutex_unlock(&lot->lock);
    if (!interrupted) {
        try_again(parked);
        return;
    }
    parked->answer(parked, -EINTR);
    drop(parked);
    drop(parked);
}

void lot_interrupt(struct lot *lot, uint64_t id)
{
    struct parked *parked;
    pthread_mutex_lock(&lot->lock);
    HASH_FIND(hh, lot->waiting, &id, sizeof id, parked);
    if (parked && parked->entering) {
        parked->interrupted = true;
        parked = NULL;
    }
    if (parked)
        HASH_DEL(lot->waiting, parked);
    pthread_mutex_unlock(&lot->lock);
    if (parked)
        give_up(parked, -EINTR);
}

void lot_interrupt_all(struct lot *lot)
{
    for (;;) {
        pthread_mutex_lock(&lot->lock);
        struct parked *parked = lot->waiting;
        if (parked)
            HASH_DEL(lot->waiting, parked);
        pthread_mutex_unlock(&lot->lock);
        if (!parked)
            return;
        give_up(parked, -EINTR);
    }
}
