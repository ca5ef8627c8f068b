#include "fs/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/node.h"
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

#define MEMORY_DEFAULT    (1u << 20)
#define AHEAD_MAX         (16u << 20) /* the writer pauses so far ahead of the readers */
#define PASSING_AHEAD_MAX (1u << 20)
#define FILE_MAX          (UINT64_C(1) << 40)

struct spool {
    pthread_mutex_t lock;
    struct spool_options options;
    struct buf tail;   /* what comes after `base` */
    uint64_t base;     /* bytes in the file, or let go of */
    uint64_t consumed; /* highest byte that was read */
    uint64_t served_size;
    struct spool_source source;
    int fd;
    bool ended, abandoned, paused;
    int error;
    struct waiter *readers, *enders;
};

struct spool *spool_new(const struct spool_options *options)
{
    struct spool *spool = mem_zalloc(sizeof *spool);
    spool->options = *options;
    spool->fd = -1;
    if (!spool->options.memory)
        spool->options.memory = MEMORY_DEFAULT;
    pthread_mutex_init(&spool->lock, NULL);
    return spool;
}

void spool_free(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    if (spool->source.release)
        spool->source.release(spool->source.context);
    buf_fini(&spool->tail);
    pthread_mutex_destroy(&spool->lock);
    free(spool);
}

static uint64_t size_now(const struct spool *spool)
{
    return spool->source.read ? spool->served_size : spool->base + spool->tail.len;
}

static void park(struct waiter **list, struct waiter *waiter)
{
    waiter->next = *list;
    waiter->link = list;
    if (*list)
        (*list)->link = &waiter->next;
    *list = waiter;
}

static void unpark(struct waiter *waiter)
{
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    waiter->link = NULL;
    waiter->next = NULL;
}

/* Moves those who have something to read now to `ready`. */
static void collect(struct spool *spool, struct waiter **ready)
{
    struct waiter *waiter = spool->readers, *next;
    bool all = spool->ended || spool->abandoned;
    for (; waiter; waiter = next) {
        next = waiter->next;
        if (!all && waiter->offset >= size_now(spool))
            continue;
        unpark(waiter);
        waiter->next = *ready;
        *ready = waiter;
    }
    while (all && (waiter = spool->enders)) {
        unpark(waiter);
        waiter->next = *ready;
        *ready = waiter;
    }
}

static void wake_all(struct waiter *ready)
{
    while (ready) {
        struct waiter *waiter = ready;
        ready = waiter->next;
        waiter->next = NULL;
        waiter->wake(waiter);
    }
}

static int spill(struct spool *spool)
{
    if (spool->options.passing || spool->tail.len < spool->options.memory)
        return 0;
    if (spool->base + spool->tail.len > FILE_MAX)
        return -EFBIG;
    if (spool->fd < 0) {
        spool->fd =
            openat(spool->options.dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (spool->fd < 0)
            return -errno;
    }
    int r = sys_pwrite_all(spool->fd, spool->tail.data, spool->tail.len,
                           (off_t)spool->base);
    if (r)
        return r;
    spool->base += spool->tail.len;
    buf_clear(&spool->tail);
    return 0;
}

static uint64_t ahead_max(const struct spool *spool)
{
    return spool->options.passing ? PASSING_AHEAD_MAX : AHEAD_MAX;
}

int spool_append(struct spool *spool, const void *bytes, size_t size)
{
    struct waiter *ready = NULL;
    pthread_mutex_lock(&spool->lock);
    int r = spool->abandoned ? -EPIPE : buf_add(&spool->tail, bytes, size);
    if (!r)
        r = spill(spool);
    if (!r && size_now(spool) - spool->consumed > ahead_max(spool)) {
        spool->paused = true;
        r = 1;
    }
    collect(spool, &ready);
    pthread_mutex_unlock(&spool->lock);
    wake_all(ready);
    return r;
}

bool spool_full(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    bool full = spool->paused;
    pthread_mutex_unlock(&spool->lock);
    return full;
}

void spool_finish(struct spool *spool, int error)
{
    struct waiter *ready = NULL;
    pthread_mutex_lock(&spool->lock);
    spool->ended = true;
    spool->error = error;
    collect(spool, &ready);
    pthread_mutex_unlock(&spool->lock);
    wake_all(ready);
}

void spool_serve(struct spool *spool, const struct spool_source *source, uint64_t size)
{
    pthread_mutex_lock(&spool->lock);
    spool->source = *source;
    spool->served_size = size;
    pthread_mutex_unlock(&spool->lock);
    spool_finish(spool, 0);
}

void spool_abandon(struct spool *spool)
{
    struct waiter *ready = NULL;
    pthread_mutex_lock(&spool->lock);
    spool->abandoned = true;
    collect(spool, &ready);
    pthread_mutex_unlock(&spool->lock);
    wake_all(ready);
}

/* Lets go of what was read; moves memory only when at least half of it can go. */
static void let_go(struct spool *spool)
{
    if (!spool->options.passing || spool->consumed <= spool->base)
        return;
    size_t gone = (size_t)(spool->consumed - spool->base);
    if (gone < spool->tail.len && gone < spool->tail.len / 2 + 1)
        return;
    if (gone > spool->tail.len)
        gone = spool->tail.len;
    memmove(spool->tail.data, spool->tail.data + gone, spool->tail.len - gone);
    spool->tail.len -= gone;
    spool->base += gone;
}

static ssize_t copy_out(struct spool *spool, void *out, size_t size, uint64_t offset)
{
    if (offset < spool->base) {
        if (spool->options.passing)
            return -ESPIPE;
        if (size > spool->base - offset)
            size = (size_t)(spool->base - offset);
        return sys_pread_all(spool->fd, out, size, (off_t)offset);
    }
    size_t skip = (size_t)(offset - spool->base);
    if (size > spool->tail.len - skip)
        size = spool->tail.len - skip;
    memcpy(out, spool->tail.data + skip, size);
    return (ssize_t)size;
}

static ssize_t read_locked(struct spool *spool, void *out, size_t size, uint64_t offset,
                           struct waiter *waiter)
{
    if (spool->source.read)
        return spool->source.read(spool->source.context, out, size, offset);
    if (offset < size_now(spool)) {
        ssize_t n = copy_out(spool, out, size, offset);
        if (n > 0 && offset + (uint64_t)n > spool->consumed)
            spool->consumed = offset + (uint64_t)n;
        let_go(spool);
        return n;
    }
    if (spool->ended || spool->abandoned)
        return spool->error;
    if (!waiter)
        return -EAGAIN;
    waiter->offset = offset;
    park(&spool->readers, waiter);
    return -EINPROGRESS;
}

ssize_t spool_read(struct spool *spool, void *out, size_t size, uint64_t offset,
                   struct waiter *waiter)
{
    bool resume = false;
    pthread_mutex_lock(&spool->lock);
    ssize_t n = read_locked(spool, out, size, offset, waiter);
    if (spool->paused && size_now(spool) - spool->consumed < ahead_max(spool) / 2) {
        spool->paused = false;
        resume = true;
    }
    pthread_mutex_unlock(&spool->lock);
    if (resume && spool->options.resume)
        spool->options.resume(spool->options.context);
    return n;
}

int64_t spool_size(struct spool *spool, struct waiter *waiter)
{
    pthread_mutex_lock(&spool->lock);
    int64_t size = (int64_t)size_now(spool);
    if (waiter && !spool->ended && !spool->abandoned && !spool->paused) {
        park(&spool->enders, waiter);
        size = -EINPROGRESS;
    }
    pthread_mutex_unlock(&spool->lock);
    return size;
}

bool spool_cancel(struct spool *spool, struct waiter *waiter)
{
    pthread_mutex_lock(&spool->lock);
    bool parked = waiter->link;
    if (parked)
        unpark(waiter);
    pthread_mutex_unlock(&spool->lock);
    return parked;
}
