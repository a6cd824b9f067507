/* snapshot.h - what the gateway holds right now, gathered from all workers without stopping any */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_SNAPSHOT_H
#define GATEWAY_CORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

struct hub;
struct snapshot;

/* More at once are refused. An abandoned one counts until the last worker, perhaps a stuck one, has answered. */
#define SNAPSHOTS_MAX 64
#define SNAPSHOT_LIMIT_DEFAULT 100
#define SNAPSHOT_LIMIT_MAX 10000
/* How many slow readers are named. */
#define SNAPSHOT_SLOW_MAX 20

struct snapshot_options {
    const char *gateway; /* its name, for "gateway"; NULL: left out */
    unsigned limit;      /* channels named: those with the most streams, then with the most events */
    const char *filter;  /* read in snapshot_start only; NULL: all. With a wildcard: a checked pattern, … */
    size_t filter_len;   /* … and what it covers. Without: channels whose pattern contains it */
};

/*
 * Goes through all channels and through the readers of all hubs, a slice in
 * each turn, and calls done (once, in a later turn of this hub) with one JSON
 * object:
 *
 * {"version":"0.1.0","gateway":"NAME","uptime_seconds":1.000,"connections":2,
 *  "streams":3,"channels_total":1,
 *  "channels":[{"pattern":"a.>","store":"memory","streams":3,"head":"ID"|null,"events":4,"bytes":567}],
 *  "slow":[{"route":"/a","peer":"192.0.2.1","subjects":["a.>"],"behind_events":9,
 *           "stuck_seconds":1.000,"age_seconds":2.000}],
 *  "complete":true}
 *
 * complete is false when 2 s were over before all had been seen. A reader is
 * slow when its connection has not taken what it was sent and there is more
 * for it, or has not for a second; behind_events is what waits for it in its
 * channels, or (while it reads a store) an upper bound of it.
 * The hub's thread. NULL: there are SNAPSHOTS_MAX already.
 */
struct snapshot *snapshot_start(struct hub *hub, const struct snapshot_options *options,
                                void (*done)(void *arg, const char *json, size_t len), void *arg);
/* Before done: it will not be called. */
void snapshot_cancel(struct snapshot *snapshot);

/* ---- of the hub, hub thread ---- */

/* A slice of the snapshots. True: there is more. */
bool snapshot_step(struct hub *hub);
/* The loop has ended: all snapshots are done with what they have. Any thread. */
void snapshot_end_all(struct hub *hub);

#endif
