/* Limits: what stops, what is dropped, what is counted; and live traffic, which
 * forgets. */
#include "tests/unit/capture/store_case.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct stops {
    unsigned count;
    int why;
};

static void stopped(void *context, struct iteration *iteration, int why)
{
    struct stops *stops = context;
    (void)iteration;
    stops->count++;
    stops->why = why;
}

static struct iteration *open_limited(struct store_case *c, const char *name,
                                      struct stops *stops, uint64_t max_size,
                                      enum on_full on_full, uint64_t entry_limit)
{
    struct iteration *iteration;
    struct err err;
    struct iteration_options options = {.name = name,
                                        .start = START,
                                        .max_size = max_size,
                                        .on_full = on_full,
                                        .entry_limit = entry_limit,
                                        .stopped = stopped,
                                        .context = stops};
    assert_int_equal(iteration_open(&iteration, c->store, &options, &err), 0);
    return iteration;
}

/* Bytes of all files below a folder that are recorded data. */
static uint64_t tree_bytes(const char *path)
{
    uint64_t bytes = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        char name[600];
        struct stat st;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        assert_int_equal(lstat(name, &st), 0);
        if (S_ISDIR(st.st_mode) && entry->d_name[0] != '.')
            bytes += tree_bytes(name);
        else if (S_ISREG(st.st_mode) && strspn(entry->d_name, "0123456789") > 0)
            bytes += (uint64_t)st.st_size;
    }
    closedir(dir);
    return bytes;
}

static void check_usage(struct store_case *c)
{
    struct store_usage usage;
    char path[100];
    snprintf(path, sizeof(path), "%s/recordings", c->path);
    store_usage(c->store, &usage);
    assert_int_equal(usage.bytes, tree_bytes(path));
}

static void test_a_full_recording_stops_and_stays(void **state)
{
    struct store_case c;
    struct stops stops = {0};
    struct iteration_info info;
    struct buf file = {0};
    (void)state;
    case_open(&c);
    struct iteration *iteration =
        open_limited(&c, "a", &stops, 1 * MIB, ON_FULL_STOP, 0);
    struct iteration *other = case_iteration(&c, "b", START);
    for (uint64_t n = 1; n <= 2000; n++)
        assert_int_equal(case_add(&c, iteration, n, START + (int64_t)n, 1, 1, 1000), 0);
    assert_int_equal(case_line(iteration, 1, 1, START), 0);
    assert_int_equal(iteration_commit(iteration, START), 0);
    assert_int_equal(stops.count, 1);
    assert_int_equal(stops.why, -EDQUOT);
    iteration_info(iteration, &info);
    assert_true(info.disk_bytes <= 1 * MIB && info.disk_bytes > 1 * MIB - 2000);
    assert_int_equal(info.packets + info.dropped, 2001);
    case_pcap(&file, iteration);
    assert_int_equal(case_count(&file), info.packets);
    /* Another recording goes on. */
    assert_int_equal(case_add(&c, other, 1, START, 1, 1, 1000), 0);
    iteration_commit(other, START);
    iteration_info(other, &info);
    assert_int_equal(info.packets, 1);
    case_end(&c, iteration);
    case_end(&c, other);
    check_usage(&c);
    case_reopen(&c);
    check_usage(&c);
    iteration = store_iteration(c.store, "a", 0);
    iteration_info(iteration, &info);
    assert_int_equal(info.packets + info.dropped, 2001);
    iteration_unref(iteration);
    buf_fini(&file);
    case_close(&c);
}

static void test_the_store_is_full_before_the_recording(void **state)
{
    struct store_case c;
    struct stops stops = {0};
    struct err err;
    struct store_usage usage;
    (void)state;
    case_open(&c);
    c.options.storage_limit = 2 * MIB;
    case_reopen(&c);
    struct iteration *old = case_iteration(&c, "old", START);
    for (uint64_t n = 1; n <= 1000; n++)
        case_add(&c, old, n, START, 1, 1, 1000);
    case_end(&c, old);
    struct iteration *iteration =
        open_limited(&c, "a", &stops, 0, ON_FULL_DROP_OLDEST, 0);
    for (uint64_t n = 1; n <= 3000; n++)
        assert_int_equal(case_add(&c, iteration, n, START, 1, 1, 1000), 0);
    iteration_commit(iteration, START);
    store_usage(c.store, &usage);
    assert_true(usage.bytes <= 2 * MIB);
    /* Nothing of another recording is dropped for it. */
    struct recording_info info;
    assert_int_equal(store_info(c.store, "old", &info), 0);
    assert_int_equal(info.packets, 1000);
    assert_int_equal(stops.count, 0);
    struct stops full = {0};
    struct iteration *second = open_limited(&c, "c", &full, 0, ON_FULL_STOP, 0);
    for (uint64_t n = 1; n <= 1000; n++)
        assert_int_equal(case_add(&c, second, n, START, 1, 1, 1000), 0);
    assert_int_equal(full.count, 1);
    assert_int_equal(full.why, -EFBIG);
    iteration_commit(second, START);
    struct iteration_info left;
    iteration_info(second, &left);
    assert_int_equal(left.packets + left.dropped, 1000);
    assert_true(left.packets > 0);
    case_end(&c, second);
    case_end(&c, iteration);
    assert_int_equal(store_remove(c.store, "old", &err), 0);
    check_usage(&c);
    case_close(&c);
}

static void test_the_oldest_is_dropped(void **state)
{
    struct store_case c;
    struct stops stops = {0};
    struct iteration_info info;
    struct buf lines = {0}, file = {0};
    (void)state;
    case_open(&c);
    struct iteration *iteration =
        open_limited(&c, "a", &stops, 4 * MIB, ON_FULL_DROP_OLDEST, 0);
    struct snapshot *early = NULL;
    for (uint64_t n = 1; n <= 20000; n++) {
        assert_int_equal(case_add(&c, iteration, n, START + (int64_t)n, 1, 1, 1000), 0);
        assert_int_equal(case_line(iteration, 1, (uint32_t)n, START + (int64_t)n), 0);
        if (n == 500) {
            iteration_commit(iteration, START);
            early = snapshot_take(iteration);
        }
    }
    iteration_commit(iteration, START);
    iteration_info(iteration, &info);
    assert_int_equal(stops.count, 0);
    assert_true(info.disk_bytes <= 4 * MIB);
    assert_true(info.disk_bytes >= 4 * MIB / 2);
    assert_int_equal(info.packets + info.entries + info.dropped, 40000);
    /* What is left is the newest. */
    case_lines(&lines, iteration, "a");
    assert_non_null(strstr(lines.data, "\"id\":\"000000000001-20000\""));
    assert_null(strstr(lines.data, "\"id\":\"000000000001-1\""));
    struct snapshot *snapshot = snapshot_take(iteration);
    assert_int_equal(snapshot_entries(snapshot), 20000);
    assert_int_equal(snapshot_entries_gone(snapshot), 20000 - info.entries);
    struct entry_cursor *cursor = entry_cursor_open(snapshot, 19999);
    struct line line;
    assert_int_equal(entry_cursor_next(cursor, &line), 1);
    assert_int_equal(line.index, 20000);
    assert_int_equal(entry_cursor_next(cursor, &line), 0);
    entry_cursor_close(cursor);
    snapshot_unref(snapshot);
    /* An early snapshot still has what is dropped since. */
    struct pcap_view *view;
    assert_int_equal(pcap_view_open(&view, &early, 1, NULL, 0), 0);
    case_read_pcap(&file, view, 65536);
    assert_int_equal(case_count(&file), 500);
    pcap_view_close(view);
    snapshot_unref(early);
    case_end(&c, iteration);
    check_usage(&c);
    case_reopen(&c);
    iteration = store_iteration(c.store, "a", 0);
    struct iteration_info again;
    iteration_info(iteration, &again);
    assert_int_equal(again.dropped, info.dropped);
    assert_int_equal(again.packets, info.packets);
    iteration_unref(iteration);
    check_usage(&c);
    buf_fini(&lines);
    buf_fini(&file);
    case_close(&c);
}

static void test_a_limit_of_entries_ends_it(void **state)
{
    struct store_case c;
    struct stops stops = {0};
    struct iteration_info info;
    (void)state;
    case_open(&c);
    for (unsigned round = 0; round < 3; round++) {
        struct iteration *iteration =
            open_limited(&c, "a", &stops, 0, ON_FULL_STOP, 10);
        /* One that had reached it before the restart ends at once. */
        assert_int_equal(stops.count, round > 1 ? 2 : 0);
        for (uint32_t n = 0; n < 7; n++)
            assert_int_equal(case_line(iteration, 1, n, START), 0);
        iteration_commit(iteration, START);
        assert_int_equal(stops.count, round);
        iteration_info(iteration, &info);
        assert_int_equal(info.entries, round ? 10 : 7);
        assert_int_equal(info.dropped, 0);
        iteration_unref(iteration);
        case_reopen(&c);
    }
    assert_int_equal(stops.why, 0);
    case_close(&c);
}

static void test_a_spec_in_force_changes_the_limit(void **state)
{
    struct store_case c;
    struct stops stops = {0};
    (void)state;
    case_open(&c);
    struct iteration *iteration = open_limited(&c, "a", &stops, MIB, ON_FULL_STOP, 0);
    struct iteration_options options = {
        .max_size = 3 * MIB, .kfl = "dns", .spec = "kfl: dns", .keep = 5 * NS_PER_S};
    for (uint64_t n = 1; n <= 900; n++)
        case_add(&c, iteration, n, START, 1, 1, 1000);
    iteration_update(iteration, &options);
    for (uint64_t n = 901; n <= 2000; n++)
        case_add(&c, iteration, n, START, 1, 1, 1000);
    assert_int_equal(stops.count, 0);
    struct buf text = {0};
    assert_int_equal(store_manifest(c.store, "a", iteration, &text), 0);
    assert_non_null(strstr(text.data, "\"kfl\": \"dns\""));
    buf_fini(&text);
    case_end(&c, iteration);
    case_close(&c);
}

/* The same store on a disk of its own; false: that is not allowed here. */
static bool open_small_disk(struct store_case *c, const char *options)
{
    case_open(c);
    store_close(c->store);
    c->store = NULL;
    /* In a namespace of its own it goes with the process, whatever fails. */
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("test", c->path, "tmpfs", 0, options) < 0) {
        case_close(c);
        return false;
    }
    case_reopen(c);
    return true;
}

static void close_small_disk(struct store_case *c)
{
    store_close(c->store);
    c->store = NULL;
    assert_int_equal(umount(c->path), 0);
    case_close(c);
}

/* The filesystem itself has no room, long before the limits. */
static void test_the_disk_is_full(void **state)
{
    struct store_case c;
    struct iteration_info info;
    struct buf file = {0};
    struct err err;
    (void)state;
    for (int policy = 0; policy < 2; policy++) {
        struct stops stops = {0};
        enum on_full on_full = policy ? ON_FULL_DROP_OLDEST : ON_FULL_STOP;
        if (!open_small_disk(&c, "size=3m"))
            skip();
        struct iteration *iteration =
            open_limited(&c, "a", &stops, 8 * MIB, on_full, 0);
        for (uint64_t n = 1; n <= 9000; n++) {
            assert_int_equal(case_add(&c, iteration, n, START + (int64_t)n, 1, 1, 1000),
                             0);
            if (n % 100 == 0)
                iteration_commit(iteration, START);
        }
        assert_int_equal(stops.count, policy ? 0 : 1);
        assert_int_equal(stops.why, policy ? 0 : -ENOSPC);
        iteration_commit(iteration, START);
        iteration_info(iteration, &info);
        assert_int_equal(info.packets + info.dropped, 9000);
        assert_true(info.disk_bytes >= 1 * MIB);
        case_pcap(&file, iteration);
        assert_int_equal(case_count(&file), info.packets);
        assert_int_equal(iteration_end(iteration, "full", START, &err), 0);
        iteration_unref(iteration);
        check_usage(&c);
        case_reopen(&c);
        check_usage(&c);
        struct recording_info again;
        assert_int_equal(store_info(c.store, "a", &again), 0);
        assert_int_equal(again.packets, info.packets);
        close_small_disk(&c);
    }
    buf_fini(&file);
}

/* All that is left of the disk but a few bytes. */
static void fill_disk(const struct store_case *c, unsigned leave)
{
    char path[100];
    static const char zeros[4096];
    snprintf(path, sizeof(path), "%s/filler", c->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    off_t size = 0;
    ssize_t got;
    while ((got = write(fd, zeros, sizeof(zeros))) > 0)
        size += got;
    assert_int_equal(ftruncate(fd, size - (off_t)leave), 0);
    close(fd);
}

/* Who recorded may be gone when the store is closed. */
static void test_nobody_is_told_of_a_disk_that_fills_at_the_end(void **state)
{
    struct store_case c;
    struct stops stops = {0};
    (void)state;
    if (!open_small_disk(&c, "size=3m"))
        skip();
    struct iteration *iteration = open_limited(&c, "a", &stops, 0, ON_FULL_STOP, 0);
    for (uint64_t n = 1; n <= 100; n++)
        case_add(&c, iteration, n, START + (int64_t)n, 1, 1, 1000);
    fill_disk(&c, 0);
    iteration_unref(iteration);
    store_close(c.store);
    c.store = NULL;
    assert_int_equal(stops.count, 0);
    close_small_disk(&c);
}

/* A segment whose first bytes found no room is as good as any once there is some. */
static void test_a_segment_that_began_on_a_full_disk(void **state)
{
    struct store_case c;
    struct stops stops = {0};
    struct recording_info info;
    char file[200];
    uint32_t magic = 0;
    (void)state;
    if (!open_small_disk(&c, "size=6m"))
        skip();
    struct iteration *iteration =
        open_limited(&c, "a", &stops, 16 * MIB, ON_FULL_DROP_OLDEST, 0);
    uint64_t n = 0;
    while (n < 2500)
        n++, case_add(&c, iteration, n, START + (int64_t)n, 1, 1, 1000);
    iteration_commit(iteration, START);
    /* Another link type needs another segment. There is room for its log. */
    fill_disk(&c, 4096);
    n++, case_add(&c, iteration, n, START + (int64_t)n, 1, 101, 1000);
    assert_int_equal(iteration_commit(iteration, START), -ENOSPC);
    for (unsigned i = 0; i < 10; i++)
        n++, case_add(&c, iteration, n, START + (int64_t)n, 1, 101, 1000);
    assert_int_equal(iteration_commit(iteration, START), 0);
    assert_int_equal(stops.count, 0);
    snprintf(file, sizeof(file), "%s/recordings/a/2025-10-09T08-53-20Z/000003.pcap",
             c.path);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, &magic, sizeof(magic)), sizeof(magic));
    close(fd);
    assert_int_equal(magic, 0xa1b23c4d);
    /* And one without even that. */
    fill_disk(&c, 0);
    n++, case_add(&c, iteration, n, START + (int64_t)n, 1, 113, 1000);
    n++, case_add(&c, iteration, n, START + (int64_t)n, 1, 113, 1000);
    assert_int_equal(iteration_commit(iteration, START), 0);
    assert_int_equal(stops.count, 0);
    assert_int_equal(store_info(c.store, "a", &info), 0);
    uint64_t packets = info.packets;
    iteration_unref(iteration);
    case_reopen(&c);
    assert_int_equal(store_info(c.store, "a", &info), 0);
    assert_int_equal(info.packets, packets);
    close_small_disk(&c);
}

/* What must be written finds room on a full disk, more than once and by several. */
static void test_a_reserve_pays_for_states(void **state)
{
    struct store_case c;
    char path[100];
    (void)state;
    if (!open_small_disk(&c, "size=3m"))
        skip();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5; i++) {
            fill_disk(&c, 0);
            assert_int_equal(store_replace_file(c.store, "state", "words", 5), 0);
        }
        snprintf(path, sizeof(path), "%s/filler", c.path);
        assert_int_equal(unlink(path), 0);
        store_expire(c.store, START + round * 60 * NS_PER_S);
    }
    close_small_disk(&c);
}

static void test_live_traffic_is_forgotten_in_time(void **state)
{
    struct store_case c;
    struct store_usage usage;
    struct buf file = {0};
    (void)state;
    case_open(&c);
    struct iteration *packets = store_live_packets(c.store);
    struct iteration *entries = store_live_entries(c.store);
    for (int64_t s = 0; s < 60; s++) {
        c.clock.at = START + s * NS_PER_S;
        case_add(&c, packets, (uint64_t)s + 1, c.clock.at, 1, 1, 100);
        case_line(entries, 1, (uint32_t)s, c.clock.at);
        iteration_commit(packets, c.clock.at);
        iteration_commit(entries, c.clock.at);
    }
    struct snapshot *snapshot = snapshot_take(packets);
    case_pcap(&file, packets);
    size_t count = case_count(&file);
    assert_in_range(count, 10, 13);
    case_lines(&file, entries, "");
    assert_non_null(strstr(file.data, "000000000001-0\""));
    store_usage(c.store, &usage);
    assert_int_equal(usage.bytes, 0);
    assert_int_equal(usage.live_since, START);
    for (int64_t s = 60; s < 400; s += 60) {
        c.clock.at = START + s * NS_PER_S;
        iteration_commit(packets, c.clock.at);
        iteration_commit(entries, c.clock.at);
    }
    store_usage(c.store, &usage);
    assert_int_equal(usage.live_packet_bytes, 0);
    case_pcap(&file, packets);
    assert_int_equal(case_count(&file), 0);
    /* Whoever took a snapshot still has them. */
    struct pcap_view *view;
    assert_int_equal(pcap_view_open(&view, &snapshot, 1, NULL, 0), 0);
    case_read_pcap(&file, view, 100);
    assert_int_equal(case_count(&file), count);
    pcap_view_close(view);
    snapshot_unref(snapshot);
    buf_fini(&file);
    case_close(&c);
}

static void test_live_traffic_has_a_limit(void **state)
{
    struct store_case c;
    struct store_usage usage;
    (void)state;
    case_open(&c);
    struct iteration *packets = store_live_packets(c.store);
    struct iteration *entries = store_live_entries(c.store);
    for (uint64_t n = 1; n <= 100000; n++) {
        case_add(&c, packets, n, START, 1, n % 2 ? 1 : 113, 1000);
        case_line(entries, n, 0, START);
        if (n % 1000 == 0) {
            iteration_commit(packets, START);
            iteration_commit(entries, START);
            store_usage(c.store, &usage);
            assert_true(usage.live_packet_bytes <= 32 * MIB);
            assert_true(usage.live_entry_bytes <= 32 * MIB);
            /* What is dropped is let go. */
            assert_true(c.pool.bytes <= 64 * MIB);
        }
    }
    assert_true(usage.live_packet_bytes >= 24 * MIB);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_recording_stops_and_stays),
        cmocka_unit_test(test_the_store_is_full_before_the_recording),
        cmocka_unit_test(test_the_oldest_is_dropped),
        cmocka_unit_test(test_a_limit_of_entries_ends_it),
        cmocka_unit_test(test_a_spec_in_force_changes_the_limit),
        cmocka_unit_test(test_the_disk_is_full),
        cmocka_unit_test(test_nobody_is_told_of_a_disk_that_fills_at_the_end),
        cmocka_unit_test(test_a_segment_that_began_on_a_full_disk),
        cmocka_unit_test(test_a_reserve_pays_for_states),
        cmocka_unit_test(test_live_traffic_is_forgotten_in_time),
        cmocka_unit_test(test_live_traffic_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
