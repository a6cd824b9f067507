/* history.h - a reader's way from older events to those in the rings */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_HISTORY_H
#define GATEWAY_CORE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

struct reader;

/*
 * Only of sources with a store. A reader whose start isn't in the rings, or
 * not known to be there, gets a history until it has caught up with them:
 *
 *   LOOK   the store is asked where it ends: for a cursor that is ahead of what
 *          this process has seen (another gateway gave it out), and for a
 *          reader that stops at the end,
 *   RINGS  rings that may reach back far enough are filled, once for all who wait,
 *   FETCH  older events come from the store, piece by piece, until they meet the
 *          rings.
 *
 * The hand-over is by sequence: what follows the last stored event that was
 * sent is, in each ring, whatever has a greater one. Stored events that are
 * gone (purged, over a limit) before the reader got to them are a gap.
 * Hub thread.
 */

/* The reader has all up to `after`, and is to go on from there. False: its rings have it all, nothing to do. */
bool history_begin(struct reader *reader, uint64_t after);
/* The reader has fallen out of a ring: the store has what it misses. False: there is no store. */
bool history_rejoin(struct reader *reader);
/*
 * Puts the next stored events into the reader's batch, or nothing: then it
 * will be resumed. Once it has caught up, its cursors are placed and
 * reader->history is NULL.
 */
void history_fill(struct reader *reader);
/* The reader doesn't need it any more. NULL is fine. */
void history_end(struct reader *reader);

/* Views have to tell it when their rings have changed. */
bool history_waits_for_rings(const struct reader *reader);

#endif
