/* Hints: what can be skipped without a look; never something that matches. */
#include "tests/unit/kfl/kfl_case.h"

#include <stdio.h>

struct sample {
    const char *kfl;
    struct kfl_facts facts;
    bool may;
};

#define BOTH "((record(\"a\") or record(\"b\")) and tls) or tls"

static void segments_are_skipped(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", {.record = ""}, true},
        {"http", {0}, true},
        {"http", {.abbr = "HTTP"}, true},
        {"http", {.abbr = "DNS"}, false},
        {"!http", {.abbr = "HTTP"}, false},
        {"!http", {.abbr = "DNS"}, true},
        {"icmp", {.abbr = "ICMPv6"}, true},
        {"http and response.status == 500", {.abbr = "DNS"}, false},
        {"response.status == 500 and http", {.abbr = "DNS"}, false},
        {"http or dns", {.abbr = "REDIS"}, false},
        {"http or x == 1", {.abbr = "REDIS"}, true},
        {"x == 1 or http", {.abbr = "REDIS"}, true},
        {"(x == 1 or true) and dns", {.abbr = "HTTP"}, false},
        {"http and false or dns", {.abbr = "HTTP"}, false},
        {"record(\"x\") and http", {.record = ""}, false},
        {"record(\"x\") and http", {.record = "x"}, true},
        {"record(\"x\") and http", {.record = "x", .abbr = "DNS"}, false},
        {BOTH, {.record = ""}, true},
        {"(record(\"a\") or record(\"b\")) and tls", {.record = ""}, false},
        {"!record(\"a\")", {.record = "a"}, false},
        {"record == \"a\"", {.record = "a"}, true},
        {"record != \"a\"", {.record = "a"}, false},
        {"\"a\" == record", {.record = "b"}, false},
        {"record == r\"x\"", {.record = "a"}, true},
        {"nosuch()", {0}, false},
        {"(nosuch()) or http", {.abbr = "HTTP"}, true},
        {"limit(1) and false", {0}, false},
        {"timestamp > 100", {.from_ms = 1, .to_ms = 100}, false},
        {"timestamp > 100", {.from_ms = 1, .to_ms = 101}, true},
        {"timestamp >= 100", {.from_ms = 1, .to_ms = 100}, true},
        {"timestamp < 100", {.from_ms = 100, .to_ms = 200}, false},
        {"100 >= timestamp", {.from_ms = 101, .to_ms = 200}, false},
        {"timestamp == 5", {.from_ms = 6, .to_ms = 7}, false},
        {"timestamp == 5", {.from_ms = 5, .to_ms = 7}, true},
        {"timestamp != 5", {.from_ms = 5, .to_ms = 5}, false},
        {"!(timestamp > 100)", {.from_ms = 101, .to_ms = 200}, false},
        {"timestamp > \"100\"", {.from_ms = 1, .to_ms = 2}, true},
        {"timestamp > hours(-1)", {.from_ms = 1, .to_ms = CASE_NOW - 3600001}, false},
        {"redact(\"protocol\") and !http", {.abbr = "HTTP"}, true},
        {"redact(\"..abbr\") and !http", {.abbr = "HTTP"}, true},
        {"redact(\"response\") and dns", {.abbr = "HTTP"}, false},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct kfl *kfl = case_kfl(samples[i].kfl);
        if (kfl_may_match(kfl, &samples[i].facts) != samples[i].may)
            fail_msg("%s: sample %zu", samples[i].kfl, i);
        kfl_unref(kfl);
    }
}

/* Whatever the statement, what is skipped does not match. */
static void hints_never_lie(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "http",
        "dns",
        "record(\"a\")",
        "timestamp > 5",
        "timestamp == 5",
        "x",
        "y == 1",
        "record == \"\"",
        "nosuch()",
        "redact(\"timestamp\")",
        "protocol.abbr != \"HTTP\"",
        "1 >= timestamp",
        "true",
        "nil",
    };
    static const char *const shapes[] = {"%s and %s or %s", "%s or %s and %s",
                                         "!(%s and %s) or %s", "(%s or !%s) and %s",
                                         "!%s and !%s or %s == false"};
    enum { PARTS = sizeof(parts) / sizeof(parts[0]) };
    static const char *const abbrs[] = {"HTTP", "DNS"}, *const records[] = {"", "a"};
    int skipped = 0;
    for (size_t i = 0; i < PARTS * PARTS * PARTS; i++) {
        char text[256], json[128];
        snprintf(text, sizeof(text), shapes[i % 5], parts[i % PARTS],
                 parts[i / PARTS % PARTS], parts[i / PARTS / PARTS]);
        struct kfl *kfl = case_kfl(text);
        const char *abbr = abbrs[i & 1], *record = records[i >> 1 & 1];
        int64_t at = (int64_t)(i % 9);
        snprintf(json, sizeof(json),
                 "{\"protocol\":{\"abbr\":\"%s\"},\"timestamp\":%d,\"x\":%d}", abbr,
                 (int)at, (int)(i & 1));
        struct kfl_facts facts = {
            .abbr = abbr, .record = record, .from_ms = at, .to_ms = at + (int)(i % 3)};
        struct err err = {0};
        bool may = kfl_may_match(kfl, &facts);
        skipped += !may;
        if (!may && case_match(NULL, text, json, record, &err) != 0)
            fail_msg("%s over %s of `%s` was skipped", text, json, record);
        kfl_unref(kfl);
    }
    assert_true(skipped > 100);
}

static void parts_that_are_used(void **state)
{
    (void)state;
    static const struct {
        const char *kfl, *path;
        bool uses;
    } samples[] = {
        {"http", "protocol", true},
        {"http", "protocol.abbr", true},
        {"http", "protocol.name", false},
        {"http", "response", false},
        {"response.status == 1", "response", true},
        {"response.status == 1", "response.content", false},
        {"response == nil", "response.content", true},
        {"response.content.text.json().a", "response.content", true},
        {"response.content.text.json().a", "response.content.text", true},
        {"response.*", "response.content", true},
        {"..text", "request.headers", true},
        {"a.contains(response.body)", "response.body", true},
        {"request.body.contains(a)", "request.body", true},
        {"contains(\"x\")", "request.body", true},
        {"redact(\"request.body\")", "request.body", true},
        {"nosuch(request.body)", "request.body", false},
        {"record(\"x\")", "record", true},
        {"responses", "response", false},
        {"", "response", false},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct kfl *kfl = case_kfl(samples[i].kfl);
        if (kfl_uses(kfl, samples[i].path) != samples[i].uses)
            fail_msg("%s: %s", samples[i].kfl, samples[i].path);
        kfl_unref(kfl);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_skipped),
        cmocka_unit_test(hints_never_lie),
        cmocka_unit_test(parts_that_are_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
