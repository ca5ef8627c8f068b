#include "capture/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "capture/block.h"
#include "capture/flow.h"
#include "capture/hold.h"
#include "capture/interfaces.h"
#include "capture/outbox.h"
#include "capture/store/store.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/base/queue.h"
#include "kfl/kfl.h"

#define QUEUE_ITEMS 4096
#define HANDSHAKE   3 /* packets */
#define LINE_LIMIT  (64u << 20)

struct run {
    struct block *block; /* a reference, as one of its packets */
    size_t first, count;
};

/* What is on a flow's back, in flow->user. */
struct pack {
    struct back back;
    uint64_t generation; /* of the set that the pins point into */
    struct pin *pins;    /* statements that matched */
    unsigned pin_count, pin_cap;
};

/* Told by id, since sets come and go. */
struct pin {
    uint64_t id;
    const struct tap *tap; /* of worker->taps */
};

struct worker {
    struct worker_options options;
    pthread_t thread;
    struct queue *queue;
    struct run wake; /* an item that means nothing */
    struct shard *shard;
    struct hold *hold;
    struct tap_set *taps;
    struct kfl_run *run;
    struct outbox outbox;
    struct buf line;
    int64_t ticked_at;     /* monotonic */
    uint64_t lost[LOSSES]; /* that the recordings were told of */
    struct worker_counters counters;
};

struct worker_counters *worker_counters(struct worker *worker)
{
    return &worker->counters;
}

/* ---- pins */

struct passing {
    struct worker *worker;
    const struct flow *flow;
    const struct tap *tap;
};

static void pass(struct worker *worker, const struct tap *tap, const struct flow *flow,
                 struct packet *packet)
{
    if (packet->at <= tap->until)
        outbox_packet(&worker->outbox, tap->iteration, packet, &flow->stream);
}

static void pass_held(void *context, struct packet *packet)
{
    const struct passing *passing = context;
    pass(passing->worker, passing->tap, passing->flow, packet);
}

static bool is_pinned(const struct pack *pack, uint64_t id)
{
    for (unsigned i = 0; i < pack->pin_count; i++) {
        if (pack->pins[i].id == id)
            return true;
    }
    return false;
}

static void pin(struct worker *worker, struct flow *flow, const struct tap *tap)
{
    struct pack *pack = flow->user;
    if (tap->entries_only || is_pinned(pack, tap->id))
        return;
    if (pack->pin_count == pack->pin_cap) {
        pack->pin_cap = pack->pin_cap ? pack->pin_cap * 2 : 2;
        pack->pins = mem_realloc(pack->pins, pack->pin_cap * sizeof *pack->pins);
    }
    pack->pins[pack->pin_count++] = (struct pin){tap->id, tap};
    struct passing passing = {worker, flow, tap};
    hold_each(&pack->back, pass_held, &passing);
    if (pack->back.lost > 0)
        outbox_loss(&worker->outbox, tap->iteration, "before_lost", pack->back.lost);
}

/* Another set may be in force: pins of statements that left are forgotten, statements
 * for everything take the stream at once. */
static struct pack *pack_of(struct worker *worker, struct flow *flow)
{
    const struct tap_set *set = worker->taps;
    if (!flow->user)
        flow->user = mem_zalloc(sizeof(struct pack));
    struct pack *pack = flow->user;
    if (pack->generation == set->generation)
        return pack;
    pack->generation = set->generation;
    unsigned left = 0;
    for (unsigned i = 0; i < pack->pin_count; i++) {
        const struct tap *tap = tap_set_find(set, pack->pins[i].id);
        if (tap)
            pack->pins[left++] = (struct pin){tap->id, tap};
    }
    pack->pin_count = left;
    for (size_t i = 0; i < set->count; i++) {
        if (set->taps[i].everything)
            pin(worker, flow, &set->taps[i]);
    }
    return pack;
}

/* ---- what the shard tells */

static void on_packet(void *context, struct flow *flow, struct packet *packet)
{
    struct worker *worker = context;
    struct pack *pack = pack_of(worker, flow);
    bool first = flow->stream.kind == STREAM_TCP && pack->back.added < HANDSHAKE;
    outbox_packet(&worker->outbox, worker->options.live_packets, packet, &flow->stream);
    for (unsigned i = 0; i < pack->pin_count; i++)
        pass(worker, pack->pins[i].tap, flow, packet);
    hold_add(worker->hold, &pack->back, packet, first);
}

static void on_fed(void *context, struct flow *flow)
{
    struct worker *worker = context;
    int64_t since =
        flow->dissection ? dissection_waiting_since(flow->dissection) : INT64_MAX;
    hold_settle(worker->hold, &pack_of(worker, flow)->back, since);
}

static void on_ended(void *context, struct flow *flow)
{
    struct worker *worker = context;
    struct pack *pack = flow->user;
    if (!pack)
        return;
    hold_release(worker->hold, &pack->back);
    free(pack->pins);
    free(pack);
}

static void count_protocol(struct worker *worker, const char *abbr)
{
    for (size_t i = 0; i < PROTOCOLS_MAX; i++) {
        struct protocol_count *count = &worker->counters.protocols[i];
        const char *there = count->abbr;
        if (!there)
            count->abbr = there = abbr;
        if (strcmp(there, abbr) == 0) {
            count->entries++;
            return;
        }
    }
}

/* The document as a line in the outbox; the length, 0 where it is too large. */
static size_t put_line(struct worker *worker, size_t *line, const struct doc_value *doc)
{
    buf_clear(&worker->line);
    if (doc_write(&worker->line, doc) < 0)
        return 0;
    *line = outbox_line(&worker->outbox, worker->line.data, worker->line.len);
    return worker->line.len;
}

/* Runs one statement over the entry, of which there is a line already. */
static void offer(struct worker *worker, struct flow *flow, const struct tap *tap,
                  const struct entry *entry, size_t line, size_t len)
{
    const struct doc_value *emitted = &entry->doc;
    struct iteration *to = tap->iteration;
    struct err err;
    struct kfl_facts facts = {.record = "", .abbr = entry->abbr};
    if (entry->done_at > tap->until || !kfl_may_match(tap->kfl, &facts))
        return;
    int matched = kfl_match(worker->run, tap->kfl, &entry->doc, "", &emitted, &err);
    if (matched < 0)
        outbox_loss(&worker->outbox, to, "statement", 1);
    if (matched <= 0)
        return;
    if (emitted != &entry->doc)
        len = put_line(worker, &line, emitted);
    if (len == 0)
        outbox_loss(&worker->outbox, to, "too_large", 1);
    else
        outbox_entry(&worker->outbox, to, entry, line, len);
    pin(worker, flow, tap);
}

static void on_entry(void *context, struct flow *flow, const struct entry *entry)
{
    struct worker *worker = context;
    size_t line = 0;
    pack_of(worker, flow);
    count_protocol(worker, entry->abbr);
    size_t len = put_line(worker, &line, &entry->doc);
    if (len > 0)
        outbox_entry(&worker->outbox, worker->options.live_entries, entry, line, len);
    for (size_t i = 0; i < worker->taps->count; i++)
        offer(worker, flow, &worker->taps->taps[i], entry, line, len);
}

static const char *iface_name(void *context, uint32_t index)
{
    struct worker *worker = context;
    return interfaces_name(worker->options.interfaces, index);
}

/* ---- the thread */

static const char *const causes[LOSSES] = {
    [LOSS_KERNEL] = "kernel",
    [LOSS_INTERFACE] = "interface",
    [LOSS_QUEUE] = "queue",
    [LOSS_MEMORY] = "memory",
};

static void tell_losses(struct worker *worker)
{
    uint64_t lost[LOSSES] = {0};
    if (worker->options.index != 0 || !worker->options.lost)
        return;
    worker->options.lost(worker->options.context, lost);
    for (int cause = 0; cause < LOSSES; cause++) {
        uint64_t more = lost[cause] - worker->lost[cause];
        for (size_t i = 0; more > 0 && i < worker->taps->count; i++)
            outbox_loss(&worker->outbox, worker->taps->taps[i].iteration, causes[cause],
                        more);
        worker->lost[cause] = lost[cause];
    }
}

static void adopt_taps(struct worker *worker)
{
    if (*worker->options.generation == worker->taps->generation)
        return;
    tell_losses(worker);
    /* What was owed to the old set goes first; the second time only what it lost is in
     * there. */
    outbox_flush(&worker->outbox);
    outbox_flush(&worker->outbox);
    outbox_fini(&worker->outbox);
    tap_set_unref(worker->taps);
    worker->taps = worker->options.taps(worker->options.context);
    worker->options.adopted(worker->options.context, worker->options.index,
                            worker->taps->generation);
}

/* A new set is in force behind the runs that were queued before it; seconds of them, or
 * so many that there was no room to wake us, do not hold it up. */
static void take_run(struct worker *worker, struct run *run)
{
    if (run == &worker->wake) {
        adopt_taps(worker);
        return;
    }
    for (size_t i = run->first; i < run->first + run->count; i++) {
        struct packet *packet = block_packet(run->block, i);
        if (packet->shard != worker->options.index)
            continue;
        shard_packet(worker->shard, packet);
        outbox_flush_full(&worker->outbox);
    }
    block_unref(run->block);
    free(run);
}

/* Returns how long nothing need be done, ns. */
static int64_t pass_time(struct worker *worker)
{
    int64_t now = worker->options.clock->now(worker->options.clock);
    int64_t idle = clock_monotonic() - worker->ticked_at;
    hold_expire(worker->hold, now);
    if (idle < NS_PER_S)
        return NS_PER_S - idle;
    worker->ticked_at += idle;
    adopt_taps(worker);
    shard_tick(worker->shard, now);
    tell_losses(worker);
    outbox_flush_full(&worker->outbox);
    return NS_PER_S;
}

static void *work(void *context)
{
    struct worker *worker = context;
    worker->options.adopted(worker->options.context, worker->options.index,
                            worker->taps->generation);
    for (;;) {
        int64_t wait = pass_time(worker);
        struct run *run = queue_pop(worker->queue, 0);
        if (!run) {
            adopt_taps(worker);
            outbox_flush(&worker->outbox);
            run = queue_pop(worker->queue, wait);
        }
        if (run)
            take_run(worker, run);
        else if (queue_closed(worker->queue))
            break;
    }
    shard_finish(worker->shard, worker->options.clock->now(worker->options.clock));
    tell_losses(worker);
    outbox_flush(&worker->outbox);
    outbox_flush(&worker->outbox);
    return NULL;
}

static void worker_free(struct worker *worker)
{
    shard_free(worker->shard);
    outbox_fini(&worker->outbox);
    hold_free(worker->hold);
    tap_set_unref(worker->taps);
    kfl_run_free(worker->run);
    buf_fini(&worker->line);
    queue_free(worker->queue);
    free(worker);
}

int worker_start(struct worker **out, const struct worker_options *options,
                 struct err *err)
{
    struct worker *worker = mem_zalloc(sizeof *worker);
    struct worker_counters *counters = &worker->counters;
    worker->options = *options;
    worker->queue = queue_new(QUEUE_ITEMS, options->queue_limit);
    worker->line.limit = LINE_LIMIT;
    worker->run = kfl_run_new();
    worker->taps = options->taps(options->context);
    worker->ticked_at = clock_monotonic();
    worker->hold = hold_new(options->pool, options->held_limit, options->packets_ttl,
                            &counters->held_bytes);
    worker->outbox = (struct outbox){.writer = options->writer,
                                     .worker = options->index,
                                     .dropped = &counters->dropped_writer};
    worker->shard = shard_new(&(struct shard_options){
        .names = options->names,
        .node_ip = options->node_ip,
        .node_name = options->node_name,
        .wants = WANT_ALL,
        .flows_max = options->flows_max,
        .memory_limit = options->memory_limit,
        .body_limit = options->body_limit,
        .pool = options->pool,
        .counters = &counters->shard,
        .dissected = &counters->dissected,
        .iface_name = iface_name,
        .packet = on_packet,
        .fed = on_fed,
        .entry = on_entry,
        .ended = on_ended,
        .context = worker,
    });
    int rc = pthread_create(&worker->thread, NULL, work, worker);
    if (rc != 0) {
        worker_free(worker);
        return err_set(err, -rc, "cannot start a worker: %s", strerror(rc));
    }
    *out = worker;
    return 0;
}

void worker_give(struct worker *worker, struct block *block, size_t first, size_t count,
                 size_t mine, size_t bytes)
{
    struct run *run = mem_alloc(sizeof *run);
    packet_ref(block_packet(block, first));
    *run = (struct run){block, first, count};
    if (queue_push(worker->queue, run, bytes) == 0)
        return;
    worker->counters.dropped_queue += mine;
    block_unref(block);
    free(run);
}

void worker_wake(struct worker *worker)
{
    /* A full queue wakes it as well. */
    (void)queue_push(worker->queue, &worker->wake, 0);
}

void worker_stop(struct worker *worker)
{
    if (!worker)
        return;
    queue_close(worker->queue);
    pthread_join(worker->thread, NULL);
    worker_free(worker);
}
