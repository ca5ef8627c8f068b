/* Requests that wait: each is answered once, whoever comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "fs/parked.h"
#include "fs/spool.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"

struct spool_file {
    struct file file; /* first */
    struct spool *spool;
};

struct ask {
    struct parked parked; /* first */
    struct answers *answers;
    bool size;
};

/* What came back. */
struct answers {
    sem_t given;
    _Atomic unsigned count, released;
    int64_t last;
    bool slow; /* each attempt but the first takes its time */
    unsigned attempts;
    sem_t begun;
};

static ssize_t file_read(struct file *file, void *out, size_t size, uint64_t offset,
                         struct waiter *waiter)
{
    return spool_read(((struct spool_file *)file)->spool, out, size, offset, waiter);
}

static int64_t file_size(struct file *file, struct waiter *waiter)
{
    return spool_size(((struct spool_file *)file)->spool, waiter);
}

static bool file_cancel(struct file *file, struct waiter *waiter)
{
    return spool_cancel(((struct spool_file *)file)->spool, waiter);
}

static void file_close(struct file *file)
{
    spool_free(((struct spool_file *)file)->spool);
    file_fini(file);
    free(file);
}

static const struct file_ops ops = {
    .read = file_read, .size = file_size, .cancel = file_cancel, .close = file_close};

static struct spool_file *open_file(void)
{
    struct spool_options options = {.dirfd = -1};
    struct spool_file *file = mem_zalloc(sizeof *file);
    file_init(&file->file, &ops, NULL);
    file->spool = spool_new(&options);
    return file;
}

static int64_t attempt(struct parked *parked, struct waiter *waiter)
{
    char out[16];
    struct answers *answers = ((struct ask *)parked)->answers;
    if (answers->slow && answers->attempts++) {
        sem_post(&answers->begun);
        nanosleep(&(struct timespec){.tv_nsec = 50 * NS_PER_MS}, NULL);
    }
    if (((struct ask *)parked)->size)
        return parked->file->ops->size(parked->file, waiter);
    return parked->file->ops->read(parked->file, out, sizeof out, 0, waiter);
}

static void answer(struct parked *parked, int64_t result)
{
    struct answers *answers = ((struct ask *)parked)->answers;
    answers->last = result;
    answers->count++;
    sem_post(&answers->given);
}

static void release(struct parked *parked)
{
    ((struct ask *)parked)->answers->released++;
    free(parked);
}

static struct ask *enter(struct lot *lot, struct answers *answers,
                         struct spool_file *file, int64_t until)
{
    struct ask *ask = mem_zalloc(sizeof *ask);
    ask->answers = answers;
    ask->size = until != 0;
    ask->parked = (struct parked){
        .until = until, .attempt = attempt, .answer = answer, .release = release};
    lot_enter(lot, &ask->parked, &file->file);
    return ask;
}

struct world {
    struct lot *lot;
    struct answers answers;
    struct spool_file *file;
};

static int begin(void **state)
{
    struct err err = {0};
    struct world *world = mem_zalloc(sizeof *world);
    assert_int_equal(lot_new(&world->lot, &err), 0);
    sem_init(&world->answers.given, 0, 0);
    world->file = open_file();
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    lot_free(world->lot);
    file_unref(&world->file->file);
    assert_int_equal(world->answers.count, world->answers.released);
    sem_destroy(&world->answers.given);
    free(world);
    return 0;
}

static void data_answers(void **state)
{
    struct world *world = *state;
    struct ask *ask = enter(world->lot, &world->answers, world->file, 0);
    uint64_t id = ask->parked.id;
    lot_run(&ask->parked);
    assert_int_equal(world->answers.count, 0);
    spool_append(world->file->spool, "abc", 3);
    assert_int_equal(world->answers.count, 1);
    assert_int_equal(world->answers.last, 3);
    /* Too late to interrupt. */
    lot_interrupt(world->lot, id);
    assert_int_equal(world->answers.count, 1);
}

static void an_interrupt_answers(void **state)
{
    struct world *world = *state;
    struct ask *ask = enter(world->lot, &world->answers, world->file, 0);
    uint64_t id = ask->parked.id;
    lot_run(&ask->parked);
    lot_interrupt(world->lot, id);
    assert_int_equal(world->answers.count, 1);
    assert_int_equal(world->answers.last, -EINTR);
    spool_append(world->file->spool, "abc", 3);
    assert_int_equal(world->answers.count, 1);
}

static void an_interrupt_that_comes_first(void **state)
{
    struct world *world = *state;
    struct ask *ask = enter(world->lot, &world->answers, world->file, 0);
    lot_interrupt(world->lot, ask->parked.id);
    assert_int_equal(world->answers.count, 0);
    lot_run(&ask->parked);
    assert_int_equal(world->answers.count, 1);
    assert_int_equal(world->answers.last, -EINTR);
}

static void the_size_is_not_waited_for_for_ever(void **state)
{
    struct world *world = *state;
    int64_t from = clock_monotonic(), until = from + 50 * NS_PER_MS;
    struct ask *ask = enter(world->lot, &world->answers, world->file, until);
    lot_run(&ask->parked);
    assert_int_equal(sem_wait(&world->answers.given), 0);
    assert_int_equal(world->answers.last, -ETIME);
    assert_true(clock_monotonic() >= until);
}

static void all_are_answered_at_the_end(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < 40; i++)
        lot_run(&enter(world->lot, &world->answers, world->file, 0)->parked);
    lot_interrupt_all(world->lot);
    assert_int_equal(world->answers.count, 40);
}

static void *append(void *context)
{
    spool_append(context, "abc", 3);
    return NULL;
}

/* Who comes to answer it is on the way while it is interrupted. */
static void the_lot_waits_for_who_is_inside(void **state)
{
    struct world *world = *state;
    struct err err = {0};
    pthread_t thread;
    world->answers.slow = true;
    sem_init(&world->answers.begun, 0, 0);
    lot_run(&enter(world->lot, &world->answers, world->file, 0)->parked);
    assert_int_equal(pthread_create(&thread, NULL, append, world->file->spool), 0);
    assert_int_equal(sem_wait(&world->answers.begun), 0);
    lot_interrupt_all(world->lot);
    assert_int_equal(world->answers.last, -EINTR);
    lot_free(world->lot);
    assert_int_equal(world->answers.released, 1);
    pthread_join(thread, NULL);
    sem_destroy(&world->answers.begun);
    assert_int_equal(lot_new(&world->lot, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(data_answers, begin, end),
        cmocka_unit_test_setup_teardown(an_interrupt_answers, begin, end),
        cmocka_unit_test_setup_teardown(an_interrupt_that_comes_first, begin, end),
        cmocka_unit_test_setup_teardown(the_size_is_not_waited_for_for_ever, begin,
                                        end),
        cmocka_unit_test_setup_teardown(all_are_answered_at_the_end, begin, end),
        cmocka_unit_test_setup_teardown(the_lot_waits_for_who_is_inside, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
