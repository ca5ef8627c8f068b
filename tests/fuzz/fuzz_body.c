/* Any bytes as a body that a statement decodes and redacts: what is left can still be
 * read, and what was redacted cannot be found in it. */
#include <stdlib.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/text.h"
#include "kfl/doc.h"
#include "kfl/kfl.h"

#define ARENA_LIMIT ((size_t)1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static struct kfl *compile(const char *text)
{
    struct kfl_env env = {0};
    struct kfl *kfl;
    check(kfl_compile(&kfl, text, strlen(text), &env, NULL) == 0);
    return kfl;
}

/* 1, 0 or an error, as kfl_match(). */
static int match(const char *text, const struct doc_value *doc, struct buf *out)
{
    struct kfl *kfl = compile(text);
    struct kfl_run *run = kfl_run_new();
    const struct doc_value *emit;
    struct err err = {0};
    int rc = kfl_match(run, kfl, doc, NULL, &emit, &err);
    check(rc >= 0 || err.msg[0]);
    if (rc >= 0 && out)
        check(doc_write(out, emit) == 0);
    kfl_run_free(run);
    kfl_unref(kfl);
    return rc;
}

/* After `redact`, what `find` looks for is masked everywhere. */
static void check_redacted(const char *redact, const char *find,
                           const struct doc_value *doc)
{
    struct buf out = {0};
    struct arena arena = {.limit = ARENA_LIMIT};
    struct doc_value again;
    if (match(redact, doc, &out) == 1) {
        check(doc_parse(&again, &arena, out.data, out.len, NULL) == 0);
        check(match(find, &again, NULL) <= 0);
    }
    arena_fini(&arena);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.limit = ARENA_LIMIT};
    struct doc_value doc;
    struct buf encoded = {0};
    bool base64 = size && data[0] == '@';
    if (base64)
        check(text_base64(&encoded, data + 1, size - 1) == 0);
    doc_make_object(&doc);
    doc_put_text(&arena, &doc, "b", base64 ? encoded.data : (const char *)data,
                 base64 ? encoded.len : size);
    match("b.json().a[0].b == 1 or (b.xml().a[1].b == 1) or b.json()..c", &doc, NULL);
    check_redacted("redact(\"b.json().a\")", "b.json().a != \"[REDACTED]\"", &doc);
    check_redacted("redact(\"b.json().a[1]\")", "b.json().a[1] != \"[REDACTED]\"",
                   &doc);
    check_redacted("redact(\"b.json()..c\")", "b.json()..c != \"[REDACTED]\"", &doc);
    check_redacted("redact(\"b.xml().a\")", "b.xml().a != \"[REDACTED]\"", &doc);
    check_redacted("redact(\"b.xml().a.b\")",
                   "!(b.xml().a.b == \"[REDACTED]\") and b.xml().a.b != \"\"", &doc);
    check_redacted(
        "redact(\"b.xml()..c\", \"b.xml()..['-c']\", \"b.xml()..['#text']\")",
        "b.xml()..[\"-c\"] != \"[REDACTED]\"", &doc);
    buf_fini(&encoded);
    arena_fini(&arena);
    return 0;
}
