/* wheel.c - deadlines of many objects, to an eighth of a second */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/wheel.h"

void wheel_init(struct wheel *wheel, int64_t now_ns)
{
    wheel->tick = now_ns / WHEEL_TICK_NS;
    for (unsigned i = 0; i != WHEEL_SLOTS; ++i)
        list_init(&wheel->slots[i]);
}

void wheel_add(struct wheel *wheel, struct list *node, int64_t deadline_ns)
{
    int64_t tick = (deadline_ns + WHEEL_TICK_NS - 1) / WHEEL_TICK_NS;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    if (tick >= wheel->tick + (int64_t)WHEEL_SLOTS)
        tick = wheel->tick + (int64_t)WHEEL_SLOTS - 1;
    list_append(&wheel->slots[(uint64_t)tick % WHEEL_SLOTS], node);
}

void wheel_run(struct wheel *wheel, int64_t now_ns, wheel_fn fn, void *arg)
{
    int64_t now_tick = now_ns / WHEEL_TICK_NS;
    /* after a long pause one round visits every slot: more rounds would find nothing new */
    if (now_tick - wheel->tick > (int64_t)WHEEL_SLOTS)
        wheel->tick = now_tick - (int64_t)WHEEL_SLOTS;
    while (wheel->tick < now_tick) {
        struct list due;
        list_init(&due);
        ++wheel->tick;
        list_concat(&due, &wheel->slots[(uint64_t)wheel->tick % WHEEL_SLOTS]);
        while (!list_is_empty(&due)) {
            struct list *node = due.next;
            list_remove(node);
            fn(arg, node);
        }
    }
}
