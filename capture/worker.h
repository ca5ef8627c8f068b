/* A worker: the thread of one shard of the live engine. It takes runs of packets, holds
 * them on their flows, runs the statements over the entries, and fills the outbox. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/shard.h"
#include "capture/tap.h"

struct block;
struct clock;
struct err;
struct interfaces;
struct writer;
struct worker;

/* Of one protocol's entries. */
struct protocol_count {
    const char *_Atomic abbr; /* NULL: free */
    _Atomic uint64_t entries;
};
#define PROTOCOLS_MAX 64

struct worker_counters {
    struct shard_counters shard;
    struct dissect_counters dissected;
    _Atomic uint64_t dropped_queue, dropped_writer, held_bytes;
    struct protocol_count protocols[PROTOCOLS_MAX];
};

/* Packets that never came to a worker: no one knows whose they were. */
enum loss { LOSS_KERNEL, LOSS_INTERFACE, LOSS_QUEUE, LOSS_MEMORY, LOSSES };

struct worker_options {
    unsigned index;
    const struct clock *clock;
    struct names *names;
    const char *node_ip, *node_name;
    struct block_pool *pool;
    struct interfaces *interfaces;
    struct writer *writer;
    struct iteration *live_packets, *live_entries;            /* borrowed */
    size_t held_limit, memory_limit, queue_limit, body_limit; /* bytes */
    size_t flows_max;
    int64_t packets_ttl;
    /* The set that is in force: a reference. Called when its generation changed. */
    struct tap_set *(*taps)(void *context);
    _Atomic uint64_t *generation;
    /* All that was owed to older sets has been handed to the writer. */
    void (*adopted)(void *context, unsigned worker, uint64_t generation);
    /* Such losses so far. The first worker tells all recordings that run. May be NULL.
     */
    void (*lost)(void *context, uint64_t losses[LOSSES]);
    void *context;
};

int worker_start(struct worker **out, const struct worker_options *options,
                 struct err *err);
/* Packets [first, first + count) of the block, of which `mine` of `bytes` are this
 * worker's. Never waits: where the queue is full they are dropped and counted. */
void worker_give(struct worker *worker, struct block *block, size_t first, size_t count,
                 size_t mine, size_t bytes);
/* Looks at the generation soon, also when idle. */
void worker_wake(struct worker *worker);
/* Takes what is queued, ends all flows, hands everything to the writer, and frees. */
void worker_stop(struct worker *worker);
struct worker_counters *worker_counters(struct worker *worker);
