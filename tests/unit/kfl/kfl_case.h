/* What the tests of the language share: a statement over a JSON text. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/doc.h"
#include "kfl/kfl.h"

/* 2023-12-19T20:44:30.360Z, what now() is in tests. */
#define CASE_NOW INT64_C(1703018670360)

/* The statement from a block of exactly its size, so that a sanitizer sees reads behind
 * it. */
static inline int case_compile(struct kfl **out, const char *text,
                               const struct kfl_env *env, struct err *err)
{
    static const struct kfl_env usual = {.now_ms = CASE_NOW};
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    int rc = kfl_compile(out, copy, len, env ? env : &usual, err);
    free(copy);
    return rc;
}

static inline struct kfl *case_kfl(const char *text)
{
    struct kfl *kfl;
    struct err err = {0};
    if (case_compile(&kfl, text, NULL, &err) < 0)
        fail_msg("%s: refused: %d:%d: %s", text, err.line, err.col, err.msg);
    return kfl;
}

/* The answer (1, 0 or an errno); the document as it is emitted is appended to `out` if
 * not NULL. */
static inline int case_match(struct buf *out, const char *text, const char *json,
                             const char *record, struct err *err)
{
    struct arena arena = {0};
    struct doc_value doc;
    const struct doc_value *emit = NULL;
    struct kfl *kfl = case_kfl(text);
    struct kfl_run *run = kfl_run_new();
    if (doc_parse(&doc, &arena, json, strlen(json), err) < 0)
        fail_msg("%s: %s", json, err->msg);
    int rc = kfl_match(run, kfl, &doc, record, &emit, err);
    if (out) {
        assert_int_equal(doc_write(out, emit), 0);
        assert_int_equal(emit == &doc, strcmp(out->data, json) == 0);
    }
    kfl_run_free(run);
    kfl_unref(kfl);
    arena_fini(&arena);
    return rc;
}
