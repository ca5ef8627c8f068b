#include "capture/hold.h"

#include <stdlib.h>

#include "capture/block.h"
#include "kfl/base/mem.h"

/* Packets one flow may keep beyond their time: a request, not the download that answers
 * it. */
#define KEPT_MAX 1024

struct held {
    struct packet *packet;
    struct back *back;
    struct held *prev, *next;   /* on the back */
    struct held *older, *newer; /* in the queue it waits in */
    bool first, kept;
};

/* Those held for a time, and those kept beyond it: each the oldest first. */
struct line_up {
    struct held *oldest, *newest;
    size_t bytes;
};

struct hold {
    struct block_pool *pool;
    size_t limit;
    int64_t ttl;
    _Atomic uint64_t *bytes;
    struct line_up recent, kept;
};

struct hold *hold_new(struct block_pool *pool, size_t limit, int64_t ttl,
                      _Atomic uint64_t *bytes)
{
    struct hold *hold = mem_zalloc(sizeof *hold);
    *hold = (struct hold){.pool = pool, .limit = limit, .ttl = ttl, .bytes = bytes};
    return hold;
}

void hold_free(struct hold *hold)
{
    free(hold);
}

static size_t cost(const struct held *held)
{
    return sizeof *held + block_room_for(held->packet->caplen);
}

static void line_up(struct hold *hold, struct held *held)
{
    struct line_up *line = held->kept ? &hold->kept : &hold->recent;
    held->older = line->newest;
    held->newer = NULL;
    if (line->newest)
        line->newest->newer = held;
    else
        line->oldest = held;
    line->newest = held;
    line->bytes += cost(held);
    *hold->bytes += cost(held);
}

static void leave_line(struct hold *hold, struct held *held)
{
    struct line_up *line = held->kept ? &hold->kept : &hold->recent;
    if (held->older)
        held->older->newer = held->newer;
    else
        line->oldest = held->newer;
    if (held->newer)
        held->newer->older = held->older;
    else
        line->newest = held->older;
    line->bytes -= cost(held);
    *hold->bytes -= cost(held);
}

static void let_go(struct hold *hold, struct held *held)
{
    struct back *back = held->back;
    leave_line(hold, held);
    if (held->prev)
        held->prev->next = held->next;
    else
        back->first = held->next;
    if (held->next)
        held->next->prev = held->prev;
    else
        back->last = held->prev;
    back->kept -= held->kept;
    back->lost++;
    packet_unref(held->packet);
    free(held);
}

/* What is kept may have half of the budget for itself. */
static void make_room(struct hold *hold)
{
    while (hold->recent.bytes + hold->kept.bytes > hold->limit) {
        bool from_kept = hold->kept.bytes > hold->limit / 2 || !hold->recent.oldest;
        let_go(hold, from_kept ? hold->kept.oldest : hold->recent.oldest);
    }
}

void hold_add(struct hold *hold, struct back *back, struct packet *packet, bool first)
{
    struct held *held = mem_alloc(sizeof *held);
    *held = (struct held){
        .packet = packet_ref(packet), .back = back, .prev = back->last, .first = first};
    if (back->last)
        back->last->next = held;
    else
        back->first = held;
    back->last = held;
    back->added++;
    line_up(hold, held);
    make_room(hold);
}

static bool is_needed(const struct held *held)
{
    return held->first || held->packet->at >= held->back->since;
}

void hold_settle(struct hold *hold, struct back *back, int64_t since)
{
    struct held *next;
    if (since == back->since)
        return; /* lest each packet of a long exchange look at all that are kept */
    back->since = since;
    for (struct held *held = back->first; held && back->kept > 0; held = next) {
        next = held->next;
        if (!held->kept)
            break; /* those behind it came later */
        if (!is_needed(held))
            let_go(hold, held);
    }
}

static void keep(struct hold *hold, struct held *held)
{
    struct block *block = block_new(hold->pool, block_room_for(held->packet->caplen));
    struct packet *copy = packet_ref(block_add(block, held->packet));
    block_unref(block);
    leave_line(hold, held);
    packet_unref(held->packet);
    held->packet = copy;
    held->kept = true;
    held->back->kept++;
    line_up(hold, held);
}

void hold_expire(struct hold *hold, int64_t now)
{
    while (hold->recent.oldest && now - hold->recent.oldest->packet->at > hold->ttl) {
        if (is_needed(hold->recent.oldest) &&
            hold->recent.oldest->back->kept < KEPT_MAX)
            keep(hold, hold->recent.oldest);
        else
            let_go(hold, hold->recent.oldest);
    }
    make_room(hold);
}

void hold_release(struct hold *hold, struct back *back)
{
    while (back->first)
        let_go(hold, back->first);
}

void hold_each(const struct back *back,
               void (*each)(void *context, struct packet *packet), void *context)
{
    for (struct held *held = back->first; held; held = held->next)
        each(context, held->packet);
}
