/* Files that are copied into a recording's folder: kept aside while they are written,
 * imported at the close, which is answered when the recording can be queried. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/replay.h"
#include "capture/store/store.h"
#include "fs/errorlog.h"
#include "fs/fs.h"
#include "fs/import.h"
#include "fs/places.h"
#include "fs/pool.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"
#include "sched/sched.h"

#define MAGIC_LEN 4

enum state { STATE_WRITING, STATE_RUNNING, STATE_DONE };

struct upload {
    struct file file; /* first */
    struct task task;
    struct place place;
    int fd; /* unlinked, in the store */
    uint64_t size;
    pthread_mutex_t lock;
    _Atomic int state; /* enum state */
    int result;        /* this and the next under the lock */
    struct waiter *waiter;
};

static struct upload *of_task(struct task *task)
{
    return (struct upload *)(void *)((char *)task - offsetof(struct upload, task));
}

/* What copying tools say of an errno is not all there is to say. */
static int refuse(struct upload *upload, int code, const char *why)
{
    struct err err = {0};
    struct fs *fs = upload->file.fs;
    err_set(&err, code, "%s", why);
    errorlog_add(fs->errors, fs_now(fs), upload->place.path + 1, upload->place.leaf,
                 &err);
    return code;
}

static int import(struct upload *upload)
{
    struct err err = {0};
    int fd = fcntl(upload->fd, F_DUPFD_CLOEXEC, 0);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    if (!in) {
        if (fd >= 0)
            close(fd);
        return -errno;
    }
    rewind(in);
    int r = import_capture(upload->file.fs, upload->place.name, in, upload->size, &err);
    fclose(in);
    if (r)
        errorlog_add(upload->file.fs->errors, fs_now(upload->file.fs),
                     upload->place.path + 1, upload->place.leaf, &err);
    return r;
}

static void run(struct task *task)
{
    struct upload *upload = of_task(task);
    int result = import(upload);
    pthread_mutex_lock(&upload->lock);
    upload->state = STATE_DONE;
    upload->result = result;
    struct waiter *waiter = upload->waiter;
    upload->waiter = NULL;
    pthread_mutex_unlock(&upload->lock);
    if (waiter)
        waiter->wake(waiter);
}

static ssize_t upload_write(struct file *file, const void *bytes, size_t size,
                            uint64_t offset)
{
    struct upload *upload = (struct upload *)file;
    struct store_usage usage;
    if (upload->state != STATE_WRITING)
        return -EBUSY;
    if (offset == 0 && size >= MAGIC_LEN && !replay_is_capture(bytes, size))
        return refuse(upload, -EINVAL, "this is no capture (expected pcap or pcapng)");
    store_usage(file->fs->store, &usage);
    if (usage.bytes + offset + size > usage.limit)
        return refuse(upload, -ENOSPC, "there is no room for it in the store");
    int r = sys_pwrite_all(upload->fd, bytes, size, (off_t)offset);
    if (r)
        return r;
    if (offset + size > upload->size)
        upload->size = offset + size;
    return (ssize_t)size;
}

static int upload_truncate(struct file *file, uint64_t size)
{
    struct upload *upload = (struct upload *)file;
    if (upload->state != STATE_WRITING)
        return -EBUSY;
    if (size > upload->size)
        return 0; /* room asked for ahead; the writes will say what is there */
    upload->size = size;
    return ftruncate(upload->fd, (off_t)size) ? -errno : 0;
}

static int64_t upload_size(struct file *file, struct waiter *waiter)
{
    (void)waiter;
    return (int64_t)((struct upload *)file)->size;
}

/* -EAGAIN without a waiter: the work begins when there is someone to answer. */
static int upload_flush(struct file *file, struct waiter *waiter)
{
    struct upload *upload = (struct upload *)file;
    int r;
    bool start = false;
    if (!upload->size)
        return -EINVAL;
    pthread_mutex_lock(&upload->lock);
    if (upload->state == STATE_DONE) {
        r = upload->result;
    } else if (!waiter || upload->waiter) {
        r = waiter ? -EBUSY : -EAGAIN;
    } else {
        start = upload->state == STATE_WRITING;
        upload->state = STATE_RUNNING;
        upload->waiter = waiter;
        r = -EINPROGRESS;
    }
    pthread_mutex_unlock(&upload->lock);
    if (start)
        pool_submit(file->fs->pool, &upload->task);
    return r;
}

static bool upload_cancel(struct file *file, struct waiter *waiter)
{
    struct upload *upload = (struct upload *)file;
    pthread_mutex_lock(&upload->lock);
    bool waits = upload->waiter == waiter;
    if (waits)
        upload->waiter = NULL;
    pthread_mutex_unlock(&upload->lock);
    return waits;
}

static void upload_release(struct task *task)
{
    struct upload *upload = of_task(task);
    close(upload->fd);
    place_fini(&upload->place);
    pthread_mutex_destroy(&upload->lock);
    file_fini(&upload->file);
    free(upload);
}

static void upload_close(struct file *file)
{
    struct upload *upload = (struct upload *)file;
    pool_retire(file->fs->pool, &upload->task);
}

static const struct file_ops upload_ops = {
    .write = upload_write,
    .truncate = upload_truncate,
    .size = upload_size,
    .flush = upload_flush,
    .cancel = upload_cancel,
    .close = upload_close,
};

static int upload_create(struct file **out, struct fs *fs, const struct place *place,
                         int flags)
{
    struct recording_info info;
    (void)flags;
    int r = store_info(fs->store, place->name, &info);
    if (r)
        return r;
    if (sched_owns(fs->sched, place->name) ||
        sched_is_recording(fs->sched, place->name))
        return -EBUSY;
    int fd = openat(store_dir(fs->store), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    struct upload *upload = mem_zalloc(sizeof *upload);
    file_init(&upload->file, &upload_ops, fs);
    upload->task = (struct task){.run = run, .release = upload_release};
    upload->fd = fd;
    pthread_mutex_init(&upload->lock, NULL);
    place_copy(&upload->place, place);
    *out = &upload->file;
    return 0;
}

/* Once imported, its packets and entries are the recording's: the name is gone. */
static int upload_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    (void)fs;
    (void)place;
    (void)st;
    return -ENOENT;
}

const struct place_ops recording_import_ops = {.stat = upload_stat,
                                               .create = upload_create};
