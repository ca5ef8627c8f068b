#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/block.h"
#include "capture/capfile.h"
#include "capture/decode.h"
#include "capture/gather.h"
#include "kfl/base/err.h"

#define FRAME_LEN 34

/* An Ethernet frame with the beginning of an IPv4 header. */
static const uint8_t frame[FRAME_LEN] = {2, 0, 0, 0, 0, 1, 2,   0,
                                         0, 0, 0, 2, 8, 0, 0x45};

static struct packet packet_at(int64_t at, uint16_t linktype)
{
    struct packet packet = {.at = at, .data = frame, .linktype = linktype};
    packet.caplen = packet.len = FRAME_LEN;
    if (linktype == LINK_RAW) {
        packet.data += 14;
        packet.caplen = packet.len = FRAME_LEN - 14;
    }
    return packet;
}

static struct capfile *written(struct gather *gather, FILE **file, uint64_t *left_out)
{
    struct capfile *capture;
    *file = tmpfile();
    assert_int_equal(gather_write(gather, *file, left_out), 0);
    rewind(*file);
    assert_int_equal(capfile_open(&capture, *file, NULL), 0);
    return capture;
}

static void streams_are_chosen_for_one_capture(void **state)
{
    (void)state;
    struct gather *gather = gather_new();
    assert_false(gather_chosen(gather, 7));
    gather_choose(gather, 7);
    gather_choose(gather, 100000);
    assert_true(gather_chosen(gather, 7));
    assert_false(gather_chosen(gather, 8));
    assert_true(gather_chosen(gather, 100000));
    assert_false(gather_chosen(gather, UINT64_MAX));
    gather_next_capture(gather);
    assert_false(gather_chosen(gather, 7));
    gather_free(gather);
}

static void packets_come_in_order_of_time(void **state)
{
    (void)state;
    static const int64_t times[] = {3000000001, 1000000000, 2000000000, 1000000000};
    static const int64_t sorted[] = {1000000000, 1000000000, 2000000000, 3000000001};
    struct gather *gather = gather_new();
    struct packet packet;
    uint64_t left_out;
    FILE *file;
    for (size_t i = 0; i < 4; i++) {
        packet = packet_at(times[i], LINK_ETHERNET);
        gather_add(gather, &packet);
    }
    struct capfile *capture = written(gather, &file, &left_out);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(capfile_next(capture, &packet, NULL), 1);
        assert_true(packet.at == sorted[i]);
        assert_int_equal(packet.linktype, LINK_ETHERNET);
        assert_memory_equal(packet.data, frame, FRAME_LEN);
    }
    assert_int_equal(capfile_next(capture, &packet, NULL), 0);
    assert_int_equal(left_out, 0);
    capfile_close(capture);
    fclose(file);
    gather_free(gather);
}

static void link_types_that_differ_become_one(void **state)
{
    (void)state;
    struct gather *gather = gather_new();
    struct packet packet = packet_at(1, LINK_ETHERNET);
    uint64_t left_out;
    FILE *file;
    gather_add(gather, &packet);
    packet = packet_at(2, LINK_RAW);
    gather_add(gather, &packet);
    packet = packet_at(3, 147); /* for private use: nobody knows what is in it */
    gather_add(gather, &packet);
    struct capfile *capture = written(gather, &file, &left_out);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(capfile_next(capture, &packet, NULL), 1);
        assert_int_equal(packet.linktype, LINK_LINUX_SLL2);
        assert_int_equal(packet.caplen, 20 + FRAME_LEN - 14);
        assert_int_equal(packet.data[0], 8);
        assert_memory_equal(packet.data + 20, frame + 14, FRAME_LEN - 14);
    }
    assert_int_equal(capfile_next(capture, &packet, NULL), 0);
    assert_int_equal(left_out, 1);
    capfile_close(capture);
    fclose(file);
    gather_free(gather);
}

static void nothing_is_a_capture_too(void **state)
{
    (void)state;
    struct gather *gather = gather_new();
    struct packet packet;
    uint64_t left_out;
    FILE *file;
    struct capfile *capture = written(gather, &file, &left_out);
    assert_int_equal(capfile_next(capture, &packet, NULL), 0);
    capfile_close(capture);
    fclose(file);
    gather_free(gather);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_chosen_for_one_capture),
        cmocka_unit_test(packets_come_in_order_of_time),
        cmocka_unit_test(link_types_that_differ_become_one),
        cmocka_unit_test(nothing_is_a_capture_too),
    };
    return cmocka_run_group_tests_name("gather", tests, NULL, NULL);
}
