#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "fs/route.h"
#include "kfl/base/err.h"

/* Walks a path from the mount point; the last step's result. */
static int walk(struct place *place, const char *path, struct err *err)
{
    char copy[512];
    char *rest = copy;
    int r = 0;
    assert_true(strlen(path) < sizeof copy);
    memcpy(copy, path, strlen(path) + 1);
    place_root(place);
    for (char *name; !r && (name = strsep(&rest, "/"));) {
        struct place child;
        r = route_step(&child, place, name, err);
        place_fini(place);
        *place = child;
    }
    return r;
}

static void expect(const char *path, enum place_kind kind)
{
    struct place place;
    struct err err = {0};
    assert_int_equal(walk(&place, path, &err), 0);
    assert_int_equal(place.kind, kind);
    assert_string_equal(place.path + 1, path);
    place_fini(&place);
}

static void expect_statement(const char *path, const char *text, enum form form)
{
    struct place place;
    struct err err = {0};
    assert_int_equal(walk(&place, path, &err), 0);
    assert_int_equal(place.kind, PLACE_STATEMENT);
    assert_string_equal(place.text, text);
    assert_int_equal(place.form, form);
    place_fini(&place);
}

static void expect_refused(const char *path, int code)
{
    struct place place;
    struct err err = {0};
    assert_int_equal(walk(&place, path, &err), code);
}

static void names_of_the_tree(void **state)
{
    (void)state;
    expect("README", PLACE_README);
    expect("metrics", PLACE_METRICS);
    expect("jobs/a", PLACE_JOB);
    expect("jobs/a/spec.yaml", PLACE_SPEC);
    expect("jobs/a/status", PLACE_STATUS);
    expect("jobs/a/control", PLACE_CONTROL);
    expect("jobs/a/log", PLACE_LOG);
    expect("jobs/a/.spec.yaml.swp", PLACE_SCRATCH);
    expect("recordings/a/recording.pcap", PLACE_PCAP);
    expect("recordings/a/expires", PLACE_EXPIRES);
    expect("recordings/a/x.pcap", PLACE_IMPORT);
    expect("recordings/a/streams/000000000017.pcap", PLACE_STREAM);
    expect("query/error_log", PLACE_ERROR_LOG);
    expect_refused("nothing", -ENOENT);
    expect_refused("README/x", -ENOENT);
}

static void an_iteration_keeps_its_recording(void **state)
{
    struct place place;
    struct err err = {0};
    (void)state;
    assert_int_equal(walk(&place,
                          "recordings/a/iterations/2026-11-23T08-45-00Z/entries/1.json",
                          &err),
                     0);
    assert_int_equal(place.kind, PLACE_ENTRY);
    assert_string_equal(place.name, "a");
    assert_string_equal(place.start, "2026-11-23T08-45-00Z");
    assert_string_equal(place.leaf, "1.json");
    place_fini(&place);
    /* An iteration has no expiry of its own. */
    expect_refused("recordings/a/iterations/2026-11-23T08-45-00Z/expires", -ENOENT);
}

static void slashes_inside_a_literal(void **state)
{
    (void)state;
    expect("query/request.path == \"", PLACE_PREFIX);
    expect("query/request.path == \"/-", PLACE_PREFIX);
    expect_statement("query/request.path == \"/-/ready\"",
                     "request.path == \"/-/ready\"", FORM_JSON);
    expect_statement("query/request.path == \"/-/ready\".pcap",
                     "request.path == \"/-/ready\"", FORM_PCAP);
    expect_statement("query/x == r\"^/a\\\"/b\"", "x == r\"^/a\\\"/b\"", FORM_JSON);
}

static void extensions_choose_the_form(void **state)
{
    (void)state;
    expect_statement("query/http", "http", FORM_JSON);
    expect_statement("query/http.json", "http", FORM_JSON);
    expect_statement("query/http.har", "http", FORM_HAR);
    expect_statement("query/http.count", "http", FORM_COUNT);
    expect_statement("query/http.follow", "http", FORM_FOLLOW);
    expect_statement("query/(request.json)", "(request.json)", FORM_JSON);
    expect_statement("query/.count", "", FORM_COUNT);
    expect("query/slow.kfl", PLACE_SAVED);
    expect_refused("query/a == \"/b\".kfl", -ENOENT);
}

static void a_url_that_lost_a_slash(void **state)
{
    struct place place;
    struct err err = {0};
    (void)state;
    assert_int_equal(walk(&place, "query/request.url == \"http:/shop\"", &err),
                     -EINVAL);
    assert_non_null(strstr(err.msg, "\\u002f\\u002fshop"));
    expect_refused("query/request.url.startsWith(\"https:/\")", -EINVAL);
    /* The safe name is that of the whole statement. */
    assert_int_equal(walk(&place,
                          "query/request.url == \"http:/web/a b\" or request.url == "
                          "\"https:/web/c\"",
                          &err),
                     -EINVAL);
    assert_non_null(strstr(err.msg, "\"http:\\u002f\\u002fweb/a b\" or"));
    assert_non_null(strstr(err.msg, "\"https:\\u002f\\u002fweb/c\""));
    /* One slash that is meant is said. */
    expect_statement("query/request.url == \"http:\\u002fshop\"",
                     "request.url == \"http:\\u002fshop\"", FORM_JSON);
    expect_statement("query/request.path == \"/http:/x\"",
                     "request.path == \"/http:/x\"", FORM_JSON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_tree),
        cmocka_unit_test(an_iteration_keeps_its_recording),
        cmocka_unit_test(slashes_inside_a_literal),
        cmocka_unit_test(extensions_choose_the_form),
        cmocka_unit_test(a_url_that_lost_a_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
