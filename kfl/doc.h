/* The document a statement runs over: a tree of typed values in an arena. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kfl/base/mem.h"

struct buf;
struct err;

#define DOC_DEPTH_MAX 64

/* clang-format off */
enum doc_type {
    DOC_NULL, DOC_BOOL, DOC_INT, DOC_UINT, DOC_DOUBLE, DOC_STRING, DOC_ARRAY, DOC_OBJECT
};
/* clang-format on */

/* Strings are valid UTF-8, not NUL-terminated, and live in the arena or longer.
 * DOC_UINT is used only for numbers above INT64_MAX. */
struct doc_value {
    uint8_t type; /* enum doc_type */
    uint32_t len; /* string: bytes */
    union {
        bool boolean;
        int64_t integer;
        uint64_t uinteger;
        double real;
        const char *text;
        struct doc_list *list; /* array, object; NULL: empty */
    };
};

/* A member of an object, or an item of an array (name NULL). */
struct doc_member {
    const char *name;
    uint32_t name_len;
    struct doc_value value;
};

struct doc_list {
    uint32_t count, cap;
    struct doc_member members[]; /* in order of insertion; names may not repeat */
};

/* Building. The parent may be NULL and the result is NULL where the arena is full (then
 * arena->failed), so a chain of calls needs no test. Names are not copied and must be
 * new to the object. A result is valid until the next doc_put* or doc_push to the same
 * parent. */
void doc_make_object(struct doc_value *value);
void doc_make_array(struct doc_value *value);
struct doc_value *doc_put(struct arena *arena, struct doc_value *object,
                          const char *name, size_t len);
struct doc_value *doc_push(struct arena *arena, struct doc_value *array);
struct doc_value *doc_put_object(struct arena *arena, struct doc_value *object,
                                 const char *name);
struct doc_value *doc_put_array(struct arena *arena, struct doc_value *object,
                                const char *name);
void doc_put_null(struct arena *arena, struct doc_value *object, const char *name);
void doc_put_bool(struct arena *arena, struct doc_value *object, const char *name,
                  bool boolean);
void doc_put_int(struct arena *arena, struct doc_value *object, const char *name,
                 int64_t integer);
/* Any bytes, made valid UTF-8; copied only if they were not, so they must live on. */
void doc_put_text(struct arena *arena, struct doc_value *object, const char *name,
                  const char *text, size_t len);
void doc_put_str(struct arena *arena, struct doc_value *object, const char *name,
                 const char *text);
void doc_set_text(struct arena *arena, struct doc_value *value, const char *text,
                  size_t len);

/* The member, or NULL (also where `object` is NULL or no object). */
struct doc_value *doc_get(const struct doc_value *object, const char *name);
struct doc_value *doc_find(const struct doc_value *object, const char *name,
                           size_t len);
/* By a path of plain names with dots: "response.status". */
struct doc_value *doc_at(const struct doc_value *root, const char *path);
bool doc_text_is(const struct doc_value *value, const char *text);
/* Deep; 3 and 3.0 are equal, the order of members is nothing. */
bool doc_equal(const struct doc_value *a, const struct doc_value *b);
/* A copy that shares strings only; NULL where the arena is full. */
struct doc_value *doc_copy(struct arena *arena, const struct doc_value *value);

/* JSON (RFC 8259) to a value. Strings without escapes point into `text`, which must
 * outlive the value. A repeated name replaces the earlier. 0, -EINVAL with the position
 * in *err, -E2BIG past DOC_DEPTH_MAX or the arena's limit. */
int doc_parse(struct doc_value *out, struct arena *arena, const char *text, size_t len,
              struct err *err);
/* Compact JSON, doubles as the shortest decimal that reads back; 0 or -E2BIG. */
int doc_write(struct buf *out, const struct doc_value *value);
/* For people: two spaces of indent and a newline at the end. */
int doc_write_pretty(struct buf *out, const struct doc_value *value);
