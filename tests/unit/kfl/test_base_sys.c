/* Files replaced and removed as a whole; the queue between threads; the log. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/log.h"
#include "kfl/base/queue.h"
#include "kfl/base/sys.h"

struct place {
    char path[64];
    int fd;
};

static int make_place(void **state)
{
    static struct place place;
    snprintf(place.path, sizeof(place.path), "/tmp/test_base_sys.XXXXXX");
    if (!mkdtemp(place.path))
        return -1;
    place.fd = open(place.path, O_RDONLY | O_DIRECTORY);
    *state = &place;
    return place.fd < 0 ? -1 : 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    close(place->fd);
    return sys_remove_tree(AT_FDCWD, place->path);
}

static void a_file_is_replaced_as_a_whole(void **state)
{
    int fd = ((struct place *)*state)->fd;
    struct buf out = {0};
    struct stat st;
    assert_int_equal(sys_replace_file(fd, "spec", "one", 3), 0);
    assert_int_equal(sys_replace_file(fd, "spec", "longer text", 11), 0);
    assert_int_equal(sys_read_file(fd, "spec", 100, &out), 0);
    assert_string_equal(out.data, "longer text");
    assert_int_equal(fstatat(fd, "spec", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(faccessat(fd, ".spec.tmp", F_OK, 0), -1);
    assert_int_equal(sys_make_dirs(fd, "a/b"), 0);
    assert_int_equal(sys_replace_file(fd, "a/b/file", "x", 1), 0);
    assert_int_equal(faccessat(fd, "a/b/file", F_OK, 0), 0);
    assert_int_equal(sys_replace_file(fd, "none/file", "x", 1), -ENOENT);
    /* A folder of that name cannot be replaced, and nothing is left behind. */
    assert_int_equal(sys_replace_file(fd, "a/b", "x", 1), -EISDIR);
    assert_int_equal(faccessat(fd, "a/.b.tmp", F_OK, 0), -1);
    buf_fini(&out);
}

static void a_file_is_read_up_to_the_limit(void **state)
{
    int fd = ((struct place *)*state)->fd;
    struct buf out = {0};
    size_t size = 200000;
    char *big = malloc(size);
    for (size_t i = 0; i < size; i++)
        big[i] = (char)('a' + i % 26);
    assert_int_equal(sys_replace_file(fd, "big", big, size), 0);
    buf_addstr(&out, "kept ");
    assert_int_equal(sys_read_file(fd, "big", size - 1, &out), -EFBIG);
    assert_string_equal(out.data, "kept ");
    assert_int_equal(sys_read_file(fd, "none", size, &out), -ENOENT);
    assert_int_equal(sys_read_file(fd, "big", size, &out), 0);
    assert_int_equal(out.len, size + 5);
    assert_memory_equal(out.data + 5, big, size);
    buf_fini(&out);
    struct buf exact = {.limit = size}, small = {.limit = size - 1};
    assert_int_equal(sys_read_file(fd, "big", size * 2, &exact), 0);
    assert_int_equal(exact.len, size);
    assert_false(exact.full);
    assert_int_equal(sys_read_file(fd, "big", size * 2, &small), -E2BIG);
    assert_int_equal(small.len, 0);
    assert_true(small.full);
    buf_fini(&exact);
    buf_fini(&small);
    /* Its size is said to be 0. */
    struct buf proc = {0};
    assert_int_equal(sys_read_file(AT_FDCWD, "/proc/self/status", 100000, &proc), 0);
    assert_non_null(strstr(proc.data, "VmRSS"));
    buf_fini(&proc);
    free(big);
}

static void positioned_reads_end_with_the_file(void **state)
{
    int dir = ((struct place *)*state)->fd;
    int fd = openat(dir, "at", O_RDWR | O_CREAT, 0600);
    char out[16] = "";
    assert_int_equal(sys_write_all(fd, "0123456789", 10), 0);
    assert_int_equal(sys_pwrite_all(fd, "xy", 2, 4), 0);
    assert_int_equal(sys_pread_all(fd, out, 8, 2), 8);
    assert_memory_equal(out, "23xy6789", 8);
    assert_int_equal(sys_pread_all(fd, out, 8, 7), 3);
    assert_int_equal(sys_pread_all(fd, out, 8, 20), 0);
    close(fd);
    assert_int_equal(sys_write_all(fd, "x", 1), -EBADF);
}

static void folders_are_made_down_the_path(void **state)
{
    int fd = ((struct place *)*state)->fd;
    struct stat st;
    assert_int_equal(sys_make_dirs(fd, "m/n//o/"), 0);
    assert_int_equal(sys_make_dirs(fd, "m/n/o"), 0);
    assert_int_equal(fstatat(fd, "m/n/o", &st, 0), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(sys_replace_file(fd, "m/file", "", 0), 0);
    assert_int_equal(sys_make_dirs(fd, "m/file"), -ENOTDIR);
    assert_int_equal(sys_make_dirs(fd, "m/file/x"), -ENOTDIR);
}

static void a_tree_is_removed_but_not_what_links_lead_to(void **state)
{
    int fd = ((struct place *)*state)->fd;
    assert_int_equal(sys_make_dirs(fd, "tree/a/b/c"), 0);
    assert_int_equal(sys_make_dirs(fd, "outside"), 0);
    assert_int_equal(sys_replace_file(fd, "outside/kept", "x", 1), 0);
    assert_int_equal(symlinkat("../outside", fd, "tree/link"), 0);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof(name), "tree/a/%d", i);
        assert_int_equal(sys_replace_file(fd, name, "x", 1), 0);
    }
    assert_int_equal(sys_remove_tree(fd, "tree"), 0);
    assert_int_equal(faccessat(fd, "tree", F_OK, 0), -1);
    assert_int_equal(faccessat(fd, "outside/kept", F_OK, 0), 0);
    assert_int_equal(sys_remove_tree(fd, "tree"), 0);
    assert_int_equal(sys_remove_tree(fd, "outside/kept"), 0);
    assert_int_equal(faccessat(fd, "outside/kept", F_OK, 0), -1);
}

static void a_queue_is_bounded_in_items_and_bytes(void **state)
{
    (void)state;
    struct queue *queue = queue_new(2, 100);
    int a, b, c;
    assert_int_equal(queue_push(queue, &a, 60), 0);
    assert_int_equal(queue_push(queue, &b, 41), -EAGAIN);
    assert_int_equal(queue_push(queue, &b, 40), 0);
    assert_int_equal(queue_push(queue, &c, 0), -EAGAIN);
    assert_ptr_equal(queue_pop(queue, 0), &a);
    assert_int_equal(queue_push(queue, &c, 10), 0);
    assert_ptr_equal(queue_pop(queue, -1), &b);
    assert_ptr_equal(queue_pop(queue, 0), &c);
    assert_null(queue_pop(queue, 0));
    assert_int_equal(queue_push(queue, &a, 1000), 0);
    assert_int_equal(queue_push(queue, &b, 1), -EAGAIN);
    queue_free(queue);
}

static void a_closed_queue_gives_what_is_left(void **state)
{
    (void)state;
    struct queue *queue = queue_new(4, 0);
    int a;
    assert_int_equal(queue_push(queue, &a, 1), 0);
    assert_false(queue_closed(queue));
    queue_close(queue);
    assert_true(queue_closed(queue));
    assert_int_equal(queue_push(queue, &a, 1), -EPIPE);
    assert_ptr_equal(queue_pop(queue, -1), &a);
    assert_null(queue_pop(queue, -1));
    queue_free(queue);
}

static void a_pop_waits_no_longer_than_told(void **state)
{
    (void)state;
    struct queue *queue = queue_new(1, 0);
    int64_t start = clock_monotonic();
    assert_null(queue_pop(queue, 20 * NS_PER_MS));
    assert_true(clock_monotonic() - start >= 20 * NS_PER_MS);
    queue_free(queue);
}

static void *push_many(void *context)
{
    struct queue *queue = context;
    for (uintptr_t i = 1; i <= 20000; i++) {
        while (queue_push(queue, (void *)i, 1) == -EAGAIN)
            sched_yield();
    }
    return NULL;
}

static void *sum_up(void *context)
{
    uintptr_t sum = 0, item;
    while ((item = (uintptr_t)queue_pop(context, -1)))
        sum += item;
    return (void *)sum;
}

static void every_item_reaches_one_thread(void **state)
{
    (void)state;
    struct queue *queue = queue_new(64, 0);
    pthread_t pushers[2], poppers[2];
    uintptr_t total = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&pushers[i], NULL, push_many, queue), 0);
        assert_int_equal(pthread_create(&poppers[i], NULL, sum_up, queue), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(pushers[i], NULL);
    queue_close(queue);
    for (int i = 0; i < 2; i++) {
        void *sum;
        pthread_join(poppers[i], &sum);
        total += (uintptr_t)sum;
    }
    assert_int_equal(total, 2 * (uintptr_t)20000 * 20001 / 2);
    queue_free(queue);
}

static void a_log_line_stays_one_line(void **state)
{
    int dir = ((struct place *)*state)->fd;
    struct buf out = {0};
    int saved = dup(STDERR_FILENO);
    int fd = openat(dir, "log", O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDERR_FILENO);
    log_open("tester", true);
    log_error("cannot open: no such file name=%s", "x\nforged: line");
    log_close();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fd);
    assert_int_equal(sys_read_file(dir, "log", 10000, &out), 0);
    assert_non_null(strstr(out.data, "tester["));
    assert_non_null(
        strstr(out.data, "cannot open: no such file name=x?forged: line\n"));
    assert_ptr_equal(strchr(out.data, '\n'), out.data + out.len - 1);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_as_a_whole),
        cmocka_unit_test(a_file_is_read_up_to_the_limit),
        cmocka_unit_test(positioned_reads_end_with_the_file),
        cmocka_unit_test(folders_are_made_down_the_path),
        cmocka_unit_test(a_tree_is_removed_but_not_what_links_lead_to),
        cmocka_unit_test(a_queue_is_bounded_in_items_and_bytes),
        cmocka_unit_test(a_closed_queue_gives_what_is_left),
        cmocka_unit_test(a_pop_waits_no_longer_than_told),
        cmocka_unit_test(every_item_reaches_one_thread),
        cmocka_unit_test(a_log_line_stays_one_line),
    };
    return cmocka_run_group_tests(tests, make_place, remove_place);
}
