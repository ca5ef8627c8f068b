/* Inside the store: what its own files share. Locks are taken in this order: store->lock,
 * iteration->manifest_lock, store->cache_lock, iteration->lock, store->paths. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "capture/store/segment.h"
#include "capture/store/store.h"

struct snapshot;
struct u64set;

#define EXPIRES_UNSET INT64_MIN
#define LOSS_MAX      16    /* causes */
#define LOSS_CAUSE    32
#define GAPS_MAX      64
#define OPEN_MAX      8     /* segments, one a link type */
#define STATE_TEXT    16
#define STORE_RESERVE "reserve"    /* a file that is deleted where a manifest finds no room */

struct loss {
    char cause[LOSS_CAUSE];
    uint64_t count;
};
struct gap {
    int64_t from, to;
};
/* What recovery had to cut. */
struct recovery {
    uint64_t log_records, pcap_bytes, jsonl_bytes, logs_lost;
};

struct recording {
    _Atomic unsigned refs;
    char name[RECORDING_NAME];
    int64_t created_at, expires_at;    /* EXPIRES_UNSET: as its iterations say */
    struct iteration **iterations;     /* by start */
    size_t count;
    _Atomic uint64_t bytes;            /* of segments on disk */
};

/* The last snapshots of iterations that do not change, for what they found out. */
#define CACHED 4
struct cached {
    struct iteration *iteration;       /* not a reference */
    struct snapshot *snapshot;
    uint64_t version;
};

struct store {
    int dir, lock_fd;
    struct store_options options;
    pthread_mutex_t lock;
    pthread_rwlock_t paths;            /* where folders are; held while a file in one is opened */
    struct recording **recordings;     /* by name */
    size_t count;
    _Atomic uint64_t bytes, trash;
    pthread_mutex_t number_lock;
    struct cached cache[CACHED];       /* of cache_lock */
    pthread_mutex_t cache_lock;
    unsigned cache_next;
    uint64_t number, number_reserved;  /* next; written as given */
    int64_t opened_at;
    struct iteration *live_packets, *live_entries;
};

/* What the committed segments hold, and what is gone already. */
struct totals {
    uint64_t packets, caplen, entries, line_bytes, streams, disk_bytes;
    int64_t first_at, last_at;
};

struct iteration {
    _Atomic unsigned refs;
    struct store *store;
    struct recording *recording;       /* a reference; NULL: live */
    struct folder *folder;
    const struct medium *medium;
    int64_t start;
    _Atomic uint64_t max_size;
    _Atomic int on_full;
    uint64_t memory_limit;             /* live */
    int64_t ttl;
    void (*stopped)(void *context, struct iteration *iteration, int why);
    void *context;

    pthread_mutex_t manifest_lock;     /* one save at a time */
    pthread_mutex_t lock;              /* of all from here to the writer's */
    struct segment **segments;         /* by number */
    size_t count, cap;
    struct totals totals;
    uint64_t entries_gone;             /* dropped or expired before the first segment */
    char *spec, *kfl;
    int64_t keep, ended_at;
    char state[STATE_TEXT];
    struct loss losses[LOSS_MAX];
    unsigned loss_count;
    struct gap gaps[GAPS_MAX];
    unsigned gap_count;
    uint64_t gaps_more;
    struct recovery recovery;
    uint64_t version;                  /* of what is committed */
    bool open;                         /* for appending, until iteration_end */
    bool removed;
    struct iteration *next_gone;

    /* the writer's */
    struct segment *open_segments[OPEN_MAX];
    unsigned open_count;
    uint32_t next_n;
    uint64_t entry_limit, entries_added;
    int why;                           /* it stopped */
    bool has_stopped, dirty;           /* appended to since the last commit */
    bool touched;                      /* is in the writer's list */
    _Atomic bool manifest_dirty;
    int64_t synced_at, saved_at;
    struct u64set *streams;
    uint64_t streams_new;
};

/* ---- iteration.c */
/* With a reference for the caller; takes one to the recording. Live: recording NULL. */
struct iteration *iteration_new(struct store *store, struct recording *recording, int64_t start);
/* What a segment takes of its limit: files on disk, or memory. */
uint64_t segment_bytes(const struct segment *segment, const struct segment_stats *stats);
void totals_span(struct totals *totals, const struct segment_stats *stats);
/* The iteration's lock is held in these three. */
void iteration_append_segment(struct iteration *iteration, struct segment *segment);
void iteration_lose(struct iteration *iteration, const char *cause, uint64_t count);
int64_t iteration_expires_at(const struct iteration *iteration);    /* by its own keep */
/* Takes the first sealed segment out: the caller's reference, NULL if there is none. */
struct segment *iteration_take_oldest(struct iteration *iteration);
bool iteration_is_open(struct iteration *iteration);

/* ---- append.c */
/* Publishes and closes the open segments; the first failure. */
int append_close(struct iteration *iteration);
/* Is there something that the next iteration_commit would fsync or save? */
bool append_needs_commit(const struct iteration *iteration);

/* How many streams there are; the iteration is not appended to meanwhile. */
void iteration_count_streams(struct iteration *iteration);

/* ---- recording.c */
struct recording *recording_new(const char *name);
struct recording *recording_ref(struct recording *recording);
void recording_unref(struct recording *recording);
/* Those below take the store's lock as held. */
struct recording *recording_find(struct store *store, const char *name);
void recording_add(struct store *store, struct recording *recording);
void recording_add_iteration(struct recording *recording, struct iteration *iteration);
/* What is removed is put in front of `gone`; deleting it takes time, so it is done without the lock. */
int recording_remove(struct store *store, struct recording *recording, struct iteration **gone);
int recording_remove_iteration(struct store *store, struct recording *recording, size_t i,
                               struct iteration **gone);
void recording_delete(struct iteration *gone);
bool recording_name_is_valid(const char *name);
int64_t recording_expires_at(struct recording *recording);

/* ---- expire.c */
/* Room for `bytes` in the limits: 0, -EDQUOT or -ENOSPC. Charges them. */
int limit_charge(struct iteration *iteration, uint64_t bytes);
void limit_release(struct iteration *iteration, uint64_t bytes);
/* Drops the oldest sealed segment of the recording; false if there is none. */
bool limit_drop_oldest(struct iteration *iteration);
/* Bytes at which a segment is sealed. */
uint64_t limit_segment_bytes(const struct iteration *iteration);
/* Live: lets go of what is too old or too much. */
void live_expire(struct iteration *iteration, int64_t now);

/* ---- manifest.c */
int manifest_save(struct iteration *iteration);
/* Fills the iteration, and adds its sealed segments as they should be. 0, -ENOENT, -EBADMSG. */
int manifest_load(struct iteration *iteration);
int recording_save(struct store *store, const struct recording *recording);
int recording_load(struct store *store, struct recording *recording);

/* ---- snapshot.c */
/* Lets go of its cached snapshot, so that what it holds can be deleted. */
void snapshot_forget(struct iteration *iteration);

/* ---- recover.c */
/* Reads recordings/ as it was left. */
int recover_store(struct store *store, struct err *err);
/* Adds a segment that the manifest knows, if its files are as it says; else it is found by the way
 * of those that the manifest does not know. */
void recover_known(struct iteration *iteration, uint32_t n, const struct segment_stats *stats);

/* ---- repair.c */
/* Checks a segment as it lies in the folder and cuts what is torn; NULL: nothing is left of it. */
struct segment *repair_segment(struct iteration *iteration, uint32_t n);
