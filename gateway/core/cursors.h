/* cursors.h - where a reader stands in its rings, and how far back they reach */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_CURSORS_H
#define GATEWAY_CORE_CURSORS_H

#include <stdbool.h>
#include <stdint.h>

struct reader;

/*
 * A reader has one cursor in the view of each of its channels. These look at,
 * or move, all of them together: to one point in the order of sequences. They
 * send nothing. Hub thread.
 */

/* The smallest sequence any cursor stands at, or 0: nothing to send. */
uint64_t cursors_next_sequence(const struct reader *reader);

/* All cursors behind this sequence; the reader has all up to it. */
void cursors_place_after(struct reader *reader, uint64_t sequence);
/* Before all that the rings hold of the current epoch. */
void cursors_place_at_tails(struct reader *reader);
/* Before the first event, of any ring, that is young enough. Returns the sequence before it. */
uint64_t cursors_place_before_time(struct reader *reader, int64_t ns);

/* The rings hold all events above `after`. */
bool cursors_reach(const struct reader *reader, uint64_t after);
/* All rings begin before that time. */
bool cursors_reach_time(const struct reader *reader, int64_t ns);
/* Up to here events may be missing in the rings because the store had let go of them; 0: none. */
uint64_t cursors_hole(const struct reader *reader);

#endif
