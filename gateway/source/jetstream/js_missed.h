/* js_missed.h - republish mode: what has come to which channel, and what should have */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_MISSED_H
#define GATEWAY_SOURCE_JETSTREAM_JS_MISSED_H

#include <stddef.h>
#include <stdint.h>

struct js_source;
struct message;

/* live.lock is held for all of these. */

/* A message has gone into all of live.matches. */
void js_missed_note(struct js_source *source, uint64_t number, const struct message *message);
/* A message comes late: leaves those of live.matches that can still have it, since they missed it. */
void js_missed_filter(struct js_source *source, uint64_t number, const struct message *message);
/*
 * `last` is the number of the message before one of the same subject that has
 * come, 0: none. Has it not come, though a channel of live.matches was there
 * for it, which can still have it in order? Then the number where a consumer
 * has to begin for that; else 0, and readers who can't have it are told.
 */
uint64_t js_missed_before(struct js_source *source, const char *subject, size_t subject_len, uint64_t last);

#endif
