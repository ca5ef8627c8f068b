/* What the mount is made of, without FUSE: places that can be looked at, listed and
 * opened, and the files that opening gives. Numbers below 0 are negative errnos
 * everywhere. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "fs/route.h"

struct buf;
struct file;
struct fs;

/* Someone who waits for a file to have more. wake() is called once, from any thread,
 * with no lock held, when trying again is worth it. */
struct waiter {
    void (*wake)(struct waiter *waiter);
    struct waiter *next, **link; /* the file's; link NULL: not waiting */
    uint64_t offset;
};

/* With a waiter, calls that would have to wait park it and say -EINPROGRESS; without
 * one they say -EAGAIN (read) or answer with what there is (size). NULL operations are
 * -EPERM; calls for one file come one at a time. */
struct file_ops {
    ssize_t (*read)(struct file *file, void *out, size_t size, uint64_t offset,
                    struct waiter *waiter);
    ssize_t (*write)(struct file *file, const void *bytes, size_t size,
                     uint64_t offset);
    int (*truncate)(struct file *file, uint64_t size);
    int64_t (*size)(struct file *file, struct waiter *waiter);
    int (*flush)(struct file *file, struct waiter *waiter); /* close(2); NULL: 0 */
    bool (*cancel)(struct file *file,
                   struct waiter *waiter); /* true: it will not be woken */
    /* A descriptor, the caller's, of an unchanging file on disk with the same bytes. */
    int (*backing)(struct file *file); /* -ENOTSUP: none */
    void (*close)(struct file *file);  /* frees it */
};

struct file {
    const struct file_ops *ops;
    struct fs *fs;
    pthread_mutex_t lock;
    _Atomic int refs;
    bool cached;        /* never changes: the kernel may keep its pages */
    int64_t settles_at; /* monotonic: until then its size is worth waiting for; 0: never
                           was */
};
void file_init(struct file *file, const struct file_ops *ops, struct fs *fs);
void file_fini(struct file *file);
struct file *file_ref(struct file *file);
void file_unref(struct file *file);

/* A folder's names, as they were when it was opened. */
struct listing {
    struct listing_item {
        char *name;
        bool folder;
        bool known; /* size and time are those of the file */
        uint64_t size;
        int64_t at;
    } * items;
    size_t count, cap;
};
struct listing_item *listing_add(struct listing *listing, const char *name,
                                 bool folder);
void listing_fini(struct listing *listing);

/* What can be done with a place of some kind; NULL is -EPERM. */
struct place_ops {
    int (*stat)(struct fs *fs, const struct place *place,
                struct stat *st); /* -ENOENT: not there */
    int (*list)(struct fs *fs, const struct place *place, struct listing *listing);
    int (*open)(struct file **out, struct fs *fs, const struct place *place, int flags);
    int (*create)(struct file **out, struct fs *fs, const struct place *place,
                  int flags);
    int (*make)(struct fs *fs, const struct place *place);
    int (*remove)(struct fs *fs, const struct place *place);
    int (*rename)(struct fs *fs, const struct place *from, const struct place *to);
    int (*kfl)(struct fs *fs, const struct place *place,
               struct buf *out); /* xattr user.kfl */
    /* Differs when the content does: with it the kernel's cache of a file is kept. 0:
     * every lookup is a new file. */
    uint64_t (*stamp)(struct fs *fs, const struct place *place);
};
const struct place_ops *place_ops(enum place_kind kind);

/* The operations with what all kinds have in common: hidden names. */
int place_stat(struct fs *fs, const struct place *place, struct stat *st);
int place_list(struct fs *fs, const struct place *place, struct listing *listing);
int place_remove(struct fs *fs, const struct place *place);
int place_rename(struct fs *fs, const struct place *from, const struct place *to);

/* Attributes all but st_ino, 0750 and 0640. */
void attr_folder(struct stat *st, const struct fs *fs, int64_t at);
void attr_file(struct stat *st, const struct fs *fs, uint64_t size, int64_t at);
