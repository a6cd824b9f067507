/* replay.h - where a reader starts, and which events it sends next */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_REPLAY_H
#define GATEWAY_CORE_REPLAY_H

#include <stdbool.h>

struct reader;

/*
 * Replay and live are one mechanism: cursors that move towards the head. Hub
 * thread. What the rings don't have, and a store has, is for the caller to get:
 * the reader has all up to last_sequence then.
 */
enum replay_result { REPLAY_HAS_RINGS = 0, REPLAY_NEEDS_STORE };

/* Sets the cursors of a reader whose channels all flow, and puts the preamble (and a gap) into its batch. */
enum replay_result replay_start(struct reader *reader);

/*
 * Puts the next events of all cursors into the batch, in order of sequence,
 * until the batch is full or the heads are reached. A reader that has fallen
 * out of a ring is treated as its route's `slow` says: that may set `ending`,
 * or need the store, which has what it misses.
 */
enum replay_result replay_fill(struct reader *reader);

/* All there was when the reader started is in the batch or sent. */
bool replay_is_done(const struct reader *reader);

#endif
