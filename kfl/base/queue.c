#include "kfl/base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

struct slot {
    void *item;
    size_t bytes;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled; /* an item came, or the end */
    size_t max_items, max_bytes;
    size_t first, count, bytes;
    bool closed;
    struct slot slots[]; /* a ring of max_items */
};

struct queue *queue_new(size_t max_items, size_t max_bytes)
{
    size_t size;
    if (mem_mul(&size, max_items, sizeof(struct slot)) < 0 ||
        mem_add(&size, size, sizeof(struct queue)) < 0)
        abort();
    struct queue *queue = mem_zalloc(size);
    queue->max_items = max_items;
    queue->max_bytes = max_bytes;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->filled, &attr);
    pthread_condattr_destroy(&attr);
    return queue;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

/* An item beyond the byte limit could never pass, so an empty queue takes it. */
static bool has_room(const struct queue *queue, size_t bytes)
{
    if (queue->count >= queue->max_items)
        return false;
    return !queue->max_bytes || queue->count == 0 ||
           (queue->bytes <= queue->max_bytes &&
            bytes <= queue->max_bytes - queue->bytes);
}

int queue_push(struct queue *queue, void *item, size_t bytes)
{
    int rc = 0;
    pthread_mutex_lock(&queue->lock);
    if (queue->closed) {
        rc = -EPIPE;
    } else if (!has_room(queue, bytes)) {
        rc = -EAGAIN;
    } else {
        size_t last = (queue->first + queue->count) % queue->max_items;
        queue->slots[last] = (struct slot){item, bytes};
        queue->count++;
        queue->bytes += bytes;
        pthread_cond_signal(&queue->filled);
    }
    pthread_mutex_unlock(&queue->lock);
    return rc;
}

/* Called with the lock: until there is an item, the end, or no more time. */
static void wait_filled(struct queue *queue, int64_t timeout_ns)
{
    if (timeout_ns < 0) {
        while (queue->count == 0 && !queue->closed)
            pthread_cond_wait(&queue->filled, &queue->lock);
        return;
    }
    int64_t until;
    if (__builtin_add_overflow(clock_monotonic(), timeout_ns, &until))
        until = INT64_MAX;
    struct timespec ts = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
    while (queue->count == 0 && !queue->closed) {
        if (pthread_cond_timedwait(&queue->filled, &queue->lock, &ts) == ETIMEDOUT)
            return;
    }
}

void *queue_pop(struct queue *queue, int64_t timeout_ns)
{
    void *item = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->count == 0 && timeout_ns != 0)
        wait_filled(queue, timeout_ns);
    if (queue->count > 0) {
        struct slot slot = queue->slots[queue->first];
        queue->first = (queue->first + 1) % queue->max_items;
        queue->count--;
        queue->bytes -= slot.bytes;
        item = slot.item;
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

bool queue_closed(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed;
    pthread_mutex_unlock(&queue->lock);
    return closed;
}
