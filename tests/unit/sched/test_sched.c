/* Jobs from mkdir to rm: specs, control, states, and what their files say. */
#include "tests/unit/sched/sched_case.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/store.h"
#include "kfl/base/buf.h"

static void test_names(void **state)
{
    struct world *world = *state;
    char name[JOB_NAME + 1] = {0};
    char *list;

    assert_int_equal(sched_job_create(world->sched, "b.x", NULL), 0);
    assert_int_equal(sched_job_create(world->sched, "a-1", NULL), 0);
    assert_int_equal(sched_job_create(world->sched, "a-1", NULL), -EEXIST);
    assert_int_equal(sched_job_create(world->sched, ".a", NULL), -EINVAL);
    assert_int_equal(sched_job_create(world->sched, "", NULL), -EINVAL);
    assert_int_equal(sched_job_create(world->sched, "a b", NULL), -EINVAL);
    assert_int_equal(sched_job_create(world->sched, "a/b", NULL), -EINVAL);
    assert_int_equal(sched_job_create(world->sched, "é", NULL), -EINVAL);
    memset(name, 'x', JOB_NAME);
    assert_int_equal(sched_job_create(world->sched, name, NULL), -EINVAL);
    name[JOB_NAME - 1] = 0;
    assert_int_equal(sched_job_create(world->sched, name, NULL), 0);
    list = sched_job_list(world->sched);
    assert_string_equal(list, "a-1");
    assert_string_equal(list + 4, "b.x");
    assert_string_equal(list + 8, name);
    assert_int_equal(list[8 + JOB_NAME], 0);
    free(list);
    assert_int_equal(sched_job_remove(world->sched, "a-1", NULL), 0);
    assert_int_equal(sched_job_remove(world->sched, "a-1", NULL), -ENOENT);
    assert_false(sched_job_exists(world->sched, "a-1"));
    assert_int_equal(set(world, "a-1", "http"), -ENOENT);
    assert_int_equal(control(world, "a-1", "start"), -ENOENT);
    halt(world);
    boot(world);
    assert_false(sched_job_exists(world->sched, "a-1"));
    assert_true(sched_job_exists(world->sched, "b.x"));
}

/* From mkdir to the end of the only iteration. */
static void test_once(void **state)
{
    struct world *world = *state;
    struct buf text = {0};
    int64_t created, changed;

    assert_int_equal(sched_job_create(world->sched, "errors", NULL), 0);
    assert_status(world, "errors", "state", "waiting");
    assert_false(sched_owns(world->sched, "errors"));
    assert_int_equal(sched_job_spec(world->sched, "errors", &text), 0);
    assert_int_equal(sched_spec_set(world->sched, "errors", text.data, text.len, NULL),
                     1);
    assert_status(world, "errors", "state", "waiting");
    buf_fini(&text);

    assert_int_equal(
        set(world, "errors", "{kfl: response.status >= 500, duration: 60}"), 0);
    assert_true(sched_owns(world->sched, "errors"));
    assert_true(sched_is_recording(world->sched, "errors"));
    assert_non_null(run_of(world, "response.status >= 500"));
    assert_status(world, "errors", "state", "recording");
    assert_status(world, "errors", "error", "");
    assert_status(world, "errors", "kfl", "response.status >= 500");
    assert_status(world, "errors", "iteration", "1 of 1");
    assert_status(world, "errors", "next_start", "");
    assert_status(world, "errors", "ends_at", "2026-11-23T01:00:00Z");
    assert_status(world, "errors", "expires_at", "2026-11-25T01:00:00Z");
    add_entry(world, "response.status >= 500");
    assert_status(world, "errors", "entries", "1");
    pass(world, HOUR - 1);
    assert_status(world, "errors", "state", "recording");
    pass(world, 1);
    assert_status(world, "errors", "state", "finished");
    assert_status(world, "errors", "entries", "1");
    assert_status(world, "errors", "expires_at", "2026-11-25T01:00:00Z");
    assert_false(sched_is_recording(world->sched, "errors"));
    assert_null(run_of(world, "response.status >= 500"));
    assert_log(
        world, "errors",
        "2026-11-23T00:00:00Z created\n"
        "2026-11-23T00:00:00Z spec accepted: response.status >= 500\n"
        "2026-11-23T00:00:00Z iteration 1 begins, until 2026-11-23T01:00:00Z\n"
        "2026-11-23T01:00:00Z iteration 1 finished\n"
        "2026-11-23T01:00:00Z iteration 1 holds 0 packets of 1 streams, 1 entries\n");
    assert_int_equal(sched_job_times(world->sched, "errors", &created, &changed), 0);
    assert_int_equal(created, at("2026-11-23T00:00:00Z"));
    assert_int_equal(changed, at("2026-11-23T01:00:00Z"));
}

static void test_refusal(void **state)
{
    struct world *world = *state;
    struct buf text = {0};
    struct err err;

    make(world, "a", "http");
    assert_int_equal(sched_spec_check(world->sched, "a", "kfl: dns and (", 14, &err),
                     -EINVAL);
    assert_status(world, "a", "error", "");
    assert_int_equal(set(world, "a", "duration: 60\n\nkfl:      dns and ("), -EINVAL);
    assert_true(strncmp(status_of(world, "a", "error"), "'spec.yaml:3:20: the", 20) ==
                0);
    assert_string_equal(world->refused, "a:3:20");
    assert_status(world, "a", "state", "recording");
    assert_status(world, "a", "kfl", "http");
    assert_non_null(run_of(world, "http"));
    assert_int_equal(sched_job_spec(world->sched, "a", &text), 0);
    assert_string_equal(text.data, "http");
    buf_fini(&text);
    halt(world);
    boot(world);
    assert_true(strncmp(status_of(world, "a", "error"), "'spec.yaml:3:20: the", 20) ==
                0);
    assert_int_equal(set(world, "a", "http"), 0);
    assert_status(world, "a", "error", "");
}

static void test_control(void **state)
{
    struct world *world = *state;

    assert_int_equal(sched_job_create(world->sched, "a", NULL), 0);
    assert_int_equal(control(world, "a", "start"), -EINVAL);
    assert_int_equal(
        set(world, "a", "{kfl: http, start_time: 08:45, daily_iterations: 3}"), 0);
    assert_status(world, "a", "state", "scheduled");
    assert_status(world, "a", "next_start", "2026-11-23T08:45:00Z");
    assert_int_equal(control(world, "a", "stop"), -EINVAL);
    assert_int_equal(control(world, "a", "restart"), -EINVAL);
    /* brings the first one forward */
    pass(world, HOUR);
    assert_int_equal(control(world, "a", "start\n"), 0);
    assert_int_equal(control(world, "a", "start\n"), -EINVAL);
    assert_status(world, "a", "state", "recording");
    assert_status(world, "a", "iteration", "1 of 3");
    assert_status(world, "a", "ends_at", "2026-11-23T05:00:00Z");
    assert_status(world, "a", "next_start", "2026-11-24T08:45:00Z");
    pass(world, HOUR);
    assert_int_equal(control(world, "a", "stop\n"), 0);
    assert_status(world, "a", "state", "scheduled");
    assert_false(sched_is_recording(world->sched, "a"));
    /* one beside the plan, which gives way to the plan's */
    pass_until(world, at("2026-11-24T08:00:00Z"));
    assert_int_equal(control(world, "a", "start"), 0);
    pass_until(world, at("2026-11-24T08:45:00Z"));
    assert_status(world, "a", "iteration", "2 of 3");
    assert_status(world, "a", "ends_at", "2026-11-24T12:45:00Z");
    pass(world, 3 * DAY);
    assert_status(world, "a", "state", "finished");
    assert_status(world, "a", "missed", "0");
    /* a finished one can be started again */
    assert_int_equal(control(world, "a", "start"), 0);
    assert_status(world, "a", "state", "recording");
    assert_int_equal(control(world, "a", "stop"), 0);
    assert_int_equal(control(world, "a", "start"), 0);
    assert_status(world, "a", "state", "recording");
}

static void test_in_place(void **state)
{
    struct world *world = *state;
    uint64_t id;

    make(world, "a", "{kfl: http, duration: 60, daily_iterations: 2}");
    id = run_of(world, "http")->id;
    pass(world, 10 * MINUTE);
    assert_int_equal(set(world, "a",
                         "{kfl: dns, duration: 60, daily_iterations: 2, "
                         "expiration: 60, max_size: 1Gi}"),
                     0);
    assert_int_equal(run_of(world, "dns")->id, id);
    assert_int_equal(iterations_of(world, "a"), 1);
    assert_status(world, "a", "ends_at", "2026-11-23T01:00:00Z");
    assert_status(world, "a", "expires_at", "2026-11-23T02:00:00Z");
    /* the same again is nothing */
    world->rewrites = 0;
    assert_int_equal(set(world, "a",
                         "{kfl: dns, duration: 60, daily_iterations: 2, "
                         "expiration: 60, max_size: 1Gi} # same"),
                     0);
    assert_int_equal(world->rewrites, 0);
    /* an empty start time stays what it was */
    assert_int_equal(set(world, "a", "{kfl: dns, duration: 2h, daily_iterations: 2}"),
                     0);
    assert_int_equal(run_of(world, "dns")->id, id);
    assert_status(world, "a", "ends_at", "2026-11-23T02:00:00Z");
    assert_status(world, "a", "next_start", "2026-11-24T00:00:00Z");
    /* one that is over by the new duration ends */
    assert_int_equal(set(world, "a", "{kfl: dns, duration: 5, daily_iterations: 2}"),
                     0);
    assert_status(world, "a", "state", "scheduled");
    assert_status(world, "a", "next_start", "2026-11-24T00:00:00Z");
    assert_int_equal(iterations_of(world, "a"), 1);
}

static void test_replan(void **state)
{
    struct world *world = *state;

    make(world, "a", "http");
    pass(world, 10 * MINUTE);
    assert_int_equal(set(world, "a", "{kfl: http, start_time: 08:45}"), 0);
    assert_status(world, "a", "state", "scheduled");
    assert_status(world, "a", "next_start", "2026-11-23T08:45:00Z");
    assert_status(world, "a", "iteration", "0 of 1");
    assert_int_equal(set(world, "a", "{kfl: http, start_time: 00:05}"), 0);
    assert_status(world, "a", "next_start", "2026-11-24T00:05:00Z");
    assert_int_equal(set(world, "a", "http"), 0);
    assert_status(world, "a", "state", "recording");
    pass(world, 5 * HOUR);
    assert_status(world, "a", "state", "finished");
    /* the same words do not record again, others do */
    assert_int_equal(set(world, "a", "http"), 0);
    assert_status(world, "a", "state", "finished");
    assert_int_equal(set(world, "a", "{kfl: http, expiration: 5}"), 0);
    assert_status(world, "a", "state", "finished");
    assert_int_equal(set(world, "a", "dns"), 0);
    assert_status(world, "a", "state", "recording");
    assert_int_equal(iterations_of(world, "a"), 3);
}

static void test_redact(void **state)
{
    struct world *world = *state;
    const char *redacted = "http and redact(\"request.path\")";

    make(world, "a", "http");
    assert_false(run_of(world, "http")->entries_only);
    assert_status(world, "a", "records", "packets and entries");
    pass(world, MINUTE);
    assert_int_equal(set(world, "a", redacted), 0);
    assert_null(run_of(world, "http"));
    assert_true(run_of(world, redacted)->entries_only);
    assert_status(world, "a", "records", "entries only (redact)");
    assert_status(world, "a", "ends_at", "2026-11-23T04:00:00Z");
    assert_status(world, "a", "iteration", "1 of 1");
    assert_int_equal(iterations_of(world, "a"), 2);
    /* so does another limit() */
    pass(world, MINUTE);
    assert_int_equal(set(world, "a", "http and limit(1)"), 0);
    assert_false(run_of(world, "http and limit(1)")->entries_only);
    add_entry(world, "http and limit(1)");
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "finished");
    assert_int_equal(iterations_of(world, "a"), 3);
}

static void test_limit(void **state)
{
    struct world *world = *state;

    make(world, "a", "{kfl: http and limit(2), daily_iterations: 2}");
    add_entry(world, "http and limit(2)");
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "recording");
    add_entry(world, "http and limit(2)");
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "scheduled");
    assert_status(world, "a", "entries", "2");
    assert_status(world, "a", "next_start", "2026-11-24T00:00:00Z");
    pass(world, DAY);
    assert_status(world, "a", "state", "recording");
    assert_status(world, "a", "entries", "0");
}

/* Adds entries until the iteration is full. */
static void fill(struct world *world, const char *statement)
{
    char line[4096];
    int size = snprintf(line, sizeof(line), "{\"id\":\"%04000d\"}", 0);

    for (unsigned i = 0; i < 1000; i++) {
        struct recorded *run = run_of(world, statement);

        if (!run)
            return;
        (void)iteration_add_entry(run->iteration, line, (size_t)size, ++world->entries,
                                  STREAM_TCP, 0, world->clock.at);
        (void)iteration_commit(run->iteration, world->clock.at);
        sched_run_due(world->sched);
    }
    fail_msg("never full");
}

static void test_full(void **state)
{
    struct world *world = *state;

    make(world, "other", "dns");
    make(world, "a", "{kfl: http, max_size: 64Ki}");
    fill(world, "http");
    assert_status(world, "a", "state", "full");
    assert_status(world, "a", "error", "max_size is reached");
    assert_status(world, "other", "state", "recording");
    halt(world);
    boot(world);
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "full");
    assert_status(world, "other", "state", "recording");
    /* more room, and it goes on until its time is over */
    pass(world, MINUTE);
    assert_int_equal(set(world, "a", "{kfl: http, max_size: 1Mi}"), 0);
    assert_status(world, "a", "state", "recording");
    assert_status(world, "a", "error", "");
    assert_status(world, "a", "ends_at", "2026-11-23T04:00:00Z");
    pass(world, 4 * HOUR);
    assert_status(world, "a", "state", "finished");
}

static void test_failed(void **state)
{
    struct world *world = *state;

    world->record_error = -EIO;
    make(world, "a", "{kfl: http, daily_iterations: 2}");
    assert_status(world, "a", "state", "failed");
    assert_status(world, "a", "error", "the recorder is out of order");
    world->record_error = 0;
    pass(world, DAY);
    assert_status(world, "a", "state", "recording");
    assert_status(world, "a", "error", "");
    assert_status(world, "a", "iteration", "2 of 2");
}

static void test_remove(void **state)
{
    struct world *world = *state;

    make(world, "a", "http");
    add_entry(world, "http");
    assert_int_equal(sched_job_remove(world->sched, "a", NULL), 0);
    assert_null(run_of(world, "http"));
    sched_run_due(world->sched);
    assert_false(sched_is_recording(world->sched, "a"));
    assert_int_equal(iterations_of(world, "a"), 1);
    /* a new job of that name adds to it */
    make(world, "a", "dns");
    assert_int_equal(iterations_of(world, "a"), 2);
    assert_status(world, "a", "entries", "0");
}

/* It records until the recording is closed: who waits for the state can go on. */
static void test_closing(void **state)
{
    struct world *world = *state;
    struct recording_info info;

    make(world, "a", "http");
    world->holds = true;
    assert_int_equal(control(world, "a", "stop"), 0);
    assert_status(world, "a", "state", "recording");
    sched_run_due(world->sched);
    assert_status(world, "a", "state", "recording");
    assert_true(sched_is_recording(world->sched, "a"));
    let_close(world);
    assert_status(world, "a", "state", "finished");
    assert_int_equal(store_info(world->store, "a", &info), 0);
    assert_false(info.recording);
}

static void count_state(void *context, const char *state, unsigned jobs)
{
    buf_addf(context, "%s=%u ", state, jobs);
}

static void test_each_state(void **state)
{
    struct world *world = *state;
    struct buf text = {0};

    make(world, "a", "http");
    make(world, "b", "start_time: 08:00");
    assert_int_equal(sched_job_create(world->sched, "c", NULL), 0);
    sched_each_state(world->sched, count_state, &text);
    assert_string_equal(
        text.data, "waiting=1 scheduled=1 recording=1 finished=0 full=0 failed=0 ");
    buf_fini(&text);
}

/* The thread begins what is due without being asked, and sched_job_control waits for
 * the end. */
static void test_thread(void **state)
{
    struct world *world = *state;

    assert_int_equal(sched_start(world->sched, NULL), 0);
    make(world, "a", "{kfl: http, duration: 60}");
    assert_true(sched_is_recording(world->sched, "a"));
    assert_int_equal(control(world, "a", "stop"), 0);
    assert_false(sched_is_recording(world->sched, "a"));
    assert_int_equal(store_remove(world->store, "a", NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_names),   TEST(test_once),     TEST(test_refusal),
        TEST(test_control), TEST(test_in_place), TEST(test_replan),
        TEST(test_redact),  TEST(test_limit),    TEST(test_full),
        TEST(test_failed),  TEST(test_remove),   TEST(test_each_state),
        TEST(test_thread),  TEST(test_closing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
