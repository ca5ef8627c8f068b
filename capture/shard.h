/* A shard: the whole way of its packets in one thread, from decoding to entries. Live
 * workers and replay are shards with other surroundings. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "capture/entry.h"

struct block_pool;
struct flow;
struct names;
struct packet;
struct shard;

struct shard_counters {
    _Atomic uint64_t packets, bytes, duplicates, undecoded, fragments_dropped;
    _Atomic uint64_t flows, flows_total, flows_evicted;
    _Atomic uint64_t tcp_gaps, tcp_gap_bytes, tcp_dropped_segments;
};

struct shard_options {
    struct names *names; /* may be NULL */
    const char *node_ip, *node_name;
    unsigned wants; /* enum want */
    size_t flows_max;
    size_t memory_limit; /* bytes for reassembly; as many for dissections */
    size_t body_limit;   /* bytes of a body that an entry may have */
    struct block_pool *pool;
    struct shard_counters *counters;
    struct dissect_counters *dissected;
    /* The name of an interface, as long as the shard lives; NULL: all are "". */
    const char *(*iface_name)(void *context, uint32_t iface);
    /* A packet belongs to the flow: before its payload is looked at. */
    void (*packet)(void *context, struct flow *flow, struct packet *packet);
    /* The packet's payload was dissected, or time passed in the flow. */
    void (*fed)(void *context, struct flow *flow);
    void (*entry)(void *context, struct flow *flow, const struct entry *entry);
    /* The flow goes away. */
    void (*ended)(void *context, struct flow *flow);
    void *context;
};

/* `options` is copied; its callbacks are needed but for iface_name. */
struct shard *shard_new(const struct shard_options *options);
/* What is open is let go without a word: call shard_finish() first. */
void shard_free(struct shard *shard);
void shard_packet(struct shard *shard, struct packet *packet);
/* Time passed: ends flows that are idle, gives up on what does not come. About once a
 * second. */
void shard_tick(struct shard *shard, int64_t now);
/* The capture ended: so do all flows. */
void shard_finish(struct shard *shard, int64_t now);
