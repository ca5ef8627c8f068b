/* Heads of HTTP/1 messages (RFC 9112), told apart and sliced leniently: what llhttp
 * refuses must still be shown. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum http_start {
    HTTP_NO,      /* no start line of a message */
    HTTP_MORE,    /* may become one */
    HTTP_STRANGE, /* a request of a known method whose version is missing or wrong */
    HTTP_STRANGE_STATUS, /* a status line of another version, in the form of HTTP/1 */
    HTTP_REQUEST_LINE,
    HTTP_STATUS_LINE,
};
/* What begins here? */
enum http_start http_start(const uint8_t *bytes, size_t len);

/* Bytes of the head with its blank line; 0: it has not ended. *scanned is where to go
 * on next time, 0 at first. */
size_t http_head_len(const uint8_t *bytes, size_t len, size_t *scanned);

struct http_text {
    const char *text;
    size_t len;
};

struct http_field {
    struct http_text name, value;
};

struct http_head {
    struct http_text method, target; /* request */
    struct http_text reason;         /* response */
    bool response;
    unsigned status;
    unsigned minor;    /* HTTP/1.minor */
    bool strange, cut; /* no version; more fields than are kept */
    struct http_field *fields;
    size_t count;
};
/* Slices a head, which may be cut, that http_start() did not refuse; texts lie in the
 * arena. 0, -ENOMEM. */
int http_head_parse(struct http_head *head, struct arena *arena, const uint8_t *bytes,
                    size_t len);
/* The next field of that name after `after` (NULL: the first), or NULL. Case does not
 * matter. */
const struct http_field *http_head_find(const struct http_head *head, const char *name,
                                        const struct http_field *after);
/* The head that says only where the body ends: a start line and the framing fields, if
 * they are of one mind. Its length, 0 if they are not. */
#define HTTP_FRAMING_MAX 128
size_t http_head_framing(const struct http_head *head, char out[HTTP_FRAMING_MAX]);
