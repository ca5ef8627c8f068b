/* Names that an unlink hid: they are gone to readers and come back if the folder's
 * rmdir is refused. */
#pragma once
#include <stdbool.h>

struct hidden;

struct hidden *hidden_new(void);
void hidden_free(struct hidden *hidden);
int hidden_add(struct hidden *hidden,
               const char *path); /* 0, or -ENOSPC past the limit */
bool hidden_has(struct hidden *hidden, const char *path);
/* Lets go of the path and of all below it. */
void hidden_forget(struct hidden *hidden, const char *path);
void hidden_forget_below(struct hidden *hidden, const char *path);
