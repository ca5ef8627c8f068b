/* redact(): what is emitted, what later terms see, and that the document stays as it
 * was. */
#include "tests/unit/kfl/kfl_case.h"

#include "kfl/base/text.h"

struct sample {
    const char *kfl, *json;
    int answer;
    const char *emitted;
};

#define SECRETS                                                                        \
    "{\"u\":\"joe\",\"l\":[{\"k\":1},{\"k\":2}],\"o\":{\"u\":5,\"x-y\":null}}"
#define R "\"[REDACTED]\""

static void values_are_replaced(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"redact(\"u\")", SECRETS, 1,
         "{\"u\":" R ",\"l\":[{\"k\":1},{\"k\":2}],\"o\":{\"u\":5,\"x-y\":null}}"},
        {"redact(\"o\", \"l[0].k\")", SECRETS, 1,
         "{\"u\":\"joe\",\"l\":[{\"k\":" R "},{\"k\":2}],\"o\":" R "}"},
        {"redact(\"l.*.k\")", SECRETS, 1,
         "{\"u\":\"joe\",\"l\":[{\"k\":" R "},{\"k\":" R
         "}],\"o\":{\"u\":5,\"x-y\":null}}"},
        {"redact(\"..u\")", SECRETS, 1,
         "{\"u\":" R ",\"l\":[{\"k\":1},{\"k\":2}],\"o\":{\"u\":" R ",\"x-y\":null}}"},
        {"redact(\"o['x-y']\")", SECRETS, 1,
         "{\"u\":\"joe\",\"l\":[{\"k\":1},{\"k\":2}],\"o\":{\"u\":5,\"x-y\":" R "}}"},
        {"redact(\"o[\\\"x-y\\\"]\")", SECRETS, 1,
         "{\"u\":\"joe\",\"l\":[{\"k\":1},{\"k\":2}],\"o\":{\"u\":5,\"x-y\":" R "}}"},
        {"redact(\"nope\", \"u.x\")", SECRETS, 1, SECRETS},
        {"true or redact(\"u\")", SECRETS, 1, SECRETS},
        {"redact(\"u\") and u == \"joe\"", SECRETS, 0,
         "{\"u\":" R ",\"l\":[{\"k\":1},{\"k\":2}],\"o\":{\"u\":5,\"x-y\":null}}"},
        {"u == \"joe\" and redact(\"u\")", SECRETS, 1,
         "{\"u\":" R ",\"l\":[{\"k\":1},{\"k\":2}],\"o\":{\"u\":5,\"x-y\":null}}"},
        {"redact(\"..a\")", "{\"a\":{\"a\":1}}", 1, "{\"a\":" R "}"},
        {"redact(\"a.*\") and a.contains(\"RED\")", "{\"a\":[1,2]}", 1,
         "{\"a\":[" R "," R "]}"},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct err err = {0};
        struct buf out = {0};
        int rc = case_match(&out, samples[i].kfl, samples[i].json, NULL, &err);
        if (rc != samples[i].answer || strcmp(out.data, samples[i].emitted) != 0)
            fail_msg("%s: %d %s", samples[i].kfl, rc, out.data);
        buf_fini(&out);
    }
}

/* redact() of a path in the text of "b": what the text is then. */
static void assert_body(const char *path, const char *before, const char *after,
                        bool base64)
{
    struct buf json = {0}, kfl = {0}, out = {0}, body = {0}, want = {0};
    struct err err = {0};
    if (base64)
        text_base64(&body, before, strlen(before));
    else
        buf_addstr(&body, before);
    buf_addstr(&json, "{\"b\":");
    text_json(&json, body.data, body.len);
    buf_addstr(&json, "}");
    buf_addstr(&kfl, "redact(");
    text_json(&kfl, path, strlen(path));
    buf_addstr(&kfl, ")");
    assert_int_equal(case_match(&out, kfl.data, json.data, NULL, &err), 1);
    buf_clear(&body);
    if (base64)
        text_base64(&body, after, strlen(after));
    else
        buf_addstr(&body, after);
    buf_addstr(&want, "{\"b\":");
    text_json(&want, body.data, body.len);
    buf_addstr(&want, "}");
    assert_string_equal(out.data, want.data);
    buf_fini(&json);
    buf_fini(&kfl);
    buf_fini(&out);
    buf_fini(&body);
    buf_fini(&want);
}

static void both_forms(const char *path, const char *before, const char *after)
{
    assert_body(path, before, after, false);
    assert_body(path, before, after, true);
}

static void inside_json(void **state)
{
    (void)state;
    both_forms("b.json().p", "{\"p\":1,\"q\":[2]}", "{\"p\":" R ",\"q\":[2]}");
    both_forms("b.json()..n", "[{\"n\":1},{\"m\":{\"n\":2}}]",
               "[{\"n\":" R "},{\"m\":{\"n\":" R "}}]");
    both_forms("b.json()...n", "{\"n\":1}", "{\"n\":" R "}");
    both_forms("b.json()[1]", "[1,2]", "[1," R "]");
    both_forms("b.json().i.json().p", "{\"i\":\"{\\\"p\\\":1}\"}",
               "{\"i\":\"{\\\"p\\\":\\\"[REDACTED]\\\"}\"}");
    both_forms("b.json().a[1].p",
               " { \"n\" : 1.50e1, \"a\\u0062\":[ [ ] ,{ \"p\" : [true, {}] , "
               "\"q\":\"\\\"]\"} ]\n}",
               " { \"n\" : 1.50e1, \"a\\u0062\":[ [ ] ,{ \"p\" : [true, {}] "
               ", \"q\":\"\\\"]\"} ]\n}");
    both_forms("b.json().ab[1].p",
               " { \"n\" : 1.50e1, \"a\\u0062\":[ [ ] ,{ \"p\" : [true, {}] , "
               "\"q\":\"\\\"]\"} ]\n}",
               " { \"n\" : 1.50e1, \"a\\u0062\":[ [ ] ,{ \"p\" : " R
               " , \"q\":\"\\\"]\"} ]\n}");
    /* A name that is repeated hides nothing. */
    both_forms("b.json().p", "{\"p\":[1,2], \"q\":1, \"p\":{\"x\":[]}}",
               "{\"p\":" R ",\"q\":1}");
    both_forms("b.json().p.x", "{\"p\":{\"x\":1},\"p\":{\"x\":2}}",
               "{\"p\":{\"x\":" R "}}");
    both_forms("b.json().nope", "{\"p\": 1}", "{\"p\": 1}");
    both_forms("b.json().p", "no JSON", "no JSON");
}

static void inside_xml(void **state)
{
    (void)state;
    both_forms(
        "b.xml().o.id",
        "<?xml version=\"1.0\"?>\n<o a='1'>\n <id>7</id><!-- c --> x</o>",
        "<?xml version=\"1.0\"?>\n<o a='1'>\n <id>[REDACTED]</id><!-- c --> x</o>");
    both_forms("b.xml().o.i[1].n", "<o><i><n>1</n></i><i><n>2</n></i></o>",
               "<o><i><n>1</n></i><i><n>[REDACTED]</n></i></o>");
    both_forms("b.xml().o.i", "<o><i>1</i>t<i k='v'/></o>",
               "<o><i>[REDACTED]</i>t<i k='v'>[REDACTED]</i></o>");
    both_forms("b.xml().o[\"-k\"]", "<o j = \"1\" k = 'a\"b' >t</o>",
               "<o j = \"1\" k = '[REDACTED]' >t</o>");
    both_forms("b.xml().o[\"#text\"]", "<o>a&amp;b<i>1</i><![CDATA[& ;]]></o>",
               "<o>[REDACTED]<i>1</i><![CDATA[]]></o>");
    both_forms("b.xml()..n", "<o><n>1<n>2</n></n></o>", "<o><n>[REDACTED]</n></o>");
    both_forms("b.xml().o.j.json().p", "<o><j>{\"p\":1}</j></o>",
               "<o><j>{&quot;p&quot;:&quot;[REDACTED]&quot;}</j></o>");
    both_forms("b.xml().o.\xc3\xa9", "<o>\xc3\xa9<\xc3\xa9>\xc3\xa9</\xc3\xa9></o>",
               "<o>\xc3\xa9<\xc3\xa9>[REDACTED]</\xc3\xa9></o>");
    both_forms("b.xml().o", "<o><i/></o>", "<o>[REDACTED]</o>");
    both_forms("b.xml().o.nope", "<o/>", "<o/>");
}

static void whole_bodies(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf out = {0};
    assert_int_equal(case_match(&out, "redact(\"b\") and b.json().p == 1",
                                "{\"b\":\"{\\\"p\\\":1}\"}", NULL, &err),
                     0);
    assert_string_equal(out.data, "{\"b\":" R "}");
    buf_clear(&out);
    /* What json() has shown before is not shown again. */
    assert_int_equal(
        case_match(&out,
                   "b.json().p == 1 and redact(\"b.json().p\") and b.json().p == 1",
                   "{\"b\":\"{\\\"p\\\":1}\"}", NULL, &err),
        0);
    buf_fini(&out);
}

static void what_is_too_deep_is_hidden_whole(void **state)
{
    (void)state;
    struct buf body = {0}, json = {0}, out = {0};
    struct err err = {0};
    for (int i = 0; i < 100; i++)
        buf_addstr(&body, "[");
    for (int i = 0; i < 100; i++)
        buf_addstr(&body, "]");
    buf_addf(&json, "{\"b\":\"%s\"}", body.data);
    assert_int_equal(case_match(&out, "redact(\"b.json().x\")", json.data, NULL, &err),
                     1);
    assert_string_equal(out.data, "{\"b\":" R "}");
    assert_int_equal(case_match(NULL, "b.json()", json.data, NULL, &err), 0);
    assert_int_equal(
        case_match(NULL, "!b.json().x.contains(\"y\")", json.data, NULL, &err), 1);
    buf_fini(&body);
    buf_fini(&json);
    buf_fini(&out);
}

static void a_statement_knows_that_it_redacts(void **state)
{
    (void)state;
    struct kfl *kfl = case_kfl("a and (b or redact(\"c\"))");
    assert_true(kfl_redacts(kfl));
    kfl_unref(kfl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_replaced),
        cmocka_unit_test(inside_json),
        cmocka_unit_test(inside_xml),
        cmocka_unit_test(whole_bodies),
        cmocka_unit_test(what_is_too_deep_is_hidden_whole),
        cmocka_unit_test(a_statement_knows_that_it_redacts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
