/* When a job records: windows of UTC wall clock, a day apart. Pure arithmetic in ns
 * since 1970. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define WHEN_NOW            (-1) /* of a start_time: at once */
#define WHEN_NEVER          INT64_MAX
#define WHEN_DAY            (INT64_C(86400) * 1000000000)
#define WHEN_ITERATIONS_MAX 36500

/* Iteration i lasts from first + i days, `duration` long. */
struct plan {
    int64_t first;
    int64_t count;    /* 0: for ever */
    int64_t duration; /* 0: until stopped */
};

/* "08:45" or "08:45 UTC" as the minute of the day; -EINVAL. */
int when_minute(int *minute, const char *text);
/* The next time the clock shows that minute, `now` included; WHEN_NOW: now. */
int64_t when_first(int minute, int64_t now);

int64_t when_start(const struct plan *plan, int64_t i);
int64_t when_end(const struct plan *plan, int64_t i); /* WHEN_NEVER: until stopped */
/* `at` plus the plan's duration; WHEN_NEVER: until stopped. */
int64_t when_end_from(const struct plan *plan, int64_t at);

/* What is due, given that all iterations before `next` were begun. */
struct due {
    int64_t index; /* the first from `next` on whose window is not over; windows before
                      are missed */
    bool open;     /* it should be recording */
    bool over;     /* there is no such iteration: nothing is left of the plan */
    int64_t at;    /* its start; WHEN_NEVER where over */
    int64_t ends_at; /* its end */
};
void when_due(struct due *due, const struct plan *plan, int64_t next, int64_t now);
