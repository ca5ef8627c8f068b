/* Names of interfaces, by their kernel index. */
#include <malloc.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/interfaces.h"

#define NOBODY 0x7fff0000u

static void test_an_index_has_a_name(void **state)
{
    struct interfaces *interfaces = interfaces_new();
    uint32_t lo = if_nametoindex("lo");
    (void)state;
    assert_string_equal(interfaces_name(interfaces, lo), "lo");
    assert_string_equal(interfaces_name(interfaces, lo), "lo");
    assert_string_equal(interfaces_name(interfaces, NOBODY), "");
    assert_string_equal(interfaces_name(interfaces, 0), "");
    interfaces_free(interfaces);
}

static void test_those_that_went_are_forgotten(void **state)
{
    struct interfaces *interfaces = interfaces_new();
    uint32_t lo = if_nametoindex("lo");
    (void)state;
    assert_string_equal(interfaces_name(interfaces, lo), "lo");
    for (uint32_t i = 0; i < 2000; i++)
        assert_string_equal(interfaces_name(interfaces, NOBODY + i), "");
    size_t bytes = mallinfo2().uordblks;
    for (uint32_t i = 2000; i < 6000; i++)
        assert_string_equal(interfaces_name(interfaces, NOBODY + i), "");
    assert_true(mallinfo2().uordblks < bytes + 10000);
    assert_string_equal(interfaces_name(interfaces, lo), "lo");
    interfaces_free(interfaces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_index_has_a_name),
        cmocka_unit_test(test_those_that_went_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
