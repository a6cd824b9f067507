/* nats_retry.h - when to try a connection again, and what to say about why it failed */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_RETRY_H
#define GATEWAY_SOURCE_NATS_NATS_RETRY_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

/* Where nobody listens, it doesn't hurt to ask often; who was turned away waits longer. */
#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 2000
#define REBUILD_MIN_MS 1000
#define REBUILD_MAX_MS 30000

/* base · 2^n, at most max, ± 50 %: gateways that lost the same broker must not come back in one wave. */
int64_t nats_retry_ms(int64_t base, int64_t max, unsigned n);
/* At 1, 2, 4, 8 … failures in a row something is logged: soon enough to be told, and no flood when it lasts. */
bool nats_retry_logs(unsigned failed);
/* text: of the client library, may be NULL. */
const char *nats_retry_reason(natsStatus status, const char *text);

#endif
