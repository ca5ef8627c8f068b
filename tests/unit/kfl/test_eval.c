/* Statements over documents: a statement, a JSON text, the answer. */
#include "tests/unit/kfl/kfl_case.h"

#include <pthread.h>

struct sample {
    const char *kfl, *json;
    int answer;
};

static void judge(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct err err = {0};
        int rc = case_match(NULL, samples[i].kfl, samples[i].json, NULL, &err);
        if (rc != samples[i].answer)
            fail_msg("%s over %s is %d %s, not %d", samples[i].kfl, samples[i].json, rc,
                     err.msg, samples[i].answer);
    }
}

#define JUDGE(samples) judge(samples, sizeof(samples) / sizeof((samples)[0]))

static void truth_of_values(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", "{}", 1},
        {" \n\t ", "{}", 1},
        {"// nothing\n/* at all */", "{}", 1},
        {"nil", "{}", 0},
        {"\"\"", "{}", 0},
        {"\"0\"", "{}", 1},
        {"-1", "{}", 0},
        {"0.01", "{}", 1},
        {"18446744073709551615", "{}", 1},
        {"r\"x\"", "{}", 0},
        {"a", "{\"a\":[]}", 0},
        {"a", "{\"a\":[0]}", 1},
        {"a", "{\"a\":{}}", 0},
        {"a", "{\"a\":{\"b\":0}}", 1},
        {"a", "{\"a\":-0.5}", 0},
        {"!0", "{}", 1},
        {"!5", "{}", 0},
        {"!nil", "{}", 1},
        {"!!\"x\"", "{}", 1},
        {"-a", "{\"a\":-3}", 1},
        {"--a == 3", "{\"a\":3}", 1},
        {"-a == -5", "{\"a\":\"5\"}", 1},
    };
    JUDGE(samples);
}

static void groups_to_the_left(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"false and false or true", "{}", 1},
        {"true or true and false", "{}", 0},
        {"true or (true and false)", "{}", 1},
        {"false or true and false", "{}", 0},
        {"3 > 2 > 1", "{}", 0},
        {"3 > 2 > 0", "{}", 1},
        {"1 < 2 < 3", "{}", 1},
        {"a == 5 == true", "{\"a\":5}", 1},
        {"1 < 2 == true", "{}", 1},
        {"!a == b", "{\"a\":0,\"b\":true}", 1},
        {"-2 < -1 and 1", "{}", 1},
        {"5 and \"x\" and a", "{\"a\":1}", 1},
    };
    JUDGE(samples);
}

static void a_missing_selector_collapses(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"a == 1 or true", "{}", 0},
        {"(a == 1) or true", "{}", 1},
        {"true or a == 1", "{}", 1},
        {"false and a == 1 or true", "{}", 1},
        {"!(a == 1)", "{}", 1},
        {"!a", "{}", 0},
        {"a != nil", "{}", 0},
        {"a == nil", "{\"a\":null}", 1},
        {"(((a))) or true", "{}", 1},
        {"true and (b or (a == 1 or true))", "{\"b\":0}", 0},
        {"(true and (a == 1)) == false", "{}", 1},
        {"1 == (2 == (a == 1 or true))", "{}", 0},
        {"nosuch(a, b == 1) or true", "{}", 0},
        {"(nosuch()) or true", "{}", 1},
        {"a.contains(\"x\") or true", "{}", 1},
        {"!a.contains(\"x\")", "{}", 1},
        {"b.contains(a) or true", "{\"b\":\"x\"}", 0},
        {"a.contains(b) or true", "{}", 1},
        {"seconds() or true", "{}", 0},
        {"a.now() or true", "{\"a\":1}", 0},
        {"now().x or true", "{}", 0},
        {"a.contains(\"x\").b or true", "{\"a\":\"x\"}", 0},
    };
    JUDGE(samples);
}

#define TREE                                                                           \
    "{\"a\":{\"b\":1,\"x-y\":\"k\",\"c\":[10,20,30],\"d\":[{\"n\":\"p\"},{\"n\":"      \
    "\"q\"}],"                                                                         \
    "\"e\":{\"f\":{\"n\":\"r\"}}},\"m\":[[1,2],[3,4]],\"and\":7,\"\\u00e9\":8,\"*\":"  \
    "9}"

static void selectors_find_their_values(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"a.b == 1", TREE, 1},
        {"a[\"b\"] == 1 and a[\"x-y\"] == \"k\"", TREE, 1},
        {"a[\"\\u0062\"] == 1", TREE, 1},
        {"a.c[0] == 10 and a.c[-1] == 30 and a.c[-3] == 10", TREE, 1},
        {"(a.c[3]) or (a.c[-4])", TREE, 0},
        {"a[\"d\"][1][\"n\"] == \"q\"", TREE, 1},
        {"m[1][0] == 3", TREE, 1},
        {"a.c.* == 20 and a.c[*] == 20", TREE, 1},
        {"a.d.*.n == \"q\"", TREE, 1},
        {"a.* and true", TREE, 1},
        {"a..n == \"r\"", TREE, 1},
        {"a..n != \"r\"", TREE, 0},
        {"..f.n == \"r\"", TREE, 1},
        {"..nothing == 1 or true", TREE, 0},
        {"m..[0] == 3", TREE, 1},
        {"m.*.* == 4", TREE, 1},
        {"a.nope.n", TREE, 0},
        {"a.b.c", TREE, 0},
        {"a.c.b", TREE, 0},
        {"é == 8", TREE, 1},
        {"..and == 7", TREE, 1},
        {"a . /* there */ b == 1", TREE, 1},
        {"x[\"*\"] == 1", "{\"x\":{\"*\":1,\"y\":2}}", 1},
        {"x[\"*\"] == 2", "{\"x\":{\"*\":1,\"y\":2}}", 0},
        {"x.true", "{\"x\":{\"true\":1}}", 1},
        {"AND or nil", "{\"AND\":1}", 1},
    };
    JUDGE(samples);
}

static void equality_compares_text_or_numbers(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"5 == \"5\"", "{}", 1},
        {"3.0 == \"3\"", "{}", 1},
        {"3.0 == \"3.0\"", "{}", 0},
        {"a == 5", "{\"a\":5.0}", 1},
        {"true == \"true\"", "{}", 1},
        {"true == 1", "{}", 0},
        {"nil == \"null\"", "{}", 1},
        {"nil == false", "{}", 0},
        {"\"\" == 0", "{}", 0},
        {"a == 9007199254740993", "{\"a\":9007199254740992}", 0},
        {"a == 18446744073709551615", "{\"a\":18446744073709551615}", 1},
        {"a == 18446744073709551615", "{\"a\":18446744073709551614}", 0},
        {"a == -9223372036854775808", "{\"a\":-9223372036854775808}", 1},
        {"a == 9007199254740993", "{\"a\":9007199254740992.0}", 0},
        {"a == 1000000 and a == 1e6", "{\"a\":1000000}", 1},
        {"a == 0.1", "{\"a\":0.1}", 1},
        {"a == \"0.1\"", "{\"a\":0.10}", 1},
        {"a == \"{\\\"b\\\":[1,null]}\"", "{\"a\":{\"b\":[1,null]}}", 1},
        {"a == b", "{\"a\":{\"x\":1},\"b\":{\"x\":1}}", 1},
        {"a == b", "{\"a\":{\"x\":1},\"b\":{\"x\":2}}", 0},
        {"a == \"A\"", "{\"a\":\"a\"}", 0},
        {"a == \"say \\\"hi\\\"\"", "{\"a\":\"say \\\"hi\\\"\"}", 1},
        {"a == \"x\\ny\"", "{\"a\":\"x\\\\ny\"}", 1},
        {"a != \"x\\ny\"", "{\"a\":\"x\\ny\"}", 0},
        {"\"\\u0041\\/\\ud83d\\ude00\" == a", "{\"a\":\"A/\\ud83d\\ude00\"}", 1},
        {"a.contains(\"\\\\n\")", "{\"a\":\"x\\ny\"}", 0},
    };
    JUDGE(samples);
}

static void orders_compare_numbers(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"a > 9", "{\"a\":\"10\"}", 1},
        {"\"abc\" < \"abd\"", "{}", 0},
        {"\"abc\" >= 0 and nil <= 0", "{}", 1},
        {"true > 0 and true >= 1 and false < 1", "{}", 1},
        {"a > 9007199254740992", "{\"a\":9007199254740993}", 1},
        {"a > b", "{\"a\":\"9007199254740993\",\"b\":\"9007199254740992\"}", 1},
        {"a > 9223372036854775807", "{\"a\":9223372036854775808}", 1},
        {"a > -1", "{\"a\":18446744073709551615}", 1},
        {"a < 1e30 and a > -1e30", "{\"a\":18446744073709551615}", 1},
        {"a < 2.5 and a > 1.5", "{\"a\":2}", 1},
        {"\" 7\" > 5", "{}", 0},
        {"\"0x10\" > 5", "{}", 0},
        {"\"inf\" > 5", "{}", 0},
        {"\"1e3\" == 1000", "{}", 0},
        {"\"1e3\" >= 1000", "{}", 1},
        {"5 < a", "{\"a\":6}", 1},
        {"5 >= a", "{\"a\":6}", 0},
    };
    JUDGE(samples);
}

static void arrays_compare_by_element(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"a == 2 and 2 == a and a == \"2\"", "{\"a\":[1,2]}", 1},
        {"a != 3", "{\"a\":[1,2]}", 1},
        {"a != 2", "{\"a\":[1,2]}", 0},
        {"a != 2 and !(a == 2)", "{\"a\":[]}", 1},
        {"a > 1", "{\"a\":[1,2]}", 1},
        {"2 > a", "{\"a\":[1,2]}", 1},
        {"a > 2", "{\"a\":[1,2]}", 0},
        {"a == \"[1,2]\"", "{\"a\":[1,2]}", 0},
        {"a == \"[1,2]\"", "{\"a\":[[1,2],3]}", 1},
        {"a == b", "{\"a\":[1,[2]],\"b\":[1,[2]]}", 1},
        {"a == b", "{\"a\":[1,\"2\"],\"b\":[1,2]}", 0},
        {"a != b", "{\"a\":[1,2],\"b\":[1]}", 1},
        {"a > b", "{\"a\":[3,4],\"b\":[1,2]}", 1},
        {"a > b", "{\"a\":[3,4],\"b\":[1,3]}", 0},
        {"a == r\"^b\"", "{\"a\":[\"ab\",\"ba\"]}", 1},
        {"a != r\"^b\"", "{\"a\":[\"ab\",\"ba\"]}", 0},
        {"a.startsWith(\"b\")", "{\"a\":[\"ab\",\"ba\"]}", 1},
        {"a.*.n.endsWith(\"z\")", "{\"a\":[{\"n\":\"xy\"},{\"n\":\"yz\"}]}", 1},
        {"a.*.n == 1", "{\"a\":[{\"n\":1}]}", 1},
    };
    JUDGE(samples);
}

static void text_helpers_test_text(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"a.startsWith(\"he\") and a.endsWith(\"lo\") and a.contains(\"ell\")",
         "{\"a\":\"hello\"}", 1},
        {"a.startsWith(\"ello\")", "{\"a\":\"hello\"}", 0},
        {"a.contains(\"\")", "{\"a\":\"\"}", 1},
        {"a.contains(\"hello!\")", "{\"a\":\"hello\"}", 0},
        {"a.startsWith(12)", "{\"a\":123}", 1},
        {"a.contains(\"u\")", "{\"a\":null}", 1},
        {"a.contains(b)", "{\"a\":\"hello\",\"b\":\"ell\"}", 1},
        {"a.contains(b)", "{\"a\":\"hello\",\"b\":[\"x\",\"ell\"]}", 1},
        {"a.contains(\"\\\"b\\\":1\")", "{\"a\":{\"b\":1}}", 1},
        {"contains(\"needle\")", "{\"a\":[{\"b\":\"a needle\"}]}", 1},
        {"a.contains(\"x\", \"ignored\")", "{\"a\":\"x\"}", 1},
    };
    JUDGE(samples);
}

static void bodies_are_decoded(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"a.json().b[0] == 1", "{\"a\":\"{\\\"b\\\":[1]}\"}", 1},
        {"a.json().b[0] == 1", "{\"a\":\"eyJiIjpbMV19\"}", 1},
        {"a.json() == 1234", "{\"a\":\"1234\"}", 1},
        {"a.json().b == 1 or true", "{\"a\":\"not JSON\"}", 0},
        {"a.json().b == 1", "{\"a\":{\"b\":1}}", 1},
        {"a.json().b.json().c == 2",
         "{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"c\\\\\\\":2}\\\"}\"}", 1},
        {"a.*.json().b == 2", "{\"a\":[\"{\\\"b\\\":1}\",\"{\\\"b\\\":2}\"]}", 1},
        {"a.json()..b == 3", "{\"a\":\"[{\\\"b\\\":3}]\"}", 1},
        {"a.json().b.contains(\"x\")", "{\"a\":\"{\\\"b\\\":\\\"axa\\\"}\"}", 1},
        {"!a.json().b.contains(\"x\")", "{\"a\":\"{\"}", 1},
        {"a.xml().o.i[1] == \"y\"", "{\"a\":\"<o><i>x</i><i> y </i></o>\"}", 1},
        {"a.xml().o[0].i[0] == \"x\" and a.xml().o.i[-1] == \"x\"",
         "{\"a\":\"<o><i>x</i></o>\"}", 1},
        {"(a.xml().o.i[1]) or a.json()[0]", "{\"a\":\"<o><i>x</i></o>\"}", 0},
        {"a.xml().o.i == \"y\"", "{\"a\":\"PG8+PGk+eTwvaT48L28+\"}", 1},
        {"a.xml().o[\"-id\"] == 7 and a.xml().o == \"t\"",
         "{\"a\":\"<o id='7'>t</o>\"}", 1},
        {"a.xml().o[\"#text\"] == \"x y\"", "{\"a\":\"<o>x <i/>y</o>\"}", 1},
        {"a.xml().o.i == \"\"", "{\"a\":\"<o><i/><j/></o>\"}", 1},
        {"a.xml().o == \"<&\"", "{\"a\":\"<o>&lt;<![CDATA[&]]></o>\"}", 1},
        {"a.xml().o == 1 or true", "{\"a\":\"<o>\"}", 0},
        {"a.xml().o == 1 or true", "{\"a\":\"plain\"}", 0},
        {"a.xml().o", "{\"a\":\"<!DOCTYPE o [<!ENTITY e 'ee'>]><o>&e;</o>\"}", 0},
    };
    JUDGE(samples);
}

static void times_are_numbers(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"datetime(\"1/2/2006, 3:04:05.000 PM\") == 1136214245000", "{}", 1},
        {"datetime(\"01/02/2006, 03:04:05 PM\") == 1136214245000", "{}", 1},
        {"datetime(\"12/31/2023, 12:00:00.500 AM\") == 1703980800500", "{}", 1},
        {"datetime(\"12/31/2023, 12:00:00 PM\") == 1704024000000", "{}", 1},
        {"datetime(\"2/29/2024, 1:00:00 AM\") == 1709168400000", "{}", 1},
        {"datetime(\"1/1/1970, 12:00:00 AM\") == 0", "{}", 1},
        {"now() == 1703018670360", "{}", 1},
        {"seconds(-5) == 1703018665360 and seconds(0.5) == 1703018670860", "{}", 1},
        {"minutes(60) == hours(1) and days(7) == weeks(1)", "{}", 1},
        {"months(1) == days(30) and years(1) == days(365)", "{}", 1},
        {"timestamp > minutes(-1)", "{\"timestamp\":1703018670000}", 1},
        {"limit(3) and limit(0)", "{}", 1},
    };
    JUDGE(samples);
}

#define ENTRY(abbr, more) "{\"protocol\":{\"abbr\":\"" abbr "\"}" more "}"

static void macros_are_whole_words(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"http", ENTRY("HTTP", ""), 1},
        {"http", ENTRY("HTTP/2", ""), 0},
        {"http", "{}", 0},
        {"!http", "{}", 1},
        {"http or true", "{}", 1},
        {"http2 and !grpc and !gql", ENTRY("HTTP/2", ""), 1},
        {"icmp", ENTRY("ICMPv6", ""), 1},
        {"icmp", ENTRY("ICMPv4", ""), 1},
        {"https", ENTRY("HTTP/2", ",\"tls\":true"), 1},
        {"https", ENTRY("HTTP", ",\"tls\":false"), 0},
        {"https or true", ENTRY("HTTP", ""), 1},
        {"tls or true", "{}", 0},
        {"error", "{\"error\":null}", 0},
        {"!error", "{\"error\":null}", 1},
        {"error and error.type == \"Reset\"", "{\"error\":{\"type\":\"Reset\"}}", 1},
        {"a.http == 1 and request.httpVersion == 2",
         "{\"a\":{\"http\":1},\"request\":{\"httpVersion\":2}}", 1},
        {"http.x == 1", "{\"http\":{\"x\":1}}", 1},
        {"a == \"http\"", "{\"a\":\"http\"}", 1},
        {"record(\"lab\") and record == \"lab\"", "{\"record\":\"lab\"}", 1},
        {"record(\"lab\") or true", "{}", 1},
        {"record(\"lab\")", "{\"record\":\"\"}", 0},
    };
    JUDGE(samples);
}

static void the_record_is_the_callers(void **state)
{
    (void)state;
    struct err err = {0};
    static const char stored[] = "{\"record\":\"old\"}";
    assert_int_equal(case_match(NULL, "record(\"new\")", stored, "new", &err), 1);
    assert_int_equal(case_match(NULL, "record == \"old\"", stored, "new", &err), 0);
    assert_int_equal(case_match(NULL, "record == \"\"", "{}", "", &err), 1);
    assert_int_equal(case_match(NULL, "record.startsWith(\"n\")", "{}", "new", &err),
                     1);
}

static const char *saved(void *context, const char *name, size_t len)
{
    (void)context;
    static const char *const texts[][2] = {
        {"slow", "elapsedTime > 100 or b"},
        {"both", "slow and true"},
        {"blank", " "},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strlen(texts[i][0]) == len && !memcmp(texts[i][0], name, len))
            return texts[i][1];
    return NULL;
}

static int match_saved(const char *text, const char *json)
{
    struct kfl_env env = {.saved = saved};
    struct arena arena = {0};
    struct doc_value doc;
    struct err err = {0};
    struct kfl *kfl;
    assert_int_equal(case_compile(&kfl, text, &env, &err), 0);
    struct kfl_run *run = kfl_run_new();
    assert_int_equal(doc_parse(&doc, &arena, json, strlen(json), &err), 0);
    int rc = kfl_match(run, kfl, &doc, NULL, NULL, &err);
    kfl_run_free(run);
    kfl_unref(kfl);
    arena_fini(&arena);
    return rc;
}

static void saved_statements_are_words(void **state)
{
    (void)state;
    assert_int_equal(match_saved("slow", "{\"elapsedTime\":101}"), 1);
    assert_int_equal(match_saved("slow", "{\"elapsedTime\":1,\"b\":0}"), 0);
    assert_int_equal(match_saved("both and !slow", "{\"elapsedTime\":101}"), 0);
    assert_int_equal(match_saved("slow or true", "{}"), 1);
    assert_int_equal(match_saved("blank", "{}"), 1);
    assert_int_equal(match_saved("slow.x == 1", "{\"slow\":{\"x\":1}}"), 1);
}

static void what_a_statement_says_of_itself(void **state)
{
    (void)state;
    struct kfl *kfl =
        case_kfl("a and limit(7) and record(\"x\") or (record(\"y\") and limit(3)) "
                 "or record(\"x\")");
    assert_string_equal(kfl_text(kfl),
                        "a and limit(7) and record(\"x\") or (record(\"y\") and "
                        "limit(3)) or record(\"x\")");
    assert_int_equal(kfl_limit(kfl), 7);
    assert_int_equal(kfl_record_count(kfl), 2);
    assert_string_equal(kfl_record_name(kfl, 0), "x");
    assert_string_equal(kfl_record_name(kfl, 1), "y");
    assert_null(kfl_record_name(kfl, 2));
    assert_false(kfl_redacts(kfl));
    assert_false(kfl_is_everything(kfl));
    struct kfl *again = kfl_ref(kfl);
    kfl_unref(kfl);
    assert_int_equal(kfl_limit(again), 7);
    kfl_unref(again);

    kfl = case_kfl(" // all\n");
    assert_true(kfl_is_everything(kfl));
    assert_int_equal(kfl_limit(kfl), 0);
    kfl_unref(kfl);
}

static void a_run_serves_many_documents(void **state)
{
    (void)state;
    struct kfl_run *run = kfl_run_new();
    struct kfl *kfl = case_kfl("a.json().b == 2 and c == \"x\"");
    static const struct sample samples[] = {
        {"", "{\"a\":\"{\\\"b\\\":2}\",\"c\":\"x\"}", 1},
        {"", "{\"c\":\"x\",\"a\":\"{\\\"b\\\":1}\"}", 0},
        {"", "{\"c\":\"y\",\"z\":1,\"a\":\"{\\\"b\\\":2}\"}", 0},
        {"", "{\"z\":1,\"a\":\"{\\\"z\\\":0,\\\"b\\\":2}\",\"y\":0,\"c\":\"x\"}", 1},
    };
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
            struct arena arena = {0};
            struct doc_value doc;
            struct err err = {0};
            assert_int_equal(
                doc_parse(&doc, &arena, samples[i].json, strlen(samples[i].json), &err),
                0);
            assert_int_equal(kfl_match(run, kfl, &doc, NULL, NULL, &err),
                             samples[i].answer);
            arena_fini(&arena);
        }
    }
    kfl_unref(kfl);
    kfl_run_free(run);
}

struct shared {
    const struct kfl *kfl;
    const struct doc_value *doc;
};

static void *match_often(void *context)
{
    const struct shared *shared = context;
    struct kfl_run *run = kfl_run_new();
    intptr_t matches = 0;
    for (int i = 0; i < 2000; i++)
        matches += kfl_match(run, shared->kfl, shared->doc, NULL, NULL, NULL);
    kfl_run_free(run);
    return (void *)matches;
}

static void threads_share_a_statement(void **state)
{
    (void)state;
    static const char json[] = "{\"a\":[\"x\",\"yz\"],\"b\":\"{\\\"c\\\":1}\"}";
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct arena arena = {0};
    struct doc_value doc;
    struct kfl *kfl =
        case_kfl("a.* == r\"^y.$\" and b.json().c == 1 and redact(\"a\")");
    assert_int_equal(doc_parse(&doc, &arena, json, strlen(json), NULL), 0);
    struct shared shared = {kfl, &doc};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, match_often, &shared), 0);
    for (int i = 0; i < THREADS; i++) {
        void *matches;
        assert_int_equal(pthread_join(threads[i], &matches), 0);
        assert_int_equal((intptr_t)matches, 2000);
    }
    kfl_unref(kfl);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truth_of_values),
        cmocka_unit_test(groups_to_the_left),
        cmocka_unit_test(a_missing_selector_collapses),
        cmocka_unit_test(selectors_find_their_values),
        cmocka_unit_test(equality_compares_text_or_numbers),
        cmocka_unit_test(orders_compare_numbers),
        cmocka_unit_test(arrays_compare_by_element),
        cmocka_unit_test(text_helpers_test_text),
        cmocka_unit_test(bodies_are_decoded),
        cmocka_unit_test(times_are_numbers),
        cmocka_unit_test(macros_are_whole_words),
        cmocka_unit_test(the_record_is_the_callers),
        cmocka_unit_test(saved_statements_are_words),
        cmocka_unit_test(what_a_statement_says_of_itself),
        cmocka_unit_test(a_run_serves_many_documents),
        cmocka_unit_test(threads_share_a_statement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
