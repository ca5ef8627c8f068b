/* Files made of packets and lines of many segments, against what a simple model says
 * they are. */
#include "tests/unit/capture/store_case.h"

#include <errno.h>

struct model_packet {
    uint64_t number, stream;
    int64_t at;
    uint16_t linktype;
    uint32_t caplen;
};

static int compare(const void *a, const void *b)
{
    const struct model_packet *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void put32(struct buf *out, uint32_t value)
{
    buf_add(out, &value, sizeof(value));
}

static void put_header(struct buf *out, uint32_t linktype)
{
    put32(out, 0xa1b23c4d);
    put32(out, 2 | 4 << 16);
    put32(out, 0);
    put32(out, 0);
    put32(out, 262144);
    put32(out, linktype);
}

/* The file that the packets make, sorted, each number once. */
static void model_file(struct buf *out, struct store_case *c,
                       struct model_packet *packets, size_t count,
                       const uint64_t *streams, size_t stream_count)
{
    struct model_packet last = {0};
    buf_clear(out);
    put_header(out, 1);
    qsort(packets, count, sizeof(*packets), compare);
    for (size_t i = 0; i < count; i++) {
        bool wanted = !streams;
        for (size_t j = 0; j < stream_count; j++)
            wanted |= streams[j] == packets[i].stream;
        if (!wanted || packets[i].number == last.number)
            continue;
        last = packets[i];
        struct packet *packet = case_packet(c, last.number, last.at, 1, last.caplen);
        put32(out, (uint32_t)(last.at / NS_PER_S));
        put32(out, (uint32_t)(last.at % NS_PER_S));
        put32(out, packet->caplen);
        put32(out, packet->len);
        buf_add(out, packet->data, packet->caplen);
        packet_unref(packet);
    }
}

static void check_view(const struct buf *expected, struct snapshot *const *snapshots,
                       size_t count, const uint64_t *streams, size_t stream_count)
{
    struct pcap_view *view;
    struct buf file = {0};
    uint8_t part[3000];
    uint32_t seed = 7;
    assert_int_equal(pcap_view_open(&view, snapshots, count, streams, stream_count), 0);
    assert_int_equal(pcap_view_size(view), expected->len);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t offset = next_random(&seed) % (expected->len + 10);
        size_t size = next_random(&seed) % sizeof(part);
        size_t left = offset < expected->len ? expected->len - offset : 0;
        ssize_t got = pcap_view_read(view, part, size, offset);
        assert_int_equal(got, size < left ? size : left);
        assert_memory_equal(part, expected->data + offset, (size_t)got);
    }
    case_read_pcap(&file, view, 100000);
    assert_memory_equal(file.data, expected->data, expected->len);
    pcap_view_close(view);
    buf_fini(&file);
}

/* Two iterations whose packets overlap in time, some of them in both, in segments of 64
 * KiB. */
static void test_views_are_what_a_model_says(void **state)
{
    enum { COUNT = 3000 };
    struct store_case c;
    static struct model_packet packets[COUNT * 2];
    struct iteration *iterations[2];
    struct snapshot *snapshots[2];
    struct buf expected = {0};
    uint32_t seed = 1;
    size_t count = 0;
    struct err err;
    (void)state;
    case_open(&c);
    for (unsigned i = 0; i < 2; i++) {
        struct iteration_options options = {.name = i ? "b" : "a",
                                            .start = START + i * NS_PER_S,
                                            .max_size = 100 * MIB,
                                            .on_full = ON_FULL_DROP_OLDEST};
        /* Segments are an eighth of this. */
        options.max_size = 8 * MIB;
        assert_int_equal(iteration_open(&iterations[i], c.store, &options, &err), 0);
    }
    for (uint64_t n = 1; n <= COUNT; n++) {
        struct model_packet packet = {
            .number = n,
            .stream = 1 + next_random(&seed) % 9,
            .at = START + (int64_t)n * 1000 - (int64_t)(next_random(&seed) % 20000),
            .linktype = 1,
            .caplen = 14 + next_random(&seed) % 1500,
        };
        unsigned to = next_random(&seed) % 3;
        for (unsigned i = 0; i < 2; i++) {
            if (to != 2 && to != i)
                continue;
            assert_int_equal(case_add(&c, iterations[i], n, packet.at, packet.stream, 1,
                                      packet.caplen),
                             0);
            packets[count++] = packet;
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        struct iteration_info info;
        assert_int_equal(iteration_commit(iterations[i], START), 0);
        iteration_info(iterations[i], &info);
        assert_int_equal(info.dropped, 0);
        snapshots[i] = snapshot_take(iterations[i]);
    }
    const uint64_t streams[] = {2, 5, 77};
    model_file(&expected, &c, packets, count, NULL, 0);
    check_view(&expected, snapshots, 2, NULL, 0);
    model_file(&expected, &c, packets, count, streams, 3);
    check_view(&expected, snapshots, 2, streams, 3);
    model_file(&expected, &c, packets, count, streams + 2, 1);
    check_view(&expected, snapshots, 2, streams + 2, 1);
    model_file(&expected, &c, packets, 0, NULL, 0);
    check_view(&expected, snapshots, 0, NULL, 0);
    for (unsigned i = 0; i < 2; i++) {
        snapshot_unref(snapshots[i]);
        case_end(&c, iterations[i]);
    }
    buf_fini(&expected);
    case_close(&c);
}

static void test_one_recording_of_many_segments(void **state)
{
    enum { COUNT = 9000 };
    struct store_case c;
    static struct model_packet packets[COUNT];
    struct buf expected = {0};
    struct err err;
    (void)state;
    for (unsigned disorder = 0; disorder < 2; disorder++) {
        uint32_t seed = 5;
        struct iteration *iteration;
        struct iteration_options options = {.name = "a",
                                            .start = START,
                                            .max_size = 16 * MIB,
                                            .on_full = ON_FULL_DROP_OLDEST};
        case_open(&c);
        assert_int_equal(iteration_open(&iteration, c.store, &options, &err), 0);
        for (uint64_t n = 1; n <= COUNT; n++) {
            int64_t back = disorder ? (int64_t)(next_random(&seed) % 4000) * 1000 : 0;
            packets[n - 1] = (struct model_packet){
                n, 1, START + (int64_t)n * 1000 + 5000000 - back, 1, 900};
            assert_int_equal(case_add(&c, iteration, n, packets[n - 1].at, 1, 1, 900),
                             0);
        }
        iteration_commit(iteration, START);
        struct snapshot *snapshot = snapshot_take(iteration);
        model_file(&expected, &c, packets, COUNT, NULL, 0);
        check_view(&expected, &snapshot, 1, NULL, 0);
        snapshot_unref(snapshot);
        case_end(&c, iteration);
        case_close(&c);
    }
    buf_fini(&expected);
}

static void test_link_types_that_differ_become_sll2(void **state)
{
    struct store_case c;
    struct buf file = {0};
    struct pcap_view *view;
    struct file_packet packet;
    size_t at = 0;
    uint32_t linktype;
    char name[200];
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    for (uint64_t n = 1; n <= 90; n++)
        case_add(&c, iteration, n, START + (int64_t)n, n % 3,
                 n % 3 == 0   ? 1
                 : n % 3 == 1 ? 101
                              : 147,
                 40);
    iteration_commit(iteration, START);
    struct snapshot *snapshot = snapshot_take(iteration);
    assert_int_equal(pcap_view_open(&view, &snapshot, 1, NULL, 0), 0);
    assert_int_equal(pcap_view_left_out(view), 30);
    case_read_pcap(&file, view, 999);
    pcap_view_close(view);
    memcpy(&linktype, file.data + 20, 4);
    assert_int_equal(linktype, 276);
    for (uint64_t n = 1; n <= 90; n++) {
        if (n % 3 == 2)
            continue;
        assert_true(case_next(&packet, &file, &at));
        assert_int_equal(packet.at, START + (int64_t)n);
        assert_int_equal(packet.caplen, n % 3 == 0 ? 40 - 14 + 20 : 40 + 20);
        assert_int_equal(packet.len, packet.caplen + 3);
        assert_memory_equal(packet.data, "\10\0\0\0\0\0\0\0", 8);
        if (n % 3 == 0)
            assert_memory_equal(packet.data + 8, "\0\1\0\6\2\0\0\0\0\2\0\0", 12);
        else
            assert_memory_equal(packet.data + 8, "\xff\xfe\0\0\0\0\0\0\0\0\0\0\x45",
                                13);
    }
    assert_false(case_next(&packet, &file, &at));
    /* A stream of one link type keeps it, and what can't be converted is there. */
    const uint64_t stream = 2;
    assert_int_equal(pcap_view_open(&view, &snapshot, 1, &stream, 1), 0);
    case_read_pcap(&file, view, 999);
    memcpy(&linktype, file.data + 20, 4);
    assert_int_equal(linktype, 147);
    assert_int_equal(case_count(&file), 30);
    pcap_view_close(view);
    snapshot_unref(snapshot);
    /* One segment for each, not one for each packet. */
    snprintf(name, sizeof(name), "%s/recordings/a/2025-10-09T08-53-20Z/000004.log",
             c.path);
    assert_int_equal(access(name, F_OK), -1);
    case_end(&c, iteration);
    buf_fini(&file);
    case_close(&c);
}

static struct pcap_view *open_view(struct store_case *c, const char *name,
                                   const uint64_t *stream)
{
    struct pcap_view *view = NULL;
    struct iteration *iteration = store_iteration(c->store, name, 0);
    assert_non_null(iteration);
    struct snapshot *snapshot = snapshot_take(iteration);
    assert_int_equal(pcap_view_open(&view, &snapshot, 1, stream, stream ? 1 : 0), 0);
    snapshot_unref(snapshot);
    iteration_unref(iteration);
    return view;
}

static int file_of(struct store_case *c, const char *name, const uint64_t *stream)
{
    struct pcap_view *view = open_view(c, name, stream);
    int fd = pcap_view_file(view);
    pcap_view_close(view);
    return fd;
}

static void test_a_view_of_one_file_in_order_is_that_file(void **state)
{
    struct store_case c;
    struct buf expected = {0};
    const uint64_t stream = 1;
    char got[1024];
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "ordered", START);
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(case_add(&c, iteration, n, START + (int64_t)n, n, 1, 60), 0);
    iteration_commit(iteration, START);
    case_pcap(&expected, iteration);
    assert_int_equal(file_of(&c, "ordered", NULL), -ENOTSUP);
    case_end(&c, iteration);

    int fd = file_of(&c, "ordered", NULL);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, got, sizeof(got)), expected.len);
    assert_memory_equal(got, expected.data, expected.len);
    assert_int_equal(close(fd), 0);
    assert_int_equal(file_of(&c, "ordered", &stream), -ENOTSUP);

    iteration = case_iteration(&c, "disordered", START);
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(case_add(&c, iteration, n, START - (int64_t)n, n, 1, 60), 0);
    case_end(&c, iteration);
    assert_int_equal(file_of(&c, "disordered", NULL), -ENOTSUP);

    iteration = case_iteration(&c, "mixed", START);
    for (uint64_t n = 1; n <= 2; n++)
        assert_int_equal(
            case_add(&c, iteration, n, START + (int64_t)n, n, n == 1 ? 1 : 101, 60), 0);
    case_end(&c, iteration);
    assert_int_equal(file_of(&c, "mixed", NULL), -ENOTSUP);
    buf_fini(&expected);
    case_close(&c);
}

static void test_lines_are_read_anywhere(void **state)
{
    struct store_case c;
    struct buf expected = {0}, file = {0};
    struct lines_view *view;
    struct snapshot *snapshots[2];
    uint32_t seed = 3;
    char part[500];
    (void)state;
    case_open(&c);
    for (unsigned i = 0; i < 2; i++) {
        struct iteration *iteration = case_iteration(&c, i ? "b" : "a", START);
        for (uint32_t n = 0; n < 500; n++) {
            char line[800];
            int len = snprintf(line, sizeof(line), "{\"n\":%u,\"x\":\"%*s\"", n,
                               (int)(next_random(&seed) % 600), "");
            case_add(&c, iteration, n + 1, START + n, 1, 1, 60);
            buf_addf(&expected, "%s,\"record\":\"x\\\"y\"}\n", line);
            line[len] = '}';
            iteration_add_entry(iteration, line, (size_t)len + 1, 1, STREAM_TCP, n,
                                START + n);
        }
        iteration_commit(iteration, START);
        snapshots[i] = snapshot_take(iteration);
        case_end(&c, iteration);
    }
    for (char *end = expected.data; (end = strchr(end, '\n')); end++) {
        assert_int_equal(end[-1], '}');
    }
    assert_int_equal(lines_view_open(&view, snapshots, 2, "x\"y"), 0);
    assert_int_equal(lines_view_size(view), expected.len);
    for (unsigned i = 0; i < 500; i++) {
        uint64_t offset = next_random(&seed) % (expected.len + 10);
        size_t size = next_random(&seed) % sizeof(part);
        size_t left = offset < expected.len ? expected.len - offset : 0;
        ssize_t got = lines_view_read(view, part, size, offset);
        assert_int_equal(got, size < left ? size : left);
        assert_memory_equal(part, expected.data + offset, (size_t)got);
    }
    case_read_lines(&file, view, 100);
    assert_string_equal(file.data, expected.data);
    lines_view_close(view);
    snapshot_unref(snapshots[0]);
    snapshot_unref(snapshots[1]);
    buf_fini(&file);
    buf_fini(&expected);
    case_close(&c);
}

static void test_record_is_put_in_last(void **state)
{
    struct buf out = {0};
    (void)state;
    assert_int_equal(line_put_record(&out, "{\"a\":1}", 7, "n"), 0);
    assert_string_equal(out.data, "{\"a\":1,\"record\":\"n\"}");
    buf_clear(&out);
    assert_int_equal(line_put_record(&out, "{}", 2, ""), 0);
    assert_string_equal(out.data, "{\"record\":\"\"}");
    assert_int_equal(line_put_record(&out, "[]", 2, ""), -EINVAL);
    buf_fini(&out);
}

static void test_entries_come_in_order_of_completion(void **state)
{
    struct store_case c;
    uint32_t seed = 11;
    struct line line;
    int64_t last = 0;
    uint64_t last_stream = 0;
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    for (uint32_t n = 0; n < 2000; n++) {
        if (n % 3 == 0)
            case_add(&c, iteration, n + 1, START, 1, 1, 60);
        case_line(iteration, 1 + next_random(&seed) % 50, n,
                  START + n / 10 + next_random(&seed) % 20);
    }
    iteration_commit(iteration, START);
    struct snapshot *snapshot = snapshot_take(iteration);
    assert_int_equal(snapshot_entries(snapshot), 2000);
    struct entry_cursor *cursor = entry_cursor_open(snapshot, 0);
    unsigned count = 0;
    while (entry_cursor_next(cursor, &line) == 1) {
        assert_true(line.done_at > last ||
                    (line.done_at == last && line.stream >= last_stream));
        last = line.done_at;
        last_stream = line.stream;
        count++;
    }
    assert_int_equal(count, 2000);
    entry_cursor_close(cursor);
    /* Following: what came after a position. */
    cursor = entry_cursor_open(snapshot, 1990);
    for (count = 0; entry_cursor_next(cursor, &line) == 1; count++)
        assert_true(line.index >= 1990);
    assert_int_equal(count, 10);
    entry_cursor_close(cursor);
    cursor = entry_cursor_open(snapshot, 5000);
    assert_int_equal(entry_cursor_next(cursor, &line), 0);
    entry_cursor_close(cursor);
    snapshot_unref(snapshot);
    case_end(&c, iteration);
    case_close(&c);
}

struct listing {
    struct snapshot *snapshot;
    uint64_t last;
    unsigned count, packets, entries;
};

static int each_stream(void *context, const struct stream_summary *stream)
{
    struct listing *listing = context;
    struct pcap_view *view;
    struct stream_summary same;
    struct buf file = {0};
    assert_true(stream->number > listing->last);
    assert_int_equal(pcap_view_open(&view, &listing->snapshot, 1, &stream->number, 1),
                     0);
    assert_int_equal(pcap_view_size(view), stream->bytes);
    case_read_pcap(&file, view, 4096);
    assert_int_equal(case_count(&file), stream->packets);
    pcap_view_close(view);
    buf_fini(&file);
    assert_int_equal(snapshot_stream(listing->snapshot, stream->number, &same), 1);
    assert_memory_equal(&same, stream, sizeof(same));
    listing->last = stream->number;
    listing->count++;
    listing->packets += (unsigned)stream->packets;
    listing->entries += stream->entries;
    return 0;
}

static int each_entry(void *context, uint64_t stream, uint32_t index, int64_t done_at)
{
    struct listing *listing = context;
    struct buf text = {0};
    char expected[100];
    snprintf(expected, sizeof(expected),
             "{\"id\":\"%012" PRIu64 "-%u\",\"at\":%" PRId64 "}", stream, index,
             done_at);
    assert_int_equal(snapshot_entry(listing->snapshot, stream, index, &text), 1);
    assert_string_equal(text.data, expected);
    buf_fini(&text);
    listing->count++;
    return 0;
}

static int stop_at_once(void *context, uint64_t stream, uint32_t index, int64_t done_at)
{
    (void)context;
    (void)stream;
    (void)index;
    (void)done_at;
    return 17;
}

static void test_streams_and_entries_are_listed(void **state)
{
    struct store_case c;
    struct buf text = {0};
    struct stream_summary none;
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    for (uint32_t n = 1; n <= 600; n++) {
        /* Stream 7 is on two link types. */
        case_add(&c, iteration, n, START + n, 1 + n % 40,
                 n % 40 == 6 && n % 80 == 6 ? 101 : 1, 60 + n % 5);
        if (n % 2)
            case_line(iteration, 1 + n % 40, n, START + n);
    }
    iteration_commit(iteration, START);
    struct listing listing = {.snapshot = snapshot_take(iteration)};
    assert_int_equal(snapshot_each_stream(listing.snapshot, each_stream, &listing), 0);
    assert_int_equal(listing.count, 40);
    assert_int_equal(listing.packets, 600);
    assert_int_equal(listing.entries, 300);
    listing.count = 0;
    assert_int_equal(snapshot_each_entry(listing.snapshot, each_entry, &listing), 0);
    assert_int_equal(listing.count, 300);
    assert_int_equal(snapshot_each_entry(listing.snapshot, stop_at_once, NULL), 17);
    assert_int_equal(snapshot_entry(listing.snapshot, 2, 9999, &text), 0);
    assert_int_equal(snapshot_stream(listing.snapshot, 9999, &none), 0);
    snapshot_unref(listing.snapshot);
    case_end(&c, iteration);
    buf_fini(&text);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_are_what_a_model_says),
        cmocka_unit_test(test_one_recording_of_many_segments),
        cmocka_unit_test(test_link_types_that_differ_become_sll2),
        cmocka_unit_test(test_a_view_of_one_file_in_order_is_that_file),
        cmocka_unit_test(test_lines_are_read_anywhere),
        cmocka_unit_test(test_record_is_put_in_last),
        cmocka_unit_test(test_entries_come_in_order_of_completion),
        cmocka_unit_test(test_streams_and_entries_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
