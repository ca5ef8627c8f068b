#include "kfl/value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/func.h"
#include "kfl/regex.h"
#include "kfl/run.h"

#define NUMBER_TEXT_MAX 400

static uint32_t count_of(const struct doc_value *value)
{
    return value->list ? value->list->count : 0;
}

bool value_truth(const struct doc_value *value)
{
    switch ((enum doc_type)value->type) {
    case DOC_NULL:
        return false;
    case DOC_BOOL:
        return value->boolean;
    case DOC_INT:
        return value->integer > 0;
    case DOC_UINT:
        return true;
    case DOC_DOUBLE:
        return value->real > 0;
    case DOC_STRING:
        return value->len > 0;
    case DOC_ARRAY:
    case DOC_OBJECT:
        return count_of(value) > 0;
    }
    return false;
}

int value_text(const char **text, size_t *len, struct kfl_run *run, int slot,
               const struct doc_value *value)
{
    if (value->type == DOC_STRING) {
        *text = value->text ? value->text : "";
        *len = value->len;
        return 0;
    }
    struct buf *buf = &run->text[slot];
    buf_clear(buf);
    if (doc_write(buf, value) < 0 || buf->full)
        return err_set(run->err, -E2BIG, "the text of a value is too large");
    *text = buf->data;
    *len = buf->len;
    return 0;
}

/* ---- numbers ---- */

static size_t digits_at(const char *text, size_t len, size_t at)
{
    size_t start = at;
    while (at < len && text[at] >= '0' && text[at] <= '9')
        at++;
    return at - start;
}

/* [+-] digits [. digits] [e [+-] digits], digits on one side of the point at least. */
static bool is_decimal(const char *text, size_t len, bool *whole)
{
    size_t at = len && (*text == '-' || *text == '+');
    size_t before = digits_at(text, len, at), after = 0;
    at += before;
    *whole = at == len && before;
    if (at < len && text[at] == '.') {
        after = digits_at(text, len, at + 1);
        at += 1 + after;
    }
    if (!before && !after)
        return false;
    if (at < len && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        at += at < len && (text[at] == '-' || text[at] == '+');
        size_t exponent = digits_at(text, len, at);
        if (!exponent)
            return false;
        at += exponent;
    }
    return at == len;
}

static bool read_whole(struct doc_value *out, const char *text)
{
    bool negative = *text == '-';
    char *end;
    errno = 0;
    uint64_t value = strtoull(text + (negative || *text == '+'), &end, 10);
    if (errno)
        return false;
    if (value <= INT64_MAX) {
        *out = (struct doc_value){.type = DOC_INT};
        out->integer = negative ? -(int64_t)value : (int64_t)value;
    } else {
        *out = (struct doc_value){.type = DOC_UINT, .uinteger = value};
        if (negative)
            *out = value_negate(out);
    }
    return true;
}

bool value_read_number(struct doc_value *out, const char *text, size_t len)
{
    char copy[NUMBER_TEXT_MAX];
    bool whole;
    if (len >= sizeof(copy) || !is_decimal(text, len, &whole))
        return false;
    memcpy(copy, text, len);
    copy[len] = 0;
    if (whole && read_whole(out, copy))
        return true;
    *out = (struct doc_value){.type = DOC_DOUBLE, .real = strtod(copy, NULL)};
    return isfinite(out->real);
}

struct doc_value value_number(const struct doc_value *value)
{
    struct doc_value number = {.type = DOC_INT};
    switch ((enum doc_type)value->type) {
    case DOC_INT:
    case DOC_UINT:
    case DOC_DOUBLE:
        return *value;
    case DOC_BOOL:
        number.integer = value->boolean;
        return number;
    case DOC_STRING:
        if (value->len && value_read_number(&number, value->text, value->len))
            return number;
        break;
    default:
        break;
    }
    return (struct doc_value){.type = DOC_INT};
}

struct doc_value value_negate(const struct doc_value *value)
{
    struct doc_value out = value_number(value);
    const uint64_t least = (uint64_t)INT64_MAX + 1; /* 2^63 */
    if (out.type == DOC_DOUBLE) {
        out.real = -out.real;
    } else if (out.type == DOC_INT && out.integer != INT64_MIN) {
        out.integer = -out.integer;
    } else if (out.type == DOC_INT) {
        out = (struct doc_value){.type = DOC_UINT, .uinteger = least};
    } else if (out.uinteger == least) {
        out = (struct doc_value){.type = DOC_INT, .integer = INT64_MIN};
    } else {
        out = (struct doc_value){.type = DOC_DOUBLE, .real = -(double)out.uinteger};
    }
    return out;
}

static int compare_doubles(double a, double b)
{
    return (a > b) - (a < b);
}

/* An integer with a double, exactly: the integer is cut at the double's whole part. */
static int compare_mixed(const struct doc_value *whole, double real)
{
    if (real < -9223372036854775808.0)
        return 1;
    if (real >= 18446744073709551616.0)
        return -1;
    if (whole->type == DOC_INT) {
        if (real >= 9223372036854775808.0)
            return -1;
        int64_t cut = (int64_t)real;
        if (whole->integer != cut)
            return whole->integer < cut ? -1 : 1;
        return compare_doubles(0, real - (double)cut);
    }
    if (real < 0)
        return 1;
    uint64_t cut = (uint64_t)real;
    if (whole->uinteger != cut)
        return whole->uinteger < cut ? -1 : 1;
    return compare_doubles(0, real - (double)cut);
}

int value_compare_numbers(const struct doc_value *a, const struct doc_value *b)
{
    if (a->type == DOC_INT && b->type == DOC_INT)
        return (a->integer > b->integer) - (a->integer < b->integer);
    if (a->type == DOC_DOUBLE && b->type == DOC_DOUBLE)
        return compare_doubles(a->real, b->real);
    if (a->type == DOC_DOUBLE)
        return -compare_mixed(b, a->real);
    if (b->type == DOC_DOUBLE)
        return compare_mixed(a, b->real);
    if (a->type == DOC_UINT && b->type == DOC_UINT)
        return (a->uinteger > b->uinteger) - (a->uinteger < b->uinteger);
    return a->type == DOC_UINT ? 1 : -1; /* DOC_UINT is above all of DOC_INT */
}

static bool is_number(const struct doc_value *value)
{
    return value->type >= DOC_INT && value->type <= DOC_DOUBLE;
}

/* ---- equality ---- */

static bool same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && (!a_len || !memcmp(a, b, a_len));
}

/* The text, or what a string literal looks like as written. */
static int equal_texts(struct kfl_run *run, const struct operand *a,
                       const struct operand *b)
{
    const char *a_text, *b_text;
    size_t a_len, b_len;
    int rc = value_text(&a_text, &a_len, run, 0, a->value);
    if (rc == 0)
        rc = value_text(&b_text, &b_len, run, 1, b->value);
    if (rc < 0)
        return rc;
    if (same(a_text, a_len, b_text, b_len))
        return 1;
    if (b->literal && b->literal->raw &&
        same(a_text, a_len, b->literal->raw, b->literal->raw_len))
        return 1;
    return a->literal && a->literal->raw &&
           same(b_text, b_len, a->literal->raw, a->literal->raw_len);
}

static int search(struct kfl_run *run, const struct doc_value *value,
                  const struct regex *regex)
{
    const char *text;
    size_t len;
    int rc = value_text(&text, &len, run, 0, value);
    return rc < 0 ? rc : regex_search(run->regex, regex, text, len, run->err);
}

static int equal_scalars(struct kfl_run *run, const struct operand *a,
                         const struct operand *b)
{
    const struct regex *a_regex = a->literal ? a->literal->regex : NULL;
    const struct regex *b_regex = b->literal ? b->literal->regex : NULL;
    if (a_regex || b_regex) {
        if (a_regex && b_regex)
            return 0;
        return a_regex ? search(run, b->value, a_regex)
                       : search(run, a->value, b_regex);
    }
    if (is_number(a->value) && is_number(b->value))
        return value_compare_numbers(a->value, b->value) == 0;
    return equal_texts(run, a, b);
}

static int equal_any(struct kfl_run *run, const struct doc_value *array,
                     const struct operand *b)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count_of(array); i++)
        rc = equal_scalars(
            run, &(struct operand){.value = &array->list->members[i].value}, b);
    return rc;
}

int value_equal(struct kfl_run *run, const struct operand *a, const struct operand *b)
{
    bool a_array = a->value->type == DOC_ARRAY, b_array = b->value->type == DOC_ARRAY;
    if (a_array && b_array)
        return doc_equal(a->value, b->value);
    if (a_array)
        return equal_any(run, a->value, b);
    return b_array ? equal_any(run, b->value, a) : equal_scalars(run, a, b);
}

/* ---- order ---- */

static bool holds(enum chain_op op, const struct doc_value *a,
                  const struct doc_value *b)
{
    struct doc_value left = value_number(a), right = value_number(b);
    int order = value_compare_numbers(&left, &right);
    switch (op) {
    case CHAIN_GT:
        return order > 0;
    case CHAIN_GE:
        return order >= 0;
    case CHAIN_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

enum chain_op value_turned(enum chain_op op)
{
    switch (op) {
    case CHAIN_GT:
        return CHAIN_LT;
    case CHAIN_GE:
        return CHAIN_LE;
    case CHAIN_LT:
        return CHAIN_GT;
    case CHAIN_LE:
        return CHAIN_GE;
    default:
        return op;
    }
}

/* Array with array: all pairs; array with scalar: any element. */
int value_order(enum chain_op op, const struct doc_value *a, const struct doc_value *b)
{
    bool a_array = a->type == DOC_ARRAY, b_array = b->type == DOC_ARRAY,
         all = a_array && b_array;
    if (!a_array && !b_array)
        return holds(op, a, b);
    for (uint32_t i = 0; i < (a_array ? count_of(a) : 1); i++) {
        const struct doc_value *left = a_array ? &a->list->members[i].value : a;
        for (uint32_t j = 0; j < (b_array ? count_of(b) : 1); j++) {
            const struct doc_value *right = b_array ? &b->list->members[j].value : b;
            if (holds(op, left, right) != all)
                return !all;
        }
    }
    return all;
}

/* ---- startsWith, endsWith, contains ---- */

static int text_relates(struct kfl_run *run, int func, const struct doc_value *value,
                        const struct doc_value *arg)
{
    const char *text, *part;
    size_t len, part_len;
    int rc = value_text(&text, &len, run, 0, value);
    if (rc == 0)
        rc = value_text(&part, &part_len, run, 1, arg);
    if (rc < 0)
        return rc;
    if (part_len > len)
        return 0;
    if (func == FUNC_STARTS)
        return !memcmp(text, part, part_len);
    if (func == FUNC_ENDS)
        return !memcmp(text + len - part_len, part, part_len);
    return memmem(text, len, part, part_len) != NULL;
}

int value_text_helper(struct kfl_run *run, int func, const struct doc_value *value,
                      const struct operand *arg)
{
    bool many = value->type == DOC_ARRAY, many_args = arg->value->type == DOC_ARRAY;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < (many ? count_of(value) : 1); i++)
        for (uint32_t j = 0; rc == 0 && j < (many_args ? count_of(arg->value) : 1); j++)
            rc = text_relates(run, func, many ? &value->list->members[i].value : value,
                              many_args ? &arg->value->list->members[j].value
                                        : arg->value);
    return rc;
}
