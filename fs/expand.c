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

/* Bytes of the comment that begins here; 0: none does. */
static size_t comment_len(const char *text)
{
    if (text[0] != '/' || (text[1] != '/' && text[1] != '*'))
        return 0;
    if (text[1] == '/')
        return strcspn(text, "\n");
    const char *end = strstr(text + 2, "*/");
    return end ? (size_t)(end - text) + 2 : strlen(text);
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

static void expand(struct buf *out, struct saved *saved, const char *text, int depth);

static void expand_word(struct buf *out, struct saved *saved, const char *text,
                        int depth)
{
    buf_addch(out, '(');
    expand(out, saved, text, depth);
    while (out->len && isspace((unsigned char)out->data[out->len - 1]))
        out->len--;
    buf_addch(out, ')');
}

/* A comment is a blank: in the text of a word it would hide what follows the word. */
static void expand(struct buf *out, struct saved *saved, const char *text, int depth)
{
    for (size_t at = 0; text[at];) {
        size_t len = 1, comment = comment_len(text + at);
        const char *inner = NULL;
        if (text[at] == '"') {
            len = literal_len(text + at);
        } else if (is_word(text[at])) {
            while (is_word(text[at + len]))
                len++;
            inner = depth < DEPTH_MAX ? saved_word(saved, text, at, len) : NULL;
        }
        if (comment)
            buf_addch(out, ' ');
        else if (inner)
            expand_word(out, saved, inner, depth + 1);
        else
            buf_add(out, text + at, len);
        at += comment ? comment : len;
    }
}

void expand_statement(struct buf *out, struct saved *saved, const char *text)
{
    expand(out, saved, text, 0);
}
