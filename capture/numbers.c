#include "capture/numbers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/names.h"
#include "capture/store/store.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"

/* Some seconds of the fastest link; 12 digits last for a million starts. */
#define STEP (UINT64_C(1) << 20)

struct range {
    uint64_t next, end;
};

struct numbers {
    struct store *store;
    struct names *names;
    struct range current; /* the taker's */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct range ahead; /* under the lock; empty: to be reserved */
    bool stop;
};

static int reserve(struct numbers *numbers, struct range *range, struct err *err)
{
    int rc = store_reserve_numbers(numbers->store, STEP, &range->next, err);
    range->end = rc < 0 ? 0 : range->next + STEP;
    range->next = rc < 0 ? 0 : range->next;
    return rc;
}

static void wait_a_second(struct numbers *numbers)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    pthread_cond_timedwait(&numbers->changed, &numbers->lock, &until);
}

static void *keep(void *context)
{
    struct numbers *numbers = context;
    bool failed = false;
    pthread_mutex_lock(&numbers->lock);
    while (!numbers->stop) {
        bool wanted = numbers->ahead.next == numbers->ahead.end;
        struct range range = {0};
        struct err err;
        pthread_mutex_unlock(&numbers->lock);
        bool fails = wanted && reserve(numbers, &range, &err) < 0;
        if (fails && !failed)
            log_error("cannot reserve packet numbers: %s", err.msg);
        failed = fails;
        if (numbers->names)
            names_refresh(numbers->names);
        pthread_mutex_lock(&numbers->lock);
        if (range.end)
            numbers->ahead = range;
        bool again = numbers->ahead.next == numbers->ahead.end && !failed;
        if (!again && !numbers->stop)
            wait_a_second(numbers);
    }
    pthread_mutex_unlock(&numbers->lock);
    return NULL;
}

int numbers_start(struct numbers **out, struct store *store, struct names *names,
                  struct err *err)
{
    struct numbers *numbers = mem_zalloc(sizeof *numbers);
    pthread_condattr_t attr;
    numbers->store = store;
    numbers->names = names;
    int rc = reserve(numbers, &numbers->current, err);
    if (rc < 0) {
        free(numbers);
        return rc;
    }
    pthread_mutex_init(&numbers->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&numbers->changed, &attr);
    pthread_condattr_destroy(&attr);
    rc = pthread_create(&numbers->thread, NULL, keep, numbers);
    if (rc != 0) {
        pthread_cond_destroy(&numbers->changed);
        pthread_mutex_destroy(&numbers->lock);
        free(numbers);
        return err_set(err, -rc, "cannot start a thread: %s", strerror(rc));
    }
    *out = numbers;
    return 0;
}

void numbers_stop(struct numbers *numbers)
{
    if (!numbers)
        return;
    pthread_mutex_lock(&numbers->lock);
    numbers->stop = true;
    pthread_cond_signal(&numbers->changed);
    pthread_mutex_unlock(&numbers->lock);
    pthread_join(numbers->thread, NULL);
    pthread_cond_destroy(&numbers->changed);
    pthread_mutex_destroy(&numbers->lock);
    free(numbers);
}

uint64_t numbers_take(struct numbers *numbers)
{
    if (numbers->current.next == numbers->current.end) {
        pthread_mutex_lock(&numbers->lock);
        numbers->current = numbers->ahead;
        numbers->ahead = (struct range){0};
        pthread_cond_signal(&numbers->changed);
        pthread_mutex_unlock(&numbers->lock);
        if (numbers->current.next == numbers->current.end)
            return 0;
    }
    return numbers->current.next++;
}
