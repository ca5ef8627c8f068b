/* Jobs over days, restarts, crashes and clocks that jump. */
#include "tests/unit/sched/sched_case.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/store/store.h"
#include "kfl/base/buf.h"
#include "kfl/base/sys.h"

/* A job keeps the saved statement as it was. */
static void test_saved(void **state)
{
    struct world *world = *state;

    world->slow = "elapsedTime > 500";
    make(world, "a", "{kfl: slow and http, daily_iterations: 2, duration: 60}");
    world->slow = NULL;
    halt(world);
    boot(world);
    pass(world, DAY);
    assert_status(world, "a", "state", "recording");
    assert_status(world, "a", "iteration", "2 of 2");
    assert_int_equal(set(world, "a", "slow and dns"), -EINVAL);
}

/* Missed windows are counted and told, also by a clock that steps. */
static void test_missed(void **state)
{
    struct world *world = *state;
    struct buf manifest = {0};

    make(world, "a",
         "{kfl: http, start_time: 08:45, daily_iterations: 0, duration: 60}");
    halt(world);
    world->clock.at = at("2026-11-28T09:00:00Z");
    boot(world);
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "recording");
    assert_status(world, "a", "iteration", "6");
    assert_status(world, "a", "missed", "5");
    assert_status(world, "a", "ends_at", "2026-11-28T09:45:00Z");
    assert_log(world, "a",
               "2026-11-23T00:00:00Z created\n"
               "2026-11-23T00:00:00Z spec accepted: http\n"
               "2026-11-28T09:00:00Z iteration 1 was missed, 2026-11-23T08:45:00Z to "
               "2026-11-23T09:45:00Z\n"
               "2026-11-28T09:00:00Z iteration 2 was missed, 2026-11-24T08:45:00Z to "
               "2026-11-24T09:45:00Z\n"
               "2026-11-28T09:00:00Z iteration 3 was missed, 2026-11-25T08:45:00Z to "
               "2026-11-25T09:45:00Z\n"
               "2026-11-28T09:00:00Z and 2 more were missed\n"
               "2026-11-28T09:00:00Z iteration 6 begins, until 2026-11-28T09:45:00Z\n");
    /* what it missed of its window is in the manifest */
    assert_int_equal(store_manifest(world->store, "a", NULL, &manifest), 0);
    assert_non_null(strstr(manifest.data, "\"from\": \"2026-11-28T08:45:00Z\""));
    assert_non_null(strstr(manifest.data, "\"to\": \"2026-11-28T09:00:00Z\""));
    buf_fini(&manifest);
    /* three hours ahead: it ends; three hours back: the next comes at its time */
    world->clock.at += 3 * HOUR;
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "scheduled");
    world->clock.at -= 3 * HOUR;
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "scheduled");
    assert_status(world, "a", "next_start", "2026-11-29T08:45:00Z");
    /* ahead over a whole window, noticed, and back: it is recorded all the same */
    world->clock.at = at("2026-11-29T10:00:00Z");
    sched_run_due(world->sched);
    assert_status(world, "a", "missed", "6");
    world->clock.at = at("2026-11-29T07:00:00Z");
    pass_until(world, at("2026-11-29T08:50:00Z"));
    assert_status(world, "a", "state", "recording");
    assert_status(world, "a", "missed", "5");
    /* back while it records: it goes on to its end */
    world->clock.at -= 3 * HOUR;
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "recording");
    assert_status(world, "a", "ends_at", "2026-11-29T09:45:00Z");
}

/* What was planned anew while it recorded is not forgotten by a restart. */
static void test_replanned(void **state)
{
    struct world *world = *state;

    make(world, "a", "http");
    pass(world, MINUTE);
    assert_int_equal(set(world, "a", "{kfl: dns, start_time: 08:45}"), 0);
    assert_status(world, "a", "next_start", "2026-11-23T08:45:00Z");
    halt(world);
    boot(world);
    sched_run_due(world->sched);
    assert_status(world, "a", "kfl", "dns");
    assert_status(world, "a", "state", "scheduled");
    assert_status(world, "a", "next_start", "2026-11-23T08:45:00Z");
    assert_int_equal(iterations_of(world, "a"), 1);
}

/* ---- ten days of five jobs, with a restart each day */

static void expect(struct buf *log, int64_t when, const char *words)
{
    char stamp[CLOCK_TEXT];

    buf_addf(log, "%s %s\n", clock_format(stamp, when, 0), words);
}

static void expect_span(struct buf *log, int64_t when, unsigned number,
                        const char *verb, int64_t until)
{
    char stamp[CLOCK_TEXT], words[128];

    snprintf(words, sizeof(words), "iteration %u %s, until %s", number, verb,
             clock_format(stamp, until, 0));
    expect(log, when, words);
}

static void expect_end(struct buf *log, int64_t when, unsigned number, bool holds)
{
    char words[128];

    snprintf(words, sizeof(words), "iteration %u finished", number);
    expect(log, when, words);
    snprintf(words, sizeof(words),
             "iteration %u holds 0 packets of 0 streams, 0 entries", number);
    if (holds)
        expect(log, when, words);
}

static void test_ten_days(void **state)
{
    struct world *world = *state;
    int64_t start = world->clock.at, from, to, down, up;
    struct buf morning = {0}, night = {0}, once = {0}, endless = {0}, whole = {0};

    make(world, "morning",
         "{kfl: http, start_time: 08:45, daily_iterations: 0, duration: 60}");
    make(world, "night",
         "{kfl: dns, start_time: 23:30, daily_iterations: 3, duration: 2h}");
    make(world, "once", "{kfl: redis, duration: 60}");
    make(world, "endless", "{kfl: kafka, duration: 0}");
    make(world, "whole",
         "{kfl: amqp, start_time: 12:00, daily_iterations: 0, duration: 1d}");
    expect(&morning, start, "created\n2026-11-23T00:00:00Z spec accepted: http");
    expect(&night, start, "created\n2026-11-23T00:00:00Z spec accepted: dns");
    expect(&once, start, "created\n2026-11-23T00:00:00Z spec accepted: redis");
    expect(&endless, start, "created\n2026-11-23T00:00:00Z spec accepted: kafka");
    expect(&whole, start, "created\n2026-11-23T00:00:00Z spec accepted: amqp");
    expect_span(&once, start, 1, "begins", start + HOUR);
    expect_end(&once, start + HOUR, 1, true);
    expect(&endless, start, "iteration 1 begins, until stopped");

    for (unsigned day = 0; day < 10; day++) {
        /* Down for ten minutes in the morning's window; on the sixth day over all of
         * it. */
        down = start + day * DAY + (day == 5 ? 8 * HOUR : 9 * HOUR);
        up = down + (day == 5 ? 3 * HOUR : 10 * MINUTE);
        pass_until(world, down);
        halt(world);
        world->clock.at = up;
        boot(world);
        pass_until(world, start + (day + 1) * DAY);

        from = start + day * DAY + 8 * HOUR + 45 * MINUTE;
        to = from + HOUR;
        if (day == 5) {
            expect(
                &morning, up,
                "iteration 6 was missed, 2026-11-28T08:45:00Z to 2026-11-28T09:45:00Z");
        } else {
            expect_span(&morning, from, day + 1, "begins", to);
            expect_span(&morning, up, day + 1, "resumes", to);
            expect_end(&morning, to, day + 1, true);
        }
        from = start + day * DAY + 23 * HOUR + 30 * MINUTE;
        if (day < 3) {
            expect_span(&night, from, day + 1, "begins", from + 2 * HOUR);
            expect_end(&night, from + 2 * HOUR, day + 1, true);
        }
        expect(&endless, up, "iteration 1 resumes, until stopped");
        from = start + day * DAY + 12 * HOUR;
        if (day > 0)
            expect_span(&whole, up, day, "resumes", from);
        if (day > 0)
            expect_end(&whole, from, day, false);
        expect_span(&whole, from, day + 1, "begins", from + DAY);
        if (day > 0) {
            char words[128];

            snprintf(words, sizeof(words),
                     "iteration %u holds 0 packets of 0 streams, 0 entries", day);
            expect(&whole, from, words);
        }
    }
    assert_log(world, "morning", morning.data);
    assert_log(world, "night", night.data);
    assert_log(world, "once", once.data);
    assert_log(world, "endless", endless.data);
    assert_log(world, "whole", whole.data);
    assert_status(world, "morning", "missed", "1");
    assert_status(world, "night", "state", "finished");
    assert_status(world, "once", "state", "finished");
    assert_status(world, "endless", "iteration", "1 of 1");
    assert_status(world, "whole", "iteration", "10");
    assert_int_equal(iterations_of(world, "endless"), 1);
    buf_fini(&morning);
    buf_fini(&night);
    buf_fini(&once);
    buf_fini(&endless);
    buf_fini(&whole);
}

/* The daemon dies, a window's end goes by, and the daemon is back. */
static void test_window_ends_while_down(void **state)
{
    struct world *world = *state;

    make(world, "a", "{kfl: http, duration: 60}");
    add_entry(world, "http");
    halt(world);
    world->clock.at += 3 * HOUR;
    boot(world);
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "finished");
    assert_status(world, "a", "entries", "1");
    assert_status(world, "a", "expires_at", "2026-11-25T01:00:00Z");
    assert_false(sched_is_recording(world->sched, "a"));
    assert_int_equal(store_remove(world->store, "a", NULL), 0);
    assert_status(world, "a", "state", "finished");
    assert_status(world, "a", "entries", "0");
}

static void cut(int dir, const char *path, off_t size)
{
    int fd = openat(dir, path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
}

/* Whatever kill -9 leaves of a job's folder, the other jobs come back. */
static void test_damage(void **state)
{
    struct world *world = *state;
    int dir;

    make(world, "a", "http");
    make(world, "b", "dns");
    make(world, "c", "redis");
    halt(world);
    dir = open(world->path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(sys_make_dirs(dir, "jobs/half"), 0);
    assert_int_equal(sys_make_dirs(dir, "jobs/.x"), 0);
    cut(dir, "jobs/b/state.json", 10);
    cut(dir, "jobs/c/log", 30);
    close(dir);
    boot(world);
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "recording");
    assert_status(world, "b", "state", "waiting");
    assert_status(world, "b", "error", "its state was damaged and is lost");
    assert_status(world, "c", "state", "recording");
    assert_log(
        world, "c",
        "2026-11-23T00:00:00Z created\n"
        "2026-11-23T00:00:00Z iteration 1 resumes, until 2026-11-23T04:00:00Z\n");
    assert_false(sched_job_exists(world->sched, "half"));
}

/* A job that was removed in the middle, and a crash: its iteration ends all the same.
 */
static void test_orphan(void **state)
{
    struct world *world = *state;
    struct buf text = {0};
    int dir;

    make(world, "a", "http");
    add_entry(world, "http");
    halt(world);
    dir = open(world->path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(sys_remove_tree(dir, "jobs/a"), 0);
    close(dir);
    world->clock.at += HOUR;
    boot(world);
    assert_false(sched_is_recording(world->sched, "a"));
    assert_int_equal(store_manifest(world->store, "a", NULL, &text), 0);
    assert_null(strstr(text.data, "\"recording\""));
    assert_non_null(strstr(text.data, "\"stopped\""));
    buf_fini(&text);
}

/* Killed at any moment, a job is back with one of the specs that it was given. */
static void work_until_killed(struct world *world, int pipe_fd)
{
    boot(world);
    for (;;) {
        (void)set(world, "a", "{kfl: http, duration: 60}");
        (void)control(world, "a", "stop");
        (void)set(world, "a", "{kfl: dns, daily_iterations: 0, start_time: 08:00}");
        (void)control(world, "a", "start");
        if (write(pipe_fd, "x", 1) != 1)
            _exit(1);
    }
}

static void test_killed(void **state)
{
    struct world *world = *state;
    char byte;

    make(world, "a", "http");
    for (unsigned round = 0; round < 8; round++) {
        struct buf spec = {0};
        int ends[2], status;
        pid_t child;

        halt(world);
        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            work_until_killed(world, ends[1]);
        close(ends[1]);
        for (unsigned i = 0; i <= round; i++)
            assert_int_equal(read(ends[0], &byte, 1), 1);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        close(ends[0]);
        boot(world);
        sched_run_due(world->sched);
        assert_status(world, "a", "error", "");
        assert_int_equal(sched_job_spec(world->sched, "a", &spec), 0);
        assert_true(strstr(spec.data, "kfl: http") || strstr(spec.data, "kfl: dns"));
        buf_fini(&spec);
        /* At most the iteration in progress is unfinished. */
        assert_true(iterations_of(world, "a") > 0);
    }
}

/* The log does not grow without end. */
static void test_log_bound(void **state)
{
    struct world *world = *state;
    struct buf text = {0};

    make(world, "a", "{kfl: http, duration: 0}");
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(control(world, "a", "stop"), 0);
        pass(world, NS_PER_S);
        assert_int_equal(control(world, "a", "start"), 0);
    }
    assert_int_equal(sched_job_log(world->sched, "a", &text), 0);
    assert_true(text.len <= 65536);
    assert_true(strncmp(text.data, "2026-11-23T00:", 14) == 0);
    assert_int_equal(text.data[text.len - 1], '\n');
    halt(world);
    boot(world);
    buf_clear(&text);
    assert_int_equal(sched_job_log(world->sched, "a", &text), 0);
    assert_true(text.len > 1000 && text.len <= 65536);
    buf_fini(&text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_saved),
        TEST(test_missed),
        TEST(test_replanned),
        TEST(test_ten_days),
        TEST(test_window_ends_while_down),
        TEST(test_damage),
        TEST(test_orphan),
        TEST(test_killed),
        TEST(test_log_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
