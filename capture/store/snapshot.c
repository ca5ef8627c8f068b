
#include "capture/store/snapshot.h"

#include <stdlib.h>

#include "capture/store/inside.h"
#include "kfl/base/mem.h"

/* The iteration is locked. */
static struct snapshot *snapshot_new(const struct iteration *iteration)
{
    struct snapshot *snapshot = mem_zalloc(sizeof(*snapshot));
    atomic_init(&snapshot->refs, 1);
    pthread_mutex_init(&snapshot->lock, NULL);
    snapshot->segments =
        mem_alloc((iteration->count + 1) * sizeof(*snapshot->segments));
    snapshot->entries_gone = iteration->entries_gone;
    snapshot->entries = iteration->entries_gone + iteration->totals.entries;
    for (size_t i = 0; i < iteration->count; i++) {
        struct segment *segment = iteration->segments[i];
        if (segment->stats.records > 0)
            snapshot->segments[snapshot->count++] =
                (struct snapshot_segment){segment_ref(segment), segment->stats};
    }
    return snapshot;
}

struct snapshot *snapshot_take(struct iteration *iteration)
{
    struct store *store = iteration->store;
    struct snapshot *snapshot = NULL, *old = NULL;
    pthread_mutex_lock(&store->cache_lock);
    pthread_mutex_lock(&iteration->lock);
    for (unsigned i = 0; i < CACHED && !snapshot; i++) {
        const struct cached *cached = &store->cache[i];
        if (cached->iteration == iteration && cached->version == iteration->version)
            snapshot = snapshot_ref(cached->snapshot);
    }
    if (!snapshot) {
        snapshot = snapshot_new(iteration);
        /* What is being recorded is out of date soon; what was removed is to be let go.
         */
        if (!iteration->open && !iteration->removed) {
            struct cached *cached = &store->cache[store->cache_next++ % CACHED];
            old = cached->snapshot;
            *cached =
                (struct cached){iteration, snapshot_ref(snapshot), iteration->version};
        }
    }
    pthread_mutex_unlock(&iteration->lock);
    pthread_mutex_unlock(&store->cache_lock);
    snapshot_unref(old);
    return snapshot;
}

void snapshot_forget(struct iteration *iteration)
{
    struct store *store = iteration->store;
    for (unsigned i = 0; i < CACHED; i++) {
        struct snapshot *old = NULL;
        pthread_mutex_lock(&store->cache_lock);
        if (store->cache[i].iteration == iteration) {
            old = store->cache[i].snapshot;
            store->cache[i] = (struct cached){0};
        }
        pthread_mutex_unlock(&store->cache_lock);
        snapshot_unref(old);
    }
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (!snapshot ||
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < snapshot->count; i++)
        segment_unref(snapshot->segments[i].segment);
    catalog_free(snapshot->catalog);
    pthread_mutex_destroy(&snapshot->lock);
    free(snapshot->segments);
    free(snapshot);
}

uint64_t snapshot_entries(const struct snapshot *snapshot)
{
    return snapshot->entries;
}

uint64_t snapshot_entries_gone(const struct snapshot *snapshot)
{
    return snapshot->entries_gone;
}
