#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "capture/names.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

#define AT (INT64_C(1700000000) * NS_PER_S)

struct fixture {
    char dir[32], file[64];
    struct arena arena;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/names.XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->file, sizeof f->file, "%s/names", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sys_remove_tree(AT_FDCWD, f->dir);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

/* As an editor does: another file takes the place. */
static void write_file(const struct fixture *f, const char *text)
{
    int dir = open(f->dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(sys_replace_file(dir, "names", text, strlen(text)), 0);
    close(dir);
}

static struct address ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct address){{a, b, c, d}, 4};
}

static struct name find(struct fixture *f, struct names *names, struct address address,
                        int64_t at)
{
    struct name name;
    names_find(names, &address, at, &f->arena, &name);
    return name;
}

static void hosts_lines_name_addresses(void **state)
{
    struct fixture *f = *state;
    struct names *names;
    struct err err = {0};
    write_file(f, "# people\n127.0.0.1\tlocalhost me # that is us\n\n"
                  "2001:db8::7   db.shop\r\n127.0.0.1 second");
    assert_int_equal(names_open(&names, f->file, &err), 0);
    assert_string_equal(find(f, names, ip4(127, 0, 0, 1), AT).name, "localhost");
    assert_string_equal(find(f, names, ip4(127, 0, 0, 2), AT).name, "");
    struct address six = {{0x20, 1, 0xd, 0xb8, [15] = 7}, 6};
    assert_string_equal(find(f, names, six, AT).name, "db.shop");
    assert_int_equal(names_count(names), 3);
    names_free(names);
}

static void yaml_has_the_other_fields(void **state)
{
    struct fixture *f = *state;
    struct names *names;
    struct err err = {0};
    write_file(f,
               "# cluster\n- ip: 10.0.0.2\n  name: db\n  namespace: shop\n  pod: db-0\n"
               "  service: db\n- {ip: '::1', name: me}\n");
    assert_int_equal(names_open(&names, f->file, &err), 0);
    struct name name = find(f, names, ip4(10, 0, 0, 2), AT);
    assert_string_equal(name.name, "db");
    assert_string_equal(name.namespace, "shop");
    assert_string_equal(name.pod, "db-0");
    assert_string_equal(name.service, "db");
    struct address six = {{[15] = 1}, 6};
    assert_string_equal(find(f, names, six, AT).name, "me");
    names_free(names);
}

static void bad_files_are_refused_with_their_place(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        int line, col;
    } files[] = {{"10.0.0.1 good\n10.0.0.300 bad\n", 2, 1},
                 {"10.0.0.1\n", 1, 1},
                 {"- ip: 10.0.0.1\n  nmae: x\n", 2, 3},
                 {"- ip: nowhere\n", 1, 7},
                 {"- name: x\n", 1, 3},
                 {"- [1, 2\n", 2, 1}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct names *names = NULL;
        struct err err = {0};
        write_file(f, files[i].text);
        assert_int_equal(names_open(&names, f->file, &err), -EINVAL);
        assert_int_equal(err.line, files[i].line);
        assert_int_equal(err.col, files[i].col);
        assert_null(names);
    }
    struct names *names;
    assert_int_equal(names_open(&names, "/nowhere/names", NULL), -ENOENT);
}

static void a_changed_file_is_read_again(void **state)
{
    struct fixture *f = *state;
    struct names *names;
    write_file(f, "10.0.0.1 old\n");
    assert_int_equal(names_open(&names, f->file, NULL), 0);
    write_file(f, "10.0.0.1 new\n");
    assert_string_equal(find(f, names, ip4(10, 0, 0, 1), AT).name, "old");
    names_refresh(names);
    assert_string_equal(find(f, names, ip4(10, 0, 0, 1), AT).name, "new");
    write_file(f, "rubbish\n");
    names_refresh(names);
    assert_string_equal(find(f, names, ip4(10, 0, 0, 1), AT).name, "new");
    unlink(f->file);
    names_refresh(names);
    assert_string_equal(find(f, names, ip4(10, 0, 0, 1), AT).name, "new");
    names_free(names);
}

static void learned_names_last_as_long_as_they_may(void **state)
{
    struct fixture *f = *state;
    struct names *names;
    struct address address = ip4(10, 0, 0, 1);
    assert_int_equal(names_open(&names, NULL, NULL), 0);
    names_learn(names, &address, "web", 3, AT, 60);
    assert_string_equal(find(f, names, address, AT - 1).name, "");
    assert_string_equal(find(f, names, address, AT).name, "web");
    assert_string_equal(find(f, names, address, AT + 3599 * NS_PER_S).name, "web");
    assert_string_equal(find(f, names, address, AT + 3600 * NS_PER_S).name, "");
    names_learn(names, &address, "web", 3, AT, UINT32_MAX);
    assert_string_equal(find(f, names, address, AT + 86399 * NS_PER_S).name, "web");
    assert_string_equal(find(f, names, address, AT + 86400 * NS_PER_S).name, "");
    names_learn(names, &address, "other", 5, AT + NS_PER_S, 60);
    assert_string_equal(find(f, names, address, AT + NS_PER_S).name, "other");
    assert_int_equal(names_count(names), 1);
    names_free(names);
}

static void the_file_wins(void **state)
{
    struct fixture *f = *state;
    struct names *names;
    struct address address = ip4(10, 0, 0, 1);
    write_file(f, "10.0.0.1 written\n");
    assert_int_equal(names_open(&names, f->file, NULL), 0);
    names_learn(names, &address, "learned", 7, AT, 60);
    assert_string_equal(find(f, names, address, AT).name, "written");
    names_free(names);
}

static void a_flood_of_names_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct names *names;
    assert_int_equal(names_open(&names, NULL, NULL), 0);
    for (uint32_t i = 0; i < 200000; i++) {
        struct address address =
            ip4(10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);
        names_learn(names, &address, "flood", 5, AT + i, 60);
    }
    assert_true(names_count(names) <= 65536);
    struct address last = ip4(10, 3, 13, 63);
    assert_string_equal(find(f, names, last, AT + NS_PER_S).name, "flood");
    names_free(names);
}

static void *learn_many(void *names)
{
    for (int i = 0; i < 5000; i++) {
        struct address address = ip4(10, 0, 0, (uint8_t)i);
        names_learn(names, &address, i % 2 ? "odd" : "even", i % 2 ? 3 : 4, AT, 60);
    }
    return NULL;
}

static void threads_may_share_them(void **state)
{
    (void)state;
    struct names *names;
    struct arena arena = {0};
    pthread_t threads[2];
    assert_int_equal(names_open(&names, NULL, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, learn_many, names), 0);
    for (int i = 0; i < 5000; i++) {
        struct address address = ip4(10, 0, 0, (uint8_t)i);
        struct name name;
        names_find(names, &address, AT, &arena, &name);
        assert_true(!strcmp(name.name, "") ||
                    !strcmp(name.name, i % 2 ? "odd" : "even"));
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(names_count(names), 256);
    arena_fini(&arena);
    names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hosts_lines_name_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(yaml_has_the_other_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_files_are_refused_with_their_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_changed_file_is_read_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(learned_names_last_as_long_as_they_may, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_file_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_of_names_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_may_share_them, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
