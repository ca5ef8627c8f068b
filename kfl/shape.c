/* What can be told of a statement without judging its literals: is it whole, where is
 * it wrong. */
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/kfl.h"
#include "kfl/parse.h"

enum kfl_shape kfl_shape(const char *text, size_t len)
{
    struct arena arena = {0};
    struct node *root;
    struct build build = {.arena = &arena, .syntax_only = true};
    int rc = parse_statement(&root, &build, text, len);
    arena_fini(&arena);
    if (rc == 0)
        return KFL_COMPLETE;
    return build.open ? KFL_OPEN : KFL_WRONG;
}

/* The line that the error is in. */
static const char *find_line(size_t *len, const char *text, size_t size, int line)
{
    const char *start = text, *end = text + size, *newline;
    while (line > 1 && (newline = memchr(start, '\n', (size_t)(end - start)))) {
        start = newline + 1;
        line--;
    }
    newline = memchr(start, '\n', (size_t)(end - start));
    *len = (size_t)((newline ? newline : end) - start);
    return start;
}

/* Blanks up to the column; tabs stay, so that the caret is below its place on any
 * terminal. */
static void add_caret(struct buf *out, const char *line, size_t len, int col)
{
    for (size_t i = 0; i < len && col > 1; i++) {
        bool inside = ((unsigned char)line[i] & 0xc0) == 0x80;
        if (!inside)
            buf_addch(out, line[i] == '\t' ? '\t' : ' ');
        if (!inside)
            col--;
    }
    for (; col > 1; col--)
        buf_addch(out, ' ');
    buf_addstr(out, "^\n");
}

void kfl_show_error(struct buf *out, const char *text, size_t len,
                    const struct err *err)
{
    char words[ERR_TEXT + 32];
    buf_addf(out, "%s\n", err_text(err, words, sizeof(words)));
    if (!err->line)
        return;
    size_t line_len;
    const char *line = find_line(&line_len, text, len, err->line);
    buf_add(out, line, line_len);
    buf_addch(out, '\n');
    add_caret(out, line, line_len, err->col);
}
