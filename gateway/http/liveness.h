/* liveness.h - do the workers' loops turn? */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_LIVENESS_H
#define GATEWAY_HTTP_LIVENESS_H

#include <stdint.h>

#include "gateway/base/clock.h"

/* Given by the server, which knows its workers; any thread may ask. */
struct liveness {
    /* How long the slowest loop has not turned, and its worker's number. */
    int64_t (*longest_ns)(void *arg, unsigned *worker);
    void *arg;
};

/* An idle loop turns eight times a second; one that has not turned for this long is stuck. */
#define LIVENESS_STUCK_NS (3 * NS_PER_S)

#endif
