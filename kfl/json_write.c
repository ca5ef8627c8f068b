/* Documents to JSON (RFC 8259). */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "kfl/base/buf.h"
#include "kfl/base/text.h"
#include "kfl/doc.h"

#define DECIMALS        6
#define DECIMALS_FACTOR 1000000

struct writer {
    struct buf *out;
    bool pretty;
};

static int write_value(const struct writer *writer, const struct doc_value *value,
                       int depth);

/* Times and counts have few decimals, and printf is slow. A number of at most 15 digits
 * is the only one of them that reads back as its double, so if the division gives that
 * double again, it is the shortest text but for zeros at its end. */
static bool quick_real(struct buf *out, double real, int *rc)
{
    double scaled = real * DECIMALS_FACTOR;
    if (!(scaled > -1e15 && scaled < 1e15) || real == 0)
        return false;
    int64_t number = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    if ((double)number / DECIMALS_FACTOR != real)
        return false;
    int decimals = DECIMALS;
    for (; decimals && number % 10 == 0; decimals--)
        number /= 10;
    char text[32], *p = text + sizeof(text);
    uint64_t digits = (uint64_t)llabs(number);
    for (int i = 0; digits || i <= decimals; i++, digits /= 10) {
        if (i == decimals && i > 0)
            *--p = '.';
        *--p = (char)('0' + digits % 10);
    }
    if (number < 0)
        *--p = '-';
    *rc = buf_add(out, p, (size_t)(text + sizeof(text) - p));
    return true;
}

/* The shortest decimal that reads back as the same double. */
static int write_real(struct buf *out, double real)
{
    char text[40];
    int rc;
    /* JSON has no word for what is no number; this is JavaScript's. */
    if (real - real != 0)
        return buf_addstr(out, "null");
    if (quick_real(out, real, &rc))
        return rc;
    /* 15 digits say every shorter decimal too, but for numbers that have lost
     * precision. */
    bool subnormal = real > -DBL_MIN && real < DBL_MIN;
    for (int digits = subnormal ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    return buf_addstr(out, text);
}

static int write_break(const struct writer *writer, int depth)
{
    if (!writer->pretty)
        return 0;
    return buf_addf(writer->out, "\n%*s", 2 * depth, "");
}

static int write_member(const struct writer *writer, const struct doc_member *member,
                        bool named, int depth)
{
    int rc = write_break(writer, depth);
    if (rc == 0 && named)
        rc = text_json(writer->out, member->name, member->name_len);
    if (rc == 0 && named)
        rc = buf_addstr(writer->out, writer->pretty ? ": " : ":");
    return rc < 0 ? rc : write_value(writer, &member->value, depth);
}

static int write_container(const struct writer *writer, const struct doc_value *value,
                           int depth)
{
    bool object = value->type == DOC_OBJECT;
    const struct doc_list *list = value->list;
    if (!list || list->count == 0)
        return buf_addstr(writer->out, object ? "{}" : "[]");
    int rc = buf_addch(writer->out, object ? '{' : '[');
    for (uint32_t i = 0; rc == 0 && i < list->count; i++) {
        if (i > 0)
            rc = buf_addch(writer->out, ',');
        if (rc == 0)
            rc = write_member(writer, &list->members[i], object, depth + 1);
    }
    if (rc == 0)
        rc = write_break(writer, depth);
    return rc < 0 ? rc : buf_addch(writer->out, object ? '}' : ']');
}

static int write_value(const struct writer *writer, const struct doc_value *value,
                       int depth)
{
    switch ((enum doc_type)value->type) {
    case DOC_NULL:
        return buf_addstr(writer->out, "null");
    case DOC_BOOL:
        return buf_addstr(writer->out, value->boolean ? "true" : "false");
    case DOC_INT:
        return buf_addi(writer->out, value->integer);
    case DOC_UINT:
        return buf_addu(writer->out, value->uinteger);
    case DOC_DOUBLE:
        return write_real(writer->out, value->real);
    case DOC_STRING:
        return text_json(writer->out, value->text, value->len);
    case DOC_ARRAY:
    case DOC_OBJECT:
        break;
    }
    return write_container(writer, value, depth);
}

static int write_whole(struct buf *out, const struct doc_value *value, bool pretty)
{
    size_t start = out->len;
    struct writer writer = {out, pretty};
    int rc = write_value(&writer, value, 0);
    if (rc == 0 && pretty)
        rc = buf_addch(out, '\n');
    if (rc < 0) {
        out->len = start;
        if (out->data)
            out->data[start] = 0;
    }
    return rc;
}

int doc_write(struct buf *out, const struct doc_value *value)
{
    return write_whole(out, value, false);
}

int doc_write_pretty(struct buf *out, const struct doc_value *value)
{
    return write_whole(out, value, true);
}
