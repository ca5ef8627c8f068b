#include "fs/scratch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "fs/node.h"
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

#define SCRATCH_FILES 1024
#define SCRATCH_BYTES (64u << 20)

struct item {
    char *path, *text;
    size_t len;
    int64_t at;
    UT_hash_handle hh;
};

struct scratch {
    pthread_mutex_t lock;
    struct item *items;
    size_t bytes;
};

struct scratch *scratch_new(void)
{
    struct scratch *scratch = mem_zalloc(sizeof *scratch);
    pthread_mutex_init(&scratch->lock, NULL);
    return scratch;
}

static void item_free(struct scratch *scratch, struct item *item)
{
    HASH_DEL(scratch->items, item);
    scratch->bytes -= item->len;
    free(item->path);
    free(item->text);
    free(item);
}

void scratch_free(struct scratch *scratch)
{
    struct item *item, *next;
    HASH_ITER(hh, scratch->items, item, next)
    item_free(scratch, item);
    pthread_mutex_destroy(&scratch->lock);
    free(scratch);
}

static struct item *find(struct scratch *scratch, const char *path)
{
    struct item *item;
    HASH_FIND_STR(scratch->items, path, item);
    return item;
}

int scratch_put(struct scratch *scratch, const char *path, const char *text, size_t len,
                int64_t at)
{
    int r = 0;
    pthread_mutex_lock(&scratch->lock);
    struct item *item = find(scratch, path);
    size_t others = scratch->bytes - (item ? item->len : 0);
    if (others + len > SCRATCH_BYTES ||
        (!item && HASH_COUNT(scratch->items) >= SCRATCH_FILES)) {
        r = -ENOSPC;
        goto out;
    }
    if (!item) {
        item = mem_zalloc(sizeof *item);
        item->path = mem_strdup(path);
        HASH_ADD_KEYPTR(hh, scratch->items, item->path, strlen(item->path), item);
    }
    free(item->text);
    item->text = mem_dup(len ? text : "", len);
    item->len = len;
    item->at = at;
    scratch->bytes = others + len;
out:
    pthread_mutex_unlock(&scratch->lock);
    return r;
}

int scratch_get(struct scratch *scratch, const char *path, struct buf *out,
                size_t *size, int64_t *at)
{
    pthread_mutex_lock(&scratch->lock);
    struct item *item = find(scratch, path);
    if (item) {
        *size = item->len;
        *at = item->at;
        if (out)
            buf_add(out, item->text, item->len);
    }
    pthread_mutex_unlock(&scratch->lock);
    return item ? 0 : -ENOENT;
}

int scratch_remove(struct scratch *scratch, const char *path)
{
    pthread_mutex_lock(&scratch->lock);
    struct item *item = find(scratch, path);
    int r = item ? 0 : -ENOENT;
    if (item)
        item_free(scratch, item);
    pthread_mutex_unlock(&scratch->lock);
    return r;
}

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return !strncmp(path, folder, len) && path[len] == '/';
}

void scratch_list(struct scratch *scratch, const char *folder, struct listing *listing)
{
    struct item *item, *next;
    pthread_mutex_lock(&scratch->lock);
    HASH_ITER(hh, scratch->items, item, next)
    {
        if (is_below(item->path, folder))
            listing_add(listing, item->path + strlen(folder) + 1, false);
    }
    pthread_mutex_unlock(&scratch->lock);
}

void scratch_forget_below(struct scratch *scratch, const char *folder)
{
    struct item *item, *next;
    pthread_mutex_lock(&scratch->lock);
    HASH_ITER(hh, scratch->items, item, next)
    {
        if (is_below(item->path, folder))
            item_free(scratch, item);
    }
    pthread_mutex_unlock(&scratch->lock);
}
