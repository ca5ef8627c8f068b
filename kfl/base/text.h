/* Text: UTF-8, JSON strings, base64. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;

bool text_is_utf8(const char *text, size_t len);
/* The text itself if it is valid UTF-8, else a copy in the arena in which each bad byte
 * is U+FFFD; *len is updated. NULL where the arena is full. */
const char *text_utf8(struct arena *arena, const char *text, size_t *len);
/* Bytes of the sequence that starts at text and its code point; 1 and U+FFFD for a bad
 * byte. */
size_t text_utf8_next(const char *text, size_t len, uint32_t *code_point);
/* Writes 1..4 bytes, returns how many. */
size_t text_utf8_put(char out[4], uint32_t code_point);

/* Bytes at the start that a JSON string holds as they are: ASCII without controls, '"'
 * and '\\'. */
size_t text_plain_span(const char *text, size_t len);
/* A JSON string with its quotes (RFC 8259); bad UTF-8 becomes U+FFFD. */
int text_json(struct buf *out, const char *text, size_t len);

/* Standard base64 with padding (RFC 4648). */
int text_base64(struct buf *out, const void *bytes, size_t len);
/* Bytes written to `out` (room for len / 4 * 3), or -EINVAL if it is not base64 as
 * above. */
long text_unbase64(void *out, const char *text, size_t len);

/* Damerau-Levenshtein, for "did you mean"; stops at `limit` + 1. */
unsigned text_distance(const char *a, const char *b, unsigned limit);
