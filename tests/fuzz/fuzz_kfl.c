/* Any text as a statement: the shape agrees with the compiler, what compiles runs and
 * can be explained, and what is skipped does not match. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/doc.h"
#include "kfl/kfl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char document[] =
    "{\"id\":\"1-0\",\"protocol\":{\"abbr\":\"HTTP\"},\"tls\":false,\"timestamp\":"
    "1703018670360,"
    "\"request\":{\"path\":\"/-/"
    "ready\",\"headers\":{\"A-B\":\"x\"},\"list\":[1,[2,\"3\"],null]},"
    "\"response\":{\"status\":500,\"body\":\"{\\\"a\\\":{\\\"b\\\":[1,2.5]}}\","
    "\"xml\":\"<o k='v'><i>1</i><i/>t</o>\",\"text\":\"eyJhIjoxfQ==\"},\"error\":null}";

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_run(const struct kfl *kfl, const struct doc_value *doc)
{
    static const struct kfl_facts facts = {
        .record = "", .abbr = "HTTP", .from_ms = 1703018670360, .to_ms = 1703018670360};
    struct kfl_run *run = kfl_run_new();
    const struct doc_value *emit = NULL;
    struct err err = {0};
    int rc = kfl_match(run, kfl, doc, "", &emit, &err);
    check(rc >= 0 || (rc == -ELOOP && err.msg[0]) || (rc == -E2BIG && err.msg[0]));
    check(rc != 1 || kfl_may_match(kfl, &facts));
    check(rc < 0 || kfl_redacts(kfl) || emit == doc);
    check(kfl_match(run, kfl, doc, "", &emit, &err) == rc);
    kfl_run_free(run);
}

static void check_good(const struct kfl *kfl, const char *text, size_t len)
{
    struct buf out = {0}, path = {0};
    struct arena arena = {0};
    struct err err = {0};
    struct doc_value doc;
    check(doc_parse(&doc, &arena, document, sizeof(document) - 1, NULL) == 0);
    check_run(kfl, &doc);
    kfl_explain(&out, kfl);
    kfl_uses(kfl, "response.body");
    if (kfl_path(&path, text, len, &err) == 0)
        check(kfl_shape(path.data, path.len) == KFL_COMPLETE);
    buf_fini(&path);
    buf_fini(&out);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kfl_env env = {.now_ms = 1703018670360, .strict = size && data[0] == '!'};
    struct err err = {0};
    struct buf out = {0};
    struct kfl *kfl;
    const char *text = (const char *)data;
    int rc = kfl_compile(&kfl, text, size, &env, &err);
    enum kfl_shape shape = kfl_shape(text, size);
    if (rc < 0) {
        check(rc == err.code && err.msg[0] && err.line > 0 && err.col > 0);
        kfl_show_error(&out, text, size, &err);
        check(out.data[out.len - 1] == '\n');
    } else {
        check(shape == KFL_COMPLETE);
        check_good(kfl, text, size);
    }
    buf_fini(&out);
    kfl_unref(kfl);
    return 0;
}
