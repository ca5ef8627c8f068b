#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "fs/tree.h"
#include "kfl/base/err.h"

static struct node *look(struct tree *tree, const struct place *dir, const char *name,
                         uint64_t stamp)
{
    struct place place;
    struct err err = {0};
    assert_int_equal(route_step(&place, dir, name, &err), 0);
    return tree_look(tree, &place, stamp);
}

static const struct place *root(struct tree *tree)
{
    return &tree_find(tree, TREE_ROOT)->place;
}

static void a_query_is_new_each_time(void **state)
{
    struct tree *tree = tree_new();
    struct node *query = look(tree, root(tree), "query", 0);
    struct node *a = look(tree, &query->place, "http", 0);
    struct node *b = look(tree, &query->place, "http", 0);
    (void)state;
    assert_true(a->id != b->id);
    /* cp compares these. */
    assert_true(a->ino == b->ino);
    tree_free(tree);
}

static void folders_and_finished_files_stay(void **state)
{
    struct tree *tree = tree_new();
    struct node *jobs = look(tree, root(tree), "jobs", 0);
    (void)state;
    assert_true(look(tree, root(tree), "jobs", 0) == jobs);
    struct node *a = look(tree, root(tree), "README", 7);
    assert_true(look(tree, root(tree), "README", 7) == a);
    assert_true(look(tree, root(tree), "README", 8) != a);
    tree_free(tree);
}

static void forgotten_nodes_go_and_numbers_never_come_back(void **state)
{
    struct tree *tree = tree_new();
    struct node *query = look(tree, root(tree), "query", 0);
    uint64_t before = tree_count(tree), last = 0;
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        struct node *node = look(tree, &query->place, "http", 0);
        uint64_t id = node->id;
        assert_true(id > last);
        last = id;
        tree_forget(tree, id, 1);
        assert_null(tree_find(tree, id));
    }
    assert_true(tree_count(tree) == before);
    tree_free(tree);
}

static void lookups_are_counted(void **state)
{
    struct tree *tree = tree_new();
    uint64_t id = look(tree, root(tree), "jobs", 0)->id;
    (void)state;
    look(tree, root(tree), "jobs", 0);
    tree_forget(tree, id, 1);
    assert_non_null(tree_find(tree, id));
    tree_forget(tree, id, 1);
    assert_null(tree_find(tree, id));
    tree_free(tree);
}

static void a_folder_made_again_is_another(void **state)
{
    struct tree *tree = tree_new();
    struct node *jobs = look(tree, root(tree), "jobs", 0);
    struct node *old = look(tree, &jobs->place, "x", 0);
    struct node *beside = look(tree, &jobs->place, "xy", 0);
    (void)state;
    tree_detach(tree, &old->place);
    assert_true(look(tree, &jobs->place, "x", 0) != old);
    assert_true(look(tree, &jobs->place, "xy", 0) == beside);
    assert_non_null(tree_find(tree, old->id));
    tree_free(tree);
}

/* `rm -r` of a large recording, all of whose names the kernel remembers. */
static void names_go_one_by_one_in_time(void **state)
{
    enum { NAMES = 50000 };
    struct tree *tree = tree_new();
    struct node *jobs = look(tree, root(tree), "jobs", 0);
    struct node *job = look(tree, &jobs->place, "x", 0);
    char name[32];
    (void)state;
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "%u", i);
        look(tree, &job->place, name, 7);
    }
    clock_t began = clock();
    for (unsigned i = NAMES; i-- > 0;) {
        struct place place;
        struct err err = {0};
        snprintf(name, sizeof name, "%u", i);
        assert_int_equal(route_step(&place, &job->place, name, &err), 0);
        tree_detach(tree, &place);
        place_fini(&place);
    }
    assert_true(clock() - began < 3 * CLOCKS_PER_SEC);
    assert_true(look(tree, &job->place, "0", 7) != look(tree, &job->place, "1", 7));
    tree_free(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_new_each_time),
        cmocka_unit_test(folders_and_finished_files_stay),
        cmocka_unit_test(forgotten_nodes_go_and_numbers_never_come_back),
        cmocka_unit_test(lookups_are_counted),
        cmocka_unit_test(a_folder_made_again_is_another),
        cmocka_unit_test(names_go_one_by_one_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
