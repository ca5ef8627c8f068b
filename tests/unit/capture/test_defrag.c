/* Fragments in any order, twice, overlapping, late and too many. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/defrag.h"
#include "kfl/base/clock.h"
#include "tests/unit/capture/frames.h"

struct fixture {
    struct block_pool pool;
    struct defrag *defrag;
    _Atomic uint64_t dropped;
    struct datagram whole;
    struct frame frame;
    int64_t now;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    f->defrag = defrag_new(&f->pool, 1 << 20, &f->dropped);
    f->now = 1000 * NS_PER_S;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    defrag_free(f->defrag);
    assert_int_equal(f->pool.bytes, 0);
    test_free(f);
    return 0;
}

/* Bytes [from, to) of the text as a fragment of datagram `id`. */
static int add_v4(struct fixture *f, const char *text, unsigned from, unsigned to,
                  uint16_t id, bool more)
{
    static struct wire wire;
    wire_init(&wire, text + from, to - from);
    wire_ipv4_fragment(&wire, IPPROTO_UDP, 1, 2, id,
                       (uint16_t)((more ? 0x2000 : 0) | from / 8));
    struct packet packet = wire_packet(&wire, LINK_RAW);
    assert_int_equal(decode_frame(&f->frame, &packet), DECODED_FRAGMENT);
    return defrag_add(f->defrag, &f->whole, &f->frame, &packet, f->now);
}

static int add_v6(struct fixture *f, const char *text, unsigned from, unsigned to,
                  uint32_t id, bool more)
{
    static struct wire wire;
    wire_init(&wire, text + from, to - from);
    wire_be(&wire, id, 4);
    wire_be(&wire, (uint32_t)IPPROTO_UDP << 24 | from | more, 4);
    wire_ipv6(&wire, IPPROTO_FRAGMENT, 1, 2);
    struct packet packet = wire_packet(&wire, LINK_RAW);
    assert_int_equal(decode_frame(&f->frame, &packet), DECODED_FRAGMENT);
    return defrag_add(f->defrag, &f->whole, &f->frame, &packet, f->now);
}

static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz"; /* 36 bytes */

static void assert_whole(const struct fixture *f, const char *expected,
                         size_t fragments)
{
    assert_int_equal(f->frame.upper_len, 36);
    assert_int_equal(f->frame.upper_wire, 36);
    assert_memory_equal(f->frame.upper, expected, 36);
    assert_int_equal(f->whole.count, fragments);
}

static void test_in_order_and_not(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add_v4(f, text, 0, 16, 1, true), 0);
    assert_int_equal(add_v4(f, text, 16, 32, 1, true), 0);
    assert_int_equal(add_v4(f, text, 32, 36, 1, false), 1);
    assert_whole(f, text, 3);
    assert_int_equal(add_v4(f, text, 32, 36, 2, false), 0);
    assert_int_equal(add_v4(f, text, 0, 16, 2, true), 0);
    assert_int_equal(add_v4(f, text, 16, 32, 2, true), 1);
    assert_whole(f, text, 3);
    assert_int_equal(f->dropped, 0);
}

static void test_datagrams_are_kept_apart(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add_v4(f, text, 0, 16, 1, true), 0);
    assert_int_equal(add_v4(f, text, 16, 36, 2, false), 0);
    assert_int_equal(add_v4(f, text, 16, 36, 1, false), 1);
    assert_whole(f, text, 2);
}

static void test_ipv4_overlap_the_first_bytes_win(void **state)
{
    struct fixture *f = *state;
    static const char other[] = "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX";
    static const char expected[] = "0123456789abcdefXXXXXXXXXXXXXXXXXXXX";
    assert_int_equal(add_v4(f, text, 0, 16, 1, true), 0);
    assert_int_equal(add_v4(f, other, 8, 24, 1, true), 0);
    assert_int_equal(add_v4(f, other, 24, 36, 1, false), 1);
    assert_whole(f, expected, 3);
}

static void test_ipv6_twice_is_fine_but_overlap_spoils(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add_v6(f, text, 0, 16, 1, true), 0);
    assert_int_equal(add_v6(f, text, 0, 16, 1, true), 0);
    assert_int_equal(add_v6(f, text, 16, 36, 1, false), 1);
    assert_whole(f, text, 3);
    assert_int_equal(add_v6(f, text, 0, 16, 2, true), 0);
    assert_int_equal(add_v6(f, text, 8, 24, 2, true), 0);
    assert_int_equal(add_v6(f, text, 16, 36, 2, false), 0);
    assert_true(f->dropped >= 2);
}

static void test_what_waits_too_long_is_dropped(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add_v4(f, text, 0, 16, 1, true), 0);
    f->now += 31 * NS_PER_S;
    defrag_expire(f->defrag, f->now);
    assert_int_equal(f->dropped, 1);
    assert_int_equal(add_v4(f, text, 16, 36, 1, false), 0);
}

static void test_a_flood_stays_within_bounds(void **state)
{
    struct fixture *f = *state;
    for (unsigned id = 0; id < 20000; id++)
        assert_int_equal(add_v4(f, text, 0, 16, (uint16_t)id, true), 0);
    assert_true(f->pool.bytes < 4 << 20);
    assert_true(f->dropped > 10000);
}

static void test_beyond_the_largest_datagram(void **state)
{
    struct fixture *f = *state;
    static struct wire wire;
    wire_init(&wire, text, 36);
    wire_ipv4_fragment(&wire, IPPROTO_UDP, 1, 2, 9, 0x1fff); /* ping of death */
    struct packet packet = wire_packet(&wire, LINK_RAW);
    assert_int_equal(decode_frame(&f->frame, &packet), DECODED_FRAGMENT);
    assert_int_equal(defrag_add(f->defrag, &f->whole, &f->frame, &packet, f->now), 0);
    assert_int_equal(f->dropped, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_in_order_and_not),
        CASE(test_datagrams_are_kept_apart),
        CASE(test_ipv4_overlap_the_first_bytes_win),
        CASE(test_ipv6_twice_is_fine_but_overlap_spoils),
        CASE(test_what_waits_too_long_is_dropped),
        CASE(test_a_flood_stays_within_bounds),
        CASE(test_beyond_the_largest_datagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
