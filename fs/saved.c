#include "fs/saved.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "fs/draft.h"
#include "fs/errorlog.h"
#include "fs/fs.h"
#include "fs/places.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"
#include "kfl/kfl.h"

#define STATEMENT_MAX  65536
#define STATEMENTS_MAX 4096
#define RETIRED_FOR    (60 * NS_PER_S)

struct item {
    char *name, *text;
    int64_t at;
    UT_hash_handle hh;
};

/* A text that was replaced: a compile that began before may still read it. */
struct retired {
    char *text;
    int64_t at; /* CLOCK_MONOTONIC */
    struct retired *next;
};

struct saved {
    pthread_mutex_t lock;
    struct item *items;
    struct retired *retired;
    int dir;
};

static void free_retired(struct saved *saved, int64_t before)
{
    struct retired **link = &saved->retired;
    while (*link) {
        struct retired *retired = *link;
        if (retired->at >= before) {
            link = &retired->next;
            continue;
        }
        *link = retired->next;
        free(retired->text);
        free(retired);
    }
}

static void retire(struct saved *saved, char *text)
{
    int64_t now = clock_monotonic();
    struct retired *retired = mem_zalloc(sizeof *retired);
    free_retired(saved, now - RETIRED_FOR);
    retired->text = text;
    retired->at = now;
    retired->next = saved->retired;
    saved->retired = retired;
}

static struct item *find(struct saved *saved, const char *name, size_t len)
{
    struct item *item;
    HASH_FIND(hh, saved->items, name, len, item);
    return item;
}

static void set(struct saved *saved, const char *name, const char *text, size_t len,
                int64_t at)
{
    struct item *item = find(saved, name, strlen(name));
    if (item) {
        retire(saved, item->text);
    } else {
        item = mem_zalloc(sizeof *item);
        item->name = mem_strdup(name);
        HASH_ADD_KEYPTR(hh, saved->items, item->name, strlen(item->name), item);
    }
    item->text = mem_dup(text, len);
    item->at = at;
}

static bool take_name(char *name, const char *file)
{
    size_t len = strlen(file);
    if (len < 5 || len > 255 || strcmp(file + len - 4, ".kfl"))
        return false;
    memcpy(name, file, len - 4);
    name[len - 4] = '\0';
    return kfl_name_is_free(name);
}

static void load(struct saved *saved, const char *file)
{
    char name[256];
    struct stat st;
    struct buf text = {0};
    if (!take_name(name, file))
        return;
    int r = sys_read_file(saved->dir, file, STATEMENT_MAX, &text);
    if (!r && fstatat(saved->dir, file, &st, 0))
        r = -errno;
    if (r)
        log_warn("saved statement not read: errno=%d name=%s", -r, name);
    else
        set(saved, name, text.data ? text.data : "", text.len,
            st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec);
    buf_fini(&text);
}

int saved_open(struct saved **out, int store_dir, struct err *err)
{
    int r = sys_make_dirs(store_dir, "query");
    if (r)
        return err_set(err, r, "can't make the folder of saved statements: errno=%d",
                       -r);
    int dir = openat(store_dir, "query", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int copy = dir < 0 ? -1 : fcntl(dir, F_DUPFD_CLOEXEC, 0);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);
    if (!list) {
        r = err_set(err, -errno, "can't read the folder of saved statements: errno=%d",
                    errno);
        if (copy >= 0)
            close(copy);
        if (dir >= 0)
            close(dir);
        return r;
    }
    struct saved *saved = mem_zalloc(sizeof *saved);
    pthread_mutex_init(&saved->lock, NULL);
    saved->dir = dir;
    for (struct dirent *entry; (entry = readdir(list));)
        load(saved, entry->d_name);
    closedir(list);
    *out = saved;
    return 0;
}

static void item_remove(struct saved *saved, struct item *item)
{
    HASH_DEL(saved->items, item);
    retire(saved, item->text);
    free(item->name);
    free(item);
}

void saved_close(struct saved *saved)
{
    struct item *item, *next;
    HASH_ITER(hh, saved->items, item, next)
    item_remove(saved, item);
    free_retired(saved, INT64_MAX);
    close(saved->dir);
    pthread_mutex_destroy(&saved->lock);
    free(saved);
}

const char *saved_text(void *context, const char *name, size_t len)
{
    struct saved *saved = context;
    pthread_mutex_lock(&saved->lock);
    struct item *item = find(saved, name, len);
    const char *text = item ? item->text : NULL;
    pthread_mutex_unlock(&saved->lock);
    return text;
}

int saved_get(struct saved *saved, const char *name, struct buf *out, size_t *size,
              int64_t *at)
{
    pthread_mutex_lock(&saved->lock);
    struct item *item = find(saved, name, strlen(name));
    if (item) {
        *size = strlen(item->text);
        *at = item->at;
        if (out)
            buf_addstr(out, item->text);
    }
    pthread_mutex_unlock(&saved->lock);
    return item ? 0 : -ENOENT;
}

/* The saved statements with one of them as it would be. */
struct overlay {
    struct saved *saved;
    const char *name, *text;
};

static const char *overlay_text(void *context, const char *name, size_t len)
{
    struct overlay *overlay = context;
    if (strlen(overlay->name) == len && !memcmp(overlay->name, name, len))
        return overlay->text;
    return saved_text(overlay->saved, name, len);
}

int saved_judge(struct saved *saved, const char *name, const char *text, size_t len,
                struct err *err)
{
    if (!kfl_name_is_free(name))
        return err_set(
            err, -EINVAL,
            "`%s` can't be the name of a statement (expected an identifier that is no "
            "keyword, macro or key of an entry)",
            name);
    if (len > STATEMENT_MAX || memchr(text, '\0', len))
        return err_set(err, -EINVAL, "this is no text of at most %d bytes",
                       STATEMENT_MAX);
    struct overlay overlay = {saved, name, text};
    struct kfl_env env = {.strict = true, .saved = overlay_text, .context = &overlay};
    struct kfl *kfl = NULL;
    /* First what is written, for its positions; then the word itself, which finds
     * longer circles. */
    int r = kfl_compile(&kfl, text, len, &env, err);
    kfl_unref(kfl);
    kfl = NULL;
    if (!r)
        r = kfl_compile(&kfl, name, strlen(name), &env, err);
    kfl_unref(kfl);
    return r ? -EINVAL : 0;
}

int saved_put(struct saved *saved, const char *name, const char *text, size_t len,
              int64_t at)
{
    char file[300];
    int r = 0;
    pthread_mutex_lock(&saved->lock);
    if (!find(saved, name, strlen(name)) && HASH_COUNT(saved->items) >= STATEMENTS_MAX)
        r = -ENOSPC;
    if (!r && snprintf(file, sizeof file, "%s.kfl", name) >= 256)
        r = -ENAMETOOLONG;
    if (!r)
        r = sys_replace_file(saved->dir, file, text, len);
    if (!r)
        set(saved, name, text, len, at);
    pthread_mutex_unlock(&saved->lock);
    return r;
}

int saved_remove(struct saved *saved, const char *name)
{
    char file[300];
    int r = -ENOENT;
    pthread_mutex_lock(&saved->lock);
    struct item *item = find(saved, name, strlen(name));
    if (item) {
        snprintf(file, sizeof file, "%s.kfl", name);
        r = unlinkat(saved->dir, file, 0) && errno != ENOENT ? -errno : 0;
        if (!r)
            item_remove(saved, item);
    }
    pthread_mutex_unlock(&saved->lock);
    return r;
}

void saved_list(struct saved *saved, struct listing *listing)
{
    char file[300];
    struct item *item, *next;
    pthread_mutex_lock(&saved->lock);
    HASH_ITER(hh, saved->items, item, next)
    {
        snprintf(file, sizeof file, "%s.kfl", item->name);
        struct listing_item *entry = listing_add(listing, file, false);
        entry->known = true;
        entry->size = strlen(item->text);
        entry->at = item->at;
    }
    pthread_mutex_unlock(&saved->lock);
}

/* ---- as files of /query */

static int file_judge(struct fs *fs, const struct place *place, const char *text,
                      size_t len)
{
    struct err err = {0};
    int r = saved_judge(fs->saved, place->name, text, len, &err);
    if (r)
        errorlog_add(fs->errors, fs_now(fs), place->path + 1, text, &err);
    return r;
}

static int file_apply(struct fs *fs, const struct place *place, const char *text,
                      size_t len)
{
    int r = file_judge(fs, place, text, len);
    return r ? r : saved_put(fs->saved, place->name, text, len, fs_now(fs));
}

static const struct draft_ops file_draft = {.judge = file_judge, .apply = file_apply};

static int file_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    size_t size;
    int64_t at;
    int r = saved_get(fs->saved, place->name, NULL, &size, &at);
    if (!r)
        attr_file(st, fs, size, at);
    return r;
}

static int file_open(struct file **out, struct fs *fs, const struct place *place,
                     int flags)
{
    struct buf text = {0};
    size_t size;
    int64_t at;
    int r = saved_get(fs->saved, place->name, &text, &size, &at);
    if (!r)
        *out = draft_new(&file_draft, fs, place, flags, &text);
    return r;
}

static int file_create(struct file **out, struct fs *fs, const struct place *place,
                       int flags)
{
    struct buf text = {0};
    struct err err = {0};
    int r = saved_judge(fs->saved, place->name, "", 0, &err);
    if (r) {
        errorlog_add(fs->errors, fs_now(fs), place->path + 1, place->name, &err);
        return r;
    }
    *out = draft_new(&file_draft, fs, place, flags, &text);
    return 0;
}

static int file_remove(struct fs *fs, const struct place *place)
{
    return saved_remove(fs->saved, place->name);
}

static int file_rename(struct fs *fs, const struct place *from, const struct place *to)
{
    struct buf text = {0};
    size_t size;
    int64_t at;
    if (to->kind != PLACE_SAVED)
        return -EINVAL;
    int r = saved_get(fs->saved, from->name, &text, &size, &at);
    if (!r)
        r = file_judge(fs, to, text.data, text.len);
    if (!r)
        r = saved_put(fs->saved, to->name, text.data, text.len, at);
    if (!r)
        r = saved_remove(fs->saved, from->name);
    buf_fini(&text);
    return r;
}

const struct place_ops saved_ops = {
    .stat = file_stat,
    .open = file_open,
    .create = file_create,
    .remove = file_remove,
    .rename = file_rename,
};
