/* batch.h - fills a batch with what a reader sends next */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_BATCH_H
#define GATEWAY_CORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/close_reason.h"

struct batch;
struct reader;
struct run;

/*
 * All of these append to the batch and move the reader's cursors and
 * last_sequence on. Hub thread. A batch that is full takes no more; what is
 * left comes with the next one.
 */

/* Room for one more text of the reader's own (gap, bye, preamble) and one more stretch. */
bool batch_has_room(const struct batch *batch);

/* A stretch of a run; continues the piece before it when it lies right behind it. */
void batch_add_run(struct reader *reader, struct run *run, uint32_t offset, uint32_t size, uint64_t events);

enum gap_reason { GAP_EVICTED = 0, GAP_UNKNOWN_ID, GAP_BROKER_LOST, GAP_SLOW };

/* "retry:" and, where events have ids, the id before the first event, so that a cut before it loses nothing. */
void batch_add_preamble(struct reader *reader, bool with_id);
/* event: freshet.gap. last: what the client has; next_sequence 0: none yet. */
void batch_add_gap(struct reader *reader, enum gap_reason reason, const char *last, size_t last_len,
                   uint64_t next_sequence);
/* event: freshet.bye, and a spread-out retry: where the client should come back. */
void batch_add_bye(struct reader *reader, enum close_reason reason);
void batch_add_heartbeat(struct reader *reader);

#endif
