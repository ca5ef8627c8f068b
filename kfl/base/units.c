#include "kfl/base/units.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "kfl/base/clock.h"

struct unit {
    char name[4];
    uint64_t factor;
};

/* Each from large to small; the first of two names is the one that is written. */
static const struct unit size_units[] = {
    {"Pi", UINT64_C(1) << 50}, {"P", UINT64_C(1000000000000000)},
    {"Ti", UINT64_C(1) << 40}, {"T", UINT64_C(1000000000000)},
    {"Gi", UINT64_C(1) << 30}, {"G", UINT64_C(1000000000)},
    {"Mi", UINT64_C(1) << 20}, {"M", UINT64_C(1000000)},
    {"Ki", UINT64_C(1) << 10}, {"K", UINT64_C(1000)},
    {"k", UINT64_C(1000)},     {"", 1},
};
static const struct unit duration_units[] = {
    {"d", 86400 * (uint64_t)NS_PER_S},
    {"h", 3600 * (uint64_t)NS_PER_S},
    {"m", 60 * (uint64_t)NS_PER_S},
    {"s", (uint64_t)NS_PER_S},
    {"ms", (uint64_t)NS_PER_MS},
    {"us", 1000},
    {"ns", 1},
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Digits; returns what is behind them, NULL if there are none. ERANGE is for the end: a
 * wrong unit behind a number that is too large is still a wrong unit. */
static const char *take_number(uint64_t *number, int *rc, const char *text)
{
    *number = 0;
    *rc = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*p - '0'), number))
            *rc = -ERANGE;
    }
    return p == text ? NULL : p;
}

static const struct unit *find_unit(const struct unit *units, size_t count,
                                    const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

int units_size(uint64_t *bytes, const char *text)
{
    uint64_t number, out;
    int rc;
    const char *rest = take_number(&number, &rc, text);
    const struct unit *unit =
        rest ? find_unit(size_units, COUNT(size_units), rest) : NULL;
    if (!unit)
        return -EINVAL;
    if (rc < 0 || __builtin_mul_overflow(number, unit->factor, &out))
        return -ERANGE;
    *bytes = out;
    return 0;
}

int units_duration(int64_t *ns, const char *text, int64_t bare_ns)
{
    uint64_t number, factor = (uint64_t)bare_ns;
    int64_t out;
    int rc;
    const char *rest = take_number(&number, &rc, text);
    if (!rest)
        return -EINVAL;
    if (*rest) {
        const struct unit *unit =
            find_unit(duration_units, COUNT(duration_units), rest);
        if (!unit)
            return -EINVAL;
        factor = unit->factor;
    } else if (bare_ns <= 0) {
        return -EINVAL;
    }
    if (rc < 0 || __builtin_mul_overflow(number, factor, &out))
        return -ERANGE;
    *ns = out;
    return 0;
}
