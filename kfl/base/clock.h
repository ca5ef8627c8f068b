/* Time: nanoseconds since 1970 UTC (`at`), from a clock that tests can set. */
#pragma once
#include <stdint.h>

#define NS_PER_MS  INT64_C(1000000)
#define NS_PER_S   INT64_C(1000000000)
#define MS_PER_S   INT64_C(1000)
#define CLOCK_TEXT 40

struct clock {
    int64_t (*now)(const struct clock *clock); /* wall clock, ns since 1970 UTC */
};

const struct clock *clock_system(void);

/* A clock that stands where it is set; any thread may read or set it. */
struct clock_fake {
    struct clock clock;
    _Atomic int64_t at;
};
void clock_fake_init(struct clock_fake *fake, int64_t at);

/* CLOCK_MONOTONIC, for waits and idle times. */
int64_t clock_monotonic(void);

/* RFC 3339 UTC with 0, 3, 6 or 9 digits of a second ("2026-11-23T08:45:00Z"); returns
 * `out`. */
char *clock_format(char out[CLOCK_TEXT], int64_t at, int digits);
/* The same with '-' for ':' and no fraction, for names of folders:
 * 2026-11-23T08-45-00Z. */
char *clock_format_name(char out[CLOCK_TEXT], int64_t at);
/* Reads both forms (RFC 3339 with any offset); 0 or -EINVAL. */
int clock_parse(int64_t *at, const char *text);
