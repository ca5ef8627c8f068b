/* http://www.softwareishard.com/blog/har-12-spec/ */
#include "capture/har.h"

#include <errno.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/mem.h"
#include "kfl/doc.h"

static void put(struct arena *arena, struct doc_value *object, const char *name,
                const struct doc_value *value)
{
    struct doc_value *to = doc_put(arena, object, name, strlen(name));
    if (to && value)
        *to = *value;
    else if (to)
        *to = (struct doc_value){.type = DOC_STRING, .text = ""};
}

static void put_number(struct arena *arena, struct doc_value *object, const char *name,
                       const struct doc_value *value)
{
    if (value && value->type == DOC_INT)
        doc_put_int(arena, object, name, value->integer);
    else
        doc_put_int(arena, object, name, -1);
}

static void put_pair(struct arena *arena, struct doc_value *array,
                     const struct doc_member *member, const struct doc_value *value)
{
    struct doc_value *item = doc_push(arena, array);
    if (!item)
        return;
    doc_make_object(item);
    doc_put_text(arena, item, "name", member->name, member->name_len);
    put(arena, item, "value", value);
}

/* {"a": "1", "b": ["2", "3"]} as HAR has it: [{name, value}, …] */
static void put_pairs(struct arena *arena, struct doc_value *object, const char *name,
                      const struct doc_value *from)
{
    struct doc_value *array = doc_put_array(arena, object, name);
    const struct doc_list *list = from && from->type == DOC_OBJECT ? from->list : NULL;
    for (uint32_t i = 0; list && i < list->count; i++) {
        const struct doc_member *member = &list->members[i];
        const struct doc_list *values =
            member->value.type == DOC_ARRAY ? member->value.list : NULL;
        if (member->value.type != DOC_ARRAY)
            put_pair(arena, array, member, &member->value);
        for (uint32_t k = 0; values && k < values->count; k++)
            put_pair(arena, array, member, &values->members[k].value);
    }
}

static struct doc_value text_of(const char *text, size_t len)
{
    return (struct doc_value){.type = DOC_STRING, .len = (uint32_t)len, .text = text};
}

static void put_server(struct buf *out, const struct doc_value *entry)
{
    const struct doc_value *ip = doc_at(entry, "dst.ip");
    const struct doc_value *port = doc_at(entry, "dst.port");
    if (!ip || ip->type != DOC_STRING)
        return;
    bool six = ip->len > 0 && memchr(ip->text, ':', ip->len);
    buf_addstr(out, six ? "[" : "");
    buf_add(out, ip->text, ip->len);
    buf_addstr(out, six ? "]" : "");
    if (port && port->type == DOC_STRING && !doc_text_is(port, "80")) {
        buf_addch(out, ':');
        buf_add(out, port->text, port->len);
    }
}

/* HAR wants absolute URLs. */
static struct doc_value absolute(struct arena *arena, const struct doc_value *entry)
{
    const struct doc_value *url = doc_at(entry, "request.url");
    const struct doc_value *host = doc_at(entry, "request.headers.Host");
    struct buf out = {0};
    if (!url || url->type != DOC_STRING)
        return text_of("", 0);
    if (url->len == 0 || url->text[0] != '/')
        return *url;
    buf_addstr(&out, "http://");
    if (host && host->type == DOC_STRING)
        buf_add(&out, host->text, host->len);
    else
        put_server(&out, entry);
    buf_add(&out, url->text, url->len);
    const char *copy = arena_dup(arena, out.data, out.len);
    struct doc_value value = copy ? text_of(copy, out.len) : text_of("", 0);
    buf_fini(&out);
    return value;
}

static void put_request(struct arena *arena, struct doc_value *har,
                        const struct doc_value *entry)
{
    const struct doc_value *from = doc_get(entry, "request");
    struct doc_value *to = doc_put_object(arena, har, "request");
    struct doc_value url = absolute(arena, entry);
    put(arena, to, "method", doc_get(from, "method"));
    put(arena, to, "url", &url);
    put(arena, to, "httpVersion", doc_get(from, "httpVersion"));
    put_pairs(arena, to, "cookies", doc_get(from, "cookies"));
    put_pairs(arena, to, "headers", doc_get(from, "headers"));
    put_pairs(arena, to, "queryString", doc_get(from, "queryString"));
    if (doc_get(from, "postData"))
        put(arena, to, "postData", doc_get(from, "postData"));
    doc_put_int(arena, to, "headersSize", -1);
    put_number(arena, to, "bodySize", doc_get(from, "bodySize"));
}

static void put_content(struct arena *arena, struct doc_value *to,
                        const struct doc_value *from)
{
    const struct doc_value *content = doc_get(from, "content");
    if (content) {
        put(arena, to, "content", content);
        return;
    }
    struct doc_value *empty = doc_put_object(arena, to, "content");
    doc_put_int(arena, empty, "size", 0);
    doc_put_str(arena, empty, "mimeType", "");
}

/* A response whose request was not seen says it by its protocol alone. */
static struct doc_value version_of(struct arena *arena, const struct doc_value *entry)
{
    const struct doc_value *said = doc_at(entry, "request.httpVersion");
    const struct doc_value *version = doc_at(entry, "protocol.version");
    struct buf out = {0};
    if (said || !version || version->type != DOC_STRING)
        return said ? *said : text_of("", 0);
    buf_addstr(&out, "HTTP/");
    buf_add(&out, version->text, version->len);
    const char *copy = arena_dup(arena, out.data, out.len);
    struct doc_value value = copy ? text_of(copy, out.len) : text_of("", 0);
    buf_fini(&out);
    return value;
}

/* Without a response the status is 0, as browsers write it. */
static void put_response(struct arena *arena, struct doc_value *har,
                         const struct doc_value *entry)
{
    const struct doc_value *from = doc_get(entry, "response");
    const struct doc_value *status = doc_get(from, "status");
    struct doc_value version = version_of(arena, entry);
    struct doc_value *to = doc_put_object(arena, har, "response");
    struct doc_value zero = {.type = DOC_INT};
    put(arena, to, "status", status ? status : &zero);
    put(arena, to, "statusText", doc_get(from, "statusText"));
    put(arena, to, "httpVersion", &version);
    put_pairs(arena, to, "cookies", doc_get(from, "cookies"));
    put_pairs(arena, to, "headers", doc_get(from, "headers"));
    put_content(arena, to, from);
    put(arena, to, "redirectURL", doc_get(from, "redirectURL"));
    doc_put_int(arena, to, "headersSize", -1);
    put_number(arena, to, "bodySize", doc_get(from, "bodySize"));
}

int har_begin(struct buf *out)
{
    return buf_addstr(
        out, "{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"trafficfs\","
             "\"version\":\"1\"},\"entries\":[");
}

int har_entry(struct buf *out, const struct doc_value *entry, unsigned long long count)
{
    const struct doc_value *elapsed = doc_get(entry, "elapsedTime");
    if (!doc_text_is(doc_at(entry, "protocol.name"), "http"))
        return 0;
    struct arena arena = {0};
    struct doc_value har, zero = {.type = DOC_INT};
    doc_make_object(&har);
    put(&arena, &har, "startedDateTime", doc_get(entry, "startTime"));
    put(&arena, &har, "time", elapsed ? elapsed : &zero);
    put_request(&arena, &har, entry);
    put_response(&arena, &har, entry);
    doc_put_object(&arena, &har, "cache");
    struct doc_value *timings = doc_put_object(&arena, &har, "timings");
    doc_put_int(&arena, timings, "send", 0);
    put(&arena, timings, "wait", elapsed ? elapsed : &zero);
    doc_put_int(&arena, timings, "receive", 0);
    put(&arena, &har, "serverIPAddress", doc_at(entry, "dst.ip"));
    put(&arena, &har, "connection", doc_get(entry, "stream"));
    size_t before = out->len;
    int rc = count > 0 ? buf_addstr(out, ",\n") : buf_addch(out, '\n');
    if (rc == 0)
        rc = doc_write(out, &har);
    arena_fini(&arena);
    if (rc < 0) {
        out->len = before;
        return rc;
    }
    return 1;
}

int har_end(struct buf *out)
{
    return buf_addstr(out, "\n]}}\n");
}
