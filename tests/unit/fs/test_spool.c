#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/node.h"
#include "fs/spool.h"

static unsigned woken;

static void wake(struct waiter *waiter)
{
    assert_null(waiter->link);
    woken++;
}

static int begin(void **state)
{
    (void)state;
    woken = 0;
    return 0;
}

static void a_reader_waits_for_data(void **state)
{
    struct spool_options options = {.dirfd = AT_FDCWD};
    struct spool *spool = spool_new(&options);
    struct waiter waiter = {.wake = wake};
    char out[8];
    (void)state;
    assert_int_equal(spool_read(spool, out, sizeof out, 0, NULL), -EAGAIN);
    assert_int_equal(spool_read(spool, out, sizeof out, 0, &waiter), -EINPROGRESS);
    assert_int_equal(spool_append(spool, "abc", 3), 0);
    assert_int_equal(woken, 1);
    assert_int_equal(spool_read(spool, out, sizeof out, 0, NULL), 3);
    assert_memory_equal(out, "abc", 3);
    assert_int_equal(spool_read(spool, out, sizeof out, 3, &waiter), -EINPROGRESS);
    spool_finish(spool, 0);
    assert_int_equal(woken, 2);
    assert_int_equal(spool_read(spool, out, sizeof out, 3, NULL), 0);
    assert_int_equal(spool_size(spool, NULL), 3);
    spool_free(spool);
}

static void an_interrupted_reader_is_not_woken(void **state)
{
    struct spool_options options = {.dirfd = AT_FDCWD};
    struct spool *spool = spool_new(&options);
    struct waiter waiter = {.wake = wake};
    char out[8];
    (void)state;
    assert_int_equal(spool_read(spool, out, sizeof out, 0, &waiter), -EINPROGRESS);
    assert_true(spool_cancel(spool, &waiter));
    assert_false(spool_cancel(spool, &waiter));
    spool_append(spool, "abc", 3);
    assert_int_equal(woken, 0);
    spool_free(spool);
}

static void the_size_waits_for_the_end(void **state)
{
    struct spool_options options = {.dirfd = AT_FDCWD};
    struct spool *spool = spool_new(&options);
    struct waiter waiter = {.wake = wake};
    (void)state;
    spool_append(spool, "abc", 3);
    assert_int_equal(spool_size(spool, &waiter), -EINPROGRESS);
    spool_append(spool, "def", 3);
    assert_int_equal(woken, 0);
    spool_finish(spool, 0);
    assert_int_equal(woken, 1);
    assert_int_equal(spool_size(spool, &waiter), 6);
    spool_free(spool);
}

static void an_error_comes_after_the_data(void **state)
{
    struct spool_options options = {.dirfd = AT_FDCWD};
    struct spool *spool = spool_new(&options);
    char out[8];
    (void)state;
    spool_append(spool, "abc", 3);
    spool_finish(spool, -EIO);
    assert_int_equal(spool_read(spool, out, sizeof out, 0, NULL), 3);
    assert_int_equal(spool_read(spool, out, sizeof out, 3, NULL), -EIO);
    spool_free(spool);
}

static char byte_at(uint64_t offset)
{
    return (char)('a' + offset % 23);
}

/* More than fits in memory: what was written first is in the file, and is read back the
 * same. */
static void a_large_result_is_spilled(void **state)
{
    char dir[] = "/tmp/spoolXXXXXX", chunk[1000], out[1000];
    uint64_t offset = 0;
    (void)state;
    assert_non_null(mkdtemp(dir));
    int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
    struct spool_options options = {.dirfd = dirfd, .memory = 4096};
    struct spool *spool = spool_new(&options);
    for (unsigned i = 0; i < 50; i++) {
        for (size_t j = 0; j < sizeof chunk; j++)
            chunk[j] = byte_at(offset++);
        assert_int_equal(spool_append(spool, chunk, sizeof chunk), 0);
    }
    spool_finish(spool, 0);
    assert_int_equal(spool_size(spool, NULL), offset);
    for (uint64_t at = 0; at < offset;) {
        ssize_t n = spool_read(spool, out, sizeof out, at, NULL);
        assert_true(n > 0);
        for (ssize_t j = 0; j < n; j++)
            assert_int_equal(out[j], byte_at(at++));
    }
    spool_free(spool);
    close(dirfd);
    assert_int_equal(rmdir(dir), 0);
}

static void resume(void *context)
{
    (*(unsigned *)context)++;
}

/* A result without an end takes no more memory than its slowest reader leaves unread.
 */
static void a_passing_spool_stops_its_writer(void **state)
{
    unsigned resumed = 0, appended = 0;
    char chunk[64 * 1024], out[64 * 1024];
    struct spool_options options = {
        .passing = true, .resume = resume, .context = &resumed};
    struct spool *spool = spool_new(&options);
    uint64_t at = 0;
    (void)state;
    memset(chunk, 'x', sizeof chunk);
    int r = 0;
    while (r == 0 && appended < 1000) {
        r = spool_append(spool, chunk, sizeof chunk);
        appended++;
    }
    assert_int_equal(r, 1);
    assert_true(appended < 40);
    assert_true(spool_full(spool));
    while (!resumed) {
        ssize_t n = spool_read(spool, out, sizeof out, at, NULL);
        assert_true(n > 0);
        at += (uint64_t)n;
    }
    assert_false(spool_full(spool));
    assert_int_equal(spool_append(spool, chunk, sizeof chunk), 0);
    assert_int_equal(spool_read(spool, out, sizeof out, 0, NULL), -ESPIPE);
    spool_free(spool);
}

static void nobody_reads_any_more(void **state)
{
    struct spool_options options = {.dirfd = AT_FDCWD};
    struct spool *spool = spool_new(&options);
    (void)state;
    assert_int_equal(spool_append(spool, "a", 1), 0);
    spool_abandon(spool);
    assert_int_equal(spool_append(spool, "b", 1), -EPIPE);
    spool_free(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_reader_waits_for_data, begin),
        cmocka_unit_test_setup(an_interrupted_reader_is_not_woken, begin),
        cmocka_unit_test_setup(the_size_waits_for_the_end, begin),
        cmocka_unit_test(an_error_comes_after_the_data),
        cmocka_unit_test(a_large_result_is_spilled),
        cmocka_unit_test(a_passing_spool_stops_its_writer),
        cmocka_unit_test(nobody_reads_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
