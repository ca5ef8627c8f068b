#include "kfl/base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Cut words must not end in half a character. */
static void trim_character(char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (len - (start - 1) < need)
        text[start - 1] = 0;
}

static void set_words(struct err *err, const char *format, va_list args)
{
    /* Not straight into err->msg, which may be among the arguments. */
    char words[ERR_TEXT];
    int len = vsnprintf(words, sizeof(words), format, args);
    if (len < 0)
        words[0] = 0;
    if (len >= (int)sizeof(words))
        trim_character(words, sizeof(words) - 1);
    memcpy(err->msg, words, strlen(words) + 1);
}

int err_set(struct err *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    set_words(err, format, args);
    va_end(args);
    err->code = code;
    err->line = err->col = 0;
    return code;
}

int err_set_at(struct err *err, int code, int line, int col, const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    set_words(err, format, args);
    va_end(args);
    err->code = code;
    err->line = line;
    err->col = col;
    return code;
}

char *err_text(const struct err *err, char *out, unsigned size)
{
    int len = err->line
                  ? snprintf(out, size, "%d:%d: %s", err->line, err->col, err->msg)
                  : snprintf(out, size, "%s", err->msg);
    if (size > 0 && len >= (int)size)
        trim_character(out, size - 1);
    return out;
}
