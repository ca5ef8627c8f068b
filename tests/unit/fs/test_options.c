#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "fs/options.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"

#define ARGS_MAX 16

/* Reads words separated by one blank. */
static int parse(struct options *options, const char *line, struct err *err)
{
    char copy[512];
    char *argv[ARGS_MAX] = {NULL}, *rest = copy;
    int argc = 0;
    assert_true(strlen(line) < sizeof copy);
    memcpy(copy, line, strlen(line) + 1);
    for (char *word; argc < ARGS_MAX && (word = strsep(&rest, " "));)
        argv[argc++] = word;
    return options_parse(options, argc, argv, err);
}

static void expect_refused(const char *line, const char *words)
{
    struct options options;
    struct err err = {0};
    assert_int_equal(parse(&options, line, &err), -EINVAL);
    assert_non_null(strstr(err.msg, words));
    options_fini(&options);
}

static void defaults(void **state)
{
    struct options options;
    struct err err = {0};
    (void)state;
    assert_int_equal(parse(&options, "trafficfs /mnt", &err), 0);
    assert_string_equal(options.mountpoint, "/mnt");
    assert_null(options.source);
    assert_string_equal(options.ifaces[0], "any");
    assert_null(options.ifaces[1]);
    assert_true(options.storage_limit == UINT64_C(5) << 30);
    assert_true(options.pcap_ttl == 10 * NS_PER_S);
    assert_true(options.json_ttl == 300 * NS_PER_S);
    assert_true(options.snaplen == 262144);
    assert_true(options.workers >= 1);
    assert_false(options.foreground);
    options_fini(&options);
}

static void as_fstab_and_mount_say_it(void **state)
{
    struct options options;
    struct err err = {0};
    (void)state;
    assert_int_equal(
        parse(&options,
              "trafficfs src /mnt -o rw,iface=lo,iface=eth0,storage_limit=1Gi "
              "-o allow_other,no_capture,pcap_ttl=1m",
              &err),
        0);
    assert_string_equal(options.source, "src");
    assert_string_equal(options.mountpoint, "/mnt");
    assert_string_equal(options.ifaces[0], "lo");
    assert_string_equal(options.ifaces[1], "eth0");
    assert_true(options.storage_limit == UINT64_C(1) << 30);
    assert_true(options.pcap_ttl == 60 * NS_PER_S);
    assert_true(options.no_capture);
    assert_string_equal(options.passed[0], "rw");
    assert_string_equal(options.passed[1], "allow_other");
    assert_null(options.passed[2]);
    options_fini(&options);
}

static void as_people_say_it(void **state)
{
    struct options options;
    struct err err = {0};
    (void)state;
    assert_int_equal(parse(&options,
                           "trafficfs --iface=lo,eth1 --store /s --live_limit=16Mi -f "
                           "-obpf=port\\,80 --workers 3 -- /mnt",
                           &err),
                     0);
    assert_string_equal(options.ifaces[1], "eth1");
    assert_string_equal(options.store, "/s");
    assert_true(options.live_limit == UINT64_C(16) << 20);
    assert_string_equal(options.bpf, "port,80");
    assert_int_equal(options.workers, 3);
    assert_true(options.foreground);
    options_fini(&options);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    expect_refused("trafficfs", "mount point");
    expect_refused("trafficfs --storage_limit=x /mnt", "storage_limit");
    expect_refused("trafficfs --nonsense /mnt", "--nonsense");
    expect_refused("trafficfs -o workers=0 /mnt", "workers");
    expect_refused("trafficfs -o store /mnt", "store");
    expect_refused("trafficfs -o no_capture=1 /mnt", "no_capture");
    expect_refused("trafficfs a b c", "too many");
    expect_refused("trafficfs -z /mnt", "-z");
    expect_refused("trafficfs /mnt -o", "-o");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(as_fstab_and_mount_say_it),
        cmocka_unit_test(as_people_say_it),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
