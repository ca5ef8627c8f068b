/* The writer: batches of several workers become one order, and readers never see half
 * of it. */
#include "tests/unit/capture/store_case.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "capture/store/writer.h"

static struct writer *start(struct store_case *c, unsigned workers, size_t backlog)
{
    struct err err = {0};
    struct writer_options options = {
        .workers = workers, .backlog_limit = backlog, .clock = &c->clock.clock};
    struct writer *writer = writer_start(&options, store_live_packets(c->store),
                                         store_live_entries(c->store), &err);
    if (!writer)
        fail_msg("%s", err.msg);
    return writer;
}

static void put_packet(struct store_case *c, struct batch *batch, struct iteration *to,
                       uint64_t n, int64_t at)
{
    struct event *event = batch_event(batch);
    event->type = EVENT_PACKET;
    event->to = iteration_ref(to);
    event->stream = n % 10;
    event->packet = case_packet(c, n, at, 1, 60);
}

static void put_entry(struct batch *batch, struct iteration *to, uint64_t stream,
                      uint32_t index, int64_t done_at)
{
    char line[100];
    int len = snprintf(line, sizeof(line), "{\"stream\":%" PRIu64 ",\"index\":%u}",
                       stream, index);
    struct event *event = batch_event(batch);
    event->type = EVENT_ENTRY;
    event->to = iteration_ref(to);
    event->stream = stream;
    event->entry.line = batch_text(batch, line, (size_t)len);
    event->entry.len = (uint32_t)len;
    event->entry.index = index;
    event->entry.done_at = done_at;
}

static void test_a_flush_shows_all_that_was_submitted(void **state)
{
    struct store_case c;
    struct buf file = {0};
    struct iteration_info info;
    (void)state;
    case_open(&c);
    struct writer *writer = start(&c, 3, 64 * MIB);
    struct iteration *iteration = case_iteration(&c, "a", START);
    /* The later worker first. */
    for (unsigned worker = 3; worker-- > 0;) {
        struct batch *batch = batch_new(worker);
        for (uint64_t n = 1; n <= 100; n++) {
            put_packet(&c, batch, iteration, n * 3 + worker,
                       START + (int64_t)(n * 3 + worker));
            put_entry(batch, iteration, n, worker, START + (int64_t)(n * 3 + worker));
        }
        struct event *loss = batch_event(batch);
        loss->type = EVENT_LOSS;
        loss->to = iteration_ref(iteration);
        loss->loss.cause = "before_lost";
        loss->loss.count = 2;
        assert_int_equal(writer_submit(writer, batch), 0);
    }
    writer_flush(writer);
    case_pcap(&file, iteration);
    assert_int_equal(case_count(&file), 300);
    iteration_info(iteration, &info);
    assert_int_equal(info.before_lost, 6);
    /* Lines lie in the order of completion although they came against it. */
    case_lines(&file, iteration, "a");
    const char *line = file.data;
    for (unsigned i = 0; i < 300; i++) {
        char expected[100];
        snprintf(expected, sizeof(expected),
                 "{\"stream\":%u,\"index\":%u,\"record\":\"a\"}\n", i / 3 + 1, i % 3);
        assert_memory_equal(line, expected, strlen(expected));
        line += strlen(expected);
    }
    writer_end(writer, iteration, "finished", START, NULL, NULL);
    writer_stop(writer);
    buf_fini(&file);
    case_close(&c);
}

struct end {
    _Atomic int result;
    _Atomic unsigned count;
};

static void done(void *context, int result)
{
    struct end *end = context;
    end->result = result;
    end->count++;
}

static void test_an_end_comes_after_all_before_it(void **state)
{
    struct store_case c;
    struct end end = {.result = 1};
    struct recording_info info;
    struct buf text = {0};
    (void)state;
    case_open(&c);
    struct writer *writer = start(&c, 2, 64 * MIB);
    struct iteration *iteration = case_iteration(&c, "a", START);
    for (unsigned i = 0; i < 20; i++) {
        struct batch *batch = batch_new(0);
        put_packet(&c, batch, iteration, i + 1, START + i);
        put_entry(batch, iteration, i, 0, START + i);
        assert_int_equal(writer_submit(writer, batch), 0);
    }
    struct batch *late = batch_new(0);
    put_packet(&c, late, iteration, 99, START + 99);
    writer_end(writer, iteration, "stopped", START + NS_PER_S, done, &end);
    assert_int_equal(writer_submit(writer, late), 0);
    writer_flush(writer);
    assert_int_equal(end.count, 1);
    assert_int_equal(end.result, 0);
    assert_int_equal(store_info(c.store, "a", &info), 0);
    assert_int_equal(info.packets, 20);
    assert_int_equal(info.entries, 20);
    assert_false(info.recording);
    assert_int_equal(store_manifest(c.store, "a", NULL, &text), 0);
    assert_non_null(strstr(text.data, "\"state\": \"stopped\""));
    assert_non_null(strstr(text.data, "\"late\": 1"));
    writer_stop(writer);
    buf_fini(&text);
    case_close(&c);
}

static void test_what_was_submitted_is_written_at_the_stop(void **state)
{
    struct store_case c;
    struct recording_info info;
    (void)state;
    case_open(&c);
    struct writer *writer = start(&c, 2, 64 * MIB);
    struct iteration *iteration = case_iteration(&c, "a", START);
    struct batch *batch = batch_new(1);
    for (uint64_t n = 1; n <= 500; n++)
        put_packet(&c, batch, iteration, n, START + (int64_t)n);
    put_entry(batch, iteration, 1, 1, START);
    assert_int_equal(writer_submit(writer, batch), 0);
    writer_stop(writer);
    iteration_unref(iteration);
    assert_int_equal(store_info(c.store, "a", &info), 0);
    assert_int_equal(info.packets, 500);
    assert_int_equal(info.entries, 1);
    case_close(&c);
}

struct gate {
    pthread_mutex_t lock;
    _Atomic bool committed;
};

static void wait_at_gate(void *context)
{
    struct gate *gate = context;
    gate->committed = true;
    pthread_mutex_lock(&gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void test_a_backlog_is_refused(void **state)
{
    struct store_case c;
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct err err;
    (void)state;
    case_open(&c);
    struct writer_options options = {.workers = 1,
                                     .backlog_limit = 10000,
                                     .clock = &c.clock.clock,
                                     .committed = wait_at_gate,
                                     .context = &gate};
    struct iteration *live = store_live_packets(c.store);
    pthread_mutex_lock(&gate.lock);
    struct writer *writer =
        writer_start(&options, live, store_live_entries(c.store), &err);
    assert_non_null(writer);
    unsigned accepted = 0, refused = 0;
    for (uint64_t n = 1; n <= 1000; n++) {
        struct batch *batch = batch_new(0);
        put_packet(&c, batch, live, n, START);
        batch->bytes = 1000;
        int result = writer_submit(writer, batch);
        if (result == 0) {
            accepted++;
        } else {
            assert_int_equal(result, -EAGAIN);
            batch_free(batch);
            refused++;
        }
    }
    assert_true(accepted > 0);
    assert_true(refused > 0);
    pthread_mutex_unlock(&gate.lock);
    writer_flush(writer);
    struct batch *batch = batch_new(0);
    put_packet(&c, batch, live, 2000, START);
    assert_int_equal(writer_submit(writer, batch), 0);
    writer_stop(writer);
    assert_true(gate.committed);
    struct iteration_info info;
    iteration_info(live, &info);
    assert_int_equal(info.packets, accepted + 1);
    case_close(&c);
}

/* Packets that are written make room for others, although an entry that came with them
 * waits. */
static void test_what_is_written_is_no_backlog(void **state)
{
    struct store_case c;
    struct iteration_info info;
    (void)state;
    case_open(&c);
    struct writer *writer = start(&c, 2, 1 * MIB);
    struct iteration *live = store_live_packets(c.store);
    for (uint64_t n = 1; n <= 10; n++) {
        struct batch *batch = batch_new(0);
        for (unsigned i = 0; i < 3; i++) {
            struct event *event = batch_event(batch);
            event->type = EVENT_PACKET;
            event->to = iteration_ref(live);
            event->packet = case_packet(&c, n * 3 + i, START, 1, 250000);
            batch->bytes += 250000;
        }
        put_entry(batch, store_live_entries(c.store), n, 0, START);
        assert_int_equal(writer_submit(writer, batch), 0);
        do {
            sched_yield();
            iteration_info(live, &info);
        } while (info.packets < n * 3);
    }
    writer_stop(writer);
    case_close(&c);
}

static void on_full(void *context, struct iteration *iteration, int why)
{
    (void)context;
    (void)iteration;
    assert_int_equal(why, -EDQUOT);
}

/* A burst of more than it may have, with one worker and with several that race. */
static void test_a_full_recording_has_the_entries_of_its_packets(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct store_case c;
        struct iteration *iteration;
        struct iteration_info info;
        struct err err;
        case_open(&c);
        const struct iteration_options options = {
            .name = "a", .start = START, .max_size = 1 * MIB, .stopped = on_full};
        assert_int_equal(iteration_open(&iteration, c.store, &options, &err), 0);
        struct writer *writer = start(&c, workers, 64 * MIB);
        struct batch *batch = batch_new(0);
        for (uint64_t n = 1; n <= 20000; n++) {
            put_packet(&c, batch, iteration, n, START + (int64_t)n);
            if (n % 10 == 0)
                put_entry(batch, iteration, n, 0, START + (int64_t)n);
        }
        assert_int_equal(writer_submit(writer, batch), 0);
        do {
            sched_yield();
            iteration_info(iteration, &info);
        } while (info.packets == 0);
        assert_true(info.packets < 20000);
        assert_in_range(info.entries, info.packets / 10 - 1, info.packets / 10);
        writer_end(writer, iteration, "finished", START, NULL, NULL);
        writer_stop(writer);
        case_close(&c);
    }
}

#define WORKERS 3
#define BATCHES 60
#define EACH    50

struct race {
    struct store_case *c;
    struct writer *writer;
    struct iteration *disk;
    unsigned worker;
    _Atomic uint64_t *clock;
    _Atomic bool *over;
};

/* Packets and entries to a recording and to live, stamped by a clock that all workers
 * share. */
static void *work(void *context)
{
    struct race *race = context;
    struct iteration *to[] = {race->disk, store_live_packets(race->c->store),
                              store_live_entries(race->c->store)};
    for (unsigned i = 0; i < BATCHES; i++) {
        struct batch *batch = batch_new(race->worker);
        for (unsigned j = 0; j < EACH; j++) {
            uint64_t n = atomic_fetch_add(race->clock, 1) + 1;
            put_packet(race->c, batch, to[0], n, START + (int64_t)n);
            put_packet(race->c, batch, to[1], n, START + (int64_t)n);
            put_entry(batch, to[0], n, 0, START + (int64_t)n);
            put_entry(batch, to[2], n, 0, START + (int64_t)n);
        }
        while (writer_submit(race->writer, batch) < 0)
            sched_yield();
    }
    return NULL;
}

/* Whatever is seen is whole and in order, and what was seen stays. */
static void *watch(void *context)
{
    struct race *race = context;
    uint64_t seen = 0;
    while (!*race->over) {
        struct snapshot *snapshot = snapshot_take(race->disk);
        struct entry_cursor *cursor = entry_cursor_open(snapshot, 0);
        struct line line;
        uint64_t count = 0;
        int64_t last = 0;
        while (entry_cursor_next(cursor, &line) == 1) {
            assert_true(line.done_at > last);
            assert_int_equal(line.text[0], '{');
            assert_int_equal(line.text[line.len - 1], '}');
            last = line.done_at;
            count++;
        }
        assert_int_equal(count, snapshot_entries(snapshot));
        assert_true(count >= seen);
        seen = count;
        entry_cursor_close(cursor);
        snapshot_unref(snapshot);
        struct buf file = {0};
        case_pcap(&file, race->disk);
        case_count(&file);
        case_pcap(&file, store_live_packets(race->c->store));
        case_count(&file);
        case_lines(&file, store_live_entries(race->c->store), "");
        buf_fini(&file);
    }
    return NULL;
}

static void test_readers_and_workers_race(void **state)
{
    struct store_case c;
    struct race races[WORKERS];
    pthread_t threads[WORKERS], watcher;
    _Atomic uint64_t clock = 0;
    _Atomic bool over = false;
    struct iteration_info info;
    struct buf file = {0};
    (void)state;
    case_open(&c);
    c.options.sync = 0;
    case_reopen(&c);
    struct writer *writer = start(&c, WORKERS, 256 * 1024);
    struct iteration *disk = case_iteration(&c, "a", START);
    for (unsigned i = 0; i < WORKERS; i++) {
        races[i] = (struct race){&c, writer, disk, i, &clock, &over};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &races[i]), 0);
    }
    assert_int_equal(pthread_create(&watcher, NULL, watch, &races[0]), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    writer_flush(writer);
    over = true;
    pthread_join(watcher, NULL);
    iteration_info(disk, &info);
    assert_int_equal(info.packets, WORKERS * BATCHES * EACH);
    assert_int_equal(info.entries, WORKERS * BATCHES * EACH);
    assert_int_equal(info.dropped, 0);
    case_pcap(&file, disk);
    assert_int_equal(case_count(&file), info.packets);
    writer_end(writer, disk, "finished", START, NULL, NULL);
    writer_stop(writer);
    buf_fini(&file);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flush_shows_all_that_was_submitted),
        cmocka_unit_test(test_an_end_comes_after_all_before_it),
        cmocka_unit_test(test_what_was_submitted_is_written_at_the_stop),
        cmocka_unit_test(test_a_backlog_is_refused),
        cmocka_unit_test(test_what_is_written_is_no_backlog),
        cmocka_unit_test(test_a_full_recording_has_the_entries_of_its_packets),
        cmocka_unit_test(test_readers_and_workers_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
