/* /metrics: Prometheus text (exposition format 0.0.4). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/store/store.h"
#include "fs/fs.h"
#include "fs/page.h"
#include "fs/places.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "sched/sched.h"

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP trafficfs_%s %s\n# TYPE trafficfs_%s %s\n", name, help, name,
             type);
}

static void one(struct buf *out, const char *name, const char *type, const char *help,
                uint64_t value)
{
    head(out, name, type, help);
    buf_addf(out, "trafficfs_%s %" PRIu64 "\n", name, value);
}

static void drop(struct buf *out, const char *cause, uint64_t count)
{
    buf_addf(out, "trafficfs_packets_dropped_total{cause=\"%s\"} %" PRIu64 "\n", cause,
             count);
}

static void put_drops(struct buf *out, const struct engine_counters *c)
{
    head(out, "packets_dropped_total", "counter", "Packets that were lost, by cause.");
    drop(out, "kernel", c->dropped_kernel);
    drop(out, "interface", c->dropped_interface);
    drop(out, "queue", c->dropped_queue);
    drop(out, "writer", c->dropped_writer);
    drop(out, "memory", c->dropped_memory);
    drop(out, "undecoded", c->undecoded);
    drop(out, "fragments", c->fragments_dropped);
}

static void put_protocol(void *context, const char *abbr, uint64_t count)
{
    buf_addf(context, "trafficfs_entries_total{protocol=\"%s\"} %" PRIu64 "\n", abbr,
             count);
}

static void put_state(void *context, const char *state, unsigned jobs)
{
    buf_addf(context, "trafficfs_jobs{state=\"%s\"} %u\n", state, jobs);
}

static void put_engine(struct fs *fs, struct buf *out)
{
    struct engine_counters c;
    engine_counters(fs->engine, &c);
    one(out, "packets_total", "counter", "Packets captured.", c.packets);
    one(out, "bytes_total", "counter", "Bytes of those packets on the wire.", c.bytes);
    put_drops(out, &c);
    one(out, "packets_duplicate_total", "counter",
        "Copies of packets that another interface saw first.", c.duplicates);
    head(out, "entries_total", "counter", "Entries dissected, by protocol.");
    engine_each_protocol(fs->engine, put_protocol, out);
    one(out, "flows", "gauge", "Streams that are being followed.", c.flows);
    one(out, "flows_total", "counter", "Streams that were ever followed.",
        c.flows_total);
    one(out, "flows_evicted_total", "counter", "Streams given up for room.",
        c.flows_evicted);
    one(out, "tcp_gaps_total", "counter", "Gaps in TCP streams.", c.tcp_gaps);
    one(out, "tcp_gap_bytes_total", "counter", "Bytes missing in them.",
        c.tcp_gap_bytes);
    one(out, "tcp_dropped_segments_total", "counter", "TCP segments left out for room.",
        c.tcp_dropped_segments);
    one(out, "held_bytes", "gauge", "Packets held for streams.", c.held_bytes);
    one(out, "block_bytes", "gauge", "Memory of all packets.", c.block_bytes);
    one(out, "names", "gauge", "Names of addresses that are known.", c.names);
}

static void put_store(struct fs *fs, struct buf *out)
{
    struct store_usage usage;
    unsigned recordings = 0;
    store_usage(fs->store, &usage);
    char *names = store_list(fs->store);
    for (const char *name = names; *name; name += strlen(name) + 1)
        recordings++;
    free(names);
    int64_t now = fs_now(fs);
    int64_t live =
        usage.live_since && usage.live_since < now ? now - usage.live_since : 0;
    one(out, "packets_left_out_total", "counter",
        "Packets without an ethertype, left out of captures of mixed link types.",
        fs->left_out);
    one(out, "store_bytes", "gauge", "Disk that recordings take.", usage.bytes);
    one(out, "store_limit_bytes", "gauge", "Disk that they may take.", usage.limit);
    one(out, "recordings", "gauge", "Recordings.", recordings);
    one(out, "live_packet_bytes", "gauge", "Memory of live packets.",
        usage.live_packet_bytes);
    one(out, "live_entry_bytes", "gauge", "Memory of live entries.",
        usage.live_entry_bytes);
    one(out, "live_seconds", "gauge", "How far back live entries reach.",
        (uint64_t)(live / NS_PER_S));
}

static int fill_metrics(struct fs *fs, const struct place *place, struct buf *out)
{
    (void)place;
    put_engine(fs, out);
    head(out, "jobs", "gauge", "Jobs, by state.");
    sched_each_state(fs->sched, put_state, out);
    put_store(fs, out);
    one(out, "start_time_seconds", "gauge",
        "When the daemon started, seconds since 1970.",
        (uint64_t)(fs->started_at / NS_PER_S));
    return 0;
}

static int64_t metrics_at(struct fs *fs, const struct place *place)
{
    (void)place;
    return fs_now(fs);
}

static const struct page_maker metrics_page = {.fill = fill_metrics, .at = metrics_at};

static int metrics_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    return page_stat(&metrics_page, fs, place, st);
}

static int metrics_open(struct file **out, struct fs *fs, const struct place *place,
                        int flags)
{
    return page_open(out, &metrics_page, fs, place, flags);
}

const struct place_ops metrics_ops = {.stat = metrics_stat, .open = metrics_open};
