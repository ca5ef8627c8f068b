/* Iterations: one run of a recording each, opened, appended to and ended by the
 * writer's thread. Included by store.h. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/stream.h"

struct buf;
struct err;
struct iteration;
struct packet;
struct store;

enum on_full { ON_FULL_STOP, ON_FULL_DROP_OLDEST };

struct iteration_options {
    const char *name;   /* of the recording */
    int64_t start;      /* planned start, ns; names the folder */
    int64_t late_since; /* it should have begun then: a gap, if it is new; 0: none */
    const char *spec, *kfl; /* as written, for the manifest; copied */
    int64_t keep;           /* ns it is kept after its end; 0: for ever */
    uint64_t max_size;      /* of the whole recording; 0: the store's limit */
    enum on_full on_full;
    uint64_t entry_limit; /* limit(n); 0: none */
    /* Called once, from the writer's thread (by iteration_open() where limit(n) was
     * reached before), when nothing more will be recorded; `why`
     * is -EDQUOT (max_size), -EFBIG (storage_limit), -ENOSPC (the disk is full), -EIO,
     * or 0 for limit(n). May be NULL. */
    void (*stopped)(void *context, struct iteration *iteration, int why);
    void *context;
};
/* Opens one for writing; an unfinished one of the same start is gone on with (its gap
 * goes to the manifest). The reference is the caller's. */
int iteration_open(struct iteration **out, struct store *store,
                   const struct iteration_options *options, struct err *err);
struct iteration *iteration_ref(struct iteration *iteration);
void iteration_unref(struct iteration *iteration);
/* Spec rewritten in place: keep, max_size, on_full, spec, kfl. */
void iteration_update(struct iteration *iteration,
                      const struct iteration_options *options);
/* `state` for the manifest: finished, full, failed, stopped. Writer's thread, or when
 * it is idle. */
int iteration_end(struct iteration *iteration, const char *state, int64_t at,
                  struct err *err);

struct iteration_info {
    int64_t start, ended_at, expires_at; /* ended_at 0: open */
    uint64_t packets, bytes, entries, streams;
    uint64_t entry_bytes; /* of entries.jsonl, "record" counted */
    uint64_t before_lost, dropped;
    int64_t first_at, last_at;
    uint64_t disk_bytes;
    bool unfinished; /* nobody goes on with it, and nobody ended it */
};
void iteration_info(struct iteration *iteration, struct iteration_info *info);
/* What it lost, by cause, as its manifest counts it; each() must not call the store. */
void iteration_each_loss(struct iteration *iteration,
                         void (*each)(void *context, const char *cause, uint64_t count),
                         void *context);
/* Of a recording, oldest first; NULL past the end, else a reference. */
struct iteration *store_iteration(struct store *store, const char *name, unsigned i);
/* The manifest as recording.json shows it (one iteration, or NULL for the whole
 * recording). */
int store_manifest(struct store *store, const char *name, struct iteration *iteration,
                   struct buf *out);
/* Live traffic: the two recordings in memory; borrowed. */
struct iteration *store_live_packets(struct store *store);
struct iteration *store_live_entries(struct store *store);

/* ---- appending: one thread, the writer's */

int iteration_add_packet(struct iteration *iteration, struct packet *packet,
                         uint64_t stream, enum stream_kind kind);
/* `line` is the entry's JSON without "record" and without newline. */
int iteration_add_entry(struct iteration *iteration, const char *line, size_t len,
                        uint64_t stream, enum stream_kind kind, uint32_t index,
                        int64_t done_at);
void iteration_count_loss(struct iteration *iteration, const char *cause,
                          uint64_t count);
/* Makes what was added visible to readers (and durable when sync is due). */
int iteration_commit(struct iteration *iteration, int64_t now);
