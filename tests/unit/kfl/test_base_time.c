/* Clocks, times as text, sizes and durations. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/units.h"

static void times_are_written_as_rfc_3339(void **state)
{
    (void)state;
    char out[CLOCK_TEXT];
    int64_t at = INT64_C(1795423500) * NS_PER_S + 123456789;
    assert_string_equal(clock_format(out, at, 0), "2026-11-23T08:45:00Z");
    assert_string_equal(clock_format(out, at, 3), "2026-11-23T08:45:00.123Z");
    assert_string_equal(clock_format(out, at, 6), "2026-11-23T08:45:00.123456Z");
    assert_string_equal(clock_format(out, at, 9), "2026-11-23T08:45:00.123456789Z");
    assert_string_equal(clock_format_name(out, at), "2026-11-23T08-45-00Z");
    assert_string_equal(clock_format(out, -1, 9), "1969-12-31T23:59:59.999999999Z");
    assert_string_equal(clock_format(out, 0, 3), "1970-01-01T00:00:00.000Z");
}

static void the_calendar_is_that_of_libc(void **state)
{
    (void)state;
    char out[CLOCK_TEXT], want[CLOCK_TEXT];
    int64_t step = INT64_C(86400) * 13 + 12345;
    for (int64_t s = INT64_MIN / NS_PER_S + 1; s < INT64_MAX / NS_PER_S - step;
         s += step) {
        time_t time = s;
        struct tm tm;
        int64_t again = 0;
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&time, &tm));
        assert_string_equal(clock_format(out, s * NS_PER_S, 0), want);
        assert_int_equal(clock_parse(&again, out), 0);
        assert_true(again == s * NS_PER_S);
    }
}

static void times_are_read_in_both_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t at;
    } samples[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:01.5z", 1500000000},
        {"1970-01-01 00:00:00.123456789999Z", 123456789},
        {"1970-01-01T01:30:00+01:30", 0},
        {"1969-12-31T19:00:00-05:00", 0},
        {"1970-01-01T00-01-00Z", 60 * NS_PER_S},
        {"2000-02-29T00:00:00Z", INT64_C(951782400) * NS_PER_S},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800) * NS_PER_S},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        int64_t at = -1;
        assert_int_equal(clock_parse(&at, samples[i].text), 0);
        assert_int_equal(at, samples[i].at);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "never",
        "2026-11-23",
        "2026-11-23T08:45",
        "2026-11-23T08:45:00",
        "2026-11-23T08:45:00Zx",
        "2026-13-23T08:45:00Z",
        "2026-02-29T08:45:00Z",
        "1900-02-29T00:00:00Z",
        "2026-11-00T08:45:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T08:60:00Z",
        "2026-11-23T08:45:61Z",
        "2026-11-23T08-45-00.5Z",
        "2026-11-23T08-45-00+01:00",
        "2026-11-23T08:45-00Z",
        "2026-11-23T08:45:00.Z",
        "2026-11-23T08:45:00+1:00",
        "2026-11-23T08:45:00+24:00",
        "9999-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "+026-11-23T08:45:00Z",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t at = 7;
        if (clock_parse(&at, bad[i]) != -EINVAL || at != 7)
            fail_msg("taken for a time: %s", bad[i]);
    }
}

static void clocks_say_the_time(void **state)
{
    (void)state;
    struct clock_fake fake;
    clock_fake_init(&fake, 42);
    assert_int_equal(fake.clock.now(&fake.clock), 42);
    fake.at = 50;
    assert_int_equal(fake.clock.now(&fake.clock), 50);
    const struct clock *clock = clock_system();
    int64_t wall = clock->now(clock) / NS_PER_S;
    assert_in_range(wall, time(NULL) - 2, time(NULL) + 2);
    int64_t before = clock_monotonic();
    assert_true(clock_monotonic() >= before);
}

static void sizes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t bytes;
    } samples[] = {
        {"0", 0, 0},
        {"123", 0, 123},
        {"64Ki", 0, 65536},
        {"500Mi", 0, UINT64_C(524288000)},
        {"5Gi", 0, UINT64_C(5368709120)},
        {"1Ti", 0, UINT64_C(1099511627776)},
        {"10M", 0, 10000000},
        {"2k", 0, 2000},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -ERANGE, 0},
        {"16777216Ti", -ERANGE, 0},
        {"99999999999999999999Gi", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"Gi", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {"1.5Gi", -EINVAL, 0},
        {"5 Gi", -EINVAL, 0},
        {"5gi", -EINVAL, 0},
        {"5Gib", -EINVAL, 0},
        {"99999999999999999999x", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        uint64_t bytes = 0;
        if (units_size(&bytes, samples[i].text) != samples[i].rc ||
            bytes != samples[i].bytes)
            fail_msg("%s: %llu", samples[i].text, (unsigned long long)bytes);
    }
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t ns;
    } samples[] = {
        {"90s", 0, 90 * NS_PER_S},
        {"5m", 0, 300 * NS_PER_S},
        {"2h", 0, 7200 * NS_PER_S},
        {"1d", 0, 86400 * NS_PER_S},
        {"250ms", 0, 250 * NS_PER_MS},
        {"240", 0, 240 * 60 * NS_PER_S},
        {"0", 0, 0},
        {"106751d", 0, INT64_C(106751) * 86400 * NS_PER_S},
        {"106752d", -ERANGE, 0},
        {"9223372036854775807", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"-1s", -EINVAL, 0},
        {"1.5h", -EINVAL, 0},
        {"1w", -EINVAL, 0},
        {"5min", -EINVAL, 0},
        {"s", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        int64_t ns = 0;
        int rc = units_duration(&ns, samples[i].text, 60 * NS_PER_S);
        if (rc != samples[i].rc || ns != samples[i].ns)
            fail_msg("%s: %d %lld", samples[i].text, rc, (long long)ns);
    }
    int64_t ns;
    assert_int_equal(units_duration(&ns, "5", 0), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_rfc_3339),
        cmocka_unit_test(the_calendar_is_that_of_libc),
        cmocka_unit_test(times_are_read_in_both_forms),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(clocks_say_the_time),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(durations_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
