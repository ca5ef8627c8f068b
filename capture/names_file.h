/* The names file: a table that does not change once it is read. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "capture/names.h"

struct names_file;

/* Errors as names_open(). */
int names_file_read(struct names_file **out, const char *path, struct err *err);
void names_file_free(struct names_file *file);
/* `file` may be NULL. Texts live as long as the file. */
bool names_file_find(const struct names_file *file, const struct address *address,
                     struct name *out);
uint64_t names_file_count(const struct names_file *file);
