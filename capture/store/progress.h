/* An iteration from within: its segments, what they hold, and how far the writer is. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "capture/store/account.h"
#include "capture/store/segment.h"
#include "capture/store/store.h"

struct recording;
struct u64set;

#define OPEN_MAX   8 /* segments, one a link type */
#define STATE_TEXT 16

struct iteration {
    _Atomic unsigned refs;
    struct store *store;
    struct recording *recording; /* a reference; NULL: live */
    struct folder *folder;
    const struct medium *medium;
    int64_t start;
    _Atomic uint64_t max_size;
    _Atomic int on_full;
    uint64_t memory_limit; /* live */
    int64_t ttl;
    void (*stopped)(void *context, struct iteration *iteration, int why);
    void *context;

    pthread_mutex_t manifest_lock; /* one save at a time */
    pthread_mutex_t lock;          /* of all from here to the writer's */
    struct segment **segments;     /* by number */
    size_t count, cap;
    struct totals totals;
    uint64_t entries_gone; /* dropped or expired before the first segment */
    char *spec, *kfl;
    int64_t keep, ended_at;
    char state[STATE_TEXT];
    struct loss losses[LOSS_MAX];
    unsigned loss_count;
    struct gap gaps[GAPS_MAX];
    unsigned gap_count;
    uint64_t gaps_more;
    struct recovery recovery;
    uint64_t version; /* of what is committed */
    bool open;        /* for appending, until iteration_end */
    bool removed;
    struct iteration *next_gone;

    /* the writer's */
    struct segment *open_segments[OPEN_MAX];
    unsigned open_count;
    uint32_t next_n;
    uint64_t entry_limit, entries_added;
    int why;                 /* it stopped */
    bool has_stopped, dirty; /* appended to since the last commit */
    bool touched;            /* is in the writer's list */
    _Atomic bool manifest_dirty;
    int64_t synced_at, saved_at;
    struct u64set *streams;
    uint64_t streams_new;
};

/* ---- iteration.c */
/* With a reference for the caller; takes one to the recording. Live: recording NULL. */
struct iteration *iteration_new(struct store *store, struct recording *recording,
                                int64_t start);
/* What a segment takes of its limit: files on disk, or memory. */
uint64_t segment_bytes(const struct segment *segment,
                       const struct segment_stats *stats);
void totals_span(struct totals *totals, const struct segment_stats *stats);
/* The iteration's lock is held in these three. */
void iteration_append_segment(struct iteration *iteration, struct segment *segment);
void iteration_lose(struct iteration *iteration, const char *cause, uint64_t count);
int64_t iteration_expires_at(const struct iteration *iteration); /* by its own keep */
/* Takes the first sealed segment out: the caller's reference, NULL if there is none. */
struct segment *iteration_take_oldest(struct iteration *iteration);
bool iteration_is_open(struct iteration *iteration);
/* How many streams there are; the iteration is not appended to meanwhile. */
void iteration_count_streams(struct iteration *iteration);

/* ---- append.c */
/* Stops where limit(n) is reached. */
void append_check_limit(struct iteration *iteration);
/* Publishes and closes the open segments; the first failure. */
int append_close(struct iteration *iteration);
/* Is there something that the next iteration_commit would fsync or save? */
bool append_needs_commit(const struct iteration *iteration);
