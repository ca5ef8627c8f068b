/* Diagnostics, exactly as people see them. */
#include "tests/unit/kfl/kfl_case.h"

#include <errno.h>

struct sample {
    const char *kfl, *want;
};

static void assert_refused(const char *text, const struct kfl_env *env, int code,
                           const char *want)
{
    struct err err = {0};
    struct kfl *kfl;
    struct buf out = {0};
    int rc = case_compile(&kfl, text, env, &err);
    if (rc != code)
        fail_msg("%s: %d, not %d", text, rc, code);
    assert_int_equal(err.code, code);
    assert_null(kfl);
    kfl_show_error(&out, text, strlen(text), &err);
    assert_string_equal(out.data, want);
    buf_fini(&out);
}

static void judge(const struct sample *samples, size_t count, const struct kfl_env *env,
                  int code)
{
    for (size_t i = 0; i < count; i++)
        assert_refused(samples[i].kfl, env, code, samples[i].want);
}

#define JUDGE(samples, env, code)                                                      \
    judge(samples, sizeof(samples) / sizeof((samples)[0]), env, code)

static void grammar(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"a == == b",
         "1:6: unexpected `==` (expected a value, a selector, `!`, `-` or `(`)\n"
         "a == == b\n"
         "     ^\n"},
        {"a == 1 )", "1:8: unexpected `)` (expected an operator or the end)\n"
                     "a == 1 )\n"
                     "       ^\n"},
        {"http and (",
         "1:11: the statement ends too soon (expected a value, a selector, `!`, `-` "
         "or `(`)\n"
         "http and (\n"
         "          ^\n"},
        {"a ==   // what?\n ",
         "1:5: the statement ends too soon (expected a value, a selector, "
         "`!`, `-` or `(`)\n"
         "a ==   // what?\n"
         "    ^\n"},
        {"(a == 1", "1:8: the statement ends too soon (expected an operator or `)`)\n"
                    "(a == 1\n"
                    "       ^\n"},
        {"a\nor\n\tor b",
         "3:2: unexpected `or` (expected a value, a selector, `!`, `-` or `(`)\n"
         "\tor b\n"
         "\t^\n"},
        {"a = 1", "1:3: unexpected `=` (expected `==`)\n"
                  "a = 1\n"
                  "  ^\n"},
        {"a && b", "1:3: unexpected `&` (expected `and`)\n"
                   "a && b\n"
                   "  ^\n"},
        {"a @ b", "1:3: unexpected character `@` (expected an operator or the end)\n"
                  "a @ b\n"
                  "  ^\n"},
        {"a[3.14]", "1:3: unexpected `3.14` (expected an index, a string or `*`)\n"
                    "a[3.14]\n"
                    "  ^\n"},
        {"a[]", "1:3: unexpected `]` (expected an index, a string or `*`)\n"
                "a[]\n"
                "  ^\n"},
        {"a.", "1:3: the statement ends too soon (expected a name or `*`)\n"
               "a.\n"
               "  ^\n"},
        {"f(1 2)", "1:5: unexpected `2` (expected `)` or `,`)\n"
                   "f(1 2)\n"
                   "    ^\n"},
        {"\"\xc3\xa9\" == \"\xc3\xa9\" )",
         "1:12: unexpected `)` (expected an operator or the end)\n"
         "\"\xc3\xa9\" == \"\xc3\xa9\" )\n"
         "           ^\n"},
        {"a /* b", "1:3: comment not terminated (expected `*/`)\n"
                   "a /* b\n"
                   "  ^\n"},
    };
    JUDGE(samples, NULL, -EINVAL);
}

static void literals(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"a == \"abc", "1:6: literal not terminated (expected `\"`)\n"
                       "a == \"abc\n"
                       "     ^\n"},
        {"a == r\"abc", "1:7: literal not terminated (expected `\"`)\n"
                        "a == r\"abc\n"
                        "      ^\n"},
        {"a == \"x\\q\"",
         "1:8: bad escape (expected \\\" \\\\ \\/ \\n \\t \\r or \\uXXXX)\n"
         "a == \"x\\q\"\n"
         "       ^\n"},
        {"a == 1e999",
         "1:6: bad literal: a number out of range (expected a 64-bit double)\n"
         "a == 1e999\n"
         "     ^\n"},
        {"a == r\"x(?=y)\"",
         "1:9: bad regex: a group that is not of RE2, as a look-around "
         "(expected RE2 syntax)\n"
         "a == r\"x(?=y)\"\n"
         "        ^\n"},
        {"a == r\"\\\"[b-a]\"",
         "1:13: bad regex: range out of order in character class\n"
         "a == r\"\\\"[b-a]\"\n"
         "            ^\n"},
        {"datetime(\"2/30/2023, 1:00:00 PM\")",
         "1:13: bad literal: datetime() is \"1/2/2006, 3:04:05.000 PM\" (expected a "
         "day that the "
         "month has)\n"
         "datetime(\"2/30/2023, 1:00:00 PM\")\n"
         "            ^\n"},
        {"seconds(\"5\")", "1:9: bad literal: seconds() (expected a number)\n"
                           "seconds(\"5\")\n"
                           "        ^\n"},
        {"years(300000000000)",
         "1:7: bad literal: years() of a time out of range (expected a "
         "smaller number)\n"
         "years(300000000000)\n"
         "      ^\n"},
        {"limit(-1)", "1:7: bad literal: limit() (expected 0 or a positive number)\n"
                      "limit(-1)\n"
                      "      ^\n"},
        {"record(x)", "1:8: bad literal: record() (expected a string)\n"
                      "record(x)\n"
                      "       ^\n"},
        {"a.contains(b == 1)",
         "1:12: bad literal: contains() (expected a literal or a selector)\n"
         "a.contains(b == 1)\n"
         "           ^\n"},
        {"redact(\"a\", \"b[\")", "1:16: bad literal: no path (expected a path as "
                                  "response.headers[\"Name\"])\n"
                                  "redact(\"a\", \"b[\")\n"
                                  "               ^\n"},
    };
    JUDGE(samples, NULL, -EINVAL);
}

static void the_earliest_error_wins(void **state)
{
    (void)state;
    static const struct kfl_env strict = {.strict = true};
    static const struct sample samples[] = {
        {"a == r\"(\" and \"x\\q\"", "1:9: bad regex: missing closing parenthesis\n"
                                     "a == r\"(\" and \"x\\q\"\n"
                                     "        ^\n"},
        {"limit(\"x\", (", "1:7: bad literal: limit() (expected a number)\n"
                           "limit(\"x\", (\n"
                           "      ^\n"},
        {"a == r\"(\" )", "1:9: bad regex: missing closing parenthesis\n"
                          "a == r\"(\" )\n"
                          "        ^\n"},
    };
    JUDGE(samples, NULL, -EINVAL);
    assert_refused("htpp and \"x", &strict, -EINVAL,
                   "1:1: unknown word `htpp` (did you mean `http`?)\n"
                   "htpp and \"x\n"
                   "^\n");
}

static void strict_mode_knows_its_words(void **state)
{
    (void)state;
    static const struct kfl_env strict = {.strict = true};
    static const struct sample lone[] = {
        {"htpp", "1:1: unknown word `htpp` (did you mean `http`?)\nhtpp\n^\n"},
        {" /* */ htpp",
         "1:8: unknown word `htpp` (did you mean `http`?)\n /* */ htpp\n       ^\n"},
        {"zzzzzz",
         "1:1: unknown word `zzzzzz` (expected a key of an entry, a macro or a saved "
         "statement)\nzzzzzz\n^\n"},
    };
    static const struct sample others[] = {
        {"dns or reponse.status == 1",
         "1:8: unknown word `reponse` (did you mean `response`?)\n"
         "dns or reponse.status == 1\n"
         "       ^\n"},
        {"(htpp)", "1:2: unknown word `htpp` (did you mean `http`?)\n(htpp)\n ^\n"},
        {"request.path.startWith(\"/\")",
         "1:14: unknown helper `startWith` (did you mean "
         "`startsWith`?)\n"
         "request.path.startWith(\"/\")\n"
         "             ^\n"},
        {"seconds()",
         "1:1: seconds() has too few arguments (expected 1)\nseconds()\n^\n"},
        {"request.limit(1)",
         "1:9: limit() belongs to no selector (expected it to stand alone)\n"
         "request.limit(1)\n"
         "        ^\n"},
        {"request.path.contains(\"a\").b",
         "1:27: a helper's answer has no parts (expected an "
         "operator or the end)\n"
         "request.path.contains(\"a\").b\n"
         "                          ^\n"},
    };
    static const char *const fine[] = {
        "http and tls and error and request.nope == 1",
        "..anything",
        "http.x or tls.y",
        "record(\"x\") and timestamp > now()",
        "redact(\"nope\")",
    };
    JUDGE(lone, &strict, -ENOENT);
    JUDGE(others, &strict, -EINVAL);
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        struct kfl *kfl;
        struct err err = {0};
        if (case_compile(&kfl, fine[i], &strict, &err) < 0)
            fail_msg("%s: %s", fine[i], err.msg);
        kfl_unref(kfl);
    }
}

static void jobs_refuse_record(void **state)
{
    (void)state;
    static const struct kfl_env job = {.strict = true, .no_record = true};
    assert_refused(
        "http and record(\"x\")", &job, -EINVAL,
        "1:10: record() cannot be used in a job (expected a statement over live "
        "traffic)\n"
        "http and record(\"x\")\n"
        "         ^\n");
}

static const char *saved(void *context, const char *name, size_t len)
{
    (void)context;
    static const char *const texts[][2] = {
        {"bad", "tls and\n(error"}, {"outer", "dns or bad"}, {"loop", "dns or again"},
        {"again", "(loop)"},        {"self", "self"},        {"good", "http"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strlen(texts[i][0]) == len && !memcmp(texts[i][0], name, len))
            return texts[i][1];
    return NULL;
}

static void errors_in_saved_statements(void **state)
{
    (void)state;
    static const struct kfl_env env = {.strict = true, .saved = saved};
    static const struct sample samples[] = {
        {"tls and bad",
         "1:9: in the saved statement `bad`, 2:7: the statement ends too soon "
         "(expected an operator or `)`)\n"
         "tls and bad\n"
         "        ^\n"},
        {"outer",
         "1:1: in the saved statement `outer`, 1:8: in the saved statement `bad`, 2:7: "
         "the statement ends too soon (expected an operator or `)`)\n"
         "outer\n"
         "^\n"},
        {"self", "1:1: in the saved statement `self`, 1:1: the saved statement `self` "
                 "uses itself "
                 "(expected no recursion)\n"
                 "self\n"
                 "^\n"},
        {"loop", "1:1: in the saved statement `loop`, 1:8: in the saved statement "
                 "`again`, 1:2: "
                 "the saved statement `loop` uses itself (expected no recursion)\n"
                 "loop\n"
                 "^\n"},
    };
    struct kfl *kfl;
    struct err err = {0};
    JUDGE(samples, &env, -EINVAL);
    assert_int_equal(case_compile(&kfl, "good and good.x", &env, &err), 0);
    kfl_unref(kfl);
}

static void an_error_needs_no_words(void **state)
{
    (void)state;
    struct kfl *kfl;
    assert_int_equal(kfl_compile(&kfl, "a ==", 4, NULL, NULL), -EINVAL);
    assert_int_equal(kfl_compile(&kfl, "a", 1, NULL, NULL), 0);
    kfl_unref(kfl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar),
        cmocka_unit_test(literals),
        cmocka_unit_test(the_earliest_error_wins),
        cmocka_unit_test(strict_mode_knows_its_words),
        cmocka_unit_test(jobs_refuse_record),
        cmocka_unit_test(errors_in_saved_statements),
        cmocka_unit_test(an_error_needs_no_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
