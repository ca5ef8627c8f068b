#include "kfl/base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/mem.h"

#define BUF_MIN     64
#define NUMBER_TEXT 24 /* 64 bits in decimal with a sign */

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.limit = buf->limit};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->full = false;
    if (buf->data)
        buf->data[0] = 0;
}

char *buf_reserve(struct buf *buf, size_t more)
{
    size_t need;
    if (mem_add(&need, buf->len, more) < 0 || (buf->limit && need > buf->limit) ||
        mem_add(&need, need, 1) < 0) {
        buf->full = true;
        return NULL;
    }
    if (need > buf->cap) {
        size_t cap = buf->cap < BUF_MIN ? BUF_MIN : buf->cap;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        if (buf->limit && cap > buf->limit + 1)
            cap = buf->limit + 1;
        buf->data = mem_realloc(buf->data, cap);
        buf->cap = cap;
    }
    buf->data[buf->len] = 0;
    return buf->data + buf->len;
}

int buf_add(struct buf *buf, const void *bytes, size_t size)
{
    /* JSON is written in very small pieces: most need no call. */
    bool fits = !buf->limit && buf->cap > buf->len && size < buf->cap - buf->len;
    char *to = fits ? buf->data + buf->len : buf_reserve(buf, size);
    if (!to)
        return -E2BIG;
    if (size > 0)
        memcpy(to, bytes, size);
    to[size] = 0;
    buf->len += size;
    return 0;
}

int buf_addstr(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

int buf_addch(struct buf *buf, char c)
{
    return buf_add(buf, &c, 1);
}

int buf_addf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = buf_addv(buf, format, args);
    va_end(args);
    return rc;
}

int buf_addv(struct buf *buf, const char *format, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int rc;
    int len = vsnprintf(small, sizeof(small), format, args);
    if (len < 0) {
        rc = -EINVAL;
    } else if ((size_t)len < sizeof(small)) {
        rc = buf_add(buf, small, (size_t)len);
    } else {
        char *to = buf_reserve(buf, (size_t)len);
        rc = to ? 0 : -E2BIG;
        if (to) {
            vsnprintf(to, (size_t)len + 1, format, again);
            buf->len += (size_t)len;
        }
    }
    va_end(again);
    return rc;
}

static int add_number(struct buf *buf, uint64_t number, bool negative)
{
    char text[NUMBER_TEXT];
    char *start = text + sizeof(text);
    do {
        *--start = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    if (negative)
        *--start = '-';
    return buf_add(buf, start, (size_t)(text + sizeof(text) - start));
}

int buf_addu(struct buf *buf, uint64_t number)
{
    return add_number(buf, number, false);
}

int buf_addi(struct buf *buf, int64_t number)
{
    return number < 0 ? add_number(buf, 0 - (uint64_t)number, true)
                      : add_number(buf, (uint64_t)number, false);
}

char *buf_take(struct buf *buf)
{
    char *data = buf->data ? buf->data : mem_strdup("");
    *buf = (struct buf){.limit = buf->limit};
    return data;
}
