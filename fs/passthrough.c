#include "fs/passthrough.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uthash.h>

#include "fs/broker.h"
#include "fs/node.h"
#include "fs/ops.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"

/* fuse(4) from Linux 6.9 on; older headers and libfuse do not have them. */
#define INIT_EXTENDED    (UINT32_C(1) << 30)
#define INIT_PASSTHROUGH (UINT32_C(1) << 5) /* of the upper half of the flags */
#define OPEN_NOFLUSH     (UINT32_C(1) << 5)
#define OPEN_PASSTHROUGH (UINT32_C(1) << 7)
#define STACK_DEPTH      1 /* files of filesystems that are not stacked themselves */

struct open_reply {
    uint64_t handle;
    uint32_t flags;
    int32_t backing_id;
};

/* An inode with open files that could be passed through. */
struct opened {
    uint64_t node;
    unsigned count;
    int id;            /* the kernel's, of the file on disk; 0: it is read from here */
    struct file *file; /* passed through: the one of them all */
    UT_hash_handle hh;
};

struct passthrough {
    struct broker *broker;
    int device;
    _Atomic uint64_t hello; /* the request that offered it, until it is answered */
    _Atomic bool agreed;
    pthread_mutex_t lock;
    struct opened *opened;
};

/* ---- the handshake, which libfuse does without knowing of it */

static ssize_t read_request(int fd, void *bytes, size_t size, void *userdata)
{
    const struct mount *mount = userdata;
    struct fuse_in_header header;
    struct fuse_init_in init;
    ssize_t n = read(fd, bytes, size);
    if (n < (ssize_t)(sizeof header + sizeof init))
        return n;
    memcpy(&header, bytes, sizeof header);
    if (header.opcode != FUSE_INIT)
        return n;
    memcpy(&init, (const char *)bytes + sizeof header, sizeof init);
    if ((init.flags & INIT_EXTENDED) && (init.flags2 & INIT_PASSTHROUGH))
        mount->passthrough->hello = header.unique;
    return n;
}

static void agree(struct passthrough *passthrough, void *reply)
{
    const uint32_t depth = STACK_DEPTH;
    struct fuse_init_out init;
    memcpy(&init, reply, sizeof init);
    init.flags |= INIT_EXTENDED;
    init.flags2 |= INIT_PASSTHROUGH;
    memcpy(reply, &init, sizeof init);
    /* max_stack_depth comes next. */
    memcpy((char *)reply + offsetof(struct fuse_init_out, flags2) + sizeof init.flags2,
           &depth, sizeof depth);
    passthrough->agreed = true;
}

static ssize_t write_reply(int fd, struct iovec *iov, int count, void *userdata)
{
    const struct mount *mount = userdata;
    struct passthrough *passthrough = mount->passthrough;
    const struct fuse_out_header *header = iov[0].iov_base;
    if (passthrough->hello && header->unique == passthrough->hello) {
        passthrough->hello = 0;
        if (count == 2 && !header->error &&
            iov[1].iov_len >= sizeof(struct fuse_init_out))
            agree(passthrough, iov[1].iov_base);
    }
    return writev(fd, iov, count);
}

int passthrough_start(struct mount *mount, struct fuse_session *session,
                      struct broker *broker, struct err *err)
{
    const struct fuse_custom_io io = {.read = read_request, .writev = write_reply};
    struct passthrough *passthrough = mem_zalloc(sizeof *passthrough);
    passthrough->broker = broker;
    passthrough->device = fuse_session_fd(session);
    pthread_mutex_init(&passthrough->lock, NULL);
    mount->passthrough = passthrough;
    int r = fuse_session_custom_io(session, &io, passthrough->device);
    if (r) {
        passthrough_free(passthrough);
        mount->passthrough = NULL;
        return err_set(err, r, "can't listen to the kernel: errno=%d", -r);
    }
    return 0;
}

void passthrough_free(struct passthrough *passthrough)
{
    if (!passthrough)
        return;
    pthread_mutex_destroy(&passthrough->lock);
    free(passthrough);
}

/* ---- open files */

static int register_file(const struct passthrough *passthrough, struct file *file)
{
    int fd = file->ops->backing(file);
    if (fd < 0)
        return 0;
    int id = broker_register(passthrough->broker, passthrough->device, fd);
    close(fd);
    return id > 0 ? id : 0;
}

struct opened *passthrough_enter(struct passthrough *passthrough, uint64_t node,
                                 struct file **file)
{
    struct opened *opened = NULL;
    struct file *other = NULL;
    if (!passthrough || !passthrough->agreed || !(*file)->ops->backing)
        return NULL;
    pthread_mutex_lock(&passthrough->lock);
    HASH_FIND(hh, passthrough->opened, &node, sizeof node, opened);
    if (!opened) {
        opened = mem_zalloc(sizeof *opened);
        opened->node = node;
        opened->id = register_file(passthrough, *file);
        if (opened->id)
            opened->file = file_ref(*file);
        HASH_ADD(hh, passthrough->opened, node, sizeof opened->node, opened);
    } else if (opened->id) {
        other = *file;
        *file = file_ref(opened->file);
    }
    opened->count++;
    pthread_mutex_unlock(&passthrough->lock);
    if (other)
        file_unref(other);
    return opened;
}

bool passthrough_leave(struct passthrough *passthrough, struct opened *opened)
{
    if (!opened)
        return true;
    pthread_mutex_lock(&passthrough->lock);
    bool alone = !opened->id, last = --opened->count == 0;
    if (last)
        HASH_DELETE(hh, passthrough->opened, opened);
    pthread_mutex_unlock(&passthrough->lock);
    if (!last)
        return alone;
    if (opened->id) {
        broker_release(passthrough->broker, passthrough->device, opened->id);
        file_unref(opened->file);
    }
    free(opened);
    return true;
}

int passthrough_reply(fuse_req_t req, const struct fuse_file_info *fi,
                      const struct opened *opened)
{
    if (!opened || !opened->id)
        return fuse_reply_open(req, fi);
    /* The other flags are about a cache, which there is none of here. */
    const struct open_reply reply = {.handle = fi->fh,
                                     .flags = OPEN_PASSTHROUGH |
                                              (fi->noflush ? OPEN_NOFLUSH : 0),
                                     .backing_id = opened->id};
    return fuse_reply_buf(req, (const char *)&reply, sizeof reply);
}
