#include "capture/store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/store/inside.h"
#include "capture/store/reserve.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

struct folder {
    _Atomic unsigned refs;
    struct store *store;
    char *path;
    bool discarded;
};

int folder_make(struct store *store, const char *path)
{
    int result = sys_make_dirs(store->dir, path);
    char *parent = mem_strdup(path);
    char *slash = strrchr(parent, '/');
    if (slash)
        *slash = 0;
    int dir = result < 0 ? -1
                         : openat(store->dir, slash ? parent : ".",
                                  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (result == 0)
        result = dir < 0 ? -errno : sys_sync_dir(dir);
    if (dir >= 0)
        close(dir);
    free(parent);
    return result;
}

struct folder *folder_new(struct store *store, const char *path)
{
    struct folder *folder = mem_zalloc(sizeof(*folder));
    atomic_init(&folder->refs, 1);
    folder->store = store;
    folder->path = mem_strdup(path);
    return folder;
}

struct folder *folder_ref(struct folder *folder)
{
    atomic_fetch_add_explicit(&folder->refs, 1, memory_order_relaxed);
    return folder;
}

void folder_unref(struct folder *folder)
{
    if (!folder ||
        atomic_fetch_sub_explicit(&folder->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (folder->discarded) {
        int result = sys_remove_tree(folder->store->dir, folder->path);
        if (result < 0)
            log_warn("cannot delete %s: %s", folder->path, strerror(-result));
    }
    free(folder->path);
    free(folder);
}

/* The caller holds the paths. */
static int open_below(struct folder *folder, const char *name, int flags)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/%s", folder->path, name) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    int fd = openat(folder->store->dir, path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

int folder_open(struct folder *folder, const char *name, int flags)
{
    pthread_rwlock_rdlock(&folder->store->paths);
    int fd = open_below(folder, name, flags);
    pthread_rwlock_unlock(&folder->store->paths);
    return fd;
}

int folder_open_segment(struct segment *segment, const char *suffix, int flags)
{
    struct store *store = segment->folder->store;
    char name[SEGMENT_FILE];
    pthread_rwlock_rdlock(&store->paths);
    int fd = open_below(segment->trash ? segment->trash : segment->folder,
                        segment_file(name, segment->n, suffix), flags);
    pthread_rwlock_unlock(&store->paths);
    return fd;
}

int folder_sync(struct folder *folder)
{
    int dir = folder_open(folder, ".", O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return dir;
    int result = sys_sync_dir(dir);
    close(dir);
    return result;
}

void folder_renamed(struct folder *folder, const char *path)
{
    free(folder->path);
    folder->path = mem_strdup(path);
}

char *folder_trash(char out[TRASH_PATH], struct store *store)
{
    snprintf(out, TRASH_PATH, "trash/%llu",
             (unsigned long long)atomic_fetch_add(&store->trash, 1));
    return out;
}

int folder_discard(struct folder *folder)
{
    struct store *store = folder->store;
    char path[TRASH_PATH];
    folder_trash(path, store);
    pthread_rwlock_wrlock(&store->paths);
    int result = renameat(store->dir, folder->path, store->dir, path) < 0 ? -errno : 0;
    if (result == 0) {
        folder_renamed(folder, path);
        folder->discarded = true;
    }
    pthread_rwlock_unlock(&store->paths);
    return result;
}

static int move_segment(struct store *store, const char *from, const char *to,
                        uint32_t n)
{
    static const char *const suffixes[] = {"log", "jsonl", "pcap"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        char name[SEGMENT_FILE], old[PATH_MAX], new[PATH_MAX];
        segment_file(name, n, suffixes[i]);
        if (snprintf(old, sizeof(old), "%s/%s", from, name) >= (int)sizeof(old) ||
            snprintf(new, sizeof(new), "%s/%s", to, name) >= (int)sizeof(new))
            return -ENAMETOOLONG;
        if (renameat(store->dir, old, store->dir, new) < 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

int folder_discard_segment(struct segment *segment)
{
    struct store *store = segment->folder->store;
    char path[TRASH_PATH];
    folder_trash(path, store);
    int result = sys_make_dirs(store->dir, path);
    while (result == -ENOSPC && reserve_use(store))
        result = sys_make_dirs(store->dir, path);
    if (result < 0)
        return result;
    struct folder *trash = folder_new(store, path);
    trash->discarded = true;
    pthread_rwlock_wrlock(&store->paths);
    result = move_segment(store, segment->folder->path, path, segment->n);
    segment->trash = trash;
    pthread_rwlock_unlock(&store->paths);
    return result;
}
