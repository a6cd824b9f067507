/* js_held.h - what waits behind a hole in what the consumer has delivered */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_HELD_H
#define GATEWAY_SOURCE_JETSTREAM_JS_HELD_H

#include <nats/nats.h>
#include <stdint.h>

#include "gateway/source/jetstream/js_state.h"

struct js_held;
struct js_live;
struct js_source;

/* live.lock is held for all of these but js_held_init and js_held_free. */

void js_held_init(struct js_live *live);
/* Takes the message over; the arrival is left to the caller. `first` is not 0: control asks about the hole up to `end`. */
struct js_held *js_held_add(struct js_source *source, enum js_held_kind kind, natsMsg *msg, uint64_t first,
                            uint64_t end);
/* Takes the first one out, for the caller to free. */
struct js_held *js_held_take(struct js_live *live);
void js_held_free(struct js_held *held);
/* The consumer is given up. */
void js_held_forget(struct js_live *live);

#endif
