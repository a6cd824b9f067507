/* nats_confirm.h - a round trip to the broker, and what it has refused */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_CONFIRM_H
#define GATEWAY_SOURCE_NATS_NATS_CONFIRM_H

#include <stdbool.h>
#include <stdint.h>

struct nats_denial;
struct nats_source;
struct publish;

/* Control thread, both. */

/*
 * Waits until the broker has seen all that was sent before, then ends and
 * denies whatever it refused of that. publishes: those that were sent, or
 * NULL. False: no answer within so many milliseconds.
 */
bool nats_confirm(struct nats_source *source, struct publish *publishes, int64_t ms);
/* Ends, denies, fails and logs what was refused. Frees the denials. */
void nats_confirm_denials(struct nats_source *source, struct nats_denial *denials, struct publish *publishes);

#endif
