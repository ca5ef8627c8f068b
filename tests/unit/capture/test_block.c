/* Blocks, and packets held on a flow's back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "capture/block.h"
#include "capture/hold.h"
#include "kfl/base/clock.h"

#define START (1000 * NS_PER_S)

static struct packet packet_of(const char *text, uint64_t number, int64_t at)
{
    return (struct packet){.number = number,
                           .at = at,
                           .data = (const uint8_t *)text,
                           .caplen = (uint32_t)strlen(text),
                           .len = (uint32_t)strlen(text)};
}

static void test_a_block_takes_packets_until_it_is_full(void **state)
{
    struct block_pool pool = {0};
    struct block *block = block_new(&pool, 4096);
    struct packet packet = packet_of("some packet or other", 0, 0);
    struct packet *last = NULL, *added;
    size_t count = 0;
    (void)state;
    while ((added = block_add(block, &packet))) {
        packet.number++;
        count++;
        last = added;
    }
    assert_int_equal(block_count(block), count);
    assert_true(count >= 4096 / (20 + sizeof packet + 16));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(block_packet(block, i)->number, i);
        assert_memory_equal(block_packet(block, i)->data, "some packet or other", 20);
    }
    packet_ref(last);
    block_unref(block);
    assert_true(pool.bytes > 4096);
    assert_memory_equal(last->data, "some packet or other", 20);
    packet_unref(last);
    assert_int_equal(pool.bytes, 0);
}

static void test_room_for_one_packet_is_enough(void **state)
{
    struct block_pool pool = {0};
    static const char big[70000] = {1};
    (void)state;
    for (uint32_t len = 0; len < sizeof big; len = len * 3 + 1) {
        struct block *block = block_new(&pool, block_room_for(len));
        struct packet packet = {.data = (const uint8_t *)big, .caplen = len};
        assert_non_null(block_add(block, &packet));
        block_unref(block);
    }
    assert_int_equal(pool.bytes, 0);
}

/* ---- held packets */

struct fixture {
    struct block_pool pool;
    struct block *block;
    _Atomic uint64_t bytes;
    struct hold *hold;
    struct back back;
    uint64_t seen[64];
    size_t count;
};

static void start(struct fixture *f, size_t limit)
{
    *f = (struct fixture){0};
    f->block = block_new(&f->pool, 64 << 10);
    f->hold = hold_new(&f->pool, limit, 10 * NS_PER_S, &f->bytes);
}

static void finish(struct fixture *f)
{
    hold_release(f->hold, &f->back);
    assert_int_equal(f->bytes, 0);
    hold_free(f->hold);
    block_unref(f->block);
    assert_int_equal(f->pool.bytes, 0);
}

static void add(struct fixture *f, struct back *back, uint64_t number, int64_t at,
                bool first)
{
    struct packet packet = packet_of("payload", number, at);
    hold_add(f->hold, back, block_add(f->block, &packet), first);
}

static void see(void *context, struct packet *packet)
{
    struct fixture *f = context;
    assert_memory_equal(packet->data, "payload", 7);
    f->seen[f->count++] = packet->number;
}

static void assert_held(struct fixture *f, const struct back *back, const char *numbers)
{
    char text[256] = "";
    f->count = 0;
    hold_each(back, see, f);
    for (size_t i = 0; i < f->count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? " " : "",
                 (int)f->seen[i]);
    assert_string_equal(text, numbers);
}

static void test_packets_are_held_for_their_time(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, 1 << 20);
    hold_settle(f.hold, &f.back, INT64_MAX);
    for (int i = 0; i < 5; i++)
        add(&f, &f.back, (uint64_t)i, START + i * 4 * NS_PER_S, false);
    hold_expire(f.hold, START + 17 * NS_PER_S);
    assert_held(&f, &f.back, "2 3 4");
    assert_int_equal(f.back.lost, 2);
    finish(&f);
}

static void test_handshake_and_what_is_needed_stay(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, 1 << 20);
    add(&f, &f.back, 1, START, true);
    add(&f, &f.back, 2, START + 1, false);
    add(&f, &f.back, 3, START + 2, false);
    add(&f, &f.back, 4, START + 3, false);
    hold_settle(f.hold, &f.back, START + 2); /* the request began with packet 3 */
    hold_expire(f.hold, START + 60 * NS_PER_S);
    assert_held(&f, &f.back, "1 3 4");
    assert_int_equal(f.back.lost, 1);
    /* The slab is free: what stays was copied. */
    block_unref(f.block);
    assert_true(f.pool.bytes < 4096);
    f.block = block_new(&f.pool, 64 << 10);
    hold_settle(f.hold, &f.back, INT64_MAX);
    assert_held(&f, &f.back, "1");
    assert_int_equal(f.back.lost, 3);
    finish(&f);
}

static void test_the_budget_drops_the_oldest_of_all_flows(void **state)
{
    struct fixture f;
    struct back other = {0};
    (void)state;
    start(&f, 2000);
    for (int i = 0; i < 20; i++)
        add(&f, i % 2 ? &f.back : &other, (uint64_t)i, START + i, false);
    assert_true(f.bytes <= 2000);
    assert_true(f.back.lost > 0 && other.lost > 0);
    assert_int_equal(f.back.last != NULL, true);
    f.count = 0;
    hold_each(&f.back, see, &f);
    assert_int_equal(f.seen[f.count - 1], 19);
    hold_release(f.hold, &other);
    finish(&f);
}

static void test_a_long_download_does_not_stay(void **state)
{
    struct fixture f;
    (void)state;
    start(&f, 8 << 20);
    block_unref(f.block);
    f.block = block_new(&f.pool, 1 << 20);
    hold_settle(f.hold, &f.back, START); /* waiting for its end all the time */
    for (int i = 0; i < 5000; i++)
        add(&f, &f.back, (uint64_t)i, START + i, i < 3);
    hold_expire(f.hold, START + 60 * NS_PER_S);
    assert_int_equal(f.back.kept, 1024);
    assert_int_equal(f.back.lost, 5000 - 1024);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_takes_packets_until_it_is_full),
        cmocka_unit_test(test_room_for_one_packet_is_enough),
        cmocka_unit_test(test_packets_are_held_for_their_time),
        cmocka_unit_test(test_handshake_and_what_is_needed_stay),
        cmocka_unit_test(test_the_budget_drops_the_oldest_of_all_flows),
        cmocka_unit_test(test_a_long_download_does_not_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
