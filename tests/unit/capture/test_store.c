/* Recording and reading back: what was committed is seen, in order, and stays. */
#include "tests/unit/capture/store_case.h"

#include <errno.h>
#include <sys/stat.h>

static void test_committed_is_seen_and_the_rest_not_yet(void **state)
{
    struct store_case c;
    struct buf file = {0};
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    for (uint64_t n = 1; n <= 10; n++)
        assert_int_equal(case_add(&c, iteration, n, START + (int64_t)n, 1, 1, 100), 0);
    assert_int_equal(case_line(iteration, 1, 0, START + 5), 0);
    case_pcap(&file, iteration);
    assert_int_equal(case_count(&file), 0);
    assert_int_equal(iteration_commit(iteration, START), 0);
    assert_int_equal(case_add(&c, iteration, 11, START + 11, 1, 1, 100), 0);
    case_pcap(&file, iteration);
    assert_int_equal(case_count(&file), 10);
    case_lines(&file, iteration, "a");
    assert_string_equal(file.data,
                        "{\"id\":\"000000000001-0\",\"at\":1760000000000000005,"
                        "\"record\":\"a\"}\n");
    case_end(&c, iteration);
    buf_fini(&file);
    case_close(&c);
}

static void check_info(struct store *store, const char *name, uint64_t packets,
                       uint64_t entries, uint64_t streams)
{
    struct recording_info info;
    assert_int_equal(store_info(store, name, &info), 0);
    assert_int_equal(info.packets, packets);
    assert_int_equal(info.entries, entries);
    assert_int_equal(info.streams, streams);
}

static void test_all_is_there_after_a_restart(void **state)
{
    struct store_case c;
    struct buf before = {0}, after = {0};
    struct iteration_info info, again;
    struct stat st;
    char path[200];
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    for (uint64_t n = 1; n <= 300; n++) {
        case_add(&c, iteration, n, START + (int64_t)n, n % 7, 1, (uint32_t)n);
        case_line(iteration, n % 7, (uint32_t)n, START + (int64_t)n);
    }
    iteration_count_loss(iteration, "before_lost", 4);
    iteration_count_loss(iteration, "memory", 2);
    case_end(&c, iteration);
    iteration = store_iteration(c.store, "a", 0);
    case_pcap(&before, iteration);
    iteration_info(iteration, &info);
    iteration_unref(iteration);
    check_info(c.store, "a", 300, 300, 7);
    assert_int_equal(info.before_lost, 4);
    assert_int_equal(info.dropped, 2);

    case_reopen(&c);
    check_info(c.store, "a", 300, 300, 7);
    iteration = store_iteration(c.store, "a", 0);
    case_pcap(&after, iteration);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    iteration_info(iteration, &again);
    assert_int_equal(info.bytes, again.bytes);
    assert_int_equal(info.entry_bytes, again.entry_bytes);
    assert_int_equal(info.before_lost, again.before_lost);
    assert_int_equal(info.dropped, again.dropped);
    assert_int_equal(info.disk_bytes, again.disk_bytes);
    assert_int_equal(info.last_at, again.last_at);
    iteration_unref(iteration);

    snprintf(path, sizeof(path), "%s/recordings/a/2025-10-09T08-53-20Z", c.path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    snprintf(path, sizeof(path), "%s/recordings/a/2025-10-09T08-53-20Z/000001.pcap",
             c.path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    buf_fini(&before);
    buf_fini(&after);
    case_close(&c);
}

static void test_an_unfinished_iteration_is_gone_on_with(void **state)
{
    struct store_case c;
    struct buf file = {0};
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    case_add(&c, iteration, 1, START + 1, 1, 1, 60);
    case_line(iteration, 1, 0, START + 1);
    iteration_commit(iteration, START);
    iteration_unref(iteration);
    case_reopen(&c);
    c.clock.at = START + 10 * NS_PER_S;
    iteration = case_iteration(&c, "a", START);
    case_add(&c, iteration, 2, START + 2, 1, 1, 60);
    case_add(&c, iteration, 3, START + 3, 3, 1, 60);
    case_end(&c, iteration);
    check_info(c.store, "a", 3, 1, 2);
    assert_null(store_iteration(c.store, "a", 1));
    assert_int_equal(store_manifest(c.store, "a", NULL, &file), 0);
    assert_non_null(strstr(file.data, "\"to\": \"2025-10-09T08:53:30Z\""));
    assert_non_null(strstr(file.data, "\"state\": \"finished\""));
    buf_fini(&file);
    case_close(&c);
}

static void test_a_second_daemon_is_refused(void **state)
{
    struct store_case c;
    struct store *second;
    struct err err = {0};
    (void)state;
    case_open(&c);
    assert_int_equal(store_open(&second, &c.options, &err), -EBUSY);
    assert_non_null(strstr(err.msg, "in use"));
    case_close(&c);
}

static void test_numbers_are_never_given_twice(void **state)
{
    struct store_case c;
    struct err err;
    uint64_t first, next = 0;
    char path[100];
    (void)state;
    case_open(&c);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(store_reserve_numbers(c.store, 1000, &first, &err), 0);
        assert_true(first > next);
        next = first + 999;
        if (i % 2)
            case_reopen(&c);
    }
    struct iteration *iteration = case_iteration(&c, "a", START);
    case_add(&c, iteration, next, START, next, 1, 60);
    case_end(&c, iteration);
    store_close(c.store);
    c.store = NULL;
    snprintf(path, sizeof(path), "%s/number", c.path);
    assert_int_equal(truncate(path, 0), 0);
    case_reopen(&c);
    assert_int_equal(store_reserve_numbers(c.store, 1, &first, &err), 0);
    assert_true(first > next);
    case_close(&c);
}

static void test_names_are_listed_and_refused(void **state)
{
    struct store_case c;
    struct err err;
    (void)state;
    case_open(&c);
    assert_int_equal(store_create(c.store, "b", &err), 0);
    assert_int_equal(store_create(c.store, "a", &err), 0);
    assert_int_equal(store_create(c.store, "a", &err), 0);
    assert_int_equal(store_create(c.store, "../a", &err), -EINVAL);
    assert_int_equal(store_create(c.store, ".a", &err), -EINVAL);
    assert_int_equal(store_create(c.store, "", &err), -EINVAL);
    case_reopen(&c);
    char *names = store_list(c.store);
    assert_memory_equal(names, "a\0b\0", 5);
    free(names);
    case_close(&c);
}

static void test_a_snapshot_outlives_removal(void **state)
{
    struct store_case c;
    struct buf file = {0}, again = {0};
    struct err err;
    struct store_usage usage;
    struct pcap_view *view;
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    for (uint64_t n = 1; n <= 1000; n++)
        case_add(&c, iteration, n, START + (int64_t)n, n, 1, 500);
    case_line(iteration, 1, 1, START);
    iteration_commit(iteration, START);
    assert_int_equal(store_remove(c.store, "a", &err), -EBUSY);
    case_pcap(&file, iteration);
    struct snapshot *snapshot = snapshot_take(iteration);
    case_end(&c, iteration);
    assert_int_equal(store_remove(c.store, "a", &err), 0);
    assert_int_equal(store_remove(c.store, "a", &err), -ENOENT);
    assert_int_equal(store_create(c.store, "a", &err), 0);
    store_usage(c.store, &usage);
    assert_int_equal(usage.bytes, 0);
    assert_int_equal(pcap_view_open(&view, &snapshot, 1, NULL, 0), 0);
    snapshot_unref(snapshot);
    case_read_pcap(&again, view, 5000);
    assert_int_equal(file.len, again.len);
    assert_memory_equal(file.data, again.data, file.len);
    pcap_view_close(view);
    char trash[100];
    snprintf(trash, sizeof(trash), "%s/trash", c.path);
    assert_int_equal(rmdir(trash), 0);
    buf_fini(&file);
    buf_fini(&again);
    case_close(&c);
}

static void test_a_recording_gets_another_name(void **state)
{
    struct store_case c;
    struct err err;
    struct buf lines = {0};
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    case_line(iteration, 1, 0, START);
    assert_int_equal(store_rename(c.store, "a", "b", &err), -EBUSY);
    iteration_commit(iteration, START);
    struct snapshot *snapshot = snapshot_take(iteration);
    case_end(&c, iteration);
    assert_int_equal(store_create(c.store, "c", &err), 0);
    assert_int_equal(store_rename(c.store, "a", "c", &err), -EEXIST);
    assert_int_equal(store_rename(c.store, "a", "x/y", &err), -EINVAL);
    assert_int_equal(store_rename(c.store, "a", "b", &err), 0);
    assert_int_equal(store_rename(c.store, "a", "d", &err), -ENOENT);
    struct entry_cursor *cursor = entry_cursor_open(snapshot, 0);
    struct line line;
    assert_int_equal(entry_cursor_next(cursor, &line), 1);
    entry_cursor_close(cursor);
    snapshot_unref(snapshot);
    case_reopen(&c);
    iteration = store_iteration(c.store, "b", 0);
    assert_non_null(iteration);
    case_lines(&lines, iteration, "b");
    assert_non_null(strstr(lines.data, "\"record\":\"b\"}\n"));
    struct iteration_info info;
    iteration_info(iteration, &info);
    assert_int_equal(info.entry_bytes, lines.len);
    iteration_unref(iteration);
    buf_fini(&lines);
    case_close(&c);
}

static void test_iterations_expire_one_by_one(void **state)
{
    struct store_case c;
    struct recording_info info;
    struct err err;
    (void)state;
    case_open(&c);
    for (int64_t day = 0; day < 2; day++) {
        struct iteration_options options = {.name = "a",
                                            .start = START + day * 100 * NS_PER_S,
                                            .keep = 1000 * NS_PER_S};
        struct iteration *iteration;
        assert_int_equal(iteration_open(&iteration, c.store, &options, &err), 0);
        case_line(iteration, 1, 0, options.start);
        assert_int_equal(store_info(c.store, "a", &info), 0);
        assert_int_equal(info.expires_at, 0);
        assert_int_equal(
            iteration_end(iteration, "finished", options.start + 50 * NS_PER_S, &err),
            0);
        iteration_unref(iteration);
    }
    assert_int_equal(store_info(c.store, "a", &info), 0);
    assert_int_equal(info.expires_at, START + 1150 * NS_PER_S);
    assert_int_equal(store_expire(c.store, START + 1049 * NS_PER_S),
                     START + 1050 * NS_PER_S);
    assert_int_equal(store_expire(c.store, START + 1050 * NS_PER_S),
                     START + 1150 * NS_PER_S);
    assert_int_equal(store_info(c.store, "a", &info), 0);
    assert_int_equal(info.iterations, 1);
    assert_int_equal(store_set_expiry(c.store, "a", INT64_MAX, &err), 0);
    case_reopen(&c);
    assert_int_equal(store_expire(c.store, START + 5000 * NS_PER_S), INT64_MAX);
    assert_int_equal(store_set_expiry(c.store, "a", START + 6000 * NS_PER_S, &err), 0);
    assert_int_equal(store_expire(c.store, START + 5999 * NS_PER_S),
                     START + 6000 * NS_PER_S);
    assert_int_equal(store_expire(c.store, START + 6000 * NS_PER_S), INT64_MAX);
    assert_int_equal(store_info(c.store, "a", &info), -ENOENT);
    case_close(&c);
}

static void test_what_is_recorded_does_not_expire(void **state)
{
    struct store_case c;
    struct recording_info info;
    struct err err;
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    assert_int_equal(store_set_expiry(c.store, "a", START + 1, &err), 0);
    assert_int_equal(store_expire(c.store, START + NS_PER_S), INT64_MAX);
    assert_int_equal(store_info(c.store, "a", &info), 0);
    case_end(&c, iteration);
    store_expire(c.store, START + NS_PER_S);
    assert_int_equal(store_info(c.store, "a", &info), -ENOENT);
    case_close(&c);
}

static void test_bad_input_is_refused_and_counted(void **state)
{
    struct store_case c;
    struct iteration_info info;
    struct buf file = {0};
    (void)state;
    case_open(&c);
    struct iteration *iteration = case_iteration(&c, "a", START);
    assert_int_equal(iteration_add_entry(iteration, "{}", 2, 1, STREAM_TCP, 0, START),
                     -EINVAL);
    assert_int_equal(iteration_add_entry(iteration, "[1]", 3, 1, STREAM_TCP, 0, START),
                     -EINVAL);
    assert_int_equal(case_add(&c, iteration, 1, -5, 1, 1, 60), -EINVAL);
    assert_int_equal(case_add(&c, iteration, 1, START, 1, 1, 60), 0);
    assert_int_equal(iteration_commit(iteration, START), 0);
    iteration_info(iteration, &info);
    assert_int_equal(info.dropped, 3);
    assert_int_equal(info.packets, 1);
    case_pcap(&file, iteration);
    assert_int_equal(case_count(&file), 1);
    case_end(&c, iteration);
    buf_fini(&file);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_committed_is_seen_and_the_rest_not_yet),
        cmocka_unit_test(test_all_is_there_after_a_restart),
        cmocka_unit_test(test_an_unfinished_iteration_is_gone_on_with),
        cmocka_unit_test(test_a_second_daemon_is_refused),
        cmocka_unit_test(test_numbers_are_never_given_twice),
        cmocka_unit_test(test_names_are_listed_and_refused),
        cmocka_unit_test(test_a_snapshot_outlives_removal),
        cmocka_unit_test(test_a_recording_gets_another_name),
        cmocka_unit_test(test_iterations_expire_one_by_one),
        cmocka_unit_test(test_what_is_recorded_does_not_expire),
        cmocka_unit_test(test_bad_input_is_refused_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
