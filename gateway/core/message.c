/* message.c - one message on its way from a source into channels */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/message.h"

#include <stdatomic.h>

/* Of the process. None that is counted changes. */
static struct hidden {
    char pattern[SUBJECT_MAX + 1];
    size_t len;
    size_t literal; /* so much of it, from the start, has no wildcard: tells nearly all others apart */
} hidden[MESSAGE_HIDDEN_MAX];
static _Atomic size_t hidden_count;

static bool is_known(const char *pattern, size_t len)
{
    size_t count = atomic_load_explicit(&hidden_count, memory_order_relaxed);
    for (size_t i = 0; i != count; ++i) {
        if (hidden[i].len == len && memcmp(hidden[i].pattern, pattern, len) == 0)
            return true;
    }
    return false;
}

bool message_hide(const char *pattern)
{
    size_t len = strlen(pattern), count = atomic_load_explicit(&hidden_count, memory_order_relaxed);
    if (is_known(pattern, len))
        return true;
    if (count == MESSAGE_HIDDEN_MAX || len > SUBJECT_MAX)
        return false;
    memcpy(hidden[count].pattern, pattern, len + 1);
    hidden[count].len = len;
    hidden[count].literal = strcspn(pattern, "*>");
    atomic_store_explicit(&hidden_count, count + 1, memory_order_release);
    return true;
}

static bool hides(const struct hidden *one, const char *subject, size_t len)
{
    if (len < one->literal || memcmp(subject, one->pattern, one->literal) != 0)
        return false;
    if (one->literal == one->len)
        return len == one->len;
    return subject_matches(one->pattern, one->len, subject, len);
}

bool message_is_hidden(const char *subject, size_t len)
{
    size_t count = atomic_load_explicit(&hidden_count, memory_order_acquire);
    for (size_t i = 0; i != count; ++i) {
        if (hides(&hidden[i], subject, len))
            return true;
    }
    return false;
}
