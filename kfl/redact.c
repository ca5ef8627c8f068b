#include "kfl/redact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/ast.h"
#include "kfl/base/err.h"
#include "kfl/base/text.h"
#include "kfl/decode.h"
#include "kfl/run.h"
#include "kfl/xml.h"

static const char mask[] = "[REDACTED]";

/* Edits inside one tree: the document's copy, or what is in one JSON or XML text. */
struct redaction {
    struct kfl_run *run;
    const struct step *inner; /* the first that decodes, and what follows */
    uint32_t inner_count;
    struct xml_mark *marks; /* of XML: where values are, */
    struct edit *edits;     /* and what becomes of them */
    bool changed;
};

struct edit {
    struct edit *next;
    const struct xml_mark *mark;
    const char *text;
    size_t len;
};

static int no_room(const struct kfl_run *run)
{
    return err_set(run->err, -E2BIG, "redact() of a document that is too large");
}

static int redact_below(struct redaction *redaction, const struct doc_value *root,
                        const struct step *steps, uint32_t count);

/* The trees that are edited are copies of our own. */
static int set_text(struct redaction *redaction, const struct doc_value *value,
                    const char *text, size_t len)
{
    struct arena *arena = &redaction->run->arena;
    for (const struct xml_mark *mark = redaction->marks; mark; mark = mark->next) {
        if (mark->value != value)
            continue;
        struct edit *edit = arena_alloc(arena, sizeof(*edit));
        if (!edit)
            return no_room(redaction->run);
        *edit = (struct edit){redaction->edits, mark, text, len};
        redaction->edits = edit;
    }
    *(struct doc_value *)(uintptr_t)value =
        (struct doc_value){.type = DOC_STRING, .len = (uint32_t)len, .text = text};
    redaction->changed = true;
    return 1;
}

static int write_back(struct redaction *outer, const struct doc_value *value,
                      struct buf *buf, bool base64)
{
    struct arena *arena = &outer->run->arena;
    struct buf encoded = {.limit = RUN_TEXT};
    if (base64)
        text_base64(&encoded, buf->data, buf->len);
    const struct buf *from = base64 ? &encoded : buf;
    char *text =
        buf->full || from->full ? NULL : arena_dup(arena, from->data, from->len);
    int rc = text ? set_text(outer, value, text, from->len) : no_room(outer->run);
    buf_fini(&encoded);
    return rc;
}

/* ---- JSON ---- */

static int redact_json(struct redaction *outer, const struct doc_value *value,
                       const char *text, size_t len, bool base64)
{
    struct redaction redaction = {.run = outer->run};
    struct arena *arena = &outer->run->arena;
    struct err ignored;
    struct doc_value tree;
    int rc = doc_parse(&tree, arena, text, len, &ignored);
    if (rc == -EINVAL)
        return 0;
    if (rc < 0)
        return no_room(outer->run);
    rc = redact_below(&redaction, &tree, outer->inner + 1, outer->inner_count - 1);
    if (rc < 0 || !redaction.changed)
        return rc;
    struct buf buf = {.limit = RUN_TEXT};
    rc = doc_write(&buf, &tree) < 0 ? no_room(outer->run)
                                    : write_back(outer, value, &buf, base64);
    buf_fini(&buf);
    return rc < 0 ? rc : 1;
}

/* ---- XML ---- */

static int by_place(const void *a, const void *b)
{
    const struct xml_mark *left = (*(struct edit *const *)a)->mark;
    const struct xml_mark *right = (*(struct edit *const *)b)->mark;
    if (left->from != right->from)
        return left->from < right->from ? -1 : 1;
    return (left->to < right->to) - (left->to > right->to); /* the wider first */
}

static void add_escaped(struct buf *buf, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case '<':
            buf_addstr(buf, "&lt;");
            break;
        case '&':
            buf_addstr(buf, "&amp;");
            break;
        case '"':
            buf_addstr(buf, "&quot;");
            break;
        case '\'':
            buf_addstr(buf, "&apos;");
            break;
        default:
            buf_addch(buf, text[i]);
        }
    }
}

static void add_edit(struct buf *buf, const struct edit *edit)
{
    if (edit->mark->rest)
        return;
    if (edit->mark->name)
        buf_addch(buf, '>');
    add_escaped(buf, edit->text, edit->len);
    if (edit->mark->name)
        buf_addf(buf, "</%s>", edit->mark->name);
}

/* The text with the edits; those inside of another edit are gone with it. */
static int apply_edits(struct buf *buf, const struct redaction *redaction,
                       const char *text, size_t len)
{
    size_t count = 0, at = 0;
    for (const struct edit *edit = redaction->edits; edit; edit = edit->next)
        count++;
    const struct edit **sorted =
        arena_alloc(&redaction->run->arena, (count + 1) * sizeof(*sorted));
    if (!sorted)
        return no_room(redaction->run);
    count = 0;
    for (const struct edit *edit = redaction->edits; edit; edit = edit->next)
        sorted[count++] = edit;
    qsort(sorted, count, sizeof(*sorted), by_place);
    for (size_t i = 0; i < count; i++) {
        const struct xml_mark *mark = sorted[i]->mark;
        if (mark->from < at || (i && mark->to == sorted[i - 1]->mark->to &&
                                mark->from == sorted[i - 1]->mark->from))
            continue;
        buf_add(buf, text + at, mark->from - at);
        add_edit(buf, sorted[i]);
        at = mark->to;
    }
    buf_add(buf, text + at, len - at);
    return 0;
}

static int redact_xml(struct redaction *outer, const struct doc_value *value,
                      const char *text, size_t len, bool base64)
{
    struct redaction redaction = {.run = outer->run};
    struct doc_value tree;
    int rc = xml_parse(&tree, &outer->run->arena, text, len, &redaction.marks);
    if (rc == -EINVAL)
        return 0;
    if (rc < 0)
        return no_room(outer->run);
    rc = redact_below(&redaction, &tree, outer->inner + 1, outer->inner_count - 1);
    if (rc < 0 || !redaction.changed)
        return rc;
    struct buf buf = {.limit = RUN_TEXT};
    rc = apply_edits(&buf, &redaction, text, len);
    if (rc == 0)
        rc = write_back(outer, value, &buf, base64);
    buf_fini(&buf);
    return rc < 0 ? rc : 1;
}

/* ---- walking ---- */

static int redact_inside(struct redaction *redaction, const struct doc_value *value)
{
    bool xml = redaction->inner->kind == STEP_XML;
    int (*redact)(struct redaction *, const struct doc_value *, const char *, size_t,
                  bool) = xml ? redact_xml : redact_json;
    if (value->type != DOC_STRING)
        return xml ? 1
                   : redact_below(redaction, value, redaction->inner + 1,
                                  redaction->inner_count - 1);
    int rc = 0;
    if (!xml || decode_is_xml(value->text, value->len))
        rc = redact(redaction, value, value->text, value->len, false);
    if (rc)
        return rc;
    size_t len;
    const char *bytes = decode_base64(&len, &redaction->run->arena, value);
    if (bytes)
        bytes = text_utf8(&redaction->run->arena, bytes, &len);
    if (bytes)
        return redact(redaction, value, bytes, len, true);
    return redaction->run->arena.failed ? no_room(redaction->run) : 1;
}

static int on_hit(void *context, const struct doc_value *value)
{
    struct redaction *redaction = context;
    if (redaction->inner_count > 1)
        return redact_inside(redaction, value);
    return set_text(redaction, value, mask, sizeof(mask) - 1);
}

/* Steps up to the first that decodes are walked in this tree. */
static int redact_below(struct redaction *redaction, const struct doc_value *root,
                        const struct step *steps, uint32_t count)
{
    struct redaction level = *redaction;
    uint32_t plain = 0;
    while (plain < count && steps[plain].kind != STEP_JSON &&
           steps[plain].kind != STEP_XML)
        plain++;
    level.inner = steps + plain;
    level.inner_count = count - plain;
    int rc = path_walk(level.run, root, steps, plain, on_hit, &level);
    redaction->changed = level.changed;
    redaction->edits = level.edits;
    return rc < 0 ? rc : 1;
}

static int stop_at_hit(void *context, const struct doc_value *value)
{
    (void)value;
    *(bool *)context = true;
    return 1;
}

static int redact_path(struct kfl_run *run, const struct path *path)
{
    struct redaction redaction = {.run = run};
    bool hit = false;
    uint32_t plain = 0;
    while (plain < path->count && path->steps[plain].kind != STEP_JSON &&
           path->steps[plain].kind != STEP_XML)
        plain++;
    int rc = path_walk(run, run->doc, path->steps, plain, stop_at_hit, &hit);
    if (rc < 0 || !hit)
        return rc;
    const struct doc_value *before = run->doc;
    if (!run->changed)
        run->doc = doc_copy(&run->arena, before);
    if (!run->doc) {
        run->doc = before;
        return no_room(run);
    }
    rc = redact_below(&redaction, run->doc, path->steps, path->count);
    run->changed |= redaction.changed;
    if (!run->changed)
        run->doc = before;
    return rc;
}

int redact_run(struct kfl_run *run, const struct call *call)
{
    int rc = 1;
    for (const struct node *arg = call->args; rc >= 0 && arg; arg = arg->next)
        rc = redact_path(run, arg->path);
    return rc < 0 ? rc : 1;
}
