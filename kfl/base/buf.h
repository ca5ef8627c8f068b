/* A growing byte buffer with a limit. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialised is valid: empty, no limit. `data` is NUL-terminated whenever it is
 * not NULL. */
struct buf {
    char *data;
    size_t len, cap;
    size_t limit; /* 0: none */
    bool full;    /* something was refused for the limit since the last clear; sticky */
};

void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory */
/* Room for `more` bytes after len; NULL with `full` set where the limit is passed.
 * Who writes there moves `len` and puts the NUL (there is room for it). */
char *buf_reserve(struct buf *buf, size_t more);
/* Each appends all of it or nothing: 0, or -E2BIG where the limit is passed. */
int buf_add(struct buf *buf, const void *bytes, size_t size);
int buf_addstr(struct buf *buf, const char *text);
int buf_addch(struct buf *buf, char c);
__attribute__((format(printf, 2, 3))) int buf_addf(struct buf *buf, const char *format,
                                                   ...);
int buf_addv(struct buf *buf, const char *format, va_list args);
int buf_addu(struct buf *buf, uint64_t number); /* decimal, quicker than addf */
int buf_addi(struct buf *buf, int64_t number);
/* The data, now the caller's to free(3); the buffer is empty again. Never NULL. */
char *buf_take(struct buf *buf);
