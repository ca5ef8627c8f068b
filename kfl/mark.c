#include "kfl/mark.h"

#include <stdlib.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/mem.h"
#include "kfl/doc.h"

struct mark *marks_add(struct marks *marks, const struct doc_value *value, size_t from,
                       size_t to)
{
    if (marks->count == marks->cap) {
        uint32_t cap = marks->cap ? 2 * marks->cap : 32;
        struct mark *items = arena_alloc(marks->arena, cap * sizeof(*items));
        if (!items)
            return NULL;
        if (marks->count)
            memcpy(items, marks->items, marks->count * sizeof(*items));
        marks->items = items;
        marks->cap = cap;
    }
    struct mark *mark = &marks->items[marks->count++];
    *mark = (struct mark){.value = value, .from = from, .to = to};
    return mark;
}

static int by_value(const void *a, const void *b)
{
    const struct mark *left = a, *right = b;
    uintptr_t left_value = (uintptr_t)left->value,
              right_value = (uintptr_t)right->value;
    if (left_value != right_value)
        return left_value < right_value ? -1 : 1;
    return (left->from > right->from) - (left->from < right->from);
}

/* The wider first where two begin at the same place. */
static int by_place(const void *a, const void *b)
{
    const struct mark *left = a, *right = b;
    if (left->from != right->from)
        return left->from < right->from ? -1 : 1;
    return (left->to < right->to) - (left->to > right->to);
}

void marks_finish(struct marks *marks)
{
    if (marks->count)
        qsort(marks->items, marks->count, sizeof(*marks->items), by_value);
}

void marks_edit(struct marks *marks, const struct doc_value *value, const char *text,
                size_t len)
{
    uint32_t low = 0, high = marks->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((uintptr_t)marks->items[middle].value < (uintptr_t)value)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < marks->count && marks->items[low].value == value; low++) {
        marks->items[low].edited = true;
        marks->items[low].text = text;
        marks->items[low].text_len = len;
    }
}

void marks_apply(struct buf *out, struct marks *marks, const char *text, size_t len,
                 void (*put)(struct buf *out, const struct mark *mark))
{
    size_t at = 0;
    bool begun = false;
    if (marks->count)
        qsort(marks->items, marks->count, sizeof(*marks->items), by_place);
    for (uint32_t i = 0; i < marks->count; i++) {
        const struct mark *mark = &marks->items[i];
        /* What is inside of an edit is gone with it. */
        if (!mark->edited || (begun && mark->from < at) ||
            (begun && mark->from == at && mark->to == at))
            continue;
        buf_add(out, text + at, mark->from - at);
        put(out, mark);
        at = mark->to;
        begun = true;
    }
    buf_add(out, text + at, len - at);
}

/* ---- JSON, of which it is known that it is well-formed ---- */

struct scan {
    struct marks *marks;
    const char *text;
    size_t len, at;
    bool lost; /* the text is not as the tree: a name in it is repeated */
};

static char next_solid(struct scan *scan)
{
    while (scan->at < scan->len && memchr(" \t\r\n", scan->text[scan->at], 4))
        scan->at++;
    return scan->at < scan->len ? scan->text[scan->at] : 0;
}

static void skip_string(struct scan *scan)
{
    for (scan->at++; scan->at < scan->len && scan->text[scan->at] != '"'; scan->at++)
        if (scan->text[scan->at] == '\\')
            scan->at++;
    scan->at++;
}

static void skip_plain(struct scan *scan)
{
    while (scan->at < scan->len && !memchr(",]} \t\r\n", scan->text[scan->at], 7))
        scan->at++;
}

static void scan_value(struct scan *scan, const struct doc_value *value);

/* Members and items are in the order of the text. */
static void scan_list(struct scan *scan, const struct doc_list *list, char end)
{
    uint32_t count = list ? list->count : 0, i = 0;
    scan->at++;
    while (!scan->lost && next_solid(scan) != end) {
        if (end == '}') {
            skip_string(scan);
            next_solid(scan);
            scan->at++;
        }
        if (i == count) {
            scan->lost = true;
            return;
        }
        scan_value(scan, &list->members[i++].value);
        if (next_solid(scan) == ',')
            scan->at++;
    }
    scan->lost |= i != count;
    scan->at++;
}

static void scan_value(struct scan *scan, const struct doc_value *value)
{
    char c = next_solid(scan);
    size_t from = scan->at;
    scan->lost |= (c == '"') != (value->type == DOC_STRING) ||
                  (c == '{') != (value->type == DOC_OBJECT) ||
                  (c == '[') != (value->type == DOC_ARRAY) || scan->at >= scan->len;
    if (scan->lost)
        return;
    if (c == '"')
        skip_string(scan);
    else if (c == '{' || c == '[')
        scan_list(scan, value->list, c == '{' ? '}' : ']');
    else
        skip_plain(scan);
    scan->lost |= !marks_add(scan->marks, value, from, scan->at);
}

bool json_mark(struct marks *marks, const struct doc_value *tree, const char *text,
               size_t len)
{
    struct scan scan = {.marks = marks, .text = text, .len = len};
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        scan.at = 3;
    scan_value(&scan, tree);
    return !scan.lost;
}
