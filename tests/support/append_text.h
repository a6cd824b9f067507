/* append_text.h - builds up a string in an array, and fails loudly when it is full */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_APPEND_TEXT_H
#define TESTS_SUPPORT_APPEND_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* text holds a string already, "" at first, in an array of size bytes. */
static inline __attribute__((format(printf, 3, 4))) void append_text(char *text, size_t size, const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;

    va_start(args, format);
    int added = vsnprintf(text + len, size - len, format, args);
    va_end(args);
    /* A table row that does not fit is a mistake in the test, never a passing one. */
    if (added < 0 || (size_t)added >= size - len)
        abort();
}

#endif
