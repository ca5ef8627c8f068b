#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/entry.h"
#include "capture/proto/table.h"
#include "capture/sink.h"
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

/* A direction is probed at the start of each of its first pieces, so that a stream
 * whose beginning was not captured, or that begins with something else, is found at its
 * first message. */
#define TRIES_MAX 16
#define PROBE_MAX ((size_t)16 * 1024)
#define HELD_MAX  ((size_t)8 * 1024 * 1024)

struct lane {
    struct buf held; /* bytes that were not eaten */
    int64_t held_at; /* time of the first of them */
    unsigned tries;  /* pieces that were no protocol */
    bool ended;
};

struct dissection {
    struct sink sink;
    const struct dissector *dissector; /* NULL: not found yet */
    const char *found;
    void *state;
    bool over; /* nothing more is looked at */
    struct lane lanes[2];
};

struct dissection *dissection_new(struct dissect_env *env, const struct stream *stream)
{
    struct dissection *d = mem_zalloc(sizeof *d);
    sink_init(&d->sink, env, stream);
    size_t limit = env->memory_limit && env->memory_limit < HELD_MAX ? env->memory_limit
                                                                     : HELD_MAX;
    for (int i = 0; i < 2; i++)
        d->lanes[i].held.limit = limit;
    return d;
}

static void drop_state(struct dissection *d)
{
    if (d->state && d->dissector->free)
        d->dissector->free(d->state);
    free(d->state);
    d->state = NULL;
}

static void set_dissector(struct dissection *d, const struct dissector *dissector)
{
    d->dissector = dissector;
    d->found = dissector->name;
    d->state = mem_zalloc(dissector->state_size);
    d->sink.answer_ns = dissector->answer_ns;
}

/* From here on the stream costs nothing but its packets. */
static void give_up(struct dissection *d)
{
    struct dissect_counters *counters = d->sink.env->counters;
    if (counters && d->dissector)
        counters->given_up++;
    else if (counters)
        counters->unknown_streams++;
    sink_flush(&d->sink, END_EVICTED);
    drop_state(d);
    for (int i = 0; i < 2; i++)
        buf_fini(&d->lanes[i].held);
    d->over = true;
}

void dissection_free(struct dissection *d)
{
    if (!d)
        return;
    drop_state(d);
    sink_fini(&d->sink);
    for (int i = 0; i < 2; i++)
        buf_fini(&d->lanes[i].held);
    free(d);
}

/* The dissector said that another protocol begins. */
static void switch_over(struct dissection *d)
{
    const struct dissector *next = d->sink.next;
    d->sink.switched = false;
    sink_flush(&d->sink, END_FIN);
    drop_state(d);
    if (next) {
        set_dissector(d, next);
        return;
    }
    for (int i = 0; i < 2; i++)
        buf_fini(&d->lanes[i].held);
    d->over = true;
}

/* Feeds from `rd` as far as the dissector eats. */
static void feed_all(struct dissection *d, enum direction dir, struct rd *rd,
                     int64_t at)
{
    while (rd_left(rd) > 0) {
        long eaten = d->dissector->feed(d->state, &d->sink, dir, *rd);
        if (eaten > 0) {
            rd_skip(rd, (size_t)eaten);
            /* What is left then came with the newest bytes: what was there before them
             * had been offered already, and was too little. */
            d->sink.first_at = at;
        }
        if (d->sink.switched)
            switch_over(d);
        else if (eaten < 0)
            give_up(d);
        else if (eaten == 0)
            break;
        if (d->over)
            return;
    }
}

static void hold(struct dissection *d, struct lane *lane, const struct rd *rest,
                 int64_t at)
{
    size_t left = rd_left(rest);
    if (lane->held.len > 0) {
        memmove(lane->held.data, lane->held.data + lane->held.len - left, left);
        lane->held.len = left;
    } else if (buf_add(&lane->held, rest->at, left) < 0) {
        give_up(d);
        return;
    }
    lane->held_at = at;
    if (left == 0 && lane->held.cap > 4096)
        buf_fini(&lane->held);
}

static void feed(struct dissection *d, enum direction dir, const uint8_t *data,
                 size_t len, int64_t first_at, int64_t at)
{
    struct lane *lane = &d->lanes[dir];
    struct rd rd;
    d->sink.first_at = lane->held.len > 0 ? lane->held_at : first_at;
    if (lane->held.len == 0) {
        rd_init(&rd, data, len);
    } else if (buf_add(&lane->held, data, len) == 0) {
        rd_init(&rd, lane->held.data, lane->held.len);
    } else {
        give_up(d);
        return;
    }
    feed_all(d, dir, &rd, at);
    if (!d->over)
        hold(d, lane, &rd, d->sink.first_at);
}

/* What a direction held while the protocol was not known. */
static void feed_held(struct dissection *d, enum direction dir, int64_t at)
{
    struct lane *lane = &d->lanes[dir];
    struct buf held = lane->held;
    if (held.len == 0)
        return;
    lane->held = (struct buf){.limit = held.limit};
    d->sink.at = at;
    feed(d, dir, (const uint8_t *)held.data, held.len, lane->held_at, at);
    buf_fini(&held);
}

/* Looks for the protocol; the bytes are kept while more may tell. True if it is known
 * now. */
static bool probe(struct dissection *d, enum direction dir, const uint8_t *data,
                  size_t len, int64_t at)
{
    struct lane *lane = &d->lanes[dir];
    bool more;
    struct rd rd;
    if (lane->held.len == 0)
        lane->held_at = at;
    if (buf_add(&lane->held, data, len) < 0)
        goto no;
    rd_init(&rd, lane->held.data, lane->held.len);
    const struct dissector *found = table_probe(d->sink.stream, rd, &more);
    if (found) {
        set_dissector(d, found);
        return true;
    }
    if (more && lane->held.len <= PROBE_MAX)
        return false;
no:
    buf_fini(&lane->held);
    lane->tries++;
    if (d->lanes[0].tries + d->lanes[1].tries >= TRIES_MAX)
        give_up(d);
    return false;
}

void dissection_data(struct dissection *d, enum direction dir, const uint8_t *data,
                     size_t len, int64_t at)
{
    if (d->over || d->lanes[dir].ended || len == 0)
        return;
    d->sink.at = at;
    if (d->dissector) {
        feed(d, dir, data, len, at, at);
    } else if (probe(d, dir, data, len, at)) {
        enum direction other = dir == DIR_FORWARD ? DIR_REVERSE : DIR_FORWARD;
        const struct lane *lanes = d->lanes;
        bool other_first = lanes[other].held_at < lanes[dir].held_at;
        feed_held(d, other_first ? other : dir,
                  other_first ? lanes[other].held_at : at);
        if (!d->over)
            feed_held(d, other_first ? dir : other, at);
    }
}

void dissection_gap(struct dissection *d, enum direction dir, uint64_t missing,
                    int64_t at)
{
    if (d->over || d->lanes[dir].ended)
        return;
    d->sink.at = at;
    d->sink.first_at = at;
    if (d->sink.env->counters)
        d->sink.env->counters->gaps++;
    if (d->dissector && d->dissector->gap)
        d->dissector->gap(d->state, &d->sink, dir, missing);
    buf_clear(&d->lanes[dir].held);
}

static void end_direction(struct dissection *d, enum direction dir, enum stream_end why)
{
    struct lane *lane = &d->lanes[dir];
    if (lane->ended)
        return;
    lane->ended = true;
    struct rd rest;
    rd_init(&rest, lane->held.data, lane->held.len);
    if (lane->held.len > 0)
        d->sink.first_at = lane->held_at;
    else
        d->sink.first_at = d->sink.at;
    if (d->dissector && d->dissector->done)
        d->dissector->done(d->state, &d->sink, dir, why, rest);
    buf_fini(&lane->held);
}

void dissection_end(struct dissection *d, enum direction dir, enum stream_end why,
                    int64_t at)
{
    if (d->over)
        return;
    d->sink.at = at;
    end_direction(d, dir, why);
    if (why != END_FIN)
        end_direction(d, dir == DIR_FORWARD ? DIR_REVERSE : DIR_FORWARD, why);
    if (d->lanes[0].ended && d->lanes[1].ended) {
        sink_flush(&d->sink, why);
        drop_state(d);
        d->over = true;
    } else {
        sink_close_direction(&d->sink, dir, why);
    }
}

void dissection_tick(struct dissection *d, int64_t now)
{
    if (!d->over)
        sink_tick(&d->sink, now);
}

int64_t dissection_waiting_since(const struct dissection *d)
{
    int64_t since = sink_since(&d->sink);
    for (int i = 0; i < 2; i++) {
        if (d->lanes[i].held.len > 0 && d->lanes[i].held_at < since)
            since = d->lanes[i].held_at;
    }
    return since;
}

size_t dissection_held(const struct dissection *d)
{
    size_t bytes = d->sink.held + d->lanes[0].held.cap + d->lanes[1].held.cap;
    if (d->state && d->dissector->held)
        bytes += d->dissector->held(d->state);
    return bytes;
}

const char *dissection_protocol(const struct dissection *d)
{
    return d->found;
}
