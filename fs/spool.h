/* A spool: a result that grows while it is read. A little of it is in memory, the rest
 * in an unlinked file. Readers that are ahead of it wait without a thread. Thread safe.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spool;
struct waiter;

struct spool_options {
    int dirfd;     /* where the file would be */
    size_t memory; /* bytes in memory before the file is used; 0: 1 MiB */
    bool passing;  /* what was read is let go of, no file: for results without an end */
    /* The writer was told to pause and may go on; called with no lock held. */
    void (*resume)(void *context);
    void *context;
};
struct spool *spool_new(const struct spool_options *options);
void spool_free(struct spool *spool);

/* The writer's side. 0; 1: far enough ahead of the readers, pause until resume();
 * -EPIPE: nobody reads any more; -ENOSPC and the like. */
int spool_append(struct spool *spool, const void *bytes, size_t size);
/* Was it told to pause, and not yet to go on? */
bool spool_full(struct spool *spool);
/* No more comes. Readers that reach the end get `error` (0: end of file). */
void spool_finish(struct spool *spool, int error);
/* As finish, and the content is what read() gives: `size` bytes, the same at any time.
 * release() is called when the spool goes. */
struct spool_source {
    ssize_t (*read)(void *context, void *out, size_t size, uint64_t offset);
    void (*release)(void *context);
    void *context;
};
void spool_serve(struct spool *spool, const struct spool_source *source, uint64_t size);
/* Readers are gone: appending fails from now on, waiters are woken. */
void spool_abandon(struct spool *spool);

/* Bytes, 0 at the end, -errno; -EAGAIN or (with a waiter) -EINPROGRESS where there is
 * nothing yet. */
ssize_t spool_read(struct spool *spool, void *out, size_t size, uint64_t offset,
                   struct waiter *waiter);
/* Size so far, or -EINPROGRESS: the waiter is woken at the end. It may be NULL. */
int64_t spool_size(struct spool *spool, struct waiter *waiter);
bool spool_cancel(struct spool *spool, struct waiter *waiter);
