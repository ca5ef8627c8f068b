#include "capture/shard.h"

#include <stdlib.h>
#include <sys/random.h>

#include "capture/block.h"
#include "capture/decode.h"
#include "capture/defrag.h"
#include "capture/flow.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

#define DISSECTION_LIMIT (64u << 20)
/* A dissection that holds more is counted; flows_max bounds the rest. */
#define HEAVY            4096
#define TCP_FLOW_LIMIT   (4u << 20)

struct shard {
    struct shard_options options;
    struct shard_counters *counters;
    struct flow_table *flows;
    struct defrag *defrag;
    struct tcp_env tcp;
    struct dissect_env dissect;
    TAILQ_HEAD(, flow) waiting; /* flows that want to know that time passes */
    TAILQ_HEAD(, flow) heavy;   /* those that hold much, the first to do so first */
    size_t holding;             /* bytes, by the dissections of those */
};

/* What the callbacks of reassembly need. */
struct feed {
    struct shard *shard;
    struct flow *flow;
};

static void emit(void *context, const struct entry *entry)
{
    struct shard *shard = context;
    const char *stream = (const char *)entry->stream;
    struct flow *flow =
        (struct flow *)(uintptr_t)(stream - offsetof(struct flow, stream));
    shard->options.entry(shard->options.context, flow, entry);
}

static struct dissection *dissection_of(struct shard *shard, struct flow *flow,
                                        int64_t at)
{
    if (flow->dissection || flow->undissected)
        return flow->dissection;
    flow->dissection = dissection_new(&shard->dissect, &flow->stream);
    for (int dir = 0; dir < 2; dir++) {
        if (flow->tcp.halves[dir].ended)
            dissection_end(flow->dissection, (enum direction)dir, END_FIN, at);
    }
    return flow->dissection;
}

static void on_data(void *context, enum direction dir, const uint8_t *bytes, size_t len,
                    int64_t at)
{
    struct feed *feed = context;
    struct dissection *dissection = dissection_of(feed->shard, feed->flow, at);
    if (dissection)
        dissection_data(dissection, dir, bytes, len, at);
}

static void on_gap(void *context, enum direction dir, uint64_t missing, int64_t at)
{
    struct feed *feed = context;
    struct dissection *dissection = dissection_of(feed->shard, feed->flow, at);
    if (dissection)
        dissection_gap(dissection, dir, missing, at);
}

static void on_fin(void *context, enum direction dir, int64_t at)
{
    struct feed *feed = context;
    if (feed->flow->dissection)
        dissection_end(feed->flow->dissection, dir, END_FIN, at);
}

struct shard *shard_new(const struct shard_options *options)
{
    struct shard *shard = mem_zalloc(sizeof *shard);
    uint64_t seed = 0;
    /* Without random numbers the seed is 0: only an attacker would notice. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
        seed = 0;
    TAILQ_INIT(&shard->waiting);
    TAILQ_INIT(&shard->heavy);
    shard->options = *options;
    shard->counters = options->counters;
    shard->flows = flow_table_new(options->flows_max, seed);
    shard->defrag = defrag_new(options->pool, options->memory_limit / 4,
                               &shard->counters->fragments_dropped);
    shard->tcp = (struct tcp_env){
        .data = on_data,
        .gap = on_gap,
        .fin = on_fin,
        .limit = options->memory_limit,
        .flow_limit = TCP_FLOW_LIMIT,
        .gaps = &shard->counters->tcp_gaps,
        .gap_bytes = &shard->counters->tcp_gap_bytes,
        .dropped = &shard->counters->tcp_dropped_segments,
    };
    shard->dissect = (struct dissect_env){
        .emit = emit,
        .context = shard,
        .names = options->names,
        .node_ip = options->node_ip,
        .node_name = options->node_name,
        .wants = options->wants,
        .body_limit = options->body_limit,
        .memory_limit = DISSECTION_LIMIT,
        .counters = options->dissected,
    };
    return shard;
}

/* ---- flows that wait */

static void set_waiting(struct shard *shard, struct flow *flow, bool waits)
{
    if (waits && !flow->is_waiting)
        TAILQ_INSERT_TAIL(&shard->waiting, flow, waiting);
    else if (!waits && flow->is_waiting)
        TAILQ_REMOVE(&shard->waiting, flow, waiting);
    flow->is_waiting = waits;
}

static void set_holding(struct shard *shard, struct flow *flow, size_t bytes)
{
    bool heavy = bytes >= HEAVY;
    if (heavy && !flow->is_heavy)
        TAILQ_INSERT_TAIL(&shard->heavy, flow, heavy);
    else if (!heavy && flow->is_heavy)
        TAILQ_REMOVE(&shard->heavy, flow, heavy);
    shard->holding -= flow->is_heavy ? flow->holding : 0;
    shard->holding += heavy ? bytes : 0;
    flow->is_heavy = heavy;
    flow->holding = bytes;
}

/* Its dissection changed. */
static void update(struct shard *shard, struct flow *flow)
{
    const struct dissection *dissection = flow->dissection;
    bool waits = tcp_is_waiting(&flow->tcp) ||
                 (dissection && dissection_waiting_since(dissection) != INT64_MAX);
    set_waiting(shard, flow, waits);
    set_holding(shard, flow, dissection ? dissection_held(dissection) : 0);
}

/* ---- the end of a flow */

static void end_dissection(struct flow *flow, enum stream_end why, int64_t at)
{
    if (!flow->dissection)
        return;
    if (why != END_FIN)
        dissection_end(flow->dissection, DIR_FORWARD, why, at);
    dissection_free(flow->dissection);
    flow->dissection = NULL;
}

static void end_flow(struct shard *shard, struct flow *flow, enum stream_end why,
                     int64_t at)
{
    struct feed feed = {shard, flow};
    if (!tcp_is_closed(&flow->tcp))
        tcp_flush(&flow->tcp, &shard->tcp, &feed);
    end_dissection(flow, why, at);
    set_waiting(shard, flow, false);
    set_holding(shard, flow, 0);
    shard->options.ended(shard->options.context, flow);
    tcp_fini(&flow->tcp, &shard->tcp);
    flow_remove(shard->flows, flow);
    shard->counters->flows--;
}

void shard_finish(struct shard *shard, int64_t now)
{
    struct flow *flow;
    while ((flow = flow_oldest(shard->flows)))
        end_flow(shard, flow, END_STOP, now);
}

void shard_free(struct shard *shard)
{
    struct flow *flow;
    if (!shard)
        return;
    while ((flow = flow_oldest(shard->flows))) {
        dissection_free(flow->dissection);
        shard->options.ended(shard->options.context, flow);
        tcp_fini(&flow->tcp, &shard->tcp);
        flow_remove(shard->flows, flow);
        shard->counters->flows--;
    }
    flow_table_free(shard->flows);
    defrag_free(shard->defrag);
    free(shard);
}

/* ---- packets */

static struct flow *open_flow(struct shard *shard, const struct flow_key *key,
                              bool from_low, const struct frame *frame,
                              const struct packet *first)
{
    if (flow_table_is_full(shard->flows)) {
        shard->counters->flows_evicted++;
        end_flow(shard, flow_oldest(shard->flows), END_EVICTED, first->at);
    }
    struct flow *flow = flow_add(shard->flows, key, FLOW_BRIEF, first->at);
    uint8_t syn_ack = TCP_SYN | TCP_ACK;
    bool answers = frame->kind == STREAM_TCP && (frame->flags & syn_ack) == syn_ack;
    const struct shard_options *options = &shard->options;
    flow->low_is_forward = from_low != answers;
    flow->stream = (struct stream){
        .number = first->number,
        .kind = frame->kind,
        .ends = {answers ? frame->dst : frame->src, answers ? frame->src : frame->dst},
        .iface = options->iface_name
                     ? options->iface_name(options->context, frame->iface)
                     : "",
        .vlan = frame->vlan,
        .tunnel = frame->tunnel,
        .outgoing = frame->outgoing,
    };
    shard->counters->flows++;
    shard->counters->flows_total++;
    return flow;
}

static void feed_tcp(struct shard *shard, struct flow *flow, const struct frame *frame,
                     enum direction dir, int64_t at)
{
    struct feed feed = {shard, flow};
    bool was_closed = tcp_is_closed(&flow->tcp);
    tcp_add(&flow->tcp, &shard->tcp, &feed, frame, dir, at);
    if (!was_closed && tcp_is_closed(&flow->tcp))
        end_dissection(flow, flow->tcp.reset ? END_RESET : END_FIN, at);
}

static enum flow_age age_of(const struct flow *flow)
{
    if (flow->stream.kind != STREAM_TCP)
        return FLOW_BRIEF;
    if (tcp_is_closed(&flow->tcp))
        return FLOW_CLOSED;
    /* Open once each side acknowledged the other, or data of one were seen: a server
     * that answers a flood of SYNs makes no connections of them. */
    bool both =
        flow->tcp.halves[DIR_FORWARD].has_ack && flow->tcp.halves[DIR_REVERSE].has_ack;
    bool data = flow->dissection || flow->undissected;
    return both || data ? FLOW_OPEN : FLOW_BRIEF;
}

/* The stream goes on, but nobody looks into it any more. */
static void give_up(struct shard *shard, struct flow *flow, int64_t at)
{
    shard->options.dissected->given_up++;
    flow->undissected = true;
    end_dissection(flow, END_EVICTED, at);
    update(shard, flow);
    shard->options.fed(shard->options.context, flow);
}

/* A datagram in one packet, or in several fragments. */
static void take(struct shard *shard, const struct frame *frame,
                 struct packet **packets, size_t count)
{
    struct packet *last = packets[count - 1];
    struct flow_key key;
    bool from_low;
    flow_key_of(&key, &from_low, frame);
    struct flow *flow = flow_find(shard->flows, &key);
    enum direction dir = DIR_FORWARD;
    if (flow) {
        dir = from_low == flow->low_is_forward ? DIR_FORWARD : DIR_REVERSE;
        if (frame->kind == STREAM_TCP && tcp_is_new(&flow->tcp, frame, dir)) {
            end_flow(shard, flow, END_TIMEOUT, last->at);
            flow = NULL;
        }
    }
    if (!flow) {
        flow = open_flow(shard, &key, from_low, frame, packets[0]);
        dir = from_low == flow->low_is_forward ? DIR_FORWARD : DIR_REVERSE;
    }
    if (!flow_owns(flow, dir, frame->iface, last->at)) {
        shard->counters->duplicates += count;
        return;
    }
    flow->packets += count;
    for (size_t i = 0; i < count; i++)
        shard->options.packet(shard->options.context, flow, packets[i]);
    if (frame->kind == STREAM_TCP)
        feed_tcp(shard, flow, frame, dir, last->at);
    else if (frame->kind == STREAM_UDP && frame->payload_len > 0)
        on_data(&(struct feed){shard, flow}, dir, frame->payload, frame->payload_len,
                last->at);
    flow_touch(shard->flows, flow, age_of(flow), last->at);
    update(shard, flow);
    shard->options.fed(shard->options.context, flow);
    while (shard->holding > shard->options.memory_limit)
        give_up(shard, TAILQ_FIRST(&shard->heavy), last->at);
}

void shard_packet(struct shard *shard, struct packet *packet)
{
    struct frame frame;
    struct datagram whole = {&packet, 1};
    enum decoded what = decode_frame(&frame, packet);
    shard->counters->packets++;
    shard->counters->bytes += packet->len;
    if (what == DECODED_FRAGMENT) {
        if (!defrag_add(shard->defrag, &whole, &frame, packet, packet->at))
            return;
        /* A tunnel whose own packets were fragmented. */
        what = decode_inside(&frame);
    }
    if (what != DECODED_IP || decode_transport(&frame) < 0)
        shard->counters->undecoded += whole.count;
    else
        take(shard, &frame, whole.packets, whole.count);
}

void shard_tick(struct shard *shard, int64_t now)
{
    struct flow *flow, *next;
    defrag_expire(shard->defrag, now);
    for (flow = TAILQ_FIRST(&shard->waiting); flow; flow = next) {
        struct feed feed = {shard, flow};
        next = TAILQ_NEXT(flow, waiting);
        tcp_tick(&flow->tcp, &shard->tcp, &feed, now);
        if (flow->dissection)
            dissection_tick(flow->dissection, now);
        if (tcp_is_closed(&flow->tcp) && flow->dissection) {
            end_dissection(flow, END_FIN, now);
            flow_touch(shard->flows, flow, FLOW_CLOSED, flow->last_at);
        }
        update(shard, flow);
        shard->options.fed(shard->options.context, flow);
    }
    while ((flow = flow_expired(shard->flows, now)))
        end_flow(shard, flow, END_TIMEOUT, now);
}
