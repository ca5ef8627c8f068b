#include "capture/proto/http_url.h"

#include <string.h>

#include "kfl/base/text.h"

/* So many parameters, cookies or segments are kept of one message. */
#define PARTS_MAX 1000

static struct doc_value *find(const struct doc_value *object, const char *name,
                              size_t len)
{
    const struct doc_list *list = object ? object->list : NULL;
    for (uint32_t i = 0; list && i < list->count; i++) {
        if (list->members[i].name_len == len &&
            memcmp(list->members[i].name, name, len) == 0)
            return (struct doc_value *)&list->members[i].value;
    }
    return NULL;
}

static uint32_t count(const struct doc_value *value)
{
    return value && value->list ? value->list->count : 0;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Escapes decoded, bad ones left as they are. NULL where the arena is full. */
static const char *unescape(struct arena *arena, struct http_text text, size_t *len,
                            bool plus)
{
    *len = text.len;
    if (text.len == 0)
        return "";
    if (!memchr(text.text, '%', text.len) &&
        !(plus && memchr(text.text, '+', text.len)))
        return text.text;
    char *out = arena_alloc(arena, text.len);
    if (!out)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.text[i];
        int high = c == '%' && i + 2 < text.len ? digit(text.text[i + 1]) : -1;
        int low = high >= 0 ? digit(text.text[i + 2]) : -1;
        if (low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        out[n++] = c;
    }
    *len = n;
    return out;
}

static struct http_text cut_at(struct http_text *rest, char c)
{
    const char *end = rest->len ? memchr(rest->text, c, rest->len) : NULL;
    struct http_text part = {rest->text, end ? (size_t)(end - rest->text) : rest->len};
    size_t used = part.len + (end ? 1 : 0);
    *rest = (struct http_text){rest->text + used, rest->len - used};
    return part;
}

/* The path of a target, without scheme and authority, and what follows its '?'. */
static struct http_text split_target(struct http_text target, struct http_text *query)
{
    if (target.len > 0 && target.text[0] != '/') {
        const char *scheme = memmem(target.text, target.len, "://", 3);
        size_t skip = scheme ? (size_t)(scheme - target.text) + 3 : 0;
        while (scheme && skip < target.len && !strchr("/?#", target.text[skip]))
            skip++;
        target = (struct http_text){target.text + skip, target.len - skip};
    }
    target = cut_at(&(struct http_text){target.text, target.len}, '#');
    *query = target;
    return cut_at(query, '?');
}

static void put_text(struct arena *arena, struct doc_value *value,
                     struct http_text text, bool plus)
{
    size_t len;
    const char *decoded = unescape(arena, text, &len, plus);
    if (value && decoded)
        doc_set_text(arena, value, decoded, len);
}

static void put_query(struct arena *arena, struct doc_value *object,
                      struct http_text query)
{
    while (query.len > 0 && count(object) < PARTS_MAX) {
        struct http_text value = cut_at(&query, '&');
        struct http_text name = cut_at(&value, '=');
        if (name.len == 0 && value.len == 0)
            continue;
        size_t len;
        const char *key = unescape(arena, name, &len, true);
        key = key ? text_utf8(arena, key, &len) : NULL;
        if (!key)
            return;
        struct doc_value *known = find(object, key, len);
        if (known && known->type != DOC_ARRAY) {
            struct doc_value first = *known;
            doc_make_array(known);
            struct doc_value *item = doc_push(arena, known);
            if (item)
                *item = first;
        }
        if (known && count(known) >= PARTS_MAX)
            return;
        put_text(arena,
                 known ? doc_push(arena, known) : doc_put(arena, object, key, len),
                 value, true);
    }
}

void http_put_target(struct arena *arena, struct doc_value *object,
                     struct http_text target)
{
    struct http_text query, path = split_target(target, &query);
    put_text(arena, doc_put(arena, object, "path", strlen("path")), path, false);
    struct doc_value *segments = doc_put_array(arena, object, "pathSegments");
    if (path.len > 0 && path.text[0] == '/')
        (void)cut_at(&path, '/');
    while (path.len > 0 && count(segments) < PARTS_MAX)
        put_text(arena, doc_push(arena, segments), cut_at(&path, '/'), false);
    put_query(arena, doc_put_object(arena, object, "queryString"), query);
}

void http_put_form(struct arena *arena, struct doc_value *array, struct http_text form)
{
    while (form.len > 0 && count(array) < PARTS_MAX) {
        struct http_text value = cut_at(&form, '&');
        struct http_text name = cut_at(&value, '=');
        if (name.len == 0 && value.len == 0)
            continue;
        struct doc_value *item = doc_push(arena, array);
        if (!item)
            return;
        doc_make_object(item);
        put_text(arena, doc_put(arena, item, "name", strlen("name")), name, true);
        put_text(arena, doc_put(arena, item, "value", strlen("value")), value, true);
    }
}

void http_put_joined(struct arena *arena, struct doc_value *object,
                     struct http_text name, struct http_text value)
{
    size_t len = name.len;
    const char *key = text_utf8(arena, name.text, &len);
    struct doc_value *known = key ? find(object, key, len) : NULL;
    if (!key)
        return;
    if (!known) {
        struct doc_value *added = doc_put(arena, object, key, len);
        if (added)
            doc_set_text(arena, added, value.text, value.len);
        return;
    }
    size_t size = known->len + 1 + value.len;
    char *joined = arena_alloc(arena, size);
    if (!joined)
        return;
    memcpy(joined, known->text, known->len);
    joined[known->len] = ',';
    memcpy(joined + known->len + 1, value.text, value.len);
    doc_set_text(arena, known, joined, size);
}

static struct http_text trim(struct http_text text)
{
    while (text.len > 0 && (text.text[0] == ' ' || text.text[0] == '\t'))
        text = (struct http_text){text.text + 1, text.len - 1};
    while (text.len > 0 &&
           (text.text[text.len - 1] == ' ' || text.text[text.len - 1] == '\t'))
        text.len--;
    return text;
}

void http_put_cookies(struct arena *arena, struct doc_value *object,
                      struct http_text text, bool all)
{
    while (text.len > 0 && count(object) < PARTS_MAX) {
        struct http_text value = cut_at(&text, ';');
        struct http_text name = trim(cut_at(&value, '='));
        if (name.len > 0)
            http_put_joined(arena, object, name, trim(value));
        if (!all)
            return;
    }
}
