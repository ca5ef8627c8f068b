#include "kfl/base/text.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

#define EACH_BYTE(b)     (UINT64_C(0x0101010101010101) * (b))
#define HIGH_BITS        EACH_BYTE(0x80)
#define REPLACEMENT      0xFFFD
#define REPLACEMENT_UTF8 "\xEF\xBF\xBD"
#define DISTANCE_MAX_LEN 64

static uint64_t load_word(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

/* The length of the ASCII at the start of the text. */
static size_t ascii_span(const char *text, size_t len)
{
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t high = load_word(text + i) & HIGH_BITS;
        if (high)
            return i + (size_t)__builtin_ctzll(high) / 8;
    }
    while (i < len && (unsigned char)text[i] < 0x80)
        i++;
    return i;
}

size_t text_plain_span(const char *text, size_t len)
{
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t word = load_word(text + i);
        uint64_t quote = word ^ EACH_BYTE('"'), backslash = word ^ EACH_BYTE('\\');
        /* Below the first hit there is no borrow, and bytes from 0x80 are hits by
         * themselves, so the lowest bit that is set is exact. */
        uint64_t hits = (word - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) |
                        (backslash - EACH_BYTE(1)) | word;
        hits &= HIGH_BITS;
        if (hits)
            return i + (size_t)__builtin_ctzll(hits) / 8;
    }
    while (i < len && (unsigned char)text[i] >= 0x20 && (unsigned char)text[i] < 0x80 &&
           text[i] != '"' && text[i] != '\\')
        i++;
    return i;
}

/* Well-formed sequences are those of table 3-7 of the Unicode standard. */
size_t text_utf8_next(const char *text, size_t len, uint32_t *code_point)
{
    const unsigned char *p = (const unsigned char *)text;
    if (len == 0)
        return 0;
    if (p[0] < 0x80) {
        *code_point = p[0];
        return 1;
    }
    *code_point = REPLACEMENT;
    size_t need = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || len < need)
        return 1;
    unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 1;
    uint32_t out = ((uint32_t)p[0] & (0x7FU >> need)) << 6 | (p[1] & 0x3F);
    for (size_t i = 2; i < need; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 1;
        out = out << 6 | (p[i] & 0x3F);
    }
    *code_point = out;
    return need;
}

size_t text_utf8_put(char out[4], uint32_t code_point)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
        code_point = REPLACEMENT;
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}

/* The length of the valid UTF-8 at the start of the text. */
static size_t valid_span(const char *text, size_t len)
{
    size_t i = 0;
    uint32_t code_point;
    for (;;) {
        i += ascii_span(text + i, len - i);
        if (i == len)
            return i;
        size_t step = text_utf8_next(text + i, len - i, &code_point);
        if (step == 1)
            return i;
        i += step;
    }
}

bool text_is_utf8(const char *text, size_t len)
{
    return valid_span(text, len) == len;
}

const char *text_utf8(struct arena *arena, const char *text, size_t *len)
{
    size_t valid = valid_span(text, *len), bad = 0;
    if (valid == *len)
        return text;
    for (size_t i = valid; i < *len; bad++) {
        i++;
        i += valid_span(text + i, *len - i);
    }
    size_t size;
    if (mem_mul(&size, bad, sizeof(REPLACEMENT_UTF8) - 2) < 0 ||
        mem_add(&size, size, *len) < 0) {
        arena->failed = true;
        return NULL;
    }
    char *copy = arena_alloc(arena, size);
    if (!copy)
        return NULL;
    char *to = copy;
    for (size_t i = 0; i < *len;) {
        valid = valid_span(text + i, *len - i);
        memcpy(to, text + i, valid);
        to += valid;
        i += valid;
        if (i < *len) {
            memcpy(to, REPLACEMENT_UTF8, 3);
            to += 3;
            i++;
        }
    }
    *len = size;
    return copy;
}

/* One byte that is not plain, or a whole sequence: how many bytes it was, 0 for the
 * limit. */
static size_t add_special(struct buf *out, const char *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    unsigned char c = (unsigned char)text[0];
    if (c >= 0x80) {
        uint32_t code_point;
        size_t step = text_utf8_next(text, len, &code_point);
        int rc =
            step == 1 ? buf_add(out, REPLACEMENT_UTF8, 3) : buf_add(out, text, step);
        return rc < 0 ? 0 : step;
    }
    char escape[6] = {'\\', (char)c};
    size_t size = 2;
    if (c < 0x20 && letters[c]) {
        escape[1] = letters[c];
    } else if (c < 0x20) {
        memcpy(escape, "\\u00", 4);
        escape[4] = hex[c >> 4];
        escape[5] = hex[c & 15];
        size = 6;
    }
    return buf_add(out, escape, size) < 0 ? 0 : 1;
}

int text_json(struct buf *out, const char *text, size_t len)
{
    size_t start = out->len, i = 0, room;
    char *to = mem_add(&room, len, 2) < 0 ? NULL : buf_reserve(out, room);
    if (!to)
        goto full;
    /* What needs no escape, which is the usual, goes there at once. */
    *to++ = '"';
    i = text_plain_span(text, len);
    if (i > 0)
        memcpy(to, text, i);
    to[i] = 0;
    out->len += 1 + i;
    while (i < len) {
        size_t step = add_special(out, text + i, len - i);
        if (step == 0)
            goto full;
        i += step;
        size_t plain = text_plain_span(text + i, len - i);
        if (buf_add(out, text + i, plain) < 0)
            goto full;
        i += plain;
    }
    if (buf_addch(out, '"') == 0)
        return 0;

full:
    out->full = true;
    out->len = start;
    if (out->data)
        out->data[start] = 0;
    return -E2BIG;
}

int text_base64(struct buf *out, const void *bytes, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = bytes;
    size_t size;
    if (mem_mul(&size, len / 3 + (len % 3 != 0), 4) < 0)
        return -E2BIG;
    char *to = buf_reserve(out, size);
    if (!to)
        return -E2BIG;
    for (; len > 0; to += 4) {
        size_t take = len < 3 ? len : 3;
        uint32_t word = (uint32_t)p[0] << 16;
        if (take > 1)
            word |= (uint32_t)p[1] << 8;
        if (take > 2)
            word |= p[2];
        to[0] = digits[word >> 18];
        to[1] = digits[word >> 12 & 63];
        to[2] = take > 1 ? digits[word >> 6 & 63] : '=';
        to[3] = take > 2 ? digits[word & 63] : '=';
        p += take;
        len -= take;
    }
    *to = 0;
    out->len += size;
    return 0;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long text_unbase64(void *out, const char *text, size_t len)
{
    char *to = out;
    if (len % 4)
        return -EINVAL;
    size_t padding = 0;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < len; i += 4) {
        size_t digits = i + 4 < len ? 4 : 4 - padding;
        uint32_t word = 0;
        for (size_t k = 0; k < 4; k++) {
            int value = k < digits ? base64_value(text[i + k]) : 0;
            if (value < 0)
                return -EINVAL;
            word = word << 6 | (uint32_t)value;
        }
        for (size_t k = 0; k + 1 < digits; k++)
            *to++ = (char)(word >> (16 - 8 * k));
    }
    return to - (char *)out;
}

unsigned text_distance(const char *a, const char *b, unsigned limit)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > DISTANCE_MAX_LEN || b_len > DISTANCE_MAX_LEN)
        return limit + 1;
    unsigned rows[3][DISTANCE_MAX_LEN + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = (unsigned)i;
        unsigned least = row[0];
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
            least = best < least ? best : least;
        }
        if (least > limit)
            return limit + 1;
        unsigned *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b_len] > limit ? limit + 1 : above[b_len];
}
