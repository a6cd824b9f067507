/* presence.h - publishes to a NATS subject which streams of a route have begun and ended */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_PRESENCE_H
#define GATEWAY_CORE_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/clock.h"

struct presence;
struct presence_subject;
struct reader;
struct source;

/*
 * One per process, any thread; touched when a stream begins and when it ends,
 * never in between. Joins and leaves are gathered for each subject, and about
 * every PRESENCE_PERIOD_NS one message says all that there is for it, however
 * many they are:
 *
 * {"gateway":"NAME","route":"/rooms/{id}","time":"2026-11-28T03:14:51.123Z","streams":3,
 *  "joined":2,"left":1,"complete":true,
 *  "joins":[{"stream":17,"time":"…","subjects":["rooms.7"],"sub":"ann"|null}],
 *  "leaves":[{"stream":12,"time":"…","subjects":["rooms.7"],"sub":null,"reason":"client","seconds":12.345}]}
 *
 * streams: those of this subject on this gateway that are open after it. What
 * doesn't fit into PRESENCE_LIST_BYTES of a list, or PRESENCE_BYTES in all, is
 * only counted, and complete is false then. While the broker is away they keep
 * gathering. Changes that are never published count as METRIC_PRESENCE_LOST.
 * A stream's number is its own for the life of the process.
 */
#define PRESENCE_PERIOD_NS (100 * NS_PER_MS)
#define PRESENCE_LIST_BYTES (256u << 10)
#define PRESENCE_BYTES (16u << 20)
/* Streams of further subjects are not reported, only counted as lost. */
#define PRESENCE_SUBJECTS_MAX 100000u
/* Messages that the source has not done with; the others wait. */
#define PRESENCE_FLYING_MAX 128u

/* gateway: its name; source: to publish at. Both outlive it. */
struct presence *presence_create(const char *gateway, struct source *source);
/* The source has stopped. NULL is fine. */
void presence_destroy(struct presence *presence);

/* A stream's part; belongs to the owner of the reader. All zero: it has not joined. */
struct presence_stream {
    struct presence_subject *subject;
    uint64_t number;
    int64_t joined_ns; /* monotonic */
};

/* subject: literal, checked, read in here only. The reader is open; its identity, channels and route are published. */
void presence_join(struct presence *presence, struct presence_stream *stream, const char *subject,
                   const struct reader *reader);
/* Before reader_close; its reason is published. Does nothing if it has not joined. */
void presence_leave(struct presence *presence, struct presence_stream *stream, const struct reader *reader);

/*
 * Publishes what is due, a part of it if there is much. Called about ten times a
 * second by one thread. True: call again soon.
 */
bool presence_flush(struct presence *presence, int64_t now_ns);
/* All of it, once no stream is left: before the source stops. */
void presence_flush_all(struct presence *presence);

#endif
