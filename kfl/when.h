/* datetime("1/2/2006, 3:04:05.000 PM"): a time as people in the original's interface
 * write it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* ms since 1970 UTC; -EINVAL with the byte where it goes wrong in *at and what was
 * expected. */
int when_parse(int64_t *ms, const char *text, size_t len, size_t *at,
               const char **expected);
