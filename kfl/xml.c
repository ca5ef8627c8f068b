#include "kfl/xml.h"

#include <errno.h>
#include <expat.h>
#include <limits.h>
#include <string.h>

#include "kfl/mark.h"

#define CHILD_LOOKUPS_MAX                                                              \
    20000000 /* of children by name, as names are looked up one by one */

struct piece {
    struct piece *next;
    const char *text;
    uint32_t len;
    size_t from, to;
};

struct attribute {
    struct attribute *next;
    char *name; /* with the dash */
    char *value;
    size_t from, to;
};

struct element {
    struct element *parent, *next, *children, **last_child;
    struct element *same; /* the first of this name beside it, itself for the first */
    uint32_t same_count;  /* of the first: how many there are */
    uint32_t place;       /* among those of its name */
    char *name;
    struct attribute *attributes, **last_attribute;
    struct piece *pieces, **last_piece;
    size_t from, to; /* what is between the tags */
    bool closed_tag; /* <name/>: from and to are around its end */
};

struct builder {
    XML_Parser parser;
    struct arena *arena;
    const char *text;
    struct element *root, *current;
    unsigned depth;
    uint64_t lookups;
    int rc;
};

static void stop(struct builder *builder, int rc)
{
    if (builder->rc == 0)
        builder->rc = rc;
    XML_StopParser(builder->parser, XML_FALSE);
}

static void *get(struct builder *builder, size_t size)
{
    void *out = arena_zalloc(builder->arena, size);
    if (!out)
        stop(builder, -E2BIG);
    return out;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The tag is well-formed: the parser has read it. *at goes behind one attribute's
 * value. */
static void find_value(struct attribute *attribute, const char *text, size_t *at)
{
    while (text[*at] != '"' && text[*at] != '\'')
        (*at)++;
    char quote = text[(*at)++];
    attribute->from = *at;
    while (text[*at] != quote)
        (*at)++;
    attribute->to = (*at)++;
}

static void add_attributes(struct builder *builder, struct element *element,
                           const char **pairs, size_t at)
{
    for (; pairs[0]; pairs += 2) {
        size_t len = strlen(pairs[0]);
        struct attribute *attribute = get(builder, sizeof(*attribute));
        char *name = get(builder, len + 2);
        if (!attribute || !name)
            return;
        name[0] = '-';
        memcpy(name + 1, pairs[0], len + 1);
        attribute->name = name;
        attribute->value = arena_dup(builder->arena, pairs[1], strlen(pairs[1]));
        if (!attribute->value) {
            stop(builder, -E2BIG);
            return;
        }
        find_value(attribute, builder->text, &at);
        *element->last_attribute = attribute;
        element->last_attribute = &attribute->next;
    }
}

static void join_parent(struct builder *builder, struct element *element)
{
    struct element *parent = element->parent, *other = parent->children;
    while (other && (other->same != other || strcmp(other->name, element->name) != 0)) {
        other = other->next;
        if (++builder->lookups > CHILD_LOOKUPS_MAX) {
            stop(builder, -E2BIG);
            return;
        }
    }
    element->same = other ? other : element;
    element->place = element->same->same_count++;
    *parent->last_child = element;
    parent->last_child = &element->next;
}

static void XMLCALL on_start(void *context, const XML_Char *name,
                             const XML_Char **pairs)
{
    struct builder *builder = context;
    size_t at = (size_t)XML_GetCurrentByteIndex(builder->parser);
    size_t size = (size_t)XML_GetCurrentByteCount(builder->parser);
    struct element *element = get(builder, sizeof(*element));
    if (element)
        element->name = arena_dup(builder->arena, name, strlen(name));
    if (++builder->depth >= DOC_DEPTH_MAX || !element || !element->name) {
        stop(builder, -E2BIG);
        return;
    }
    element->last_child = &element->children;
    element->last_attribute = &element->attributes;
    element->last_piece = &element->pieces;
    element->from = element->to = at + size;
    element->closed_tag = size >= 2 && builder->text[at + size - 2] == '/';
    if (element->closed_tag)
        element->from -= 2;
    element->parent = builder->current;
    if (element->parent)
        join_parent(builder, element);
    else
        builder->root = element;
    builder->current = element;
    add_attributes(builder, element, pairs, at);
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    struct builder *builder = context;
    struct element *element = builder->current;
    (void)name;
    if (!element->closed_tag)
        element->to = (size_t)XML_GetCurrentByteIndex(builder->parser);
    builder->depth--;
    builder->current = element->parent;
}

static void XMLCALL on_text(void *context, const XML_Char *text, int len)
{
    struct builder *builder = context;
    struct element *element = builder->current;
    struct piece *piece = get(builder, sizeof(*piece));
    if (piece)
        piece->text = arena_dup(builder->arena, text, (size_t)len);
    if (!piece || !piece->text) {
        stop(builder, -E2BIG);
        return;
    }
    piece->len = (uint32_t)len;
    piece->from = (size_t)XML_GetCurrentByteIndex(builder->parser);
    piece->to = piece->from + (size_t)XML_GetCurrentByteCount(builder->parser);
    *element->last_piece = piece;
    element->last_piece = &piece->next;
}

/* Entities of the document's own are how small texts grow large. */
static void XMLCALL on_entity(void *context, const XML_Char *name, int is_parameter,
                              const XML_Char *value, int value_len,
                              const XML_Char *base, const XML_Char *system,
                              const XML_Char *public, const XML_Char *notation)
{
    (void)name, (void)is_parameter, (void)value, (void)value_len, (void)base,
        (void)system;
    (void)public, (void)notation;
    stop(context, -EINVAL);
}

/* ---- to values ---- */

/* All text of an element, without blanks at either end. */
static void put_text(struct arena *arena, struct doc_value *value,
                     const struct element *element)
{
    size_t len = 0, at = 0;
    for (const struct piece *piece = element->pieces; piece; piece = piece->next)
        len += piece->len;
    char *text = arena_alloc(arena, len + 1);
    if (!text || !value)
        return;
    for (const struct piece *piece = element->pieces; piece; piece = piece->next) {
        memcpy(text + at, piece->text, piece->len);
        at += piece->len;
    }
    while (len && is_blank(text[len - 1]))
        len--;
    while (len && is_blank(*text))
        text++, len--;
    doc_set_text(arena, value, text, len);
}

static bool has_text(const struct element *element)
{
    for (const struct piece *piece = element->pieces; piece; piece = piece->next)
        for (uint32_t i = 0; i < piece->len; i++)
            if (!is_blank(piece->text[i]))
                return true;
    return false;
}

static void convert(struct arena *arena, struct doc_value *value,
                    const struct element *element)
{
    if (!value)
        return;
    if (!element->children && !element->attributes) {
        put_text(arena, value, element);
        return;
    }
    doc_make_object(value);
    for (const struct attribute *a = element->attributes; a; a = a->next)
        doc_put_str(arena, value, a->name, a->value);
    for (const struct element *child = element->children; child; child = child->next) {
        struct doc_value *place;
        if (child->same->same_count == 1)
            place = doc_put(arena, value, child->name, strlen(child->name));
        else if (child->same == child)
            place = doc_push(arena, doc_put_array(arena, value, child->name));
        else
            place = doc_push(arena, doc_get(value, child->name));
        convert(arena, place, child);
    }
    if (has_text(element))
        put_text(arena, doc_put(arena, value, "#text", 5), element);
}

/* ---- where values are ---- */

static void mark_element(struct marks *marks, const struct doc_value *value,
                         const struct element *element)
{
    struct mark *mark = marks_add(marks, value, element->from, element->to);
    if (mark && element->closed_tag)
        mark->name = element->name;
}

static void mark_text(struct marks *marks, const struct doc_value *value,
                      const struct element *element)
{
    for (const struct piece *piece = element->pieces; piece; piece = piece->next) {
        struct mark *mark = marks_add(marks, value, piece->from, piece->to);
        if (mark)
            mark->rest = piece != element->pieces;
    }
}

static void mark_below(struct marks *marks, const struct doc_value *value,
                       const struct element *element)
{
    mark_element(marks, value, element);
    if (value->type != DOC_OBJECT)
        return;
    for (const struct attribute *a = element->attributes; a; a = a->next)
        marks_add(marks, doc_get(value, a->name), a->from, a->to);
    for (const struct element *child = element->children; child; child = child->next) {
        const struct doc_value *place = doc_get(value, child->name);
        if (child->same->same_count > 1) {
            mark_element(marks, place, child);
            place = &place->list->members[child->place].value;
        }
        mark_below(marks, place, child);
    }
    const struct doc_value *beside = doc_get(value, "#text");
    if (beside)
        mark_text(marks, beside, element);
}

static int read_all(struct builder *builder, size_t len)
{
    XML_SetUserData(builder->parser, builder);
    XML_SetElementHandler(builder->parser, on_start, on_end);
    XML_SetCharacterDataHandler(builder->parser, on_text);
    XML_SetEntityDeclHandler(builder->parser, on_entity);
    if (XML_Parse(builder->parser, builder->text, (int)len, XML_TRUE) != XML_STATUS_OK)
        return builder->rc < 0 ? builder->rc : -EINVAL;
    return builder->root ? 0 : -EINVAL;
}

int xml_parse(struct doc_value *out, struct arena *arena, const char *text, size_t len,
              struct marks *marks)
{
    struct builder builder = {.arena = arena, .text = text};
    if (len > INT_MAX)
        return -E2BIG;
    /* Values are UTF-8 by now, whatever the declaration says. */
    builder.parser = XML_ParserCreate("UTF-8");
    if (!builder.parser)
        return -E2BIG;
    int rc = read_all(&builder, len);
    XML_ParserFree(builder.parser);
    if (rc < 0)
        return rc;
    doc_make_object(out);
    struct doc_value *root =
        doc_put(arena, out, builder.root->name, strlen(builder.root->name));
    convert(arena, root, builder.root);
    if (marks && !arena->failed)
        mark_below(marks, root, builder.root);
    return arena->failed ? -E2BIG : 0;
}
