#include "fs/expand.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "fs/saved.h"
#include "kfl/base/buf.h"

#define DEPTH_MAX 16

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Bytes of the literal that begins here with its quote. */
static size_t literal_len(const char *text)
{
    size_t len = 1;
    while (text[len] && text[len] != '"')
        len += text[len] == '\\' && text[len + 1] ? 2 : 1;
    return text[len] ? len + 1 : len;
}

/* Only a whole word that is no part of a path is a saved statement. */
static const char *saved_word(struct saved *saved, const char *text, size_t at,
                              size_t len)
{
    char before = at ? text[at - 1] : ' ', after = text[at + len];
    if (before == '.' || after == '.' || after == '[' || after == '(' || after == '"')
        return NULL;
    return saved_text(saved, text + at, len);
}

static void expand(struct buf *out, struct saved *saved, const char *text, int depth)
{
    for (size_t at = 0; text[at];) {
        size_t len = 1;
        const char *inner = NULL;
        if (text[at] == '"') {
            len = literal_len(text + at);
        } else if (is_word(text[at])) {
            while (is_word(text[at + len]))
                len++;
            inner = depth < DEPTH_MAX ? saved_word(saved, text, at, len) : NULL;
        }
        if (inner) {
            size_t inner_len = strlen(inner);
            while (inner_len && isspace((unsigned char)inner[inner_len - 1]))
                inner_len--;
            struct buf trimmed = {0};
            buf_add(&trimmed, inner, inner_len);
            buf_addch(out, '(');
            expand(out, saved, trimmed.data ? trimmed.data : "", depth + 1);
            buf_addch(out, ')');
            buf_fini(&trimmed);
        } else {
            buf_add(out, text + at, len);
        }
        at += len;
    }
}

void expand_statement(struct buf *out, struct saved *saved, const char *text)
{
    expand(out, saved, text, 0);
}
