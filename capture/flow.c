#define XXH_INLINE_ALL
#include "capture/flow.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "capture/decode.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

#define CAP_FIRST 1024

static const int64_t lifetimes[FLOW_AGES] = {
    [FLOW_CLOSED] = 10 * NS_PER_S,
    [FLOW_BRIEF] = 60 * NS_PER_S,
    [FLOW_OPEN] = 3600 * NS_PER_S,
};
/* An interface that was silent for so long, while another one sees packets, has lost
 * the flow: copies follow their original within milliseconds. */
#define OWNER_SILENT NS_PER_S

struct age_list {
    struct flow *oldest, *newest;
};

/* Open addressing with linear probing; removal moves back what came after. */
struct flow_table {
    struct flow **slots;
    size_t cap, count, limit; /* cap is a power of 2 */
    uint64_t seed;
    struct age_list ages[FLOW_AGES];
};

struct flow_table *flow_table_new(size_t limit, uint64_t seed)
{
    struct flow_table *table = mem_zalloc(sizeof *table);
    table->limit = limit;
    table->seed = seed;
    table->cap = CAP_FIRST;
    table->slots = mem_zalloc(table->cap * sizeof *table->slots);
    return table;
}

void flow_table_free(struct flow_table *table)
{
    if (!table)
        return;
    free(table->slots);
    free(table);
}

size_t flow_count(const struct flow_table *table)
{
    return table->count;
}

bool flow_table_is_full(const struct flow_table *table)
{
    return table->count >= table->limit;
}

void flow_key_of(struct flow_key *key, bool *from_low, const struct frame *frame)
{
    bool icmp = frame->kind == STREAM_ICMP;
    uint16_t src_port = icmp ? frame->icmp_id : frame->src.port;
    uint16_t dst_port = icmp ? frame->icmp_id : frame->dst.port;
    int order = memcmp(frame->src.address.bytes, frame->dst.address.bytes, 16);
    bool low = order < 0 || (order == 0 && src_port <= dst_port);
    const struct address *a = low ? &frame->src.address : &frame->dst.address;
    const struct address *b = low ? &frame->dst.address : &frame->src.address;
    memset(key, 0, sizeof *key);
    memcpy(key->low, a->bytes, 16);
    memcpy(key->high, b->bytes, 16);
    key->low_port = low ? src_port : dst_port;
    key->high_port = low ? dst_port : src_port;
    key->family = a->family;
    key->protocol = frame->protocol;
    *from_low = low;
}

static uint64_t hash_of(const struct flow_table *table, const struct flow_key *key)
{
    return XXH3_64bits_withSeed(key, sizeof *key, table->seed);
}

/* Where the flow is, or the free slot where it would be. */
static size_t slot_of(const struct flow_table *table, const struct flow_key *key,
                      uint64_t hash)
{
    size_t i = hash & (table->cap - 1);
    while (table->slots[i] && (table->slots[i]->hash != hash ||
                               memcmp(&table->slots[i]->key, key, sizeof *key) != 0))
        i = (i + 1) & (table->cap - 1);
    return i;
}

struct flow *flow_find(const struct flow_table *table, const struct flow_key *key)
{
    return table->slots[slot_of(table, key, hash_of(table, key))];
}

static void grow(struct flow_table *table)
{
    struct flow **old = table->slots;
    size_t cap = table->cap;
    table->cap *= 2;
    table->slots = mem_zalloc(table->cap * sizeof *table->slots);
    for (size_t i = 0; i < cap; i++) {
        if (old[i])
            table->slots[slot_of(table, &old[i]->key, old[i]->hash)] = old[i];
    }
    free(old);
}

static void list_add(struct flow_table *table, struct flow *flow)
{
    struct age_list *list = &table->ages[flow->age];
    flow->older = list->newest;
    flow->newer = NULL;
    if (list->newest)
        list->newest->newer = flow;
    else
        list->oldest = flow;
    list->newest = flow;
}

static void list_remove(struct flow_table *table, struct flow *flow)
{
    struct age_list *list = &table->ages[flow->age];
    if (flow->older)
        flow->older->newer = flow->newer;
    else
        list->oldest = flow->newer;
    if (flow->newer)
        flow->newer->older = flow->older;
    else
        list->newest = flow->older;
}

struct flow *flow_add(struct flow_table *table, const struct flow_key *key,
                      enum flow_age age, int64_t now)
{
    if ((table->count + 1) * 2 > table->cap)
        grow(table);
    struct flow *flow = mem_zalloc(sizeof *flow);
    flow->key = *key;
    flow->hash = hash_of(table, key);
    flow->age = age;
    flow->last_at = now;
    table->slots[slot_of(table, key, flow->hash)] = flow;
    table->count++;
    list_add(table, flow);
    return flow;
}

void flow_remove(struct flow_table *table, struct flow *flow)
{
    size_t mask = table->cap - 1;
    size_t hole = slot_of(table, &flow->key, flow->hash);
    table->slots[hole] = NULL;
    for (size_t i = (hole + 1) & mask; table->slots[i]; i = (i + 1) & mask) {
        size_t home = table->slots[i]->hash & mask;
        /* It may move back to the hole if its home is not between the hole and itself.
         */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            table->slots[i] = NULL;
            hole = i;
        }
    }
    table->count--;
    list_remove(table, flow);
    free(flow);
}

void flow_touch(struct flow_table *table, struct flow *flow, enum flow_age age,
                int64_t now)
{
    list_remove(table, flow);
    flow->age = age;
    flow->last_at = now;
    list_add(table, flow);
}

struct flow *flow_expired(const struct flow_table *table, int64_t now)
{
    for (int age = 0; age < FLOW_AGES; age++) {
        struct flow *oldest = table->ages[age].oldest;
        if (oldest && now - oldest->last_at > lifetimes[age])
            return oldest;
    }
    return NULL;
}

struct flow *flow_oldest(const struct flow_table *table)
{
    for (int age = 0; age < FLOW_AGES; age++) {
        if (table->ages[age].oldest)
            return table->ages[age].oldest;
    }
    return NULL;
}

bool flow_owns(struct flow *flow, enum direction dir, uint32_t iface, int64_t at)
{
    int64_t since = at - flow->owner_at[dir];
    if (flow->owner_at[dir] != 0 && flow->owner[dir] != iface && since < OWNER_SILENT &&
        since > -OWNER_SILENT)
        return false;
    flow->owner[dir] = iface;
    flow->owner_at[dir] = at ? at : 1;
    return true;
}
