#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/block.h"
#include "capture/capture.h"
#include "capture/intake.h"
#include "capture/interfaces.h"
#include "capture/names.h"
#include "capture/numbers.h"
#include "capture/source.h"
#include "capture/store/store.h"
#include "capture/store/writer.h"
#include "capture/tap.h"
#include "capture/worker.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/kfl.h"

#define WORKERS_MAX 64
#define HOST_NAME   256
/* Shares of live_limit. */
#define HELD_PART   4
#define OTHER_PART  8
#define BODY_PART   256 /* as JSON and base64 it is some times as much */
/* Beyond it: slabs that are pinned for some of their packets. */
#define SLACK_PART  2
#define MEMORY_MIN  (64u << 20)
#define FLOW_COST   4096u

/* A statement that leaves: first packets that were captured before may be on their way,
 * then workers may owe it something yet. */
struct leaving {
    struct leaving *next;
    uint64_t id;
    int64_t leaves_at;   /* monotonic */
    uint64_t generation; /* of the first set without it */
    struct iteration *iteration;
    char *state;
    int64_t at;
    void (*done)(void *context, int result);
    void *context;
};

struct engine {
    struct engine_options options;
    struct store *store;
    struct names *names;
    struct interfaces *interfaces;
    struct intake *intake; /* NULL: no_capture */
    struct numbers *numbers;
    struct writer *writer;
    struct worker **workers;
    _Atomic unsigned worker_count; /* those that run */
    struct block_pool *pool; /* live packets in the store may outlive the engine */
    char node_name[HOST_NAME], node_ip[ADDRESS_TEXT];

    _Atomic uint64_t generation; /* of `taps`, to be looked at without the lock */
    pthread_mutex_t lock; /* the rest; a leaf but for kfl's and the store's own */
    struct tap_set *taps;
    uint64_t next_id;
    uint64_t adopted[WORKERS_MAX];
    struct leaving *staying; /* in `taps` yet, the last first */
    struct leaving *leaving;
};

/* The host's name and its first address that is not loopback. */
static void name_node(struct engine *engine)
{
    struct ifaddrs *all = NULL;
    if (gethostname(engine->node_name, HOST_NAME - 1) < 0)
        engine->node_name[0] = '\0';
    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *one = all; one && !engine->node_ip[0];
         one = one->ifa_next) {
        struct sockaddr_in in;
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET ||
            one->ifa_flags & IFF_LOOPBACK)
            continue;
        struct address address = {.family = 4};
        memcpy(&in, one->ifa_addr, sizeof in);
        memcpy(address.bytes, &in.sin_addr, 4);
        address_text(engine->node_ip, &address);
    }
    freeifaddrs(all);
}

int engine_open(struct engine **out, const struct engine_options *options,
                struct store *store, struct err *err)
{
    struct engine *engine = mem_zalloc(sizeof *engine);
    engine->options = *options;
    engine->store = store;
    engine->taps = tap_set_new();
    engine->generation = engine->taps->generation;
    engine->pool = block_pool_new();
    engine->interfaces = interfaces_new();
    pthread_mutex_init(&engine->lock, NULL);
    name_node(engine);
    int rc = names_open(&engine->names, options->names_file, err);
    if (rc == 0 && !options->no_capture) {
        struct source_options like = {
            .bpf = options->bpf,
            .snaplen = options->snaplen,
            .ring_bytes = options->ring_bytes,
            .open_socket = options->open_socket,
            .open_context = options->open_context,
        };
        rc = intake_open(&engine->intake, options->ifaces, &like, err);
    }
    if (rc < 0) {
        engine_close(engine);
        return rc;
    }
    *out = engine;
    return 0;
}

/* ---- sets of statements */

static struct tap_set *current_taps(void *context)
{
    struct engine *engine = context;
    pthread_mutex_lock(&engine->lock);
    struct tap_set *taps = tap_set_ref(engine->taps);
    pthread_mutex_unlock(&engine->lock);
    return taps;
}

/* Called with the lock. */
static void use(struct engine *engine, struct tap_set *taps)
{
    tap_set_unref(engine->taps);
    engine->taps = taps;
    engine->generation = taps->generation;
}

static void wake_all(struct engine *engine)
{
    for (unsigned i = 0; i < engine->worker_count; i++)
        worker_wake(engine->workers[i]);
}

/* Called with the lock: takes from the list what no worker owes anything any more. */
static struct leaving *take_settled(struct engine *engine)
{
    uint64_t settled = engine->worker_count > 0 ? UINT64_MAX : 0;
    struct leaving *done = NULL, **last = &done, **at = &engine->leaving;
    for (unsigned i = 0; i < engine->worker_count; i++) {
        if (engine->adopted[i] < settled)
            settled = engine->adopted[i];
    }
    while (*at) {
        struct leaving *leaving = *at;
        if (leaving->generation > settled) {
            at = &leaving->next;
            continue;
        }
        *at = leaving->next;
        leaving->next = NULL;
        *last = leaving;
        last = &leaving->next;
    }
    return done;
}

static void end_all(struct engine *engine, struct leaving *list)
{
    while (list) {
        struct leaving *leaving = list;
        list = leaving->next;
        if (engine->writer) {
            writer_end(engine->writer, leaving->iteration, leaving->state, leaving->at,
                       leaving->done, leaving->context);
        } else {
            if (leaving->done)
                leaving->done(leaving->context, -ECANCELED);
            iteration_unref(leaving->iteration);
        }
        free(leaving->state);
        free(leaving);
    }
}

static void settle(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    struct leaving *settled = take_settled(engine);
    pthread_mutex_unlock(&engine->lock);
    end_all(engine, settled);
}

/* Takes statements out of the set whose time has come; returns the next one's. */
static int64_t let_leave(void *context, int64_t now)
{
    struct engine *engine = context;
    struct leaving **at = &engine->staying;
    int64_t next = INT64_MAX;
    bool some = false;
    pthread_mutex_lock(&engine->lock);
    while (*at) {
        struct leaving *leaving = *at;
        if (leaving->leaves_at > now) {
            next = leaving->leaves_at;
            at = &leaving->next;
            continue;
        }
        *at = leaving->next;
        use(engine, tap_set_without(engine->taps, leaving->id));
        leaving->generation = engine->generation;
        leaving->next = engine->leaving;
        engine->leaving = leaving;
        some = true;
    }
    pthread_mutex_unlock(&engine->lock);
    if (some)
        wake_all(engine);
    return next;
}

static void adopted(void *context, unsigned worker, uint64_t generation)
{
    struct engine *engine = context;
    pthread_mutex_lock(&engine->lock);
    engine->adopted[worker] = generation;
    pthread_mutex_unlock(&engine->lock);
    settle(engine);
}

/* What recordings are told of, beside what they lose on their own. */
static void lost(void *context, uint64_t losses[LOSSES])
{
    const struct engine *engine = context;
    for (unsigned i = 0; i < engine->worker_count; i++)
        losses[LOSS_QUEUE] += worker_counters(engine->workers[i])->dropped_queue;
    if (!engine->intake)
        return;
    const struct intake_counters *intake = intake_counters(engine->intake);
    losses[LOSS_KERNEL] = intake->dropped_kernel;
    losses[LOSS_INTERFACE] = intake->dropped_interface;
    losses[LOSS_MEMORY] = intake->dropped_memory;
}

int engine_record(struct engine *engine, const struct tap_options *options,
                  uint64_t *id, struct err *err)
{
    struct tap tap = {
        .kfl = options->kfl,
        .iteration = options->iteration,
        .entries_only = options->entries_only,
        .everything = kfl_is_everything(options->kfl),
        .until = INT64_MAX,
    };
    (void)err;
    pthread_mutex_lock(&engine->lock);
    tap.id = ++engine->next_id;
    use(engine, tap_set_with(engine->taps, &tap));
    pthread_mutex_unlock(&engine->lock);
    wake_all(engine);
    *id = tap.id;
    return 0;
}

int engine_rewrite(struct engine *engine, uint64_t id, struct kfl *kfl, struct err *err)
{
    pthread_mutex_lock(&engine->lock);
    struct tap_set *taps = tap_set_rewritten(engine->taps, id, kfl);
    if (taps)
        use(engine, taps);
    pthread_mutex_unlock(&engine->lock);
    if (!taps)
        return err_set(err, -ENOENT, "the statement is not running");
    wake_all(engine);
    return 0;
}

static bool is_staying(const struct engine *engine, uint64_t id)
{
    const struct leaving *one = engine->staying;
    while (one && one->id != id)
        one = one->next;
    return one;
}

void engine_unrecord(struct engine *engine, uint64_t id, const char *state, int64_t at,
                     void (*done)(void *context, int result), void *context)
{
    struct leaving *leaving = NULL;
    pthread_mutex_lock(&engine->lock);
    const struct tap *tap = tap_set_find(engine->taps, id);
    if (tap && !is_staying(engine, id)) {
        leaving = mem_zalloc(sizeof *leaving);
        *leaving = (struct leaving){
            .next = engine->staying,
            .id = id,
            .leaves_at = clock_monotonic() + SOURCE_LATENCY_MS * NS_PER_MS,
            .iteration = iteration_ref(tap->iteration),
            .state = mem_strdup(state),
            .at = at,
            .done = done,
            .context = context,
        };
        engine->staying = leaving;
        use(engine, tap_set_ending(engine->taps, id, at));
    }
    pthread_mutex_unlock(&engine->lock);
    if (!leaving && done)
        done(context, -ENOENT);
    else if (leaving && engine->intake)
        intake_wake(engine->intake);
    else if (leaving)
        let_leave(engine, INT64_MAX);
}

/* ---- start and stop */

static uint64_t at_least(uint64_t value, uint64_t least)
{
    return value > least ? value : least;
}

static int start_worker(struct engine *engine, unsigned index, unsigned count,
                        struct err *err)
{
    const struct engine_options *options = &engine->options;
    uint64_t limit = at_least(options->live_limit, MEMORY_MIN);
    const struct worker_options worker = {
        .index = index,
        .clock = options->clock,
        .names = engine->names,
        .node_ip = engine->node_ip,
        .node_name = engine->node_name,
        .pool = engine->pool,
        .interfaces = engine->interfaces,
        .writer = engine->writer,
        .live_packets = store_live_packets(engine->store),
        .live_entries = store_live_entries(engine->store),
        .held_limit = limit / HELD_PART / count,
        .memory_limit = limit / OTHER_PART / count,
        .queue_limit = limit / OTHER_PART / count,
        .flows_max = limit / FLOW_COST / count,
        .body_limit = limit / BODY_PART,
        .packets_ttl = options->packets_ttl,
        .taps = current_taps,
        .generation = &engine->generation,
        .adopted = adopted,
        .lost = lost,
        .context = engine,
    };
    return worker_start(&engine->workers[index], &worker, err);
}

int engine_start(struct engine *engine, struct err *err)
{
    const struct engine_options *options = &engine->options;
    unsigned count = options->workers ? options->workers : 1;
    if (count > WORKERS_MAX)
        count = WORKERS_MAX;
    uint64_t limit = at_least(options->live_limit, MEMORY_MIN);
    int rc = numbers_start(&engine->numbers, engine->store, engine->names, err);
    if (rc < 0)
        return rc;
    engine->writer = writer_start(
        &(struct writer_options){
            .workers = count,
            .backlog_limit = limit / OTHER_PART,
            .clock = options->clock,
            .committed = options->committed,
            .context = options->context,
        },
        store_live_packets(engine->store), store_live_entries(engine->store), err);
    if (!engine->writer)
        return err ? err->code : -EAGAIN;
    engine->workers = mem_zalloc(count * sizeof(struct worker *));
    for (unsigned i = 0; i < count; i++) {
        rc = start_worker(engine, i, count, err);
        if (rc < 0)
            return rc;
        engine->worker_count = i + 1;
    }
    /* Statements may have left before there was anyone to let go of them. */
    settle(engine);
    if (!engine->intake)
        return 0;
    return intake_start(engine->intake,
                        &(struct intake_target){
                            .workers = engine->workers,
                            .worker_count = count,
                            .numbers = engine->numbers,
                            .pool = engine->pool,
                            .pool_limit = limit + limit / SLACK_PART,
                            .given = let_leave,
                            .context = engine,
                        },
                        err);
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    intake_stop(engine->intake);
    for (unsigned i = 0; i < engine->worker_count; i++)
        worker_stop(engine->workers[i]);
    intake_close(engine->intake);
    end_all(engine, engine->leaving);
    end_all(engine, engine->staying);
    if (engine->writer) {
        writer_flush(engine->writer);
        writer_stop(engine->writer);
    }
    numbers_stop(engine->numbers);
    tap_set_unref(engine->taps);
    names_free(engine->names);
    interfaces_free(engine->interfaces);
    block_pool_unref(engine->pool);
    pthread_mutex_destroy(&engine->lock);
    free(engine->workers);
    free(engine);
}

/* ---- counters */

static void add_worker(struct engine_counters *out, struct worker_counters *worker)
{
    out->duplicates += worker->shard.duplicates;
    out->undecoded += worker->shard.undecoded;
    out->fragments_dropped += worker->shard.fragments_dropped;
    out->flows += worker->shard.flows;
    out->flows_total += worker->shard.flows_total;
    out->flows_evicted += worker->shard.flows_evicted;
    out->tcp_gaps += worker->shard.tcp_gaps;
    out->tcp_gap_bytes += worker->shard.tcp_gap_bytes;
    out->tcp_dropped_segments += worker->shard.tcp_dropped_segments;
    out->dropped_queue += worker->dropped_queue;
    out->dropped_writer += worker->dropped_writer;
    out->held_bytes += worker->held_bytes;
}

void engine_counters(struct engine *engine, struct engine_counters *counters)
{
    *counters = (struct engine_counters){
        .block_bytes = engine->pool->bytes,
        .names = names_count(engine->names),
    };
    for (unsigned i = 0; i < engine->worker_count; i++)
        add_worker(counters, worker_counters(engine->workers[i]));
    if (!engine->intake)
        return;
    const struct intake_counters *intake = intake_counters(engine->intake);
    counters->packets = intake->packets;
    counters->bytes = intake->bytes;
    counters->dropped_kernel = intake->dropped_kernel;
    counters->dropped_interface = intake->dropped_interface;
    counters->dropped_memory = intake->dropped_memory;
}

void engine_each_protocol(struct engine *engine,
                          void (*each)(void *context, const char *abbr, uint64_t count),
                          void *context)
{
    struct {
        const char *abbr;
        uint64_t count;
    } sums[PROTOCOLS_MAX] = {0};
    size_t known = 0;
    for (unsigned i = 0; i < engine->worker_count; i++) {
        struct worker_counters *worker = worker_counters(engine->workers[i]);
        for (size_t k = 0; k < PROTOCOLS_MAX && worker->protocols[k].abbr; k++) {
            const char *abbr = worker->protocols[k].abbr;
            size_t at = 0;
            while (at < known && strcmp(sums[at].abbr, abbr) != 0)
                at++;
            if (at == PROTOCOLS_MAX)
                continue;
            known += at == known;
            sums[at].abbr = abbr;
            sums[at].count += worker->protocols[k].entries;
        }
    }
    for (size_t i = 0; i < known; i++)
        each(context, sums[i].abbr, sums[i].count);
}
