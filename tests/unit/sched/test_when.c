/* Windows of a schedule: what is due at which time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kfl/base/clock.h"
#include "sched/when.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MINUTE       (60 * NS_PER_S)
#define HOUR         (60 * MINUTE)

static int64_t at(const char *text)
{
    int64_t ns;

    assert_int_equal(clock_parse(&ns, text), 0);
    return ns;
}

static void test_minute(void **state)
{
    static const struct {
        const char *text;
        int minute;
    } rows[] = {
        {"08:45", 525},   {"08:45 UTC", 525}, {"00:00", 0},  {"23:59", 1439},
        {"8:45", -1},     {"24:00", -1},      {"12:60", -1}, {"", -1},
        {"08:45UTC", -1}, {"08:45 CET", -1},  {"08-45", -1}, {"08:45:00", -1},
        {"-1:30", -1},    {"08:4", -1},
    };
    int minute;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        minute = -2;
        assert_int_equal(when_minute(&minute, rows[i].text),
                         rows[i].minute < 0 ? -EINVAL : 0);
        if (rows[i].minute >= 0)
            assert_int_equal(minute, rows[i].minute);
    }
}

static void test_first(void **state)
{
    static const struct {
        int minute;
        const char *now, *first;
    } rows[] = {
        {WHEN_NOW, "2026-11-23T08:45:12.5Z", "2026-11-23T08:45:12.5Z"},
        {525, "2026-11-23T08:00:00Z", "2026-11-23T08:45:00Z"},
        {525, "2026-11-23T08:45:00Z", "2026-11-23T08:45:00Z"},
        {525, "2026-11-23T08:45:00.000000001Z", "2026-11-24T08:45:00Z"},
        {525, "2026-12-31T23:59:59Z", "2027-01-01T08:45:00Z"},
        {0, "2028-02-28T00:00:01Z", "2028-02-29T00:00:00Z"},
        {1439, "2026-11-23T23:58:00Z", "2026-11-23T23:59:00Z"},
        {525, "1969-12-31T09:00:00Z", "1970-01-01T08:45:00Z"},
        {0, "1969-12-31T00:00:00Z", "1969-12-31T00:00:00Z"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(when_first(rows[i].minute, at(rows[i].now)),
                         at(rows[i].first));
}

/* Plans begin at 2026-11-23T08:45Z. */
static const struct row {
    int64_t count, duration, next;
    const char *now;
    int64_t index;
    char what;          /* 'w'aits, 'o'pen, 'x' over */
    const char *due_at; /* NULL: never */
} rows[] = {
    /* once */
    {1, HOUR, 0, "2026-11-23T08:00:00Z", 0, 'w', "2026-11-23T08:45:00Z"},
    {1, HOUR, 0, "2026-11-23T08:45:00Z", 0, 'o', "2026-11-23T08:45:00Z"},
    {1, HOUR, 0, "2026-11-23T09:44:59.999999999Z", 0, 'o', "2026-11-23T08:45:00Z"},
    {1, HOUR, 0, "2026-11-23T09:45:00Z", 1, 'x', NULL},
    {1, HOUR, 1, "2026-11-23T09:00:00Z", 1, 'x', NULL},
    /* until stopped: in progress whenever we look */
    {1, 0, 0, "2031-01-01T00:00:00Z", 0, 'o', "2026-11-23T08:45:00Z"},
    {1, 0, 1, "2031-01-01T00:00:00Z", 1, 'x', NULL},
    /* three days: 24 hours apart */
    {3, HOUR, 1, "2026-11-23T10:00:00Z", 1, 'w', "2026-11-24T08:45:00Z"},
    {3, HOUR, 1, "2026-11-24T09:00:00Z", 1, 'o', "2026-11-24T08:45:00Z"},
    {3, HOUR, 0, "2026-11-24T09:00:00Z", 1, 'o', "2026-11-24T08:45:00Z"},
    {3, HOUR, 0, "2026-11-25T09:45:00Z", 3, 'x', NULL},
    {3, HOUR, 3, "2026-11-25T08:50:00Z", 3, 'x', NULL},
    /* for ever; a leap day is a day, new year's too */
    {0, HOUR, 5, "2028-02-29T09:00:00Z", 463, 'o', "2028-02-29T08:45:00Z"},
    {0, HOUR, 5, "2027-01-01T00:00:00Z", 39, 'w', "2027-01-01T08:45:00Z"},
    /* the whole day: one follows the other */
    {0, WHEN_DAY, 1, "2026-11-24T08:44:59Z", 1, 'w', "2026-11-24T08:45:00Z"},
    {0, WHEN_DAY, 1, "2026-11-24T08:45:00Z", 1, 'o', "2026-11-24T08:45:00Z"},
    {0, WHEN_DAY, 0, "2026-11-24T08:45:00Z", 1, 'o', "2026-11-24T08:45:00Z"},
    /* over midnight */
    {2, 20 * HOUR, 0, "2026-11-24T03:00:00Z", 0, 'o', "2026-11-23T08:45:00Z"},
    /* the clock stepped 3 h back after the second began, and 3 h ahead over the third
     */
    {3, HOUR, 2, "2026-11-24T05:50:00Z", 2, 'w', "2026-11-25T08:45:00Z"},
    {3, HOUR, 2, "2026-11-25T11:00:00Z", 3, 'x', NULL},
    /* and back again: it is not lost */
    {3, HOUR, 2, "2026-11-25T08:00:00Z", 2, 'w', "2026-11-25T08:45:00Z"},
    /* a clock that was years wrong */
    {3, HOUR, 0, "1970-01-01T00:00:00Z", 0, 'w', "2026-11-23T08:45:00Z"},
    {0, HOUR, 0, "2199-01-01T00:00:00Z", 62861, 'w', "2199-01-01T08:45:00Z"},
    /* fewer iterations than were begun already */
    {2, HOUR, 4, "2026-11-27T08:50:00Z", 4, 'x', NULL},
};

static void test_due(void **state)
{
    struct due due;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *row = &rows[i];
        struct plan plan = {at("2026-11-23T08:45:00Z"), row->count, row->duration};

        print_message("row %zu: %s\n", i, row->now);
        when_due(&due, &plan, row->next, at(row->now));
        assert_int_equal(due.index, row->index);
        assert_int_equal(due.open, row->what == 'o');
        assert_int_equal(due.over, row->what == 'x');
        assert_int_equal(due.at, row->due_at ? at(row->due_at) : WHEN_NEVER);
        if (due.over || !row->duration)
            assert_int_equal(due.ends_at, WHEN_NEVER);
        else
            assert_int_equal(due.ends_at, due.at + row->duration);
    }
}

/* Whatever the clock shows, sums do not wrap. */
static void test_ends_of_time(void **state)
{
    struct plan plan = {at("2026-11-23T08:45:00Z"), 0, WHEN_DAY};
    struct due due;

    (void)state;
    when_due(&due, &plan, 0, INT64_MAX);
    assert_true(due.at > plan.first);
    when_due(&due, &plan, 0, INT64_MIN);
    assert_int_equal(due.at, plan.first);
    assert_int_equal(when_start(&plan, INT64_MAX), WHEN_NEVER);
    assert_int_equal(when_end(&plan, INT64_MAX / WHEN_DAY), WHEN_NEVER);
    assert_int_equal(when_first(1439, INT64_MAX), WHEN_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minute),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_ends_of_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
