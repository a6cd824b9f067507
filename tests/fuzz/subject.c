/* subject.c - fuzzes subjects: checks, matching, cover and overlap */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "proto/subject.h"
#include "proto/text.h"
#include "tests/support/subject_model.h"

/* ---- the rules of subject.h, one by one ---- */

/* Finds: token number `wanted`, or the number of tokens when there is no such. */
static size_t token_at(const char *s, size_t len, size_t wanted, const char **token, size_t *token_len)
{
    size_t number = 0, start = 0;

    for (size_t i = 0; i <= len; ++i) {
        if (i != len && s[i] != '.')
            continue;
        if (number++ == wanted) {
            *token = s + start;
            *token_len = i - start;
        }
        start = i + 1;
    }
    return number;
}

static bool has_byte(const char *s, size_t len, unsigned low, unsigned high)
{
    for (size_t i = 0; i != len; ++i) {
        if ((unsigned char)s[i] >= low && (unsigned char)s[i] <= high)
            return true;
    }
    return false;
}

/* Is there a token that is empty, or has a wildcard which may not be there? */
static bool has_bad_token(const char *s, size_t len, bool empty)
{
    const char *token = s;
    size_t token_len = 0, count = token_at(s, len, SIZE_MAX, &token, &token_len);

    for (size_t i = 0; i != count; ++i) {
        token_at(s, len, i, &token, &token_len);
        bool wild = has_byte(token, token_len, '*', '*') || has_byte(token, token_len, '>', '>');
        if (empty ? token_len == 0 : wild && (token_len != 1 || (token[0] == '>' && i + 1 != count)))
            return true;
    }
    return false;
}

/* Whether a verdict is true. Of several faults any may be named; OK means that there is none. */
static bool is_so(enum subject_verdict verdict, const char *s, size_t len, bool wildcards)
{
    const char *token = s;
    size_t token_len = 0, count = token_at(s, len, SIZE_MAX, &token, &token_len);
    bool wild = has_byte(s, len, '*', '*') || has_byte(s, len, '>', '>');

    switch (verdict) {
    case SUBJECT_OK:
        for (int fault = SUBJECT_OK + 1; fault <= SUBJECT_MISPLACED_WILDCARD; ++fault) {
            if (is_so((enum subject_verdict)fault, s, len, wildcards))
                return false;
        }
        return true;
    case SUBJECT_EMPTY:
        return len == 0;
    case SUBJECT_TOO_LONG:
        return len > 256;
    case SUBJECT_TOO_MANY_TOKENS:
        return count > 32;
    case SUBJECT_EMPTY_TOKEN:
        return len != 0 && has_bad_token(s, len, true);
    case SUBJECT_BLANK:
        return has_byte(s, len, ' ', ' ');
    case SUBJECT_CONTROL:
        return has_byte(s, len, 0, 0x1f) || has_byte(s, len, 0x7f, 0x7f);
    case SUBJECT_NOT_UTF8:
        return !text_is_utf8(s, len);
    case SUBJECT_RESERVED:
        return len != 0 && (s[0] == '$' || s[0] == '_');
    case SUBJECT_WILDCARD:
        return wild && !wildcards;
    case SUBJECT_MISPLACED_WILDCARD:
        return has_bad_token(s, len, false);
    }
    return false;
}

static void check(const struct fuzz_text *text)
{
    enum subject_verdict literal = subject_check_literal(text->s, text->len);
    enum subject_verdict pattern = subject_check_pattern(text->s, text->len);
    enum subject_verdict token = subject_check_token(text->s, text->len);

    FUZZ_CHECK(is_so(literal, text->s, text->len, false));
    FUZZ_CHECK(is_so(pattern, text->s, text->len, true));
    FUZZ_CHECK(pattern != SUBJECT_WILDCARD);
    FUZZ_CHECK(subject_verdict_text(literal) != NULL && subject_verdict_text(pattern) != NULL);
    if (literal == SUBJECT_OK)
        FUZZ_CHECK(pattern == SUBJECT_OK);
    /* One token is what could stand behind another. */
    if (text->len <= 254) {
        char behind[256] = "a.";
        if (text->len != 0)
            memcpy(behind + 2, text->s, text->len);
        bool fits = is_so(SUBJECT_OK, behind, text->len + 2, false) && !has_byte(text->s, text->len, '.', '.');
        FUZZ_CHECK((token == SUBJECT_OK) == fits);
    }
}

/* ---- sets of subjects ---- */

static void relate(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    bool covers = subject_covers(a, a_len, b, b_len), overlaps = subject_overlaps(a, a_len, b, b_len);

    FUZZ_CHECK(covers == subject_model_covers(a, b));
    FUZZ_CHECK(overlaps == subject_model_overlaps(a, b));
    FUZZ_CHECK(!covers || overlaps);
    if (!subject_has_wildcard(b, b_len)) {
        bool matches = subject_matches(a, a_len, b, b_len);
        FUZZ_CHECK(matches == subject_model_matches(a, b));
        FUZZ_CHECK(matches == covers && matches == overlaps);
    }
}

static bool as_pattern(const struct fuzz_text *text, char pattern[SUBJECT_MAX + 1])
{
    if (subject_check_pattern(text->s, text->len) != SUBJECT_OK)
        return false;
    memcpy(pattern, text->s, text->len);
    pattern[text->len] = '\0';
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text texts[3];
    char patterns[3][SUBJECT_MAX + 1];
    bool valid[3];

    for (int i = 0; i != 3; ++i) {
        texts[i] = fuzz_line(&input);
        check(&texts[i]);
        valid[i] = as_pattern(&texts[i], patterns[i]);
    }
    for (int a = 0; a != 3; ++a) {
        for (int b = 0; b != 3; ++b) {
            if (valid[a] && valid[b])
                relate(patterns[a], patterns[b]);
        }
    }
    for (int i = 0; i != 3; ++i)
        free(texts[i].s);
    return 0;
}
