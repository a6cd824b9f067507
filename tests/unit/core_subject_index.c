/* core_subject_index.c - the index finds what subject_matches says, whatever came and went before */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/subject_index.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/subject.h"

#define PATTERNS 400

/* Where the leak checker is linked in. A leak at the end of Criterion's worker would pass unseen. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* A value is the address of its pattern here, which says what the index has found. */
struct pattern {
    char text[64];
    size_t len;
    unsigned added; /* times */
    unsigned found;
};

static struct subject_index *subject_index;
static struct subject_index_matches matches;

static void start(void)
{
    subject_index = subject_index_create();
}

static void stop(void)
{
    subject_index_destroy(subject_index);
    subject_index_dispose_matches(&matches);
}

TestSuite(core_subject_index, .init = start, .fini = stop);

static uint64_t random_state;

static unsigned random_below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % n;
}

/* Few different tokens, some of them prefixes of others, so that most subjects match something. */
static size_t random_subject(char *out, size_t size, bool wildcards)
{
    static const char *const tokens[] = {"a", "b", "ab", "abc", "*", ">"};
    unsigned count = 1 + random_below(5);
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned kinds = !wildcards ? 4 : i + 1 == count ? 6 : 5;
        int n = snprintf(out + len, size - len, "%s%s", i == 0 ? "" : ".", tokens[random_below(kinds)]);
        cr_assert(n > 0 && (size_t)n < size - len);
        len += (size_t)n;
    }
    return len;
}

static void add(const char *pattern, void *value)
{
    subject_index_add(subject_index, pattern, strlen(pattern), value);
}

static void take(const char *pattern, void *value)
{
    subject_index_remove(subject_index, pattern, strlen(pattern), value);
}

static size_t find(const char *subject, size_t len)
{
    /* exactly as long as it says, so that ASan sees a byte too many */
    char *copy = memcpy(malloc(len + (len == 0)), subject, len);
    matches.count = 0;
    size_t count = subject_index_find(subject_index, copy, len, &matches);
    cr_assert_eq(count, matches.count);
    free(copy);
    return count;
}

static void expect_the_right_ones(struct pattern *patterns, const char *subject, size_t len)
{
    for (size_t i = 0; i < PATTERNS; i++)
        patterns[i].found = 0;
    find(subject, len);
    for (size_t i = 0; i < matches.count; i++)
        ++((struct pattern *)matches.values[i])->found;
    for (size_t i = 0; i < PATTERNS; i++) {
        struct pattern *p = &patterns[i];
        unsigned expected = subject_matches(p->text, p->len, subject, len) ? p->added : 0;
        cr_assert(p->found == expected, "%s against %.*s: found %u times, not %u", p->text, (int)len, subject, p->found,
                  expected);
    }
}

Test(core_subject_index, agrees_with_subject_matches)
{
    static const char *const odd[] = {"", ".", "a.", ".a", "a..b", "*", ">", "a.*", "a.>", "a.b.ab.abc.a.b.a.b.a"};
    static struct pattern patterns[PATTERNS];

    for (uint64_t seed = 1; seed <= 20; seed++) {
        random_state = seed * 0x9e3779b97f4a7c15u;
        for (size_t i = 0; i < PATTERNS; i++)
            patterns[i] = (struct pattern){.len = random_subject(patterns[i].text, sizeof(patterns[i].text), true)};
        for (unsigned step = 0; step < 2000; step++) {
            struct pattern *p = &patterns[random_below(PATTERNS)];
            /* mostly added, then mostly removed, so that the trie grows, shrinks and grows again */
            bool adds = p->added == 0 || (p->added < 3 && random_below(1000) < (step / 500 % 2 == 0 ? 800 : 200));
            p->added += adds ? 1 : -1u;
            (adds ? subject_index_add : subject_index_remove)(subject_index, p->text, p->len, p);
            if (step % 10 == 0) {
                char subject[64];
                expect_the_right_ones(patterns, subject, random_subject(subject, sizeof(subject), false));
            }
        }
        for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
            expect_the_right_ones(patterns, odd[i], strlen(odd[i]));
        for (size_t i = 0; i < PATTERNS; i++)
            for (; patterns[i].added != 0; patterns[i].added--)
                subject_index_remove(subject_index, patterns[i].text, patterns[i].len, &patterns[i]);
        cr_assert_eq(find("a.b", 3), 0);
    }
}

static void expect_no_leak(void)
{
    if (__lsan_do_recoverable_leak_check != NULL)
        cr_assert_eq(__lsan_do_recoverable_leak_check(), 0);
}

static const char *const all_kinds[] = {"a", "a.b.c", "a.*.c", "a.b.>", "*", "*.*.*", ">", "*.>", "a.b.*", "a.*"};
#define KINDS (sizeof(all_kinds) / sizeof(all_kinds[0]))

Test(core_subject_index, empty_means_one_piece_of_memory)
{
    int value;
    for (size_t i = 0; i < KINDS; i++)
        add(all_kinds[i], &value);
    for (size_t i = 0; i < KINDS; i++)
        take(all_kinds[i], &value);
    /* so that whatever else it has kept is lost now */
    free(subject_index);
    subject_index = NULL;
    expect_no_leak();
}

Test(core_subject_index, destroyed_with_all_that_is_in_it)
{
    int value;
    for (size_t i = 0; i < KINDS; i++)
        add(all_kinds[i], &value);
    subject_index_destroy(subject_index);
    subject_index = NULL;
    expect_no_leak();
}

Test(core_subject_index, more_needs_a_token)
{
    int value;
    add("a.>", &value);
    add("a.*.>", &value);
    cr_expect_eq(find("a", 1), 0);
    cr_expect_eq(find("a.b", 3), 1);
    cr_expect_eq(find("a.b.c", 5), 2);
    cr_expect_eq(find("ab.b", 4), 0);
}

Test(core_subject_index, a_pattern_has_many_values_and_a_value_many_patterns)
{
    int one, two;
    static const char *const patterns[] = {"a.b", "a.*", ">"};
    for (size_t i = 0; i < 3; i++) {
        add(patterns[i], &one);
        add(patterns[i], &two);
        add(patterns[i], &two);
    }
    cr_expect_eq(find("a.b", 3), 9);
    for (size_t i = 0; i < 3; i++)
        take(patterns[i], &two);
    cr_expect_eq(find("a.b", 3), 6);
    for (size_t i = 0; i < 3; i++)
        take(patterns[i], &one);
    cr_expect_eq(find("a.b", 3), 3);
    for (size_t i = 0; i < matches.count; i++)
        cr_expect_eq(matches.values[i], &two);
}

Test(core_subject_index, finds_are_appended)
{
    int values[40];
    for (size_t i = 0; i < 40; i++)
        add(i % 2 == 0 ? "a.b" : "*.b", &values[i]);
    cr_expect_eq(subject_index_find(subject_index, "a.b", 3, &matches), 40);
    cr_expect_eq(subject_index_find(subject_index, "c.b", 3, &matches), 20);
    cr_expect_eq(matches.count, 60);
    void **before = matches.values;
    matches.count = 0;
    cr_expect_eq(subject_index_find(subject_index, "a.b", 3, &matches), 40);
    cr_expect_eq(matches.values, before, "what was big enough once is so twice");
}

/* A subject of the broker may be longer than any pattern: a token of it, or all of it. */
Test(core_subject_index, subjects_longer_than_patterns)
{
    int literal, star, more;
    char subject[4 * SUBJECT_MAX];
    memset(subject, 'x', sizeof(subject));
    add("a.x", &literal);
    add("a.x.*", &literal);
    add("a.*", &star);
    add("a.>", &more);
    memcpy(subject, "a.", 2);
    cr_expect_eq(find(subject, sizeof(subject)), 2);
    memset(subject, '.', sizeof(subject));
    cr_expect_eq(find(subject, sizeof(subject)), 0);
    memcpy(subject, "a", 1);
    cr_expect_eq(find(subject, sizeof(subject)), 1);
}

/* The deepest patterns there are, with both ways open at each token: 2^10 patterns match, and no node is made twice. */
Test(core_subject_index, both_ways_at_each_token)
{
    char pattern[SUBJECT_MAX];
    for (unsigned bits = 0; bits < 1024; bits++) {
        size_t len = 0;
        for (unsigned i = 0; i < SUBJECT_TOKENS_MAX; i++) {
            pattern[len++] = i < 10 && (bits >> i & 1) != 0 ? '*' : 'a';
            pattern[len++] = '.';
        }
        subject_index_add(subject_index, pattern, len - 1, pattern);
    }
    char subject[2 * SUBJECT_TOKENS_MAX];
    for (size_t i = 0; i < sizeof(subject); i++)
        subject[i] = i % 2 == 0 ? 'a' : '.';
    cr_expect_eq(find(subject, sizeof(subject) - 1), 1024);
}

Test(core_subject_index, a_hundred_thousand_patterns)
{
    static int values[100000];
    char text[64];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100000; i++) {
            int len = snprintf(text, sizeof(text), i % 2 == 0 ? "orders.%d.new.>" : "orders.%d.new.1", i);
            subject_index_add(subject_index, text, (size_t)len, &values[i]);
        }
        for (int i = 0; i < 100000; i += 97) {
            int len = snprintf(text, sizeof(text), "orders.%d.new.1", i);
            cr_assert_eq(find(text, (size_t)len), 1);
            cr_assert_eq(matches.values[0], &values[i]);
        }
        for (int i = 0; i < 100000; i++) {
            int len = snprintf(text, sizeof(text), i % 2 == 0 ? "orders.%d.new.>" : "orders.%d.new.1", i);
            subject_index_remove(subject_index, text, (size_t)len, &values[i]);
        }
        cr_assert_eq(find("orders.2.new.1", 14), 0);
    }
}
