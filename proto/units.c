/* units.c - durations, sizes, numbers and RFC 3339 times from text */
/* SPDX-License-Identifier: MIT */
#include "proto/units.h"

#include <string.h>

_Static_assert(UNITS_TIME_LEN == sizeof("2026-11-22T13:41:26.123Z") - 1, "RFC 3339 with milliseconds");

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool units_parse_u64(const char *s, size_t len, uint64_t *out)
{
    uint64_t value = 0;

    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(s[i]))
            return false;
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(s[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}, {NULL, 0},
};
#define DURATION_MAX (UINT64_C(10) * 365 * 24 * 3600 * 1000)
_Static_assert(DURATION_MAX < INT64_MAX / 1000000 / 2, "in nanoseconds, and added to a clock, it doesn't overflow");

static const struct unit sizes[] = {
    {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0},
};
#define SIZE_LIMIT (UINT64_C(1) << 40)

/* units ends with a NULL suffix. */
static bool parse_with_unit(const char *s, size_t len, const struct unit *units, uint64_t max, uint64_t *out)
{
    size_t digits = 0;
    uint64_t value;

    while (digits < len && is_digit(s[digits]))
        digits++;
    if (!units_parse_u64(s, digits, &value))
        return false;
    if (len == 1 && value == 0) {
        *out = 0;
        return true;
    }
    for (const struct unit *unit = units; unit->suffix != NULL; unit++) {
        if (strlen(unit->suffix) != len - digits || memcmp(unit->suffix, s + digits, len - digits) != 0)
            continue;
        if (value > max / unit->factor)
            return false;
        *out = value * unit->factor;
        return true;
    }
    return false;
}

bool units_parse_duration(const char *s, size_t len, int64_t *ms)
{
    uint64_t value;

    if (!parse_with_unit(s, len, durations, DURATION_MAX, &value))
        return false;
    *ms = (int64_t)value;
    return true;
}

bool units_parse_size(const char *s, size_t len, uint64_t *bytes)
{
    return parse_with_unit(s, len, sizes, SIZE_LIMIT, bytes);
}

/* ---- the proleptic Gregorian calendar ---- */

struct date {
    int64_t year;
    int64_t month; /* 1 .. 12 */
    int64_t day;   /* 1 .. 31 */
};

#define DAYS_PER_ERA 146097 /* 400 years: the calendar repeats */
#define EPOCH_DAY 719468    /* 1970-01-01, counted from 0000-03-01 */

/*
 * Years are taken to begin in March, so that the leap day is the last of its
 * year and the months before it have the regular pattern 153 days in 5.
 */
static int64_t days_of_date(struct date date)
{
    int64_t year = date.month > 2 ? date.year : date.year - 1;
    int64_t month = (date.month + 9) % 12;

    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + date.day - 1 - EPOCH_DAY;
}

/* The inverse, for days from 0000-03-01 on. */
static struct date date_of_days(int64_t days)
{
    struct date date;
    int64_t era = (days + EPOCH_DAY) / DAYS_PER_ERA;
    int64_t day_of_era = (days + EPOCH_DAY) % DAYS_PER_ERA;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    date.day = day_of_year - (153 * month + 2) / 5 + 1;
    date.month = month < 10 ? month + 3 : month - 9;
    date.year = era * 400 + year_of_era + (date.month <= 2 ? 1 : 0);
    return date;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && leap ? 29 : days[month - 1];
}

/* ---- RFC 3339 section 5.6 ---- */

/* len digits at s, the value between low and high. */
static bool parse_field(const char *s, size_t len, int64_t low, int64_t high, int64_t *out)
{
    uint64_t value;

    if (!units_parse_u64(s, len, &value))
        return false;
    *out = (int64_t)value;
    return *out >= low && *out <= high;
}

/* "Z" or "+01:30", in seconds east of UTC. */
static bool parse_offset(const char *s, size_t len, int64_t *seconds)
{
    int64_t hours, minutes;

    if (len == 1 && (s[0] == 'Z' || s[0] == 'z')) {
        *seconds = 0;
        return true;
    }
    if (len != 6 || (s[0] != '+' && s[0] != '-') || s[3] != ':' || !parse_field(s + 1, 2, 0, 23, &hours) ||
        !parse_field(s + 4, 2, 0, 59, &minutes))
        return false;
    *seconds = (hours * 3600 + minutes * 60) * (s[0] == '-' ? -1 : 1);
    return true;
}

/* ".123" at s, if there is one; digits beyond nanoseconds are cut off. Returns its length, or len + 1 if it is bad. */
static size_t parse_fraction(const char *s, size_t len, int64_t *ns)
{
    int64_t weight = 100000000;
    size_t at = 1;

    *ns = 0;
    if (len == 0 || s[0] != '.')
        return 0;
    for (; at < len && is_digit(s[at]); at++, weight /= 10)
        *ns += (s[at] - '0') * weight;
    return at > 1 ? at : len + 1;
}

bool units_parse_time(const char *s, size_t len, int64_t *ns)
{
    struct date date;
    int64_t hour, minute, second, offset, fraction, total;
    const size_t fixed = sizeof("1970-01-01T00:00:00") - 1;

    if (len < fixed || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != 't') || s[13] != ':' || s[16] != ':')
        return false;
    if (!parse_field(s, 4, 0, 9999, &date.year) || !parse_field(s + 5, 2, 1, 12, &date.month) ||
        !parse_field(s + 8, 2, 1, days_in_month(date.year, date.month), &date.day) ||
        !parse_field(s + 11, 2, 0, 23, &hour) || !parse_field(s + 14, 2, 0, 59, &minute) ||
        !parse_field(s + 17, 2, 0, 60, &second))
        return false;

    size_t at = fixed + parse_fraction(s + fixed, len - fixed, &fraction);
    if (at > len || !parse_offset(s + at, len - at, &offset))
        return false;
    /* The year is at least 0 and January of it lies before the era: still no overflow, and below 1970 anyway. */
    total = days_of_date(date) * 86400 + hour * 3600 + minute * 60 + second - offset;
    /* A leap second comes only before midnight UTC; Unix time gives it the number of the second after it. */
    if (total < 0 || (second == 60 && total % 86400 != 0))
        return false;
    if (__builtin_mul_overflow(total, INT64_C(1000000000), &total) || __builtin_add_overflow(total, fraction, &total))
        return false;
    *ns = total;
    return true;
}

static char *put_field(char *dst, int64_t value, size_t width, char after)
{
    for (size_t i = width; i-- > 0; value /= 10)
        dst[i] = (char)('0' + value % 10);
    dst[width] = after;
    return dst + width + 1;
}

void units_write_time(char *dst, int64_t unix_ms)
{
    const int64_t first = INT64_C(-62135596800000), last = INT64_C(253402300799999); /* years 1 to 9999 */
    const int64_t day_ms = 86400000;

    if (unix_ms < first)
        unix_ms = first;
    if (unix_ms > last)
        unix_ms = last;
    int64_t in_day = (unix_ms % day_ms + day_ms) % day_ms;
    struct date date = date_of_days((unix_ms - in_day) / day_ms);

    dst = put_field(dst, date.year, 4, '-');
    dst = put_field(dst, date.month, 2, '-');
    dst = put_field(dst, date.day, 2, 'T');
    dst = put_field(dst, in_day / 3600000, 2, ':');
    dst = put_field(dst, in_day / 60000 % 60, 2, ':');
    dst = put_field(dst, in_day / 1000 % 60, 2, '.');
    put_field(dst, in_day % 1000, 3, 'Z');
}

size_t units_u64_size(uint64_t v)
{
    size_t size = 1;

    for (; v >= 10; v /= 10)
        size++;
    return size;
}

size_t units_write_u64(char *dst, uint64_t v)
{
    size_t size = units_u64_size(v);

    for (size_t i = size; i-- > 0; v /= 10)
        dst[i] = (char)('0' + v % 10);
    return size;
}
