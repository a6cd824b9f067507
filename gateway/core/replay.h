/* replay.h - where a reader starts, and which events it sends next */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_REPLAY_H
#define GATEWAY_CORE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

struct reader;

/*
 * Replay and live are one mechanism: cursors that move towards the head. Hub
 * thread.
 */

/* Sets the cursors of a reader whose channels all flow, and puts the preamble (and a gap) into its batch. */
void replay_start(struct reader *reader);

/*
 * Puts the next events of all cursors into the batch, in order of sequence,
 * until the batch is full or the heads are reached. A reader that has fallen
 * out of a ring is treated as its route's `slow` says: that may set `ending`,
 * or `history` where a store has what is missing.
 */
void replay_fill(struct reader *reader);

/* All cursors behind this sequence; the reader has all up to it. */
void replay_place_after(struct reader *reader, uint64_t sequence);
/* The smallest sequence any cursor stands at, or 0: nothing to send. */
uint64_t replay_next_sequence(const struct reader *reader);
/* A cursor of another life: a gap, and what the rings have. */
void replay_unknown_cursor(struct reader *reader);
/* The rings begin before that time, all of them; and the sequence before the first event of any that is young enough. */
bool replay_reaches_time(const struct reader *reader, int64_t ns);
uint64_t replay_before_time(struct reader *reader, int64_t ns);

/* All there was when the reader started is in the batch or sent. */
bool replay_is_done(const struct reader *reader);

#endif
