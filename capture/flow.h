/* Flows: a table of the conversations of one shard, who owns them and when they end.
 * One thread's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "capture/stream.h"
#include "capture/tcp.h"

struct dissection;
struct flow_table;
struct frame;

/* How long a flow without packets is kept. */
enum flow_age { FLOW_CLOSED, FLOW_BRIEF, FLOW_OPEN, FLOW_AGES };

/* Of both directions of a conversation; the lower end first. */
struct flow_key {
    uint8_t low[16], high[16];
    uint16_t low_port, high_port;
    uint8_t family, protocol, zero[2];
};

struct flow {
    struct stream stream;
    struct flow_key key;
    uint64_t hash;
    bool low_is_forward;
    enum flow_age age;
    struct flow *older, *newer; /* by last packet, among those of its age */
    int64_t last_at;
    uint32_t owner[2];   /* the interface each direction belongs to */
    int64_t owner_at[2]; /* its last packet there; 0: nobody's yet */
    uint64_t packets;
    struct tcp tcp;
    struct dissection *dissection; /* NULL: no payload yet, or ended */
    /* The shard's: flows to tick, and flows whose dissections hold much. */
    TAILQ_ENTRY(flow) waiting, heavy;
    bool is_waiting, is_heavy, undissected;
    size_t holding; /* bytes, by the dissection */
    void *user;     /* of who uses the shard: what hangs on the flow's back */
};

struct flow_table *flow_table_new(size_t limit, uint64_t seed);
/* All flows must be gone. */
void flow_table_free(struct flow_table *table);
size_t flow_count(const struct flow_table *table);

void flow_key_of(struct flow_key *key, bool *from_low, const struct frame *frame);
/* The flow, or NULL. */
struct flow *flow_find(const struct flow_table *table, const struct flow_key *key);
/* A new one, zeroed but for its key; there must be none of that key, and room. */
struct flow *flow_add(struct flow_table *table, const struct flow_key *key,
                      enum flow_age age, int64_t now);
bool flow_table_is_full(const struct flow_table *table);
/* Takes it out and frees it; what it points to must be gone. */
void flow_remove(struct flow_table *table, struct flow *flow);
/* A packet came at `now`: it is the youngest of its age. */
void flow_touch(struct flow_table *table, struct flow *flow, enum flow_age age,
                int64_t now);
/* The next flow whose time is over, or NULL. */
struct flow *flow_expired(const struct flow_table *table, int64_t now);
/* The flow that can be missed most easily, or NULL. */
struct flow *flow_oldest(const struct flow_table *table);

/* May the direction's packet from that interface count, or is it a copy of what its
 * owner saw? */
bool flow_owns(struct flow *flow, enum direction dir, uint32_t iface, int64_t at);
