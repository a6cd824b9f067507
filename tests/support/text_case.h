/* text_case.h - a row of the simplest table: a text, and the text expected of it */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TEXT_CASE_H
#define TESTS_SUPPORT_TEXT_CASE_H

struct text_case {
    const char *given, *wanted;
};

#endif
