#include "kfl/redact.h"

#include <errno.h>
#include <string.h>

#include "kfl/ast.h"
#include "kfl/base/err.h"
#include "kfl/base/text.h"
#include "kfl/decode.h"
#include "kfl/mark.h"
#include "kfl/run.h"
#include "kfl/xml.h"

static const char mask[] = "[REDACTED]";

/* Edits inside one tree: the document's copy, or what is in one JSON or XML text. */
struct redaction {
    struct kfl_run *run;
    const struct step *inner; /* the first that decodes, and what follows */
    uint32_t inner_count;
    struct marks *marks; /* where the tree's values are in its text, or NULL */
    bool changed;
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
    if (redaction->marks)
        marks_edit(redaction->marks, value, text, len);
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

/* ---- texts of either kind ---- */

static void put_json(struct buf *out, const struct mark *mark)
{
    text_json(out, mark->text, mark->text_len);
}

static void put_escaped(struct buf *out, char c)
{
    switch (c) {
    case '<':
        buf_addstr(out, "&lt;");
        break;
    case '&':
        buf_addstr(out, "&amp;");
        break;
    case '"':
        buf_addstr(out, "&quot;");
        break;
    case '\'':
        buf_addstr(out, "&apos;");
        break;
    default:
        buf_addch(out, c);
    }
}

static void put_xml(struct buf *out, const struct mark *mark)
{
    if (mark->rest)
        return;
    if (mark->name)
        buf_addch(out, '>');
    for (size_t i = 0; i < mark->text_len; i++)
        put_escaped(out, mark->text[i]);
    if (mark->name)
        buf_addf(out, "</%s>", mark->name);
}

static int parse(struct doc_value *tree, struct redaction *redaction, const char *text,
                 size_t len, bool xml)
{
    struct arena *arena = &redaction->run->arena;
    int rc = xml ? xml_parse(tree, arena, text, len, redaction->marks)
                 : doc_parse(tree, arena, text, len, NULL);
    if (rc == 0 && !xml && !json_mark(redaction->marks, tree, text, len))
        redaction->marks = NULL;
    if (rc == 0 && redaction->marks)
        marks_finish(redaction->marks);
    return rc;
}

/* What cannot be edited in its place is written anew. */
static int write_edited(struct redaction *outer, struct redaction *redaction,
                        const struct doc_value *value, const struct doc_value *tree,
                        const char *text, size_t len, bool xml, bool base64)
{
    struct buf buf = {.limit = RUN_TEXT};
    if (redaction->marks)
        marks_apply(&buf, redaction->marks, text, len, xml ? put_xml : put_json);
    else
        doc_write(&buf, tree);
    int rc = write_back(outer, value, &buf, base64);
    buf_fini(&buf);
    return rc;
}

/* 0: it is no such text; 1: it was, edited or not. */
static int redact_text(struct redaction *outer, const struct doc_value *value,
                       const char *text, size_t len, bool base64)
{
    struct marks marks = {.arena = &outer->run->arena};
    struct redaction redaction = {.run = outer->run, .marks = &marks};
    struct doc_value tree;
    bool xml = outer->inner->kind == STEP_XML;
    int rc = parse(&tree, &redaction, text, len, xml);
    if (rc == -EINVAL)
        return 0;
    if (rc < 0 || marks.arena->failed)
        return no_room(outer->run);
    rc = redact_below(&redaction, &tree, outer->inner + 1, outer->inner_count - 1);
    if (rc < 0 || !redaction.changed)
        return rc;
    return write_edited(outer, &redaction, value, &tree, text, len, xml, base64);
}

/* ---- walking ---- */

static int redact_inside(struct redaction *redaction, const struct doc_value *value)
{
    bool xml = redaction->inner->kind == STEP_XML;
    if (value->type != DOC_STRING)
        return xml ? 1
                   : redact_below(redaction, value, redaction->inner + 1,
                                  redaction->inner_count - 1);
    int rc = 0;
    if (!xml || decode_is_xml(value->text, value->len))
        rc = redact_text(redaction, value, value->text, value->len, false);
    if (rc)
        return rc;
    size_t len;
    const char *bytes = decode_base64(&len, &redaction->run->arena, value);
    if (bytes)
        bytes = text_utf8(&redaction->run->arena, bytes, &len);
    if (bytes)
        return redact_text(redaction, value, bytes, len, true);
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
