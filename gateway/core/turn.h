/* turn.h - the order of a worker's work on its hub */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_TURN_H
#define GATEWAY_CORE_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"

struct hub;

/*
 * The top of core: a turn calls everything that a hub's thread does for its
 * readers, and nothing in core calls a turn. Hub thread.
 *
 * One bounded piece of work: tasks, new events, due deadlines, a slice of the
 * readers that have something to send. The worker calls it once per turn of its
 * event loop. True: call again at once, there is more. Otherwise again after a
 * wake, or at the latest after WHEEL_TICK_NS.
 */
bool turn_run(struct hub *hub, int64_t now_ns);

/* Something for a later turn, in the object that it is about; list_remove(&link) takes it back. */
struct turn_later {
    struct list link;
    void (*run)(struct turn_later *later);
};

/*
 * Runs it in the next turn but one, a bounded number each turn: by then the
 * loop has read its sockets once more, and what a client asked for and took
 * back at once costs nothing. A shutdown runs what is left, so that it is refused.
 */
void turn_defer(struct hub *hub, struct turn_later *later);

/* Ends every reader with freshet.bye and refuses new ones. */
void turn_shutdown(struct hub *hub);

/*
 * After the last turn, once no source posts any more, and before hub_dispose: runs the tasks that are left, and ends
 * every walk and every snapshot. The hub has no view any more.
 */
void turn_end(struct hub *hub);

#endif
