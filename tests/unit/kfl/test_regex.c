/* Regular expressions: the syntax of RE2, and bounded work. */
#include "tests/unit/kfl/kfl_case.h"

#include <errno.h>

#include "kfl/base/clock.h"
#include "kfl/regex.h"

static int search(const char *pattern, const char *text, size_t len)
{
    struct regex *regex;
    struct err err = {0};
    size_t at;
    if (regex_new(&regex, pattern, strlen(pattern), &at, &err) < 0)
        fail_msg("%s: %s", pattern, err.msg);
    struct regex_run *run = regex_run_new();
    int rc = regex_search(run, regex, text, len, &err);
    regex_run_free(run);
    regex_free(regex);
    return rc;
}

static void patterns_are_searched(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        int found;
    } samples[] = {
        {"ell", "hello", 1},
        {"^ell", "hello", 0},
        {"o$", "hello", 1},
        {"o$", "hello\n", 0},
        {"(?m)o$", "hello\nx", 1},
        {"^h.*o$", "h\no", 0},
        {"(?s)^h.*o$", "h\no", 1},
        {"HELLO", "hello", 0},
        {"(?i)HELLO", "hello", 1},
        {"^\\d+\\.\\d$", "12.3", 1},
        {"\\bfoo\\b", "a foo.", 1},
        {"^[^a-c[:digit:]]+$", "xyz", 1},
        {"^(?P<n>a|b){2,3}$", "aba", 1},
        {"^\\Qa.b\\E$", "a.b", 1},
        {"^\\Qa.b\\E$", "axb", 0},
        {"^\xc3\xa9.$", "\xc3\xa9\xf0\x9f\x98\x80", 1},
        {"\\pL{2}", "\xc3\xa9\xc3\xa8", 1},
        {"\\x{e9}", "\xc3\xa9", 1},
        {"", "", 1},
        {"x*", "", 1},
        {"a{,2}", "a{,2}", 1},
        {"[]a]", "]", 1},
        {"(?U)a+?b", "aab", 1},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        if (search(samples[i].pattern, samples[i].text, strlen(samples[i].text)) !=
            samples[i].found)
            fail_msg("%s over %s", samples[i].pattern, samples[i].text);
}

static void what_is_not_of_re2_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        size_t at;
    } samples[] = {
        {"a(?=b)", 1},    {"(?!b)", 0},     {"x(?<=b)", 1}, {"(?<!b)", 0},
        {"(?>a)", 0},     {"(a)\\1", 3},    {"(?P=n)", 0},  {"\\k<n>", 0},
        {"a*+", 2},       {"a++", 2},       {"a?+", 2},     {"a{2}+", 4},
        {"a**", 2},       {"a{2}{3}", 4},   {"*a", 0},      {"(*UTF)", 0},
        {"(?R)", 0},      {"(?1)", 0},      {"(?C1)", 0},   {"(?#c)", 0},
        {"(?x)a", 0},     {"(?(1)a|b)", 0}, {"\\h", 0},     {"\\R", 0},
        {"\\X", 0},       {"\\K", 0},       {"\\G", 0},     {"\\Z", 0},
        {"\\C", 0},       {"\\N", 0},       {"\\e", 0},     {"a{1001}", 1},
        {"a{2,9999}", 1}, {"[\\b]", 1},     {"[[:<:]]", 1}, {"x[a", 1},
        {"a\\", 1},       {"|+", 1},        {"(+)", 1},     {"(?|a)", 0},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct regex *regex = NULL;
        struct err err = {0};
        size_t at = 99, len = strlen(samples[i].pattern);
        int rc = regex_new(&regex, samples[i].pattern, len, &at, &err);
        if (rc != -EINVAL || strncmp(err.msg, "bad regex: ", 11) != 0 ||
            at != samples[i].at)
            fail_msg("%s: %d at %zu: %s", samples[i].pattern, rc, at, err.msg);
    }
    static const char *const unfinished[] = {"(",     "a)",  "(?P<n",
                                             "[b-a]", "(?i", "\\p{Nope}"};
    for (size_t i = 0; i < sizeof(unfinished) / sizeof(unfinished[0]); i++) {
        struct regex *regex = NULL;
        struct err err = {0};
        size_t at;
        if (regex_new(&regex, unfinished[i], strlen(unfinished[i]), &at, &err) !=
            -EINVAL)
            fail_msg("%s is accepted", unfinished[i]);
    }
}

/* 'x' so many times, then `end`. */
static char *long_text(size_t *len, size_t count, const char *end)
{
    struct buf out = {0};
    for (size_t i = 0; i < count; i++)
        buf_addch(&out, 'x');
    buf_addstr(&out, end);
    *len = out.len;
    return buf_take(&out);
}

static void short_texts_have_an_answer(void **state)
{
    (void)state;
    size_t len;
    char *text = long_text(&len, 60, "!");
    assert_int_equal(search("^(x+)+$", text, len), 0);
    assert_int_equal(search("^(x|x)*$", text, len), 0);
    assert_int_equal(search("(x*)*y|!", text, len), 1);
    free(text);
}

static void long_texts_never_hang(void **state)
{
    (void)state;
    static const char *const hard[] = {"(x+)+y[0-9]", "x.*x.*x.*y[0-9]",
                                       "(x*x*)*[^x]{9}y"};
    size_t len;
    char *text = long_text(&len, 50000, "y");
    for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++) {
        int64_t began = clock_monotonic();
        int rc = search(hard[i], text, len);
        assert_true(rc == 0 || rc == -ELOOP);
        assert_true(clock_monotonic() - began < 60 * NS_PER_S);
    }
    assert_int_equal(search("x$", text, len), 0);
    assert_int_equal(search("^x+y$", text, len), 1);
    assert_int_equal(search("xy", text, len), 1);
    free(text);
}

static void windows_meet_between_characters(void **state)
{
    (void)state;
    struct buf out = {0};
    for (int i = 0; i < 4000; i++)
        buf_addstr(&out, "\xc3\xa9");
    buf_addstr(&out, "end");
    assert_int_equal(search("\xc3\xa9"
                            "end$",
                            out.data, out.len),
                     1);
    assert_int_equal(search("^end", out.data, out.len), 0);
    assert_int_equal(search("\\bend", out.data, out.len), 1);
    assert_int_equal(search("e\xc3\xa9", out.data, out.len), 0);
    buf_fini(&out);
}

static void bytes_that_are_no_utf8_do_no_harm(void **state)
{
    (void)state;
    assert_int_equal(search("b",
                            "a\xff"
                            "b",
                            3),
                     1);
    assert_int_equal(search("^b",
                            "a\xff"
                            "b",
                            3),
                     0);
    assert_int_equal(search("c", "\xc3", 1), 0);
}

static void a_hit_limit_is_an_error(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf json = {0};
    buf_addstr(&json, "{\"a\":\"");
    for (int i = 0; i < 20000; i++)
        buf_addch(&json, 'x');
    buf_addstr(&json, "!\"}");
    assert_int_equal(case_match(NULL, "!(a == r\"^(x|x)*$\")", json.data, NULL, &err),
                     -ELOOP);
    assert_string_equal(err.msg,
                        "a regex needs too much work on a text of 20001 bytes");
    buf_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_are_searched),
        cmocka_unit_test(what_is_not_of_re2_is_refused),
        cmocka_unit_test(short_texts_have_an_answer),
        cmocka_unit_test(long_texts_never_hang),
        cmocka_unit_test(windows_meet_between_characters),
        cmocka_unit_test(bytes_that_are_no_utf8_do_no_harm),
        cmocka_unit_test(a_hit_limit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
