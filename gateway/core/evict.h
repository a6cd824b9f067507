/* evict.h - ends the streams that something has been taken from */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_EVICT_H
#define GATEWAY_CORE_EVICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub;
struct identity;

/* Whom it concerns: all that are not NULL have to match. Outlives its walks. */
struct eviction {
    const char *sub, *jti; /* of the identity */
    const char *subject;   /* checked pattern: who could receive any of it */
    const char *route;     /* path template */
};
/* subjects: the patterns that are read. identity: NULL is nobody, whom no sub and no jti means. */
bool eviction_matches(const struct eviction *eviction, const struct identity *identity, const char *route,
                      const char *const *subjects, size_t subject_count);

/* One eviction's way through the readers of one hub. Whoever starts it keeps it until `over`. */
struct eviction_walk {
    const struct eviction *eviction;
    uint64_t ended; /* readers */
    void (*over)(struct eviction_walk *walk);
    struct eviction_walk *next; /* the hub's */
};

/*
 * Ends every matching reader of the hub with CLOSE_REVOKED, some thousand in a
 * turn, so that others wait for their events no longer than a turn takes.
 * Readers that are opened after the call are not looked at: whoever opens
 * them has to know already. Hub thread.
 */
void hub_evict(struct hub *hub, struct eviction_walk *walk);

/* ---- of the hub ---- */

/* A slice of the walks. True: there is more. */
bool evict_step(struct hub *hub);

#endif
