/* event_id.h - the event id "<incarnation>-<sequence>" */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_EVENT_ID_H
#define PROTO_EVENT_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * incarnation: which life of the sequence this is, 1 to 16 lower-case hex
 * digits without leading zeros (never 0; the gateway hands out 40-bit values).
 * sequence: decimal without leading zeros (0 itself is valid: "before all").
 * At most EVENT_ID_MAX bytes of digits, letters and one dash: an id that a
 * browser may send in Last-Event-ID without a CORS preflight.
 */
struct event_id {
    uint64_t incarnation;
    uint64_t sequence;
};

#define EVENT_ID_MAX (16 + 1 + 20)

/* Writes at most EVENT_ID_MAX bytes, no NUL; returns how many. */
size_t event_id_write(char *dst, struct event_id id);
size_t event_id_size(struct event_id id);

/* Strict: exactly what event_id_write writes, nothing else. False leaves *id untouched. */
bool event_id_parse(const char *s, size_t len, struct event_id *id);

#endif
