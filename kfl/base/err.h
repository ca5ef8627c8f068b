/* Errors as values: a negative errno goes up, the words to the caller's struct err. */
#pragma once

#define ERR_TEXT 480

struct err {
    int code;           /* negative errno, 0: no error */
    int line, col;      /* position in a text, from 1, columns in characters; 0: none */
    char msg[ERR_TEXT]; /* one clear sentence without full stop, never payload */
};

/* Fills *err (which may be NULL) and returns `code`, for `return err_set(…)`. Never
 * allocates; words that are too long are cut. The latest words win. */
__attribute__((format(printf, 3, 4))) int err_set(struct err *err, int code,
                                                  const char *format, ...);

/* As err_set, at a place in a text. */
__attribute__((format(printf, 5, 6))) int
err_set_at(struct err *err, int code, int line, int col, const char *format, ...);

/* "line:col: msg", or "msg" without a position, cut to fit; returns `out`. */
char *err_text(const struct err *err, char *out, unsigned size);
