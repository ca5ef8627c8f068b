#include "kfl/when.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct cursor {
    const char *text;
    size_t len, at;
    const char *expected; /* NULL: all is well so far */
};

static int64_t read_number(struct cursor *cursor, size_t least, size_t most,
                           int64_t min, int64_t max, const char *expected)
{
    size_t start = cursor->at, digits = 0;
    int64_t value = 0;
    if (cursor->expected)
        return 0;
    while (digits < most && start + digits < cursor->len &&
           cursor->text[start + digits] >= '0' && cursor->text[start + digits] <= '9')
        value = value * 10 + (cursor->text[start + digits++] - '0');
    if (digits < least || value < min || value > max)
        cursor->expected = expected;
    else
        cursor->at += digits;
    return value;
}

static bool skip(struct cursor *cursor, const char *sign)
{
    size_t len = strlen(sign);
    bool there = !cursor->expected && cursor->len - cursor->at >= len &&
                 !memcmp(cursor->text + cursor->at, sign, len);
    cursor->at += there ? len : 0;
    return there;
}

static void want(struct cursor *cursor, const char *sign, const char *expected)
{
    if (!skip(cursor, sign) && !cursor->expected)
        cursor->expected = expected;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    int64_t before = year - 1,
            days = before * 365 + before / 4 - before / 100 + before / 400;
    for (int64_t m = 1; m < month; m++)
        days += days_of_month(year, m);
    return days + day - 1 - 719162;
}

int when_parse(int64_t *ms, const char *text, size_t len, size_t *at,
               const char **expected)
{
    struct cursor cursor = {.text = text, .len = len};
    int64_t month = read_number(&cursor, 1, 2, 1, 12, "a month, 1 to 12");
    want(&cursor, "/", "`/`");
    size_t day_at = cursor.at;
    int64_t day = read_number(&cursor, 1, 2, 1, 31, "a day, 1 to 31");
    want(&cursor, "/", "`/`");
    int64_t year = read_number(&cursor, 4, 4, 1, 9999, "a year of four digits");
    if (!cursor.expected && day > days_of_month(year, month)) {
        cursor.at = day_at;
        cursor.expected = "a day that the month has";
    }
    want(&cursor, ", ", "`, `");
    int64_t hour = read_number(&cursor, 1, 2, 1, 12, "an hour, 1 to 12");
    want(&cursor, ":", "`:`");
    int64_t minute = read_number(&cursor, 2, 2, 0, 59, "minutes, 00 to 59");
    want(&cursor, ":", "`:`");
    int64_t second = read_number(&cursor, 2, 2, 0, 59, "seconds, 00 to 59"), milli = 0;
    if (skip(&cursor, "."))
        milli = read_number(&cursor, 3, 3, 0, 999, "three digits of milliseconds");
    want(&cursor, " ", "a blank and AM or PM");
    bool pm = skip(&cursor, "PM");
    if (!pm)
        want(&cursor, "AM", "AM or PM");
    if (!cursor.expected && cursor.at < len)
        cursor.expected = "nothing more";
    *at = cursor.at;
    *expected = cursor.expected;
    if (cursor.expected)
        return -EINVAL;
    hour = hour % 12 + (pm ? 12 : 0);
    *ms = (((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 +
           second) *
              1000 +
          milli;
    return 0;
}
