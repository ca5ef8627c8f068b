#include "capture/store/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/store/folder.h"
#include "capture/store/inside.h"
#include "capture/store/manifest.h"
#include "capture/store/snapshot.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

#define PATH_TEXT (sizeof("recordings//") + RECORDING_NAME + CLOCK_TEXT)

bool recording_name_is_valid(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_-.");
    return len > 0 && len < RECORDING_NAME && name[len] == 0 && name[0] != '.';
}

struct recording *recording_new(const char *name)
{
    struct recording *recording = mem_zalloc(sizeof(*recording));
    atomic_init(&recording->refs, 1);
    snprintf(recording->name, sizeof(recording->name), "%s", name);
    recording->expires_at = EXPIRES_UNSET;
    return recording;
}

struct recording *recording_ref(struct recording *recording)
{
    atomic_fetch_add_explicit(&recording->refs, 1, memory_order_relaxed);
    return recording;
}

/* Its iterations hold it, so it has none left by then. */
void recording_unref(struct recording *recording)
{
    if (!recording ||
        atomic_fetch_sub_explicit(&recording->refs, 1, memory_order_acq_rel) > 1)
        return;
    free(recording->iterations);
    free(recording);
}

/* Where the name is, or would be. */
static size_t position(const struct store *store, const char *name)
{
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(store->recordings[mid]->name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct recording *recording_find(struct store *store, const char *name)
{
    size_t i = position(store, name);
    bool found = i < store->count && strcmp(store->recordings[i]->name, name) == 0;
    return found ? store->recordings[i] : NULL;
}

void recording_add(struct store *store, struct recording *recording)
{
    size_t i = position(store, recording->name);
    store->recordings =
        mem_realloc(store->recordings, (store->count + 1) * sizeof(*store->recordings));
    memmove(&store->recordings[i + 1], &store->recordings[i],
            (store->count - i) * sizeof(*store->recordings));
    store->recordings[i] = recording;
    store->count++;
}

static void take_out(struct store *store, const struct recording *recording)
{
    size_t i = position(store, recording->name);
    store->count--;
    memmove(&store->recordings[i], &store->recordings[i + 1],
            (store->count - i) * sizeof(*store->recordings));
}

void recording_add_iteration(struct recording *recording, struct iteration *iteration)
{
    size_t i = recording->count;
    recording->iterations =
        mem_realloc(recording->iterations, (i + 1) * sizeof(*recording->iterations));
    for (; i > 0 && recording->iterations[i - 1]->start > iteration->start; i--)
        recording->iterations[i] = recording->iterations[i - 1];
    recording->iterations[i] = iteration;
    recording->count++;
}

int store_create(struct store *store, const char *name, struct err *err)
{
    if (!recording_name_is_valid(name))
        return err_set(err, -EINVAL, "this cannot be the name of a recording");
    int result = 0;
    pthread_mutex_lock(&store->lock);
    if (!recording_find(store, name)) {
        struct recording *recording = recording_new(name);
        char path[PATH_TEXT];
        snprintf(path, sizeof(path), "recordings/%s", name);
        recording->created_at = store->options.clock->now(store->options.clock);
        result = folder_make(store, path);
        if (result == 0)
            result = recording_save(store, recording);
        if (result == 0) {
            recording_add(store, recording);
        } else {
            sys_remove_tree(store->dir, path);
            recording_unref(recording);
            err_set(err, result, "cannot make the recording: %s", strerror(-result));
        }
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

static bool is_recording(const struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++) {
        if (iteration_is_open(recording->iterations[i]))
            return true;
    }
    return false;
}

int64_t recording_expires_at(struct recording *recording)
{
    int64_t expires_at = 0;
    for (size_t i = 0; i < recording->count; i++) {
        struct iteration *iteration = recording->iterations[i];
        pthread_mutex_lock(&iteration->lock);
        int64_t at = iteration_expires_at(iteration);
        pthread_mutex_unlock(&iteration->lock);
        if (at == 0)
            return 0;
        expires_at = at > expires_at ? at : expires_at;
    }
    if (recording->expires_at != EXPIRES_UNSET)
        return recording->expires_at;
    return recording->count > 0 ? expires_at : INT64_MAX;
}

int store_info(struct store *store, const char *name, struct recording_info *info)
{
    pthread_mutex_lock(&store->lock);
    struct recording *recording = recording_find(store, name);
    if (recording) {
        *info = (struct recording_info){
            .iterations = (unsigned)recording->count,
            .expires_at = recording_expires_at(recording),
            .expires_set =
                recording->expires_at == EXPIRES_UNSET ? 0 : recording->expires_at,
            .created_at = recording->created_at,
        };
        memcpy(info->name, recording->name, sizeof(info->name));
        for (size_t i = 0; i < recording->count; i++) {
            struct iteration *iteration = recording->iterations[i];
            pthread_mutex_lock(&iteration->lock);
            const struct totals *totals = &iteration->totals;
            info->recording |= iteration->open;
            info->packets += totals->packets;
            info->bytes += totals->caplen;
            info->entries += totals->entries;
            info->streams += totals->streams;
            if (totals->first_at > 0 &&
                (info->first_at == 0 || totals->first_at < info->first_at))
                info->first_at = totals->first_at;
            if (totals->last_at > info->last_at)
                info->last_at = totals->last_at;
            pthread_mutex_unlock(&iteration->lock);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return recording ? 0 : -ENOENT;
}

char *store_list(struct store *store)
{
    struct buf out = {0};
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count; i++)
        buf_add(&out, store->recordings[i]->name,
                strlen(store->recordings[i]->name) + 1);
    pthread_mutex_unlock(&store->lock);
    buf_addch(&out, 0);
    return buf_take(&out);
}

struct iteration *store_iteration(struct store *store, const char *name, unsigned i)
{
    pthread_mutex_lock(&store->lock);
    struct recording *recording = recording_find(store, name);
    struct iteration *iteration = NULL;
    if (recording && i < recording->count)
        iteration = iteration_ref(recording->iterations[i]);
    pthread_mutex_unlock(&store->lock);
    return iteration;
}

/* What it took is free from now on, and it saves no manifest any more. */
static void let_go(struct store *store, struct recording *recording,
                   struct iteration *iteration, struct iteration **gone)
{
    pthread_mutex_lock(&iteration->lock);
    uint64_t bytes = iteration->totals.disk_bytes;
    iteration->removed = true;
    pthread_mutex_unlock(&iteration->lock);
    atomic_fetch_sub(&store->bytes, bytes);
    atomic_fetch_sub(&recording->bytes, bytes);
    iteration->next_gone = *gone;
    *gone = iteration;
}

void recording_delete(struct iteration *gone)
{
    while (gone) {
        struct iteration *next = gone->next_gone;
        snapshot_forget(gone);
        iteration_unref(gone);
        gone = next;
    }
}

int recording_remove_iteration(struct store *store, struct recording *recording,
                               size_t i, struct iteration **gone)
{
    struct iteration *iteration = recording->iterations[i];
    int result = folder_discard(iteration->folder);
    if (result < 0 && result != -ENOENT)
        return result;
    recording->count--;
    memmove(&recording->iterations[i], &recording->iterations[i + 1],
            (recording->count - i) * sizeof(*recording->iterations));
    let_go(store, recording, iteration, gone);
    return 0;
}

/* The folder becomes `to`, a path below the store. */
static int move_folder(struct store *store, struct recording *recording, const char *to)
{
    char path[PATH_TEXT], start[CLOCK_TEXT];
    snprintf(path, sizeof(path), "recordings/%s", recording->name);
    pthread_rwlock_wrlock(&store->paths);
    int result =
        renameat2(store->dir, path, store->dir, to, RENAME_NOREPLACE) < 0 ? -errno : 0;
    for (size_t i = 0; result == 0 && i < recording->count; i++) {
        struct iteration *iteration = recording->iterations[i];
        snprintf(path, sizeof(path), "%s/%s", to,
                 clock_format_name(start, iteration->start));
        folder_renamed(iteration->folder, path);
    }
    pthread_rwlock_unlock(&store->paths);
    return result;
}

/* As a whole, and then each iteration to a place of its own, where snapshots may keep
 * it. */
int recording_remove(struct store *store, struct recording *recording,
                     struct iteration **gone)
{
    char path[TRASH_PATH];
    int result = move_folder(store, recording, folder_trash(path, store));
    if (result < 0 && result != -ENOENT)
        return result;
    take_out(store, recording);
    while (recording->count > 0) {
        struct iteration *iteration = recording->iterations[--recording->count];
        /* One that stays is deleted with the rest. */
        (void)folder_discard(iteration->folder);
        let_go(store, recording, iteration, gone);
    }
    result = sys_remove_tree(store->dir, path);
    if (result < 0)
        log_warn("cannot delete %s: %s", path, strerror(-result));
    recording_unref(recording);
    return 0;
}

int store_remove(struct store *store, const char *name, struct err *err)
{
    int result;
    struct iteration *gone = NULL;
    pthread_mutex_lock(&store->lock);
    struct recording *recording = recording_find(store, name);
    if (!recording)
        result = err_set(err, -ENOENT, "there is no such recording");
    else if (is_recording(recording))
        result = err_set(err, -EBUSY, "it is being recorded");
    else if ((result = recording_remove(store, recording, &gone)) < 0)
        err_set(err, result, "cannot remove the recording: %s", strerror(-result));
    pthread_mutex_unlock(&store->lock);
    recording_delete(gone);
    return result;
}

int store_rename(struct store *store, const char *from, const char *to, struct err *err)
{
    int result;
    char path[PATH_TEXT];
    if (!recording_name_is_valid(to))
        return err_set(err, -EINVAL, "this cannot be the name of a recording");
    snprintf(path, sizeof(path), "recordings/%s", to);
    pthread_mutex_lock(&store->lock);
    struct recording *recording = recording_find(store, from);
    if (!recording)
        result = err_set(err, -ENOENT, "there is no such recording");
    else if (recording_find(store, to))
        result = err_set(err, -EEXIST, "there is a recording of that name");
    else if (is_recording(recording))
        result = err_set(err, -EBUSY, "it is being recorded");
    else if ((result = move_folder(store, recording, path)) < 0)
        err_set(err, result, "cannot rename the recording: %s", strerror(-result));
    if (result == 0) {
        take_out(store, recording);
        snprintf(recording->name, sizeof(recording->name), "%s", to);
        recording_add(store, recording);
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

int store_set_expiry(struct store *store, const char *name, int64_t expires_at,
                     struct err *err)
{
    int result;
    pthread_mutex_lock(&store->lock);
    struct recording *recording = recording_find(store, name);
    if (!recording) {
        result = err_set(err, -ENOENT, "there is no such recording");
    } else {
        int64_t before = recording->expires_at;
        recording->expires_at = expires_at;
        result = recording_save(store, recording);
        if (result < 0) {
            recording->expires_at = before;
            err_set(err, result, "cannot write when it expires: %s", strerror(-result));
        }
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}
