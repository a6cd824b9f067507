/* stress_numbers.h - subjects whose messages are numbered, and whether readers have them all */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_STRESS_NUMBERS_H
#define TESTS_SUPPORT_STRESS_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>

/* True if the reader expects the number after the last one published, for each subject that it follows. */
static inline bool stress_numbers_all_came(const bool *follows, const unsigned long *next,
                                           const unsigned long *published, size_t subjects)
{
    for (size_t i = 0; i != subjects; ++i) {
        if (follows[i] && next[i] != published[i] + 1)
            return false;
    }
    return true;
}

#endif
