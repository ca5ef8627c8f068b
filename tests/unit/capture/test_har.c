#include "tests/unit/capture/dissect_case.h"

#include "capture/har.h"

/* The archive of all entries of a case, read back. */
static struct doc_value archive(struct dissect_case *c, struct buf *text, int *written)
{
    struct doc_value value;
    unsigned long long count = 0;
    assert_int_equal(har_begin(text), 0);
    for (size_t i = 0; i < c->count; i++) {
        int rc = har_entry(text, &c->docs[i], count);
        assert_true(rc >= 0);
        count += (unsigned)rc;
    }
    assert_int_equal(har_end(text), 0);
    assert_int_equal(doc_parse(&value, &c->arena, text->data, text->len, NULL), 0);
    *written = (int)count;
    return value;
}

static const char *at(struct dissect_case *c, const struct doc_value *entry,
                      const char *path)
{
    struct buf out = {0};
    const struct doc_value *value = doc_at(entry, path);
    if (!value)
        return "missing";
    doc_write(&out, value);
    const char *text = arena_dup(&c->arena, out.data, out.len);
    buf_fini(&out);
    return text;
}

static void exchanges_become_an_archive(void **state)
{
    (void)state;
    struct dissect_case c;
    struct buf text = {0};
    int written;
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, "GET /a?q=1&q=2 HTTP/1.1\r\nHost: shop\r\nCookie: s=1\r\n\r\n"
                     "GET /half HTTP/1.1\r\n\r\n");
    case_response(
        &c,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
    case_end(&c, END_RESET);
    struct doc_value har = archive(&c, &text, &written);
    assert_int_equal(written, 2);
    assert_string_equal(at(&c, &har, "log.version"), "\"1.2\"");
    const struct doc_list *entries = doc_at(&har, "log.entries")->list;
    assert_int_equal(entries->count, 2);
    const struct doc_value *first = &entries->members[0].value;
    assert_string_equal(at(&c, first, "startedDateTime"),
                        "\"2023-11-14T22:13:20.000000000Z\"");
    assert_string_equal(at(&c, first, "request.url"), "\"http://shop/a?q=1&q=2\"");
    assert_string_equal(
        at(&c, first, "request.queryString"),
        "[{\"name\":\"q\",\"value\":\"1\"},{\"name\":\"q\",\"value\":\"2\"}]");
    assert_string_equal(at(&c, first, "request.cookies"),
                        "[{\"name\":\"s\",\"value\":\"1\"}]");
    assert_string_equal(at(&c, first, "response.content.text"), "\"b2s=\"");
    assert_string_equal(at(&c, first, "response.content.encoding"), "\"base64\"");
    assert_string_equal(at(&c, first, "cache"), "{}");
    /* No host, no response. */
    const struct doc_value *second = &entries->members[1].value;
    assert_string_equal(at(&c, second, "request.url"), "\"http://10.0.0.2/half\"");
    assert_string_equal(at(&c, second, "response.status"), "0");
    assert_string_equal(at(&c, second, "response.headers"), "[]");
    buf_fini(&text);
    case_close(&c);
}

static void servers_without_a_host_have_their_address(void **state)
{
    (void)state;
    static const struct {
        const char *dst, *url;
    } cases[] = {
        {"\"ip\":\"10.0.0.2\",\"port\":\"8080\"", "http://10.0.0.2:8080/a"},
        {"\"ip\":\"fd00::2\",\"port\":\"80\"", "http://[fd00::2]/a"},
        {"\"ip\":\"fd00::2\",\"port\":\"81\"", "http://[fd00::2]:81/a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena = {0};
        struct buf line = {0}, out = {0};
        struct doc_value entry, har;
        buf_addf(&line,
                 "{\"protocol\":{\"name\":\"http\"},\"dst\":{%s},"
                 "\"request\":{\"url\":\"/a\",\"headers\":{}}}",
                 cases[i].dst);
        assert_int_equal(doc_parse(&entry, &arena, line.data, line.len, NULL), 0);
        assert_int_equal(har_entry(&out, &entry, 0), 1);
        assert_int_equal(doc_parse(&har, &arena, out.data, out.len, NULL), 0);
        assert_true(doc_text_is(doc_at(&har, "request.url"), cases[i].url));
        buf_fini(&line);
        buf_fini(&out);
        arena_fini(&arena);
    }
}

static void responses_alone_have_a_version(void **state)
{
    (void)state;
    struct dissect_case c;
    struct buf text = {0};
    int written;
    case_open(&c, STREAM_TCP, 80);
    case_response(&c, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    case_end(&c, END_FIN);
    struct doc_value har = archive(&c, &text, &written);
    const struct doc_list *entries = doc_at(&har, "log.entries")->list;
    assert_int_equal(entries->count, 1);
    const struct doc_value *only = &entries->members[0].value;
    assert_string_equal(at(&c, only, "response.httpVersion"), "\"HTTP/1.0\"");
    assert_string_equal(at(&c, only, "request.method"), "\"\"");
    assert_string_equal(at(&c, only, "request.headers"), "[]");
    buf_fini(&text);
    case_close(&c);
}

static void other_protocols_have_no_place(void **state)
{
    (void)state;
    static const uint8_t query[] = {0, 1, 1, 0,   0, 1, 0, 0, 0, 0,
                                    0, 0, 1, 'a', 0, 0, 1, 0, 1};
    struct dissect_case c;
    struct buf text = {0};
    int written;
    case_open(&c, STREAM_UDP, 53);
    case_bytes(&c, DIR_FORWARD, query, sizeof query);
    case_end(&c, END_STOP);
    assert_int_equal(c.count, 1);
    struct doc_value har = archive(&c, &text, &written);
    assert_int_equal(written, 0);
    assert_string_equal(at(&c, &har, "log.entries"), "[]");
    buf_fini(&text);
    case_close(&c);
}

static void a_full_buffer_keeps_whole_entries(void **state)
{
    (void)state;
    struct dissect_case c;
    struct buf text = {.limit = 300};
    case_open(&c, STREAM_TCP, 80);
    case_request(&c, "GET / HTTP/1.1\r\n\r\n");
    case_response(&c, "HTTP/1.1 204 No Content\r\n\r\n");
    har_begin(&text);
    size_t before = text.len;
    assert_true(har_entry(&text, &c.docs[0], 0) < 0);
    assert_int_equal(text.len, before);
    buf_fini(&text);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_become_an_archive),
        cmocka_unit_test(servers_without_a_host_have_their_address),
        cmocka_unit_test(responses_alone_have_a_version),
        cmocka_unit_test(other_protocols_have_no_place),
        cmocka_unit_test(a_full_buffer_keeps_whole_entries),
    };
    return cmocka_run_group_tests_name("har", tests, NULL, NULL);
}
