#include "sched/when.h"

#include <errno.h>
#include <string.h>

#define MINUTE (INT64_C(60) * 1000000000)

/* Clocks can be set to anything; sums stop at the ends of the scale instead of
 * wrapping. */
static int64_t sum(int64_t a, int64_t b)
{
    int64_t result;

    if (__builtin_add_overflow(a, b, &result))
        return b < 0 ? INT64_MIN : WHEN_NEVER;
    return result;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int when_minute(int *minute, const char *text)
{
    int hours, minutes;

    if (strlen(text) < 5 || !is_digit(text[0]) || !is_digit(text[1]) ||
        text[2] != ':' || !is_digit(text[3]) || !is_digit(text[4]))
        return -EINVAL;
    if (text[5] && strcmp(text + 5, " UTC") != 0)
        return -EINVAL;
    hours = (text[0] - '0') * 10 + text[1] - '0';
    minutes = (text[3] - '0') * 10 + text[4] - '0';
    if (hours > 23 || minutes > 59)
        return -EINVAL;
    *minute = hours * 60 + minutes;
    return 0;
}

int64_t when_first(int minute, int64_t now)
{
    int64_t midnight, today;

    if (minute == WHEN_NOW)
        return now;
    midnight = now - now % WHEN_DAY;
    if (now < 0 && midnight != now)
        midnight = sum(midnight, -WHEN_DAY);
    today = sum(midnight, minute * MINUTE);
    return today >= now ? today : sum(today, WHEN_DAY);
}

int64_t when_start(const struct plan *plan, int64_t i)
{
    int64_t days;

    if (__builtin_mul_overflow(i, WHEN_DAY, &days))
        return WHEN_NEVER;
    return sum(plan->first, days);
}

int64_t when_end_from(const struct plan *plan, int64_t at)
{
    return plan->duration ? sum(at, plan->duration) : WHEN_NEVER;
}

int64_t when_end(const struct plan *plan, int64_t i)
{
    return when_end_from(plan, when_start(plan, i));
}

void when_due(struct due *due, const struct plan *plan, int64_t next, int64_t now)
{
    int64_t begun = next, last_over;

    if (plan->duration && now >= when_end(plan, next)) {
        /* The last iteration whose end is not after now. */
        last_over = (now - plan->first - plan->duration) / WHEN_DAY;
        next = last_over + 1;
    }
    *due = (struct due){.index = next};
    if (plan->count && next >= plan->count) {
        due->index = begun > plan->count ? begun : plan->count;
        due->over = true;
        due->at = due->ends_at = WHEN_NEVER;
        return;
    }
    due->at = when_start(plan, next);
    due->ends_at = when_end(plan, next);
    due->open = now >= due->at;
}
