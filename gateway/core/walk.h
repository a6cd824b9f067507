/* walk.h - a way through all readers of a hub, a slice of it in each turn */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_WALK_H
#define GATEWAY_CORE_WALK_H

#include <stdbool.h>

struct hub;
struct reader;

/* Its owner keeps it until `over`. Hub thread only. */
struct walk {
    /* False: the reader has been ended, and nobody is to look at it any more. */
    bool (*look)(struct walk *walk, struct reader *reader);
    /* The hub's last use of the walk. */
    void (*over)(struct walk *walk);
    struct walk *next; /* the hub's */
};

/*
 * Looks at every reader of the hub, some thousand in a turn, so that others
 * wait for their events no longer than a turn takes. Readers that are opened
 * after the call may be left out. A hub that ends runs its walks through nobody.
 */
void walk_start(struct hub *hub, struct walk *walk);

/* ---- of the hub ---- */

/* A slice of the walks. True: there is more. */
bool walk_step(struct hub *hub);

#endif
