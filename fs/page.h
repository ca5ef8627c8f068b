/* Pages: generated text files, made when they are opened; and orders: files in which
 * each write is carried out at once. */
#pragma once
#include "fs/node.h"

struct page_maker {
    int (*fill)(struct fs *fs, const struct place *place,
                struct buf *out);                            /* 0 or -errno */
    int64_t (*at)(struct fs *fs, const struct place *place); /* mtime */
    /* What a write does; NULL: the page can't be written. */
    int (*order)(struct fs *fs, const struct place *place, const char *text,
                 size_t len);
    bool grows; /* a log: made again when a reader is at its end */
};
int page_stat(const struct page_maker *maker, struct fs *fs, const struct place *place,
              struct stat *st);
int page_open(struct file **out, const struct page_maker *maker, struct fs *fs,
              const struct place *place, int flags);
/* A file with this text, which it takes over. */
struct file *page_of(struct fs *fs, struct buf *text);
