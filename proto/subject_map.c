/* subject_map.c - where messages of a pattern are found after a subject transform */
/* SPDX-License-Identifier: MIT */
#include "proto/subject_map.h"

#include <string.h>

struct piece {
    const char *s;
    size_t len;
};

/* What source's wildcards stand for in the pattern: token by token, and the rest for '>'. */
struct matched {
    struct piece wildcards[SUBJECT_TOKENS_MAX];
    unsigned count;
    struct piece rest;
};

static size_t token_len(const char *s)
{
    return strcspn(s, ".");
}

static bool is_token(struct piece token, char c)
{
    return token.len == 1 && token.s[0] == c;
}

/* source covers pattern: its tokens run alongside. */
static void match(const char *source, const char *pattern, struct matched *matched)
{
    while (*source != '\0') {
        struct piece from = {source, token_len(source)}, token = {pattern, token_len(pattern)};
        if (is_token(from, '>')) {
            matched->rest = (struct piece){pattern, strlen(pattern)};
            return;
        }
        if (is_token(from, '*') && matched->count != SUBJECT_TOKENS_MAX)
            matched->wildcards[matched->count++] = token;
        source += from.len + (source[from.len] == '.');
        pattern += token.len + (pattern[token.len] == '.');
    }
}

/* "$1" or "{{wildcard(1)}}": 1; an ordinary token: 0; anything else: -1. */
static int reference(struct piece token)
{
    static const char opening[] = "{{wildcard(", closing[] = ")}}";
    const char *digits = token.s;
    size_t len = token.len;
    int number = 0;
    if (len > 1 && token.s[0] == '$') {
        digits += 1;
        len -= 1;
    } else if (len > sizeof(opening) + sizeof(closing) - 2 && memcmp(token.s, opening, sizeof(opening) - 1) == 0 &&
               memcmp(token.s + len - 3, closing, 3) == 0) {
        digits += sizeof(opening) - 1;
        len -= sizeof(opening) + sizeof(closing) - 2;
    } else {
        return memchr(token.s, '{', len) != NULL || memchr(token.s, '$', len) != NULL ? -1 : 0;
    }
    if (len > 2)
        return -1;
    for (size_t i = 0; i != len; ++i) {
        if (digits[i] < '0' || digits[i] > '9')
            return -1;
        number = number * 10 + (digits[i] - '0');
    }
    return number != 0 ? number : -1;
}

bool subject_map(const char *source, const char *destination, const char *pattern, char dst[SUBJECT_MAX + 1],
                 size_t *len)
{
    struct matched matched = {.count = 0};
    if (*source == '\0')
        source = ">";
    if (!subject_covers(source, strlen(source), pattern, strlen(pattern)))
        return false;
    match(source, pattern, &matched);
    *len = 0;
    while (*destination != '\0') {
        struct piece token = {destination, token_len(destination)}, out = token;
        int number = reference(token);
        if (number < 0 || number > (int)matched.count)
            return false;
        if (number > 0)
            out = matched.wildcards[number - 1];
        else if (is_token(token, '>'))
            out = matched.rest;
        bool more = destination[token.len] == '.';
        if (out.len == 0 || *len + out.len + more > SUBJECT_MAX)
            return false;
        memcpy(dst + *len, out.s, out.len);
        *len += out.len;
        if (more)
            dst[(*len)++] = '.';
        destination += token.len + more;
    }
    dst[*len] = '\0';
    /* A dot at the end is one that an empty token should follow. */
    return *len != 0 && dst[*len - 1] != '.';
}
