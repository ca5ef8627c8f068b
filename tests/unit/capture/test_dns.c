#include "capture/proto/dns_record.h"
#include "tests/unit/capture/dissect_case.h"

#define TYPE_A     1
#define TYPE_NS    2
#define TYPE_SOA   6
#define TYPE_MX    15
#define TYPE_TXT   16
#define TYPE_AAAA  28
#define TYPE_SRV   33
#define TYPE_OPT   41
#define TYPE_URI   256
#define RESPONSE   0x8180
#define QUERY      0x0100
#define POINTER_12 "\xC0\x0C" /* the name of the first question */

/* A message that is made bit by bit. */
struct made {
    uint8_t bytes[2048];
    size_t len;
};

static void put(struct made *m, const void *bytes, size_t len)
{
    assert_true(m->len + len <= sizeof m->bytes);
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static void put16(struct made *m, unsigned value)
{
    put(m, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put_header(struct made *m, unsigned id, unsigned flags, unsigned questions,
                       unsigned answers, unsigned authorities, unsigned additionals)
{
    m->len = 0;
    put16(m, id);
    put16(m, flags);
    put16(m, questions);
    put16(m, answers);
    put16(m, authorities);
    put16(m, additionals);
}

/* "www.example" as labels. */
static void put_name(struct made *m, const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");
        put(m, &(uint8_t){(uint8_t)len}, 1);
        put(m, name, len);
        name += len + (name[len] == '.');
    }
    put(m, "", 1);
}

static void put_question(struct made *m, const char *name, unsigned type)
{
    put_name(m, name);
    put16(m, type);
    put16(m, 1);
}

static void put_record(struct made *m, unsigned type, const void *data, size_t len)
{
    put(m, POINTER_12, 2);
    put16(m, type);
    put16(m, type == TYPE_OPT ? 4096 : 1);
    put16(m, 0);
    put16(m, 300);
    put16(m, (unsigned)len);
    put(m, data, len);
}

static void send_query(struct dissect_case *c, unsigned id, const char *name)
{
    struct made m;
    put_header(&m, id, QUERY, 1, 0, 0, 0);
    put_question(&m, name, TYPE_A);
    case_bytes(c, DIR_FORWARD, m.bytes, m.len);
}

static void send_answer(struct dissect_case *c, unsigned id, const char *name,
                        unsigned code)
{
    struct made m;
    put_header(&m, id, RESPONSE | code, 1, 1, 0, 0);
    put_question(&m, name, TYPE_A);
    put_record(&m, TYPE_A, "\x0a\x00\x00\x07", 4);
    case_bytes(c, DIR_REVERSE, m.bytes, m.len);
}

static void pairs_query_with_answer(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_UDP, 53);
    send_query(&c, 7, "db.shop");
    send_answer(&c, 7, "db.shop", 0);
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "id", "\"000000000017-0\"");
    assert_at(&c, 0, "stream", "\"000000000017_udp.pcap\"");
    assert_at(
        &c, 0, "protocol",
        "{\"name\":\"dns\",\"version\":\"\",\"abbr\":\"DNS\","
        "\"longName\":\"Domain Name System\",\"macro\":\"dns\",\"layer4\":\"udp\"}");
    assert_at(
        &c, 0, "request",
        "{\"opCode\":\"Query\",\"questions\":[{\"name\":\"db.shop\",\"type\":\"A\","
        "\"class\":\"IN\"}]}");
    assert_at(
        &c, 0, "response",
        "{\"code\":\"No Error\",\"answers\":[{\"name\":\"db.shop\",\"type\":\"A\","
        "\"class\":\"IN\",\"ttl\":300,\"ip\":\"10.0.0.7\"}],\"authorities\":[],"
        "\"additionals\":[]}");
    assert_at(&c, 0, "elapsedTime", "1");
    assert_at(&c, 0, "requestSize", "25");
    assert_at(&c, 0, "error", "null");
    case_close(&c);
}

static void answers_find_their_question_in_any_order(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_UDP, 53);
    send_query(&c, 1, "one");
    send_query(&c, 2, "two");
    send_query(&c, 2, "three");
    send_answer(&c, 2, "THREE", 3);
    send_answer(&c, 1, "one", 0);
    send_answer(&c, 2, "two", 5);
    assert_int_equal(c.count, 3);
    assert_at(&c, 0, "request.questions",
              "[{\"name\":\"three\",\"type\":\"A\",\"class\":\"IN\"}]");
    assert_at(&c, 0, "response.code", "\"Non-Existent Domain\"");
    assert_at(&c, 1, "index", "0");
    assert_at(&c, 2, "response.code", "\"Query Refused\"");
    case_close(&c);
}

static void a_question_without_answer_times_out(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_UDP, 53);
    send_query(&c, 1, "lost");
    assert_true(dissection_waiting_since(c.dissection) == CASE_START);
    dissection_tick(c.dissection, CASE_START + 9 * NS_PER_S);
    assert_int_equal(c.count, 0);
    dissection_tick(c.dissection, CASE_START + 10 * NS_PER_S);
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "response", "null");
    assert_at(&c, 0, "error", "{\"type\":\"timeout\",\"msg\":\"no response\"}");
    assert_at(&c, 0, "elapsedTime", "10000");
    assert_true(dissection_waiting_since(c.dissection) == INT64_MAX);
    case_close(&c);
}

static void retries_are_entries_of_their_own(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_UDP, 53);
    send_query(&c, 1, "slow");
    send_query(&c, 1, "slow");
    send_answer(&c, 1, "slow", 0);
    case_end(&c, END_STOP);
    assert_int_equal(c.count, 2);
    assert_at(&c, 0, "index", "0");
    assert_at(&c, 0, "response.code", "\"No Error\"");
    assert_at(&c, 1, "error.type", "\"timeout\"");
    case_close(&c);
}

static void an_answer_alone_tells_its_question(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_UDP, 53);
    send_answer(&c, 1, "db.shop", 0);
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "request", "null");
    assert_at(&c, 0, "response.questions",
              "[{\"name\":\"db.shop\",\"type\":\"A\",\"class\":\"IN\"}]");
    assert_at(&c, 0, "error.type", "\"no request\"");
    assert_at(&c, 0, "src.port", "\"40312\"");
    case_close(&c);
}

static void records_are_told_by_type(void **state)
{
    (void)state;
    struct dissect_case c;
    struct made m;
    case_open(&c, STREAM_UDP, 53);
    put_header(&m, 9, RESPONSE, 1, 7, 1, 1);
    put_question(&m, "example", 255);
    put_record(&m, TYPE_AAAA, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    put_record(&m, TYPE_NS, "\x02ns" POINTER_12, 5);
    put_record(&m, TYPE_MX, "\x00\x0a" POINTER_12, 4);
    put_record(&m, TYPE_TXT, "\x03one\x00\x02\xff!", 8);
    put_record(&m, TYPE_SRV, "\x00\x01\x00\x02\x1f\x90" POINTER_12, 8);
    put_record(&m, TYPE_URI, "\x00\x01\x00\x02http://a", 12);
    put_record(&m, 65280, "\x01", 1);
    put_record(&m, TYPE_SOA,
               POINTER_12 POINTER_12 "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\xff\xff\xff\xff",
               24);
    put_record(&m, TYPE_OPT, "\x00\x0a\x00\x02\xab\xcd", 6);
    case_bytes(&c, DIR_REVERSE, m.bytes, m.len);
    assert_int_equal(c.count, 1);
    static const char *const answers[] = {
        "\"type\":\"AAAA\",\"class\":\"IN\",\"ttl\":300,\"ip\":\"2001:db8::1\"",
        "\"type\":\"NS\",\"class\":\"IN\",\"ttl\":300,\"ns\":\"ns.example\"",
        "\"type\":\"MX\",\"class\":\"IN\",\"ttl\":300,"
        "\"mx\":{\"preference\":10,\"name\":\"example\"}",
        "\"type\":\"TXT\",\"class\":\"IN\",\"ttl\":300,"
        "\"txts\":[\"one\",\"\",\"\xEF\xBF\xBD!\"]",
        "\"type\":\"SRV\",\"class\":\"IN\",\"ttl\":300,"
        "\"srv\":{\"priority\":1,\"weight\":2,\"port\":8080,\"name\":\"example\"}",
        "\"type\":\"URI\",\"class\":\"IN\",\"ttl\":300,"
        "\"uri\":{\"priority\":1,\"weight\":2,\"target\":\"http://a\"}",
        "\"type\":\"TYPE65280\",\"class\":\"IN\",\"ttl\":300}",
        "\"soa\":{\"mname\":\"example\",\"rname\":\"example\",\"serial\":1,\"refresh\":"
        "2,"
        "\"retry\":3,\"expire\":4,\"minimum\":4294967295}",
        "\"type\":\"OPT\",\"class\":\"CLASS4096\",\"ttl\":300,"
        "\"opt\":[{\"code\":10,\"data\":\"abcd\"}]",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_non_null(strstr(c.json[0].data, answers[i]));
    case_close(&c);
}

static void multicast_has_no_pairs(void **state)
{
    (void)state;
    static const struct {
        uint16_t port;
        const char *abbr;
    } ports[] = {{5353, "\"MDNS\""}, {5355, "\"LLMNR\""}};
    for (size_t i = 0; i < 2; i++) {
        struct dissect_case c;
        case_open(&c, STREAM_UDP, ports[i].port);
        send_query(&c, 0, "printer.local");
        assert_int_equal(c.count, 1);
        assert_at(&c, 0, "protocol.abbr", ports[i].abbr);
        assert_at(&c, 0, "response", "null");
        assert_at(&c, 0, "error", "null");
        send_answer(&c, 0, "printer.local", 0);
        assert_int_equal(c.count, 2);
        assert_at(&c, 1, "request", "null");
        assert_at(&c, 1, "error", "null");
        assert_at(&c, 1, "src.ip", "\"10.0.0.2\"");
        case_close(&c);
    }
}

static void tcp_carries_messages_of_any_segmentation(void **state)
{
    (void)state;
    struct made query, answer;
    put_header(&query, 3, QUERY, 1, 0, 0, 0);
    put_question(&query, "a.b", TYPE_A);
    put_header(&answer, 3, RESPONSE, 1, 1, 0, 0);
    put_question(&answer, "a.b", TYPE_A);
    put_record(&answer, TYPE_A, "\x0a\x00\x00\x07", 4);
    for (size_t step = 1; step < 30; step++) {
        struct dissect_case c;
        struct made both[2] = {{.len = 0}, {.len = 0}};
        case_open(&c, STREAM_TCP, 53);
        for (int i = 0; i < 2; i++) {
            put16(&both[0], (unsigned)query.len);
            put(&both[0], query.bytes, query.len);
            put16(&both[1], (unsigned)answer.len);
            put(&both[1], answer.bytes, answer.len);
        }
        for (int dir = 0; dir < 2; dir++) {
            for (size_t at = 0; at < both[dir].len; at += step)
                case_bytes(&c, (enum direction)dir, both[dir].bytes + at,
                           at + step < both[dir].len ? step : both[dir].len - at);
        }
        assert_int_equal(c.count, 2);
        assert_at(&c, 1, "protocol.layer4", "\"tcp\"");
        assert_at(&c, 1, "requestSize", "23");
        assert_at(&c, 1, "error", "null");
        case_close(&c);
    }
}

static void tcp_goes_on_after_a_loss(void **state)
{
    (void)state;
    struct dissect_case c;
    struct made m, stream = {.len = 0};
    case_open(&c, STREAM_TCP, 53);
    put_header(&m, 3, QUERY, 1, 0, 0, 0);
    put_question(&m, "a.b", TYPE_A);
    put16(&stream, (unsigned)m.len);
    put(&stream, m.bytes, m.len);
    case_bytes(&c, DIR_FORWARD, stream.bytes, stream.len);
    case_bytes(&c, DIR_FORWARD, stream.bytes, 10);
    dissection_gap(c.dissection, DIR_FORWARD, 4, c.at);
    case_bytes(&c, DIR_FORWARD, stream.bytes + 14, stream.len - 14);
    case_bytes(&c, DIR_FORWARD, stream.bytes, stream.len);
    dissection_gap(c.dissection, DIR_FORWARD, 1000, c.at);
    case_bytes(&c, DIR_FORWARD, stream.bytes + 5, stream.len - 5);
    case_bytes(&c, DIR_FORWARD, stream.bytes, stream.len);
    case_end(&c, END_STOP);
    assert_int_equal(c.count, 3);
    case_close(&c);
}

/* A frame of HTTP/2. */
static void put_frame(struct made *m, unsigned type, unsigned flags, unsigned stream,
                      const void *data, size_t len)
{
    put(m, "", 1);
    put16(m, (unsigned)len);
    put(m, (uint8_t[]){(uint8_t)type, (uint8_t)flags}, 2);
    put16(m, 0);
    put16(m, stream);
    put(m, data, len);
}

static void http2_carries_messages_in_its_streams(void **state)
{
    (void)state;
    struct made query, answer, client = {.len = 0}, server = {.len = 0};
    put_header(&query, 0, QUERY, 1, 0, 0, 0);
    put_question(&query, "a.b", TYPE_A);
    put_header(&answer, 0, RESPONSE, 1, 1, 0, 0);
    put_question(&answer, "a.b", TYPE_A);
    put_record(&answer, TYPE_A, "\x0a\x00\x00\x07", 4);
    put(&client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    put_frame(&client, 4, 0, 0, "", 0);
    put_frame(&client, 0, 1, 1, query.bytes, query.len);
    put_frame(&server, 1, 4, 1, "\x88", 1);
    put_frame(&server, 0, 0, 1, answer.bytes, 20);
    put_frame(&server, 0, 1, 1, answer.bytes + 20, answer.len - 20);
    put_frame(&server, 0, 1, 3, "no message of the DNS", 21);
    put_frame(&server, 0, 1, 5, answer.bytes, answer.len);
    for (size_t step = 1; step < 50; step++) {
        struct dissect_case c;
        case_open(&c, STREAM_TCP, 443);
        for (size_t at = 0; at < client.len; at += step)
            case_bytes(&c, DIR_FORWARD, client.bytes + at,
                       at + step < client.len ? step : client.len - at);
        for (size_t at = 0; at < server.len; at += step)
            case_bytes(&c, DIR_REVERSE, server.bytes + at,
                       at + step < server.len ? step : server.len - at);
        assert_int_equal(c.count, 2);
        assert_at(&c, 0, "request.questions",
                  "[{\"name\":\"a.b\",\"type\":\"A\",\"class\":\"IN\"}]");
        assert_at(&c, 0, "response.code", "\"No Error\"");
        assert_at(&c, 1, "request", "null");
        assert_at(&c, 1, "error", "null");
        case_close(&c);
    }
}

static void loops_and_cut_messages_are_errors(void **state)
{
    (void)state;
    struct dissect_case c;
    struct made m;
    case_open(&c, STREAM_UDP, 53);
    /* A pointer to itself, one forward, one to the label in front of it. */
    static const char label_back[] = {1, 'a', (char)0xC0, 0x0C, 0};
    static const char *const names[] = {"\xC0\x0C", "\xC0\x10", label_back};
    for (size_t i = 0; i < 3; i++) {
        put_header(&m, 1, QUERY, 1, 0, 0, 0);
        put(&m, names[i], strlen(names[i]));
        put16(&m, TYPE_A);
        put16(&m, 1);
        put(&m, "\0\0\0\0", 4);
        case_bytes(&c, DIR_FORWARD, m.bytes, m.len);
    }
    put_header(&m, 2, RESPONSE, 1, 2, 0, 0);
    put_question(&m, "a", TYPE_A);
    put_record(&m, TYPE_A, "\x0a\x00\x00\x07", 4);
    put_record(&m, TYPE_A, "\x0a\x00\x00\x07", 4);
    case_bytes(&c, DIR_REVERSE, m.bytes, m.len - 1);
    case_end(&c, END_STOP);
    assert_int_equal(c.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_at(&c, i, "error.type", "\"malformed\"");
    case_close(&c);
}

static void other_datagrams_are_not_dns(void **state)
{
    (void)state;
    static const char zeros[64] = "";
    static const struct {
        const char *bytes;
        size_t len;
    } datagrams[] = {{"hello, world, this is no DNS message", 36},
                     {zeros, sizeof zeros},
                     {"\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", 12}};
    for (size_t i = 0; i < sizeof datagrams / sizeof datagrams[0]; i++) {
        struct dissect_case c;
        case_open(&c, STREAM_UDP, 4000);
        for (int n = 0; n < 20; n++)
            case_bytes(&c, DIR_FORWARD, datagrams[i].bytes, datagrams[i].len);
        case_end(&c, END_STOP);
        assert_int_equal(c.count, 0);
        case_close(&c);
    }
}

static void any_port_may_carry_it(void **state)
{
    (void)state;
    struct dissect_case c;
    case_open(&c, STREAM_UDP, 10053);
    send_query(&c, 1, "db.shop");
    send_answer(&c, 1, "db.shop", 2);
    assert_int_equal(c.count, 1);
    assert_at(&c, 0, "response.code", "\"Server Failure\"");
    case_close(&c);
}

static void answers_name_addresses_from_then_on(void **state)
{
    (void)state;
    struct dissect_case c;
    struct names *names;
    assert_int_equal(names_open(&names, NULL, NULL), 0);
    case_open(&c, STREAM_UDP, 53);
    c.env.names = names;
    int64_t before = c.at;
    send_query(&c, 1, "db.shop");
    send_answer(&c, 1, "db.shop", 0);
    struct address address = {{10, 0, 0, 7}, 4};
    struct name name;
    names_find(names, &address, c.at, &c.arena, &name);
    assert_string_equal(name.name, "db.shop");
    names_find(names, &address, before, &c.arena, &name);
    assert_string_equal(name.name, "");
    case_close(&c);
    names_free(names);
}

/* A pointer to a pointer to a pointer … is read for every name that points there. */
static void a_name_is_not_far_away(void **state)
{
    uint8_t bytes[12 + 1 + 2 * 1000] = {0};
    struct dns_name name;
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        size_t to = i == 0 ? 12 : 13 + 2 * (i - 1);
        bytes[13 + 2 * i] = (uint8_t)(0xC0 | to >> 8);
        bytes[14 + 2 * i] = (uint8_t)to;
    }
    for (size_t hops = 100; hops <= 1000; hops += 900) {
        struct dns_reader reader = {.message = bytes, .len = sizeof bytes};
        rd_init(&reader.rd, bytes + 13 + 2 * (hops - 1), 2);
        assert_int_equal(dns_read_name(&reader, &name), hops == 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_not_far_away),
        cmocka_unit_test(pairs_query_with_answer),
        cmocka_unit_test(answers_find_their_question_in_any_order),
        cmocka_unit_test(a_question_without_answer_times_out),
        cmocka_unit_test(retries_are_entries_of_their_own),
        cmocka_unit_test(an_answer_alone_tells_its_question),
        cmocka_unit_test(records_are_told_by_type),
        cmocka_unit_test(multicast_has_no_pairs),
        cmocka_unit_test(tcp_carries_messages_of_any_segmentation),
        cmocka_unit_test(tcp_goes_on_after_a_loss),
        cmocka_unit_test(http2_carries_messages_in_its_streams),
        cmocka_unit_test(loops_and_cut_messages_are_errors),
        cmocka_unit_test(other_datagrams_are_not_dns),
        cmocka_unit_test(any_port_may_carry_it),
        cmocka_unit_test(answers_name_addresses_from_then_on),
    };
    return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
