/* Inside the store: what its own files share. Locks are taken in this order:
 * store->lock, iteration->manifest_lock, store->cache_lock, iteration->lock,
 * store->paths. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "capture/store/progress.h"
#include "capture/store/recording.h"
#include "capture/store/store.h"

struct snapshot;

/* The last snapshots of iterations that do not change, for what they found out. */
#define CACHED 4
struct cached {
    struct iteration *iteration; /* not a reference */
    struct snapshot *snapshot;
    uint64_t version;
};

struct store {
    int dir, lock_fd;
    struct store_options options;
    pthread_mutex_t lock;
    pthread_rwlock_t paths; /* where folders are; held while a file in one is opened */
    struct recording **recordings; /* by name */
    size_t count;
    _Atomic uint64_t bytes, trash;
    pthread_mutex_t number_lock;
    struct cached cache[CACHED]; /* of cache_lock */
    pthread_mutex_t cache_lock;
    unsigned cache_next;
    uint64_t number, number_reserved; /* next; written as given */
    int64_t opened_at, reserve_at;    /* it was last tried to renew the reserve */
    _Atomic bool reserve_used;
    struct iteration *live_packets, *live_entries;
};
