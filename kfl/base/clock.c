#include "kfl/base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>

#define DAYS_TO_1970 719468 /* from 0000-03-01 */
#define DAYS_PER_ERA 146097 /* 400 years */
#define S_PER_DAY    86400

struct civil {
    int year, month, day;
};

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t system_now(const struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

const struct clock *clock_system(void)
{
    static const struct clock system = {system_now};
    return &system;
}

static int64_t fake_now(const struct clock *clock)
{
    return ((const struct clock_fake *)clock)->at;
}

void clock_fake_init(struct clock_fake *fake, int64_t at)
{
    fake->clock.now = fake_now;
    fake->at = at;
}

int64_t clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* The Gregorian calendar in years that begin in March, so that the leap day is the
 * last. Entries are stamped on the hot path, where gmtime_r and its time zone lock are
 * too slow. */
static struct civil civil_from_days(int64_t days)
{
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int of_era = (int)(days - era * DAYS_PER_ERA);
    int year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int from_march = (5 * of_year + 2) / 153;
    struct civil civil;
    civil.day = of_year - (153 * from_march + 2) / 5 + 1;
    civil.month = from_march < 10 ? from_march + 3 : from_march - 9;
    civil.year = (int)(year_of_era + era * 400) + (civil.month <= 2);
    return civil;
}

static int64_t days_from_civil(struct civil civil)
{
    int year = civil.year - (civil.month <= 2);
    int era = (year >= 0 ? year : year - 399) / 400;
    int year_of_era = year - era * 400;
    int from_march = civil.month > 2 ? civil.month - 3 : civil.month + 9;
    int of_year = (153 * from_march + 2) / 5 + civil.day - 1;
    int of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    return (int64_t)era * DAYS_PER_ERA + of_era - DAYS_TO_1970;
}

static char *put_digits(char *out, int64_t number, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return out + digits;
}

static char *put_time(char *out, int64_t at, int digits, char colon)
{
    int64_t seconds = at / NS_PER_S, ns = at % NS_PER_S;
    if (ns < 0) {
        ns += NS_PER_S;
        seconds--;
    }
    int64_t days = seconds / S_PER_DAY, of_day = seconds % S_PER_DAY;
    if (of_day < 0) {
        of_day += S_PER_DAY;
        days--;
    }
    struct civil civil = civil_from_days(days);
    char *p = put_digits(out, civil.year, 4);
    *p++ = '-';
    p = put_digits(p, civil.month, 2);
    *p++ = '-';
    p = put_digits(p, civil.day, 2);
    *p++ = 'T';
    p = put_digits(p, of_day / 3600, 2);
    *p++ = colon;
    p = put_digits(p, of_day / 60 % 60, 2);
    *p++ = colon;
    p = put_digits(p, of_day % 60, 2);
    if (digits > 0) {
        *p++ = '.';
        for (int i = digits; i < 9; i++)
            ns /= 10;
        p = put_digits(p, ns, digits);
    }
    *p++ = 'Z';
    *p = 0;
    return out;
}

char *clock_format(char out[CLOCK_TEXT], int64_t at, int digits)
{
    return put_time(out, at, digits, ':');
}

char *clock_format_name(char out[CLOCK_TEXT], int64_t at)
{
    return put_time(out, at, 0, '-');
}

static bool take_digits(const char **p, int digits, int *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++, ++*p) {
        if (**p < '0' || **p > '9')
            return false;
        *number = *number * 10 + (**p - '0');
    }
    return true;
}

static bool take(const char **p, char c)
{
    if (**p != c)
        return false;
    ++*p;
    return true;
}

static bool take_date(const char **p, struct civil *civil)
{
    static const signed char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!take_digits(p, 4, &civil->year) || !take(p, '-') ||
        !take_digits(p, 2, &civil->month) || !take(p, '-') ||
        !take_digits(p, 2, &civil->day))
        return false;
    if (civil->month < 1 || civil->month > 12 || civil->day < 1 ||
        civil->day > days[civil->month - 1])
        return false;
    int year = civil->year;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return leap || civil->month != 2 || civil->day != 29;
}

static int take_fraction(const char **p)
{
    int ns = 0, unit = (int)NS_PER_S / 10;
    for (; **p >= '0' && **p <= '9'; ++*p) {
        ns += (**p - '0') * unit;
        unit /= 10;
    }
    return ns;
}

/* "Z" or "+01:00", in seconds east of UTC. */
static bool take_offset(const char **p, int *offset_s)
{
    *offset_s = 0;
    if (take(p, 'Z') || take(p, 'z'))
        return true;
    int sign = **p == '-' ? -1 : 1, hours, minutes;
    if (!take(p, '+') && !take(p, '-'))
        return false;
    if (!take_digits(p, 2, &hours) || !take(p, ':') || !take_digits(p, 2, &minutes))
        return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

int clock_parse(int64_t *at, const char *text)
{
    struct civil civil;
    int hours, minutes, seconds, ns = 0, offset_s;
    const char *p = text;
    if (!take_date(&p, &civil) || !(take(&p, 'T') || take(&p, 't') || take(&p, ' ')) ||
        !take_digits(&p, 2, &hours))
        return -EINVAL;
    char colon = *p == '-' ? '-' : ':';
    if (!take(&p, colon) || !take_digits(&p, 2, &minutes) || !take(&p, colon) ||
        !take_digits(&p, 2, &seconds))
        return -EINVAL;
    if (colon == ':' && p[0] == '.' && p[1] >= '0' && p[1] <= '9') {
        p++;
        ns = take_fraction(&p);
    }
    if (colon == '-' && *p != 'Z')
        return -EINVAL;
    if (!take_offset(&p, &offset_s) || *p)
        return -EINVAL;
    /* 60 is a leap second (RFC 3339, 5.6), which POSIX time counts as the next. */
    if (hours > 23 || minutes > 59 || seconds > 60)
        return -EINVAL;
    int64_t total = days_from_civil(civil) * S_PER_DAY + hours * 3600 + minutes * 60 +
                    seconds - offset_s;
    int64_t out;
    if (__builtin_mul_overflow(total, NS_PER_S, &out) ||
        __builtin_add_overflow(out, ns, &out))
        return -EINVAL;
    *at = out;
    return 0;
}
