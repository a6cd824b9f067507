/* wheel.h - deadlines of many objects, to an eighth of a second */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_WHEEL_H
#define GATEWAY_CORE_WHEEL_H

#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/base/list.h"

/*
 * A hashed timing wheel. Moving a deadline for each event that is sent would
 * touch three cache lines per stream; instead a node stays where it is, and
 * its owner looks, when it comes up, whether it is due or has to go back in.
 * Deadlines beyond the wheel's span come up at its end, for the same look.
 */
#define WHEEL_SLOTS 512u
#define WHEEL_TICK_NS (125 * NS_PER_MS)

struct wheel {
    int64_t tick; /* the last that has been run */
    struct list slots[WHEEL_SLOTS];
};

typedef void (*wheel_fn)(void *arg, struct list *node);

void wheel_init(struct wheel *wheel, int64_t now_ns);
/* The node is in no list. It comes up at the first tick at or after the deadline, at the next one if that has passed. */
void wheel_add(struct wheel *wheel, struct list *node, int64_t deadline_ns);
/* Takes out and passes to fn, one by one, the nodes of all ticks up to now; fn may add and remove any. */
void wheel_run(struct wheel *wheel, int64_t now_ns, wheel_fn fn, void *arg);

#endif
