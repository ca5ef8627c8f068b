/* The store: recordings on disk, and live traffic as recordings in memory. A recording is a list
 * of iterations, an iteration a list of segments: packets as PCAP, entries as JSON Lines, and a log
 * in which a fixed record commits each of them. Thread safe except where it says. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/stream.h"

struct buf;
struct clock;
struct err;
struct packet;
struct store;
struct iteration;

#define RECORDING_NAME 129    /* with the NUL */

struct store_options {
    const char *path;            /* made if absent, 0700 */
    uint64_t storage_limit;      /* bytes on disk */
    int64_t sync;                /* ns between fsyncs of what was appended */
    uint64_t live_limit;         /* bytes in memory, half of it for packets */
    int64_t live_packets_ttl, live_entries_ttl;
    const struct clock *clock;
};

/* Opens and recovers: cuts torn tails, counts them in manifests, takes the lock (-EBUSY: another
 * daemon has it). */
int store_open(struct store **out, const struct store_options *options, struct err *err);
void store_close(struct store *store);
/* The folder itself, for jobs and saved statements; the store's descriptor, do not close. */
int store_dir(const struct store *store);

/* `count` numbers that were never given before; durable before it returns. */
int store_reserve_numbers(struct store *store, uint64_t count, uint64_t *first, struct err *err);

struct store_usage {
    uint64_t bytes, limit;          /* on disk, of recordings */
    uint64_t live_packet_bytes, live_entry_bytes;
    int64_t live_since;             /* time of the oldest live entry, 0: none */
};
void store_usage(struct store *store, struct store_usage *usage);

/* ---- recordings by name */

struct recording_info {
    char name[RECORDING_NAME];
    unsigned iterations;
    bool recording;          /* an iteration is open */
    uint64_t packets, bytes, entries, streams;
    int64_t first_at, last_at;       /* of packets and entries; 0: none */
    int64_t expires_at;      /* INT64_MAX: never; 0: while it is recorded */
    int64_t created_at;
};
/* The folder of a recording exists from here on; 0 also if it did already. */
int store_create(struct store *store, const char *name, struct err *err);
int store_info(struct store *store, const char *name, struct recording_info *info);    /* -ENOENT */
/* Names in order, NUL-separated, ended by an empty one; the caller frees. */
char *store_list(struct store *store);
/* -EBUSY while an iteration is open; open snapshots survive. */
int store_remove(struct store *store, const char *name, struct err *err);
int store_rename(struct store *store, const char *from, const char *to, struct err *err);
int store_set_expiry(struct store *store, const char *name, int64_t expires_at, struct err *err);
/* Deletes what expired by `now`; returns when the next will, INT64_MAX: none. */
int64_t store_expire(struct store *store, int64_t now);

/* ---- iterations */

enum on_full { ON_FULL_STOP, ON_FULL_DROP_OLDEST };

struct iteration_options {
    const char *name;            /* of the recording */
    int64_t start;               /* planned start, ns; names the folder */
    const char *spec, *kfl;      /* as written, for the manifest; copied */
    int64_t keep;                /* ns it is kept after its end; 0: for ever */
    uint64_t max_size;           /* of the whole recording; 0: the store's limit */
    enum on_full on_full;
    uint64_t entry_limit;        /* limit(n); 0: none */
    /* Called once, from the writer's thread, when nothing more will be recorded: `full` or limit
     * reached. May be NULL. */
    void (*stopped)(void *context, struct iteration *iteration, int why);    /* -ENOSPC, -EDQUOT (max_size), -EIO, 0 limit(n) */
    void *context;
};
/* Opens one for writing; an unfinished one of the same start is gone on with (its gap goes to the
 * manifest). The reference is the caller's. */
int iteration_open(struct iteration **out, struct store *store, const struct iteration_options *options,
                   struct err *err);
struct iteration *iteration_ref(struct iteration *iteration);
void iteration_unref(struct iteration *iteration);
/* Spec rewritten in place: keep, max_size, on_full, spec, kfl. */
void iteration_update(struct iteration *iteration, const struct iteration_options *options);
/* `state` for the manifest: finished, full, failed, stopped. Writer's thread, or when it is idle. */
int iteration_end(struct iteration *iteration, const char *state, int64_t at, struct err *err);

struct iteration_info {
    int64_t start, ended_at, expires_at;      /* ended_at 0: open */
    uint64_t packets, bytes, entries, streams;
    uint64_t entry_bytes;                     /* of entries.jsonl, "record" counted */
    uint64_t before_lost, dropped;
    int64_t first_at, last_at;
    uint64_t disk_bytes;
    bool unfinished;                          /* nobody goes on with it, and nobody ended it */
};
void iteration_info(struct iteration *iteration, struct iteration_info *info);
/* Of a recording, oldest first; NULL past the end, else a reference. */
struct iteration *store_iteration(struct store *store, const char *name, unsigned i);
/* The manifest as recording.json shows it (one iteration, or NULL for the whole recording). */
int store_manifest(struct store *store, const char *name, struct iteration *iteration, struct buf *out);
/* Live traffic: the two recordings in memory; borrowed. */
struct iteration *store_live_packets(struct store *store);
struct iteration *store_live_entries(struct store *store);

/* ---- appending: one thread, the writer's */

int iteration_add_packet(struct iteration *iteration, struct packet *packet, uint64_t stream,
                         enum stream_kind kind);
/* `line` is the entry's JSON without "record" and without newline. */
int iteration_add_entry(struct iteration *iteration, const char *line, size_t len, uint64_t stream,
                        enum stream_kind kind, uint32_t index, int64_t done_at);
void iteration_count_loss(struct iteration *iteration, const char *cause, uint64_t count);
/* Makes what was added visible to readers (and durable when sync is due). */
int iteration_commit(struct iteration *iteration, int64_t now);
