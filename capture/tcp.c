/* TCP: RFC 9293; fast open, data on a SYN: RFC 7413. */
#include "capture/tcp.h"

#include <stdlib.h>
#include <string.h>

#include "capture/decode.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

/* Segments that the other side has acknowledged may still come late from another ring.
 */
#define HOLE_ACKED   (250 * NS_PER_MS)
/* Without an acknowledgement the sender sends again; a capture of one side never tells.
 */
#define HOLE_UNSEEN  (10 * NS_PER_S)
/* Beyond what a window can be (RFC 7323): a segment that is no part of the connection.
 */
#define FAR_AHEAD    (1 << 30)
/* Segments one direction may buffer: they are looked through one by one. */
#define SEGMENTS_MAX 4096

struct tcp_segment {
    struct tcp_segment *next;
    int64_t at;
    uint32_t seq, len; /* on the wire */
    uint32_t held;     /* the first bytes, as far as they were captured */
    uint8_t bytes[];
};

/* a - b in sequence space. */
static int32_t ahead(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

static size_t cost(const struct tcp_segment *segment)
{
    return sizeof *segment + segment->held;
}

static struct tcp_segment *take_first(struct tcp_half *half, struct tcp_env *env)
{
    struct tcp_segment *segment = half->segments;
    half->segments = segment->next;
    if (!half->segments)
        half->last = NULL;
    half->count--;
    half->buffered -= cost(segment);
    env->buffered -= cost(segment);
    return segment;
}

void tcp_fini(struct tcp *tcp, struct tcp_env *env)
{
    for (int dir = 0; dir < 2; dir++) {
        while (tcp->halves[dir].segments)
            free(take_first(&tcp->halves[dir], env));
    }
}

bool tcp_is_waiting(const struct tcp *tcp)
{
    return tcp->halves[0].hole_at || tcp->halves[1].hole_at;
}

bool tcp_is_closed(const struct tcp *tcp)
{
    return tcp->reset || (tcp->halves[0].ended && tcp->halves[1].ended);
}

bool tcp_is_new(const struct tcp *tcp, const struct frame *frame, enum direction dir)
{
    const struct tcp_half *half = &tcp->halves[dir], *other = &tcp->halves[!dir];
    /* The answer to a SYN that was not seen, on ports that are used again. */
    if (frame->flags & TCP_ACK)
        return frame->flags & TCP_SYN && tcp_is_closed(tcp) && half->has_syn &&
               half->first != frame->seq + 1;
    if (!(frame->flags & TCP_SYN))
        return false;
    /* Sent again, or seen after what it opened. */
    if (half->has_next && half->first == frame->seq + 1)
        return false;
    if (half->has_next || tcp_is_closed(tcp))
        return true;
    /* Both sides open at once; else it comes from nowhere. */
    return !other->has_syn;
}

static void lose(struct tcp_env *env, void *context, enum direction dir,
                 uint64_t missing, int64_t at)
{
    ++*env->gaps;
    *env->gap_bytes += missing;
    env->gap(context, dir, missing, at);
}

static void deliver(struct tcp_half *half, struct tcp_env *env, void *context,
                    enum direction dir, const uint8_t *bytes, uint32_t held,
                    uint32_t len, int64_t at)
{
    if (half->ended)
        return;
    half->next += len;
    if (held > 0)
        env->data(context, dir, bytes, held, at);
    if (held < len)
        lose(env, context, dir, len - held, at);
}

/* Bytes from `seq` that were not delivered yet; false where there are none. */
static bool trim(const struct tcp_half *half, uint32_t *seq, const uint8_t **bytes,
                 uint32_t *held, uint32_t *len)
{
    int32_t old = ahead(half->next, *seq);
    if (old <= 0)
        return *len > 0;
    uint32_t skip = (uint32_t)old;
    if (skip >= *len)
        return false;
    *seq += skip;
    *len -= skip;
    *bytes += skip < *held ? skip : *held;
    *held -= skip < *held ? skip : *held;
    return true;
}

/* Delivers what has become next. */
static void drain(struct tcp_half *half, struct tcp_env *env, void *context,
                  enum direction dir)
{
    while (half->segments && ahead(half->segments->seq, half->next) <= 0) {
        struct tcp_segment *segment = take_first(half, env);
        uint32_t seq = segment->seq, held = segment->held, len = segment->len;
        const uint8_t *bytes = segment->bytes;
        if (trim(half, &seq, &bytes, &held, &len))
            deliver(half, env, context, dir, bytes, held, len, segment->at);
        free(segment);
    }
}

static void end_if_complete(struct tcp_half *half, struct tcp_env *env, void *context,
                            enum direction dir, int64_t at)
{
    if (half->ended || !half->has_fin || ahead(half->next, half->fin) < 0)
        return;
    half->ended = true;
    env->fin(context, dir, at);
}

/* Is something known to come after bytes that are missing? */
static bool has_hole(const struct tcp_half *half)
{
    return !half->ended &&
           (half->segments || (half->has_fin && ahead(half->fin, half->next) > 0));
}

static void note_hole(struct tcp_half *half, int64_t at)
{
    if (!has_hole(half))
        half->hole_at = 0;
    else if (half->hole_at == 0)
        half->hole_at = at ? at : 1;
}

/* Goes on behind the missing bytes. */
static void skip_hole(struct tcp_half *half, struct tcp_env *env, void *context,
                      enum direction dir, int64_t at)
{
    uint32_t to = half->segments ? half->segments->seq : half->fin;
    uint32_t missing = to - half->next;
    half->next = to;
    half->hole_at = 0;
    lose(env, context, dir, missing, half->segments ? half->segments->at : at);
    drain(half, env, context, dir);
    end_if_complete(half, env, context, dir, at);
    note_hole(half, at);
}

static void flush_half(struct tcp_half *half, struct tcp_env *env, void *context,
                       enum direction dir, int64_t at)
{
    while (has_hole(half))
        skip_hole(half, env, context, dir, at);
    half->hole_at = 0;
}

/* Puts a segment where it belongs; one that begins at the same place and is not longer
 * brings nothing new. */
static void keep(struct tcp_half *half, struct tcp_env *env, uint32_t seq,
                 const uint8_t *bytes, uint32_t held, uint32_t len, int64_t at)
{
    struct tcp_segment **place = &half->segments;
    /* Most come in order behind one hole. */
    if (half->last && ahead(half->last->seq, seq) < 0)
        place = &half->last->next;
    while (*place && ahead((*place)->seq, seq) < 0)
        place = &(*place)->next;
    if (*place && (*place)->seq == seq && (*place)->len >= len &&
        (*place)->held >= held)
        return;
    struct tcp_segment *segment = mem_alloc(sizeof *segment + held);
    *segment = (struct tcp_segment){
        .next = *place, .at = at, .seq = seq, .len = len, .held = held};
    if (held > 0)
        memcpy(segment->bytes, bytes, held);
    *place = segment;
    if (!segment->next)
        half->last = segment;
    half->count++;
    half->buffered += cost(segment);
    env->buffered += cost(segment);
}

static void add_data(struct tcp_half *half, struct tcp_env *env, void *context,
                     const struct frame *frame, enum direction dir, uint32_t seq,
                     int64_t at)
{
    const uint8_t *bytes = frame->payload;
    uint32_t held = frame->payload_len, len = frame->payload_wire;
    if (half->ended || !trim(half, &seq, &bytes, &held, &len))
        return;
    int32_t distance = ahead(seq, half->next);
    if (distance > FAR_AHEAD || (half->has_fin && ahead(seq, half->fin) >= 0)) {
        ++*env->dropped;
        return;
    }
    if (distance > 0) {
        keep(half, env, seq, bytes, held, len, at);
        /* Bounded: what is waited for is given up first. */
        if (half->buffered > env->flow_limit || env->buffered > env->limit ||
            half->count > SEGMENTS_MAX)
            flush_half(half, env, context, dir, at);
        return;
    }
    deliver(half, env, context, dir, bytes, held, len, at);
    drain(half, env, context, dir);
    half->hole_at = 0; /* one that is left is another one */
}

/* A reset that belongs has the sequence number that is next, or one within a window of
 * it. */
static bool is_reset(const struct tcp *tcp, const struct frame *frame,
                     enum direction dir)
{
    const struct tcp_half *half = &tcp->halves[dir];
    if (!(frame->flags & TCP_RST))
        return false;
    if (!half->has_next || half->ended)
        return true;
    int32_t distance = ahead(frame->seq, half->next);
    if (half->segments || half->hole_at)
        return distance > -FAR_AHEAD && distance < FAR_AHEAD;
    return distance >= -(1 << 16) && distance <= 1 << 24;
}

static void begin(struct tcp_half *half, uint32_t seq)
{
    half->next = half->first = seq;
    half->has_next = true;
}

static void note_ack(struct tcp_half *other, const struct frame *frame)
{
    if (!(frame->flags & TCP_ACK) || frame->flags & TCP_RST)
        return;
    /* The other side's SYN was not seen, but its number is known. */
    if (frame->flags & TCP_SYN && !other->has_next) {
        begin(other, frame->ack);
        other->has_syn = true;
    }
    if (!other->has_ack || ahead(frame->ack, other->acked) > 0)
        other->acked = frame->ack;
    other->has_ack = true;
    if (frame->payload_wire == 0)
        return;
    if (!other->has_answer || ahead(frame->ack, other->answered) > 0)
        other->answered = frame->ack;
    other->has_answer = true;
}

/* Gives up on what the peer has got and we have not, or what does not come. What the
 * peer answered goes first, so that its answer finds the next request where it belongs.
 */
static void check_hole(struct tcp_half *half, struct tcp_env *env, void *context,
                       enum direction dir, int64_t now)
{
    while (half->hole_at && !half->ended) {
        uint32_t to = half->segments ? half->segments->seq : half->fin;
        int64_t age = now - half->hole_at;
        bool acked = half->has_ack && ahead(half->acked, to) >= 0;
        bool answered = half->has_answer && ahead(half->answered, to) >= 0;
        bool unseen = !half->has_ack || ahead(half->acked, half->next) < 0;
        if (!answered && !(acked && age > HOLE_ACKED) && !(unseen && age > HOLE_UNSEEN))
            return;
        int64_t since = half->hole_at;
        skip_hole(half, env, context, dir, now);
        /* The next hole has been there as long, if the peer got beyond it too. */
        if (half->hole_at)
            half->hole_at = since;
    }
}

static void note_fin(struct tcp_half *half, const struct frame *frame, uint32_t fin)
{
    int32_t distance = ahead(fin, half->next);
    if (!(frame->flags & TCP_FIN) || half->ended || distance < 0 ||
        distance > FAR_AHEAD)
        return;
    half->fin = fin;
    half->has_fin = true;
}

void tcp_add(struct tcp *tcp, struct tcp_env *env, void *context,
             const struct frame *frame, enum direction dir, int64_t at)
{
    struct tcp_half *half = &tcp->halves[dir], *other = &tcp->halves[!dir];
    uint32_t seq = frame->seq;
    if (tcp->reset)
        return;
    note_ack(other, frame);
    check_hole(other, env, context, !dir, at);
    if (frame->flags & TCP_SYN) {
        seq++;
        if (!half->has_next)
            begin(half, seq);
        half->has_syn = true;
    }
    if (!half->has_next && (frame->payload_wire > 0 || frame->flags & TCP_FIN))
        begin(half, seq);
    if (frame->payload_wire > 0 && !(frame->flags & TCP_RST))
        add_data(half, env, context, frame, dir, seq, at);
    if (is_reset(tcp, frame, dir)) {
        flush_half(half, env, context, dir, at);
        flush_half(other, env, context, !dir, at);
        tcp->reset = true;
        return;
    }
    note_fin(half, frame, seq + frame->payload_wire);
    end_if_complete(half, env, context, dir, at);
    note_hole(half, at);
    check_hole(half, env, context, dir, at);
}

void tcp_tick(struct tcp *tcp, struct tcp_env *env, void *context, int64_t now)
{
    check_hole(&tcp->halves[DIR_FORWARD], env, context, DIR_FORWARD, now);
    check_hole(&tcp->halves[DIR_REVERSE], env, context, DIR_REVERSE, now);
}

void tcp_flush(struct tcp *tcp, struct tcp_env *env, void *context)
{
    for (int dir = 0; dir < 2; dir++) {
        struct tcp_half *half = &tcp->halves[dir];
        flush_half(half, env, context, (enum direction)dir, half->hole_at);
    }
}
