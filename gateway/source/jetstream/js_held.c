/* js_held.c - what waits behind a hole in what the consumer has delivered */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_held.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "gateway/source/jetstream/js_state.h"

void js_held_init(struct js_live *live)
{
    live->held = NULL;
    live->held_end = &live->held;
}

struct js_held *js_held_add(struct js_source *source, enum js_held_kind kind, natsMsg *msg, uint64_t first,
                            uint64_t end)
{
    CHECK_HELD(&source->live.lock);
    struct js_held *held = check_calloc(1, sizeof(*held));
    *held = (struct js_held){.kind = kind, .msg = msg, .first = first, .end = end};
    *source->live.held_end = held;
    source->live.held_end = &held->next;
    if (first != 0) {
        metrics_add_shared(METRIC_STORE_HOLES, 1);
        js_inbox_wake(&source->inbox);
    }
    return held;
}

struct js_held *js_held_take(struct js_live *live)
{
    CHECK_HELD(&live->lock);
    struct js_held *held = live->held;
    live->held = held->next;
    if (live->held == NULL)
        live->held_end = &live->held;
    return held;
}

void js_held_free(struct js_held *held)
{
    natsMsg_Destroy(held->msg);
    free(held);
}

void js_held_forget(struct js_live *live)
{
    CHECK_HELD(&live->lock);
    while (live->held != NULL)
        js_held_free(js_held_take(live));
}
