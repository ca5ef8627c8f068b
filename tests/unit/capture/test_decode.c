/* Frames of all link types, headers that vary, and what is cut or wrong. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/capture/frames.h"

static struct wire wire;
static struct frame frame;

static void udp_hello(void)
{
    wire_init(&wire, "hello", 5);
    wire_udp(&wire, 1000, 53);
}

static enum decoded decode(uint16_t linktype)
{
    struct packet packet = wire_packet(&wire, linktype);
    return decode_frame(&frame, &packet);
}

static void assert_hello_v4(uint16_t linktype)
{
    assert_int_equal(decode(linktype), DECODED_IP);
    assert_int_equal(decode_transport(&frame), 0);
    assert_int_equal(frame.kind, STREAM_UDP);
    assert_int_equal(frame.src.port, 1000);
    assert_int_equal(frame.dst.port, 53);
    assert_int_equal(frame.src.address.bytes[3], 1);
    assert_int_equal(frame.dst.address.bytes[3], 2);
    assert_int_equal(frame.payload_len, 5);
    assert_int_equal(frame.payload_wire, 5);
    assert_memory_equal(frame.payload, "hello", 5);
}

static void test_link_types(void **state)
{
    (void)state;
    udp_hello();
    wire_ipv4(&wire, IPPROTO_UDP, 1, 2);
    assert_hello_v4(LINK_RAW);
    assert_hello_v4(LINK_RAW_BSD);
    assert_hello_v4(LINK_IPV4);
    struct wire ip = wire;

    wire_ethernet(&wire, 0x0800);
    assert_hello_v4(LINK_ETHERNET);

    wire = ip;
    wire_be(&wire, 2, 4);
    assert_hello_v4(LINK_LOOP);
    assert_hello_v4(LINK_NULL);
    wire = ip;
    wire_be(&wire, 0x02000000, 4); /* of a little-endian host */
    assert_hello_v4(LINK_NULL);

    wire = ip;
    wire_be(&wire, 0x0800, 2);
    wire_be(&wire, 0, 8);
    wire_be(&wire, 6, 2);
    wire_be(&wire, 1, 2);
    wire_be(&wire, 4, 2);
    assert_hello_v4(LINK_LINUX_SLL);
    assert_true(frame.outgoing);

    wire = ip;
    wire_be(&wire, 0, 8);
    wire_be(&wire, 0x0006, 2); /* how: to us; 6 bytes of address */
    wire_be(&wire, 1, 2);
    wire_be(&wire, 7, 4);
    wire_be(&wire, 0, 2);
    wire_be(&wire, 0x0800, 2);
    assert_hello_v4(LINK_LINUX_SLL2);
    assert_int_equal(frame.iface, 7);
    assert_false(frame.outgoing);

    wire = ip;
    wire_be(&wire, 0xff030021, 4);
    assert_hello_v4(LINK_PPP);
}

static void test_vlan_tags_are_gone_over_and_the_outermost_counts(void **state)
{
    (void)state;
    udp_hello();
    wire_ipv4(&wire, IPPROTO_UDP, 1, 2);
    wire_be(&wire, 0x0800, 2);
    wire_be(&wire, 200, 2);
    wire_be(&wire, 0x8100, 2);
    wire_be(&wire, 0xe000 | 100, 2); /* with a priority */
    wire_ethernet(&wire, 0x88a8);
    assert_hello_v4(LINK_ETHERNET);
    assert_int_equal(frame.vlan, 100);
}

static void test_ethernet_padding_is_no_payload(void **state)
{
    const uint8_t padding[20] = {0};
    (void)state;
    udp_hello();
    wire_ipv4(&wire, IPPROTO_UDP, 1, 2);
    wire_ethernet(&wire, 0x0800);
    struct wire padded;
    size_t len = wire_len(&wire);
    wire_init(&padded, padding, sizeof padding);
    wire_bytes(&padded, wire_data(&wire), len);
    wire = padded;
    assert_hello_v4(LINK_ETHERNET);
}

static void test_ipv4_options_are_gone_over(void **state)
{
    (void)state;
    udp_hello();
    wire_be(&wire, 0x01010101, 4);
    wire_ipv4(&wire, IPPROTO_UDP, 1, 2);
    wire.room[wire.start] = 0x46;
    assert_hello_v4(LINK_RAW);
}

static void test_total_length_0_is_what_was_captured(void **state)
{
    (void)state;
    wire_init(&wire, "hello", 5);
    wire_tcp(&wire, 1000, 80, 1, 1, TCP_ACK);
    wire_ipv4(&wire, IPPROTO_TCP, 1, 2);
    wire.room[wire.start + 2] = wire.room[wire.start + 3] = 0;
    assert_int_equal(decode(LINK_RAW), DECODED_IP);
    assert_int_equal(decode_transport(&frame), 0);
    assert_int_equal(frame.payload_len, 5);
}

static void test_ipv6_extension_headers(void **state)
{
    (void)state;
    udp_hello();
    wire_be(&wire, 0, 6);
    wire_be(&wire, IPPROTO_UDP << 8 | 0, 2); /* destination options, 8 bytes */
    wire_be(&wire, 0, 6);
    wire_be(&wire, IPPROTO_DSTOPTS << 8 | 0, 2); /* hop by hop */
    wire_ipv6(&wire, IPPROTO_HOPOPTS, 1, 2);
    assert_int_equal(decode(LINK_RAW), DECODED_IP);
    assert_int_equal(decode_transport(&frame), 0);
    assert_int_equal(frame.payload_len, 5);
    assert_int_equal(frame.src.address.family, 6);
    assert_int_equal(frame.src.address.bytes[15], 1);
}

static void test_ipv6_atomic_fragment_is_whole(void **state)
{
    (void)state;
    udp_hello();
    wire_be(&wire, 99, 4);
    wire_be(&wire, IPPROTO_UDP << 24, 4);
    wire_ipv6(&wire, IPPROTO_FRAGMENT, 1, 2);
    assert_int_equal(decode(LINK_IPV6), DECODED_IP);
    assert_int_equal(decode_transport(&frame), 0);
    assert_int_equal(frame.payload_len, 5);
}

static void test_fragments_are_told(void **state)
{
    (void)state;
    wire_init(&wire, "12345678", 8);
    wire_ipv4_fragment(&wire, IPPROTO_UDP, 1, 2, 77, 0x2000 | 3);
    assert_int_equal(decode(LINK_RAW), DECODED_FRAGMENT);
    assert_int_equal(frame.fragment.id, 77);
    assert_int_equal(frame.fragment.offset, 24);
    assert_true(frame.fragment.more);
}

static void test_snap_length_cuts_are_known(void **state)
{
    (void)state;
    wire_init(&wire, "hello world", 11);
    wire_tcp(&wire, 1000, 80, 5, 6, TCP_ACK | TCP_PSH);
    wire_ipv4(&wire, IPPROTO_TCP, 1, 2);
    struct packet packet = wire_packet(&wire, LINK_RAW);
    packet.caplen -= 6;
    assert_int_equal(decode_frame(&frame, &packet), DECODED_IP);
    assert_int_equal(decode_transport(&frame), 0);
    assert_int_equal(frame.payload_len, 5);
    assert_int_equal(frame.payload_wire, 11);
    assert_int_equal(frame.seq, 5);
    assert_int_equal(frame.ack, 6);
}

static void test_a_tunnel_leads_to_what_is_inside(void **state)
{
    (void)state;
    udp_hello();
    wire_ipv4(&wire, IPPROTO_UDP, 1, 2);
    wire_ethernet(&wire, 0x0800);
    wire_be(&wire, 42 << 8, 4);
    wire_be(&wire, 0x08000000, 4);
    wire_udp(&wire, 50000, 4789);
    wire_ipv4(&wire, IPPROTO_UDP, 8, 9);
    assert_hello_v4(LINK_RAW);
    assert_string_equal(frame.tunnel, "vxlan");
}

static void test_what_is_no_ip(void **state)
{
    (void)state;
    wire_init(&wire, "0123456789012345678901234567", 28);
    wire_ethernet(&wire, 0x0806);
    assert_int_equal(decode(LINK_ETHERNET), DECODED_OTHER);
    assert_int_equal(decode(147), DECODED_OTHER);
    udp_hello();
    wire_ipv4(&wire, IPPROTO_ESP, 1, 2);
    assert_int_equal(decode(LINK_RAW), DECODED_IP);
    assert_int_equal(decode_transport(&frame), -ENOTSUP);
}

static void test_every_cut_is_survived(void **state)
{
    (void)state;
    udp_hello();
    wire_ipv4(&wire, IPPROTO_UDP, 1, 2);
    wire_be(&wire, 0x0800, 2);
    wire_be(&wire, 100, 2);
    wire_ethernet(&wire, 0x8100);
    struct packet packet = wire_packet(&wire, LINK_ETHERNET);
    for (uint32_t caplen = 0; caplen < packet.len; caplen++) {
        uint8_t *exact =
            test_malloc(caplen ? caplen : 1); /* so that a read beyond is seen */
        struct packet cut = packet;
        memcpy(exact, packet.data, caplen);
        cut.data = exact;
        cut.caplen = caplen;
        bool complete =
            decode_frame(&frame, &cut) == DECODED_IP && decode_transport(&frame) == 0;
        assert_int_equal(complete, caplen >= 18 + 20 + 8);
        test_free(exact);
    }
}

static void test_both_directions_have_one_shard(void **state)
{
    bool used[4] = {0};
    (void)state;
    for (uint8_t host = 2; host < 60; host++) {
        udp_hello();
        wire_ipv4(&wire, IPPROTO_UDP, 1, host);
        struct packet packet = wire_packet(&wire, LINK_RAW);
        uint32_t shard = decode_shard(&packet, 4);
        udp_hello();
        wire_ipv4_fragment(&wire, IPPROTO_UDP, host, 1, 5, 100); /* ports unknown */
        packet = wire_packet(&wire, LINK_RAW);
        assert_int_equal(decode_shard(&packet, 4), shard);
        assert_true(shard < 4);
        used[shard] = true;
    }
    assert_true(used[0] && used[1] && used[2] && used[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_types),
        cmocka_unit_test(test_vlan_tags_are_gone_over_and_the_outermost_counts),
        cmocka_unit_test(test_ethernet_padding_is_no_payload),
        cmocka_unit_test(test_ipv4_options_are_gone_over),
        cmocka_unit_test(test_total_length_0_is_what_was_captured),
        cmocka_unit_test(test_ipv6_extension_headers),
        cmocka_unit_test(test_ipv6_atomic_fragment_is_whole),
        cmocka_unit_test(test_fragments_are_told),
        cmocka_unit_test(test_snap_length_cuts_are_known),
        cmocka_unit_test(test_a_tunnel_leads_to_what_is_inside),
        cmocka_unit_test(test_what_is_no_ip),
        cmocka_unit_test(test_every_cut_is_survived),
        cmocka_unit_test(test_both_directions_have_one_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
