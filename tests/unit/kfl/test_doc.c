/* Documents: building, finding, comparing, copying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kfl/base/buf.h"
#include "kfl/doc.h"

static int parse(struct doc_value *out, struct arena *arena, const char *text)
{
    return doc_parse(out, arena, text, strlen(text), NULL);
}

static void assert_json(const struct doc_value *value, const char *want)
{
    struct buf out = {0};
    assert_int_equal(doc_write(&out, value), 0);
    assert_string_equal(out.data, want);
    buf_fini(&out);
}

static void a_document_is_built_in_order(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct doc_value root, *list;
    doc_make_object(&root);
    doc_put_int(&arena, &root, "status", -500);
    *doc_put(&arena, &root, "elapsed", 7) =
        (struct doc_value){.type = DOC_DOUBLE, .real = 1.5};
    doc_put_bool(&arena, &root, "tls", true);
    doc_put_null(&arena, &root, "error");
    doc_put_str(&arena, &root, "path", "/a\"b");
    doc_put_text(&arena, &root, "raw", "x\xFFy", 3);
    list = doc_put_array(&arena, &root, "list");
    doc_set_text(&arena, doc_push(&arena, list), "item", 4);
    doc_make_array(doc_push(&arena, list));
    doc_put_str(&arena, doc_put_object(&arena, &root, "last"), "", "empty name");
    assert_json(&root, "{\"status\":-500,\"elapsed\":1.5,\"tls\":true,\"error\":null,"
                       "\"path\":\"/a\\\"b\",\"raw\":\"x\xEF\xBF\xBDy\","
                       "\"list\":[\"item\",[]],\"last\":{\"\":\"empty name\"}}");
    assert_false(arena.failed);
    arena_fini(&arena);
}

static void building_in_a_full_arena_needs_no_test(void **state)
{
    (void)state;
    struct arena arena = {.limit = 200};
    struct doc_value root;
    doc_make_object(&root);
    for (int i = 0; i < 20; i++) {
        struct doc_value *child = doc_put_object(&arena, &root, "child");
        doc_put_text(&arena, child, "text", "\xFF\xFF", 2);
        doc_push(&arena, doc_put_array(&arena, child, "list"));
    }
    assert_true(arena.failed);
    assert_non_null(root.list);
    doc_put_int(&arena, NULL, "nowhere", 1);
    doc_set_text(&arena, NULL, "nowhere", 7);
    assert_null(doc_push(&arena, NULL));
    arena_fini(&arena);
}

static void members_are_found_by_name_and_path(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct doc_value root;
    assert_int_equal(
        parse(&root, &arena,
              "{\"a\":{\"b\":{\"c\":1}},\"ab\":2,\"\":3,\"s\":\"text\",\"l\":[4]}"),
        0);
    assert_int_equal(doc_at(&root, "a.b.c")->integer, 1);
    assert_int_equal(doc_get(&root, "ab")->integer, 2);
    assert_int_equal(doc_get(&root, "")->integer, 3);
    assert_int_equal(doc_find(&root, "abc", 2)->integer, 2);
    assert_null(doc_get(&root, "b"));
    assert_null(doc_get(&root, "a.b"));
    assert_null(doc_at(&root, "a.x.c"));
    assert_null(doc_at(&root, "ab.c"));
    assert_null(doc_at(&root, "a.b.c.d"));
    assert_null(doc_get(doc_get(&root, "l"), "0"));
    assert_null(doc_get(NULL, "a"));
    assert_true(doc_text_is(doc_get(&root, "s"), "text"));
    assert_false(doc_text_is(doc_get(&root, "s"), "tex"));
    assert_false(doc_text_is(doc_get(&root, "ab"), "2"));
    assert_false(doc_text_is(NULL, ""));
    arena_fini(&arena);
}

static bool equal(const char *a, const char *b)
{
    struct arena arena = {0};
    struct doc_value left, right;
    assert_int_equal(parse(&left, &arena, a), 0);
    assert_int_equal(parse(&right, &arena, b), 0);
    bool out = doc_equal(&left, &right);
    assert_int_equal(out, doc_equal(&right, &left));
    arena_fini(&arena);
    return out;
}

static void equality_is_deep_and_exact(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"null", "null"},
        {"3", "3.0"},
        {"3", "0.3e1"},
        {"0", "-0.0"},
        {"9007199254740993", "9007199254740993"},
        {"18446744073709551615", "18446744073709551615"},
        {"9223372036854775808", "9223372036854775808.0"},
        {"-9223372036854775808", "-9223372036854775808.0"},
        {"\"a\\u0062\"", "\"ab\""},
        {"[]", "[ ]"},
        {"[1,[2,{\"a\":null}]]", "[1.0,[2,{\"a\":null}]]"},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"},
        {"{\"a\":1,\"b\":{\"c\":[]}}", "{\"a\":1,\"b\":{\"c\":[]}}"},
    };
    static const char *const different[][2] = {
        {"null", "false"},
        {"true", "false"},
        {"1", "true"},
        {"1", "\"1\""},
        {"[]", "{}"},
        {"[1]", "[1,2]"},
        {"[1,2]", "[2,1]"},
        {"\"a\"", "\"b\""},
        {"\"a\"", "\"ab\""},
        {"{\"a\":1}", "{\"b\":1}"},
        {"{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}"},
        {"9007199254740993", "9007199254740992.0"},
        {"9223372036854775807", "9223372036854775808.0"},
        {"-9223372036854775808", "9223372036854775808"},
        {"-1", "18446744073709551615"},
        {"18446744073709551615", "18446744073709551616"},
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        if (!equal(same[i][0], same[i][1]))
            fail_msg("not equal: %s and %s", same[i][0], same[i][1]);
    }
    for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++) {
        if (equal(different[i][0], different[i][1]))
            fail_msg("equal: %s and %s", different[i][0], different[i][1]);
    }
}

/* {"0":0,"1":1,…} from either end; the value of one member can be another. */
static char *large_object(int count, bool backwards, int odd)
{
    struct buf out = {0};
    for (int i = 0; i < count; i++) {
        int n = backwards ? count - 1 - i : i;
        buf_addf(&out, "%c\"%d\":%d", i ? ',' : '{', n, n == odd ? -1 : n);
    }
    buf_addch(&out, '}');
    return buf_take(&out);
}

static void large_objects_are_equal_in_any_order(void **state)
{
    (void)state;
    for (int count = 30; count < 30000; count *= 10) {
        char *a = large_object(count, false, -1), *b = large_object(count, true, -1);
        char *c = large_object(count, true, 17);
        assert_true(equal(a, b));
        assert_false(equal(a, c));
        free(a);
        free(b);
        free(c);
    }
}

static void a_copy_can_be_changed_alone(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct doc_value root;
    const char *text = "{\"a\":{\"b\":[1,\"x\",{\"c\":true}]},\"d\":{}}";
    assert_int_equal(parse(&root, &arena, text), 0);
    struct doc_value *copy = doc_copy(&arena, &root);
    assert_true(doc_equal(copy, &root));
    doc_set_text(&arena, doc_at(copy, "a.b"), "[REDACTED]", 10);
    doc_put_int(&arena, doc_get(copy, "d"), "new", 1);
    doc_put_int(&arena, copy, "e", 2);
    assert_json(copy, "{\"a\":{\"b\":\"[REDACTED]\"},\"d\":{\"new\":1},\"e\":2}");
    assert_json(&root, text);
    struct arena small = {.limit = 100};
    assert_null(doc_copy(&small, &root));
    assert_true(small.failed);
    arena_fini(&small);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_built_in_order),
        cmocka_unit_test(building_in_a_full_arena_needs_no_test),
        cmocka_unit_test(members_are_found_by_name_and_path),
        cmocka_unit_test(equality_is_deep_and_exact),
        cmocka_unit_test(large_objects_are_equal_in_any_order),
        cmocka_unit_test(a_copy_can_be_changed_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
