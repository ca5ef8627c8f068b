/* Any bytes: what is parsed is written as JSON that reads back as the same document. */
#include <stdlib.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/text.h"
#include "kfl/doc.h"

#define ARENA_LIMIT ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_again(const struct doc_value *value, const struct buf *json)
{
    struct arena arena = {0};
    struct doc_value again;
    check(text_is_utf8(json->data, json->len));
    check(doc_parse(&again, &arena, json->data, json->len, NULL) == 0);
    check(doc_equal(value, &again) && doc_equal(&again, value));
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.limit = ARENA_LIMIT};
    struct buf compact = {0}, pretty = {0};
    struct doc_value value;
    struct err err = {0};
    if (doc_parse(&value, &arena, (const char *)data, size, &err) < 0) {
        check(err.code < 0 && err.line > 0 && err.col > 0 && err.msg[0]);
    } else {
        check(doc_write(&compact, &value) == 0);
        check_again(&value, &compact);
        check(doc_write_pretty(&pretty, &value) == 0);
        check_again(&value, &pretty);
    }
    buf_fini(&pretty);
    buf_fini(&compact);
    arena_fini(&arena);
    return 0;
}
