/* subject_map.c - fuzzes what a stream's RePublish makes of patterns */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/subject.h"
#include "proto/subject_map.h"
#include "tests/support/subject_model.h"

enum { TOKENS_MAX = 256 };

struct tokens {
    char text[1024];
    char *at[TOKENS_MAX];
    int count;
};

static bool split(struct tokens *tokens, const char *s)
{
    size_t len = strlen(s);

    *tokens = (struct tokens){.count = 0};
    if (len >= sizeof(tokens->text))
        return false;
    memcpy(tokens->text, s, len + 1);
    for (char *p = tokens->text; p != NULL;) {
        if (tokens->count == TOKENS_MAX)
            return false;
        tokens->at[tokens->count++] = p;
        p = strchr(p, '.');
        if (p != NULL)
            *p++ = '\0';
    }
    return true;
}

static int count_stars(const struct tokens *tokens)
{
    int count = 0;

    for (int i = 0; i != tokens->count; ++i)
        count += strcmp(tokens->at[i], "*") == 0;
    return count;
}

static bool is_open(const struct tokens *tokens)
{
    return tokens->count != 0 && strcmp(tokens->at[tokens->count - 1], ">") == 0;
}

/* $1 or {{wildcard(1)}}: 1. An ordinary token: 0. Anything else: -1. */
static int reference(const char *token)
{
    char again[32];

    for (int n = 1; n <= 99; ++n) {
        snprintf(again, sizeof(again), "$%d", n);
        if (strcmp(token, again) == 0)
            return n;
        snprintf(again, sizeof(again), "{{wildcard(%d)}}", n);
        if (strcmp(token, again) == 0)
            return n;
    }
    return strpbrk(token, "*>${") != NULL ? -1 : 0;
}

/* A destination that a server takes: valid, with references to wildcards that there are, and as open as its source. */
static bool is_possible(const struct tokens *source, const struct tokens *destination)
{
    for (int i = 0; i != destination->count; ++i) {
        int number = reference(destination->at[i]);
        bool last = i + 1 == destination->count;
        if (last && is_open(destination) && is_open(source))
            continue;
        if (destination->at[i][0] == '\0' || number < 0 || number > count_stars(source))
            return false;
    }
    return true;
}

static void append(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);
    int added = snprintf(text + len, size - len, "%s%s", len != 0 ? "." : "", more);

    FUZZ_CHECK(added >= 0 && (size_t)added < size - len);
}

/*
 * What the server makes of a subject, or, with the pattern itself as subject,
 * what we should: token by token. rest: how many tokens the source's '>' takes.
 */
static void transform(const struct tokens *source, const struct tokens *destination, const struct tokens *subject,
                      char *text, size_t size)
{
    int stars[TOKENS_MAX] = {0}, count = 0;

    text[0] = '\0';
    for (int i = 0; i != source->count; ++i) {
        if (strcmp(source->at[i], "*") == 0)
            stars[++count] = i;
    }
    for (int i = 0; i != destination->count; ++i) {
        int number = reference(destination->at[i]);
        if (number > 0) {
            append(text, size, subject->at[stars[number]]);
        } else if (strcmp(destination->at[i], ">") == 0) {
            for (int n = source->count - 1; n != subject->count; ++n)
                append(text, size, subject->at[n]);
        } else {
            append(text, size, destination->at[i]);
        }
    }
}

/* Some subject of the pattern: each wildcard stands for a token of its own. */
static void sample(const struct tokens *pattern, int variant, struct tokens *subject)
{
    char text[2048] = "", token[32];

    for (int i = 0; i != pattern->count; ++i) {
        bool star = strcmp(pattern->at[i], "*") == 0, rest = strcmp(pattern->at[i], ">") == 0;
        snprintf(token, sizeof(token), rest ? variant == 0 ? "r" : "r.s.%d" : "w%d", i);
        append(text, sizeof(text), star || rest ? token : pattern->at[i]);
    }
    FUZZ_CHECK(split(subject, text));
}

static void check_result(const char *result, size_t len, const struct tokens *source, const struct tokens *destination,
                         const struct tokens *pattern)
{
    struct tokens subject;
    char text[32768];

    FUZZ_CHECK(subject_check_pattern(result, len) == SUBJECT_OK);
    for (int variant = 0; variant != 2; ++variant) {
        sample(pattern, variant, &subject);
        transform(source, destination, &subject, text, sizeof(text));
        /* The sample's own tokens may be longer than what they stand for. */
        if (strlen(text) < 512)
            FUZZ_CHECK(subject_model_matches(result, text));
    }
}

static void check_map(const char *source_text, const char *destination_text, const char *pattern_text)
{
    struct tokens source, destination, pattern;
    char result[SUBJECT_MAX + 1], wanted[32768];
    size_t len = 0;
    bool ok = subject_map(source_text, destination_text, pattern_text, result, &len);

    if (*source_text == '\0')
        source_text = ">";
    FUZZ_CHECK(!ok || (len <= SUBJECT_MAX && strlen(result) == len && len != 0));
    if (!subject_model_covers(source_text, pattern_text)) {
        FUZZ_CHECK(!ok);
        return;
    }
    split(&source, source_text);
    split(&pattern, pattern_text);
    if (!split(&destination, destination_text) || !is_possible(&source, &destination))
        return;
    transform(&source, &destination, &pattern, wanted, sizeof(wanted));
    FUZZ_CHECK(ok == (strlen(wanted) <= SUBJECT_MAX));
    if (!ok)
        return;
    FUZZ_CHECK(strcmp(result, wanted) == 0);
    /* Bytes that no subject has can only come from a destination that no server takes. */
    if (subject_check_pattern(result, len) == SUBJECT_OK)
        check_result(result, len, &source, &destination, &pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct fuzz_text source = fuzz_line_string(&input), destination = fuzz_line_string(&input),
                     pattern = fuzz_line_string(&input);

    if (subject_check_pattern(pattern.s, pattern.len) == SUBJECT_OK &&
        (source.len == 0 || subject_check_pattern(source.s, source.len) == SUBJECT_OK))
        check_map(source.s, destination.s, pattern.s);
    free(source.s);
    free(destination.s);
    free(pattern.s);
    return 0;
}
