/* proto_units.c - numbers, durations, sizes and times: what is read, and what is not */
/* SPDX-License-Identifier: MIT */
#include "proto/units.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DAY_MS INT64_C(86400000)

Test(units, numbers)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0}, {"7", 7}, {"007", 7}, {"4294967296", UINT64_C(1) << 32}, {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x1",
                                      "a",
                                      "1a",
                                      "18446744073709551616",
                                      "18446744073709551620",
                                      "99999999999999999999",
                                      "100000000000000000000"};

    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t value = 42;
        cr_assert(units_parse_u64(good[i].text, strlen(good[i].text), &value), "%s", good[i].text);
        cr_expect(value == good[i].value, "%s", good[i].text);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t value = 42;
        cr_expect(!units_parse_u64(bad[i], strlen(bad[i]), &value) && value == 42, "%s", bad[i]);
    }
    uint64_t value = 42;
    cr_expect(!units_parse_u64(NULL, 0, &value));
    cr_expect(!units_parse_u64("1\0", 2, &value) && value == 42);
    cr_expect(units_parse_u64("123", 2, &value) && value == 12);
}

Test(units, numbers_written)
{
    uint64_t power = 1;

    for (size_t digits = 1; digits <= 20; digits++) {
        uint64_t edges[] = {power, power + 1, digits < 20 ? power * 10 - 1 : UINT64_MAX};
        for (size_t i = 0; i < COUNT(edges); i++) {
            char text[20];
            uint64_t back;
            cr_expect(units_u64_size(edges[i]) == digits);
            cr_expect(units_write_u64(text, edges[i]) == digits);
            cr_expect(units_parse_u64(text, digits, &back) && back == edges[i], "%.*s", (int)digits, text);
        }
        power *= 10;
    }
    char zero;
    cr_expect(units_u64_size(0) == 1 && units_write_u64(&zero, 0) == 1 && zero == '0');
}

Test(units, durations)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},
        {"0ms", 0},
        {"0d", 0},
        {"250ms", 250},
        {"15s", 15000},
        {"5m", 300000},
        {"1h", 3600000},
        {"2d", 2 * DAY_MS},
        {"3650d", 3650 * DAY_MS},
        {"87600h", 3650 * DAY_MS},
        {"315360000s", 3650 * DAY_MS},
    };
    static const char *const bad[] = {
        "",
        "00",
        "1",
        "s",
        "ms",
        "-1s",
        "+1s",
        "1.5s",
        " 1s",
        "1s ",
        "1 s",
        "1S",
        "1MS",
        "1sec",
        "1w",
        "1y",
        "1h30m",
        "3651d",
        "315360001s",
        "315360000001ms",
        "1m0",
        "1msx",
        "1mss",
        "ss",
        "1us",
        "1ns",
        "18446744073709551615d",
        "18446744073709551616ms",
        "213503982334601d",
    };

    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t ms = -1;
        cr_assert(units_parse_duration(good[i].text, strlen(good[i].text), &ms), "%s", good[i].text);
        cr_expect(ms == good[i].ms, "%s: %" PRId64, good[i].text, ms);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms = -1;
        cr_expect(!units_parse_duration(bad[i], strlen(bad[i]), &ms) && ms == -1, "%s", bad[i]);
    }
}

Test(units, sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"0B", 0},
        {"1B", 1},
        {"64KiB", 65536},
        {"4MiB", 4194304},
        {"1GiB", UINT64_C(1) << 30},
        {"1024GiB", UINT64_C(1) << 40},
        {"1099511627776B", UINT64_C(1) << 40},
    };
    static const char *const bad[] = {
        "",
        "1",
        "B",
        "1b",
        "1K",
        "1k",
        "1KB",
        "1kib",
        "1Kib",
        "1 KiB",
        "1KiB ",
        "-1B",
        "1.5MiB",
        "1TiB",
        "1025GiB",
        "1099511627777B",
        "18446744073709551615GiB",
        "17179869184GiB",
        "00",
    };

    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t bytes = 42;
        cr_assert(units_parse_size(good[i].text, strlen(good[i].text), &bytes), "%s", good[i].text);
        cr_expect(bytes == good[i].bytes, "%s: %" PRIu64, good[i].text, bytes);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t bytes = 42;
        cr_expect(!units_parse_size(bad[i], strlen(bad[i]), &bytes) && bytes == 42, "%s", bad[i]);
    }
}

Test(units, times_read)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000000001Z", 1},
        {"1970-01-01T00:00:00.0000000019Z", 1},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T23:00:00-01:00", 0},
        {"1969-12-31T00:01:00-23:59", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"2000-02-29T12:00:00Z", INT64_C(951825600000000000)},
        {"2024-02-29T23:59:59.999Z", INT64_C(1709251199999000000)},
        {"2026-11-22T13:41:26.123Z", INT64_C(1795354886123000000)},
        {"2026-11-22t13:41:26.123z", INT64_C(1795354886123000000)},
        {"2026-11-22T15:11:26.123+01:30", INT64_C(1795354886123000000)},
        {"2026-11-22T13:41:26.1Z", INT64_C(1795354886100000000)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000000000)},
        {"2017-01-01T00:59:60.5+01:00", INT64_C(1483228800500000000)},
        {"2100-03-01T00:00:00Z", INT64_C(4107542400000000000)},
        {"2262-04-11T23:47:16.854775807Z", INT64_MAX},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ns = -1;
        cr_assert(units_parse_time(cases[i].text, strlen(cases[i].text), &ns), "%s", cases[i].text);
        cr_expect(ns == cases[i].ns, "%s: %" PRId64, cases[i].text, ns);
    }
}

Test(units, times_refused)
{
    static const char *const cases[] = {
        "",
        "Z",
        "2026",
        "2026-11-22",
        "2026-11-22T13:41Z",
        "2026-11-22T13:41:26",
        "2026-11-22 13:41:26Z",
        "2026-11-22T13:41:26 Z",
        "2026-11-22T13:41:26Z ",
        " 2026-11-22T13:41:26Z",
        "2026-11-22T13:41:26.Z",
        "2026-11-22T13:41:26,1Z",
        "2026-11-22T13:41:26.1",
        "2026-11-22T13:41:26.12a3Z",
        "2026-11-22T13:41:26z0",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T23:58:60Z",
        "2026-01-01T23:59:60+01:00",
        "2026-11-22T13:41:26+1:00",
        "2026-11-22T13:41:26+0100",
        "2026-11-22T13:41:26+24:00",
        "2026-11-22T13:41:26+01:60",
        "2026-11-22T13:41:26+01",
        "2026-11-22T13:41:26Z+01:00",
        "26-11-22T13:41:26Z",
        "12026-11-22T13:41:26Z",
        "+026-11-22T13:41:26Z",
        "2026-1-22T13:41:26Z",
        "2026/11/22T13:41:26Z",
        "2026-11-22T13-41-26Z",
        "2026-11-22T-1:41:26Z",
        "1969-12-31T23:59:59Z",
        "1969-12-31T23:59:59.999999999Z",
        "1970-01-01T00:00:00+00:01",
        "0000-01-01T00:00:00Z",
        "2262-04-11T23:47:16.854775808Z",
        "2262-04-11T23:47:17Z",
        "2262-04-12T00:00:00Z",
        "9999-12-31T23:59:59Z",
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ns = 42;
        cr_expect(!units_parse_time(cases[i], strlen(cases[i]), &ns) && ns == 42, "%s: %" PRId64, cases[i], ns);
    }
    int64_t ns = 42;
    cr_expect(!units_parse_time(NULL, 0, &ns));
    cr_expect(!units_parse_time("2026-11-22T13:41:26Z\0", 21, &ns) && ns == 42);
}

Test(units, times_written)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(1795354886123), "2026-11-22T13:41:26.123Z"},
        {INT64_C(951868799999), "2000-02-29T23:59:59.999Z"},
        {INT64_C(951868800000), "2000-03-01T00:00:00.000Z"},
        {INT64_C(4107542399999), "2100-02-28T23:59:59.999Z"},
        {INT64_C(-62135596800000), "0001-01-01T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0001-01-01T00:00:00.000Z"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[UNITS_TIME_LEN + 1] = {0};
        units_write_time(text, cases[i].ms);
        cr_expect_str_eq(text, cases[i].text);
    }
}

/* Every day that has a number of nanoseconds, counted up by hand. */
Test(units, every_day_is_the_next_one)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 1970, month = 1, day = 1;

    for (int64_t ms = 0; ms <= INT64_MAX / 1000000 - DAY_MS; ms += DAY_MS) {
        char text[UNITS_TIME_LEN], expected[64];
        int64_t ns;
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT12:34:56.789Z", year, month, day);
        units_write_time(text, ms + 45296789);
        cr_assert(memcmp(text, expected, UNITS_TIME_LEN) == 0, "%.*s, not %s", UNITS_TIME_LEN, text, expected);
        cr_assert(units_parse_time(text, UNITS_TIME_LEN, &ns) && ns == (ms + 45296789) * 1000000, "%s", expected);
        if (++day > days[month - 1] + (leap && month == 2 ? 1 : 0)) {
            day = 1;
            year += month == 12;
            month = month % 12 + 1;
        }
    }
    cr_expect(year == 2262);
}
