/* nats_retry.h - when to try a connection again, and what to say about why it failed */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_RETRY_H
#define GATEWAY_SOURCE_NATS_NATS_RETRY_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

/* A server that is down may be asked often; after a refused login the pauses are longer. */
#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 2000
#define REBUILD_MIN_MS 1000
#define REBUILD_MAX_MS 30000

/* base · 2^n, at most max, ± 50 %: gateways that lost the same broker must not come back in one wave. */
int64_t nats_retry_ms(int64_t base, int64_t max, unsigned n);
/* True at 1, 2, 4, 8 … failures in a row: the log has the first at once, and no flood when they last. */
bool nats_retry_logs(unsigned failed);
/* text: of the client library, may be NULL. */
const char *nats_retry_reason(natsStatus status, const char *text);

#endif
