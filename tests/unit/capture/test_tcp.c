/* Reassembly: what both sides said is told in order, once, with gaps where segments
 * were lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/decode.h"
#include "capture/tcp.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"

struct fixture {
    struct tcp tcp;
    struct tcp_env env;
    struct buf told[2]; /* bytes, "<n>" for gaps, "." for the end */
    _Atomic uint64_t gaps, gap_bytes, dropped;
    int64_t now, data_at;
    size_t bytes[2];
    bool quiet; /* count only */
};

static void on_data(void *context, enum direction dir, const uint8_t *bytes, size_t len,
                    int64_t at)
{
    struct fixture *f = context;
    f->bytes[dir] += len;
    f->data_at = at;
    if (!f->quiet)
        buf_add(&f->told[dir], bytes, len);
}

static void on_gap(void *context, enum direction dir, uint64_t missing, int64_t at)
{
    struct fixture *f = context;
    (void)at;
    if (!f->quiet)
        buf_addf(&f->told[dir], "<%llu>", (unsigned long long)missing);
}

static void on_fin(void *context, enum direction dir, int64_t at)
{
    struct fixture *f = context;
    (void)at;
    buf_addch(&f->told[dir], '.');
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    f->env = (struct tcp_env){.data = on_data,
                              .gap = on_gap,
                              .fin = on_fin,
                              .limit = 1 << 20,
                              .flow_limit = 64 << 10,
                              .gaps = &f->gaps,
                              .gap_bytes = &f->gap_bytes,
                              .dropped = &f->dropped};
    f->now = 1000 * NS_PER_S;
    for (int dir = 0; dir < 2; dir++)
        buf_addstr(&f->told[dir], "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tcp_fini(&f->tcp, &f->env);
    assert_int_equal(f->env.buffered, 0);
    buf_fini(&f->told[0]);
    buf_fini(&f->told[1]);
    test_free(f);
    return 0;
}

static struct frame segment(uint8_t flags, uint32_t seq, uint32_t ack, const char *text,
                            size_t len)
{
    return (struct frame){.flags = flags,
                          .seq = seq,
                          .ack = ack,
                          .payload = (const uint8_t *)text,
                          .payload_len = (uint32_t)len,
                          .payload_wire = (uint32_t)len};
}

static void send(struct fixture *f, enum direction dir, uint8_t flags, uint32_t seq,
                 uint32_t ack, const char *text)
{
    struct frame frame = segment(flags, seq, ack, text, strlen(text));
    tcp_add(&f->tcp, &f->env, f, &frame, dir, f->now);
    f->now += NS_PER_MS;
}

#define C   DIR_FORWARD
#define S   DIR_REVERSE
#define ACK TCP_ACK

/* Client 1000, server 5000. */
static void shake(struct fixture *f)
{
    send(f, C, TCP_SYN, 999, 0, "");
    send(f, S, TCP_SYN | ACK, 4999, 1000, "");
    send(f, C, ACK, 1000, 5000, "");
}

static void assert_told(const struct fixture *f, const char *client, const char *server)
{
    assert_string_equal(f->told[C].data, client);
    assert_string_equal(f->told[S].data, server);
}

static void test_both_directions_in_order(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, C, ACK, 1000, 5000, "GET ");
    send(f, C, ACK, 1004, 5000, "/");
    send(f, S, ACK, 5000, 1005, "200");
    send(f, C, ACK | TCP_FIN, 1005, 5003, "");
    send(f, S, ACK | TCP_FIN, 5003, 1006, "!");
    assert_told(f, "GET /.", "200!.");
    assert_true(tcp_is_closed(&f->tcp));
    assert_int_equal(f->gaps, 0);
}

static void test_out_of_order(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, C, ACK, 1006, 5000, "ghi");
    send(f, C, ACK, 1003, 5000, "def");
    assert_true(tcp_is_waiting(&f->tcp));
    assert_told(f, "", "");
    send(f, C, ACK, 1000, 5000, "abc");
    assert_told(f, "abcdefghi", "");
    assert_false(tcp_is_waiting(&f->tcp));
    assert_int_equal(f->gaps, 0);
}

static void test_fin_before_the_last_bytes(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, C, ACK | TCP_FIN, 1003, 5000, "");
    assert_told(f, "", "");
    send(f, C, ACK, 1000, 5000, "abc");
    assert_told(f, "abc.", "");
}

static void test_sent_again_and_overlapping(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, C, ACK, 1000, 5000, "abcd");
    send(f, C, ACK, 1000, 5000, "abcd");
    send(f, C, ACK, 1002, 5000, "XYef"); /* what came first counts */
    send(f, C, ACK, 1008, 5000, "ij");
    send(f, C, ACK, 1007, 5000, "hI");
    send(f, C, ACK, 1005, 5000,
         "FghZ"); /* in order goes before what waits, as on Linux */
    assert_told(f, "abcdefghZj", "");
}

static void test_keep_alive_and_zero_window_probes_bring_nothing(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, C, ACK, 1000, 5000, "abc");
    send(f, C, ACK, 1002, 5000, "?");
    send(f, C, ACK, 1002, 5000, "");
    send(f, S, ACK, 5000, 1003, "");
    send(f, C, ACK, 1003, 5000, "d");
    send(f, C, ACK, 1003, 5000, "def");
    assert_told(f, "abcdef", "");
}

static void test_sequence_numbers_wrap(void **state)
{
    struct fixture *f = *state;
    send(f, C, TCP_SYN, 0xfffffffdu, 0, "");
    send(f, C, ACK, 1, 0, "def");
    send(f, C, ACK, 0xfffffffeu, 0, "abc");
    assert_told(f, "abcdef", "");
}

static void test_a_capture_that_begins_in_the_middle(void **state)
{
    struct fixture *f = *state;
    send(f, S, ACK, 70000, 300, "end of something");
    send(f, C, ACK, 300, 70016, "GET /");
    send(f, C, ACK, 200, 70016, "old");
    assert_told(f, "GET /", "end of something");
    assert_int_equal(f->gaps, 0);
}

static void test_lost_segment_is_a_gap_when_the_peer_has_it(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, S, ACK, 5000, 1000, "abc");
    send(f, S, ACK, 5006, 1000, "ghi");
    send(f, C, ACK, 1000, 5009, "");
    assert_told(f, "", "abc"); /* it may come yet, from another ring */
    tcp_tick(&f->tcp, &f->env, f, f->now + NS_PER_S);
    assert_told(f, "", "abc<3>ghi");
    assert_int_equal(f->gaps, 1);
    assert_int_equal(f->gap_bytes, 3);
    send(f, S, ACK, 5009, 1000, "jkl");
    assert_told(f, "", "abc<3>ghijkl");
}

static void test_each_hole_has_its_own_time(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, C, ACK, 1003, 5000, "def"); /* "abc" is missing */
    f->now += 200 * NS_PER_MS;
    send(f, C, ACK, 1009, 5000, "jkl"); /* "ghi" too */
    send(f, S, ACK, 5000, 1012, "");
    send(f, C, ACK, 1000, 5000, "abc");
    f->now += 100 * NS_PER_MS;
    tcp_tick(&f->tcp, &f->env, f, f->now);
    send(f, C, ACK, 1006, 5000, "ghi");
    assert_told(f, "abcdefghijkl", "");
}

static void test_segment_that_the_peer_misses_is_waited_for(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, S, ACK, 5003, 1000, "def");
    send(f, C, ACK, 1000, 5000, "");
    tcp_tick(&f->tcp, &f->env, f, f->now + 60 * NS_PER_S);
    assert_told(f, "", "");
    send(f, S, ACK, 5000, 1000, "abc");
    assert_told(f, "", "abcdef");
}

static void test_one_sided_capture_gives_up_after_a_while(void **state)
{
    struct fixture *f = *state;
    send(f, S, ACK, 5000, 1000, "abc");
    send(f, S, ACK, 5006, 1000, "ghi");
    tcp_tick(&f->tcp, &f->env, f, f->now + NS_PER_S);
    assert_told(f, "", "abc");
    tcp_tick(&f->tcp, &f->env, f, f->now + 11 * NS_PER_S);
    assert_told(f, "", "abc<3>ghi");
}

static void test_flush_tells_what_is_there(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, C, ACK, 1003, 5000, "def");
    send(f, C, ACK | TCP_FIN, 1008, 5000, "");
    tcp_flush(&f->tcp, &f->env, f);
    assert_told(f, "<3>def<2>.", "");
}

static void test_bytes_beyond_the_snap_length_are_a_gap(void **state)
{
    struct fixture *f = *state;
    shake(f);
    struct frame frame = segment(ACK, 1000, 5000, "abcdef", 6);
    frame.payload_len = 2;
    tcp_add(&f->tcp, &f->env, f, &frame, C, f->now);
    send(f, C, ACK, 1006, 5000, "ghi");
    assert_told(f, "ab<4>ghi", "");
}

static void test_reset(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, C, ACK, 1000, 5000, "abc");
    send(f, S, TCP_RST, 400000000, 0, ""); /* blind: not near what is next */
    assert_false(tcp_is_closed(&f->tcp));
    send(f, C, ACK, 1003, 5000, "d");
    send(f, S, TCP_RST, 5000, 0, "");
    assert_true(tcp_is_closed(&f->tcp));
    send(f, C, ACK, 1004, 5000, "late");
    assert_told(f, "abcd", "");
}

static void test_which_syn_is_another_connection(void **state)
{
    struct fixture *f = *state;
    struct frame same = segment(TCP_SYN, 999, 0, "", 0);
    struct frame other = segment(TCP_SYN, 777777, 0, "", 0);
    shake(f);
    assert_false(tcp_is_new(&f->tcp, &same, C));
    assert_true(tcp_is_new(&f->tcp, &other, C));
    struct tcp opening = {0};
    tcp_add(&opening, &f->env, f, &same, C, f->now);
    assert_false(tcp_is_new(&opening, &other, S)); /* both open at once */
}

static void test_which_answer_is_to_another_syn(void **state)
{
    struct fixture *f = *state;
    struct frame same = segment(TCP_SYN | ACK, 4999, 1000, "", 0);
    struct frame other = segment(TCP_SYN | ACK, 777777, 8888, "", 0);
    shake(f);
    assert_false(tcp_is_new(&f->tcp, &other, S));
    send(f, C, ACK | TCP_FIN, 1000, 5000, "");
    send(f, S, ACK | TCP_FIN, 5000, 1001, "");
    assert_false(tcp_is_new(&f->tcp, &same, S));
    assert_true(tcp_is_new(&f->tcp, &other, S));
    struct tcp refused = {0};
    struct frame syn = segment(TCP_SYN, 999, 0, "", 0);
    struct frame rst = segment(TCP_RST, 1000, 0, "", 0);
    tcp_add(&refused, &f->env, f, &syn, C, f->now);
    tcp_add(&refused, &f->env, f, &rst, C, f->now);
    assert_false(tcp_is_new(&refused, &same, S)); /* it was on its way */
}

static void test_data_with_the_syn(void **state)
{
    struct fixture *f = *state;
    send(f, C, TCP_SYN, 999, 0, "early");
    send(f, S, TCP_SYN | ACK, 4999, 1005, "");
    send(f, C, ACK, 1005, 5000, " late");
    assert_told(f, "early late", "");
}

static void test_far_segments_are_dropped(void **state)
{
    struct fixture *f = *state;
    shake(f);
    send(f, C, ACK, 1000 + 0x50000000u, 5000, "far");
    send(f, C, ACK, 1000, 5000, "near");
    tcp_flush(&f->tcp, &f->env, f);
    assert_told(f, "near", "");
    assert_int_equal(f->dropped, 1);
}

static void test_memory_is_bounded(void **state)
{
    struct fixture *f = *state;
    static char text[1000];
    f->quiet = true;
    shake(f);
    for (unsigned i = 0; i < 5000; i++) {
        struct frame frame = segment(ACK, 1001 + i * 1000, 5000, text, sizeof text);
        tcp_add(&f->tcp, &f->env, f, &frame, C, f->now);
        assert_true(f->env.buffered <= (64 << 10) + 2000);
    }
    tcp_flush(&f->tcp, &f->env, f);
    assert_int_equal(f->bytes[C], 5000 * 1000);
    assert_int_equal(f->gaps, 1);
}

/* A stream cut into random pieces, in random order within a window, some twice:
 * whatever comes, the bytes are those that were sent. */
static void test_any_order_gives_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    char text[2001];
    unsigned seed = 12345;
    for (size_t i = 0; i < 2000; i++)
        text[i] = (char)('a' + i * 7 % 26);
    text[2000] = '\0';
    shake(f);
    struct {
        unsigned from, len;
    } pieces[400];
    size_t count = 0;
    for (unsigned at = 0; at < 2000;) {
        unsigned len = 1 + (seed = seed * 1103515245 + 12345) / 65536 % 40;
        len = at + len > 2000 ? 2000 - at : len;
        pieces[count].from = at;
        pieces[count++].len = len;
        if (seed & 0x100000 && count < 399) { /* again, longer */
            pieces[count].from = at;
            pieces[count].len = at + len + 9 > 2000 ? len : len + 9;
            count++;
        }
        at += len;
    }
    for (size_t i = 0; i + 1 < count; i++) {
        size_t other = i + (seed = seed * 1103515245 + 12345) / 65536 %
                               (count - i > 8 ? 8 : count - i);
        struct frame frame = segment(ACK, 1000 + pieces[other].from, 5000,
                                     text + pieces[other].from, pieces[other].len);
        tcp_add(&f->tcp, &f->env, f, &frame, C, f->now);
        pieces[other] = pieces[i];
    }
    struct frame last = segment(ACK, 1000 + pieces[count - 1].from, 5000,
                                text + pieces[count - 1].from, pieces[count - 1].len);
    tcp_add(&f->tcp, &f->env, f, &last, C, f->now);
    assert_told(f, text, "");
    assert_int_equal(f->gaps, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_both_directions_in_order),
        CASE(test_out_of_order),
        CASE(test_fin_before_the_last_bytes),
        CASE(test_sent_again_and_overlapping),
        CASE(test_keep_alive_and_zero_window_probes_bring_nothing),
        CASE(test_sequence_numbers_wrap),
        CASE(test_a_capture_that_begins_in_the_middle),
        CASE(test_lost_segment_is_a_gap_when_the_peer_has_it),
        CASE(test_each_hole_has_its_own_time),
        CASE(test_segment_that_the_peer_misses_is_waited_for),
        CASE(test_one_sided_capture_gives_up_after_a_while),
        CASE(test_flush_tells_what_is_there),
        CASE(test_bytes_beyond_the_snap_length_are_a_gap),
        CASE(test_reset),
        CASE(test_which_syn_is_another_connection),
        CASE(test_which_answer_is_to_another_syn),
        CASE(test_data_with_the_syn),
        CASE(test_far_segments_are_dropped),
        CASE(test_memory_is_bounded),
        CASE(test_any_order_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
