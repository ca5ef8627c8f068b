/* Names of streams and texts of addresses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/stream.h"

static void test_names_go_there_and_back(void **state)
{
    static const struct {
        uint64_t number;
        enum stream_kind kind;
        const char *file;
    } cases[] = {
        {17, STREAM_TCP, "000000000017.pcap"},
        {17, STREAM_UDP, "000000000017_udp.pcap"},
        {999999999999, STREAM_ICMP, "999999999999_icmp.pcap"},
        {1000000000000, STREAM_SCTP, "1000000000000_sctp.pcap"},
        {UINT64_MAX, STREAM_TCP, "18446744073709551615.pcap"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[STREAM_NAME];
        uint64_t number;
        enum stream_kind kind;
        assert_string_equal(stream_file(name, cases[i].number, cases[i].kind),
                            cases[i].file);
        assert_int_equal(stream_parse(&number, &kind, cases[i].file), 0);
        assert_int_equal(number, cases[i].number);
        assert_int_equal(kind, cases[i].kind);
    }
}

static void test_a_stream_has_one_name(void **state)
{
    static const char *const wrong[] = {
        "",
        "17.pcap",
        "0000000000017.pcap",
        "000000000017",
        ".pcap",
        "000000000017.pca",
        "000000000017.pcap.x",
        "000000000017_tcp.pcap",
        "x.pcap",
        "-00000000017.pcap",
        "99999999999999999999.pcap",
        "000000000017_UDP.pcap",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t number;
        enum stream_kind kind;
        assert_int_equal(stream_parse(&number, &kind, wrong[i]), -EINVAL);
    }
}

static void test_addresses(void **state)
{
    struct address v4 = {.bytes = {10, 0, 0, 1}, .family = 4};
    struct address v6 = {.bytes = {0x20, 0x01, 0x0d, 0xb8}, .family = 6};
    char text[ADDRESS_TEXT];
    (void)state;
    assert_string_equal(address_text(text, &v4), "10.0.0.1");
    v6.bytes[15] = 1;
    assert_string_equal(address_text(text, &v6), "2001:db8::1");
    assert_false(address_equal(&v4, &v6));
    struct address same = v4;
    same.bytes[9] = 77; /* beyond the four bytes that count */
    assert_true(address_equal(&v4, &same));
    same.bytes[3] = 2;
    assert_false(address_equal(&v4, &same));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_go_there_and_back),
        cmocka_unit_test(test_a_stream_has_one_name),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
