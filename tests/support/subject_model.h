/* subject_model.h - what NATS patterns stand for, found by running them as automata */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SUBJECT_MODEL_H
#define TESTS_SUPPORT_SUBJECT_MODEL_H

#include <stdbool.h>

/*
 * NATS docs, "Subject-Based Messaging", written from the text and sharing no
 * code with what it checks. Patterns and subjects are valid. covers and
 * overlaps compare sets of subjects, not spellings: they search what the two
 * patterns accept for a subject that decides, over the tokens that occur in
 * either of them and one that does not.
 */
bool subject_model_matches(const char *pattern, const char *subject);
bool subject_model_covers(const char *a, const char *b);
bool subject_model_overlaps(const char *a, const char *b);

#endif
