#include "tests/unit/sched/sched_case.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/store/store.h"
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"
#include "kfl/kfl.h"

/* ---- the recorder */

static int fake_record(void *context, uint64_t *id, struct kfl *kfl,
                       struct iteration *iteration, bool entries_only, struct err *err)
{
    struct world *world = context;

    if (world->record_error)
        return err_set(err, world->record_error, "the recorder is out of order");
    for (size_t i = 0; i < RUNS; i++) {
        if (world->runs[i].id)
            continue;
        *id = ++world->last_id;
        world->runs[i] = (struct recorded){*id, kfl_ref(kfl), iteration_ref(iteration),
                                           entries_only};
        return 0;
    }
    return err_set(err, -EBUSY, "too many");
}

static struct recorded *find(struct world *world, uint64_t id)
{
    for (size_t i = 0; i < RUNS; i++)
        if (world->runs[i].id == id)
            return &world->runs[i];
    fail_msg("no such recording");
    return NULL;
}

static void let_go(struct recorded *run)
{
    kfl_unref(run->kfl);
    iteration_unref(run->iteration);
    *run = (struct recorded){0};
}

static int fake_rewrite(void *context, uint64_t id, struct kfl *kfl, struct err *err)
{
    struct recorded *run = find(context, id);

    (void)err;
    kfl_unref(run->kfl);
    run->kfl = kfl_ref(kfl);
    ((struct world *)context)->rewrites++;
    return 0;
}

void let_close(struct world *world)
{
    struct closing *held = &world->held;
    int status = iteration_end(held->run.iteration, held->state, held->at, NULL);

    let_go(&held->run);
    held->done(held->context, status);
}

static void fake_unrecord(void *context, uint64_t id, const char *state, int64_t at,
                          void (*done)(void *done_context, int result),
                          void *done_context)
{
    struct world *world = context;
    struct recorded *run = find(world, id);

    world->held = (struct closing){*run, state, at, done, done_context};
    *run = (struct recorded){0};
    if (!world->holds)
        let_close(world);
}

/* The recording of a job; NULL: it is not recording. */
struct recorded *run_of(struct world *world, const char *statement)
{
    for (size_t i = 0; i < RUNS; i++)
        if (world->runs[i].id && strcmp(kfl_text(world->runs[i].kfl), statement) == 0)
            return &world->runs[i];
    return NULL;
}

/* ---- the world */

int64_t at(const char *text)
{
    int64_t ns;

    assert_int_equal(clock_parse(&ns, text), 0);
    return ns;
}

static const char *saved(void *context, const char *name, size_t len)
{
    struct world *world = context;

    return len == 4 && memcmp(name, "slow", 4) == 0 ? world->slow : NULL;
}

static void refused(void *context, const char *job, const char *text,
                    const struct err *err)
{
    struct world *world = context;

    assert_non_null(text);
    snprintf(world->refused, sizeof(world->refused), "%s:%d:%d", job, err->line,
             err->col);
}

void boot(struct world *world)
{
    struct store_options store = {
        .path = world->path,
        .storage_limit = 1 << 30,
        .live_limit = 1 << 20,
        .live_packets_ttl = 10 * NS_PER_S,
        .live_entries_ttl = 300 * NS_PER_S,
        .clock = &world->clock.clock,
    };
    struct sched_options options = {
        .clock = &world->clock.clock,
        .recorder = {fake_record, fake_rewrite, fake_unrecord, world},
        .saved = saved,
        .saved_context = world,
        .refused = refused,
        .context = world,
    };
    struct err err = {0};

    if (store_open(&world->store, &store, &err) < 0)
        fail_msg("%s", err.msg);
    options.store = world->store;
    if (sched_open(&world->sched, &options, &err) < 0)
        fail_msg("%s", err.msg);
}

void halt(struct world *world)
{
    sched_stop(world->sched);
    for (size_t i = 0; i < RUNS; i++)
        if (world->runs[i].id)
            let_go(&world->runs[i]);
    sched_close(world->sched);
    store_close(world->store);
}

int world_setup(void **state)
{
    struct world *world = mem_zalloc(sizeof(*world));

    snprintf(world->path, sizeof(world->path), "/tmp/test_sched.XXXXXX");
    if (!mkdtemp(world->path))
        return -1;
    clock_fake_init(&world->clock, at("2026-11-23T00:00:00Z"));
    boot(world);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    struct world *world = *state;

    halt(world);
    sys_remove_tree(AT_FDCWD, world->path);
    free(world);
    return 0;
}

/* Lets time go by, as the thread would. */
void pass_until(struct world *world, int64_t until)
{
    int64_t next;

    while ((next = sched_run_due(world->sched)) <= until) {
        if (next > world->clock.at)
            world->clock.at = next;
    }
    world->clock.at = until;
    sched_run_due(world->sched);
}

void pass(struct world *world, int64_t ns)
{
    pass_until(world, world->clock.at + ns);
}

void make(struct world *world, const char *name, const char *spec)
{
    struct err err = {0};

    assert_int_equal(sched_job_create(world->sched, name, &err), 0);
    if (sched_spec_set(world->sched, name, spec, strlen(spec), &err) != 0)
        fail_msg("%s", err.msg);
}

int set(struct world *world, const char *name, const char *spec)
{
    return sched_spec_set(world->sched, name, spec, strlen(spec), NULL);
}

int control(struct world *world, const char *name, const char *word)
{
    return sched_job_control(world->sched, name, word, strlen(word), NULL);
}

/* The value of a key of the status; lives until the next call. */
const char *status_of(struct world *world, const char *name, const char *key)
{
    static char value[512];
    struct buf text = {0};
    char *line, *end, wanted[32];

    value[0] = 0;
    assert_int_equal(sched_job_status(world->sched, name, &text), 0);
    snprintf(wanted, sizeof(wanted), "\n%s:", key);
    buf_addstr(&text, "");
    line = strncmp(text.data, wanted + 1, strlen(wanted) - 1) == 0
               ? text.data - 1
               : strstr(text.data, wanted);
    assert_non_null(line);
    line += strlen(wanted);
    end = strchr(line, '\n');
    assert_non_null(end);
    *end = 0;
    snprintf(value, sizeof(value), "%s", *line == ' ' ? line + 1 : line);
    buf_fini(&text);
    return value;
}

void assert_log(struct world *world, const char *name, const char *expected)
{
    struct buf text = {0};

    assert_int_equal(sched_job_log(world->sched, name, &text), 0);
    assert_string_equal(text.data, expected);
    buf_fini(&text);
}

void add_entry(struct world *world, const char *statement)
{
    static const char line[] = "{\"id\":\"000000000001-0\"}";
    struct recorded *run = run_of(world, statement);
    uint64_t number = ++world->entries;

    assert_non_null(run);
    assert_true(iteration_add_entry(run->iteration, line, sizeof(line) - 1, number,
                                    STREAM_TCP, 0, world->clock.at) >= 0);
    assert_int_equal(iteration_commit(run->iteration, world->clock.at), 0);
}

unsigned iterations_of(struct world *world, const char *name)
{
    struct recording_info info;

    assert_int_equal(store_info(world->store, name, &info), 0);
    return info.iterations;
}
