/* What a snapshot is to those that read it. */
#pragma once
#include <pthread.h>

#include "capture/store/cursor.h"
#include "capture/store/segment.h"

struct catalog;

struct snapshot_segment {
    struct segment *segment;
    struct segment_stats stats; /* as published then */
};

struct snapshot {
    _Atomic unsigned refs;
    size_t count;
    struct snapshot_segment *segments;
    uint64_t entries, entries_gone;
    pthread_mutex_t lock; /* of the catalog, which is made when it is asked for */
    struct catalog *catalog;
};

/* Lets go of the cached snapshot, so that what it holds can be deleted. */
void snapshot_forget(struct iteration *iteration);

/* ---- catalog.c */
void catalog_free(struct catalog *catalog);
