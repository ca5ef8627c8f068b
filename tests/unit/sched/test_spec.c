/* What people write into spec.yaml: what it means, or where it is wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/kfl.h"
#include "sched/spec.h"
#include "sched/when.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MINUTES(n)   ((n)*60 * NS_PER_S)

static const char *saved(void *context, const char *name, size_t len)
{
    (void)context;
    if (len == 4 && memcmp(name, "slow", 4) == 0)
        return "elapsedTime > 500";
    if (len == 6 && memcmp(name, "slower", 6) == 0)
        return "slow and elapsedTime > 1000";
    return NULL;
}

static const struct spec_env env = {.saved = saved};

/* ---- statements */

static const struct {
    const char *text, *kfl;
} statements[] = {
    {"http or dns", "http or dns"},
    {"http or dns\n", "http or dns"},
    {"\n  http\n  and dns\n", "\n  http\n  and dns"},
    {"!error", "!error"},
    {"request.path == \"/a #b, {c}: d\"", "request.path == \"/a #b, {c}: d\""},
    {"kfl: http", "kfl-http"},
    {"slow and http", "slow and http"},
    {"\xef\xbb\xbfhttp", "http"},
    {"kfl: http or dns", "http or dns"},
    {"{kfl: response.status >= 500, duration: 60}", "response.status >= 500"},
    {"\"kfl\": http", "http"},
    {"{\"kfl\": \"http\", \"duration\": 5}", "http"},
    {"kfl: true", "true"},
    {"{}", ""},
    {"# all of it\n{}\n", ""},
    {"kfl:", ""},
    {"kfl: ~", ""},
    {"kfl: ''", ""},
    {"duration: 5", ""},
    {"--- \nkfl: http\n...\n", "http"},
    {"kfl: http # the web\n", "http"},
    {"kfl: 'request.path == \"/it''s\"'", "request.path == \"/it's\""},
    {"kfl: \"request.path == \\\"/a\\\"\"", "request.path == \"/a\""},
    {"kfl: >\n  http\n  and dns\n", "http and dns"},
    {"kfl: |\n  http // web\n  or dns\n", "http // web\nor dns"},
    {"kfl: http\n  and dns\n", "http and dns"},
    {"kfl: request.headers[\"User-Agent\"] == \"x\"",
     "request.headers[\"User-Agent\"] == \"x\""},
    {"kfl: a", NULL},
    /* what YAML would take for tags */
    {"kfl: !error", "!error"},
    {"{kfl: !error, duration: 5}", "!error"},
    {"{duration: 5, kfl: !error}", "!error"},
    {"kfl: !!error", "!!error"},
    {"kfl: !(request.path == \"/x\") and http", "!(request.path == \"/x\") and http"},
    {"kfl: !request.path.startsWith(\"x\")", "!request.path.startsWith(\"x\")"},
    {"kfl:\n  !error\nduration: 5", "!error"},
    {"'kfl': !error", "!error"},
};

static void test_statements(void **state)
{
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT(statements); i++) {
        const char *text = statements[i].text, *kfl = statements[i].kfl;
        struct spec *spec;
        int status = spec_parse(&spec, text, strlen(text), &env, &err);

        print_message("%s\n", text);
        if (!kfl) {
            assert_int_equal(status, -EINVAL);
            continue;
        }
        assert_int_equal(status, 0);
        assert_string_equal(spec->kfl, strcmp(kfl, "kfl-http") == 0 ? "http" : kfl);
        assert_string_equal(spec->text,
                            text + (memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0));
        spec_free(spec);
    }
}

/* ---- no spec */

static void test_no_key(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "  \n\t",
        "# only words\n",
        "---\n",
        "# a\n---\n# b\n",
        "// kfl's comment",
        "~",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct spec *spec;

        print_message("<%s>\n", texts[i]);
        assert_int_equal(spec_parse(&spec, texts[i], strlen(texts[i]), &env, NULL), 1);
        assert_null(spec);
    }
    assert_int_equal(spec_parse(&(struct spec *){NULL}, spec_template(),
                                strlen(spec_template()), &env, NULL),
                     1);
}

/* Who takes the # from every key of the template has a spec with the defaults. */
static void test_template(void **state)
{
    char *text = strdup(spec_template()), *at = text;
    struct spec *spec;

    (void)state;
    while ((at = strstr(at, "\n#"))) {
        at += 2;
        if (*at != ' ')
            at[-1] = ' ';
    }
    for (at = text; (at = strstr(at, "\n ")); at++)
        memmove(at + 1, at + 2, strlen(at + 2) + 1);
    assert_int_equal(spec_parse(&spec, text, strlen(text), &env, NULL), 0);
    assert_string_equal(spec->kfl, "http and response.status >= 500");
    assert_int_equal(spec->start_minute, 525);
    assert_int_equal(spec->daily_iterations, 1);
    assert_int_equal(spec->duration, MINUTES(240));
    assert_int_equal(spec->keep, MINUTES(2880));
    assert_int_equal(spec->max_size, 0);
    assert_int_equal(spec->on_full, ON_FULL_STOP);
    spec_free(spec);
    free(text);
}

/* ---- the other keys */

static struct spec *parse(const char *text)
{
    struct err err = {0};
    struct spec *spec;

    if (spec_parse(&spec, text, strlen(text), &env, &err) != 0)
        fail_msg("%s: %s", text, err.msg);
    return spec;
}

static void test_values(void **state)
{
    struct spec *spec = parse("{}");

    (void)state;
    assert_int_equal(spec->start_minute, WHEN_NOW);
    assert_int_equal(spec->daily_iterations, 1);
    assert_int_equal(spec->duration, MINUTES(240));
    assert_int_equal(spec->keep, MINUTES(2880));
    assert_int_equal(spec->max_size, 0);
    assert_int_equal(spec->on_full, ON_FULL_STOP);
    spec_free(spec);

    spec =
        parse("kfl: http\nstart_time: 08:45 UTC\ndaily_iterations: 5\nduration: 90s\n"
              "expiration: 7d\nmax_size: 500Mi\non_full: drop_oldest\n");
    assert_int_equal(spec->start_minute, 525);
    assert_int_equal(spec->daily_iterations, 5);
    assert_int_equal(spec->duration, 90 * NS_PER_S);
    assert_int_equal(spec->keep, 7 * WHEN_DAY);
    assert_int_equal(spec->max_size, 500 << 20);
    assert_int_equal(spec->on_full, ON_FULL_DROP_OLDEST);
    spec_free(spec);

    spec =
        parse("{start_time: 23:59, daily_iterations: 0, duration: 1d, expiration: 0}");
    assert_int_equal(spec->start_minute, 1439);
    assert_int_equal(spec->daily_iterations, 0);
    assert_int_equal(spec->duration, WHEN_DAY);
    assert_int_equal(spec->keep, 0);
    spec_free(spec);

    spec = parse("start_time:\nduration: 0\nexpiration: '60'\ndaily_iterations: ~\n");
    assert_int_equal(spec->start_minute, WHEN_NOW);
    assert_int_equal(spec->duration, 0);
    assert_int_equal(spec->keep, MINUTES(60));
    spec_free(spec);

    spec = parse("duration: 3d");
    assert_int_equal(spec->duration, 3 * WHEN_DAY);
    spec_free(spec);
}

/* ---- refusals */

static const struct {
    const char *text, *error;
} refusals[] = {
    /* statements, told at their place in the file */
    {"htpp", "1:1: unknown word `htpp` (did you mean `http`?)"},
    {"http and (", "1:11: the statement ends too soon"},
    {"kfl: http and (", "1:16: the statement ends too soon"},
    {"# why\n\nkfl: htpp or dns", "3:6: unknown word `htpp` (did you mean `http`?)"},
    {"{duration: 5, kfl: htpp}", "1:20: unknown word `htpp`"},
    {"kfl: 'request.path == \"it''s\" and htpp'", "1:35: unknown word `htpp`"},
    {"kfl: \"request.path == \\\"a\\\" and htpp\"", "1:33: unknown word `htpp`"},
    {"kfl: \"request.path == \\\"a\\\" and\n  htpp\"", "2:3: unknown word `htpp`"},
    {"kfl: \"http\\u0020and htpp\"", "1:21: unknown word `htpp`"},
    {"kfl: >\n  http and\n  htpp\n", "3:3: unknown word `htpp`"},
    {"kfl: |\n\n  http and\n\n    htpp\nduration: 5", "5:5: unknown word `htpp`"},
    {"kfl: |\n  http and (\n\nduration: 5", "2:13: the statement ends too soon"},
    {"kfl: http\n  and dns\n  and htpp", "3:7: unknown word `htpp`"},
    {"kfl: request.path == \"é\" and htpp", "1:30: unknown word `htpp`"},
    {"kfl: !htpp", "1:7: unknown word `htpp`"},
    {"kfl: request.path == r\"(\"", "1:2"},
    {"kfl: foo(1)", "1:6: unknown helper `foo`"},
    {"record(\"x\")", "1:1: record()"},
    {"kfl: http and record(\"x\")", "1:15: record()"},
    {"kfl: *x", "1:6: unexpected `*`"},
    {"kfl: &x", "1:6: unexpected `&`"},
    {"kfl: @x", "1:6: unexpected character `@`"},
    /* cut by YAML */
    {"kfl: request.path == \"/a #b\"",
     "1:26: YAML ends the statement at this `#`: put it in quotes"},
    {"{kfl: request.path.startsWith(\"x\", \"y\"), duration: 60}",
     "1:34: YAML ends the statement at this `,`: put it in quotes (kfl: '…')"},
    {"{kfl: request.path == \"a, b\", duration: 60}",
     "1:25: YAML ends the statement at this `,`: put it in quotes"},
    {"{kfl: request.headers[\"User-Agent\"] == \"x\"}",
     "1:22: YAML ends the statement at this `[`: put it in quotes"},
    {"{kfl: request.path == r\"a}b\"}", "1:26: YAML ends the statement at this `}`"},
    {"kfl: request.path == \"x: y\"", "1:24: YAML ends the statement at this `:`"},
    {"kfl: \"http\" == request.path",
     "1:13: did not find expected key (put the whole statement in quotes: kfl: '…')"},
    {"kfl: http and # todo", "1:14: the statement ends too soon"},
    {"kfl: [http]", "1:6: YAML takes this for a list: put the statement in quotes"},
    {"kfl: {a: b}", "1:6: YAML takes this for a mapping: put the statement in quotes"},
    {"\"http or dns\"", "1:1: a quoted text is no spec"},
    {"'http'", "1:1: a quoted text is no spec"},
    /* keys */
    {"kfl: http\nduration: 5\nkfl: dns",
     "3:1: `kfl` a second time (the first is on line 1)"},
    {"kfl: http\n  \ndurration: 5",
     "3:1: unknown key `durration` (did you mean `duration`?)"},
    {"foo: 1", "1:1: unknown key `foo` (expected kfl, start_time,"},
    {"- a", "1:1: a list is no spec"},
    {"[[[[[[[[[[[[[[[[", "1:1: a list is no spec"},
    {"*x", "1:1: an alias is no spec"},
    {"? [a]\n: b", "1:3: no key of a spec"},
    {"kfl: http\n---\nkfl: dns", "2:1: a second document"},
    {"kfl: http\n\tduration: 5",
     "2:1: found a tab character that violates indentation"},
    {"duration: 5\n\tkfl: http", "2:"},
    /* values */
    {"duration: abc", "1:11: `abc` is no duration (expected minutes, or 90s, 2h, 1d)"},
    {"duration: -5", "1:11: `-5` is no duration"},
    {"duration: 40000d", "1:11: `40000d` is no duration (expected 36500d at most)"},
    {"duration: 99999999999999999999", "1:11: `99999999999999999999` is no duration"},
    {"expiration: soon", "1:13: `soon` is no expiration"},
    {"duration: [1]", "1:11: `duration` takes one value, no list"},
    {"duration: {a: 1}", "1:11: `duration` takes one value, no mapping"},
    {"duration: *a", "1:11: `duration` takes one value, no alias"},
    {"duration: &a 5", "1:11: `duration` takes one value, no anchor"},
    {"duration: !!int 5", "1:11: `duration` takes one value, no tag"},
    {"daily_iterations: 2.5", "1:19: `2.5` is no daily_iterations"},
    {"daily_iterations: -1", "1:19: `-1` is no daily_iterations"},
    {"daily_iterations: yes", "1:19: `yes` is no daily_iterations"},
    {"daily_iterations: 36501", "1:19: `36501` is no daily_iterations"},
    {"start_time: 8:45",
     "1:13: `8:45` is no start_time (expected HH:MM in UTC, such as 08:45)"},
    {"start_time: 25:00", "1:13: `25:00` is no start_time"},
    {"start_time: 08:45 CET", "1:13: `08:45 CET` is no start_time"},
    {"max_size: 5Q", "1:11: `5Q` is no max_size"},
    {"on_full: drop", "1:10: `drop` is no on_full (expected stop or drop_oldest)"},
    {"daily_iterations: 3\nduration: 2d",
     "2:11: with more than one iteration the duration is at most 1d"},
    {"duration: 0\ndaily_iterations: 0",
     "1:11: with more than one iteration the duration is at most 1d"},
    {"kfl: h\xfftp", "1:7: this byte is no text (expected UTF-8)"},
};

static void test_refusals(void **state)
{
    struct err err;
    struct spec *spec;
    char words[ERR_TEXT + 32];

    (void)state;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        const char *text = refusals[i].text;

        print_message("%s\n", text);
        assert_int_equal(spec_parse(&spec, text, strlen(text), &env, &err), -EINVAL);
        assert_null(spec);
        err_text(&err, words, sizeof(words));
        if (strncmp(words, refusals[i].error, strlen(refusals[i].error)) != 0)
            assert_string_equal(words, refusals[i].error);
    }
}

static void test_limits(void **state)
{
    size_t len = SPEC_TEXT_MAX + 1;
    char *text = malloc(len);
    struct err err;
    struct spec *spec;

    (void)state;
    memset(text, '#', len);
    assert_int_equal(spec_parse(&spec, text, len, &env, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "longer"));
    memset(text, '[', len);
    assert_int_equal(spec_parse(&spec, text, len - 1, &env, &err), -EINVAL);
    memset(text, '(', len);
    assert_int_equal(spec_parse(&spec, text, len - 1, &env, &err), -EINVAL);
    memset(text, '{', len);
    assert_int_equal(spec_parse(&spec, text, len - 1, &env, &err), -EINVAL);
    free(text);
    assert_int_equal(spec_parse(&spec, "kfl: http\0", 10, &env, &err), -EINVAL);
    assert_int_equal(err.col, 10);
}

/* Saved statements stay with the spec as they were. */
static void test_saved(void **state)
{
    struct spec *spec = parse("kfl: slower and http"), *same = parse("slower and http"),
                *other = parse("http");
    struct kfl *kfl;

    (void)state;
    assert_int_equal(spec->saved_count, 2);
    assert_string_equal(spec_find_saved(spec, "slow", 4), "elapsedTime > 500");
    assert_int_equal(spec_compile(&kfl, spec, 0, NULL), 0);
    kfl_unref(kfl);
    assert_true(spec_same_statement(spec, same));
    assert_false(spec_same_statement(spec, other));
    free(same->saved[0].text);
    same->saved[0].text = strdup("http");
    assert_false(spec_same_statement(spec, same));
    spec_free(spec);
    spec_free(same);
    spec_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements), cmocka_unit_test(test_no_key),
        cmocka_unit_test(test_template),   cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_saved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
