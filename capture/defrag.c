/* IPv4 reassembly: RFC 815; IPv6: RFC 8200 section 4.5, RFC 5722. */
#include "capture/defrag.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "capture/block.h"
#include "capture/decode.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

#define DATAGRAM_MAX  65535u
#define FRAGMENTS_MAX 128 /* of one datagram; 64 KiB by 1280 bytes need 52 */
#define WAITING_MAX   512 /* datagrams */
#define WAIT          (30 * NS_PER_S)

struct piece {
    uint32_t from, to;
    struct packet *packet; /* our own copy: a fragment must not pin a shared slab */
    const uint8_t *bytes;
};

struct waiting {
    struct waiting *next; /* newer */
    struct address src, dst;
    uint32_t id, iface;
    uint8_t protocol;
    bool spoilt; /* overlaps where none may be: the rest is swallowed */
    int64_t since;
    uint32_t total; /* known with the last fragment, else 0 */
    size_t bytes, count;
    struct piece pieces[FRAGMENTS_MAX];
};

struct defrag {
    struct block_pool *pool;
    _Atomic uint64_t *dropped;
    size_t bytes, bytes_limit;
    unsigned count;
    struct waiting *oldest, **newest;
    struct waiting *done; /* what the last call completed, for its packets */
    struct packet *packets[FRAGMENTS_MAX];
    uint8_t buffer[DATAGRAM_MAX];
};

struct defrag *defrag_new(struct block_pool *pool, size_t bytes_limit,
                          _Atomic uint64_t *dropped)
{
    struct defrag *defrag = mem_zalloc(sizeof *defrag);
    defrag->pool = pool;
    defrag->dropped = dropped;
    defrag->bytes_limit = bytes_limit;
    defrag->newest = &defrag->oldest;
    return defrag;
}

static void waiting_free(struct waiting *waiting)
{
    for (size_t i = 0; waiting && i < waiting->count; i++)
        packet_unref(waiting->pieces[i].packet);
    free(waiting);
}

/* Takes it out of the list; *at is the pointer that holds it. */
static struct waiting *take(struct defrag *defrag, struct waiting **at)
{
    struct waiting *waiting = *at;
    *at = waiting->next;
    if (defrag->newest == &waiting->next)
        defrag->newest = at;
    defrag->count--;
    defrag->bytes -= waiting->bytes;
    return waiting;
}

static void drop_oldest(struct defrag *defrag)
{
    struct waiting *waiting = take(defrag, &defrag->oldest);
    *defrag->dropped += waiting->count;
    waiting_free(waiting);
}

void defrag_free(struct defrag *defrag)
{
    if (!defrag)
        return;
    while (defrag->oldest)
        drop_oldest(defrag);
    waiting_free(defrag->done);
    free(defrag);
}

void defrag_expire(struct defrag *defrag, int64_t now)
{
    while (defrag->oldest && now - defrag->oldest->since > WAIT)
        drop_oldest(defrag);
}

/* IPv4's identification is the protocol's own (RFC 791); copies on several interfaces
 * are several datagrams. */
static bool is_part(const struct waiting *waiting, const struct frame *frame)
{
    return waiting->id == frame->fragment.id && waiting->iface == frame->iface &&
           (frame->src.address.family == 6 || waiting->protocol == frame->protocol) &&
           address_equal(&waiting->src, &frame->src.address) &&
           address_equal(&waiting->dst, &frame->dst.address);
}

static struct waiting **find(struct defrag *defrag, const struct frame *frame,
                             int64_t now)
{
    struct waiting **at = &defrag->oldest;
    while (*at && !is_part(*at, frame))
        at = &(*at)->next;
    if (*at)
        return at;
    while (defrag->count >= WAITING_MAX)
        drop_oldest(defrag);
    at = defrag->newest;
    *at = mem_zalloc(sizeof **at);
    (*at)->src = frame->src.address;
    (*at)->dst = frame->dst.address;
    (*at)->id = frame->fragment.id;
    (*at)->iface = frame->iface;
    (*at)->protocol = frame->protocol;
    (*at)->since = now;
    defrag->newest = &(*at)->next;
    defrag->count++;
    return at;
}

static struct packet *private_copy(struct defrag *defrag, const struct packet *packet)
{
    struct block *block = block_new(defrag->pool, block_room_for(packet->caplen));
    struct packet *copy = packet_ref(block_add(block, packet));
    block_unref(block);
    return copy;
}

/* Keeps the fragment; false where it may not be part of a datagram. */
static bool keep(struct defrag *defrag, struct waiting *waiting,
                 const struct frame *frame, const struct packet *packet)
{
    uint32_t from = frame->fragment.offset, to = from + frame->upper_wire;
    bool last = !frame->fragment.more;
    if (frame->upper_len < frame->upper_wire || to > DATAGRAM_MAX || to <= from ||
        waiting->count == FRAGMENTS_MAX || (waiting->total && to > waiting->total))
        return false;
    if (last && waiting->total && to != waiting->total)
        return false;
    for (size_t i = 0; i < waiting->count; i++) {
        const struct piece *piece = &waiting->pieces[i];
        if (last && piece->to > to)
            return false;
        if (piece->from == from && piece->to == to)
            continue; /* sent twice */
        if (frame->src.address.family == 6 && piece->from < to && from < piece->to) {
            waiting->spoilt = true;
            return false;
        }
    }
    if (last)
        waiting->total = to;
    /* The first fragment says what the others carry (IPv6). */
    if (from == 0)
        waiting->protocol = frame->protocol;
    struct packet *copy = private_copy(defrag, packet);
    waiting->pieces[waiting->count++] =
        (struct piece){.from = from,
                       .to = to,
                       .packet = copy,
                       .bytes = copy->data + (frame->upper - packet->data)};
    waiting->bytes += packet->caplen;
    defrag->bytes += packet->caplen;
    return true;
}

/* Is every byte there? Pieces are few, so the next one is looked for again and again.
 */
static bool is_complete(const struct waiting *waiting)
{
    uint32_t have = 0;
    bool moved = waiting->total > 0;
    while (moved && have < waiting->total) {
        moved = false;
        for (size_t i = 0; i < waiting->count; i++) {
            const struct piece *piece = &waiting->pieces[i];
            if (piece->from <= have && piece->to > have) {
                have = piece->to;
                moved = true;
            }
        }
    }
    return waiting->total > 0 && have >= waiting->total;
}

/* Later pieces are laid first, so that bytes that came first win. */
static void join(struct defrag *defrag, const struct waiting *waiting,
                 struct frame *frame)
{
    for (size_t i = waiting->count; i-- > 0;) {
        const struct piece *piece = &waiting->pieces[i];
        memcpy(defrag->buffer + piece->from, piece->bytes, piece->to - piece->from);
    }
    frame->upper = defrag->buffer;
    frame->upper_len = frame->upper_wire = waiting->total;
    frame->protocol = waiting->protocol;
    frame->fragment.offset = 0;
    frame->fragment.more = false;
}

int defrag_add(struct defrag *defrag, struct datagram *whole, struct frame *frame,
               const struct packet *packet, int64_t now)
{
    waiting_free(defrag->done);
    defrag->done = NULL;
    defrag_expire(defrag, now);
    struct waiting **at = find(defrag, frame, now);
    struct waiting *waiting = *at;
    if (waiting->spoilt || !keep(defrag, waiting, frame, packet)) {
        ++*defrag->dropped;
        return 0;
    }
    if (!is_complete(waiting)) {
        while (defrag->bytes > defrag->bytes_limit)
            drop_oldest(defrag);
        return 0;
    }
    defrag->done = take(defrag, at);
    join(defrag, waiting, frame);
    for (size_t i = 0; i < waiting->count; i++)
        defrag->packets[i] = waiting->pieces[i].packet;
    *whole = (struct datagram){defrag->packets, waiting->count};
    return 1;
}
