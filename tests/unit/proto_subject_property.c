/* proto_subject_property.c - cover against every subject of a small alphabet, and against random ones */
/* SPDX-License-Identifier: MIT */
#include "proto/subject.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/subject_model.h"

/* Every pattern of up to four tokens a, b, * and >, every subject of up to six tokens a, b and c. */
enum { PATTERN_TOKENS = 4, PATTERNS = 160, SUBJECT_TOKENS = 6, SUBJECTS = 1092 };

/* With room for a word that is tried and found to be none. */
static char patterns[PATTERNS + 1][2 * PATTERN_TOKENS], subjects[SUBJECTS + 1][2 * SUBJECT_TOKENS];
static bool matched[PATTERNS][SUBJECTS];

/* The words over the letters, shortest first; '>' is a letter only at the end. Returns how many. */
static size_t spell(char *words, size_t stride, size_t longest, const char *letters)
{
    size_t count = 0, base = strlen(letters);

    for (size_t tokens = 1, power = base; tokens <= longest; ++tokens, power *= base) {
        for (size_t n = 0; n != power; ++n) {
            char *word = words + count * stride;
            size_t left = n;
            bool valid = true;
            for (size_t i = 0; i != tokens; ++i, left /= base) {
                word[2 * i] = letters[left % base];
                word[2 * i + 1] = '.';
                valid &= word[2 * i] != '>' || i + 1 == tokens;
            }
            word[2 * tokens - 1] = '\0';
            count += valid;
        }
    }
    return count;
}

/* By the words of the documentation, on one letter per token. */
static bool matches(const char *pattern, const char *subject)
{
    if (*pattern == '>')
        return *subject != '\0';
    if (*pattern == '\0' || *subject == '\0')
        return *pattern == *subject;
    if (*pattern != '*' && *pattern != *subject)
        return false;
    return matches(pattern + 1 + (pattern[1] == '.'), subject + 1 + (subject[1] == '.'));
}

static void enumerate(void)
{
    cr_assert_eq(spell(patterns[0], sizeof(patterns[0]), PATTERN_TOKENS, "ab*>"), PATTERNS);
    cr_assert_eq(spell(subjects[0], sizeof(subjects[0]), SUBJECT_TOKENS, "abc"), SUBJECTS);
    for (size_t p = 0; p != PATTERNS; ++p) {
        for (size_t s = 0; s != SUBJECTS; ++s) {
            matched[p][s] = matches(patterns[p], subjects[s]);
            cr_assert_eq(subject_matches(patterns[p], strlen(patterns[p]), subjects[s], strlen(subjects[s])),
                         matched[p][s], "%s %s", patterns[p], subjects[s]);
            cr_assert_eq(subject_model_matches(patterns[p], subjects[s]), matched[p][s]);
        }
    }
}

/* Six tokens tell any two patterns of four apart, and c stands for every token that is in neither. */
Test(subject_property, cover_and_overlap_are_exact_on_a_small_alphabet, .init = enumerate)
{
    size_t covered = 0, overlapping = 0;

    for (size_t a = 0; a != PATTERNS; ++a) {
        for (size_t b = 0; b != PATTERNS; ++b) {
            bool covers = true, overlaps = false;
            for (size_t s = 0; s != SUBJECTS; ++s) {
                covers &= matched[a][s] || !matched[b][s];
                overlaps |= matched[a][s] && matched[b][s];
            }
            size_t a_len = strlen(patterns[a]), b_len = strlen(patterns[b]);
            cr_assert_eq(subject_covers(patterns[a], a_len, patterns[b], b_len), covers, "%s %s", patterns[a],
                         patterns[b]);
            cr_assert_eq(subject_overlaps(patterns[a], a_len, patterns[b], b_len), overlaps, "%s %s", patterns[a],
                         patterns[b]);
            /* The automata that other tests judge by. */
            cr_assert_eq(subject_model_covers(patterns[a], patterns[b]), covers, "%s %s", patterns[a], patterns[b]);
            cr_assert_eq(subject_model_overlaps(patterns[a], patterns[b]), overlaps);
            covered += covers;
            overlapping += overlaps;
        }
    }
    cr_expect(covered > PATTERNS && covered < overlapping && overlapping < PATTERNS * PATTERNS);
}
