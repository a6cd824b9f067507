/* walk.h - a way through all readers of a hub, a slice of it in each turn */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_WALK_H
#define GATEWAY_CORE_WALK_H

#include <stdbool.h>

struct hub;
struct reader;

/* Its owner keeps it until `over`. Hub thread only. */
struct walk {
    /* False: the reader has been ended, and no other walk may look at it. */
    bool (*look)(struct walk *walk, struct reader *reader);
    /* The hub's last use of the walk. */
    void (*over)(struct walk *walk);
    struct walk *next; /* the hub's */
};

/*
 * Visits every reader of the hub, some thousand per turn, so that events are
 * delayed by no more than one turn. Readers that are opened after the call may
 * be left out. When a hub ends, its walks end without visiting the rest.
 */
void walk_start(struct hub *hub, struct walk *walk);

/* ---- of the hub, hub thread ---- */

/* A slice of the walks. True: there is more. Any thread once the loop has ended; then no reader is visited. */
bool walk_step(struct hub *hub);

#endif
