/* history.h - a reader's way from older events to those in the rings */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_HISTORY_H
#define GATEWAY_CORE_HISTORY_H

#include <stdbool.h>

struct hub;
struct reader;

/*
 * Only of sources with a store. A reader whose start isn't in the rings, or
 * not known to be there, gets a history (reader->history) until it has caught
 * up with them:
 *
 *   LOOK   the store is asked where it ends: for a cursor that is ahead of what
 *          this process has seen (another gateway gave it out), and for a
 *          reader that stops at the end,
 *   RINGS  rings that may reach back far enough are filled, once for all waiting readers,
 *   FETCH  older events come from the store, piece by piece, until they meet the
 *          rings.
 *
 * The hand-over is by sequence: what follows the last stored event that was
 * sent is, in each ring, whatever has a greater one. Stored events that are
 * gone (purged, over a limit) before the reader got to them are a gap.
 * Hub thread.
 */

/* A reader that starts: it wants what its `start` asks for; a cursor's sequence is in last_sequence. */
void history_begin(struct reader *reader);
/* The reader has fallen out of a ring: the store has what it misses. It has all up to last_sequence. */
void history_rejoin(struct reader *reader);
/*
 * Puts the next stored events into the reader's batch, or nothing: then it
 * will be among those of history_next_ready. Once it has caught up, its cursors
 * are placed and reader->history is NULL.
 */
void history_fill(struct reader *reader);
/* The reader doesn't need it any more. NULL is fine. */
void history_end(struct reader *reader);

/* Views have to tell it when their rings have changed. */
bool history_waits_for_rings(const struct reader *reader);

/* Takes a reader whose history has something new, for reader_resume. NULL: there is none. */
struct reader *history_next_ready(struct hub *hub);

#endif
