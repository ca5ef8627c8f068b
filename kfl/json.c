/* JSON to documents (RFC 8259). Stored entries are parsed for every query whose columns
 * do not decide, so text is scanned by words and taken where it lies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "kfl/base/err.h"
#include "kfl/base/text.h"
#include "kfl/doc.h"

#define SCRATCH_FIRST 128
#define NUMBER_MAX    1024
/* Beyond this many members, names are looked up by hash, lest parsing become quadratic.
 */
#define LINEAR_MAX    64

struct json {
    const char *p, *end, *start;
    struct arena *arena;
    struct err *err;
    int depth;
    /* A stack of the members of all containers that are open. */
    struct doc_member *scratch;
    size_t count, cap;
    struct doc_member first[SCRATCH_FIRST];
};

/* Indices + 1 of an object's members by the hash of their names, which is seeded: the
 * names come from outside. */
struct names {
    uint32_t *slots;
    size_t size; /* a power of two, 0: none yet */
    uint64_t seed;
};

static int parse_value(struct json *json, struct doc_value *out);

static int fail(struct json *json, const char *where, int code, const char *words)
{
    int line = 1, col = 1;
    for (const char *p = json->start; p < where; p++) {
        if (*p == '\n') {
            line++;
            col = 1;
        } else if (((unsigned char)*p & 0xC0) != 0x80) {
            col++;
        }
    }
    err_set_at(json->err, code, line, col, "%s", words);
    return code;
}

static int fail_full(struct json *json)
{
    return fail(json, json->p, -E2BIG, "the document is too large");
}

static inline void skip_space(struct json *json)
{
    const char *p = json->p;
    while (p < json->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    json->p = p;
}

static int hex4(uint32_t *out, const char *p, const char *end)
{
    if (end - p < 4)
        return -EINVAL;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i], lower = (char)(c | 0x20);
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            digit = (uint32_t)(lower - 'a' + 10);
        else
            return -EINVAL;
        *out = *out << 4 | digit;
    }
    return 0;
}

/* What follows "\u"; the second half of a pair too. A half alone becomes U+FFFD. */
static int decode_unicode(struct json *json, const char **p, char **to)
{
    uint32_t code, low;
    const char *at = *p;
    if (hex4(&code, at, json->end) < 0)
        return fail(json, at - 2, -EINVAL, "\\u needs four hexadecimal digits");
    at += 4;
    if (code >= 0xD800 && code < 0xDC00 && json->end - at >= 6 && at[0] == '\\' &&
        at[1] == 'u' && hex4(&low, at + 2, json->end) == 0 && low >= 0xDC00 &&
        low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        at += 6;
    }
    *to += text_utf8_put(*to, code);
    *p = at;
    return 0;
}

static int decode_escape(struct json *json, const char **p, char **to)
{
    static const char plain[128] = {
        ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
        ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    unsigned char c = (unsigned char)(*p)[1];
    if (c == 'u') {
        *p += 2;
        return decode_unicode(json, p, to);
    }
    if (c >= 128 || !plain[c])
        return fail(json, *p, -EINVAL, "no such escape in a string");
    *(*to)++ = plain[c];
    *p += 2;
    return 0;
}

/* Where the string ends, and in *size how much room it needs when decoded. */
static const char *measure(struct json *json, const char *from, size_t *size)
{
    const char *p = from;
    size_t bad = 0;
    for (;;) {
        p += text_plain_span(p, (size_t)(json->end - p));
        if (p == json->end || *p == '"')
            break;
        uint32_t code;
        size_t step = 1;
        if (*p == '\\') {
            step = json->end - p > 1 ? 2 : 1;
        } else if ((unsigned char)*p >= 0x80) {
            step = text_utf8_next(p, (size_t)(json->end - p), &code);
            bad += step == 1;
        }
        p += step;
    }
    *size = (size_t)(p - from) + 2 * bad;
    return p;
}

/* A string with escapes or bad bytes: a copy. json->p is behind the opening quote. */
static int decode_string(struct json *json, const char **text, uint32_t *len)
{
    size_t size;
    const char *p = json->p, *end = measure(json, p, &size);
    if (end == json->end)
        return fail(json, p - 1, -EINVAL, "a string without its closing quote");
    char *copy = arena_alloc(json->arena, size), *to = copy;
    if (!copy)
        return fail_full(json);
    while (p < end) {
        size_t plain = text_plain_span(p, (size_t)(end - p));
        memcpy(to, p, plain);
        to += plain;
        p += plain;
        if (p == end)
            break;
        if ((unsigned char)*p < ' ')
            return fail(json, p, -EINVAL, "a control character in a string");
        if (*p == '\\') {
            int rc = decode_escape(json, &p, &to);
            if (rc < 0)
                return rc;
        } else {
            uint32_t code;
            p += text_utf8_next(p, (size_t)(end - p), &code);
            to += text_utf8_put(to, code);
        }
    }
    json->p = end + 1;
    *text = copy;
    *len = (uint32_t)(to - copy);
    return 0;
}

/* json->p is at the opening quote. */
static int parse_string(struct json *json, const char **text, uint32_t *len)
{
    const char *start = ++json->p, *p = start;
    for (;;) {
        p += text_plain_span(p, (size_t)(json->end - p));
        if (p == json->end)
            return fail(json, start - 1, -EINVAL, "a string without its closing quote");
        if (*p == '"')
            break;
        uint32_t code;
        size_t step = 1;
        if ((unsigned char)*p >= 0x80)
            step = text_utf8_next(p, (size_t)(json->end - p), &code);
        if (step == 1)
            return decode_string(json, text, len);
        p += step;
    }
    *text = start;
    *len = (uint32_t)(p - start);
    json->p = p + 1;
    return 0;
}

static inline bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *take_digits(const char *p, const char *end, uint64_t *number,
                               bool *wide)
{
    for (; is_digit(p, end); p++) {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*p - '0'), number))
            *wide = true;
    }
    return p;
}

static int parse_real(struct json *json, const char *start, struct doc_value *out)
{
    char copy[NUMBER_MAX + 1];
    size_t len = (size_t)(json->p - start);
    if (len > NUMBER_MAX)
        return fail(json, start, -E2BIG, "a number of too many digits");
    memcpy(copy, start, len);
    copy[len] = 0;
    double real = strtod(copy, NULL);
    if (real - real != 0)
        return fail(json, start, -EINVAL, "a number out of range");
    *out = (struct doc_value){.type = DOC_DOUBLE, .real = real};
    return 0;
}

/* Where a double holds both the digits and the power of ten, one division is exact. */
static bool quick_real(struct doc_value *out, uint64_t digits, size_t decimals,
                       bool negative)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (digits > UINT64_C(1) << 53 || decimals >= sizeof(powers) / sizeof(powers[0]))
        return false;
    double real = (double)digits / powers[decimals];
    *out = (struct doc_value){.type = DOC_DOUBLE, .real = negative ? -real : real};
    return true;
}

static bool integer(struct doc_value *out, uint64_t digits, bool negative)
{
    if (negative && digits <= UINT64_C(1) << 63)
        *out = (struct doc_value){.type = DOC_INT, .integer = (int64_t)(0 - digits)};
    else if (!negative && digits <= INT64_MAX)
        *out = (struct doc_value){.type = DOC_INT, .integer = (int64_t)digits};
    else if (!negative)
        *out = (struct doc_value){.type = DOC_UINT, .uinteger = digits};
    else
        return false;
    return true;
}

static int parse_number(struct json *json, struct doc_value *out)
{
    const char *start = json->p, *end = json->end, *p = start;
    bool negative = *p == '-', wide = false, exponent = false;
    uint64_t digits = 0;
    size_t decimals = 0;
    p += negative;
    if (!is_digit(p, end))
        return fail(json, p, -EINVAL, "expected a value");
    const char *first = p;
    p = take_digits(p, end, &digits, &wide);
    if (*first == '0' && p - first > 1)
        return fail(json, first, -EINVAL, "a number with leading zeros");
    if (p < end && *p == '.') {
        const char *point = p++;
        p = take_digits(p, end, &digits, &wide);
        decimals = (size_t)(p - point) - 1;
        if (decimals == 0)
            return fail(json, p, -EINVAL, "expected a digit");
    }
    if (p < end && (*p | 0x20) == 'e') {
        exponent = true;
        p++;
        p += p < end && (*p == '+' || *p == '-');
        if (!is_digit(p, end))
            return fail(json, p, -EINVAL, "expected a digit");
        while (is_digit(p, end))
            p++;
    }
    json->p = p;
    bool quick = !wide && !exponent;
    if (quick && (decimals ? quick_real(out, digits, decimals, negative)
                           : integer(out, digits, negative)))
        return 0;
    return parse_real(json, start, out);
}

static int parse_literal(struct json *json, const char *word, size_t len)
{
    if ((size_t)(json->end - json->p) < len || memcmp(json->p, word, len) != 0)
        return fail(json, json->p, -EINVAL, "expected a value");
    json->p += len;
    return 0;
}

static int grow_scratch(struct json *json)
{
    /* All of them end in the arena. */
    if (json->arena->limit &&
        json->count * sizeof(struct doc_member) > json->arena->limit) {
        json->arena->failed = true;
        return fail_full(json);
    }
    size_t size = json->cap * 2 * sizeof(struct doc_member);
    bool first = json->scratch == json->first;
    json->scratch = mem_realloc(first ? NULL : json->scratch, size);
    if (first)
        memcpy(json->scratch, json->first, sizeof(json->first));
    json->cap *= 2;
    return 0;
}

static int push(struct json *json, const struct doc_member *member)
{
    if (json->count == json->cap) {
        int rc = grow_scratch(json);
        if (rc < 0)
            return rc;
    }
    json->scratch[json->count++] = *member;
    return 0;
}

/* Moves what was pushed since `base` to a list of its size. */
static int close_list(struct json *json, size_t base, struct doc_value *out)
{
    size_t count = json->count - base, size = count * sizeof(struct doc_member);
    json->count = base;
    if (count == 0)
        return 0;
    struct doc_list *list = arena_alloc(json->arena, sizeof(*list) + size);
    if (!list)
        return fail_full(json);
    list->count = list->cap = (uint32_t)count;
    memcpy(list->members, json->scratch + base, size);
    out->list = list;
    return 0;
}

static bool same_name(const struct doc_member *a, const struct doc_member *b)
{
    return a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

/* The slot of the member's name, or the empty one where it belongs. */
static uint32_t *find_slot(const struct names *names, const struct doc_member *members,
                           const struct doc_member *member)
{
    size_t mask = names->size - 1;
    size_t i = XXH3_64bits_withSeed(member->name, member->name_len, names->seed) & mask;
    while (names->slots[i] && !same_name(&members[names->slots[i] - 1], member))
        i = (i + 1) & mask;
    return &names->slots[i];
}

static void grow_names(struct names *names, const struct doc_member *members,
                       size_t count)
{
    if (!names->size && getrandom(&names->seed, sizeof(names->seed), 0) < 0)
        names->seed = (uintptr_t)members;
    free(names->slots);
    names->size = names->size ? names->size * 2 : (size_t)4 * LINEAR_MAX;
    names->slots = mem_zalloc(names->size * sizeof(*names->slots));
    for (size_t i = 0; i < count; i++)
        *find_slot(names, members, &members[i]) = (uint32_t)i + 1;
}

/* The member of that name, or NULL; the caller then pushes it as number `count`. */
static struct doc_member *find_name(struct names *names, struct doc_member *members,
                                    size_t count, const struct doc_member *member)
{
    if (count < LINEAR_MAX) {
        for (size_t i = 0; i < count; i++) {
            if (same_name(&members[i], member))
                return &members[i];
        }
        return NULL;
    }
    if (count >= names->size / 2)
        grow_names(names, members, count);
    uint32_t *slot = find_slot(names, members, member);
    if (*slot)
        return &members[*slot - 1];
    *slot = (uint32_t)count + 1;
    return NULL;
}

static int parse_member(struct json *json, struct doc_member *member)
{
    skip_space(json);
    if (json->p == json->end || *json->p != '"')
        return fail(json, json->p, -EINVAL, "expected a name in quotes");
    int rc = parse_string(json, &member->name, &member->name_len);
    if (rc < 0)
        return rc;
    skip_space(json);
    if (json->p == json->end || *json->p != ':')
        return fail(json, json->p, -EINVAL, "expected ':' after a name");
    json->p++;
    return parse_value(json, &member->value);
}

/* After a member or an item: 1 there is one more, 0 it was the last. */
static int parse_next(struct json *json, char closing)
{
    skip_space(json);
    if (json->p < json->end && *json->p == ',') {
        json->p++;
        return 1;
    }
    if (json->p < json->end && *json->p == closing) {
        json->p++;
        return 0;
    }
    return fail(json, json->p, -EINVAL,
                closing == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
}

/* Is the container whose opening bracket is at json->p empty? */
static bool skip_empty(struct json *json, char closing)
{
    json->p++;
    skip_space(json);
    if (json->p == json->end || *json->p != closing)
        return false;
    json->p++;
    return true;
}

static int parse_object(struct json *json, struct doc_value *out)
{
    struct names names = {0};
    size_t base = json->count;
    uint64_t seen = 0;
    int rc;
    doc_make_object(out);
    if (skip_empty(json, '}'))
        return 0;
    do {
        struct doc_member member, *same = NULL;
        rc = parse_member(json, &member);
        if (rc < 0)
            goto out;
        /* One bit for each length and first letter tells most new names at once. */
        size_t count = json->count - base;
        uint64_t bit = member.name_len ? (unsigned char)member.name[0] : 0;
        bit = UINT64_C(1) << ((bit + 5 * (uint64_t)member.name_len) & 63);
        if ((seen & bit) || count >= LINEAR_MAX)
            same = find_name(&names, json->scratch + base, count, &member);
        seen |= bit;
        rc = 0;
        if (same)
            same->value = member.value;
        else
            rc = push(json, &member);
        if (rc == 0)
            rc = parse_next(json, '}');
    } while (rc > 0);
    if (rc == 0)
        rc = close_list(json, base, out);

out:
    free(names.slots);
    return rc;
}

static int parse_array(struct json *json, struct doc_value *out)
{
    size_t base = json->count;
    int rc;
    doc_make_array(out);
    if (skip_empty(json, ']'))
        return 0;
    do {
        struct doc_member item = {.name = NULL};
        rc = parse_value(json, &item.value);
        if (rc == 0)
            rc = push(json, &item);
        if (rc == 0)
            rc = parse_next(json, ']');
    } while (rc > 0);
    return rc < 0 ? rc : close_list(json, base, out);
}

static int parse_container(struct json *json, struct doc_value *out)
{
    if (json->depth == DOC_DEPTH_MAX)
        return fail(json, json->p, -E2BIG, "the document is nested too deeply");
    json->depth++;
    int rc = *json->p == '{' ? parse_object(json, out) : parse_array(json, out);
    json->depth--;
    return rc;
}

static int parse_value(struct json *json, struct doc_value *out)
{
    skip_space(json);
    if (json->p == json->end)
        return fail(json, json->p, -EINVAL, "expected a value, found the end");
    switch (*json->p) {
    case '"':
        *out = (struct doc_value){.type = DOC_STRING};
        return parse_string(json, &out->text, &out->len);
    case '{':
    case '[':
        return parse_container(json, out);
    case 't':
        *out = (struct doc_value){.type = DOC_BOOL, .boolean = true};
        return parse_literal(json, "true", 4);
    case 'f':
        *out = (struct doc_value){.type = DOC_BOOL};
        return parse_literal(json, "false", 5);
    case 'n':
        *out = (struct doc_value){.type = DOC_NULL};
        return parse_literal(json, "null", 4);
    default:
        return parse_number(json, out);
    }
}

int doc_parse(struct doc_value *out, struct arena *arena, const char *text, size_t len,
              struct err *err)
{
    struct json json;
    json.p = json.start = text;
    json.end = text + len;
    json.arena = arena;
    json.err = err;
    json.depth = 0;
    json.scratch = json.first;
    json.count = 0;
    json.cap = SCRATCH_FIRST;
    if (len > UINT32_MAX)
        return err_set(err, -E2BIG, "the document is too large");
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        json.p += 3;
    int rc = parse_value(&json, out);
    if (rc == 0) {
        skip_space(&json);
        if (json.p != json.end)
            rc = fail(&json, json.p, -EINVAL, "expected the end after the value");
    }
    if (json.scratch != json.first)
        free(json.scratch);
    return rc;
}
