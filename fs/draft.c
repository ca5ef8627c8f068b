#include "fs/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

#define DRAFT_MAX (1u << 20)
#define CHUNK     4096 /* tools that copy write multiples of it, but for the last */

struct draft {
    struct file file; /* first */
    const struct draft_ops *ops;
    struct place place;
    struct buf text;
    bool written; /* since it was opened */
    bool dirty;   /* since the last close */
};

static ssize_t draft_read(struct file *file, void *out, size_t size, uint64_t offset,
                          struct waiter *waiter)
{
    struct draft *draft = (struct draft *)file;
    (void)waiter;
    if (offset >= draft->text.len)
        return 0;
    if (size > draft->text.len - offset)
        size = draft->text.len - (size_t)offset;
    memcpy(out, draft->text.data + offset, size);
    return (ssize_t)size;
}

static int64_t draft_size(struct file *file, struct waiter *waiter)
{
    (void)waiter;
    return (int64_t)((struct draft *)file)->text.len;
}

static int resize(struct buf *text, uint64_t size)
{
    if (size > DRAFT_MAX)
        return -EFBIG;
    if (size > text->len) {
        size_t more = (size_t)size - text->len;
        char *room = buf_reserve(text, more);
        memset(room, 0, more);
    } else if (!text->data) {
        return 0;
    }
    text->len = (size_t)size;
    text->data[size] = '\0';
    return 0;
}

/* A document that a copying tool cut off in its buffer is judged at the close only. */
static bool looks_complete(const char *bytes, size_t size)
{
    return size % CHUNK != 0 || bytes[size - 1] == '\n';
}

static int judge_first(struct draft *draft, const char *bytes, size_t size)
{
    if (draft->written || !size || !looks_complete(bytes, size))
        return 0;
    return draft->ops->judge(draft->file.fs, &draft->place, draft->text.data,
                             draft->text.len);
}

static ssize_t draft_write(struct file *file, const void *bytes, size_t size,
                           uint64_t offset)
{
    struct draft *draft = (struct draft *)file;
    if (offset > DRAFT_MAX || size > DRAFT_MAX - offset)
        return -EFBIG;
    struct buf before = {0};
    if (!draft->written)
        buf_add(&before, draft->text.data ? draft->text.data : "", draft->text.len);
    if (offset + size > draft->text.len)
        resize(&draft->text, offset + size);
    if (size)
        memcpy(draft->text.data + offset, bytes, size);
    int r = judge_first(draft, bytes, size);
    if (r) {
        buf_fini(&draft->text);
        draft->text = before;
        return r;
    }
    buf_fini(&before);
    draft->written = draft->dirty = true;
    return (ssize_t)size;
}

static int draft_truncate(struct file *file, uint64_t size)
{
    struct draft *draft = (struct draft *)file;
    int r = resize(&draft->text, size);
    if (!r && draft->written)
        draft->dirty = true;
    return r;
}

static int draft_flush(struct file *file, struct waiter *waiter)
{
    struct draft *draft = (struct draft *)file;
    (void)waiter;
    if (!draft->dirty)
        return 0;
    draft->dirty = false;
    return draft->ops->apply(file->fs, &draft->place,
                             draft->text.data ? draft->text.data : "", draft->text.len);
}

static bool draft_cancel(struct file *file, struct waiter *waiter)
{
    (void)file;
    (void)waiter;
    return false;
}

static void draft_close(struct file *file)
{
    struct draft *draft = (struct draft *)file;
    buf_fini(&draft->text);
    place_fini(&draft->place);
    file_fini(file);
    free(draft);
}

static const struct file_ops draft_file_ops = {
    .read = draft_read,
    .write = draft_write,
    .truncate = draft_truncate,
    .size = draft_size,
    .flush = draft_flush,
    .cancel = draft_cancel,
    .close = draft_close,
};

struct file *draft_new(const struct draft_ops *ops, struct fs *fs,
                       const struct place *place, int flags, struct buf *text)
{
    struct draft *draft = mem_zalloc(sizeof *draft);
    file_init(&draft->file, &draft_file_ops, fs);
    draft->ops = ops;
    place_copy(&draft->place, place);
    draft->text = *text;
    *text = (struct buf){0};
    if (flags & O_TRUNC)
        resize(&draft->text, 0);
    return &draft->file;
}
