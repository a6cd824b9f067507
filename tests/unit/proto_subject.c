/* proto_subject.c - every verdict, and matching against the definition */
/* SPDX-License-Identifier: MIT */
#include "proto/subject.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STRING(literal) (literal), sizeof(literal) - 1

struct verdict_case {
    const char *s;
    size_t len;
    enum subject_verdict literal, pattern, token;
};

Test(subject, verdicts)
{
    static const struct verdict_case cases[] = {
        {STRING("a"), SUBJECT_OK, SUBJECT_OK, SUBJECT_OK},
        {STRING("orders.7.created"), SUBJECT_OK, SUBJECT_OK, SUBJECT_TOO_MANY_TOKENS},
        {STRING("a-b_c$d/e:f%{}"), SUBJECT_OK, SUBJECT_OK, SUBJECT_OK},
        {STRING("größe"), SUBJECT_OK, SUBJECT_OK, SUBJECT_OK},
        {STRING("a\xc2\xa0"
                "b"),
         SUBJECT_OK, SUBJECT_OK, SUBJECT_OK},
        {STRING(""), SUBJECT_EMPTY, SUBJECT_EMPTY, SUBJECT_EMPTY},
        {STRING("."), SUBJECT_EMPTY_TOKEN, SUBJECT_EMPTY_TOKEN, SUBJECT_TOO_MANY_TOKENS},
        {STRING("a."), SUBJECT_EMPTY_TOKEN, SUBJECT_EMPTY_TOKEN, SUBJECT_TOO_MANY_TOKENS},
        {STRING(".a"), SUBJECT_EMPTY_TOKEN, SUBJECT_EMPTY_TOKEN, SUBJECT_TOO_MANY_TOKENS},
        {STRING("a..b"), SUBJECT_EMPTY_TOKEN, SUBJECT_EMPTY_TOKEN, SUBJECT_TOO_MANY_TOKENS},
        {STRING(" "), SUBJECT_BLANK, SUBJECT_BLANK, SUBJECT_BLANK},
        {STRING("a b"), SUBJECT_BLANK, SUBJECT_BLANK, SUBJECT_BLANK},
        {STRING("a. .b"), SUBJECT_BLANK, SUBJECT_BLANK, SUBJECT_TOO_MANY_TOKENS},
        {STRING("a\tb"), SUBJECT_CONTROL, SUBJECT_CONTROL, SUBJECT_CONTROL},
        {STRING("a\r\n"), SUBJECT_CONTROL, SUBJECT_CONTROL, SUBJECT_CONTROL},
        {STRING("a\0"), SUBJECT_CONTROL, SUBJECT_CONTROL, SUBJECT_CONTROL},
        {STRING("\x7f"), SUBJECT_CONTROL, SUBJECT_CONTROL, SUBJECT_CONTROL},
        {STRING("\x1f"), SUBJECT_CONTROL, SUBJECT_CONTROL, SUBJECT_CONTROL},
        {STRING("\xff"), SUBJECT_NOT_UTF8, SUBJECT_NOT_UTF8, SUBJECT_NOT_UTF8},
        {STRING("a.\xc3"), SUBJECT_NOT_UTF8, SUBJECT_NOT_UTF8, SUBJECT_TOO_MANY_TOKENS},
        {STRING("$SYS.x"), SUBJECT_RESERVED, SUBJECT_RESERVED, SUBJECT_TOO_MANY_TOKENS},
        {STRING("$SYS"), SUBJECT_RESERVED, SUBJECT_RESERVED, SUBJECT_OK},
        {STRING("_INBOX.>"), SUBJECT_WILDCARD, SUBJECT_RESERVED, SUBJECT_TOO_MANY_TOKENS},
        {STRING("_x"), SUBJECT_RESERVED, SUBJECT_RESERVED, SUBJECT_OK},
        {STRING("a.$b._c"), SUBJECT_OK, SUBJECT_OK, SUBJECT_TOO_MANY_TOKENS},
        {STRING("*"), SUBJECT_WILDCARD, SUBJECT_OK, SUBJECT_WILDCARD},
        {STRING(">"), SUBJECT_WILDCARD, SUBJECT_OK, SUBJECT_WILDCARD},
        {STRING("*.*.>"), SUBJECT_WILDCARD, SUBJECT_OK, SUBJECT_TOO_MANY_TOKENS},
        {STRING("a.*.b"), SUBJECT_WILDCARD, SUBJECT_OK, SUBJECT_TOO_MANY_TOKENS},
        {STRING("a.>"), SUBJECT_WILDCARD, SUBJECT_OK, SUBJECT_TOO_MANY_TOKENS},
        {STRING("a.>.b"), SUBJECT_WILDCARD, SUBJECT_MISPLACED_WILDCARD, SUBJECT_TOO_MANY_TOKENS},
        {STRING(">.>"), SUBJECT_WILDCARD, SUBJECT_MISPLACED_WILDCARD, SUBJECT_TOO_MANY_TOKENS},
        {STRING("a*"), SUBJECT_WILDCARD, SUBJECT_MISPLACED_WILDCARD, SUBJECT_WILDCARD},
        {STRING("**"), SUBJECT_WILDCARD, SUBJECT_MISPLACED_WILDCARD, SUBJECT_WILDCARD},
        {STRING(">>"), SUBJECT_WILDCARD, SUBJECT_MISPLACED_WILDCARD, SUBJECT_WILDCARD},
        {STRING("a.b>"), SUBJECT_WILDCARD, SUBJECT_MISPLACED_WILDCARD, SUBJECT_TOO_MANY_TOKENS},
        {STRING("a.>."), SUBJECT_WILDCARD, SUBJECT_MISPLACED_WILDCARD, SUBJECT_TOO_MANY_TOKENS},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct verdict_case *c = &cases[i];
        char *s = memcpy(malloc(c->len + 1), c->s, c->len);
        cr_expect(subject_check_literal(s, c->len) == c->literal, "%s: literal %s", c->s,
                  subject_verdict_text(subject_check_literal(s, c->len)));
        cr_expect(subject_check_pattern(s, c->len) == c->pattern, "%s: pattern %s", c->s,
                  subject_verdict_text(subject_check_pattern(s, c->len)));
        cr_expect(subject_check_token(s, c->len) == c->token, "%s: token %s", c->s,
                  subject_verdict_text(subject_check_token(s, c->len)));
        free(s);
    }
    cr_expect(subject_check_literal(NULL, 0) == SUBJECT_EMPTY);
    cr_expect(subject_check_token(NULL, 0) == SUBJECT_EMPTY);
}

Test(subject, limits)
{
    char s[SUBJECT_MAX + 1];

    memset(s, 'a', sizeof(s));
    cr_expect(subject_check_literal(s, SUBJECT_MAX) == SUBJECT_OK);
    cr_expect(subject_check_literal(s, SUBJECT_MAX + 1) == SUBJECT_TOO_LONG);
    cr_expect(subject_check_token(s, SUBJECT_MAX) == SUBJECT_OK);
    cr_expect(subject_check_token(s, SUBJECT_MAX + 1) == SUBJECT_TOO_LONG);
    for (size_t i = 1; i < sizeof(s); i += 2)
        s[i] = '.';
    cr_expect(subject_check_pattern(s, 2 * SUBJECT_TOKENS_MAX - 1) == SUBJECT_OK);
    cr_expect(subject_check_pattern(s, 2 * SUBJECT_TOKENS_MAX + 1) == SUBJECT_TOO_MANY_TOKENS);
}

Test(subject, verdict_texts_differ)
{
    for (int a = SUBJECT_OK; a <= SUBJECT_MISPLACED_WILDCARD; a++) {
        for (int b = SUBJECT_OK; b < a; b++)
            cr_expect_str_neq(subject_verdict_text((enum subject_verdict)a),
                              subject_verdict_text((enum subject_verdict)b));
    }
}

Test(subject, bytes)
{
    cr_expect(subject_is_reserved(STRING("$")) && subject_is_reserved(STRING("_INBOX.x")));
    cr_expect(!subject_is_reserved(STRING("")) && !subject_is_reserved(STRING("a$_")) && !subject_is_reserved(NULL, 0));
    cr_expect(subject_has_wildcard(STRING("a.*")) && subject_has_wildcard(STRING(">")));
    cr_expect(!subject_has_wildcard(STRING("a.b")) && !subject_has_wildcard(NULL, 0));
}

struct pair_case {
    const char *a, *b;
    bool covers, overlaps;
};

Test(subject, covers_and_overlaps)
{
    static const struct pair_case cases[] = {
        {"a", "a", true, true},
        {"a", "b", false, false},
        {"a", "ab", false, false},
        {"ab", "a", false, false},
        {"*", "a", true, true},
        {"a", "*", false, true},
        {">", "a", true, true},
        {">", ">", true, true},
        {">", "*.a", true, true},
        {"*", ">", false, true},
        {"*.>", ">", false, true},
        {">", "*.>", true, true},
        {"a.>", "a", false, false},
        {"a.>", "a.b.c", true, true},
        {"a.>", "a.>", true, true},
        {"a.>", "*.b", false, true},
        {"a.*", "a.>", false, true},
        {"a.*.c", "a.b.*", false, true},
        {"a.*.c", "a.b.c", true, true},
        {"a.b", "a.b.c", false, false},
        {"*.*", "a.>", false, true},
        {"public.>", "private.x", false, false},
        {"orders.*.created", "orders.7.created", true, true},
        {"orders.*.created", "orders.7.8.created", false, false},
        {"public.>", "publicity.x", false, false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct pair_case *c = &cases[i];
        size_t a_len = strlen(c->a), b_len = strlen(c->b);
        cr_expect(subject_covers(c->a, a_len, c->b, b_len) == c->covers, "%s covers %s", c->a, c->b);
        cr_expect(subject_overlaps(c->a, a_len, c->b, b_len) == c->overlaps, "%s overlaps %s", c->a, c->b);
        cr_expect(subject_overlaps(c->b, b_len, c->a, a_len) == c->overlaps, "%s overlaps %s", c->b, c->a);
    }
}

/*
 * The definitions, over everything small: subjects of one to four tokens out
 * of three, patterns of one to three. A token that occurs in no pattern ("c")
 * and subjects longer than every pattern stand for all those not tried.
 */
struct words {
    char text[160][16];
    size_t count;
};

static void add_words(struct words *words, const char *alphabet, size_t tokens, size_t max)
{
    size_t base = strlen(alphabet), total = 1;

    for (size_t i = 0; i < tokens; i++)
        total *= base;
    for (size_t n = 0; n < total; n++) {
        char text[16] = "";
        size_t digits = n, len = 0;
        for (size_t i = 0; i < tokens; i++, digits /= base) {
            if (i > 0)
                text[len++] = '.';
            text[len++] = alphabet[digits % base];
        }
        text[len] = '\0';
        if (subject_check_pattern(text, len) != SUBJECT_OK)
            continue;
        cr_assert(words->count < max);
        memcpy(words->text[words->count++], text, sizeof(text));
    }
}

/* By the letter of the definition, on one-letter tokens, and by recursion: unlike the code under test. */
static bool stands_for(const char *pattern, const char *subject)
{
    if (*pattern == '\0' || *subject == '\0')
        return *pattern == *subject;
    if (*pattern == '>')
        return true;
    if (*pattern != '*' && *pattern != *subject)
        return false;
    return stands_for(pattern + (pattern[1] == '.' ? 2 : 1), subject + (subject[1] == '.' ? 2 : 1)) &&
           (pattern[1] == '.') == (subject[1] == '.');
}

static struct words patterns, subjects;

Test(subject, agrees_with_the_definition)
{
    for (size_t tokens = 1; tokens <= 3; tokens++)
        add_words(&patterns, "ab*>", tokens, COUNT(patterns.text));
    for (size_t tokens = 1; tokens <= 4; tokens++)
        add_words(&subjects, "abc", tokens, COUNT(subjects.text));
    cr_assert(subjects.count == 120 && patterns.count == 52, "%zu subjects, %zu patterns", subjects.count,
              patterns.count);
    for (size_t i = 0; i < patterns.count; i++) {
        const char *a = patterns.text[i];
        for (size_t k = 0; k < patterns.count; k++) {
            const char *b = patterns.text[k];
            bool covers = true, overlaps = false;
            for (size_t n = 0; n < subjects.count; n++) {
                const char *s = subjects.text[n];
                bool in_a = stands_for(a, s), in_b = stands_for(b, s);
                cr_assert(subject_matches(a, strlen(a), s, strlen(s)) == in_a, "%s matches %s", a, s);
                covers = covers && (in_a || !in_b);
                overlaps = overlaps || (in_a && in_b);
            }
            cr_assert(subject_covers(a, strlen(a), b, strlen(b)) == covers, "%s covers %s", a, b);
            cr_assert(subject_overlaps(a, strlen(a), b, strlen(b)) == overlaps, "%s overlaps %s", a, b);
        }
    }
}

Test(proto_subject, any_of_several_patterns_covers)
{
    static const char *const allowed[] = {"orders.eu.*", "prices.>"};

    cr_assert(subject_any_covers(allowed, 2, "prices.gold.*", 13));
    cr_assert(subject_any_covers(allowed, 2, "orders.eu.1", 11));
    cr_assert_not(subject_any_covers(allowed, 2, "orders.*.1", 10));
    cr_assert_not(subject_any_covers(allowed, 1, "prices.gold", 11));
    cr_assert_not(subject_any_covers(allowed, 0, "orders.eu.1", 11));
    cr_assert_not(subject_any_covers(NULL, 0, "orders.eu.1", 11));
}
