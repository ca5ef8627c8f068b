#include "tests/unit/capture/dissect_case.h"

#define GET(path) "GET " path " HTTP/1.1\r\n\r\n"
#define OK        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static void the_keys_are_in_the_contracts_order(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "id",           "index",       "stream",  "node",     "protocol",
        "tls",          "src",         "dst",     "outgoing", "timestamp",
        "startTime",    "elapsedTime", "request", "response", "requestSize",
        "responseSize", "capture",     "error",   "entryFile"};
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/"));
    case_response(&c, OK);
    const struct doc_list *list = c.docs[0].list;
    assert_int_equal(list->count, sizeof keys / sizeof keys[0]);
    for (uint32_t i = 0; i < list->count; i++) {
        assert_int_equal(list->members[i].name_len, strlen(keys[i]));
        assert_memory_equal(list->members[i].name, keys[i], strlen(keys[i]));
    }
    case_close(&c);
}

static void entries_are_told_from_the_requester(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    c.stream.outgoing = true;
    c.stream.vlan = 7;
    c.stream.tunnel = "gre";
    case_response(&c, GET("/callback"));
    case_request(&c, OK);
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "src.ip", "\"10.0.0.2\"");
    assert_at(&c, 0, "src.port", "\"80\"");
    assert_at(&c, 0, "dst.ip", "\"10.0.0.1\"");
    assert_at(&c, 0, "outgoing", "false");
    assert_at(&c, 0, "capture", "{\"iface\":\"eth0\",\"tunnel\":\"gre\",\"vlan\":7}");
    case_request(&c, GET("/"));
    case_response(&c, OK);
    assert_at(&c, 1, "src.ip", "\"10.0.0.1\"");
    assert_at(&c, 1, "outgoing", "true");
    case_close(&c);
}

/* timestamp + elapsedTime never goes back in a stream, whatever the fractions of times
 * are. */
static void completion_is_in_order(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        c.at = CASE_START + i * 700001;
        case_request(&c, GET("/"));
        c.at = CASE_START + i * 700001 + 600003;
        case_response(&c, OK);
        const struct doc_value *start = doc_get(&c.docs[i], "timestamp");
        const struct doc_value *elapsed = doc_get(&c.docs[i], "elapsedTime");
        int64_t done = start->integer + elapsed->integer;
        assert_true(done >= last);
        assert_true(done == c.done_at[i] / NS_PER_MS);
        last = done;
    }
    case_close(&c);
}

static void time_that_goes_back_is_no_negative_time(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/"));
    c.at = CASE_START - 5 * NS_PER_S;
    case_response(&c, OK);
    assert_at(&c, 0, "elapsedTime", "0");
    case_close(&c);
}

static void a_message_starts_with_its_first_byte(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    c.at = CASE_START + 5 * NS_PER_MS;
    case_request(&c, "GET / HT");
    c.at = CASE_START + 50 * NS_PER_MS;
    case_request(&c, "TP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n");
    c.at = CASE_START + 90 * NS_PER_MS;
    case_request(&c, "\r\n");
    case_response(&c, OK OK);
    assert_int_equal(c.count, 2);
    assert_at(&c, 0, "timestamp", "1700000000005");
    assert_at(&c, 1, "timestamp", "1700000000050");
    case_close(&c);
}

static void names_are_those_of_the_time(void **state)
{
    (void)state;
    struct dissect_case c;
    struct names *names;
    struct address server = {{10, 0, 0, 2}, 4};
    assert_int_equal(names_open(&names, NULL, NULL), 0);
    case_open(&c, STREAM_TCP, 80);
    c.env.names = names;
    names_learn(names, &server, "old", 3, CASE_START, 60);
    case_request(&c, GET("/"));
    names_learn(names, &server, "new", 3, CASE_START, 60);
    case_response(&c, OK);
    case_request(&c, GET("/"));
    case_response(&c, OK);
    assert_at(&c, 0, "dst.name", "\"old\"");
    assert_at(&c, 1, "dst.name", "\"new\"");
    case_close(&c);
    names_free(names);
}

static void requests_that_wait_are_bounded(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    for (int i = 0; i < 4096; i++)
        case_request(&c, GET("/"));
    assert_int_equal(c.count, 0);
    case_request(&c, GET("/"));
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "index", "0");
    assert_at(&c, 0, "error.type", "\"no response\"");
    case_close(&c);
}

static void what_is_waited_for_keeps_its_packets(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    assert_true(dissection_waiting_since(c.dissection) == INT64_MAX);
    case_request(&c, "GET ");
    assert_true(dissection_waiting_since(c.dissection) == CASE_START);
    case_request(&c, "/ HTTP/1.1\r\n\r\n");
    assert_true(dissection_waiting_since(c.dissection) == CASE_START);
    case_response(&c, OK);
    assert_true(dissection_waiting_since(c.dissection) == INT64_MAX);
    case_close(&c);
}

static void nothing_comes_after_the_end(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/"));
    case_end(&c, END_RESET);
    assert_int_equal(c.count, 1);
    case_response(&c, OK);
    case_end(&c, END_STOP);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.counters.entries, 1);
    assert_int_equal(c.counters.errors, 1);
    case_close(&c);
}

static void streams_that_say_nothing_known_are_given_up(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 9999);
    for (int i = 0; i < 16; i++)
        case_request(&c, "\x01\x02\x03 binary rubbish of some length");
    assert_int_equal(c.counters.unknown_streams, 1);
    case_request(&c, GET("/too-late"));
    case_response(&c, OK);
    assert_int_equal(c.count, 0);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_are_in_the_contracts_order),
        cmocka_unit_test(entries_are_told_from_the_requester),
        cmocka_unit_test(completion_is_in_order),
        cmocka_unit_test(time_that_goes_back_is_no_negative_time),
        cmocka_unit_test(a_message_starts_with_its_first_byte),
        cmocka_unit_test(names_are_those_of_the_time),
        cmocka_unit_test(requests_that_wait_are_bounded),
        cmocka_unit_test(what_is_waited_for_keeps_its_packets),
        cmocka_unit_test(nothing_comes_after_the_end),
        cmocka_unit_test(streams_that_say_nothing_known_are_given_up),
    };
    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
