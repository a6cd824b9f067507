/* reserved.c - subjects that no stream carries and no client publishes to */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/reserved.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "proto/subject.h"

#define CONTROL_PREFIX "freshet.control."
#define CONTROL_PATTERN CONTROL_PREFIX ">"

_Static_assert(RESERVED_MAX >= CONFIG_QUESTIONS_MAX + CONFIG_PRESENCES_MAX, "one configuration declares no more");

/* Of the process. Entries below the count never change. */
static struct declared {
    char pattern[SUBJECT_MAX + 1];
    size_t len;
    size_t literal; /* length of its start without wildcards: comparing that rules out nearly all others */
} declared[RESERVED_MAX];
static _Atomic uint32_t declared_count;

static bool is_known(const char *pattern, size_t len)
{
    uint32_t count = atomic_load_explicit(&declared_count, memory_order_relaxed);
    for (uint32_t i = 0; i != count; ++i) {
        if (declared[i].len == len && memcmp(declared[i].pattern, pattern, len) == 0)
            return true;
    }
    return false;
}

bool reserved_declare(const char *pattern)
{
    size_t len = strlen(pattern);
    uint32_t count = atomic_load_explicit(&declared_count, memory_order_relaxed);
    if (is_known(pattern, len))
        return true;
    if (count == RESERVED_MAX || len > SUBJECT_MAX)
        return false;
    memcpy(declared[count].pattern, pattern, len + 1);
    declared[count].len = len;
    declared[count].literal = strcspn(pattern, "*>");
    CHECK(declared[count].literal <= len);
    atomic_store_explicit(&declared_count, count + 1, memory_order_release);
    return true;
}

static bool matches_declared(const struct declared *one, const char *subject, size_t len)
{
    if (len < one->literal || memcmp(subject, one->pattern, one->literal) != 0)
        return false;
    if (one->literal == one->len)
        return len == one->len;
    return subject_matches(one->pattern, one->len, subject, len);
}

bool reserved_is_declared(const char *subject, size_t len)
{
    uint32_t count = atomic_load_explicit(&declared_count, memory_order_acquire);
    for (uint32_t i = 0; i != count; ++i) {
        if (matches_declared(&declared[i], subject, len))
            return true;
    }
    return false;
}

bool reserved_is_control(const char *subject, size_t len)
{
    return len >= sizeof(CONTROL_PREFIX) - 1 && memcmp(subject, CONTROL_PREFIX, sizeof(CONTROL_PREFIX) - 1) == 0;
}

bool reserved_has(const char *subject, size_t len)
{
    return subject_is_reserved(subject, len) || reserved_is_control(subject, len) || reserved_is_declared(subject, len);
}

static bool overlaps_any(const char *pattern, size_t len, uint32_t count)
{
    /* '*' and '>' as the first token match those that begin with '$' or '_', too */
    if (len == 0 || pattern[0] == '*' || pattern[0] == '>' || subject_is_reserved(pattern, len))
        return true;
    if (subject_overlaps(pattern, len, CONTROL_PATTERN, sizeof(CONTROL_PATTERN) - 1))
        return true;
    for (uint32_t i = 0; i != count; ++i) {
        if (subject_overlaps(pattern, len, declared[i].pattern, declared[i].len))
            return true;
    }
    return false;
}

bool reserved_may_match(const char *pattern, size_t len, _Atomic uint32_t *judged)
{
    uint32_t count = atomic_load_explicit(&declared_count, memory_order_acquire);
    uint32_t known = atomic_load_explicit(judged, memory_order_relaxed);
    if (known >> 1 == count + 1) /* judged when as much had been declared as now */
        return (known & 1) != 0;
    bool may = overlaps_any(pattern, len, count);
    atomic_store_explicit(judged, (count + 1) << 1 | (uint32_t)may, memory_order_relaxed);
    return may;
}
