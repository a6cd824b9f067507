/* units.c - fuzzes durations, sizes, numbers and times */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/units.h"

/* The digits in front, as a number that holds any of them; beyond `most` it stays there. Returns how many. */
static size_t digits(const char *s, size_t len, unsigned __int128 *value)
{
    const unsigned __int128 most = (unsigned __int128)1 << 100;
    size_t count = 0;

    *value = 0;
    for (; count != len && strchr("0123456789", s[count]) != NULL && s[count] != '\0'; ++count) {
        if (*value < most)
            *value = *value * 10 + (unsigned)(s[count] - '0');
    }
    return count;
}

static void check_number(const struct fuzz_text *text)
{
    unsigned __int128 value;
    uint64_t out = 77;
    bool valid = digits(text->s, text->len, &value) == text->len && text->len != 0 && value <= UINT64_MAX;

    FUZZ_CHECK(units_parse_u64(text->s, text->len, &out) == valid);
    FUZZ_CHECK(out == (valid ? (uint64_t)value : 77));
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* A number and one of the units; a lone "0" needs none. */
static bool with_unit(const struct fuzz_text *text, const struct unit *units, uint64_t most, uint64_t *out)
{
    unsigned __int128 value;
    size_t count = digits(text->s, text->len, &value);

    *out = 0;
    if (text->len == 1 && text->s[0] == '0')
        return true;
    for (; count != 0 && units->name != NULL; ++units) {
        size_t len = strlen(units->name);
        if (text->len - count == len && memcmp(text->s + count, units->name, len) == 0) {
            value *= units->factor;
            *out = (uint64_t)value;
            return value <= most;
        }
    }
    return false;
}

static void check_units(const struct fuzz_text *text)
{
    static const struct unit durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {0}};
    static const struct unit sizes[] = {{"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {0}};
    uint64_t wanted, bytes = 77;
    int64_t ms = 77;
    bool valid = with_unit(text, durations, UINT64_C(3650) * 86400000, &wanted);

    FUZZ_CHECK(units_parse_duration(text->s, text->len, &ms) == valid);
    FUZZ_CHECK(ms == (valid ? (int64_t)wanted : 77));
    valid = with_unit(text, sizes, UINT64_C(1) << 40, &wanted);
    FUZZ_CHECK(units_parse_size(text->s, text->len, &bytes) == valid);
    FUZZ_CHECK(bytes == (valid ? wanted : 77));
}

/* ---- times, by libc's calendar ---- */

/* "dddd-dd-…" in which d is any digit and x any byte; everything else stands for itself. */
static bool looks_like(const char *s, const char *form)
{
    for (; *form != '\0'; ++s, ++form) {
        if (*form == 'd' ? *s < '0' || *s > '9' : *form != 'x' && *s != *form)
            return false;
    }
    return true;
}

/* Seconds east of UTC, and whether that is how one is written. */
static bool read_zone(const char *s, long *east)
{
    int hours, minutes;

    *east = 0;
    if (strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
        return true;
    if (strlen(s) != 6 || (s[0] != '+' && s[0] != '-') || !looks_like(s + 1, "dd:dd") ||
        sscanf(s + 1, "%d:%d", &hours, &minutes) != 2)
        return false;
    *east = (hours * 3600L + minutes * 60L) * (s[0] == '-' ? -1 : 1);
    return hours <= 23 && minutes <= 59;
}

/* A fraction, cut to nanoseconds. Returns the end of it; NULL: it has no digits. */
static const char *read_fraction(const char *s, long *ns)
{
    char nine[] = "000000000";
    size_t count;

    *ns = 0;
    if (*s != '.')
        return s;
    count = strspn(s + 1, "0123456789");
    memcpy(nine, s + 1, count < 9 ? count : 9);
    *ns = strtol(nine, NULL, 10);
    return count != 0 ? s + 1 + count : NULL;
}

static bool read_time(const char *s, int64_t *ns)
{
    struct tm tm = {0}, back;
    const char *zone;
    long east, fraction;
    int64_t total;

    if (!looks_like(s, "dddd-dd-ddxdd:dd:dd") || (s[10] != 'T' && s[10] != 't') ||
        sscanf(s, "%d-%d-%d%*c%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) !=
            6)
        return false;
    zone = read_fraction(s + 19, &fraction);
    if (zone == NULL || !read_zone(zone, &east) || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    back = tm;
    total = timegm(&tm) - east;
    /* A day that is in no calendar comes out as another one. */
    struct tm day = {.tm_year = back.tm_year, .tm_mon = back.tm_mon, .tm_mday = back.tm_mday};
    timegm(&day);
    if (day.tm_mday != back.tm_mday || day.tm_mon != back.tm_mon || day.tm_year != back.tm_year || total < 0 ||
        (back.tm_sec == 60 && total % 86400 != 0))
        return false;
    __int128 exact = (__int128)total * 1000000000 + fraction;
    *ns = (int64_t)exact;
    return exact <= INT64_MAX;
}

static void check_time(const struct fuzz_text *text)
{
    char copy[128] = {0};
    int64_t wanted = 0, ns = 77;

    if (text->len >= sizeof(copy) - 1)
        return;
    memcpy(copy, text->s, text->len);
    bool valid = strlen(copy) == text->len && read_time(copy, &wanted);
    FUZZ_CHECK(units_parse_time(text->s, text->len, &ns) == valid);
    FUZZ_CHECK(ns == (valid ? wanted : 77));
}

static void check_writing(const uint8_t *data)
{
    static const int64_t first = -62135596800000, last = 253402300799999;
    char time[UNITS_TIME_LEN], wanted[64], number[20], wanted_number[24];
    uint64_t value;
    int64_t ms;
    struct tm tm;

    memcpy(&value, data, 8);
    int len = snprintf(wanted_number, sizeof(wanted_number), "%llu", (unsigned long long)value);
    FUZZ_CHECK(units_u64_size(value) == (size_t)len && units_write_u64(number, value) == (size_t)len);
    FUZZ_CHECK(memcmp(number, wanted_number, (size_t)len) == 0);

    memcpy(&ms, data, 8);
    units_write_time(time, ms);
    ms = ms < first ? first : ms > last ? last : ms;
    int64_t in_second = (ms % 1000 + 1000) % 1000;
    time_t seconds = (ms - in_second) / 1000;
    gmtime_r(&seconds, &tm);
    snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)in_second);
    FUZZ_CHECK(strlen(wanted) == UNITS_TIME_LEN && memcmp(time, wanted, UNITS_TIME_LEN) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text text;

    if (size >= 8)
        check_writing(data);
    text = fuzz_rest(&input);
    check_number(&text);
    check_units(&text);
    check_time(&text);
    free(text.s);
    return 0;
}
