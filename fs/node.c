#include "fs/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/store.h"
#include "fs/fs.h"
#include "fs/hidden.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

int64_t fs_now(const struct fs *fs)
{
    return fs->clock->now(fs->clock);
}

void file_init(struct file *file, const struct file_ops *ops, struct fs *fs)
{
    *file = (struct file){.ops = ops, .fs = fs, .refs = 1};
    pthread_mutex_init(&file->lock, NULL);
}

void file_fini(struct file *file)
{
    pthread_mutex_destroy(&file->lock);
}

struct file *file_ref(struct file *file)
{
    file->refs++;
    return file;
}

void file_unref(struct file *file)
{
    if (--file->refs == 0)
        file->ops->close(file);
}

struct listing_item *listing_add(struct listing *listing, const char *name, bool folder)
{
    if (listing->count == listing->cap) {
        listing->cap = listing->cap ? 2 * listing->cap : 16;
        listing->items =
            mem_realloc(listing->items, listing->cap * sizeof *listing->items);
    }
    struct listing_item *item = &listing->items[listing->count++];
    *item = (struct listing_item){.name = mem_strdup(name), .folder = folder};
    return item;
}

void listing_fini(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->items[i].name);
    free(listing->items);
    *listing = (struct listing){0};
}

static void attr_common(struct stat *st, const struct fs *fs, int64_t at)
{
    *st = (struct stat){.st_uid = fs->uid, .st_gid = fs->gid, .st_blksize = 4096};
    st->st_mtim = (struct timespec){.tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S};
    st->st_atim = st->st_ctim = st->st_mtim;
}

void attr_folder(struct stat *st, const struct fs *fs, int64_t at)
{
    attr_common(st, fs, at);
    st->st_mode = S_IFDIR | 0750;
    st->st_nlink = 2;
}

void attr_file(struct stat *st, const struct fs *fs, uint64_t size, int64_t at)
{
    attr_common(st, fs, at);
    st->st_mode = S_IFREG | 0640;
    st->st_nlink = 1;
    st->st_size = (off_t)size;
}

/* A recording may expire and its name be another's then. */
static int64_t identity(struct fs *fs, const char *path, const char *name)
{
    static const char recordings[] = "/recordings/";
    struct recording_info info;
    if (!name || strncmp(path, recordings, sizeof recordings - 1))
        return 0;
    return store_info(fs->store, name, &info) ? 0 : info.created_at;
}

static bool path_is_hidden(struct fs *fs, const char *path, const char *name)
{
    int64_t of;
    return hidden_has(fs->hidden, path, &of) && of == identity(fs, path, name);
}

int place_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    if (path_is_hidden(fs, place->path, place->name))
        return -ENOENT;
    return place_ops(place->kind)->stat(fs, place, st);
}

static bool is_hidden(struct fs *fs, const struct place *dir, const char *name)
{
    char path[4096];
    size_t dir_len = strlen(dir->path), len = strlen(name);
    if (dir_len + len + 2 > sizeof path)
        return false;
    memcpy(path, dir->path, dir_len);
    path[dir_len] = '/';
    memcpy(path + dir_len + 1, name, len + 1);
    return path_is_hidden(fs, path, dir->name);
}

int place_list(struct fs *fs, const struct place *place, struct listing *listing)
{
    int r = place_ops(place->kind)->list(fs, place, listing);
    if (r)
        return r;
    size_t kept = 0;
    for (size_t i = 0; i < listing->count; i++) {
        if (is_hidden(fs, place, listing->items[i].name))
            free(listing->items[i].name);
        else
            listing->items[kept++] = listing->items[i];
    }
    listing->count = kept;
    return 0;
}

/* Names inside a job or a recording are hidden; what stands for itself is really
 * removed, and takes its hidden names with it or, refused, brings them back. */
int place_remove(struct fs *fs, const struct place *place)
{
    const struct place_ops *ops = place_ops(place->kind);
    struct stat st;
    if (ops->remove) {
        int r = place_stat(fs, place, &st);
        if (r)
            return r;
        r = ops->remove(fs, place);
        hidden_forget(fs->hidden, place->path);
        return r;
    }
    if (!place->name)
        return -EPERM;
    /* The kernel has just looked it up, which for an entry is work enough. */
    if (path_is_hidden(fs, place->path, place->name))
        return -ENOENT;
    if (place_is_folder(place->kind))
        hidden_forget_below(fs->hidden, place->path);
    return hidden_add(fs->hidden, place->path, identity(fs, place->path, place->name));
}

int place_rename(struct fs *fs, const struct place *from, const struct place *to)
{
    const struct place_ops *ops = place_ops(from->kind);
    struct stat st;
    int r = place_stat(fs, from, &st);
    if (r)
        return r;
    return ops->rename ? ops->rename(fs, from, to) : -EPERM;
}
