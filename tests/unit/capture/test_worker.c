/* A worker between packets and the writer: which packets and entries each recording
 * gets. The writer and the recordings are doubles that remember. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/interfaces.h"
#include "capture/store/store.h"
#include "capture/store/writer.h"
#include "capture/worker.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/kfl.h"
#include "tests/unit/capture/frames.h"
#include "tests/unit/capture/writer_double.h"

#define START (1700000000 * NS_PER_S)

/* ---- a worker and its surroundings */

struct iteration *iteration_ref(struct iteration *iteration)
{
    return iteration;
}

void iteration_unref(struct iteration *iteration)
{
    (void)iteration;
}

struct fixture {
    struct clock_fake clock;
    struct block_pool pool;
    struct block *block;
    size_t given;
    struct interfaces *interfaces;
    struct writer writer;
    struct iteration live_packets, live_entries, job, other;
    struct worker *worker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct tap_set *taps;
    _Atomic uint64_t generation;
    uint64_t adopted;
    _Atomic uint64_t lost[LOSSES];
    uint64_t number;
    int64_t at;
};

static struct tap_set *current(void *context)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    struct tap_set *taps = tap_set_ref(f->taps);
    pthread_mutex_unlock(&f->lock);
    return taps;
}

static void adopted(void *context, unsigned worker, uint64_t generation)
{
    struct fixture *f = context;
    assert_int_equal(worker, 0);
    pthread_mutex_lock(&f->lock);
    f->adopted = generation;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void put(struct fixture *f, struct tap_set *taps)
{
    pthread_mutex_lock(&f->lock);
    tap_set_unref(f->taps);
    f->taps = taps;
    f->generation = taps->generation;
    pthread_mutex_unlock(&f->lock);
    worker_wake(f->worker);
}

static void wait_adopted(struct fixture *f, const struct tap_set *taps)
{
    pthread_mutex_lock(&f->lock);
    while (f->adopted != taps->generation)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* Puts a set in force and waits until the worker has taken it over. */
static void use(struct fixture *f, struct tap_set *taps)
{
    put(f, taps);
    wait_adopted(f, taps);
}

static void record(struct fixture *f, uint64_t id, struct iteration *to,
                   const char *text)
{
    struct err err;
    struct kfl *kfl;
    struct kfl_env env = {.strict = true, .no_record = true};
    assert_int_equal(kfl_compile(&kfl, text, strlen(text), &env, &err), 0);
    struct tap tap = {.id = id,
                      .kfl = kfl,
                      .iteration = to,
                      .entries_only = kfl_redacts(kfl),
                      .everything = kfl_is_everything(kfl),
                      .until = INT64_MAX};
    use(f, tap_set_with(f->taps, &tap));
    kfl_unref(kfl);
}

static void lost(void *context, uint64_t losses[LOSSES])
{
    struct fixture *f = context;
    for (int i = 0; i < LOSSES; i++)
        losses[i] = f->lost[i];
}

static void start_worker(struct fixture *f, size_t queue_limit)
{
    struct err err;
    const struct worker_options options = {
        .clock = &f->clock.clock,
        .node_ip = "",
        .node_name = "",
        .pool = &f->pool,
        .interfaces = f->interfaces,
        .writer = &f->writer,
        .live_packets = &f->live_packets,
        .live_entries = &f->live_entries,
        .held_limit = 1 << 20,
        .memory_limit = 1 << 20,
        .body_limit = 1 << 20,
        .queue_limit = queue_limit,
        .flows_max = 1000,
        .packets_ttl = 10 * NS_PER_S,
        .taps = current,
        .generation = &f->generation,
        .adopted = adopted,
        .lost = lost,
        .context = f,
    };
    assert_int_equal(worker_start(&f->worker, &options, &err), 0);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    clock_fake_init(&f->clock, START);
    f->at = START;
    f->block = block_new(&f->pool, BLOCK_SIZE);
    f->interfaces = interfaces_new();
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    pthread_mutex_init(&f->writer.lock, NULL);
    pthread_cond_init(&f->writer.changed, NULL);
    f->taps = tap_set_new();
    f->generation = f->taps->generation;
    start_worker(f, 1 << 20);
    *state = f;
    return 0;
}

static void stop(struct fixture *f)
{
    worker_stop(f->worker);
    f->worker = NULL;
}

static void forget(struct iteration *iteration)
{
    buf_fini(&iteration->packets);
    buf_fini(&iteration->lines);
    buf_fini(&iteration->losses);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    stop(f);
    block_unref(f->block);
    assert_int_equal(f->pool.bytes, 0);
    tap_set_unref(f->taps);
    interfaces_free(f->interfaces);
    forget(&f->live_packets);
    forget(&f->live_entries);
    forget(&f->job);
    forget(&f->other);
    test_free(f);
    return 0;
}

static void add(struct fixture *f, const struct wire *wire)
{
    struct packet packet = wire_packet(wire, LINK_RAW);
    packet.number = ++f->number;
    packet.at = f->at;
    f->at += NS_PER_MS;
    assert_non_null(block_add(f->block, &packet));
}

static void give(struct fixture *f)
{
    size_t count = block_count(f->block) - f->given;
    worker_give(f->worker, f->block, f->given, count, count, count * 100);
    f->given += count;
}

/* The writer does not stall any more. */
static void go_on(struct fixture *f)
{
    pthread_mutex_lock(&f->writer.lock);
    f->writer.stall = false;
    pthread_cond_broadcast(&f->writer.changed);
    pthread_mutex_unlock(&f->writer.lock);
}

static void wait_written(struct fixture *f, size_t events)
{
    pthread_mutex_lock(&f->writer.lock);
    while (f->writer.events < events)
        pthread_cond_wait(&f->writer.changed, &f->writer.lock);
    pthread_mutex_unlock(&f->writer.lock);
}

/* A segment of the conversation between host 1 and web server 2. */
static void tcp(struct fixture *f, uint16_t port, bool server, uint8_t flags,
                uint32_t seq, uint32_t ack, const char *text)
{
    static struct wire wire;
    wire_init(&wire, text, strlen(text));
    wire_tcp(&wire, server ? 80 : port, server ? port : 80, seq, ack, flags);
    wire_ipv4(&wire, IPPROTO_TCP, server ? 2 : 1, server ? 1 : 2);
    add(f, &wire);
}

#define REQUEST "GET /a HTTP/1.1\r\nHost: x\r\n\r\n" /* 28 bytes */
#define RESPONSE(status)                                                               \
    "HTTP/1.1 " status " X\r\nContent-Length: 0\r\n\r\n" /* 37 bytes */

static void open_stream(struct fixture *f, uint16_t port)
{
    tcp(f, port, false, TCP_SYN, 99, 0, "");
    tcp(f, port, true, TCP_SYN | TCP_ACK, 499, 100, "");
    tcp(f, port, false, TCP_ACK, 100, 500, "");
}

static void exchange(struct fixture *f, uint16_t port, uint32_t nth,
                     const char *response)
{
    tcp(f, port, false, TCP_ACK, 100 + nth * 28, 500 + nth * 37, REQUEST);
    tcp(f, port, true, TCP_ACK, 500 + nth * 37, 128 + nth * 28, response);
}

static void close_stream(struct fixture *f, uint16_t port, uint32_t exchanges)
{
    tcp(f, port, false, TCP_FIN | TCP_ACK, 100 + exchanges * 28, 500 + exchanges * 37,
        "");
    tcp(f, port, true, TCP_FIN | TCP_ACK, 500 + exchanges * 37, 101 + exchanges * 28,
        "");
    tcp(f, port, false, TCP_ACK, 101 + exchanges * 28, 501 + exchanges * 37, "");
}

static const char *text_of(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}

static size_t lines_of(const struct buf *buf)
{
    size_t lines = 0;
    for (size_t i = 0; i < buf->len; i++)
        lines += buf->data[i] == '\n';
    return lines;
}

/* ---- cases */

static void test_a_match_brings_the_whole_stream_once(void **state)
{
    struct fixture *f = *state;
    record(f, 1, &f->job, "response.status == 404");
    open_stream(f, 1000);                  /* 1 2 3 */
    exchange(f, 1000, 0, RESPONSE("200")); /* 4 5 */
    open_stream(f, 1001);                  /* 6 7 8 */
    exchange(f, 1001, 0, RESPONSE("404")); /* 9 10: matches */
    exchange(f, 1001, 1, RESPONSE("404")); /* 11 12: again */
    close_stream(f, 1000, 1);              /* 13 14 15 */
    close_stream(f, 1001, 2);              /* 16 17 18 */
    give(f);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "6 7 8 9 10 11 12 16 17 18");
    assert_int_equal(lines_of(&f->job.lines), 2);
    assert_non_null(strstr(f->job.lines.data, "\"stream\":\"000000000006.pcap\""));
    assert_string_equal(text_of(&f->job.losses), "");
    assert_string_equal(text_of(&f->live_packets.packets),
                        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18");
    assert_int_equal(lines_of(&f->live_entries.lines), 3);
}

static void test_recordings_are_independent(void **state)
{
    struct fixture *f = *state;
    record(f, 1, &f->job, "response.status == 404");
    record(f, 2, &f->other, "http");
    open_stream(f, 1000);
    exchange(f, 1000, 0, RESPONSE("200")); /* the other matches here */
    exchange(f, 1000, 1, RESPONSE("404")); /* and the job here */
    give(f);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "1 2 3 4 5 6 7");
    assert_string_equal(text_of(&f->other.packets), "1 2 3 4 5 6 7");
    assert_int_equal(lines_of(&f->job.lines), 1);
    assert_int_equal(lines_of(&f->other.lines), 2);
}

static void test_everything_takes_streams_nobody_dissects(void **state)
{
    struct fixture *f = *state;
    record(f, 1, &f->job, "");
    open_stream(f, 1000);
    tcp(f, 1000, false, TCP_ACK, 100, 500, "\x01\x02\x03 what is this");
    static struct wire wire;
    wire_init(&wire, "\x08\x00\x00\x00\x00\x01\x00\x01", 8);
    wire_ipv4(&wire, IPPROTO_ICMP, 1, 2);
    add(f, &wire);
    give(f);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "1 2 3 4 5");
}

static void test_everything_takes_a_stream_that_runs_already(void **state)
{
    struct fixture *f = *state;
    open_stream(f, 1000);
    give(f);
    wait_written(f, 3);
    record(f, 1, &f->job, "");
    tcp(f, 1000, false, TCP_ACK, 100, 500, "more");
    give(f);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "1 2 3 4");
}

static void test_nothing_comes_after_a_statement_left(void **state)
{
    struct fixture *f = *state;
    record(f, 1, &f->job, "http");
    open_stream(f, 1000);
    exchange(f, 1000, 0, RESPONSE("200"));
    give(f);
    wait_written(f, 12);
    use(f, tap_set_without(f->taps, 1));
    exchange(f, 1000, 1, RESPONSE("200"));
    give(f);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "1 2 3 4 5");
    assert_int_equal(lines_of(&f->job.lines), 1);
    assert_int_equal(lines_of(&f->live_entries.lines), 2);
}

static void test_what_is_queued_comes_before_a_statement_leaves(void **state)
{
    struct fixture *f = *state;
    record(f, 1, &f->job, "http");
    f->writer.stall = true; /* the worker waits at its first batch */
    open_stream(f, 1000);
    give(f);
    pthread_mutex_lock(&f->writer.lock);
    while (f->writer.stalled == 0)
        pthread_cond_wait(&f->writer.changed, &f->writer.lock);
    pthread_mutex_unlock(&f->writer.lock);
    for (uint32_t i = 0; i < 3; i++) {
        exchange(f, 1000, i, RESPONSE("200"));
        give(f);
    }
    struct tap_set *without = tap_set_without(f->taps, 1);
    put(f, without);
    go_on(f);
    wait_adopted(f, without);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "1 2 3 4 5 6 7 8 9");
    assert_int_equal(lines_of(&f->job.lines), 3);
}

static void test_what_is_later_than_the_end_is_not_recorded(void **state)
{
    struct fixture *f = *state;
    record(f, 1, &f->job, "response.status == 200");
    open_stream(f, 1000);
    exchange(f, 1000, 0, RESPONSE("200"));
    use(f, tap_set_ending(f->taps, 1, f->at - 1));
    exchange(f, 1000, 1, RESPONSE("200"));
    give(f);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "1 2 3 4 5");
    assert_int_equal(lines_of(&f->job.lines), 1);
    assert_int_equal(lines_of(&f->live_entries.lines), 2);
}

static void test_a_rewritten_statement_keeps_its_streams(void **state)
{
    struct fixture *f = *state;
    struct kfl *kfl;
    struct err err;
    record(f, 1, &f->job, "response.status == 200");
    open_stream(f, 1000);
    exchange(f, 1000, 0, RESPONSE("200"));
    give(f);
    wait_written(f, 12);
    assert_int_equal(kfl_compile(&kfl, "dns", 3, &(struct kfl_env){0}, &err), 0);
    use(f, tap_set_rewritten(f->taps, 1, kfl));
    kfl_unref(kfl);
    exchange(f, 1000, 1, RESPONSE("200"));
    give(f);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "1 2 3 4 5 6 7");
    assert_int_equal(lines_of(&f->job.lines), 1);
}

static void test_redacted_entries_come_without_packets(void **state)
{
    struct fixture *f = *state;
    record(f, 1, &f->job, "http and redact(\"request.path\")");
    record(f, 2, &f->other, "http");
    open_stream(f, 1000);
    exchange(f, 1000, 0, RESPONSE("200"));
    give(f);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "");
    assert_non_null(strstr(text_of(&f->job.lines), "[REDACTED]"));
    assert_null(strstr(text_of(&f->other.lines), "[REDACTED]"));
    assert_null(strstr(text_of(&f->live_entries.lines), "[REDACTED]"));
}

static void test_what_was_gone_before_the_match_is_told(void **state)
{
    struct fixture *f = *state;
    record(f, 1, &f->job, "response.status == 404");
    open_stream(f, 1000);                  /* 1 2 3 */
    exchange(f, 1000, 0, RESPONSE("200")); /* 4 5 */
    give(f);
    wait_written(f, 6);
    f->at += 60 * NS_PER_S;
    f->clock.at = f->at;
    record(f, 2, &f->other, "dns");        /* wakes the worker, which sees the time */
    exchange(f, 1000, 1, RESPONSE("404")); /* 6 7 */
    give(f);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "1 2 3 6 7");
    assert_string_equal(text_of(&f->job.losses), "before_lost=2 ");
}

static void test_copies_from_another_interface_are_dropped(void **state)
{
    struct fixture *f = *state;
    static struct wire wire;
    record(f, 1, &f->job, "");
    for (uint32_t i = 0; i < 4; i++) {
        wire_init(&wire, "x", 1);
        wire_udp(&wire, 5000, 6000);
        wire_ipv4(&wire, IPPROTO_UDP, 1, 2);
        struct packet packet = wire_packet(&wire, LINK_RAW);
        packet.number = ++f->number;
        packet.at = f->at;
        packet.iface = 1 + i % 2;
        assert_non_null(block_add(f->block, &packet));
    }
    give(f);
    wait_written(f, 4);
    use(f, tap_set_without(f->taps, 1));
    assert_int_equal(worker_counters(f->worker)->shard.duplicates, 2);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "1 3");
    assert_string_equal(text_of(&f->live_packets.packets), "1 3");
}

static void test_a_writer_that_does_not_keep_up_is_counted(void **state)
{
    struct fixture *f = *state;
    record(f, 1, &f->job, "");
    f->writer.refuse = true;
    open_stream(f, 1000);
    give(f);
    pthread_mutex_lock(&f->writer.lock);
    while (f->writer.refused == 0)
        pthread_cond_wait(&f->writer.changed, &f->writer.lock);
    f->writer.refuse = false;
    pthread_mutex_unlock(&f->writer.lock);
    exchange(f, 1000, 0, RESPONSE("200"));
    give(f);
    wait_written(f, 8);
    assert_int_equal(worker_counters(f->worker)->dropped_writer, 6);
    stop(f);
    assert_string_equal(text_of(&f->job.packets), "4 5");
    assert_string_equal(text_of(&f->job.losses), "writer=3 ");
    assert_string_equal(text_of(&f->live_packets.packets), "4 5");
}

static void test_a_full_queue_is_counted(void **state)
{
    struct fixture *f = *state;
    size_t count = 20000;
    f->writer.stall = true; /* the worker waits at its first batch */
    open_stream(f, 1000);
    for (size_t i = 0; i < count; i++)
        worker_give(f->worker, f->block, 0, 3, 3, 300);
    uint64_t dropped = worker_counters(f->worker)->dropped_queue;
    go_on(f);
    stop(f);
    assert_true(dropped > 0 && dropped % 3 == 0 && dropped < count * 3);
}

static void test_what_capture_lost_is_told_to_those_who_ran(void **state)
{
    struct fixture *f = *state;
    f->lost[LOSS_KERNEL] = 100; /* before anything ran */
    record(f, 1, &f->job, "http");
    f->lost[LOSS_KERNEL] = 107;
    f->lost[LOSS_QUEUE] = 3;
    record(f, 2, &f->other, "http");
    f->lost[LOSS_KERNEL] = 108;
    use(f, tap_set_without(f->taps, 1));
    stop(f);
    assert_string_equal(text_of(&f->job.losses), "kernel=7 queue=3 kernel=1 ");
    assert_string_equal(text_of(&f->other.losses), "kernel=1 ");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_match_brings_the_whole_stream_once),
        CASE(test_recordings_are_independent),
        CASE(test_everything_takes_streams_nobody_dissects),
        CASE(test_everything_takes_a_stream_that_runs_already),
        CASE(test_nothing_comes_after_a_statement_left),
        CASE(test_what_is_queued_comes_before_a_statement_leaves),
        CASE(test_what_is_later_than_the_end_is_not_recorded),
        CASE(test_a_rewritten_statement_keeps_its_streams),
        CASE(test_redacted_entries_come_without_packets),
        CASE(test_what_was_gone_before_the_match_is_told),
        CASE(test_copies_from_another_interface_are_dropped),
        CASE(test_a_writer_that_does_not_keep_up_is_counted),
        CASE(test_a_full_queue_is_counted),
        CASE(test_what_capture_lost_is_told_to_those_who_ran),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
