/* The entries of one dissection that a test drives by hand. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/entry.h"
#include "capture/names.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/doc.h"

#define ENTRIES_MAX 64
#define CASE_START  (INT64_C(1700000000) * NS_PER_S)

struct dissect_case {
    struct dissect_env env;
    struct dissect_counters counters;
    struct stream stream;
    struct dissection *dissection;
    int64_t at;         /* of the next bytes; a millisecond more each time */
    struct arena arena; /* of the documents, as read back from their JSON */
    struct buf json[ENTRIES_MAX];
    struct doc_value docs[ENTRIES_MAX];
    int64_t done_at[ENTRIES_MAX];
    size_t count;
};

static inline void case_emit(void *context, const struct entry *entry)
{
    struct dissect_case *c = context;
    assert_true(c->count < ENTRIES_MAX);
    struct buf *json = &c->json[c->count];
    assert_int_equal(doc_write(json, &entry->doc), 0);
    assert_int_equal(
        doc_parse(&c->docs[c->count], &c->arena, json->data, json->len, NULL), 0);
    c->done_at[c->count] = entry->done_at;
    c->count++;
}

/* The value at a path of entry i, as JSON. */
static inline const char *case_at(struct dissect_case *c, size_t i, const char *path)
{
    assert_true(i < c->count);
    const struct doc_value *value = doc_at(&c->docs[i], path);
    struct buf out = {0};
    if (!value)
        return "missing";
    doc_write(&out, value);
    const char *text = arena_dup(&c->arena, out.data, out.len);
    buf_fini(&out);
    return text;
}

#define assert_at(c, i, path, json) assert_string_equal(case_at(c, i, path), json)
