/* evict.h - ends streams whose permission has been revoked */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_EVICT_H
#define GATEWAY_CORE_EVICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/core/walk.h"

struct hub;
struct identity;
struct reader;

/* Which readers it ends: every member that is not NULL has to match. Outlives its walks. */
struct eviction {
    const char *sub, *jti; /* of the identity */
    const char *subject;   /* checked pattern: readers that could receive any of it */
    const char *route;     /* path template */
};
/* subjects: the patterns that are read. identity NULL: anonymous, which no sub or jti matches. */
bool evict_matches(const struct eviction *eviction, const struct identity *identity, const char *route,
                   const char *const *subjects, size_t subject_count);

/* What becomes of a reader. IN_TIME: it ends with CLOSE_DRAIN, one after the other over hub->parting.window_ns. */
enum eviction_verdict { EVICT_NOT = 0, EVICT, EVICT_AND_ASK_BACK, EVICT_IN_TIME };

/* One eviction's way through the readers of one hub. Its owner keeps it until `over`. */
struct eviction_walk {
    const struct eviction *eviction; /* the readers to end … */
    /* … or, if that is NULL, the verdict on each reader */
    enum eviction_verdict (*judge)(const struct eviction_walk *walk, const struct reader *reader);
    uint64_t ended; /* readers ended, or put in line to end */
    void (*over)(struct eviction_walk *walk);
    struct walk base;
};

/*
 * Ends every reader of the hub that it is about with CLOSE_REVOKED, by a walk_start.
 * Readers that are opened after the call are not looked at: the code that opens
 * them has to know already. Hub thread.
 */
void evict_start(struct hub *hub, struct eviction_walk *walk);

#endif
