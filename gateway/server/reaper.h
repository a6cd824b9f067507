/* reaper.h - ends connections that are idle, stuck or too old */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_REAPER_H
#define GATEWAY_SERVER_REAPER_H

#include <pthread.h>
#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/core/wheel.h"

struct config_limits;
struct connection;
struct metrics;

/*
 * One per worker, its thread only. Its time is monotonic; libh2o's own timers
 * follow the wall clock, and see neither a connection that PINGs nor an answer
 * that isn't taken. A connection is visited when the first of its deadlines may
 * have come and not before, so that idle ones and busy ones cost nothing. It is killed
 * - without a request that is being handled for limits.idle,
 * - over HTTP/1.1, without a complete first request for REAPER_HEAD_NS,
 * - when answers have been waiting for limits.write_timeout to leave and none
 *   did, nor anything of its streams,
 * - at limits.connection_age, less up to a tenth of it, differently for each
 *   connection, or all that came together would come back together.
 */
#define REAPER_HEAD_NS (10 * NS_PER_S)

struct reaper {
    pthread_t thread;
    const struct config_limits *limits;
    struct metrics *metrics;
    struct wheel wheel;
    int64_t now_ns;
};

void reaper_init(struct reaper *reaper, const struct config_limits *limits, struct metrics *metrics, int64_t now_ns);
/* From now on; deadlines that are further away than a new limit come as they were set. */
void reaper_set_limits(struct reaper *reaper, const struct config_limits *limits);
/* From connection_opened on, to the end of the connection. */
void reaper_watch(struct reaper *reaper, struct connection *connection);
/* Some times a second. */
void reaper_tick(struct reaper *reaper, int64_t now_ns);

#endif
