#include "capture/proto/http_head.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "kfl/base/mem.h"

#define METHOD_MAX  32
#define FIELDS_MAX  512
#define VERSION_MAX 16
#define BLANKS_MAX  8

/* token characters of RFC 9110 5.6.2 */
static bool is_token(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* ---- start lines */

static bool known_method(const uint8_t *bytes, size_t len)
{
    static const char *const methods[] = {
        "GET",         "HEAD",      "POST",    "PUT",       "DELETE", "OPTIONS",
        "CONNECT",     "TRACE",     "PATCH",   "PROPFIND",  "COPY",   "PROPPATCH",
        "MKCOL",       "MOVE",      "LOCK",    "UNLOCK",    "SEARCH", "REPORT",
        "MERGE",       "CHECKOUT",  "PURGE",   "SUBSCRIBE", "NOTIFY", "CCM_POST",
        "RPC_CONNECT", "BPROPFIND", "M-SEARCH"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strlen(methods[i]) == len && memcmp(methods[i], bytes, len) == 0)
            return true;
    }
    return false;
}

static bool is_version(struct http_text word)
{
    return word.len == 8 && memcmp(word.text, "HTTP/1.", 7) == 0 &&
           (word.text[7] == '0' || word.text[7] == '1');
}

/* "HTTP/", a version, blanks, three digits. Where the status is goes to *status_at. */
static enum http_start status_line(const uint8_t *bytes, size_t len, size_t *status_at)
{
    static const char form[] = "HTTP/";
    size_t at = strlen(form), version;
    if (memcmp(bytes, form, len < at ? len : at) != 0)
        return HTTP_NO;
    while (at < len && at < VERSION_MAX && bytes[at] > ' ' && bytes[at] < 0x7f)
        at++;
    version = at;
    while (at < len && at < version + BLANKS_MAX && bytes[at] == ' ')
        at++;
    if (at < len && (at == version || version == strlen(form)))
        return HTTP_NO;
    for (size_t i = at; i < len && i < at + 3; i++) {
        if (!is_digit(bytes[i]))
            return HTTP_NO;
    }
    if (len <= at + 3)
        return HTTP_MORE;
    if (!strchr(" \r\n", bytes[at + 3]) || bytes[at + 3] == 0)
        return HTTP_NO;
    *status_at = at;
    bool right = is_version((struct http_text){(const char *)bytes, version});
    return right ? HTTP_STATUS_LINE : HTTP_STRANGE_STATUS;
}

/* Bytes of the line without its end; *whole: the end is there. */
static size_t line_len(const uint8_t *bytes, size_t len, bool *whole)
{
    const uint8_t *end = memchr(bytes, '\n', len);
    *whole = end;
    size_t n = end ? (size_t)(end - bytes) : len;
    if (n > 0 && bytes[n - 1] == '\r')
        n--;
    return n;
}

/* The last word of a line with its blanks cut off. */
static struct http_text last_word(const uint8_t *line, size_t len)
{
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
        len--;
    size_t start = len;
    while (start > 0 && line[start - 1] != ' ' && line[start - 1] != '\t')
        start--;
    return (struct http_text){(const char *)line + start, len - start};
}

static bool has_control(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((bytes[i] < 0x20 && bytes[i] != '\t') || bytes[i] == 0x7f)
            return true;
    }
    return false;
}

/* What may become a request line: while the line is open only a method as they are
 * usually written is waited for, since this is asked in the middle of bodies, too. */
static enum http_start open_line(const uint8_t *bytes, size_t len)
{
    size_t i = 0;
    while (i < len && i <= METHOD_MAX &&
           ((bytes[i] >= 'A' && bytes[i] <= 'Z') || bytes[i] == '-' || bytes[i] == '_'))
        i++;
    if (i == len || i > METHOD_MAX)
        return i <= METHOD_MAX ? HTTP_MORE : HTTP_NO;
    return i > 0 && bytes[i] == ' ' && !has_control(bytes + i, len - i) ? HTTP_MORE
                                                                        : HTTP_NO;
}

static enum http_start request_line(const uint8_t *bytes, size_t len)
{
    bool whole;
    size_t line = line_len(bytes, len, &whole), method = 0;
    if (!whole)
        return open_line(bytes, line);
    while (method < line && method <= METHOD_MAX && is_token(bytes[method]))
        method++;
    if (method == 0 || method == line || method > METHOD_MAX || bytes[method] != ' ' ||
        has_control(bytes + method, line - method))
        return HTTP_NO;
    struct http_text version = last_word(bytes, line);
    const uint8_t *target = bytes + method + 1;
    size_t left = line - method - 1;
    if (is_version(version) && (const uint8_t *)version.text > target)
        return HTTP_REQUEST_LINE;
    if (!known_method(bytes, method) ||
        (version.len >= 7 && memcmp(version.text, "HTTP/2.", 7) == 0))
        return HTTP_NO;
    bool http = left > 0 && (*target == '/' || memmem(target, left, "HTTP/", 5));
    return http ? HTTP_STRANGE : HTTP_NO;
}

enum http_start http_start(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return HTTP_MORE;
    size_t status_at;
    enum http_start start = status_line(bytes, len, &status_at);
    return start != HTTP_NO ? start : request_line(bytes, len);
}

/* ---- heads */

size_t http_head_len(const uint8_t *bytes, size_t len, size_t *scanned)
{
    size_t at = *scanned;
    for (;;) {
        const uint8_t *end = at < len ? memchr(bytes + at, '\n', len - at) : NULL;
        if (!end)
            break;
        size_t next = (size_t)(end - bytes) + 1;
        if (next < len && bytes[next] == '\n')
            return next + 1;
        if (next + 1 < len && bytes[next] == '\r' && bytes[next + 1] == '\n')
            return next + 2;
        /* The two bytes behind this end may still come. */
        if (next + 1 >= len) {
            *scanned = next - 1;
            return 0;
        }
        at = next;
    }
    *scanned = len;
    return 0;
}

static struct http_text trim(const char *text, size_t len)
{
    while (len > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    return (struct http_text){text, len};
}

static void parse_start(struct http_head *head, const char *line, size_t len)
{
    struct http_text whole = trim(line, len);
    size_t status_at;
    enum http_start kind = status_line((const uint8_t *)line, len, &status_at);
    if (kind == HTTP_STATUS_LINE || kind == HTTP_STRANGE_STATUS) {
        head->response = true;
        head->strange = kind == HTTP_STRANGE_STATUS;
        head->minor = head->strange ? 1 : (unsigned)(line[7] - '0');
        for (size_t i = 0; i < 3; i++)
            head->status = head->status * 10 + (unsigned)(line[status_at + i] - '0');
        head->reason = trim(line + status_at + 3, len - status_at - 3);
        return;
    }
    const char *blank = memchr(whole.text, ' ', whole.len);
    size_t method = blank ? (size_t)(blank - whole.text) : whole.len;
    head->method = (struct http_text){whole.text, method};
    struct http_text version = last_word((const uint8_t *)whole.text, whole.len);
    size_t end = whole.len;
    if (is_version(version)) {
        head->minor = (unsigned)(version.text[7] - '0');
        end -= version.len;
    } else {
        head->minor = 1;
        head->strange = true;
        if (version.len >= 5 && memcmp(version.text, "HTTP/", 5) == 0 &&
            version.text > whole.text + method + 1)
            end -= version.len;
    }
    head->target = trim(whole.text + method, end > method ? end - method : 0);
}

/* Lines that begin with a blank belong to the one before (RFC 9112 5.2). */
static size_t field_len(char *text, size_t len)
{
    size_t n = 0;
    for (;;) {
        char *end = memchr(text + n, '\n', len - n);
        if (!end)
            return len;
        n = (size_t)(end - text) + 1;
        if (n >= len || (text[n] != ' ' && text[n] != '\t'))
            return n;
        end[0] = ' ';
        if (end > text && end[-1] == '\r')
            end[-1] = ' ';
    }
}

static size_t count_lines(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len && count < FIELDS_MAX; i++)
        count += text[i] == '\n';
    return count + 1;
}

int http_head_parse(struct http_head *head, struct arena *arena, const uint8_t *bytes,
                    size_t len)
{
    *head = (struct http_head){0};
    char *text = arena_dup(arena, bytes, len);
    size_t room = text ? count_lines(text, len) : 0;
    head->fields = text ? arena_alloc(arena, room * sizeof *head->fields) : NULL;
    if (!head->fields)
        return -ENOMEM;
    char *end = text + len, *line_end = memchr(text, '\n', len);
    char *at = line_end ? line_end + 1 : end;
    parse_start(head, text, (size_t)(at - text));
    while (at < end) {
        size_t n = field_len(at, (size_t)(end - at));
        char *colon = memchr(at, ':', n);
        struct http_text name =
            colon ? trim(at, (size_t)(colon - at)) : (struct http_text){0};
        if (name.len > 0 && head->count == room) {
            head->cut = true;
            break;
        }
        if (name.len > 0)
            head->fields[head->count++] = (struct http_field){
                name, trim(colon + 1, n - (size_t)(colon - at) - 1)};
        at += n;
    }
    return 0;
}

const struct http_field *http_head_find(const struct http_head *head, const char *name,
                                        const struct http_field *after)
{
    size_t len = strlen(name);
    for (size_t i = after ? (size_t)(after - head->fields) + 1 : 0; i < head->count;
         i++) {
        const struct http_field *f = &head->fields[i];
        if (f->name.len == len && strncasecmp(f->name.text, name, len) == 0)
            return f;
    }
    return NULL;
}

static bool all_digits(struct http_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit((uint8_t)text.text[i]))
            return false;
    }
    return text.len > 0 && text.len < 19;
}

size_t http_head_framing(const struct http_head *head, char out[HTTP_FRAMING_MAX])
{
    const struct http_field *length = http_head_find(head, "content-length", NULL);
    const struct http_field *coding = http_head_find(head, "transfer-encoding", NULL);
    char field[64] = "";
    /* Of several lengths the last counts, as in most servers that do not refuse them.
     */
    for (const struct http_field *f = length; f;
         f = http_head_find(head, "content-length", f)) {
        if (!all_digits(f->value))
            return 0;
        length = f;
    }
    if (length && coding)
        return 0;
    if (coding &&
        (coding->value.len != 7 || strncasecmp(coding->value.text, "chunked", 7) != 0))
        return 0;
    if (coding)
        snprintf(field, sizeof field, "Transfer-Encoding: chunked\r\n");
    else if (length)
        snprintf(field, sizeof field, "Content-Length: %.*s\r\n",
                 (int)length->value.len, length->value.text);
    int len;
    if (head->response)
        len = snprintf(out, HTTP_FRAMING_MAX, "HTTP/1.%u %03u \r\n%s\r\n", head->minor,
                       head->status, field);
    else
        len = snprintf(out, HTTP_FRAMING_MAX, "POST / HTTP/1.%u\r\n%s\r\n", head->minor,
                       field);
    return (size_t)len;
}
