/* Drives one dissection by hand and keeps its entries. */
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

static inline void case_open(struct dissect_case *c, enum stream_kind kind,
                             uint16_t port)
{
    *c = (struct dissect_case){.at = CASE_START};
    c->env = (struct dissect_env){.emit = case_emit,
                                  .context = c,
                                  .node_ip = "10.0.0.9",
                                  .node_name = "n1",
                                  .wants = WANT_ALL,
                                  .body_limit = 1 << 20,
                                  .memory_limit = 16 << 20,
                                  .counters = &c->counters};
    c->stream = (struct stream){
        .number = 17,
        .kind = kind,
        .ends = {{{{10, 0, 0, 1}, 4}, 40312}, {{{10, 0, 0, 2}, 4}, port}},
        .iface = "eth0"};
    c->dissection = dissection_new(&c->env, &c->stream);
}

static inline void case_close(struct dissect_case *c)
{
    dissection_free(c->dissection);
    for (size_t i = 0; i < c->count; i++)
        buf_fini(&c->json[i]);
    arena_fini(&c->arena);
}

static inline void case_bytes(struct dissect_case *c, enum direction dir,
                              const void *bytes, size_t len)
{
    /* A copy of its own size, so that a read past its end is seen. */
    uint8_t *copy = malloc(len);
    memcpy(copy, bytes, len);
    dissection_data(c->dissection, dir, copy, len, c->at);
    free(copy);
    c->at += NS_PER_MS;
}

static inline void case_text(struct dissect_case *c, enum direction dir,
                             const char *text)
{
    case_bytes(c, dir, text, strlen(text));
}

static inline void case_request(struct dissect_case *c, const char *text)
{
    case_text(c, DIR_FORWARD, text);
}

static inline void case_response(struct dissect_case *c, const char *text)
{
    case_text(c, DIR_REVERSE, text);
}

static inline void case_end(struct dissect_case *c, enum stream_end why)
{
    dissection_end(c->dissection, DIR_FORWARD, why, c->at);
    if (why == END_FIN)
        dissection_end(c->dissection, DIR_REVERSE, why, c->at);
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
