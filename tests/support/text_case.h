/* text_case.h - a row of the plainest table there is: a text that is given, and one that has to come of it */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TEXT_CASE_H
#define TESTS_SUPPORT_TEXT_CASE_H

struct text_case {
    const char *given, *wanted;
};

#endif
