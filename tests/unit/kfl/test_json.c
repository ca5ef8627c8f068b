/* JSON: what is read and refused, and what is written. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/doc.h"

#define BAD "\xEF\xBF\xBD"

struct sample {
    const char *in, *out;
};

/* Parsed from a block of exactly its size, so that a sanitizer sees what is read behind
 * it. */
static int parse_exact(struct doc_value *out, struct arena *arena, char **copy,
                       const char *text, size_t len, struct err *err)
{
    *copy = malloc(len ? len : 1);
    memcpy(*copy, text, len);
    return doc_parse(out, arena, *copy, len, err);
}

static void assert_reads_as(const char *in, const char *want)
{
    struct arena arena = {0};
    struct buf out = {0};
    struct doc_value value;
    struct err err = {0};
    char *copy;
    if (parse_exact(&value, &arena, &copy, in, strlen(in), &err) < 0)
        fail_msg("refused: %s: %d:%d: %s", in, err.line, err.col, err.msg);
    assert_int_equal(doc_write(&out, &value), 0);
    assert_string_equal(out.data, want);
    buf_fini(&out);
    free(copy);
    arena_fini(&arena);
}

static void values_are_read_and_written(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"null", "null"},
        {" true\r\n", "true"},
        {"\t[ ]", "[]"},
        {"{ }", "{}"},
        {"\xEF\xBB\xBF{\"a\" : [ 1 , {\"b\":false} ] , \"c\":\"\"}",
         "{\"a\":[1,{\"b\":false}],\"c\":\"\"}"},
        {"[[[]],[[1]],{\"\":{}}]", "[[[]],[[1]],{\"\":{}}]"},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        assert_reads_as(samples[i].in, samples[i].out);
}

static void numbers_keep_their_value(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"0", "0"},
        {"-0", "0"},
        {"1703018670360", "1703018670360"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"18446744073709551616", "1.8446744073709552e+19"},
        {"-9223372036854775809", "-9.223372036854776e+18"},
        {"3.0", "3"},
        {"-3.50", "-3.5"},
        {"0.1", "0.1"},
        {"12.345", "12.345"},
        {"-0.000001", "-0.000001"},
        {"0.0000001", "1e-07"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"1e3", "1000"},
        {"1E+2", "100"},
        {"25e-1", "2.5"},
        {"1e23", "1e+23"},
        {"123456789012345.67", "123456789012345.67"},
        {"999999999.999999", "999999999.999999"},
        {"5e-324", "5e-324"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        {"9007199254740993.0", "9007199254740992"},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        assert_reads_as(samples[i].in, samples[i].out);
}

static void doubles_read_back_as_the_same(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252U;
    for (int i = 0; i < 20000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        double real = (double)(int64_t)random / (double)(1 << (i % 31));
        if (i % 3 == 0)
            real = (double)(int64_t)(random % 2000000000) / 1000;
        struct doc_value value = {.type = DOC_DOUBLE, .real = real}, again;
        struct buf out = {0};
        struct arena arena = {0};
        assert_int_equal(doc_write(&out, &value), 0);
        assert_true(strtod(out.data, NULL) == real);
        assert_int_equal(doc_parse(&again, &arena, out.data, out.len, NULL), 0);
        assert_true(doc_equal(&again, &value));
        arena_fini(&arena);
        buf_fini(&out);
    }
}

static void what_is_no_number_is_written_as_null(void **state)
{
    (void)state;
    struct doc_value value = {.type = DOC_DOUBLE, .real = strtod("inf", NULL)};
    struct buf out = {0};
    assert_int_equal(doc_write(&out, &value), 0);
    value.real = strtod("nan", NULL);
    assert_int_equal(doc_write(&out, &value), 0);
    assert_string_equal(out.data, "nullnull");
    buf_fini(&out);
}

static void strings_are_decoded_to_valid_utf8(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\u0041\\u00fc\\u20AC\"", "\"A\xC3\xBC\xE2\x82\xAC\""},
        {"\"\\ud83d\\ude00!\"", "\"\xF0\x9F\x98\x80!\""},
        {"\"\\ud83d\"", "\"" BAD "\""},
        {"\"\\ude00\\ud83d\"", "\"" BAD BAD "\""},
        {"\"\\ud83d\\u0041\"", "\"" BAD "A\""},
        {"\"\\ud83dx\"", "\"" BAD "x\""},
        {"\"\\u0000\"", "\"\\u0000\""},
        {"\"z\xC3\xBC\x72ich\"", "\"z\xC3\xBC\x72ich\""},
        {"\"a\xFF"
         "b\\n\xC3\"",
         "\"a" BAD "b\\n" BAD "\""},
        {"\"a string that is longer than some words \\t and goes on after it\"",
         "\"a string that is longer than some words \\t and goes on after it\""},
        {"{\"\\u0061\":1,\"\xFF\":2}", "{\"a\":1,\"" BAD "\":2}"},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        assert_reads_as(samples[i].in, samples[i].out);
}

static void plain_strings_are_not_copied(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct doc_value value;
    const char *text = "{\"name\":\"z\xC3\xBC\"}";
    assert_int_equal(doc_parse(&value, &arena, text, strlen(text), NULL), 0);
    assert_ptr_equal(value.list->members[0].name, text + 2);
    assert_ptr_equal(value.list->members[0].value.text, text + 9);
    arena_fini(&arena);
}

static void a_repeated_name_replaces_the_earlier(void **state)
{
    (void)state;
    assert_reads_as("{\"a\":1,\"b\":2,\"a\":[3]}", "{\"a\":[3],\"b\":2}");
    assert_reads_as("{\"a\":1,\"\\u0061\":2}", "{\"a\":2}");
    assert_reads_as("{\"\":1,\"\":2}", "{\"\":2}");
    /* Beyond the size at which names are hashed. */
    struct buf text = {0};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++)
            buf_addf(&text, "%s\"name%d\":%d", text.len ? "," : "{", i, i + round);
    }
    buf_addch(&text, '}');
    struct arena arena = {0};
    struct doc_value value;
    assert_int_equal(doc_parse(&value, &arena, text.data, text.len, NULL), 0);
    assert_int_equal(value.list->count, 5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(value.list->members[i].value.integer, i + 1);
    arena_fini(&arena);
    buf_fini(&text);
}

static void many_members_take_no_quadratic_time(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int i = 0; i < 300000; i++)
        buf_addf(&text, "%s\"%08d\":0", text.len ? "," : "{", i);
    buf_addch(&text, '}');
    struct arena arena = {0};
    struct doc_value value;
    int64_t start = clock_monotonic();
    assert_int_equal(doc_parse(&value, &arena, text.data, text.len, NULL), 0);
    /* Pair by pair these would be 45e9 comparisons. */
    assert_true(clock_monotonic() - start < 10 * NS_PER_S);
    assert_int_equal(value.list->count, 300000);
    arena_fini(&arena);
    buf_fini(&text);
}

static void errors_say_where(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line, col;
        const char *words;
    } samples[] = {
        {"", 1, 1, "expected a value, found the end"},
        {" \n ", 2, 2, "expected a value, found the end"},
        {"nul", 1, 1, "expected a value"},
        {"{\"a\":1}}", 1, 8, "expected the end after the value"},
        {"[1 2]", 1, 4, "expected ',' or ']'"},
        {"[1,]", 1, 4, "expected a value"},
        {"[1", 1, 3, "expected ',' or ']'"},
        {"{", 1, 2, "expected a name in quotes"},
        {"{\"a\":1,}", 1, 8, "expected a name in quotes"},
        {"{a:1}", 1, 2, "expected a name in quotes"},
        {"{\"a\" 1}", 1, 6, "expected ':' after a name"},
        {"{\"a\":1 \"b\":2}", 1, 8, "expected ',' or '}'"},
        {"[\n  \"z\xC3\xBC\", x]", 2, 9, "expected a value"},
        {"[\"\xF0\x9F\x98\x80\", \"open]", 1, 7, "a string without its closing quote"},
        {"\"open \\\"", 1, 1, "a string without its closing quote"},
        {"\"open \\", 1, 1, "a string without its closing quote"},
        {"\"a\nb\"", 1, 3, "a control character in a string"},
        {"\"\\x\"", 1, 2, "no such escape in a string"},
        {"\"a\\u12g4\"", 1, 3, "\\u needs four hexadecimal digits"},
        {"\"a\\u12\"", 1, 3, "\\u needs four hexadecimal digits"},
        {"-", 1, 2, "expected a value"},
        {"+1", 1, 1, "expected a value"},
        {".5", 1, 1, "expected a value"},
        {"01", 1, 1, "a number with leading zeros"},
        {"1.", 1, 3, "expected a digit"},
        {"1.x", 1, 3, "expected a digit"},
        {"1e", 1, 3, "expected a digit"},
        {"1e+", 1, 4, "expected a digit"},
        {"1e999", 1, 1, "a number out of range"},
        {"NaN", 1, 1, "expected a value"},
        {"'a'", 1, 1, "expected a value"},
        {"[1] // no", 1, 5, "expected the end after the value"},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct arena arena = {0};
        struct doc_value value;
        struct err err = {0};
        char *copy;
        int rc = parse_exact(&value, &arena, &copy, samples[i].text,
                             strlen(samples[i].text), &err);
        if (rc != -EINVAL || err.line != samples[i].line || err.col != samples[i].col ||
            strcmp(err.msg, samples[i].words) != 0)
            fail_msg("%s: %d, %d:%d: %s", samples[i].text, rc, err.line, err.col,
                     err.msg);
        free(copy);
        arena_fini(&arena);
    }
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    for (int depth = DOC_DEPTH_MAX; depth <= DOC_DEPTH_MAX + 1; depth++) {
        char text[3 * DOC_DEPTH_MAX];
        struct arena arena = {0};
        struct doc_value value;
        struct err err = {0};
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        int rc = doc_parse(&value, &arena, text, 2 * (size_t)depth, &err);
        assert_int_equal(rc, depth > DOC_DEPTH_MAX ? -E2BIG : 0);
        if (rc < 0)
            assert_int_equal(err.col, DOC_DEPTH_MAX + 1);
        arena_fini(&arena);
    }
}

static void a_document_keeps_to_the_limit_of_the_arena(void **state)
{
    (void)state;
    struct buf text = {0};
    struct err err = {0};
    for (int i = 0; i < 10000; i++)
        buf_addstr(&text, i ? ",0" : "[0");
    buf_addch(&text, ']');
    struct arena arena = {.limit = 100000};
    struct doc_value value;
    assert_int_equal(doc_parse(&value, &arena, text.data, text.len, &err), -E2BIG);
    assert_string_equal(err.msg, "the document is too large");
    arena_reset(&arena);
    assert_int_equal(doc_parse(&value, &arena, "[\"a\\nb\"]", 8, &err), 0);
    arena_fini(&arena);
    arena = (struct arena){.limit = 8};
    assert_int_equal(doc_parse(&value, &arena, "\"1234\\n5678\"", 12, &err), -E2BIG);
    arena_fini(&arena);
    buf_fini(&text);
}

static void writing_is_whole_or_absent(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct doc_value value;
    const char *text = "{\"a\":[1,2.5,true,null,\"x\\n\"],\"b\":{}}";
    assert_int_equal(doc_parse(&value, &arena, text, strlen(text), NULL), 0);
    for (size_t limit = 2; limit <= strlen(text) + 2; limit++) {
        struct buf out = {.limit = limit};
        buf_addch(&out, '>');
        bool fits = limit > strlen(text);
        assert_int_equal(doc_write(&out, &value), fits ? 0 : -E2BIG);
        assert_string_equal(out.data + 1, fits ? text : "");
        buf_fini(&out);
    }
    arena_fini(&arena);
}

static void people_get_indentation(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct doc_value value;
    struct buf out = {0};
    const char *text = "{\"a\":[1,{\"b\":\"c\"}],\"d\":{},\"e\":[]}";
    assert_int_equal(doc_parse(&value, &arena, text, strlen(text), NULL), 0);
    assert_int_equal(doc_write_pretty(&out, &value), 0);
    assert_string_equal(out.data, "{\n"
                                  "  \"a\": [\n"
                                  "    1,\n"
                                  "    {\n"
                                  "      \"b\": \"c\"\n"
                                  "    }\n"
                                  "  ],\n"
                                  "  \"d\": {},\n"
                                  "  \"e\": []\n"
                                  "}\n");
    buf_fini(&out);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_and_written),
        cmocka_unit_test(numbers_keep_their_value),
        cmocka_unit_test(doubles_read_back_as_the_same),
        cmocka_unit_test(what_is_no_number_is_written_as_null),
        cmocka_unit_test(strings_are_decoded_to_valid_utf8),
        cmocka_unit_test(plain_strings_are_not_copied),
        cmocka_unit_test(a_repeated_name_replaces_the_earlier),
        cmocka_unit_test(many_members_take_no_quadratic_time),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(a_document_keeps_to_the_limit_of_the_arena),
        cmocka_unit_test(writing_is_whole_or_absent),
        cmocka_unit_test(people_get_indentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
