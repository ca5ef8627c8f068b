/* The grammar: how statements group, what is accepted, and what is told of a mix. */
#include "tests/unit/kfl/kfl_case.h"

#include <errno.h>
#include <stdio.h>

/* The first line of the explanation. */
static void assert_groups(const char *text, const char *want)
{
    struct kfl *kfl = case_kfl(text);
    struct buf out = {0};
    kfl_explain(&out, kfl);
    char *end = strchr(out.data, '\n');
    assert_non_null(end);
    *end = 0;
    assert_string_equal(out.data + strlen("grouping: "), want);
    buf_fini(&out);
    kfl_unref(kfl);
}

static void chains_group_to_the_left(void **state)
{
    (void)state;
    assert_groups("", "everything");
    assert_groups("a and b or c", "((a and b) or c)");
    assert_groups("a and (b or c)", "(a and (b or c))");
    assert_groups("a == b != c", "((a == b) != c)");
    assert_groups("a < b == c > d", "((a < b) == (c > d))");
    assert_groups("a == 1 and b", "((a == 1) and b)");
    assert_groups("!a and -b == -1", "(!a and (-b == -1))");
    assert_groups("(a)", "(a)");
    assert_groups("-now() < - 5", "(-1703018670360 < - 5)");
    assert_groups("1 > 2 >= 3 < 4 <= 5", "((((1 > 2) >= 3) < 4) <= 5)");
}

static void selectors_and_calls_are_read(void **state)
{
    (void)state;
    assert_groups("a . b [ 1 ] [ -1 ] [\"x-y\"] .* [*] .. c ..* ..[\"d e\"]",
                  "a.b[1][-1][\"x-y\"].*.*..c..*..[\"d e\"]");
    assert_groups("..b", "..b");
    assert_groups("a.json()[\"k\"].xml().b", "a.json().k.xml().b");
    assert_groups("a.contains( \"x\" )", "a.contains(\"x\")");
    assert_groups("rule(description: \"d\", query: a and b)", "rule(\"d\", (a and b))");
    assert_groups("f(g(1), -2)", "f(g(1), -2)");
    assert_groups("dns", "(protocol.abbr == \"DNS\")");
    assert_groups("redact(\"a['b c'][0]...d.json().e\")",
                  "redact(a[\"b c\"][0]..d.json().e)");
}

static void the_explanation_tells_what_is_read(void **state)
{
    (void)state;
    struct kfl *kfl = case_kfl("record(\"x\") and http and redact(\"a\") and limit(3)");
    struct buf out = {0};
    kfl_explain(&out, kfl);
    assert_non_null(strstr(out.data, "\nsources: recording x\n"));
    assert_non_null(strstr(out.data, "\nprotocols: HTTP\n"));
    assert_non_null(strstr(out.data, "\nlimit: 3\n"));
    assert_non_null(strstr(out.data, "select and compare protocol.abbr == \"HTTP\""));
    buf_clear(&out);
    kfl_unref(kfl);
    kfl = case_kfl("!dns");
    kfl_explain(&out, kfl);
    assert_non_null(strstr(out.data, "\nsources: live traffic\n"));
    assert_non_null(strstr(out.data, "\nprotocols: any but DNS\n"));
    buf_fini(&out);
    kfl_unref(kfl);
}

static void a_mix_is_warned_of(void **state)
{
    (void)state;
    struct kfl *kfl = case_kfl("a and b\n or c");
    const struct err *warning = kfl_warning(kfl);
    assert_non_null(warning);
    assert_int_equal(warning->line, 2);
    assert_int_equal(warning->col, 2);
    kfl_unref(kfl);
    kfl = case_kfl("x and (a or b and c)");
    assert_non_null(kfl_warning(kfl));
    assert_int_equal(kfl_warning(kfl)->col, 15);
    kfl_unref(kfl);
    static const char *const clear[] = {"a and b and c", "a or (b and c)",
                                        "(a and b) or c", "https or icmp"};
    for (size_t i = 0; i < sizeof(clear) / sizeof(clear[0]); i++) {
        kfl = case_kfl(clear[i]);
        assert_null(kfl_warning(kfl));
        kfl_unref(kfl);
    }
}

/* `part` so many times around `middle`. */
static char *repeat(const char *before, size_t times, const char *middle,
                    const char *after)
{
    struct buf out = {0};
    for (size_t i = 0; i < times; i++)
        buf_addstr(&out, before);
    buf_addstr(&out, middle);
    for (size_t i = 0; i < times; i++)
        buf_addstr(&out, after);
    return buf_take(&out);
}

static int compile_free(char *text, struct err *err)
{
    struct kfl *kfl;
    int rc = case_compile(&kfl, text, NULL, err);
    kfl_unref(kfl);
    free(text);
    return rc;
}

static void size_and_depth_are_bounded(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(compile_free(repeat("(", 400, "a", ")"), &err), 0);
    assert_int_equal(compile_free(repeat("(", 100000 / 2, "a", ")"), &err), -E2BIG);
    assert_int_equal(compile_free(repeat("(", 600, "a", ")"), &err), -E2BIG);
    assert_int_equal(err.col, 501);
    assert_int_equal(compile_free(repeat("!", 600, "a", ""), &err), -E2BIG);
    assert_int_equal(compile_free(repeat("f(", 600, "a", ")"), &err), -E2BIG);
    assert_int_equal(compile_free(repeat("a.", 200, "a", ""), &err), -E2BIG);
    assert_int_equal(compile_free(repeat("a or ", 10000, "a", ""), &err), 0);
    assert_int_equal(compile_free(repeat("a == (", 400, "a", ")"), &err), 0);
    assert_int_equal(compile_free(repeat(" ", 70000, "a", ""), &err), -E2BIG);
}

/* Each word stands for twice the one before. */
static const char *doubling(void *context, const char *name, size_t len)
{
    char *text = context;
    if (len != 2 || name[0] != 'w' || name[1] < 'a' || name[1] > 'z')
        return NULL;
    snprintf(text, 16, name[1] == 'z' ? "true" : "w%c or w%c", name[1] + 1,
             name[1] + 1);
    return text;
}

static void saved_statements_cannot_explode(void **state)
{
    (void)state;
    char text[16];
    struct err err = {0};
    struct kfl *kfl;
    struct kfl_env env = {.saved = doubling, .context = text};
    assert_int_equal(case_compile(&kfl, "wt", &env, &err), 0);
    kfl_unref(kfl);
    assert_int_equal(case_compile(&kfl, "wa", &env, &err), -E2BIG);
    assert_null(kfl);
}

static void names_of_saved_statements(void **state)
{
    (void)state;
    static const char *const free_names[] = {"slow",  "r",         "a_b1",
                                             "http3", "h\xc3\xa9", "contains"};
    static const char *const taken[] = {"",       "1a",   "a-b",   "and", "true",
                                        "nil",    "http", "error", "tls", "request",
                                        "record", "a b",  "a.b"};
    for (size_t i = 0; i < sizeof(free_names) / sizeof(free_names[0]); i++)
        assert_true(kfl_name_is_free(free_names[i]));
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        assert_false(kfl_name_is_free(taken[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_group_to_the_left),
        cmocka_unit_test(selectors_and_calls_are_read),
        cmocka_unit_test(the_explanation_tells_what_is_read),
        cmocka_unit_test(a_mix_is_warned_of),
        cmocka_unit_test(size_and_depth_are_bounded),
        cmocka_unit_test(saved_statements_cannot_explode),
        cmocka_unit_test(names_of_saved_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
