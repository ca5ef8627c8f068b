/* The whole way of packets in one thread: which stream they belong to, and what is
 * found in them. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "capture/flow.h"
#include "capture/shard.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "tests/unit/capture/frames.h"

#define REQUEST  "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"             /* 28 bytes */
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" /* 40 bytes */

struct fixture {
    struct block_pool pool;
    struct shard_counters counters;
    struct dissect_counters dissected;
    struct shard *shard;
    uint64_t number;
    int64_t at;
    uint32_t iface;
    struct buf packets; /* "number>stream " */
    struct buf entries; /* "stream:status " or "stream:error " */
    struct buf ended;   /* "stream " */
    struct stream last; /* of the entry that came last */
};

static void on_packet(void *context, struct flow *flow, struct packet *packet)
{
    struct fixture *f = context;
    buf_addf(&f->packets, "%d>%d ", (int)packet->number, (int)flow->stream.number);
}

static void on_fed(void *context, struct flow *flow)
{
    (void)context;
    (void)flow;
}

static void on_entry(void *context, struct flow *flow, const struct entry *entry)
{
    struct fixture *f = context;
    const struct doc_value *status = doc_at(&entry->doc, "response.status");
    assert_ptr_equal(entry->stream, &flow->stream);
    f->last = flow->stream;
    if (status && status->type == DOC_INT)
        buf_addf(&f->entries, "%d:%d ", (int)flow->stream.number, (int)status->integer);
    else
        buf_addf(&f->entries, "%d:error ", (int)flow->stream.number);
}

static void on_ended(void *context, struct flow *flow)
{
    struct fixture *f = context;
    buf_addf(&f->ended, "%d ", (int)flow->stream.number);
}

static const char *iface_name(void *context, uint32_t iface)
{
    (void)context;
    return iface == 7 ? "veth7" : "";
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    f->at = 1000 * NS_PER_S;
    f->shard = shard_new(&(struct shard_options){
        .node_ip = "",
        .node_name = "",
        .wants = WANT_ALL,
        .flows_max = 4,
        .memory_limit = 1 << 20,
        .body_limit = 1 << 20,
        .pool = &f->pool,
        .counters = &f->counters,
        .dissected = &f->dissected,
        .iface_name = iface_name,
        .packet = on_packet,
        .fed = on_fed,
        .entry = on_entry,
        .ended = on_ended,
        .context = f,
    });
    buf_addstr(&f->packets, "");
    buf_addstr(&f->entries, "");
    buf_addstr(&f->ended, "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    shard_free(f->shard);
    assert_int_equal(f->pool.bytes, 0);
    assert_int_equal(f->counters.flows, 0);
    buf_fini(&f->packets);
    buf_fini(&f->entries);
    buf_fini(&f->ended);
    test_free(f);
    return 0;
}

static void take(struct fixture *f, const struct wire *wire)
{
    struct packet packet = wire_packet(wire, LINK_RAW);
    packet.number = ++f->number;
    packet.at = f->at;
    packet.iface = f->iface;
    f->at += NS_PER_MS;
    struct block *block = block_new(&f->pool, block_room_for(packet.caplen));
    shard_packet(f->shard, block_add(block, &packet));
    block_unref(block);
}

static void tcp(struct fixture *f, bool server, uint8_t flags, uint32_t seq,
                uint32_t ack, const char *text)
{
    static struct wire wire;
    wire_init(&wire, text, strlen(text));
    wire_tcp(&wire, server ? 80 : 1000, server ? 1000 : 80, seq, ack, flags);
    wire_ipv4(&wire, IPPROTO_TCP, server ? 2 : 1, server ? 1 : 2);
    take(f, &wire);
}

static void udp(struct fixture *f, uint16_t src, uint16_t dst)
{
    static struct wire wire;
    wire_init(&wire, "x", 1);
    wire_udp(&wire, src, dst);
    wire_ipv4(&wire, IPPROTO_UDP, 1, 2);
    take(f, &wire);
}

/* Nine segments, of which the one at `lost` (from 0) is left out and `swapped` comes
 * after the next. */
static void conversation(struct fixture *f, int lost, int swapped)
{
    static const struct {
        bool server;
        uint8_t flags;
        uint32_t seq, ack;
        const char *text;
    } segments[9] = {
        {false, TCP_SYN, 99, 0, ""},
        {true, TCP_SYN | TCP_ACK, 499, 100, ""},
        {false, TCP_ACK, 100, 500, ""},
        {false, TCP_ACK | TCP_PSH, 100, 500, REQUEST},
        {true, TCP_ACK, 500, 128, ""},
        {true, TCP_ACK | TCP_PSH, 500, 128, RESPONSE},
        {false, TCP_ACK, 128, 540, ""},
        {false, TCP_ACK | TCP_FIN, 128, 540, ""},
        {true, TCP_ACK | TCP_FIN, 540, 129, ""},
    };
    int order[9];
    for (int i = 0; i < 9; i++)
        order[i] = i;
    if (swapped >= 0) {
        order[swapped] = swapped + 1;
        order[swapped + 1] = swapped;
    }
    for (int i = 0; i < 9; i++) {
        int n = order[i];
        if (n != lost)
            tcp(f, segments[n].server, segments[n].flags, segments[n].seq,
                segments[n].ack, segments[n].text);
    }
}

static void finish(struct fixture *f)
{
    shard_finish(f->shard, f->at);
}

static void test_a_conversation(void **state)
{
    struct fixture *f = *state;
    f->iface = 7;
    conversation(f, -1, -1);
    finish(f);
    assert_string_equal(f->entries.data, "1:200 ");
    assert_string_equal(f->packets.data, "1>1 2>1 3>1 4>1 5>1 6>1 7>1 8>1 9>1 ");
    assert_int_equal(f->last.ends[DIR_FORWARD].port, 1000);
    assert_int_equal(f->last.ends[DIR_REVERSE].port, 80);
    assert_string_equal(f->last.iface, "veth7");
}

static void test_neighbours_may_change_places(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct fixture *f;
        setup((void **)&f);
        conversation(f, -1, i);
        finish(f);
        assert_string_equal(f->entries.data, "1:200 ");
        assert_int_equal(f->last.ends[DIR_FORWARD].port, 1000);
        teardown((void **)&f);
    }
}

static void test_any_one_packet_may_be_lost(void **state)
{
    (void)state;
    for (int i = 0; i < 9; i++) {
        struct fixture *f;
        setup((void **)&f);
        conversation(f, i, -1);
        finish(f);
        if (i == 5)
            assert_string_equal(f->entries.data, "1:error "); /* the response */
        else
            assert_non_null(strstr(f->entries.data, "1:200 "));
        teardown((void **)&f);
    }
}

static void test_ports_are_used_again(void **state)
{
    struct fixture *f = *state;
    conversation(f, -1, -1);              /* 1 to 9 */
    tcp(f, false, TCP_SYN, 70000, 0, ""); /* 10, on a closed connection */
    tcp(f, true, TCP_SYN | TCP_ACK, 80000, 70001, "");
    tcp(f, false, TCP_ACK, 70001, 80001, REQUEST);
    tcp(f, false, TCP_SYN, 990000, 0, ""); /* 13, on one that is open */
    finish(f);
    assert_string_equal(f->ended.data, "1 10 13 ");
    assert_string_equal(f->entries.data, "1:200 10:error ");
}

static void test_fragments_belong_to_their_stream(void **state)
{
    struct fixture *f = *state;
    static struct wire whole, wire;
    wire_init(&whole, RESPONSE, strlen(RESPONSE));
    wire_udp(&whole, 5000, 6000);
    uint32_t len = wire_len(&whole);
    wire_init(&wire, wire_data(&whole) + 16, len - 16);
    wire_ipv4_fragment(&wire, IPPROTO_UDP, 1, 2, 5, 2);
    take(f, &wire); /* the second half comes first, and names the stream */
    udp(f, 5001, 6000);
    wire_init(&wire, wire_data(&whole), 16);
    wire_ipv4_fragment(&wire, IPPROTO_UDP, 1, 2, 5, 0x2000);
    take(f, &wire);
    udp(f, 5000, 6000);
    assert_string_equal(f->packets.data, "2>2 1>1 3>1 4>1 ");
}

static void test_tunnels_may_be_fragmented(void **state)
{
    struct fixture *f = *state;
    static struct wire whole, wire;
    for (int i = 0; i < 2; i++) { /* in one piece, then in two */
        wire_init(&whole, "xxxxxxxxxxxxxxxx", 16);
        wire_udp(&whole, 5000, 6000);
        wire_ipv4(&whole, IPPROTO_UDP, 1, 2);
        if (i == 0) {
            wire_ipv4(&whole, IPPROTO_IPIP, 3, 4);
            take(f, &whole);
        }
    }
    wire_init(&wire, wire_data(&whole), 24);
    wire_ipv4_fragment(&wire, IPPROTO_IPIP, 3, 4, 5, 0x2000);
    take(f, &wire);
    wire_init(&wire, wire_data(&whole) + 24, wire_len(&whole) - 24);
    wire_ipv4_fragment(&wire, IPPROTO_IPIP, 3, 4, 5, 3);
    take(f, &wire);
    assert_string_equal(f->packets.data, "1>1 2>1 3>1 ");
    assert_int_equal(f->counters.undecoded, 0);
}

static void test_a_flood_of_syns_that_is_answered_evicts_no_connection(void **state)
{
    struct fixture *f = *state;
    static struct wire wire;
    tcp(f, false, TCP_SYN, 99, 0, "");
    tcp(f, true, TCP_SYN | TCP_ACK, 499, 100, "");
    tcp(f, false, TCP_ACK, 100, 500, "");
    for (uint16_t port = 2000; port < 2010; port++) {
        wire_init(&wire, "", 0);
        wire_tcp(&wire, port, 80, 7, 0, TCP_SYN);
        wire_ipv4(&wire, IPPROTO_TCP, 1, 2);
        take(f, &wire);
        wire_init(&wire, "", 0);
        wire_tcp(&wire, 80, port, 9, 8, TCP_SYN | TCP_ACK);
        wire_ipv4(&wire, IPPROTO_TCP, 2, 1);
        take(f, &wire);
    }
    assert_int_equal(f->counters.flows_evicted, 7);
    assert_null(strstr(f->ended.data, "1 4 "));
    assert_memory_equal(f->ended.data, "4 ", 2);
}

static void test_idle_flows_end(void **state)
{
    struct fixture *f = *state;
    udp(f, 1000, 2000);
    f->at += 30 * NS_PER_S;
    shard_tick(f->shard, f->at);
    assert_string_equal(f->ended.data, "");
    f->at += 40 * NS_PER_S;
    shard_tick(f->shard, f->at);
    assert_string_equal(f->ended.data, "1 ");
    udp(f, 1000, 2000);
    assert_string_equal(f->packets.data, "1>1 2>2 ");
}

static void test_the_oldest_flow_makes_room(void **state)
{
    struct fixture *f = *state;
    for (uint16_t port = 1; port <= 6; port++)
        udp(f, port, 2000);
    assert_string_equal(f->ended.data, "1 2 ");
    assert_int_equal(f->counters.flows_evicted, 2);
    assert_int_equal(f->counters.flows, 4);
}

static void test_icmp_and_sctp_are_streams_and_the_rest_is_counted(void **state)
{
    struct fixture *f = *state;
    static struct wire wire;
    for (int i = 0; i < 2; i++) { /* an echo and its reply */
        wire_init(&wire, "\0\0\0\0\0\1\0\1", 8);
        wire.room[wire.start] = i ? 0 : 8;
        wire_ipv4(&wire, IPPROTO_ICMP, i ? 2 : 1, i ? 1 : 2);
        take(f, &wire);
    }
    wire_init(&wire, "\0\1\0\2\0\0\0\0\0\0\0\0", 12);
    wire_ipv4(&wire, IPPROTO_SCTP, 1, 2);
    take(f, &wire);
    wire_init(&wire, "\0\0\0\0", 4);
    wire_ipv4(&wire, IPPROTO_ESP, 1, 2);
    take(f, &wire);
    assert_string_equal(f->packets.data, "1>1 2>1 3>3 ");
    assert_int_equal(f->counters.undecoded, 1);
    assert_int_equal(f->counters.packets, 4);
}

static void test_copies_are_dropped_before_anything_else(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 3; i++) {
        f->iface = 1;
        tcp(f, false, i ? TCP_ACK : TCP_SYN, 99 + i, 0, "");
        f->iface = 2;
        tcp(f, false, i ? TCP_ACK : TCP_SYN, 99 + i, 0, "");
    }
    assert_string_equal(f->packets.data, "1>1 3>1 5>1 ");
    assert_int_equal(f->counters.duplicates, 3);
}

/* Clients that send bodies without end. */
static void test_what_dissections_hold_is_bounded(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n";
    static struct wire wire;
    static char text[1400];
    memset(text, 'x', sizeof text);
    for (uint32_t nth = 0; nth < 1000; nth++) {
        memcpy(text, nth == 0 ? head : "xxx", nth == 0 ? strlen(head) : 3);
        for (uint16_t port = 1; port <= 4; port++) {
            wire_init(&wire, text, sizeof text);
            wire_tcp(&wire, port, 80, 100 + nth * (uint32_t)sizeof text, 1, TCP_ACK);
            wire_ipv4(&wire, IPPROTO_TCP, 1, 2);
            take(f, &wire);
        }
    }
    assert_int_equal(f->counters.flows, 4);
    assert_int_equal(f->dissected.given_up, 4);
    assert_string_equal(f->entries.data, "1:error 2:error 3:error 4:error ");
    assert_string_equal(f->ended.data, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_conversation),
        cmocka_unit_test(test_neighbours_may_change_places),
        cmocka_unit_test(test_any_one_packet_may_be_lost),
        CASE(test_ports_are_used_again),
        CASE(test_fragments_belong_to_their_stream),
        CASE(test_tunnels_may_be_fragmented),
        CASE(test_a_flood_of_syns_that_is_answered_evicts_no_connection),
        CASE(test_idle_flows_end),
        CASE(test_the_oldest_flow_makes_room),
        CASE(test_icmp_and_sctp_are_streams_and_the_rest_is_counted),
        CASE(test_copies_are_dropped_before_anything_else),
        CASE(test_what_dissections_hold_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
