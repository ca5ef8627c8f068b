#include "capture/proto/http_doc.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "capture/proto/body.h"
#include "capture/proto/http_url.h"
#include "capture/proto/proto.h"
#include "kfl/base/buf.h"
#include "kfl/base/text.h"
#include "kfl/doc.h"

#define FORM "application/x-www-form-urlencoded"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "user-agent" -> "User-Agent"; a name that is no token stays as it is. */
static struct http_text canonical(struct arena *arena, struct http_text name)
{
    bool first = true, same = true;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.text[i];
        if (c <= ' ' || c >= 0x7f)
            return name;
        same = same && (!is_letter(c) || (c <= 'Z') == first);
        first = c == '-';
    }
    char *out = same ? NULL : arena_dup(arena, name.text, name.len);
    if (!out)
        return name;
    first = true;
    for (size_t i = 0; i < name.len; i++) {
        if (is_letter(out[i]))
            out[i] = (char)(first ? out[i] & ~0x20 : out[i] | 0x20);
        first = out[i] == '-';
    }
    return (struct http_text){out, name.len};
}

static void put(struct arena *arena, struct doc_value *doc, const char *name,
                struct http_text text)
{
    doc_put_text(arena, doc, name, text.len ? text.text : "", text.len);
}

static void put_headers(struct arena *arena, struct doc_value *doc,
                        const struct http_head *head)
{
    struct doc_value *headers = doc_put_object(arena, doc, "headers");
    for (size_t i = 0; i < head->count; i++)
        http_put_joined(arena, headers, canonical(arena, head->fields[i].name),
                        head->fields[i].value);
}

static void put_cookies(struct arena *arena, struct doc_value *doc,
                        const struct http_head *head, const char *field, bool all)
{
    struct doc_value *cookies = doc_put_object(arena, doc, "cookies");
    for (const struct http_field *f = http_head_find(head, field, NULL); f;
         f = http_head_find(head, field, f))
        http_put_cookies(arena, cookies, f->value, all);
}

static struct http_text value_of(const struct http_head *head, const char *name)
{
    const struct http_field *f = http_head_find(head, name, NULL);
    return f ? f->value : (struct http_text){"", 0};
}

/* Content-Type without its parameters. */
static struct http_text mime_type(const struct http_head *head)
{
    struct http_text type = value_of(head, "content-type");
    size_t len = 0;
    while (len < type.len && !strchr("; \t,", type.text[len]))
        len++;
    return (struct http_text){type.text, len};
}

/* The body as text and as bytes, decoded; lies in the arena. */
struct decoded {
    struct http_text bytes, base64;
    bool cut;
};

static struct http_text keep(struct arena *arena, const void *bytes, size_t len)
{
    const char *kept = len ? arena_dup(arena, bytes, len) : NULL;
    return (struct http_text){kept ? kept : "", kept ? len : 0};
}

static struct decoded decode(struct arena *arena, const struct sink *sink,
                             const struct http_head *head, const struct http_body *body,
                             bool base64)
{
    struct decoded out = {{"", 0}, {"", 0}, body->cut};
    struct http_text coding = value_of(head, "content-encoding");
    struct buf plain = {.limit = sink_body_limit(sink)}, text = {0};
    int rc = -EOPNOTSUPP;
    if (coding.len > 0 && body->len > 0)
        rc = body_decode(&plain, coding.text, coding.len, body->bytes, body->len);
    /* What is not what it says is shown as it came. */
    bool as_is = rc == -EOPNOTSUPP || (rc < 0 && plain.len == 0);
    out.bytes = as_is ? keep(arena, body->bytes, body->len)
                      : keep(arena, plain.data, plain.len);
    out.cut =
        out.cut || (!as_is && rc < 0) || (out.bytes.len == 0 && body->len > 0 && as_is);
    if (base64 && text_base64(&text, out.bytes.text, out.bytes.len) == 0)
        out.base64 = keep(arena, text.data, text.len);
    buf_fini(&plain);
    buf_fini(&text);
    return out;
}

static void put_marks(struct arena *arena, struct doc_value *doc,
                      const struct http_head *head, const struct http_body *body,
                      bool cut)
{
    if (cut || head->cut)
        doc_put_bool(arena, doc, "truncated", true);
    if (body->gap > 0)
        doc_put_int(arena, doc, "gap", (int64_t)body->gap);
}

static void put_post_data(struct arena *arena, struct doc_value *doc,
                          const struct sink *sink, const struct http_head *head,
                          struct http_text text)
{
    struct http_text type = mime_type(head);
    struct doc_value *post = doc_put_object(arena, doc, "postData");
    put(arena, post, "mimeType", type);
    struct doc_value *params = doc_put_array(arena, post, "params");
    if (sink_wants(sink, WANT_PARAMS) && type.len == strlen(FORM) &&
        strncasecmp(type.text, FORM, type.len) == 0)
        http_put_form(arena, params, text);
    put(arena, post, "text", text);
}

void http_request_doc(struct message *message, const struct sink *sink,
                      const struct http_head *head, const struct http_body *body)
{
    struct arena *arena = &message->arena;
    struct doc_value *doc = &message->doc;
    put(arena, doc, "method", head->method);
    put(arena, doc, "url", head->target);
    if (sink_wants(sink, WANT_PARAMS))
        http_put_target(arena, doc, head->target);
    doc_put_str(arena, doc, "httpVersion", head->minor ? "HTTP/1.1" : "HTTP/1.0");
    if (sink_wants(sink, WANT_HEADERS))
        put_headers(arena, doc, head);
    if (sink_wants(sink, WANT_PARAMS))
        put_cookies(arena, doc, head, "cookie", true);
    doc_put_int(arena, doc, "bodySize", (int64_t)body->size);
    bool cut = body->cut;
    if (sink_wants(sink, WANT_BODY)) {
        struct decoded decoded = decode(arena, sink, head, body, false);
        if (body->size > 0)
            put_post_data(arena, doc, sink, head, decoded.bytes);
        put(arena, doc, "body", decoded.bytes);
        cut = decoded.cut;
    }
    put_marks(arena, doc, head, body, cut);
}

void http_response_doc(struct message *message, const struct sink *sink,
                       const struct http_head *head, const struct http_body *body)
{
    struct arena *arena = &message->arena;
    struct doc_value *doc = &message->doc;
    doc_put_int(arena, doc, "status", head->status);
    put(arena, doc, "statusText", head->reason);
    if (sink_wants(sink, WANT_HEADERS))
        put_headers(arena, doc, head);
    if (sink_wants(sink, WANT_PARAMS))
        put_cookies(arena, doc, head, "set-cookie", false);
    put(arena, doc, "redirectURL", value_of(head, "location"));
    doc_put_int(arena, doc, "bodySize", (int64_t)body->size);
    bool cut = body->cut;
    if (sink_wants(sink, WANT_BODY)) {
        struct decoded decoded = decode(arena, sink, head, body, true);
        struct doc_value *content = doc_put_object(arena, doc, "content");
        doc_put_int(arena, content, "size", (int64_t)decoded.bytes.len);
        put(arena, content, "mimeType", mime_type(head));
        doc_put_str(arena, content, "encoding", "base64");
        put(arena, content, "text", decoded.base64);
        put(arena, doc, "body", decoded.bytes);
        cut = decoded.cut;
    }
    put_marks(arena, doc, head, body, cut);
}
