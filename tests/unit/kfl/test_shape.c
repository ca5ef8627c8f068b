/* Shapes: every prefix of a good statement is open exactly inside its literals, and the
 * parser agrees; and statements as paths, which the kernel cuts at every slash. */
#include "tests/unit/kfl/kfl_case.h"

#include <errno.h>
#include <stdio.h>

static const char *const statements[] = {
    "",
    "http and response.status == 500",
    "http and request.path == \"/-/ready\"",
    "a[\"x/y\"][-1].*..b == r\"^/v\\d+/\\\"x\\\"$\"",
    "(record(\"a\") or record(\"b/c\")) and !tls // the \"end\" is near",
    "redact(\"a.b\", \"..c\") and x.json().y[0] >= -1.5e3",
    "a == \"\\u0041\\ud83d\\ude00\\\\\" or b.contains(\"\\\"\")",
    "/* \"no/literal\" */ a == \"\xc3\xa9\xf0\x9f\x98\x80/\" /* / */",
    "datetime(\"1/2/2006, 3:04:05.000 PM\") <= timestamp",
    "rule(description: \"a/b\", query: http and (a or b)) and\nlimit(3)",
    "!!(-a == --3) != nil == true",
};

/* Where the bytes of literals are, by a scan of its own. */
static bool inside_literal(const char *text, size_t end)
{
    bool literal = false, line = false, block = false;
    for (size_t i = 0; i < end; i++) {
        if (line)
            line = text[i] != '\n';
        else if (block && text[i] == '*' && text[i + 1] == '/' && i + 1 < end)
            block = false, i++;
        else if (block)
            continue;
        else if (literal && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            literal = !literal;
        else if (!literal && text[i] == '/' && text[i + 1] == '/')
            line = true;
        else if (!literal && text[i] == '/' && text[i + 1] == '*')
            block = true, i++;
    }
    return literal;
}

static void check_prefix(const char *text, size_t len)
{
    struct err err = {0};
    struct kfl *kfl;
    char *prefix = malloc(len + 1);
    assert_non_null(prefix);
    memcpy(prefix, text, len);
    prefix[len] = 0;
    enum kfl_shape shape = kfl_shape(prefix, len);
    int rc = case_compile(&kfl, prefix, NULL, &err);
    kfl_unref(kfl);
    bool judged = rc < 0 && (!strncmp(err.msg, "bad literal", 11) ||
                             !strncmp(err.msg, "bad regex", 9));
    bool open = inside_literal(text, len);
    if ((shape == KFL_OPEN) != open ||
        (shape == KFL_COMPLETE) != (rc == 0 || (judged && !open)))
        fail_msg("`%s`: shape %d, compile %d %s", prefix, shape, rc, err.msg);
    free(prefix);
}

static void check_prefixes(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i <= len; i++)
        check_prefix(text, i);
    assert_int_equal(kfl_shape(text, len), KFL_COMPLETE);
}

static void prefixes_of_statements(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        check_prefixes(statements[i]);
}

/* ---- generated statements ---- */

static unsigned draw(uint64_t *seed, unsigned count)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33) % count;
}

static void add_expression(struct buf *out, uint64_t *seed, int depth);

static void add_leaf(struct buf *out, uint64_t *seed)
{
    static const char *const leaves[] = {
        "a",
        "a.b",
        "..c",
        "a[\"/\"]",
        "a[-1].*",
        "http",
        "nil",
        "true",
        "42",
        "-3.5",
        "\"\"",
        "\"a/b\"",
        "\"\\\\\"",
        "\"\\\"//\"",
        "\"\\ud83d\\ude00/\"",
        "r\"/\\d+\"",
        "r\"[\\\"/]\"",
        "limit(2)",
        "record(\"x/\")",
        "a.json().b",
        "error",
        "now()",
        "\"\xc3\xa9\"",
        "f(a, \"/\")",
    };
    buf_addstr(out, leaves[draw(seed, sizeof(leaves) / sizeof(leaves[0]))]);
}

static void add_operand(struct buf *out, uint64_t *seed, int depth)
{
    static const char *const blanks[] = {"",        " ",      "\n",
                                         "/* / */", "/*\"*/", " // \"\n"};
    buf_addstr(out, blanks[draw(seed, sizeof(blanks) / sizeof(blanks[0]))]);
    switch (depth > 0 ? draw(seed, 5) : 4) {
    case 0:
        buf_addch(out, '(');
        add_expression(out, seed, depth - 1);
        buf_addch(out, ')');
        break;
    case 1:
        buf_addstr(out, "!");
        add_operand(out, seed, depth - 1);
        break;
    default:
        add_leaf(out, seed);
    }
}

static void add_expression(struct buf *out, uint64_t *seed, int depth)
{
    static const char *const operators[] = {
        " and ", " or ", "==", "!=", " > ", ">=", "<", " <= "};
    add_operand(out, seed, depth);
    for (unsigned more = draw(seed, 3); more; more--) {
        buf_addstr(out,
                   operators[draw(seed, sizeof(operators) / sizeof(operators[0]))]);
        add_operand(out, seed, depth);
    }
}

static void prefixes_of_generated_statements(void **state)
{
    (void)state;
    uint64_t seed = 42;
    struct buf out = {0};
    for (int i = 0; i < 300; i++) {
        buf_clear(&out);
        add_expression(&out, &seed, 3);
        check_prefixes(out.data);
    }
    buf_fini(&out);
}

static void what_cannot_become_good_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "and",         "a ==",      "a \"x/",       "(a",         "\"x\" \"/",
        "a == \"\\q/", "a /",       "a == \"x\ny",  "a == /* \"", "a.\"x",
        "limit(1 \"x", ") and \"x", "a == \"\\u0/", "\"\xff/",    "a[1 \"",
    };
    static const char *const open[] = {
        "\"", "a[\"", "r\"(?=", "f(x: \"", "a.b(\"/", "!\"\\u00", "(a and (b == \"//"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (kfl_shape(wrong[i], strlen(wrong[i])) != KFL_WRONG)
            fail_msg("%s is not wrong", wrong[i]);
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        if (kfl_shape(open[i], strlen(open[i])) != KFL_OPEN)
            fail_msg("%s is not open", open[i]);
}

/* ---- as a path ---- */

static void path_of(struct buf *out, const char *text)
{
    struct err err = {0};
    buf_clear(out);
    if (kfl_path(out, text, strlen(text), &err) < 0)
        fail_msg("%s: %s", text, err.msg);
}

/* Every name is a real one, every folder an open statement, the file a complete one. */
static void check_walk(const char *path)
{
    for (const char *at = path;;) {
        const char *end = strchrnul(at, '/');
        size_t len = (size_t)(end - at);
        if (!len || (len == 1 && *at == '.') || (len == 2 && !memcmp(at, "..", 2)))
            fail_msg("%s has a name that the kernel takes away", path);
        enum kfl_shape shape = kfl_shape(path, (size_t)(end - path));
        assert_int_equal(shape, *end ? KFL_OPEN : KFL_COMPLETE);
        if (!*end)
            return;
        at = end + 1;
    }
}

static void statements_become_paths(void **state)
{
    (void)state;
    static const char *const samples[][2] = {
        {"http", "http"},
        {"", "true"},
        {" \n", "true"},
        {"a == \"/-/ready\"", "a == \"/-/ready\""},
        {"a == \"b//c\"", "a == \"b\\u002f\\u002fc\""},
        {"a == \"/./b/../c/..\"", "a == \"\\u002f./b\\u002f../c/..\""},
        {"a == \"/.../x\"", "a == \"/.../x\""},
        {"a == \"http://x/y\"", "a == \"http:\\u002f\\u002fx/y\""},
        {"a == \"http:/x\"", "a == \"http:\\u002fx\""},
        {"a == r\"//\\/\\/x\\\\/\"", "a == r\"\\x2f\\x2f\\x2f\\x2fx\\\\/\""},
        {"a == r\"\\Qa//b\\E\"", "a == r\"\\Qa\\E\\x2f\\Q\\E\\x2f\\Qb\\E\""},
        {"a == \"\\\\//\"", "a == \"\\\\\\u002f\\u002f\""},
        {"a[\"x//y\"]", "a[\"x\\u002f\\u002fy\"]"},
        {"a /* x // */ or // all\n b", "a or b"},
        {"x.json", "(x.json)"},
        {"a and b.pcap", "(a and b.pcap)"},
        {"a.json == \"x.json\"", "a.json == \"x.json\""},
        {"error_log", "(error_log)"},
        {"..b", "(..b)"},
    };
    struct buf out = {0};
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        path_of(&out, samples[i][0]);
        assert_string_equal(out.data, samples[i][1]);
        check_walk(out.data);
    }
    buf_fini(&out);
}

static void generated_statements_become_paths(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct buf text = {0}, path = {0};
    struct err err;
    for (int i = 0; i < 300; i++) {
        buf_clear(&text);
        add_expression(&text, &seed, 3);
        buf_clear(&path);
        if (kfl_path(&path, text.data, text.len, &err) < 0)
            continue;
        check_walk(path.data);
    }
    buf_fini(&text);
    buf_fini(&path);
}

static void some_statements_are_no_path(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf out = {0}, text = {0};
    assert_int_equal(kfl_path(&out, "a ==", 4, &err), -EINVAL);
    assert_int_equal(err.col, 5);
    buf_addstr(&text, "a == \"");
    for (int i = 0; i < 1100; i++)
        buf_addch(&text, 'x');
    buf_addch(&text, '"');
    assert_int_equal(kfl_path(&out, text.data, text.len, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "save it as query/NAME.kfl"));
    assert_int_equal(out.len, 0);
    for (int i = 0; i < 40; i++)
        buf_addstr(
            &text,
            " and a == \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/xxxxxxxxxxxxxxxxxxxxxx"
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"");
    assert_int_equal(kfl_path(&out, text.data, text.len, &err), -EINVAL);
    buf_fini(&out);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_of_statements),
        cmocka_unit_test(prefixes_of_generated_statements),
        cmocka_unit_test(what_cannot_become_good_is_wrong),
        cmocka_unit_test(statements_become_paths),
        cmocka_unit_test(generated_statements_become_paths),
        cmocka_unit_test(some_statements_are_no_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
