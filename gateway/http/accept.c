/* accept.c - does an Accept header let us answer with text/event-stream? */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/accept.h"

#include <string.h>
#include <strings.h>

static void trim_blanks(const char **s, size_t *len)
{
    while (*len != 0 && (**s == ' ' || **s == '\t')) {
        ++*s;
        --*len;
    }
    while (*len != 0 && ((*s)[*len - 1] == ' ' || (*s)[*len - 1] == '\t'))
        --*len;
}

static bool is_type(const char *s, size_t len, const char *text)
{
    return len == strlen(text) && strncasecmp(s, text, len) == 0;
}

/* 0, 0.0, 0.000: a weight has at most three digits behind its point. */
static bool is_zero(const char *s, size_t len)
{
    if (len == 0 || s[0] != '0' || (len > 1 && s[1] != '.'))
        return false;
    for (size_t i = 2; i < len; ++i) {
        if (s[i] != '0')
            return false;
    }
    return true;
}

static void read_range(struct accept_verdict *verdict, const char *range, size_t len)
{
    const char *semicolon = memchr(range, ';', len);
    size_t type_len = semicolon != NULL ? (size_t)(semicolon - range) : len;
    const char *type = range;
    trim_blanks(&type, &type_len);
    int specificity = is_type(type, type_len, "text/event-stream") ? 3
                      : is_type(type, type_len, "text/*")          ? 2
                      : is_type(type, type_len, "*/*")             ? 1
                                                                   : 0;
    if (specificity == 0 || specificity < verdict->specificity)
        return;
    bool zero = false;
    while (semicolon != NULL) {
        const char *parameter = semicolon + 1;
        size_t rest = len - (size_t)(parameter - range);
        semicolon = memchr(parameter, ';', rest);
        size_t parameter_len = semicolon != NULL ? (size_t)(semicolon - parameter) : rest;
        trim_blanks(&parameter, &parameter_len);
        if (parameter_len >= 2 && (parameter[0] | 0x20) == 'q' && parameter[1] == '=')
            zero = is_zero(parameter + 2, parameter_len - 2);
    }
    /* The same range twice: one weight above 0 is enough. */
    verdict->is_acceptable = (specificity == verdict->specificity && verdict->is_acceptable) || !zero;
    verdict->specificity = specificity;
}

void accept_read(struct accept_verdict *verdict, const char *field, size_t len)
{
    while (len != 0) {
        const char *comma = memchr(field, ',', len);
        size_t range_len = comma != NULL ? (size_t)(comma - field) : len;
        read_range(verdict, field, range_len);
        size_t step = comma != NULL ? range_len + 1 : range_len;
        field += step;
        len -= step;
    }
}
