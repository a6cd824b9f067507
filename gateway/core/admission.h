/* admission.h - the streams of the gateway as a whole, and of each bearer of a token, across all workers */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_ADMISSION_H
#define GATEWAY_CORE_ADMISSION_H

#include <stddef.h>
#include <stdint.h>

struct admission;
struct bearer;
struct config_limits;

/* One per process, any thread; touched when a stream begins and when it ends, never in between. */
struct admission *admission_create(void);
/* Every stream has been given back. NULL is fine. */
void admission_destroy(struct admission *admission);

enum admission_verdict { ADMISSION_OK = 0, ADMISSION_OVER_STREAMS, ADMISSION_OVER_RATE };

/*
 * One more stream, within limits.streams_total and new_streams_total. OK: it
 * is given back. Otherwise nothing is held, and what is over the first limit
 * doesn't use up the second.
 */
enum admission_verdict admission_take(struct admission *admission, const struct config_limits *limits, int64_t now_ns);
void admission_give(struct admission *admission);

/*
 * One more stream of the bearer that these bytes identify; it may have `most`,
 * at least 1. NULL: it has that many already. A bearer is kept only while it
 * has streams, so there are never more bearers than streams.
 */
struct bearer *admission_take_bearer(struct admission *admission, const void *name, size_t len, unsigned most);
/* NULL is fine. */
void admission_give_bearer(struct bearer *bearer);

/* How many bearers are known. For tests. */
size_t admission_bearers(struct admission *admission);

#endif
