#include "kfl/doc.h"

#include <stdlib.h>
#include <string.h>

#include "kfl/base/text.h"

#define LIST_MIN  4
/* Objects whose members come in different order are compared pair by pair up to this
 * size, sorted beyond. */
#define PAIRS_MAX 32

void doc_make_object(struct doc_value *value)
{
    *value = (struct doc_value){.type = DOC_OBJECT};
}

void doc_make_array(struct doc_value *value)
{
    *value = (struct doc_value){.type = DOC_ARRAY};
}

static struct doc_list *new_list(struct arena *arena, uint32_t cap)
{
    size_t size;
    if (mem_mul(&size, cap, sizeof(struct doc_member)) < 0 ||
        mem_add(&size, size, sizeof(struct doc_list)) < 0) {
        arena->failed = true;
        return NULL;
    }
    struct doc_list *list = arena_alloc(arena, size);
    if (list)
        *list = (struct doc_list){.cap = cap};
    return list;
}

static bool grow(struct arena *arena, struct doc_value *value, uint32_t cap)
{
    struct doc_list *list = new_list(arena, cap);
    if (!list)
        return false;
    if (value->list) {
        list->count = value->list->count;
        memcpy(list->members, value->list->members,
               list->count * sizeof(struct doc_member));
    }
    value->list = list;
    return true;
}

static struct doc_member *append(struct arena *arena, struct doc_value *value)
{
    if (!value)
        return NULL;
    struct doc_list *list = value->list;
    if (!list || list->count == list->cap) {
        uint32_t cap = LIST_MIN;
        if (list && __builtin_mul_overflow(list->cap, 2, &cap)) {
            arena->failed = true;
            return NULL;
        }
        if (!grow(arena, value, cap < LIST_MIN ? LIST_MIN : cap))
            return NULL;
        list = value->list;
    }
    struct doc_member *member = &list->members[list->count++];
    *member = (struct doc_member){.value.type = DOC_NULL};
    return member;
}

struct doc_value *doc_put(struct arena *arena, struct doc_value *object,
                          const char *name, size_t len)
{
    struct doc_member *member = append(arena, object);
    if (!member)
        return NULL;
    member->name = name;
    member->name_len = (uint32_t)len;
    return &member->value;
}

struct doc_value *doc_push(struct arena *arena, struct doc_value *array)
{
    struct doc_member *member = append(arena, array);
    return member ? &member->value : NULL;
}

static struct doc_value *put(struct arena *arena, struct doc_value *object,
                             const char *name, struct doc_value what)
{
    struct doc_value *value = doc_put(arena, object, name, strlen(name));
    if (value)
        *value = what;
    return value;
}

struct doc_value *doc_put_object(struct arena *arena, struct doc_value *object,
                                 const char *name)
{
    return put(arena, object, name, (struct doc_value){.type = DOC_OBJECT});
}

struct doc_value *doc_put_array(struct arena *arena, struct doc_value *object,
                                const char *name)
{
    return put(arena, object, name, (struct doc_value){.type = DOC_ARRAY});
}

void doc_put_null(struct arena *arena, struct doc_value *object, const char *name)
{
    put(arena, object, name, (struct doc_value){.type = DOC_NULL});
}

void doc_put_bool(struct arena *arena, struct doc_value *object, const char *name,
                  bool boolean)
{
    put(arena, object, name, (struct doc_value){.type = DOC_BOOL, .boolean = boolean});
}

void doc_put_int(struct arena *arena, struct doc_value *object, const char *name,
                 int64_t integer)
{
    put(arena, object, name, (struct doc_value){.type = DOC_INT, .integer = integer});
}

void doc_put_text(struct arena *arena, struct doc_value *object, const char *name,
                  const char *text, size_t len)
{
    doc_set_text(arena, doc_put(arena, object, name, strlen(name)), text, len);
}

void doc_put_str(struct arena *arena, struct doc_value *object, const char *name,
                 const char *text)
{
    doc_put_text(arena, object, name, text, strlen(text));
}

void doc_set_text(struct arena *arena, struct doc_value *value, const char *text,
                  size_t len)
{
    if (!value)
        return;
    *value = (struct doc_value){.type = DOC_NULL};
    const char *valid = text_utf8(arena, text, &len);
    if (!valid)
        return;
    if (len > UINT32_MAX) {
        arena->failed = true;
        return;
    }
    value->type = DOC_STRING;
    value->len = (uint32_t)len;
    value->text = valid;
}

struct doc_value *doc_find(const struct doc_value *object, const char *name, size_t len)
{
    if (!object || object->type != DOC_OBJECT || !object->list)
        return NULL;
    struct doc_list *list = object->list;
    for (uint32_t i = 0; i < list->count; i++) {
        struct doc_member *member = &list->members[i];
        if (member->name_len == len &&
            (len == 0 ||
             (member->name[0] == name[0] && memcmp(member->name, name, len) == 0)))
            return &member->value;
    }
    return NULL;
}

struct doc_value *doc_get(const struct doc_value *object, const char *name)
{
    return doc_find(object, name, strlen(name));
}

struct doc_value *doc_at(const struct doc_value *root, const char *path)
{
    for (;;) {
        size_t len = strcspn(path, ".");
        struct doc_value *value = doc_find(root, path, len);
        if (!value || !path[len])
            return value;
        root = value;
        path += len + 1;
    }
}

bool doc_text_is(const struct doc_value *value, const char *text)
{
    return value && value->type == DOC_STRING && value->len == strlen(text) &&
           memcmp(value->text, text, value->len) == 0;
}

static bool is_number(const struct doc_value *value)
{
    return value->type == DOC_INT || value->type == DOC_UINT ||
           value->type == DOC_DOUBLE;
}

/* Integers of up to 64 bits against a double, without rounding them to one. */
static bool integer_is_real(const struct doc_value *integer, double real)
{
    if (integer->type == DOC_INT)
        return real >= -0x1p63 && real < 0x1p63 && (double)(int64_t)real == real &&
               (int64_t)real == integer->integer;
    return real >= 0 && real < 0x1p64 && (double)(uint64_t)real == real &&
           (uint64_t)real == integer->uinteger;
}

static bool numbers_equal(const struct doc_value *a, const struct doc_value *b)
{
    if (a->type == DOC_DOUBLE && b->type == DOC_DOUBLE)
        return a->real == b->real;
    if (a->type == DOC_DOUBLE)
        return integer_is_real(b, a->real);
    if (b->type == DOC_DOUBLE)
        return integer_is_real(a, b->real);
    if (a->type != b->type && (a->type == DOC_INT ? a->integer : b->integer) < 0)
        return false;
    return a->uinteger == b->uinteger;
}

static int by_name(const void *left, const void *right)
{
    const struct doc_member *a = *(struct doc_member *const *)left;
    const struct doc_member *b = *(struct doc_member *const *)right;
    if (a->name_len != b->name_len)
        return a->name_len < b->name_len ? -1 : 1;
    return a->name_len ? memcmp(a->name, b->name, a->name_len) : 0;
}

static const struct doc_member **sorted(const struct doc_list *list)
{
    const struct doc_member **members =
        mem_alloc(list->count * sizeof(const struct doc_member *));
    for (uint32_t i = 0; i < list->count; i++)
        members[i] = &list->members[i];
    qsort(members, list->count, sizeof(const struct doc_member *), by_name);
    return members;
}

static bool same_name(const struct doc_member *a, const struct doc_member *b)
{
    return a->name_len == b->name_len &&
           (a->name_len == 0 || memcmp(a->name, b->name, a->name_len) == 0);
}

static bool sorted_equal(const struct doc_list *a, const struct doc_list *b)
{
    const struct doc_member **left = sorted(a), **right = sorted(b);
    bool equal = true;
    for (uint32_t i = 0; equal && i < a->count; i++)
        equal = same_name(left[i], right[i]) &&
                doc_equal(&left[i]->value, &right[i]->value);
    free(left);
    free(right);
    return equal;
}

static bool objects_equal(const struct doc_value *a, const struct doc_value *b)
{
    const struct doc_list *left = a->list, *right = b->list;
    uint32_t i = 0;
    while (i < left->count && same_name(&left->members[i], &right->members[i]))
        i++;
    if (i < left->count && left->count > PAIRS_MAX)
        return sorted_equal(left, right);
    for (i = 0; i < left->count; i++) {
        const struct doc_member *member = &left->members[i];
        const struct doc_value *other = &right->members[i].value;
        if (!same_name(member, &right->members[i]))
            other = doc_find(b, member->name, member->name_len);
        if (!other || !doc_equal(&member->value, other))
            return false;
    }
    return true;
}

static bool arrays_equal(const struct doc_list *a, const struct doc_list *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (!doc_equal(&a->members[i].value, &b->members[i].value))
            return false;
    }
    return true;
}

bool doc_equal(const struct doc_value *a, const struct doc_value *b)
{
    if (is_number(a) && is_number(b))
        return numbers_equal(a, b);
    if (a->type != b->type)
        return false;
    if (a->type == DOC_BOOL)
        return a->boolean == b->boolean;
    if (a->type == DOC_STRING)
        return a->len == b->len &&
               (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
    if (a->type != DOC_ARRAY && a->type != DOC_OBJECT)
        return true;
    uint32_t count = a->list ? a->list->count : 0;
    if (count != (b->list ? b->list->count : 0))
        return false;
    if (count == 0)
        return true;
    return a->type == DOC_ARRAY ? arrays_equal(a->list, b->list) : objects_equal(a, b);
}

static bool copy_lists(struct arena *arena, struct doc_value *value)
{
    if ((value->type != DOC_ARRAY && value->type != DOC_OBJECT) || !value->list)
        return true;
    const struct doc_list *from = value->list;
    struct doc_list *list = new_list(arena, from->count);
    if (!list)
        return false;
    list->count = from->count;
    memcpy(list->members, from->members, from->count * sizeof(struct doc_member));
    value->list = list;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!copy_lists(arena, &list->members[i].value))
            return false;
    }
    return true;
}

struct doc_value *doc_copy(struct arena *arena, const struct doc_value *value)
{
    struct doc_value *copy = arena_alloc(arena, sizeof(*copy));
    if (!copy)
        return NULL;
    *copy = *value;
    return copy_lists(arena, copy) ? copy : NULL;
}
