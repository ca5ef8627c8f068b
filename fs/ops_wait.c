#include "fs/ops_wait.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/node.h"
#include "fs/ops.h"
#include "fs/parked.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

enum request_kind { REQUEST_READ, REQUEST_SIZE, REQUEST_FLUSH };

struct request {
    struct parked parked; /* first */
    enum request_kind kind;
    fuse_req_t req;
    size_t size;
    uint64_t offset;
    char *data; /* room for `size` bytes */
    struct stat st;
};

static int64_t attempt(struct parked *parked, struct waiter *waiter)
{
    struct request *request = (struct request *)parked;
    struct file *file = parked->file;
    int64_t result = 0;
    pthread_mutex_lock(&file->lock);
    switch (request->kind) {
    case REQUEST_READ:
        result = file->ops->read(file, request->data, request->size, request->offset,
                                 waiter);
        break;
    case REQUEST_SIZE:
        result = file->ops->size(file, waiter);
        break;
    case REQUEST_FLUSH:
        result = file->ops->flush(file, waiter);
        break;
    }
    pthread_mutex_unlock(&file->lock);
    return result;
}

static void answer_size(struct request *request, int64_t result)
{
    if (result == -ETIME)
        result = attempt(&request->parked, NULL);
    if (result < 0) {
        fuse_reply_err(request->req, (int)-result);
        return;
    }
    request->st.st_size = (off_t)result;
    fuse_reply_attr(request->req, &request->st, 0);
}

static void answer(struct parked *parked, int64_t result)
{
    struct request *request = (struct request *)parked;
    if (request->kind == REQUEST_SIZE)
        answer_size(request, result);
    else if (result < 0 || request->kind == REQUEST_FLUSH)
        fuse_reply_err(request->req, (int)-result);
    else
        fuse_reply_buf(request->req, request->data, (size_t)result);
}

static void release(struct parked *parked)
{
    struct request *request = (struct request *)parked;
    free(request->data);
    free(request);
}

/* The id, not the request, is what an interrupt knows: the request may be answered by
 * then. */
static void interrupted(fuse_req_t req, void *data)
{
    struct mount *mount = fuse_req_userdata(req);
    lot_interrupt(mount->lot, (uint64_t)(uintptr_t)data);
}

static void wait_for(struct mount *mount, const struct request *model,
                     struct file *file, int64_t until)
{
    struct request *request = mem_alloc(sizeof *request);
    *request = *model;
    request->parked = (struct parked){
        .until = until, .attempt = attempt, .answer = answer, .release = release};
    lot_enter(mount->lot, &request->parked, file);
    fuse_req_interrupt_func(request->req, interrupted,
                            (void *)(uintptr_t)request->parked.id);
    lot_run(&request->parked);
}

void request_read(struct mount *mount, fuse_req_t req, struct file *file, size_t size,
                  off_t offset)
{
    struct request request = {
        .parked.file = file,
        .kind = REQUEST_READ,
        .req = req,
        .size = size,
        .offset = (uint64_t)offset,
        .data = mem_alloc(size ? size : 1),
    };
    if (!file->ops->read) {
        fuse_reply_err(req, EPERM);
        free(request.data);
        return;
    }
    int64_t result = attempt(&request.parked, NULL);
    if (result == -EAGAIN) {
        wait_for(mount, &request, file, 0);
        return;
    }
    answer(&request.parked, result);
    free(request.data);
}

void request_flush(struct mount *mount, fuse_req_t req, struct file *file)
{
    struct request request = {.parked.file = file, .kind = REQUEST_FLUSH, .req = req};
    int64_t result = file->ops->flush ? attempt(&request.parked, NULL) : 0;
    if (result == -EAGAIN)
        wait_for(mount, &request, file, 0);
    else
        answer(&request.parked, result);
}

void request_attr(struct mount *mount, fuse_req_t req, struct file *file,
                  const struct stat *st)
{
    struct request request = {
        .parked.file = file, .kind = REQUEST_SIZE, .req = req, .st = *st};
    if (file->settles_at > clock_monotonic())
        wait_for(mount, &request, file, file->settles_at);
    else
        answer(&request.parked, attempt(&request.parked, NULL));
}
