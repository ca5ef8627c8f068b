/* UTF-8, JSON strings, base64, distance. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kfl/base/buf.h"
#include "kfl/base/mem.h"
#include "kfl/base/text.h"

#define BAD "\xEF\xBF\xBD"

struct sample {
    const char *in, *out;
};

static void utf8_is_kept_or_replaced_byte_by_byte(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", ""},
        {"plain ascii, long enough for words", "plain ascii, long enough for words"},
        {"z\xC3\xBC\x72ich \xE2\x82\xAC \xF0\x9F\x98\x80", NULL},
        {"\xED\x9F\xBF \xEE\x80\x80 \xF4\x8F\xBF\xBF", NULL},
        {"\x80", BAD},
        {"a\xC3", "a" BAD},
        {"\xC0\xAF", BAD BAD},
        {"\xE0\x80\xAF", BAD BAD BAD},
        {"\xED\xA0\x80", BAD BAD BAD},
        {"\xF4\x90\x80\x80", BAD BAD BAD BAD},
        {"\xF8\x88", BAD BAD},
        {"\xE2\x82", BAD BAD},
        {"12345678\xFF"
         "12345678",
         "12345678" BAD "12345678"},
        {"\xE2\x82(\xC3\xBC", BAD BAD "(\xC3\xBC"},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct arena arena = {0};
        const char *in = samples[i].in, *want = samples[i].out ? samples[i].out : in;
        size_t len = strlen(in);
        assert_int_equal(text_is_utf8(in, len), strcmp(in, want) == 0);
        const char *out = text_utf8(&arena, in, &len);
        assert_int_equal(len, strlen(want));
        assert_memory_equal(out, want, len);
        if (strcmp(in, want) == 0)
            assert_ptr_equal(out, in);
        assert_true(text_is_utf8(out, len));
        arena_fini(&arena);
    }
}

static void utf8_says_when_the_arena_is_full(void **state)
{
    (void)state;
    struct arena arena = {.limit = 8};
    size_t len = 9;
    assert_null(text_utf8(&arena, "12345678\xFF", &len));
    assert_true(arena.failed);
    arena_fini(&arena);
}

static void every_code_point_reads_back(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char text[4];
        uint32_t again = 0;
        size_t len = text_utf8_put(text, code);
        uint32_t want = code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : code;
        if (text_utf8_next(text, len, &again) != len || again != want)
            fail_msg("code point %X reads back as %X", code, again);
    }
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"a\\b/c", "\"a\\\\b/c\""},
        {"\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
        {"\xC3\xBC\xF0\x9F\x98\x80", "\"\xC3\xBC\xF0\x9F\x98\x80\""},
        {"1234567\xFF"
         "90",
         "\"1234567" BAD "90\""},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct buf out = {0};
        assert_int_equal(text_json(&out, samples[i].in, strlen(samples[i].in)), 0);
        assert_string_equal(out.data, samples[i].out);
        buf_fini(&out);
    }
    struct buf out = {0};
    assert_int_equal(text_json(&out, "a\0b", 3), 0);
    assert_string_equal(out.data, "\"a\\u0000b\"");
    buf_fini(&out);
}

static void json_strings_are_whole_or_absent(void **state)
{
    (void)state;
    for (size_t limit = 1; limit < 12; limit++) {
        struct buf out = {.limit = limit};
        buf_addch(&out, '[');
        int rc = text_json(&out, "ab\n\"cd", 6);
        assert_int_equal(rc, limit < 11 ? -E2BIG : 0);
        assert_string_equal(out.data, limit < 11 ? "[" : "[\"ab\\n\\\"cd\"");
        assert_int_equal(out.full, limit < 11);
        buf_fini(&out);
    }
}

static void the_plain_span_stops_at_each_special_byte(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool special = c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
        for (size_t at = 0; at < 24; at++) {
            char text[24];
            memset(text, 'x', sizeof(text));
            text[at] = (char)c;
            size_t want = special ? at : sizeof(text);
            assert_int_equal(text_plain_span(text, sizeof(text)), want);
            /* What is behind the first hit must not move it. */
            memset(text + at + 1, 0xFF, sizeof(text) - at - 1);
            want = special ? at : at + 1;
            assert_int_equal(text_plain_span(text, sizeof(text)), want);
        }
    }
}

static void base64_is_that_of_the_rfc(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xFB\xFF\xFE", "+//+"},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct buf out = {0};
        char back[16];
        assert_int_equal(text_base64(&out, samples[i].in, strlen(samples[i].in)), 0);
        assert_string_equal(out.data ? out.data : "", samples[i].out);
        long len = text_unbase64(back, samples[i].out, strlen(samples[i].out));
        assert_int_equal(len, strlen(samples[i].in));
        assert_memory_equal(back, samples[i].in, (size_t)len);
        buf_fini(&out);
    }
}

static void what_is_not_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",    "Zg",   "Zg=",  "Z===",     "====", "Zm9v\n",
        "Zm-v", "Zm_v", "Z=9v", "Zg==Zg==", "=m9v"};
    char out[16];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(text_unbase64(out, bad[i], strlen(bad[i])), -EINVAL);
}

static void distance_counts_typing_errors(void **state)
{
    (void)state;
    assert_int_equal(text_distance("http", "http", 2), 0);
    assert_int_equal(text_distance("htpp", "http", 2), 1);
    assert_int_equal(text_distance("hptt", "http", 2), 2);
    assert_int_equal(text_distance("htt", "http", 2), 1);
    assert_int_equal(text_distance("htttp", "http", 2), 1);
    assert_int_equal(text_distance("ab", "ba", 2), 1);
    assert_int_equal(text_distance("", "abc", 3), 3);
    assert_int_equal(text_distance("kitten", "sitting", 3), 3);
    assert_int_equal(text_distance("kitten", "sitting", 2), 3);
    char long_word[200];
    memset(long_word, 'a', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = 0;
    assert_int_equal(text_distance(long_word, "a", 2), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_kept_or_replaced_byte_by_byte),
        cmocka_unit_test(utf8_says_when_the_arena_is_full),
        cmocka_unit_test(every_code_point_reads_back),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(json_strings_are_whole_or_absent),
        cmocka_unit_test(the_plain_span_stops_at_each_special_byte),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(what_is_not_base64_is_refused),
        cmocka_unit_test(distance_counts_typing_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
