#include "tests/unit/capture/dissect_case.h"

#include <stdio.h>

#define OK(body_len, body)                                                             \
    "HTTP/1.1 200 OK\r\nContent-Length: " #body_len "\r\n\r\n" body
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void pairs_request_with_response(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(
        &c, "POST /cart?id=7 HTTP/1.1\r\nHost: shop\r\nuser-agent: curl\r\n"
            "Content-Type: application/json; charset=utf-8\r\nContent-Length: 8\r\n\r\n"
            "{\"a\":12}");
    case_response(
        &c, "HTTP/1.1 201 Created\r\nLocation: /cart/7\r\nSet-Cookie: sid=x; Path=/\r\n"
            "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\ndone");
    assert_int_equal(c.count, 1);
    assert_string_equal(
        c.json[0].data,
        "{\"id\":\"000000000017-0\",\"index\":0,\"stream\":\"000000000017.pcap\","
        "\"node\":{\"ip\":\"10.0.0.9\",\"name\":\"n1\"},"
        "\"protocol\":{\"name\":\"http\",\"version\":\"1.1\",\"abbr\":\"HTTP\","
        "\"longName\":\"Hypertext Transfer Protocol -- HTTP/1.1\",\"macro\":\"http\","
        "\"layer4\":\"tcp\"},\"tls\":false,"
        "\"src\":{\"ip\":\"10.0.0.1\",\"port\":\"40312\",\"name\":\"\",\"namespace\":"
        "\"\","
        "\"pod\":\"\",\"service\":\"\"},"
        "\"dst\":{\"ip\":\"10.0.0.2\",\"port\":\"80\",\"name\":\"\",\"namespace\":\"\","
        "\"pod\":\"\",\"service\":\"\"},"
        "\"outgoing\":false,\"timestamp\":1700000000000,"
        "\"startTime\":\"2023-11-14T22:13:20.000000000Z\",\"elapsedTime\":1,"
        "\"request\":{\"method\":\"POST\",\"url\":\"/cart?id=7\",\"path\":\"/cart\","
        "\"pathSegments\":[\"cart\"],\"queryString\":{\"id\":\"7\"},\"httpVersion\":"
        "\"HTTP/1.1\","
        "\"headers\":{\"Host\":\"shop\",\"User-Agent\":\"curl\","
        "\"Content-Type\":\"application/json; "
        "charset=utf-8\",\"Content-Length\":\"8\"},"
        "\"cookies\":{},\"bodySize\":8,"
        "\"postData\":{\"mimeType\":\"application/"
        "json\",\"params\":[],\"text\":\"{\\\"a\\\":12}\"},"
        "\"body\":\"{\\\"a\\\":12}\"},"
        "\"response\":{\"status\":201,\"statusText\":\"Created\","
        "\"headers\":{\"Location\":\"/cart/7\",\"Set-Cookie\":\"sid=x; Path=/\","
        "\"Content-Type\":\"text/"
        "plain\",\"Content-Length\":\"4\"},\"cookies\":{\"sid\":\"x\"},"
        "\"redirectURL\":\"/cart/7\",\"bodySize\":4,"
        "\"content\":{\"size\":4,\"mimeType\":\"text/plain\",\"encoding\":\"base64\","
        "\"text\":\"ZG9uZQ==\"},\"body\":\"done\"},"
        "\"requestSize\":132,\"responseSize\":119,"
        "\"capture\":{\"iface\":\"eth0\",\"tunnel\":\"\",\"vlan\":0},\"error\":null,"
        "\"entryFile\":\"000000000017-0.json\"}");
    case_close(&c);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/1") GET("/2") GET("/3"));
    case_response(&c, OK(1, "a") OK(2, "bb"));
    assert_int_equal(c.count, 2);
    case_response(&c, OK(3, "ccc"));
    assert_int_equal(c.count, 3);
    assert_at(&c, 1, "request.url", "\"/2\"");
    assert_at(&c, 1, "response.body", "\"bb\"");
    assert_at(&c, 2, "id", "\"000000000017-2\"");
    assert_at(&c, 2, "request.path", "\"/3\"");
    assert_at(&c, 2, "response.bodySize", "3");
    case_close(&c);
}

/* The same bytes, however TCP cut them, are the same entries but for their times. */
static void segments_make_no_difference(void **state)
{
    (void)state;
    static const char requests[] =
        "\r\n" GET("/a?b=c") "PUT /d HTTP/1.0\r\nContent-Length: 3\r\n\r\nxyz";
    static const char responses[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (size_t step = 1; step < 40; step++) {
        struct dissect_case c;
        case_open(&c, STREAM_TCP, 80);
        for (size_t i = 0; i < sizeof requests - 1; i += step)
            case_bytes(&c, DIR_FORWARD, requests + i,
                       i + step < sizeof requests ? step : sizeof requests - 1 - i);
        for (size_t i = 0; i < sizeof responses - 1; i += step)
            case_bytes(&c, DIR_REVERSE, responses + i,
                       i + step < sizeof responses ? step : sizeof responses - 1 - i);
        assert_int_equal(c.count, 2);
        assert_at(&c, 0, "request.queryString", "{\"b\":\"c\"}");
        assert_at(&c, 0, "response.body", "\"abc0123456789\"");
        assert_at(&c, 0, "response.bodySize", "13");
        assert_at(&c, 0, "responseSize", "93");
        assert_at(&c, 1, "request.body", "\"xyz\"");
        assert_at(&c, 1, "request.httpVersion", "\"HTTP/1.0\"");
        assert_at(&c, 1, "protocol.version", "\"1.0\"");
        assert_at(&c, 1, "error", "null");
        case_close(&c);
    }
}

static void some_responses_have_no_body(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, "HEAD /h HTTP/1.1\r\n\r\n" GET("/204") GET("/304") GET("/end"));
    case_response(
        &c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" OK(3, "end"));
    assert_int_equal(c.count, 4);
    assert_at(&c, 0, "response.bodySize", "0");
    assert_at(&c, 1, "response.status", "204");
    assert_at(&c, 2, "response.status", "304");
    assert_at(&c, 3, "response.body", "\"end\"");
    case_close(&c);
}

static void interim_responses_are_passed_over(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(
        &c, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    case_response(
        &c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    case_request(&c, "hi");
    case_response(&c, OK(2, "ok"));
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "response.status", "200");
    assert_at(&c, 0, "request.body", "\"hi\"");
    case_close(&c);
}

static void what_follows_a_switch_is_not_http(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "CONNECT db:5432 HTTP/1.1\r\n\r\n"};
    static const char *const responses[] = {
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 Connection established\r\n\r\n"};
    for (int i = 0; i < 2; i++) {
        struct dissect_case c;
        case_open(&c, STREAM_TCP, 80);
        case_request(&c, requests[i]);
        case_response(&c, responses[i]);
        assert_int_equal(c.count, 1);
        case_request(&c, GET("/not-http"));
        case_response(&c, OK(0, ""));
        case_end(&c, END_FIN);
        assert_int_equal(c.count, 1);
        assert_at(&c, 0, "error", "null");
        case_close(&c);
    }
}

static void an_upgrade_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, "GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    case_response(&c, OK(1, "a"));
    case_request(&c, GET("/b"));
    case_response(&c, OK(1, "b"));
    assert_int_equal(c.count, 2);
    assert_at(&c, 1, "request.url", "\"/b\"");
    case_close(&c);
}

static void a_body_may_end_with_the_connection(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/"));
    case_response(&c, "HTTP/1.0 200 OK\r\n\r\nup to ");
    case_response(&c, "the end");
    assert_int_equal(c.count, 0);
    dissection_end(c.dissection, DIR_REVERSE, END_FIN, c.at);
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "response.body", "\"up to the end\"");
    assert_at(&c, 0, "response.truncated", "missing");
    assert_at(&c, 0, "error", "null");
    case_close(&c);
}

static void half_connections_say_why(void **state)
{
    (void)state;
    static const struct {
        enum stream_end why;
        const char *error;
    } ends[] = {
        {END_FIN, "{\"type\":\"no response\",\"msg\":\"the connection was closed "
                  "without a response\"}"},
        {END_RESET, "{\"type\":\"Reset\",\"msg\":\"connection reset by peer\"}"},
        {END_TIMEOUT, "{\"type\":\"timeout\",\"msg\":\"no response\"}"},
        {END_STOP,
         "{\"type\":\"no response\",\"msg\":\"the capture ended before a response\"}"},
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct dissect_case c;
        case_open(&c, STREAM_TCP, 80);
        case_request(&c, GET("/"));
        case_end(&c, ends[i].why);
        assert_int_equal(c.count, 1);
        assert_at(&c, 0, "response", "null");
        assert_at(&c, 0, "error", ends[i].error);
        case_close(&c);
    }
}

static void a_response_alone_is_told_from_the_requester(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_response(&c, OK(2, "hi"));
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "request", "null");
    assert_at(&c, 0, "src.port", "\"40312\"");
    assert_at(&c, 0, "dst.port", "\"80\"");
    assert_at(&c, 0, "error.type", "\"no request\"");
    case_close(&c);
}

static void a_head_that_was_not_seen_shows_in_its_response(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_response(&c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    case_response(&c, "HTT");
    case_response(&c, "P/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_int_equal(c.count, 2);
    assert_at(&c, 0, "response.bodySize", "0");
    assert_at(&c, 1, "response.body", "\"ok\"");
    case_close(&c);
}

static void a_malformed_message_is_an_entry_and_the_next_is_found(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(
        &c,
        "POST /bad HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\nrubbish\r\n" GET(
            "/good"));
    case_response(&c,
                  "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" OK(2, "ok"));
    assert_int_equal(c.count, 2);
    assert_at(&c, 0, "request.url", "\"/bad\"");
    assert_at(&c, 0, "request.headers.Host", "\"h\"");
    assert_at(&c, 0, "error.type", "\"malformed\"");
    assert_at(&c, 1, "request.url", "\"/good\"");
    assert_at(&c, 1, "response.body", "\"ok\"");
    assert_at(&c, 1, "error", "null");
    case_close(&c);
}

static void a_bad_header_does_not_cost_the_body(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/"));
    case_response(&c, "HTTP/1.1 200 OK\r\nbad header\r\nContent-Length: 4\r\n\r\nbody");
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "error.type", "\"malformed\"");
    assert_at(&c, 0, "response.body", "\"body\"");
    case_close(&c);
}

static void a_broken_chunk_keeps_what_came_before(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/1") GET("/2"));
    case_response(&c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                      "chunked\r\n\r\n4\r\ngood\r\nzz\r\nno\r\n" OK(4, "next"));
    assert_int_equal(c.count, 2);
    assert_at(&c, 0, "error.type", "\"malformed\"");
    assert_at(&c, 0, "response.truncated", "true");
    assert_at(&c, 0, "response.body", "\"good\"");
    assert_at(&c, 1, "response.body", "\"next\"");
    case_close(&c);
}

static void lost_bytes_of_a_body_are_counted(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/1"));
    case_response(&c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01");
    dissection_gap(c.dissection, DIR_REVERSE, 5, c.at);
    case_response(&c, "789");
    case_request(&c, GET("/2"));
    case_response(&c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nab");
    dissection_gap(c.dissection, DIR_REVERSE, 8, c.at);
    case_response(&c, "\r\n3\r\nxyz\r\n0\r\n\r\n");
    case_request(&c, GET("/3"));
    case_response(&c, "HTTP/1.0 200 OK\r\n\r\nstart ");
    dissection_gap(c.dissection, DIR_REVERSE, 1000, c.at);
    case_response(&c, "end");
    case_end(&c, END_FIN);
    assert_int_equal(c.count, 3);
    assert_at(&c, 0, "response.body", "\"01789\"");
    assert_at(&c, 0, "response.gap", "5");
    assert_at(&c, 0, "response.bodySize", "10");
    assert_at(&c, 0, "error", "null");
    assert_at(&c, 1, "response.body", "\"abxyz\"");
    assert_at(&c, 1, "response.gap", "8");
    assert_at(&c, 2, "response.body", "\"start end\"");
    assert_at(&c, 2, "response.gap", "1000");
    case_close(&c);
}

static void a_lost_response_does_not_shift_the_others(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/1"));
    case_response(&c, OK(1, "1"));
    case_request(&c, GET("/2"));
    case_request(&c, GET("/3"));
    dissection_gap(c.dissection, DIR_REVERSE, 40, c.at);
    case_response(&c, OK(1, "3"));
    assert_int_equal(c.count, 3);
    assert_at(&c, 1, "request.url", "\"/2\"");
    assert_at(&c, 1, "response", "null");
    assert_at(&c, 1, "error.type", "\"gap\"");
    assert_at(&c, 2, "request.url", "\"/3\"");
    assert_at(&c, 2, "response.body", "\"3\"");
    case_close(&c);
}

static void a_gap_over_the_end_of_a_body_resynchronises(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/1"));
    case_response(&c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01");
    dissection_gap(c.dissection, DIR_REVERSE, 500, c.at);
    case_response(&c, "rest of something\r\n");
    case_request(&c, GET("/2"));
    case_response(&c, OK(1, "2"));
    assert_int_equal(c.count, 2);
    assert_at(&c, 0, "response.truncated", "true");
    assert_at(&c, 1, "request.url", "\"/2\"");
    assert_at(&c, 1, "response.body", "\"2\"");
    case_close(&c);
}

static void cut_bodies_say_so(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/"));
    case_response(&c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123");
    case_end(&c, END_RESET);
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "response.status", "200");
    assert_at(&c, 0, "response.truncated", "true");
    assert_at(&c, 0, "error.type", "\"truncated\"");
    case_close(&c);
}

static void the_end_of_the_capture_leaves_a_half_connection(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, GET("/"));
    case_response(&c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123");
    case_end(&c, END_STOP);
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "response", "null");
    assert_at(&c, 0, "error.type", "\"truncated\"");
    case_close(&c);
}

static void an_unfinished_head_is_shown_when_its_peer_left(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, "GET /slow HTTP/1.1\r\nHost: a\r\nX-");
    case_end(&c, END_RESET);
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "request.url", "\"/slow\"");
    assert_at(&c, 0, "request.headers.Host", "\"a\"");
    assert_at(&c, 0, "error.type", "\"truncated\"");
    case_close(&c);
}

static void fields_are_taken_apart(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(
        &c,
        "POST http://shop.example/a%20b/%2F/?q=1&q=two+words&empty&%3D=%26&q=3 "
        "HTTP/1.1\r\n"
        "x-FORWARDED-for: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n"
        "Cookie: a=1; b=\"2\"\r\nCookie: a=3\r\nX-Fold: one\r\n two\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\n"
        "k=v%21&k=w+x&y=");
    case_end(&c, END_FIN);
    assert_at(&c, 0, "request.path", "\"/a b///\"");
    assert_at(&c, 0, "request.pathSegments", "[\"a b\",\"/\"]");
    assert_at(&c, 0, "request.queryString",
              "{\"q\":[\"1\",\"two words\",\"3\"],\"empty\":\"\",\"=\":\"&\"}");
    assert_at(&c, 0, "request.headers.X-Forwarded-For", "\"1.1.1.1,2.2.2.2\"");
    assert_at(&c, 0, "request.headers.X-Fold", "\"one   two\"");
    assert_at(&c, 0, "request.cookies", "{\"a\":\"1,3\",\"b\":\"\\\"2\\\"\"}");
    assert_at(&c, 0, "request.postData.params",
              "[{\"name\":\"k\",\"value\":\"v!\"},{\"name\":\"k\",\"value\":\"w x\"},"
              "{\"name\":\"y\",\"value\":\"\"}]");
    case_close(&c);
}

static void bytes_that_are_no_text_become_text(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, "GET /%ff?\xfe=%80 HTTP/1.1\r\nX-\x80: \xff\r\n\r\n");
    case_response(&c, OK(2, "\xc3("));
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "request.path", "\"/\xEF\xBF\xBD\"");
    assert_at(&c, 0, "response.body", "\"\xEF\xBF\xBD(\"");
    assert_at(&c, 0, "response.content.text", "\"wyg=\"");
    case_close(&c);
}

static void long_bodies_are_cut_at_the_limit(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    c.env.body_limit = 8;
    case_request(&c, GET("/"));
    case_response(&c, OK(20, "01234567890123456789"));
    assert_at(&c, 0, "response.body", "\"01234567\"");
    assert_at(&c, 0, "response.bodySize", "20");
    assert_at(&c, 0, "response.truncated", "true");
    assert_at(&c, 0, "error", "null");
    case_close(&c);
}

static void a_head_without_end_is_refused(void **state)
{
    (void)state;
    struct dissect_case c;
    char line[1024];
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, "GET / HTTP/1.1\r\n");
    snprintf(line, sizeof line, "X: %01000d\r\n", 0);
    for (int i = 0; i < 300; i++)
        case_request(&c, line);
    case_request(&c, "\r\n" GET("/next"));
    case_end(&c, END_FIN);
    assert_int_equal(c.count, 2);
    assert_at(&c, 0, "error.type", "\"malformed\"");
    assert_at(&c, 1, "request.url", "\"/next\"");
    case_close(&c);
}

static void a_stream_is_joined_in_its_middle(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 8123);
    case_response(&c, "of a body whose head was not captured");
    case_response(&c, "more of it");
    case_request(&c, GET("/seen"));
    case_response(&c, OK(1, "x"));
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "request.url", "\"/seen\"");
    assert_at(&c, 0, "response.body", "\"x\"");
    assert_string_equal(dissection_protocol(c.dissection), "http");
    case_close(&c);
}

static void other_protocols_are_not_http(void **state)
{
    (void)state;
    static const char *const firsts[] = {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                                         "SSH-2.0-OpenSSH_9.2\r\n",
                                         "EHLO mail.example\r\n",
                                         "INVITE sip:a@b SIP/2.0\r\n\r\n",
                                         "*1\r\n$4\r\nPING\r\n",
                                         "GET key\r\n",
                                         "http/1.1 200 OK\r\n\r\n"};
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        struct dissect_case c;
        case_open(&c, STREAM_TCP, 80);
        for (int n = 0; n < 100; n++)
            case_request(&c, firsts[i]);
        case_end(&c, END_FIN);
        assert_int_equal(c.count, 0);
        assert_null(dissection_protocol(c.dissection));
        assert_int_equal(c.counters.unknown_streams, 1);
        case_close(&c);
    }
}

static void unwanted_parts_are_left_out(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_TCP, 80);
    c.env.wants = 0;
    case_request(&c, GET("/a?b=c"));
    case_response(&c, OK(3, "abc"));
    assert_at(&c, 0, "request.headers", "missing");
    assert_at(&c, 0, "request.queryString", "missing");
    assert_at(&c, 0, "response.content", "missing");
    assert_at(&c, 0, "response.status", "200");
    assert_at(&c, 0, "response.bodySize", "3");
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_request_with_response),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(segments_make_no_difference),
        cmocka_unit_test(some_responses_have_no_body),
        cmocka_unit_test(interim_responses_are_passed_over),
        cmocka_unit_test(what_follows_a_switch_is_not_http),
        cmocka_unit_test(an_upgrade_that_is_refused_changes_nothing),
        cmocka_unit_test(a_body_may_end_with_the_connection),
        cmocka_unit_test(half_connections_say_why),
        cmocka_unit_test(a_response_alone_is_told_from_the_requester),
        cmocka_unit_test(a_head_that_was_not_seen_shows_in_its_response),
        cmocka_unit_test(a_malformed_message_is_an_entry_and_the_next_is_found),
        cmocka_unit_test(a_bad_header_does_not_cost_the_body),
        cmocka_unit_test(a_broken_chunk_keeps_what_came_before),
        cmocka_unit_test(lost_bytes_of_a_body_are_counted),
        cmocka_unit_test(a_lost_response_does_not_shift_the_others),
        cmocka_unit_test(a_gap_over_the_end_of_a_body_resynchronises),
        cmocka_unit_test(cut_bodies_say_so),
        cmocka_unit_test(the_end_of_the_capture_leaves_a_half_connection),
        cmocka_unit_test(an_unfinished_head_is_shown_when_its_peer_left),
        cmocka_unit_test(fields_are_taken_apart),
        cmocka_unit_test(bytes_that_are_no_text_become_text),
        cmocka_unit_test(long_bodies_are_cut_at_the_limit),
        cmocka_unit_test(a_head_without_end_is_refused),
        cmocka_unit_test(a_stream_is_joined_in_its_middle),
        cmocka_unit_test(other_protocols_are_not_http),
        cmocka_unit_test(unwanted_parts_are_left_out),
    };
    return cmocka_run_group_tests_name("http1", tests, NULL, NULL);
}
