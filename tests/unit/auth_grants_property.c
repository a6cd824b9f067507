/* auth_grants_property.c - all that a granted request could deliver lies inside the grants */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/subject.h"
#include "tests/support/subject_model.h"

enum { PAIRS = 100000, GRANTS_MAX = 6, TOKENS_MAX = 6, DELIVERIES = 8 };

static uint64_t state = 20261122;

static unsigned below(unsigned n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((state >> 33) % n);
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

/* Few, so that patterns meet; some are the beginning of others. */
static const char *random_token(void)
{
    static const char *const tokens[] = {"a", "b", "ab", "orders", "order", "42", "4", "é"};

    return tokens[below(sizeof(tokens) / sizeof(tokens[0]))];
}

struct text {
    char s[SUBJECT_MAX + 1];
};

static void add(struct text *text, const char *token)
{
    size_t len = strlen(text->s);
    int added = snprintf(text->s + len, sizeof(text->s) - len, "%s%s", len != 0 ? "." : "", token);

    cr_assert(added > 0 && (size_t)added < sizeof(text->s) - len);
}

static struct text random_pattern(void)
{
    struct text text = {""};
    unsigned count = 1 + below(TOKENS_MAX);

    for (unsigned i = 0; i != count; ++i)
        add(&text, i + 1 == count && one_in(3) ? ">" : one_in(4) ? "*" : random_token());
    return text;
}

/* One that is nearly the same: a token is widened, narrowed, replaced, left out or added, or the end is cut to '>'. */
static struct text near(const char *pattern)
{
    struct text copy, text = {""};
    char *rest = copy.s, *token;
    bool ended = false;

    snprintf(copy.s, sizeof(copy.s), "%s", pattern);
    while ((token = strsep(&rest, ".")) != NULL && !ended) {
        bool last = rest == NULL, open = strcmp(token, ">") == 0;
        unsigned change = below(16);
        if (change == 0 || (open && change < 4)) {
            add(&text, ">");
            ended = true;
        } else if (change == 1 && !last) {
            continue;
        } else if (change == 2) {
            add(&text, "*");
        } else if (change == 3 || (change < 6 && strcmp(token, "*") == 0)) {
            add(&text, random_token());
        } else {
            add(&text, token);
            ended = open;
        }
        if (!ended && last && one_in(8))
            add(&text, one_in(2) ? "*" : ">");
    }
    return text;
}

/* A subject that the pattern stands for. */
static struct text random_delivery(const char *pattern)
{
    struct text copy, text = {""};
    char *rest = copy.s, *token;

    snprintf(copy.s, sizeof(copy.s), "%s", pattern);
    while ((token = strsep(&rest, ".")) != NULL) {
        bool open = strcmp(token, ">") == 0;
        unsigned more = open ? below(4) : 0;
        add(&text, open || strcmp(token, "*") == 0 ? random_token() : token);
        for (; more != 0; --more)
            add(&text, random_token());
    }
    return text;
}

/* NATS docs, "Subject-Based Messaging", a token at a time. */
static bool matches(const char *pattern, const char *subject)
{
    size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");

    if (strcmp(pattern, ">") == 0)
        return true;
    if (strncmp(pattern, "*", p) != 0 && (p != s || strncmp(pattern, subject, p) != 0))
        return false;
    if (pattern[p] == '\0' || subject[s] == '\0')
        return pattern[p] == subject[s];
    return matches(pattern + p + 1, subject + s + 1);
}

struct counts {
    unsigned granted, refused, delivered;
};

static void check(const struct token_grants *grants, const char *request, struct counts *counts)
{
    bool granted = token_grants_cover(grants, request, strlen(request)), inside_one = false;

    for (unsigned i = 0; i != grants->count; ++i)
        inside_one |= subject_model_covers(grants->patterns[i], request);
    /* Neither more nor less than what lies inside one of them: of several that cover together no request is made. */
    cr_assert_eq(granted, inside_one, "request %s, first grant %s", request, grants->patterns[0]);
    counts->granted += granted;
    counts->refused += !granted;
    for (unsigned n = 0; granted && n != DELIVERIES; ++n) {
        struct text subject = random_delivery(request);
        bool inside = false;
        cr_assert(matches(request, subject.s), "%s %s", request, subject.s);
        for (unsigned i = 0; i != grants->count; ++i)
            inside |= matches(grants->patterns[i], subject.s);
        cr_assert(inside, "%s is granted and delivers %s", request, subject.s);
        ++counts->delivered;
    }
}

Test(auth_grants_property, what_is_delivered_lies_inside_the_grants)
{
    struct counts counts = {0};

    printf("%d pairs, seed %llu\n", PAIRS, (unsigned long long)state);
    for (unsigned n = 0; n != PAIRS; ++n) {
        struct text request = random_pattern(), patterns[GRANTS_MAX];
        char *pointers[GRANTS_MAX];
        struct token_grants grants = {.patterns = pointers, .count = 1 + below(GRANTS_MAX)};
        for (unsigned i = 0; i != grants.count; ++i) {
            patterns[i] = one_in(2) ? near(request.s) : random_pattern();
            pointers[i] = patterns[i].s;
            cr_assert_eq(subject_check_pattern(patterns[i].s, strlen(patterns[i].s)), SUBJECT_OK, "%s", patterns[i].s);
        }
        check(&grants, request.s, &counts);
    }
    printf("%u granted, %u refused, %u deliveries\n", counts.granted, counts.refused, counts.delivered);
    /* Else little has been shown. */
    cr_expect(counts.granted > PAIRS / 5 && counts.refused > PAIRS / 5);
}
