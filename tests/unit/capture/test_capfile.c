/* pcap and pcapng of both byte orders and all stamps, and what is cut or damaged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "capture/block.h"
#include "capture/capfile.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"

/* A file in memory, in one byte order. */
struct maker {
    struct buf buf;
    bool little;
};

static void put(struct maker *maker, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        int shift = maker->little ? i * 8 : (bytes - 1 - i) * 8;
        buf_addch(&maker->buf, (char)(value >> shift));
    }
}

static void put_pcap(struct maker *maker, uint32_t magic, uint32_t linktype)
{
    put(maker, magic, 4);
    put(maker, 2, 2);
    put(maker, 4, 2);
    put(maker, 0, 8);
    put(maker, 65535, 4);
    put(maker, linktype, 4);
}

static void put_record(struct maker *maker, uint32_t seconds, uint32_t fraction,
                       const char *text, uint32_t len)
{
    put(maker, seconds, 4);
    put(maker, fraction, 4);
    put(maker, strlen(text), 4);
    put(maker, len, 4);
    buf_addstr(&maker->buf, text);
}

static void put_block(struct maker *maker, uint32_t type, const struct maker *body)
{
    size_t padded = (body->buf.len + 3) & ~(size_t)3;
    put(maker, type, 4);
    put(maker, padded + 12, 4);
    buf_add(&maker->buf, body->buf.data, body->buf.len);
    put(maker, 0, (int)(padded - body->buf.len));
    put(maker, padded + 12, 4);
}

static void put_section(struct maker *maker)
{
    struct maker body = {.little = maker->little};
    put(&body, 0x1a2b3c4d, 4);
    put(&body, 1, 2);
    put(&body, 0, 2);
    put(&body, UINT64_MAX, 8);
    put_block(maker, 0x0a0d0d0a, &body);
    buf_fini(&body.buf);
}

static void put_interface(struct maker *maker, uint16_t linktype, int resolution,
                          int64_t offset)
{
    struct maker body = {.little = maker->little};
    put(&body, linktype, 2);
    put(&body, 0, 2);
    put(&body, 0, 4);
    if (resolution >= 0) {
        put(&body, 9, 2);
        put(&body, 1, 2);
        put(&body, (uint64_t)resolution, 1);
        put(&body, 0, 3);
    }
    if (offset) {
        put(&body, 14, 2);
        put(&body, 8, 2);
        put(&body, (uint64_t)offset, 8);
    }
    put(&body, 0, 4);
    put_block(maker, 1, &body);
    buf_fini(&body.buf);
}

static void put_packet(struct maker *maker, uint32_t id, uint64_t stamp,
                       const char *text)
{
    struct maker body = {.little = maker->little};
    put(&body, id, 4);
    put(&body, stamp >> 32, 4);
    put(&body, stamp & 0xffffffff, 4);
    put(&body, strlen(text), 4);
    put(&body, strlen(text), 4);
    buf_addstr(&body.buf, text);
    put_block(maker, 6, &body);
    buf_fini(&body.buf);
}

struct reading {
    FILE *in;
    struct capfile *file;
    struct packet packet;
    struct err err;
};

static int start(struct reading *reading, const struct maker *maker, size_t len)
{
    *reading = (struct reading){0};
    reading->in = len ? fmemopen(maker->buf.data, len, "r") : fopen("/dev/null", "r");
    assert_non_null(reading->in);
    return capfile_open(&reading->file, reading->in, &reading->err);
}

static int next(struct reading *reading)
{
    return capfile_next(reading->file, &reading->packet, &reading->err);
}

static void assert_packet(struct reading *reading, const char *text, int64_t at,
                          uint32_t iface, uint16_t linktype)
{
    assert_int_equal(next(reading), 1);
    assert_int_equal(reading->packet.caplen, strlen(text));
    assert_memory_equal(reading->packet.data, text, strlen(text));
    assert_int_equal(reading->packet.at, at);
    assert_int_equal(reading->packet.iface, iface);
    assert_int_equal(reading->packet.linktype, linktype);
}

static void finish(struct reading *reading)
{
    capfile_close(reading->file);
    fclose(reading->in);
}

static void test_pcap_of_all_kinds(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct maker maker = {.little = kind & 1};
        bool nano = kind & 2;
        struct reading reading;
        put_pcap(&maker, nano ? 0xa1b23c4d : 0xa1b2c3d4,
                 0x10000000 | 113); /* with FCS bits */
        put_record(&maker, 100, 7, "first", 5);
        put_record(&maker, 101, 8, "second", 90);
        assert_int_equal(start(&reading, &maker, maker.buf.len), 0);
        int64_t unit = nano ? 1 : 1000;
        assert_packet(&reading, "first", 100 * NS_PER_S + 7 * unit, 0, 113);
        assert_int_equal(reading.packet.number, 1);
        assert_packet(&reading, "second", 101 * NS_PER_S + 8 * unit, 0, 113);
        assert_int_equal(reading.packet.number, 2);
        assert_int_equal(reading.packet.len, 90);
        assert_int_equal(next(&reading), 0);
        finish(&reading);
        buf_fini(&maker.buf);
    }
}

static void test_pcapng_interfaces_differ(void **state)
{
    (void)state;
    for (int little = 0; little < 2; little++) {
        struct maker maker = {.little = little};
        struct maker unknown = {.little = little};
        struct reading reading;
        put(&unknown, 1, 4);
        put_section(&maker);
        put_interface(&maker, 1, -1, 0);     /* microseconds */
        put_interface(&maker, 101, 9, 0);    /* nanoseconds */
        put_interface(&maker, 113, 0x8a, 5); /* 1/1024 s, 5 s later */
        put_block(&maker, 0xbad, &unknown);
        put_packet(&maker, 0, 3000001, "micro");
        put_packet(&maker, 1, 3000000001, "nano!");
        put_packet(&maker, 2, 3 * 1024 + 512, "binary");
        assert_int_equal(start(&reading, &maker, maker.buf.len), 0);
        assert_packet(&reading, "micro", 3 * NS_PER_S + 1000, 0, 1);
        assert_packet(&reading, "nano!", 3 * NS_PER_S + 1, 1, 101);
        assert_packet(&reading, "binary", 8 * NS_PER_S + NS_PER_S / 2, 2, 113);
        assert_int_equal(next(&reading), 0);
        finish(&reading);
        buf_fini(&maker.buf);
        buf_fini(&unknown.buf);
    }
}

static void test_sections_may_differ_in_byte_order(void **state)
{
    struct maker maker = {.little = true};
    struct reading reading;
    (void)state;
    put_section(&maker);
    put_interface(&maker, 1, -1, 0);
    put_packet(&maker, 0, 1, "one");
    maker.little = false;
    put_section(&maker);
    put_interface(&maker, 101, -1, 0);
    put_packet(&maker, 0, 2, "two");
    assert_int_equal(start(&reading, &maker, maker.buf.len), 0);
    assert_packet(&reading, "one", 1000, 0, 1);
    assert_packet(&reading, "two", 2000, 0, 101);
    assert_int_equal(next(&reading), 0);
    finish(&reading);
    buf_fini(&maker.buf);
}

/* Cut anywhere, all packets before the cut are there, and a cut inside a packet is
 * told. */
static void assert_cuts(struct maker *maker, size_t header, const size_t ends[2])
{
    for (size_t len = 0; len < maker->buf.len; len++) {
        struct reading reading;
        int rc = start(&reading, maker, len);
        if (len < header) {
            assert_int_equal(rc, -EINVAL);
            finish(&reading);
            continue;
        }
        assert_int_equal(rc, 0);
        int packets = 0;
        while ((rc = next(&reading)) == 1)
            packets++;
        assert_int_equal(packets, (len >= ends[0]) + (len >= ends[1]));
        if (len == header || len == ends[0])
            assert_int_equal(rc, 0);
        else
            assert_true(rc == 0 || rc == -EBADMSG);
        if (len > ends[0] && len < ends[1]) {
            assert_int_equal(rc, -EBADMSG);
            assert_non_null(strstr(reading.err.msg, "cut after packet 1"));
        }
        assert_int_equal(next(&reading), 0);
        finish(&reading);
    }
}

static void test_cut_files(void **state)
{
    struct maker pcap = {.little = true}, ng = {.little = true};
    size_t ends[2], header;
    (void)state;
    put_pcap(&pcap, 0xa1b2c3d4, 1);
    put_record(&pcap, 1, 1, "first", 5);
    ends[0] = pcap.buf.len;
    put_record(&pcap, 1, 1, "second", 6);
    ends[1] = pcap.buf.len;
    assert_cuts(&pcap, 24, ends);
    put_section(&ng);
    header = ng.buf.len;
    put_interface(&ng, 1, -1, 0);
    put_packet(&ng, 0, 1, "first");
    ends[0] = ng.buf.len;
    put_packet(&ng, 0, 1, "second");
    ends[1] = ng.buf.len;
    assert_cuts(&ng, header, ends);
    buf_fini(&pcap.buf);
    buf_fini(&ng.buf);
}

static void test_damaged_lengths_end_the_file(void **state)
{
    struct maker maker = {.little = true};
    struct reading reading;
    (void)state;
    put_pcap(&maker, 0xa1b2c3d4, 1);
    put_record(&maker, 1, 1, "good", 4);
    put(&maker, 0, 8);
    put(&maker, 0xfffffff0, 4);
    put(&maker, 0xfffffff0, 4);
    assert_int_equal(start(&reading, &maker, maker.buf.len), 0);
    assert_int_equal(next(&reading), 1);
    assert_int_equal(next(&reading), -EBADMSG);
    assert_non_null(strstr(reading.err.msg, "damaged after packet 1"));
    finish(&reading);
    buf_fini(&maker.buf);
}

static void test_a_packet_of_no_interface(void **state)
{
    struct maker maker = {.little = true};
    struct reading reading;
    (void)state;
    put_section(&maker);
    put_packet(&maker, 0, 1, "lost");
    assert_int_equal(start(&reading, &maker, maker.buf.len), 0);
    assert_int_equal(next(&reading), -EBADMSG);
    finish(&reading);
    buf_fini(&maker.buf);
}

static void test_wild_stamps_stay_in_range(void **state)
{
    struct maker maker = {.little = true};
    struct reading reading;
    (void)state;
    put_section(&maker);
    put_interface(&maker, 1, 0, INT64_MAX);
    put_interface(&maker, 1, 0xff, INT64_MIN);
    put_interface(&maker, 1, 127, -5);
    for (uint32_t id = 0; id < 3; id++)
        put_packet(&maker, id, UINT64_MAX, "x");
    assert_int_equal(start(&reading, &maker, maker.buf.len), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(next(&reading), 1);
        assert_true(reading.packet.at >= 0);
    }
    finish(&reading);
    buf_fini(&maker.buf);
}

static void test_what_is_no_capture(void **state)
{
    struct maker maker = {0};
    struct reading reading;
    (void)state;
    buf_addstr(&maker.buf, "{\"a\": 1, \"this\": \"is JSON\"}\n");
    assert_false(capfile_is((const uint8_t *)maker.buf.data, 4));
    assert_int_equal(start(&reading, &maker, maker.buf.len), -EINVAL);
    assert_non_null(strstr(reading.err.msg, "no pcap"));
    finish(&reading);
    assert_int_equal(start(&reading, &maker, 0), -EINVAL);
    finish(&reading);
    buf_fini(&maker.buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcap_of_all_kinds),
        cmocka_unit_test(test_pcapng_interfaces_differ),
        cmocka_unit_test(test_sections_may_differ_in_byte_order),
        cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_damaged_lengths_end_the_file),
        cmocka_unit_test(test_a_packet_of_no_interface),
        cmocka_unit_test(test_wild_stamps_stay_in_range),
        cmocka_unit_test(test_what_is_no_capture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
