/* subject_index.h - finds every NATS pattern that stands for a given subject */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_SUBJECT_INDEX_H
#define GATEWAY_CORE_SUBJECT_INDEX_H

#include <stddef.h>

/*
 * From patterns to values, which are the owner's pointers. What it takes to
 * find a subject's patterns depends on the subject's tokens and on how many
 * match, never on how many there are; all literal patterns together cost one
 * lookup.
 * Matching is that of subject_matches() in proto/subject.h.
 *
 * Patterns have passed subject_check_pattern. Subjects come as the broker
 * delivers them and need no check.
 *
 * Not thread safe: the owner has a lock.
 */
struct subject_index;

struct subject_index *subject_index_create(void);
void subject_index_destroy(struct subject_index *index); /* NULL is fine; need not be empty */

/* A pattern may have several values, and a value several patterns. The same pair added twice is found twice. */
void subject_index_add(struct subject_index *index, const char *pattern, size_t len, void *value);
/* Takes one such pair back. It was added. */
void subject_index_remove(struct subject_index *index, const char *pattern, size_t len, void *value);

/* Starts as {0} and may serve many calls, so that the array is allocated once. */
struct subject_index_matches {
    void **values;
    size_t count, capacity;
};

/* Appends the values of each pattern that matches, in no particular order, and returns how many there were. */
size_t subject_index_find(const struct subject_index *index, const char *subject, size_t len,
                          struct subject_index_matches *matches);
void subject_index_dispose_matches(struct subject_index_matches *matches);

#endif
