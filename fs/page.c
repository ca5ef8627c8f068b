#include "fs/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

#define ORDER_MAX 4096

struct page {
    struct file file; /* first */
    const struct page_maker *maker;
    struct place place;
    struct buf text;
};

int page_stat(const struct page_maker *maker, struct fs *fs, const struct place *place,
              struct stat *st)
{
    struct buf text = {0};
    int r = maker->fill(fs, place, &text);
    if (!r)
        attr_file(st, fs, text.len, maker->at(fs, place));
    buf_fini(&text);
    return r;
}

/* A page that grows is made again for a reader at its end, so that `tail -f` follows.
 */
static void refill(struct page *page)
{
    struct buf text = {0};
    if (page->maker->fill(page->file.fs, &page->place, &text) ||
        text.len < page->text.len) {
        buf_fini(&text);
        return;
    }
    buf_fini(&page->text);
    page->text = text;
}

static ssize_t page_read(struct file *file, void *out, size_t size, uint64_t offset,
                         struct waiter *waiter)
{
    struct page *page = (struct page *)file;
    (void)waiter;
    if (page->maker && page->maker->grows && offset >= page->text.len)
        refill(page);
    if (offset >= page->text.len)
        return 0;
    if (size > page->text.len - offset)
        size = page->text.len - (size_t)offset;
    memcpy(out, page->text.data + offset, size);
    return (ssize_t)size;
}

static int64_t page_size(struct file *file, struct waiter *waiter)
{
    struct page *page = (struct page *)file;
    (void)waiter;
    if (page->maker && page->maker->grows)
        refill(page);
    return (int64_t)page->text.len;
}

static ssize_t page_write(struct file *file, const void *bytes, size_t size,
                          uint64_t offset)
{
    struct page *page = (struct page *)file;
    (void)offset;
    if (!page->maker || !page->maker->order)
        return -EPERM;
    if (size > ORDER_MAX)
        return -E2BIG;
    char *text = mem_dup(bytes, size);
    int r = page->maker->order(file->fs, &page->place, text, size);
    free(text);
    return r ? r : (ssize_t)size;
}

static int page_truncate(struct file *file, uint64_t size)
{
    struct page *page = (struct page *)file;
    (void)size;
    return page->maker && page->maker->order ? 0 : -EPERM;
}

static bool page_cancel(struct file *file, struct waiter *waiter)
{
    (void)file;
    (void)waiter;
    return false;
}

static void page_close(struct file *file)
{
    struct page *page = (struct page *)file;
    buf_fini(&page->text);
    place_fini(&page->place);
    file_fini(file);
    free(page);
}

static const struct file_ops page_ops = {
    .read = page_read,
    .write = page_write,
    .truncate = page_truncate,
    .size = page_size,
    .cancel = page_cancel,
    .close = page_close,
};

int page_open(struct file **out, const struct page_maker *maker, struct fs *fs,
              const struct place *place, int flags)
{
    struct buf text = {0};
    if ((flags & O_ACCMODE) != O_RDONLY && !maker->order)
        return -EPERM;
    int r = maker->fill(fs, place, &text);
    if (r) {
        buf_fini(&text);
        return r;
    }
    *out = page_of(fs, &text);
    struct page *page = (struct page *)*out;
    page->maker = maker;
    place_copy(&page->place, place);
    return 0;
}

struct file *page_of(struct fs *fs, struct buf *text)
{
    struct page *page = mem_zalloc(sizeof *page);
    file_init(&page->file, &page_ops, fs);
    page->text = *text;
    *text = (struct buf){0};
    return &page->file;
}
