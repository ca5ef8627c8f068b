/* After a crash: whatever is torn, what was committed before it is there, and the files
 * are valid. */
#include "tests/unit/capture/store_case.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FOLDER "recordings/a/2025-10-09T08-53-20Z"

/* Runs `record` in a process that ends without closing the store. */
static void crash(struct store_case *c, void (*record)(struct store_case *c))
{
    int status;
    store_close(c->store);
    c->store = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct err err;
        if (store_open(&c->store, &c->options, &err) == 0)
            record(c);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void read_file(struct store_case *c, const char *name, struct buf *out)
{
    char path[200];
    buf_clear(out);
    snprintf(path, sizeof(path), "%s/%s/%s", c->path, FOLDER, name);
    int result = sys_read_file(AT_FDCWD, path, 100 * MIB, out);
    if (result < 0)
        fail_msg("%s: %s", path, strerror(-result));
}

static void write_file(struct store_case *c, const char *name, const void *bytes,
                       size_t size)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", c->path, FOLDER);
    assert_int_equal(sys_make_dirs(AT_FDCWD, path), 0);
    snprintf(path, sizeof(path), "%s/%s/%s", c->path, FOLDER, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(sys_write_all(fd, bytes, size), 0);
    close(fd);
}

static void close_store(struct store_case *c)
{
    store_close(c->store);
    c->store = NULL;
}

/* What a crashed daemon left, to be put there again with damage. */
enum { LOG, PCAP, JSONL, MANIFEST, FILES };
static const char *const names[FILES] = {"000001.log", "000001.pcap", "000001.jsonl",
                                         "manifest.json"};
struct remains {
    struct buf files[FILES];
};

static void remains_take(struct store_case *c, struct remains *remains)
{
    for (unsigned i = 0; i < FILES; i++)
        read_file(c, names[i], &remains->files[i]);
}

static void remains_put(struct store_case *c, const struct remains *remains)
{
    char path[200];
    close_store(c);
    snprintf(path, sizeof(path), "%s/recordings/a", c->path);
    assert_int_equal(sys_remove_tree(AT_FDCWD, path), 0);
    for (unsigned i = 0; i < FILES; i++)
        write_file(c, names[i], remains->files[i].data, remains->files[i].len);
}

static void remains_fini(struct remains *remains)
{
    for (unsigned i = 0; i < FILES; i++)
        buf_fini(&remains->files[i]);
}

#define PAIRS 5

/* Packets and lines by turns. */
static void record_pairs(struct store_case *c)
{
    struct iteration *iteration = case_iteration(c, "a", START);
    for (uint64_t n = 1; n <= PAIRS; n++) {
        case_add(c, iteration, n, START + (int64_t)n, n, 1, (uint32_t)n * 7);
        case_line(iteration, n, 3, START + (int64_t)n);
    }
    iteration_commit(iteration, START);
}

/* Reads all there is; how many packets and lines, which must be a prefix of what was
 * recorded. */
static void check_prefix(struct store_case *c, const struct remains *whole,
                         uint64_t *packets, uint64_t *lines)
{
    struct buf file = {0};
    struct iteration *iteration = store_iteration(c->store, "a", 0);
    struct iteration_info info;
    assert_non_null(iteration);
    iteration_info(iteration, &info);
    case_pcap(&file, iteration);
    *packets = case_count(&file);
    assert_true(file.len <= whole->files[PCAP].len || *packets == 0);
    if (*packets > 0)
        assert_memory_equal(file.data, whole->files[PCAP].data, file.len);
    struct snapshot *snapshot = snapshot_take(iteration);
    struct entry_cursor *cursor = entry_cursor_open(snapshot, 0);
    struct line line;
    const char *text = whole->files[JSONL].data;
    for (*lines = 0; entry_cursor_next(cursor, &line) == 1; ++*lines) {
        assert_memory_equal(line.text, text, line.len);
        text += line.len + 1;
    }
    entry_cursor_close(cursor);
    snapshot_unref(snapshot);
    assert_int_equal(info.packets, *packets);
    assert_int_equal(info.entries, *lines);
    case_lines(&file, iteration, "a");
    assert_int_equal(file.len, info.entry_bytes);
    iteration_unref(iteration);
    buf_fini(&file);
}

static void test_a_torn_log_keeps_what_it_commits(void **state)
{
    struct store_case c;
    struct remains remains = {0};
    uint64_t packets, lines;
    (void)state;
    case_open(&c);
    crash(&c, record_pairs);
    remains_take(&c, &remains);
    size_t whole = remains.files[LOG].len;
    assert_int_equal(whole, 16 + 40 * 2 * PAIRS);
    for (size_t len = 0; len <= whole; len++) {
        remains.files[LOG].len = len;
        remains_put(&c, &remains);
        case_reopen(&c);
        check_prefix(&c, &remains, &packets, &lines);
        /* Without its header there is no log, and all that is in the files counts. */
        size_t records = len < 16 ? 2 * PAIRS : (len - 16) / 40;
        assert_int_equal(packets, (records + 1) / 2);
        assert_int_equal(lines, records / 2);
        /* What was cut is cut for good: the next start finds nothing to do. */
        case_reopen(&c);
        check_prefix(&c, &remains, &packets, &lines);
        assert_int_equal(packets + lines, records);
    }
    remains_fini(&remains);
    case_close(&c);
}

static void test_torn_data_ends_what_is_committed(void **state)
{
    struct store_case c;
    struct remains remains = {0};
    uint64_t packets, lines;
    (void)state;
    case_open(&c);
    crash(&c, record_pairs);
    remains_take(&c, &remains);
    for (unsigned file = PCAP; file <= JSONL; file++) {
        size_t whole = remains.files[file].len;
        uint64_t last = 0;
        for (size_t len = 0; len <= whole; len++) {
            remains.files[file].len = len;
            remains_put(&c, &remains);
            case_reopen(&c);
            remains.files[file].len = whole;
            check_prefix(&c, &remains, &packets, &lines);
            assert_true(packets + lines >= last);
            last = packets + lines;
        }
        assert_int_equal(last, 2 * PAIRS);
    }
    remains_fini(&remains);
    case_close(&c);
}

static void test_no_changed_byte_is_believed(void **state)
{
    struct store_case c;
    struct remains remains = {0};
    uint64_t packets, lines;
    (void)state;
    case_open(&c);
    crash(&c, record_pairs);
    remains_take(&c, &remains);
    for (unsigned file = LOG; file <= JSONL; file++) {
        for (size_t i = file == LOG ? 16 : 24; i < remains.files[file].len; i += 3) {
            struct iteration_info info;
            remains.files[file].data[i] ^= 0x10;
            remains_put(&c, &remains);
            remains.files[file].data[i] ^= 0x10;
            case_reopen(&c);
            check_prefix(&c, &remains, &packets, &lines);
            assert_true(packets + lines < 2 * PAIRS);
            struct iteration *iteration = store_iteration(c.store, "a", 0);
            struct buf text = {0};
            iteration_info(iteration, &info);
            assert_int_equal(store_manifest(c.store, "a", iteration, &text), 0);
            assert_null(strstr(text.data, "\"log_records_cut\": 0"));
            buf_fini(&text);
            iteration_unref(iteration);
        }
    }
    remains_fini(&remains);
    case_close(&c);
}

static void test_a_lost_log_costs_numbers_only(void **state)
{
    struct store_case c;
    struct remains remains = {0};
    uint64_t packets, lines;
    char path[200];
    struct line line;
    (void)state;
    case_open(&c);
    crash(&c, record_pairs);
    remains_take(&c, &remains);
    snprintf(path, sizeof(path), "%s/%s/%s", c.path, FOLDER, names[LOG]);
    assert_int_equal(unlink(path), 0);
    case_reopen(&c);
    check_prefix(&c, &remains, &packets, &lines);
    assert_int_equal(packets, PAIRS);
    assert_int_equal(lines, PAIRS);
    struct iteration *iteration = store_iteration(c.store, "a", 0);
    struct snapshot *snapshot = snapshot_take(iteration);
    struct entry_cursor *cursor = entry_cursor_open(snapshot, 0);
    assert_int_equal(entry_cursor_next(cursor, &line), 1);
    assert_int_equal(line.stream, 0);
    entry_cursor_close(cursor);
    snapshot_unref(snapshot);
    iteration_unref(iteration);
    remains_fini(&remains);
    case_close(&c);
}

static void record_and_seal(struct store_case *c)
{
    struct err err;
    struct iteration *iteration = case_iteration(c, "a", START);
    for (uint64_t n = 1; n <= 100; n++)
        case_add(c, iteration, n, START + (int64_t)n, n, 1, 100);
    iteration_end(iteration, "finished", START, &err);
}

static void test_a_lost_manifest_costs_no_data(void **state)
{
    struct store_case c;
    char path[200];
    struct recording_info info;
    (void)state;
    case_open(&c);
    crash(&c, record_and_seal);
    snprintf(path, sizeof(path), "%s/%s/manifest.json", c.path, FOLDER);
    assert_int_equal(truncate(path, 30), 0);
    case_reopen(&c);
    assert_int_equal(store_info(c.store, "a", &info), 0);
    assert_int_equal(info.packets, 100);
    assert_int_equal(info.streams, 100);
    struct iteration *iteration = case_iteration(&c, "a", START);
    case_add(&c, iteration, 101, START, 1, 1, 100);
    case_end(&c, iteration);
    assert_int_equal(store_info(c.store, "a", &info), 0);
    assert_int_equal(info.packets, 101);
    case_close(&c);
}

/* What the child says it has committed. */
struct report {
    uint64_t packets, entries;
};

static void record_until_killed(struct store_case *c, int to)
{
    struct iteration *iteration;
    struct err err;
    /* Segments roll, and the oldest never go. */
    struct iteration_options options = {.name = "a",
                                        .start = START,
                                        .max_size = 400 * MIB,
                                        .on_full = ON_FULL_DROP_OLDEST};
    c->options.storage_limit = 16 * 1024 * MIB;
    c->options.sync = 0;
    if (store_open(&c->store, &c->options, &err) < 0 ||
        iteration_open(&iteration, c->store, &options, &err) < 0)
        _exit(1);
    options.max_size = 8 * MIB;
    iteration_update(iteration, &options);
    struct report report = {0};
    for (uint64_t n = 1;; n++) {
        if (case_add(c, iteration, n, START + (int64_t)n, n % 50, 1,
                     (uint32_t)(n % 1500)) < 0 ||
            case_line(iteration, n % 50, (uint32_t)n, START + (int64_t)n) < 0)
            _exit(1);
        if (n % 37 == 0) {
            struct iteration_info info;
            if (iteration_commit(iteration, START) < 0)
                _exit(1);
            iteration_info(iteration, &info);
            report.packets = report.entries = n;
            if (sys_write_all(to, &report, sizeof(report)) < 0)
                _exit(1);
        }
    }
}

static void test_what_was_committed_survives_kill_9(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        struct store_case c;
        struct report report = {0}, next;
        struct iteration_info info;
        int ends[2], status;
        case_open(&c);
        close_store(&c);
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            record_until_killed(&c, ends[1]);
        }
        close(ends[1]);
        unsigned reports = 0;
        while (reports < 5 + round * 13 &&
               read(ends[0], &next, sizeof(next)) == sizeof(next)) {
            report = next;
            reports++;
        }
        assert_int_equal(reports, 5 + round * 13);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        while (read(ends[0], &next, sizeof(next)) == sizeof(next))
            report = next;
        close(ends[0]);
        case_reopen(&c);
        struct iteration *iteration = store_iteration(c.store, "a", 0);
        struct buf file = {0};
        iteration_info(iteration, &info);
        /* What was dropped for room is counted, not lost. */
        assert_true(info.packets + info.entries + info.dropped >=
                    report.packets + report.entries);
        case_pcap(&file, iteration);
        assert_int_equal(case_count(&file), info.packets);
        struct file_packet packet;
        size_t at = 0;
        int64_t number = 0;
        while (case_next(&packet, &file, &at)) {
            assert_true(number == 0 || packet.at == START + number + 1);
            number = packet.at - START;
            assert_int_equal(packet.caplen, number % 1500);
        }
        assert_true(number >= (int64_t)report.packets);
        case_lines(&file, iteration, "a");
        assert_int_equal(file.len, info.entry_bytes);
        iteration_unref(iteration);
        buf_fini(&file);
        case_close(&c);
    }
}

#define RECORDINGS 10
#define ITERATIONS 30

static void remove_until_killed(struct store_case *c, int to)
{
    struct err err = {0};
    char name[8];
    if (store_open(&c->store, &c->options, &err) < 0)
        _exit(1);
    for (unsigned i = 0; i < RECORDINGS * ITERATIONS; i++) {
        snprintf(name, sizeof(name), "r%u", i % RECORDINGS);
        case_end(c, case_iteration(c, name, START + i * NS_PER_S));
    }
    for (unsigned i = 0; i < RECORDINGS; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        if (sys_write_all(to, name, 1) < 0 || store_remove(c->store, name, &err) < 0)
            _exit(1);
    }
    for (;;)
        pause();
}

/* A recording is there or it is not, wherever its removal was interrupted. */
static void test_a_removal_is_whole(void **state)
{
    (void)state;
    for (unsigned round = 1; round < RECORDINGS; round++) {
        struct store_case c;
        int ends[2];
        char byte;
        case_open(&c);
        close_store(&c);
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            remove_until_killed(&c, ends[1]);
        for (unsigned i = 0; i < round; i++)
            assert_int_equal(read(ends[0], &byte, 1), 1);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(ends[0]);
        close(ends[1]);
        case_reopen(&c);
        char *left = store_list(c.store);
        for (const char *name = left; *name; name += strlen(name) + 1) {
            struct recording_info info;
            assert_int_equal(store_info(c.store, name, &info), 0);
            assert_int_equal(info.iterations, ITERATIONS);
        }
        free(left);
        case_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_torn_log_keeps_what_it_commits),
        cmocka_unit_test(test_torn_data_ends_what_is_committed),
        cmocka_unit_test(test_no_changed_byte_is_believed),
        cmocka_unit_test(test_a_lost_log_costs_numbers_only),
        cmocka_unit_test(test_a_lost_manifest_costs_no_data),
        cmocka_unit_test(test_what_was_committed_survives_kill_9),
        cmocka_unit_test(test_a_removal_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
