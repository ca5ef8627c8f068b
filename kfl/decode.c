#include "kfl/decode.h"

#include <errno.h>
#include <string.h>

#include "kfl/base/err.h"
#include "kfl/base/text.h"
#include "kfl/run.h"
#include "kfl/xml.h"

const char *decode_base64(size_t *len, struct arena *arena,
                          const struct doc_value *value)
{
    if (value->len < 4 || value->len % 4)
        return NULL;
    char *bytes = arena_alloc(arena, value->len / 4 * 3 + 1);
    if (!bytes)
        return NULL;
    long got = text_unbase64(bytes, value->text, value->len);
    if (got < 0)
        return NULL;
    *len = (size_t)got;
    bytes[got] = 0;
    return bytes;
}

bool decode_is_xml(const char *text, size_t len)
{
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        return true;
    while (len && strchr(" \t\r\n", *text) && *text)
        text++, len--;
    return len && *text == '<';
}

static int parse_one(struct doc_value *out, struct kfl_run *run, const char *text,
                     size_t len, bool xml)
{
    struct err ignored;
    int rc = xml ? xml_parse(out, &run->arena, text, len, NULL)
                 : doc_parse(out, &run->arena, text, len, &ignored);
    /* One that is nested too deep is none: a query is not to end at what somebody sent.
     */
    if (rc == -EINVAL || (rc < 0 && !run->arena.failed))
        return 0;
    if (rc < 0)
        return err_set(run->err, -E2BIG, "%s() of a text of %zu bytes: too large",
                       xml ? "xml" : "json", len);
    return 1;
}

/* Plain text first: no JSON or XML text is base64 of another. */
static int parse_text(struct doc_value *out, struct kfl_run *run,
                      const struct doc_value *value, bool xml)
{
    int rc = 0;
    size_t len;
    if (!xml || decode_is_xml(value->text, value->len))
        rc = parse_one(out, run, value->text, value->len, xml);
    if (rc)
        return rc;
    const char *bytes = decode_base64(&len, &run->arena, value);
    if (!bytes && run->arena.failed)
        return err_set(run->err, -E2BIG, "a text of %u bytes is too large to decode",
                       value->len);
    if (!bytes)
        return 0;
    bytes = text_utf8(&run->arena, bytes, &len);
    return bytes ? parse_one(out, run, bytes, len, xml) : 0;
}

int decode_value(const struct doc_value **out, struct kfl_run *run,
                 const struct doc_value *value, bool xml)
{
    if (value->type != DOC_STRING) {
        *out = value; /* its text is its own JSON */
        return !xml;
    }
    for (uint32_t i = 0; i < run->decoded_count && i < RUN_DECODED; i++) {
        const struct decoded *known = &run->decoded[i];
        if (known->text == value->text && known->len == value->len &&
            known->xml == xml) {
            *out = known->value;
            return known->value != NULL;
        }
    }
    struct doc_value *tree = arena_alloc(&run->arena, sizeof(*tree));
    int rc = tree ? parse_text(tree, run, value, xml)
                  : err_set(run->err, -E2BIG, "no room left to decode a text");
    if (rc < 0)
        return rc;
    run->decoded[run->decoded_count++ % RUN_DECODED] = (struct decoded){
        .text = value->text, .len = value->len, .xml = xml, .value = rc ? tree : NULL};
    *out = tree;
    return rc;
}
