/* YAML as far as a spec goes: one mapping of names to scalars, with the place of each.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct err;

/* A place in the text: line and column from 1, columns in characters. */
struct place {
    int line, col;
};

/* One `key: value`. The strings live until the next call. */
struct yaml_pair {
    const char *key, *value; /* value NULL: none (empty, ~, null) */
    size_t value_len;
    struct place key_at, value_at;
    char cut; /* the '#', ':' or flow character that ends an unquoted value, or NUL */
    struct place cut_at;
};

struct yaml_reader;

/* `verbatim` is a key whose value may begin with what YAML would take for a tag, an
 * alias or an anchor ("!error"). Text and key must outlive the reader. */
struct yaml_reader *yaml_open(const char *text, size_t len, const char *verbatim);
void yaml_close(struct yaml_reader *reader);
/* 1 a pair; 0 the end; -EINVAL with a place in *err; -ENOTSUP the document is a lone
 * scalar. */
int yaml_next(struct yaml_reader *reader, struct yaml_pair *pair, struct err *err);
/* Was there a mapping, be it an empty one in braces? */
bool yaml_found(const struct yaml_reader *reader);
/* The place in the text of a place in the last pair's value. */
struct place yaml_locate(const struct yaml_reader *reader, struct place in_value);
/* The place of a byte of a text. */
struct place place_of(const char *text, size_t byte);
/* Back: the byte of a place, at most `len`. */
size_t place_byte(const char *text, size_t len, struct place place);
