#include "capture/store/limit.h"

#include <errno.h>
#include <string.h>

#include "capture/store/folder.h"
#include "capture/store/inside.h"
#include "capture/store/manifest.h"
#include "capture/store/snapshot.h"
#include "kfl/base/log.h"

#define SEGMENT_BYTES  (UINT64_C(64) * 1024 * 1024)
#define DROP_BYTES_MIN (UINT64_C(1) * 1024 * 1024)
#define DROP_PART      8 /* of a limit, is lost at once */
#define LIVE_PART      16
#define RESERVE        (UINT64_C(1) * 1024 * 1024) /* for manifests */

static uint64_t storage_room(const struct store *store)
{
    uint64_t limit = store->options.storage_limit;
    uint64_t reserve = limit / 16 < RESERVE ? limit / 16 : RESERVE;
    return limit - reserve;
}

int limit_charge(struct iteration *iteration, uint64_t bytes)
{
    if (iteration->medium->memory > 0)
        return 0;
    struct store *store = iteration->store;
    struct recording *recording = iteration->recording;
    uint64_t max_size = iteration->max_size;
    if (atomic_fetch_add(&recording->bytes, bytes) + bytes > max_size && max_size > 0) {
        atomic_fetch_sub(&recording->bytes, bytes);
        return -EDQUOT;
    }
    if (atomic_fetch_add(&store->bytes, bytes) + bytes > storage_room(store)) {
        limit_release(iteration, bytes);
        return -EFBIG;
    }
    return 0;
}

void limit_release(struct iteration *iteration, uint64_t bytes)
{
    if (iteration->medium->memory > 0)
        return;
    atomic_fetch_sub(&iteration->recording->bytes, bytes);
    atomic_fetch_sub(&iteration->store->bytes, bytes);
}

uint64_t limit_segment_bytes(const struct iteration *iteration)
{
    if (iteration->medium->memory > 0)
        return iteration->memory_limit / LIVE_PART;
    if (iteration->on_full != ON_FULL_DROP_OLDEST)
        return SEGMENT_BYTES;
    uint64_t room = storage_room(iteration->store);
    uint64_t limit = iteration->max_size > 0 && iteration->max_size < room
                         ? iteration->max_size
                         : room;
    /* A limit of a few MiB is halved rather than kept in one piece. */
    uint64_t least = limit / 2 < DROP_BYTES_MIN ? limit / 2 : DROP_BYTES_MIN;
    uint64_t part = limit / DROP_PART > least ? limit / DROP_PART : least;
    return part < SEGMENT_BYTES ? part : SEGMENT_BYTES;
}

bool limit_drop_oldest(struct iteration *iteration)
{
    struct store *store = iteration->store;
    struct recording *recording = iteration->recording;
    struct iteration *from = NULL;
    struct segment *segment = NULL;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < recording->count && !segment; i++) {
        from = recording->iterations[i];
        segment = iteration_take_oldest(from);
    }
    if (segment)
        iteration_ref(from);
    pthread_mutex_unlock(&store->lock);
    if (!segment)
        return false;
    snapshot_forget(from);
    int result = folder_discard_segment(segment);
    if (result < 0)
        log_error("cannot drop the oldest segment: %s", strerror(-result));
    limit_release(from, segment_bytes(segment, &segment->stats));
    pthread_mutex_lock(&from->lock);
    iteration_lose(from, "drop_oldest", segment->stats.records);
    bool open = from->open;
    pthread_mutex_unlock(&from->lock);
    segment_unref(segment);
    /* One that is open is saved by whoever commits it. */
    if (!open && (result = manifest_save(from)) < 0)
        log_error("cannot save a manifest: %s", strerror(-result));
    iteration_unref(from);
    return true;
}

static bool live_is_over(struct iteration *iteration, int64_t now)
{
    bool over = false;
    pthread_mutex_lock(&iteration->lock);
    for (size_t i = 0; i < iteration->count; i++) {
        const struct segment *segment = iteration->segments[i];
        if (!segment->sealed)
            continue;
        over = iteration->totals.disk_bytes > iteration->memory_limit ||
               segment->touched_at <= now - iteration->ttl ||
               segment->opened_at - iteration->ttl > now;
        break;
    }
    pthread_mutex_unlock(&iteration->lock);
    return over;
}

void live_expire(struct iteration *iteration, int64_t now)
{
    while (live_is_over(iteration, now))
        segment_unref(iteration_take_oldest(iteration));
}
