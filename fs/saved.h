/* Saved statements: <store>/query/<name>.kfl, usable as words in other statements.
 * Thread safe. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct listing;
struct saved;

int saved_open(struct saved **out, int store_dir, struct err *err);
void saved_close(struct saved *saved);
/* As kfl_env.saved wants it (`context` is the struct saved): NULL where there is none.
 * The text stays valid for a minute after it was replaced. */
const char *saved_text(void *context, const char *name, size_t len);
/* Appends the text to `out`, which may be NULL; -ENOENT. */
int saved_get(struct saved *saved, const char *name, struct buf *out, size_t *size,
              int64_t *at);
/* Puts and removes what is on disk too. -EINVAL, with words: a name that can't be one,
 * or a statement that is wrong or uses itself. */
int saved_judge(struct saved *saved, const char *name, const char *text, size_t len,
                struct err *err);
int saved_put(struct saved *saved, const char *name, const char *text, size_t len,
              int64_t at);
int saved_remove(struct saved *saved, const char *name);
void saved_list(struct saved *saved, struct listing *listing);
