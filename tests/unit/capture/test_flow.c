/* The flow table, lifetimes, and whom a direction belongs to. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/decode.h"
#include "capture/flow.h"
#include "kfl/base/clock.h"

#define START (1000 * NS_PER_S)

static struct frame frame_of(uint8_t src, uint16_t sport, uint8_t dst, uint16_t dport)
{
    struct frame frame = {.kind = STREAM_UDP, .protocol = IPPROTO_UDP};
    frame.src.address.family = frame.dst.address.family = 4;
    frame.src.address.bytes[0] = src;
    frame.dst.address.bytes[0] = dst;
    frame.src.port = sport;
    frame.dst.port = dport;
    return frame;
}

static struct flow_key key_of(uint32_t i)
{
    struct flow_key key;
    bool from_low;
    struct frame frame = frame_of(1, (uint16_t)i, 2, (uint16_t)(i >> 16));
    flow_key_of(&key, &from_low, &frame);
    return key;
}

static void test_both_directions_have_one_key(void **state)
{
    struct flow_key a, b;
    bool a_low, b_low;
    struct frame there = frame_of(1, 1000, 2, 53), back = frame_of(2, 53, 1, 1000);
    (void)state;
    flow_key_of(&a, &a_low, &there);
    flow_key_of(&b, &b_low, &back);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a_low != b_low);
    struct frame local = frame_of(1, 1000, 1, 53),
                 local_back = frame_of(1, 53, 1, 1000);
    flow_key_of(&a, &a_low, &local);
    flow_key_of(&b, &b_low, &local_back);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a_low != b_low);
}

static void test_table_finds_what_was_added_and_not_removed(void **state)
{
    struct flow_table *table = flow_table_new(100000, 42);
    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        struct flow_key key = key_of(i * 7919);
        flow_add(table, &key, FLOW_BRIEF, START)->packets = i;
    }
    for (uint32_t i = 0; i < 20000; i += 3) {
        struct flow_key key = key_of(i * 7919);
        flow_remove(table, flow_find(table, &key));
    }
    for (uint32_t i = 0; i < 20000; i++) {
        struct flow_key key = key_of(i * 7919);
        struct flow *flow = flow_find(table, &key);
        if (i % 3 == 0) {
            assert_null(flow);
        } else {
            assert_non_null(flow);
            assert_int_equal(flow->packets, i);
        }
    }
    assert_int_equal(flow_count(table), 20000 - 6667);
    struct flow *flow;
    while ((flow = flow_oldest(table)))
        flow_remove(table, flow);
    flow_table_free(table);
}

static void test_idle_flows_expire_by_their_age(void **state)
{
    struct flow_table *table = flow_table_new(10, 42);
    struct flow_key keys[3] = {key_of(1), key_of(2), key_of(3)};
    (void)state;
    struct flow *open = flow_add(table, &keys[0], FLOW_OPEN, START);
    struct flow *brief = flow_add(table, &keys[1], FLOW_BRIEF, START);
    struct flow *closed = flow_add(table, &keys[2], FLOW_BRIEF, START);
    flow_touch(table, closed, FLOW_CLOSED, START);
    assert_null(flow_expired(table, START + NS_PER_S));
    assert_ptr_equal(flow_expired(table, START + 11 * NS_PER_S), closed);
    flow_remove(table, closed);
    assert_null(flow_expired(table, START + 11 * NS_PER_S));
    flow_touch(table, brief, FLOW_BRIEF, START + 50 * NS_PER_S);
    assert_null(flow_expired(table, START + 100 * NS_PER_S));
    assert_ptr_equal(flow_expired(table, START + 111 * NS_PER_S), brief);
    flow_remove(table, brief);
    assert_null(flow_expired(table, START + 3000 * NS_PER_S));
    assert_ptr_equal(flow_expired(table, START + 3700 * NS_PER_S), open);
    flow_remove(table, open);
    flow_table_free(table);
}

static void test_closed_flows_are_missed_first(void **state)
{
    struct flow_table *table = flow_table_new(2, 42);
    struct flow_key keys[2] = {key_of(1), key_of(2)};
    (void)state;
    struct flow *open = flow_add(table, &keys[0], FLOW_OPEN, START);
    struct flow *closed = flow_add(table, &keys[1], FLOW_CLOSED, START + NS_PER_S);
    assert_true(flow_table_is_full(table));
    assert_ptr_equal(flow_oldest(table), closed);
    flow_remove(table, closed);
    assert_ptr_equal(flow_oldest(table), open);
    flow_remove(table, open);
    flow_table_free(table);
}

static void test_a_direction_belongs_to_who_saw_it_first(void **state)
{
    struct flow flow = {0};
    int64_t at = START;
    (void)state;
    assert_true(flow_owns(&flow, DIR_FORWARD, 3, at));
    assert_false(flow_owns(&flow, DIR_FORWARD, 5, at + 20000));
    assert_true(
        flow_owns(&flow, DIR_REVERSE, 5, at + NS_PER_MS)); /* each direction its own */
    assert_false(flow_owns(&flow, DIR_REVERSE, 3, at + NS_PER_MS + 20000));
    assert_true(flow_owns(&flow, DIR_FORWARD, 3, at + 2 * NS_PER_MS));
    /* The owner fell silent while another one goes on seeing packets. */
    assert_true(flow_owns(&flow, DIR_FORWARD, 5, at + 5 * NS_PER_S));
    assert_false(flow_owns(&flow, DIR_FORWARD, 3, at + 5 * NS_PER_S + 20000));
    /* Rings are read a little out of order; a clock that was set back, or captures that
     * were put together, go far back. */
    assert_false(flow_owns(&flow, DIR_FORWARD, 3, at + 5 * NS_PER_S - NS_PER_MS));
    assert_true(flow_owns(&flow, DIR_FORWARD, 3, at - 3600 * NS_PER_S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_directions_have_one_key),
        cmocka_unit_test(test_table_finds_what_was_added_and_not_removed),
        cmocka_unit_test(test_idle_flows_expire_by_their_age),
        cmocka_unit_test(test_closed_flows_are_missed_first),
        cmocka_unit_test(test_a_direction_belongs_to_who_saw_it_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
