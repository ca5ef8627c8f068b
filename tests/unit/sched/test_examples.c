/* The examples are right as they stand. Runs in the folder of the sources. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/sys.h"
#include "kfl/kfl.h"
#include "sched/spec.h"

#define LIMIT 65536

struct shelf {
    struct buf texts[8];
    size_t count;
};

/* The saved statement of examples/queries. */
static const char *saved(void *context, const char *name, size_t len)
{
    struct shelf *shelf = context;
    char path[128];

    snprintf(path, sizeof(path), "examples/queries/%.*s.kfl", (int)len, name);
    if (shelf->count == sizeof(shelf->texts) / sizeof(*shelf->texts) ||
        sys_read_file(AT_FDCWD, path, LIMIT, &shelf->texts[shelf->count]) < 0)
        return NULL;
    return shelf->texts[shelf->count++].data;
}

static void shelf_fini(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++)
        buf_fini(&shelf->texts[i]);
    shelf->count = 0;
}

static void check_spec(const char *path, const char *text, size_t len)
{
    struct shelf shelf = {0};
    struct spec_env env = {.saved = saved, .context = &shelf};
    struct spec *spec;
    struct err err = {0};

    if (spec_parse(&spec, text, len, &env, &err) != 0)
        fail_msg("%s:%d:%d: %s", path, err.line, err.col, err.msg);
    spec_free(spec);
    shelf_fini(&shelf);
}

static void check_statement(const char *path, const char *text, size_t len)
{
    struct shelf shelf = {0};
    struct kfl_env env = {.strict = true, .saved = saved, .context = &shelf};
    char name[64];
    struct kfl *kfl;
    struct err err = {0};

    snprintf(name, sizeof(name), "%s", strrchr(path, '/') + 1);
    *strrchr(name, '.') = 0;
    assert_true(kfl_name_is_free(name));
    if (kfl_compile(&kfl, text, len, &env, &err) != 0)
        fail_msg("%s:%d:%d: %s", path, err.line, err.col, err.msg);
    assert_null(kfl_warning(kfl));
    kfl_unref(kfl);
    shelf_fini(&shelf);
}

static unsigned check_folder(const char *folder, const char *ending,
                             void (*check)(const char *path, const char *text,
                                           size_t len))
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    unsigned count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        struct buf text = {0};
        char path[512];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        assert_non_null(strstr(path, ending));
        assert_int_equal(sys_read_file(AT_FDCWD, path, LIMIT, &text), 0);
        check(path, text.data, text.len);
        buf_fini(&text);
        count++;
    }
    closedir(dir);
    return count;
}

static void test_specs(void **state)
{
    (void)state;
    assert_true(check_folder("examples/jobs", ".yaml", check_spec) >= 5);
}

static void test_statements(void **state)
{
    (void)state;
    assert_true(check_folder("examples/queries", ".kfl", check_statement) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_statements),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
