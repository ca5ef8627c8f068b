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
#define TCP_FLOW_LIMIT   (4u << 20)

struct shard {
    struct shard_options options;
    struct shard_counters *counters;
    struct flow_table *flows;
    struct defrag *defrag;
    struct tcp_env tcp;
    struct dissect_env dissect;
    struct flow *waiting; /* flows that want to know that time passes */
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
    if (flow->dissection)
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
    dissection_data(dissection_of(feed->shard, feed->flow, at), dir, bytes, len, at);
}

static void on_gap(void *context, enum direction dir, uint64_t missing, int64_t at)
{
    struct feed *feed = context;
    dissection_gap(dissection_of(feed->shard, feed->flow, at), dir, missing, at);
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

static void leave_waiting(struct shard *shard, struct flow *flow)
{
    if (!flow->is_waiting)
        return;
    if (flow->waiting_prev)
        flow->waiting_prev->waiting_next = flow->waiting_next;
    else
        shard->waiting = flow->waiting_next;
    if (flow->waiting_next)
        flow->waiting_next->waiting_prev = flow->waiting_prev;
    flow->is_waiting = false;
}

static void update_waiting(struct shard *shard, struct flow *flow)
{
    bool waits =
        tcp_is_waiting(&flow->tcp) ||
        (flow->dissection && dissection_waiting_since(flow->dissection) != INT64_MAX);
    if (!waits) {
        leave_waiting(shard, flow);
    } else if (!flow->is_waiting) {
        flow->waiting_prev = NULL;
        flow->waiting_next = shard->waiting;
        if (shard->waiting)
            shard->waiting->waiting_prev = flow;
        shard->waiting = flow;
        flow->is_waiting = true;
    }
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
    leave_waiting(shard, flow);
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
    /* Open once both sides, or data of one, were seen. */
    bool both = flow->owner_at[DIR_FORWARD] && flow->owner_at[DIR_REVERSE];
    return both || flow->dissection ? FLOW_OPEN : FLOW_BRIEF;
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
        dissection_data(dissection_of(shard, flow, last->at), dir, frame->payload,
                        frame->payload_len, last->at);
    flow_touch(shard->flows, flow, age_of(flow), last->at);
    update_waiting(shard, flow);
    shard->options.fed(shard->options.context, flow);
}

void shard_packet(struct shard *shard, struct packet *packet)
{
    struct frame frame;
    struct datagram whole = {&packet, 1};
    enum decoded what = decode_frame(&frame, packet);
    shard->counters->packets++;
    shard->counters->bytes += packet->len;
    if (what == DECODED_FRAGMENT &&
        !defrag_add(shard->defrag, &whole, &frame, packet, packet->at))
        return;
    if ((what != DECODED_IP && what != DECODED_FRAGMENT) ||
        decode_transport(&frame) < 0)
        shard->counters->undecoded += whole.count;
    else
        take(shard, &frame, whole.packets, whole.count);
}

void shard_tick(struct shard *shard, int64_t now)
{
    struct flow *flow, *next;
    defrag_expire(shard->defrag, now);
    for (flow = shard->waiting; flow; flow = next) {
        struct feed feed = {shard, flow};
        next = flow->waiting_next;
        tcp_tick(&flow->tcp, &shard->tcp, &feed, now);
        if (flow->dissection)
            dissection_tick(flow->dissection, now);
        if (tcp_is_closed(&flow->tcp) && flow->dissection) {
            end_dissection(flow, END_FIN, now);
            flow_touch(shard->flows, flow, FLOW_CLOSED, flow->last_at);
        }
        update_waiting(shard, flow);
        shard->options.fed(shard->options.context, flow);
    }
    while ((flow = flow_expired(shard->flows, now)))
        end_flow(shard, flow, END_TIMEOUT, now);
}
