#include "kfl/path.h"

#include <errno.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/base/text.h"
#include "kfl/decode.h"
#include "kfl/lex.h"
#include "kfl/run.h"

static bool step_is(const struct step *step, const char *name)
{
    return step->kind == STEP_NAME && step->name_len == strlen(name) &&
           !memcmp(step->name, name, step->name_len);
}

struct path *path_new(struct arena *arena, const struct step *steps, uint32_t count)
{
    struct path *path = arena_zalloc(arena, sizeof(*path));
    struct step *copy = arena_alloc(arena, (count + 1) * sizeof(*copy));
    if (count)
        memcpy(copy, steps, count * sizeof(*copy));
    path->steps = copy;
    path->count = count;
    bool in_xml = false;
    for (uint32_t i = 0; i < count; i++) {
        in_xml = copy[i].kind == STEP_XML || (in_xml && copy[i].kind != STEP_JSON);
        copy[i].in_xml = in_xml;
        path->many |= copy[i].kind == STEP_ALL || copy[i].kind == STEP_DESCEND;
        path->xml |= copy[i].kind == STEP_XML;
        path->decodes |= copy[i].kind == STEP_XML || copy[i].kind == STEP_JSON;
    }
    path->record = count && step_is(&copy[0], "record");
    return path;
}

bool path_is(const struct path *path, const char *first, const char *second)
{
    if (path->count != (second ? 2 : 1) || !step_is(&path->steps[0], first))
        return false;
    return !second || step_is(&path->steps[1], second);
}

static void write_step(struct buf *out, const struct step *step, bool first,
                       bool after_dots)
{
    switch ((enum step_kind)step->kind) {
    case STEP_NAME:
        if (!lex_is_word(step->name, step->name_len)) {
            buf_addch(out, '[');
            text_json(out, step->name, step->name_len);
            buf_addch(out, ']');
        } else {
            buf_addf(out, "%s%.*s", first || after_dots ? "" : ".", (int)step->name_len,
                     step->name);
        }
        break;
    case STEP_INDEX:
        buf_addf(out, "[%lld]", (long long)step->index);
        break;
    case STEP_ALL:
        buf_addstr(out, after_dots ? "*" : ".*");
        break;
    case STEP_DESCEND:
        buf_addstr(out, "..");
        break;
    case STEP_JSON:
        buf_addstr(out, first ? "json()" : ".json()");
        break;
    case STEP_XML:
        buf_addstr(out, first ? "xml()" : ".xml()");
        break;
    }
}

void path_write(struct buf *out, const struct path *path)
{
    for (uint32_t i = 0; i < path->count; i++)
        write_step(out, &path->steps[i], i == 0,
                   i && path->steps[i - 1].kind == STEP_DESCEND);
}

bool path_meets(const struct path *path, const char *dotted)
{
    for (uint32_t i = 0; i < path->count && *dotted; i++) {
        const struct step *step = &path->steps[i];
        size_t len = strcspn(dotted, ".");
        if (step->kind == STEP_DESCEND || step->kind == STEP_JSON ||
            step->kind == STEP_XML)
            return true;
        if (step->kind == STEP_NAME &&
            (step->name_len != len || memcmp(step->name, dotted, len) != 0))
            return false;
        dotted += len + (dotted[len] == '.');
    }
    return true;
}

static const struct doc_value *
find_member(struct kfl_run *run, const struct doc_list *list, const struct step *step)
{
    uint32_t *guess = &run->guess[((uintptr_t)step / sizeof(*step)) % RUN_GUESSES];
    const struct doc_member *members = list->members;
    uint32_t len = step->name_len;
    if (*guess < list->count && members[*guess].name_len == len &&
        !memcmp(members[*guess].name, step->name, len))
        return &members[*guess].value;
    for (uint32_t i = 0; i < list->count; i++) {
        if (members[i].name_len == len && !memcmp(members[i].name, step->name, len)) {
            *guess = i;
            return &members[i].value;
        }
    }
    return NULL;
}

static const struct doc_value *find_item(const struct doc_list *list, int64_t index)
{
    if (index < 0)
        index += list->count;
    return index >= 0 && index < list->count ? &list->members[index].value : NULL;
}

static const struct doc_list *children(const struct doc_value *value)
{
    return value->type == DOC_OBJECT || value->type == DOC_ARRAY ? value->list : NULL;
}

/* One value for one step of those that have one: 1, 0 or an error. */
static int step_once(const struct doc_value **value, struct kfl_run *run,
                     const struct step *step)
{
    const struct doc_list *list = children(*value);
    const struct doc_value *next = NULL;
    if (step->kind == STEP_NAME && list && (*value)->type == DOC_OBJECT)
        next = find_member(run, list, step);
    else if (step->kind == STEP_INDEX && list && (*value)->type == DOC_ARRAY)
        next = find_item(list, step->index);
    else if (step->kind == STEP_INDEX && step->in_xml && (*value)->type != DOC_ARRAY)
        next = step->index == 0 || step->index == -1 ? *value : NULL;
    else if (step->kind == STEP_JSON || step->kind == STEP_XML)
        return decode_value(value, run, *value, step->kind == STEP_XML);
    if (!next)
        return 0;
    *value = next;
    return 1;
}

int path_walk(struct kfl_run *run, const struct doc_value *value,
              const struct step *steps, uint32_t count,
              int (*hit)(void *context, const struct doc_value *value), void *context)
{
    int rc = 1;
    for (; count && steps->kind != STEP_ALL && steps->kind != STEP_DESCEND;
         steps++, count--) {
        rc = step_once(&value, run, steps);
        if (rc <= 0)
            return rc;
    }
    if (++run->visits > RUN_VISITS)
        return err_set(run->err, -E2BIG, "a selector looks at more than %d values",
                       RUN_VISITS);
    if (!count)
        return hit(context, value);
    bool descend = steps->kind == STEP_DESCEND;
    const struct doc_list *list = children(value);
    if (descend)
        rc = path_walk(run, value, steps + 1, count - 1, hit, context);
    for (uint32_t i = 0; rc >= 0 && list && i < list->count; i++)
        rc = path_walk(run, &list->members[i].value, descend ? steps : steps + 1,
                       descend ? count : count - 1, hit, context);
    return rc;
}

/* An element with attributes or children beside its text stands for the text. */
static const struct doc_value *xml_text(const struct doc_value *value)
{
    const struct doc_value *text =
        value->type == DOC_OBJECT ? doc_get(value, "#text") : NULL;
    return text ? text : value;
}

struct hits {
    struct kfl_run *run;
    const struct doc_value *first;
    struct doc_value *all; /* from the second on */
    bool xml;
};

static int push(struct hits *hits, const struct doc_value *value)
{
    struct doc_value *item = doc_push(&hits->run->arena, hits->all);
    if (!item)
        return err_set(hits->run->err, -E2BIG, "a selector has too many hits");
    *item = *value;
    return 1;
}

static int add_hit(void *context, const struct doc_value *value)
{
    struct hits *hits = context;
    int rc = 1;
    if (hits->xml)
        value = xml_text(value);
    if (!hits->first) {
        hits->first = value;
        return 1;
    }
    if (!hits->all) {
        hits->all = arena_zalloc(&hits->run->arena, sizeof(*hits->all));
        if (!hits->all)
            return err_set(hits->run->err, -E2BIG, "a selector has too many hits");
        doc_make_array(hits->all);
        rc = push(hits, hits->first);
    }
    return rc < 0 ? rc : push(hits, value);
}

static int find_many(const struct doc_value **out, struct kfl_run *run,
                     const struct path *path)
{
    struct hits hits = {.run = run, .xml = path->xml};
    int rc = path_walk(run, run->doc, path->steps, path->count, add_hit, &hits);
    if (rc < 0)
        return rc;
    *out = hits.all ? hits.all : hits.first;
    return *out != NULL;
}

int path_find(const struct doc_value **out, struct kfl_run *run,
              const struct path *path)
{
    const struct doc_value *value = run->doc;
    uint32_t i = 0;
    if (path->record && run->has_record) {
        value = &run->record;
        i = 1;
    }
    if (path->many && !i)
        return find_many(out, run, path);
    for (; i < path->count; i++) {
        int rc = step_once(&value, run, &path->steps[i]);
        if (rc <= 0)
            return rc;
    }
    *out = path->xml ? xml_text(value) : value;
    return 1;
}
