/* stress_numbers.h - subjects whose messages are numbered, and what readers have of them */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_STRESS_NUMBERS_H
#define TESTS_SUPPORT_STRESS_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>

/* Of each subject that a reader follows, the next number it waits for is the one after the last published. */
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
