/* Sizes and durations as people write them. */
#pragma once
#include <stdint.h>

/* "500Mi", "5Gi", "64Ki", "1Ti", "10M" (decimal), "123"; 0, -EINVAL, or -ERANGE. */
int units_size(uint64_t *bytes, const char *text);
/* "90s", "5m", "2h", "1d", "250ms" ("us" and "ns" too); a bare number counts `bare_ns`,
 * or is -EINVAL where that is 0. 0, -EINVAL, or -ERANGE. */
int units_duration(int64_t *ns, const char *text, int64_t bare_ns);
