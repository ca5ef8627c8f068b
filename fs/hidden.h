/* Names that an unlink hid: they are gone to readers and come back if the folder's
 * rmdir is refused. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct hidden;

struct hidden *hidden_new(void);
void hidden_free(struct hidden *hidden);
/* `of` tells what the path is in from another that has its name later. 0, or -ENOSPC
 * past the limit. */
int hidden_add(struct hidden *hidden, const char *path, int64_t of);
bool hidden_has(struct hidden *hidden, const char *path, int64_t *of);
/* Lets go of the path and of all below it. */
void hidden_forget(struct hidden *hidden, const char *path);
void hidden_forget_below(struct hidden *hidden, const char *path);
