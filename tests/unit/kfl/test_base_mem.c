/* Arenas, buffers and errors: limits hold, and nothing is half done. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"

static void checked_sizes_do_not_wrap(void **state)
{
    (void)state;
    size_t out;
    assert_int_equal(mem_mul(&out, 6, 7), 0);
    assert_int_equal(out, 42);
    assert_int_equal(mem_mul(&out, SIZE_MAX / 2, 3), -E2BIG);
    assert_int_equal(mem_add(&out, SIZE_MAX, 1), -E2BIG);
    assert_int_equal(mem_add(&out, SIZE_MAX - 1, 1), 0);
}

static void an_arena_gives_aligned_memory_of_its_own(void **state)
{
    (void)state;
    struct arena arena = {0};
    char *blocks[500];
    for (size_t i = 0; i < 500; i++) {
        size_t size = i % 7 == 0 ? 5000 : i % 50;
        blocks[i] = arena_alloc(&arena, size);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 8, 0);
        memset(blocks[i], (int)i, size);
    }
    for (size_t i = 0; i < 500; i++) {
        size_t size = i % 7 == 0 ? 5000 : i % 50;
        for (size_t k = 0; k < size; k++)
            assert_int_equal((unsigned char)blocks[i][k], i & 0xFF);
    }
    arena_fini(&arena);
}

static void an_arena_refuses_past_its_limit_until_reset(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 100);
    assert_non_null(arena_alloc(&arena, 96));
    assert_false(arena.failed);
    assert_null(arena_alloc(&arena, 8));
    assert_true(arena.failed);
    assert_null(arena_dup(&arena, "x", SIZE_MAX));
    assert_int_equal(arena.used, 96);
    arena_reset(&arena);
    assert_false(arena.failed);
    assert_int_equal(arena.used, 0);
    assert_int_equal(arena.limit, 100);
    assert_string_equal(arena_dup(&arena, "text!", 4), "text");
    assert_null(arena_alloc(&arena, SIZE_MAX));
    arena_fini(&arena);
}

static void zeroed_memory_is_zero_after_a_reset_too(void **state)
{
    (void)state;
    struct arena arena = {0};
    static const char zeros[3000];
    memset(arena_alloc(&arena, 3000), 0xAA, 3000);
    arena_reset(&arena);
    assert_memory_equal(arena_zalloc(&arena, 3000), zeros, 3000);
    arena_fini(&arena);
}

static void a_buffer_takes_all_or_nothing(void **state)
{
    (void)state;
    struct buf buf = {.limit = 10};
    assert_int_equal(buf_addstr(&buf, "12345"), 0);
    assert_int_equal(buf_addf(&buf, "%s", "678901"), -E2BIG);
    assert_true(buf.full);
    assert_string_equal(buf.data, "12345");
    assert_int_equal(buf_add(&buf, "67890", 5), 0);
    assert_int_equal(buf_addch(&buf, 'x'), -E2BIG);
    assert_int_equal(buf.len, 10);
    assert_true(buf.full);
    buf_clear(&buf);
    assert_false(buf.full);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf_addu(&buf, UINT64_MAX), -E2BIG);
    assert_int_equal(buf.len, 0);
    assert_null(buf_reserve(&buf, SIZE_MAX));
    buf_fini(&buf);
}

static void a_buffer_formats_short_and_long(void **state)
{
    (void)state;
    struct buf buf = {0};
    assert_int_equal(buf_addf(&buf, "%d-%s", 7, "x"), 0);
    assert_string_equal(buf.data, "7-x");
    buf_clear(&buf);
    assert_int_equal(buf_addf(&buf, "%0*d|", 1000, 5), 0);
    assert_int_equal(buf.len, 1001);
    assert_string_equal(buf.data + 998, "05|");
    buf_fini(&buf);
}

static void a_buffer_writes_numbers(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_addi(&buf, INT64_MIN);
    buf_addch(&buf, ' ');
    buf_addi(&buf, INT64_MAX);
    buf_addch(&buf, ' ');
    buf_addu(&buf, UINT64_MAX);
    buf_addch(&buf, ' ');
    buf_addi(&buf, 0);
    assert_string_equal(
        buf.data, "-9223372036854775808 9223372036854775807 18446744073709551615 0");
    buf_fini(&buf);
}

static void taken_data_is_never_null(void **state)
{
    (void)state;
    struct buf buf = {0};
    char *empty = buf_take(&buf);
    assert_string_equal(empty, "");
    free(empty);
    buf_addstr(&buf, "kept");
    char *kept = buf_take(&buf);
    assert_string_equal(kept, "kept");
    assert_int_equal(buf.len, 0);
    assert_null(buf.data);
    free(kept);
}

static void an_error_says_where_and_what(void **state)
{
    (void)state;
    struct err err = {0};
    char text[ERR_TEXT];
    assert_int_equal(err_set_at(&err, -EINVAL, 3, 11, "bad %s", "unit"), -EINVAL);
    assert_string_equal(err_text(&err, text, sizeof(text)), "3:11: bad unit");
    assert_int_equal(err_set(&err, -ENOENT, "again: %s", err.msg), -ENOENT);
    assert_string_equal(err_text(&err, text, sizeof(text)), "again: bad unit");
    assert_int_equal(err_set(NULL, -EIO, "nobody reads this"), -EIO);
}

static void long_words_are_cut_between_characters(void **state)
{
    (void)state;
    struct err err = {0};
    char text[3000], small[10];
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xC3\xBC", 2);
    text[sizeof(text) - 2] = 0;
    for (int shift = 0; shift < 2; shift++) {
        err_set(&err, -EINVAL, "%*s%s", shift, "", text);
        size_t len = strlen(err.msg);
        assert_in_range(len, ERR_TEXT - 2, ERR_TEXT - 1);
        assert_int_equal((len - (size_t)shift) % 2, 0);
    }
    err_set(&err, -EINVAL, "12345678\xE2\x82\xAC");
    assert_string_equal(err_text(&err, small, sizeof(small)), "12345678");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checked_sizes_do_not_wrap),
        cmocka_unit_test(an_arena_gives_aligned_memory_of_its_own),
        cmocka_unit_test(an_arena_refuses_past_its_limit_until_reset),
        cmocka_unit_test(zeroed_memory_is_zero_after_a_reset_too),
        cmocka_unit_test(a_buffer_takes_all_or_nothing),
        cmocka_unit_test(a_buffer_formats_short_and_long),
        cmocka_unit_test(a_buffer_writes_numbers),
        cmocka_unit_test(taken_data_is_never_null),
        cmocka_unit_test(an_error_says_where_and_what),
        cmocka_unit_test(long_words_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
