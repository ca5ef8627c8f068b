#include "capture/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "capture/store/inside.h"
#include "capture/store/manifest.h"
#include "capture/store/recover.h"
#include "capture/store/reserve.h"
#include "capture/store/snapshot.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

#define NUMBERS_AHEAD UINT64_C(1000000) /* are given without a write */

static int open_folder(struct store *store, struct err *err)
{
    const char *path = store->options.path;
    int result = sys_make_dirs(AT_FDCWD, path);
    if (result == 0) {
        store->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = store->dir < 0 ? -errno : 0;
    }
    if (result < 0)
        return err_set(err, result, "cannot open the store %s: %s", path,
                       strerror(-result));
    store->lock_fd = openat(store->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return err_set(err, -errno, "cannot open the store's lock: %s",
                       strerror(errno));
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
                       "the store %s is in use by another daemon", path);
    return 0;
}

static int read_number(struct store *store)
{
    struct buf text = {0};
    int result = sys_read_file(store->dir, "number", 64, &text);
    uint64_t number = 1;
    if (result == 0) {
        char *end;
        errno = 0;
        number = strtoull(text.data ? text.data : "", &end, 10);
        if (errno != 0 || end == text.data || *end != '\n' || number == 0)
            result = -EBADMSG;
    }
    buf_fini(&text);
    if (result < 0 && result != -ENOENT && result != -EBADMSG)
        return result;
    /* What the file no longer says, the recordings do. */
    if (result == -EBADMSG || number < store->number)
        number = store->number + NUMBERS_AHEAD;
    store->number = store->number_reserved = number;
    return 0;
}

static int write_number(struct store *store, uint64_t number)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRIu64 "\n", number);
    return reserve_replace_file(store, store->dir, "number", text, (size_t)len);
}

static struct iteration *make_live(struct store *store, uint64_t limit, int64_t ttl)
{
    struct iteration *live = iteration_new(store, NULL, store->opened_at);
    live->memory_limit = limit;
    live->ttl = ttl;
    live->open = true;
    return live;
}

int store_open(struct store **out, const struct store_options *options, struct err *err)
{
    struct store *store = mem_zalloc(sizeof(*store));
    store->options = *options;
    store->options.path = mem_strdup(options->path);
    if (!store->options.clock)
        store->options.clock = clock_system();
    store->dir = store->lock_fd = -1;
    store->opened_at = store->options.clock->now(store->options.clock);
    store->number = 1;
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->number_lock, NULL);
    pthread_mutex_init(&store->cache_lock, NULL);
    pthread_rwlock_init(&store->paths, NULL);
    store->live_packets =
        make_live(store, options->live_limit / 2, options->live_packets_ttl);
    store->live_entries =
        make_live(store, options->live_limit - options->live_limit / 2,
                  options->live_entries_ttl);
    int result = open_folder(store, err);
    if (result == 0)
        result = recover_store(store, err);
    if (result == 0 && (result = read_number(store)) < 0)
        err_set(err, result, "cannot read the store's number: %s", strerror(-result));
    if (result < 0) {
        store_close(store);
        return result;
    }
    reserve_make(store);
    *out = store;
    return 0;
}

/* As it is, so that it can be gone on with. */
static void suspend(struct iteration *iteration)
{
    const struct clock *clock = iteration->store->options.clock;
    if (!iteration_is_open(iteration))
        return;
    iteration->stopped = NULL; /* who asked for it may be gone */
    iteration_commit(iteration, clock->now(clock));
    int result = append_close(iteration);
    pthread_mutex_lock(&iteration->lock);
    iteration->open = false;
    pthread_mutex_unlock(&iteration->lock);
    int saved = manifest_save(iteration);
    result = result < 0 ? result : saved;
    if (result < 0)
        log_error("cannot close an iteration: %s recording=%s", strerror(-result),
                  iteration->recording->name);
}

static void close_recording(struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++) {
        suspend(recording->iterations[i]);
        snapshot_forget(recording->iterations[i]);
        iteration_unref(recording->iterations[i]);
    }
    recording->count = 0;
    recording_unref(recording);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->count; i++)
        close_recording(store->recordings[i]);
    free(store->recordings);
    append_close(store->live_packets);
    append_close(store->live_entries);
    iteration_unref(store->live_packets);
    iteration_unref(store->live_entries);
    int result = 0;
    if (store->number_reserved > store->number)
        result = write_number(store, store->number);
    if (result < 0)
        log_warn("cannot write the store's number: %s", strerror(-result));
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    if (store->dir >= 0)
        close(store->dir);
    pthread_rwlock_destroy(&store->paths);
    pthread_mutex_destroy(&store->cache_lock);
    pthread_mutex_destroy(&store->number_lock);
    pthread_mutex_destroy(&store->lock);
    free((char *)store->options.path);
    free(store);
}

int store_dir(const struct store *store)
{
    return store->dir;
}

int store_reserve_numbers(struct store *store, uint64_t count, uint64_t *first,
                          struct err *err)
{
    int result = 0;
    pthread_mutex_lock(&store->number_lock);
    uint64_t end = store->number + count;
    if (end > store->number_reserved) {
        result = write_number(store, end + NUMBERS_AHEAD);
        if (result == 0)
            store->number_reserved = end + NUMBERS_AHEAD;
    }
    if (result == 0) {
        *first = store->number;
        store->number = end;
    }
    pthread_mutex_unlock(&store->number_lock);
    return result < 0
               ? err_set(err, result, "cannot reserve numbers: %s", strerror(-result))
               : 0;
}

struct iteration *store_live_packets(struct store *store)
{
    return store->live_packets;
}

struct iteration *store_live_entries(struct store *store)
{
    return store->live_entries;
}

void store_usage(struct store *store, struct store_usage *usage)
{
    *usage = (struct store_usage){
        .bytes = store->bytes,
        .limit = store->options.storage_limit,
    };
    pthread_mutex_lock(&store->live_packets->lock);
    usage->live_packet_bytes = store->live_packets->totals.disk_bytes;
    pthread_mutex_unlock(&store->live_packets->lock);
    pthread_mutex_lock(&store->live_entries->lock);
    usage->live_entry_bytes = store->live_entries->totals.disk_bytes;
    usage->live_since = store->live_entries->totals.first_at;
    pthread_mutex_unlock(&store->live_entries->lock);
}
