/* Where the values of a JSON or XML text are in it, so that some can be replaced and
 * all else stays as it was written. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct doc_value;

struct mark {
    const struct doc_value *value;
    size_t from, to; /* what an edit of the value replaces */
    const char
        *name; /* of an element written <name/>, that an edit must open; else NULL */
    bool rest; /* more of a text that is in pieces: an edit takes it away */
    bool edited;
    const char *text; /* what it becomes */
    size_t text_len;
};

/* Zero-initialised but for the arena is valid. */
struct marks {
    struct arena *arena;
    struct mark *items;
    uint32_t count, cap;
};

/* NULL where the arena is full. */
struct mark *marks_add(struct marks *marks, const struct doc_value *value, size_t from,
                       size_t to);
/* After the last was added: sorts by value, so that they can be edited. */
void marks_finish(struct marks *marks);
/* Every piece of the value becomes `text`, which must outlive the marks. */
void marks_edit(struct marks *marks, const struct doc_value *value, const char *text,
                size_t len);
/* The whole text with its edits; `put` writes one of them. Ends the marks' use. */
void marks_apply(struct buf *out, struct marks *marks, const char *text, size_t len,
                 void (*put)(struct buf *out, const struct mark *mark));

/* Marks the values of a JSON text that doc_parse() has read into `tree`; false where
 * they cannot be told apart, as a name is repeated. */
bool json_mark(struct marks *marks, const struct doc_value *tree, const char *text,
               size_t len);
