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

/* A text inside of a value: decoded, if it is base64. */
struct body {
    const struct doc_value *value;
    const char *text;
    size_t len;
    bool xml, base64;
};

static int write_back(struct redaction *outer, const struct body *body, struct buf *buf)
{
    struct arena *arena = &outer->run->arena;
    struct buf encoded = {.limit = RUN_TEXT};
    if (body->base64)
        text_base64(&encoded, buf->data, buf->len);
    const struct buf *from = body->base64 ? &encoded : buf;
    char *text =
        buf->full || from->full ? NULL : arena_dup(arena, from->data, from->len);
    int rc = text ? set_text(outer, body->value, text, from->len) : no_room(outer->run);
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

static int parse(struct doc_value *tree, struct redaction *redaction,
                 const struct body *body)
{
    struct arena *arena = &redaction->run->arena;
    if (body->xml)
        return xml_parse(tree, arena, body->text, body->len, redaction->marks);
    int rc = doc_parse(tree, arena, body->text, body->len, NULL);
    if (rc == 0 && !json_mark(redaction->marks, tree, body->text, body->len))
        redaction->marks = NULL; /* it will be written anew */
    return rc;
}

/* 0: it is no such text; 1: it was, edited or not. */
static int redact_text(struct redaction *outer, const struct body *body)
{
    struct marks marks = {.arena = &outer->run->arena};
    struct redaction redaction = {.run = outer->run, .marks = &marks};
    struct doc_value tree;
    int rc = parse(&tree, &redaction, body);
    if (rc == -EINVAL)
        return 0;
    if (marks.arena->failed)
        return no_room(outer->run);
    if (rc < 0) /* too deep to be looked into: nothing of it is shown */
        return set_text(outer, body->value, mask, sizeof(mask) - 1);
    marks_finish(&marks);
    rc = redact_below(&redaction, &tree, outer->inner + 1, outer->inner_count - 1);
    if (rc < 0 || !redaction.changed)
        return rc;
    struct buf buf = {.limit = RUN_TEXT};
    if (redaction.marks)
        marks_apply(&buf, &marks, body->text, body->len,
                    body->xml ? put_xml : put_json);
    else
        doc_write(&buf, &tree);
    rc = write_back(outer, body, &buf);
    buf_fini(&buf);
    return rc;
}

/* ---- walking ---- */

static int redact_inside(struct redaction *redaction, const struct doc_value *value)
{
    bool xml = redaction->inner->kind == STEP_XML;
    if (value->type != DOC_STRING)
        return xml ? 1
                   : redact_below(redaction, value, redaction->inner + 1,
                                  redaction->inner_count - 1);
    struct body body = {
        .value = value, .text = value->text, .len = value->len, .xml = xml};
    int rc = 0;
    if (!xml || decode_is_xml(value->text, value->len))
        rc = redact_text(redaction, &body);
    if (rc)
        return rc;
    struct arena *arena = &redaction->run->arena;
    body.base64 = true;
    body.text = decode_base64(&body.len, arena, value);
    if (body.text)
        body.text = text_utf8(arena, body.text, &body.len);
    if (body.text)
        return redact_text(redaction, &body);
    return arena->failed ? no_room(redaction->run) : 1;
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
