/* subject.c - NATS subjects: validation, matching and cover */
/* SPDX-License-Identifier: MIT */
#include "proto/subject.h"

#include <string.h>

#include "proto/text.h"

_Static_assert(SUBJECT_MAX == 256, "a text below names it");

const char *subject_verdict_text(enum subject_verdict verdict)
{
    switch (verdict) {
    case SUBJECT_OK:
        return "is valid";
    case SUBJECT_EMPTY:
        return "is empty";
    case SUBJECT_TOO_LONG:
        return "is longer than 256 bytes";
    case SUBJECT_TOO_MANY_TOKENS:
        return "has too many tokens";
    case SUBJECT_EMPTY_TOKEN:
        return "has an empty token";
    case SUBJECT_BLANK:
        return "has a blank";
    case SUBJECT_CONTROL:
        return "has a control byte";
    case SUBJECT_NOT_UTF8:
        return "is not valid UTF-8";
    case SUBJECT_RESERVED:
        return "begins with '$' or '_', which is reserved";
    case SUBJECT_WILDCARD:
        return "has a wildcard";
    case SUBJECT_MISPLACED_WILDCARD:
        return "has a wildcard that is not a whole token, or '>' before the end";
    }
    return "is invalid";
}

/* Walks the tokens of a subject. "a." has two, the second empty; "" has one. */
struct tokens {
    const char *s;
    size_t left;
    bool done;
    const char *token;
    size_t len;
};

static struct tokens tokens_of(const char *s, size_t len)
{
    return (struct tokens){.s = s, .left = len};
}

static bool tokens_next(struct tokens *tokens)
{
    if (tokens->done)
        return false;
    const char *dot = memchr(tokens->s, '.', tokens->left);
    tokens->token = tokens->s;
    tokens->len = dot != NULL ? (size_t)(dot - tokens->s) : tokens->left;
    tokens->done = dot == NULL;
    if (dot != NULL) {
        tokens->s += tokens->len + 1;
        tokens->left -= tokens->len + 1;
    }
    return true;
}

static bool token_is(const struct tokens *tokens, char wildcard)
{
    return tokens->len == 1 && tokens->token[0] == wildcard;
}

static bool tokens_equal(const struct tokens *a, const struct tokens *b)
{
    return a->len == b->len && memcmp(a->token, b->token, a->len) == 0;
}

/* Faults of single bytes, wherever they are. */
static enum subject_verdict check_bytes(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == ' ')
            return SUBJECT_BLANK;
        if (c < 0x20 || c == 0x7f)
            return SUBJECT_CONTROL;
    }
    return text_is_utf8(s, len) ? SUBJECT_OK : SUBJECT_NOT_UTF8;
}

static enum subject_verdict check_tokens(const char *s, size_t len, bool wildcards)
{
    struct tokens tokens = tokens_of(s, len);
    size_t count = 0;

    while (tokens_next(&tokens)) {
        if (tokens.len == 0)
            return SUBJECT_EMPTY_TOKEN;
        if (++count > SUBJECT_TOKENS_MAX)
            return SUBJECT_TOO_MANY_TOKENS;
        if (!subject_has_wildcard(tokens.token, tokens.len))
            continue;
        if (!wildcards)
            return SUBJECT_WILDCARD;
        if (!token_is(&tokens, '*') && !(token_is(&tokens, '>') && tokens.done))
            return SUBJECT_MISPLACED_WILDCARD;
    }
    return SUBJECT_OK;
}

static enum subject_verdict check_subject(const char *s, size_t len, bool wildcards)
{
    if (len == 0)
        return SUBJECT_EMPTY;
    if (len > SUBJECT_MAX)
        return SUBJECT_TOO_LONG;
    enum subject_verdict verdict = check_bytes(s, len);
    if (verdict == SUBJECT_OK)
        verdict = check_tokens(s, len, wildcards);
    /* Last, so that this verdict also says that nothing else is wrong. */
    if (verdict == SUBJECT_OK && subject_is_reserved(s, len))
        verdict = SUBJECT_RESERVED;
    return verdict;
}

enum subject_verdict subject_check_literal(const char *s, size_t len)
{
    return check_subject(s, len, false);
}

enum subject_verdict subject_check_pattern(const char *s, size_t len)
{
    return check_subject(s, len, true);
}

enum subject_verdict subject_check_token(const char *s, size_t len)
{
    if (len != 0 && len <= SUBJECT_MAX && memchr(s, '.', len) != NULL)
        return SUBJECT_TOO_MANY_TOKENS;
    /* '$' and '_' are reserved at the beginning of a subject, not of each of its tokens. */
    enum subject_verdict verdict = check_subject(s, len, false);
    return verdict == SUBJECT_RESERVED ? SUBJECT_OK : verdict;
}

bool subject_is_reserved(const char *s, size_t len)
{
    return len != 0 && (s[0] == '$' || s[0] == '_');
}

bool subject_has_wildcard(const char *s, size_t len)
{
    return len != 0 && (memchr(s, '*', len) != NULL || memchr(s, '>', len) != NULL);
}

bool subject_matches(const char *pattern, size_t pattern_len, const char *subject, size_t subject_len)
{
    struct tokens p = tokens_of(pattern, pattern_len), s = tokens_of(subject, subject_len);

    while (tokens_next(&p)) {
        if (!tokens_next(&s))
            return false;
        if (token_is(&p, '>'))
            return true;
        if (!token_is(&p, '*') && !tokens_equal(&p, &s))
            return false;
    }
    return s.done;
}

bool subject_covers(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct tokens at = tokens_of(a, a_len), bt = tokens_of(b, b_len);

    while (tokens_next(&at)) {
        if (!tokens_next(&bt))
            return false;
        if (token_is(&at, '>'))
            return true;
        /* Whatever of a is left has a fixed number of tokens, or at least two: b has subjects outside of it. */
        if (token_is(&bt, '>'))
            return false;
        /* A '*' of b equals only a '*' of a, since a literal token has no wildcard in it. */
        if (!token_is(&at, '*') && !tokens_equal(&at, &bt))
            return false;
    }
    return bt.done;
}

bool subject_overlaps(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct tokens at = tokens_of(a, a_len), bt = tokens_of(b, b_len);

    while (tokens_next(&at)) {
        if (!tokens_next(&bt))
            return false;
        if (token_is(&at, '>') || token_is(&bt, '>'))
            return true;
        if (!token_is(&at, '*') && !token_is(&bt, '*') && !tokens_equal(&at, &bt))
            return false;
    }
    return bt.done;
}

bool subject_any_covers(const char *const *patterns, size_t count, const char *b, size_t b_len)
{
    for (size_t i = 0; i != count; ++i) {
        if (subject_covers(patterns[i], strlen(patterns[i]), b, b_len))
            return true;
    }
    return false;
}
