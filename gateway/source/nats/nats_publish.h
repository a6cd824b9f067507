/* nats_publish.h - publishing into core NATS */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_PUBLISH_H
#define GATEWAY_SOURCE_NATS_NATS_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

struct nats_refused;
struct nats_source;
struct publish;

/* Control thread, all of these. The list is by `next`; what has been sent is PUBLISH_OK until it is finished. */

void nats_publish_send(struct nats_source *source, struct publish *publishes);
/* How many of those sent this refusal may be about, and: they are denied. */
unsigned nats_publish_count_denied(const struct publish *publishes, const struct nats_refused *refused);
void nats_publish_deny(struct publish *publishes, const struct nats_refused *refused);
/* Hands them back. confirmed: the broker has what was sent. */
void nats_publish_finish(struct nats_source *source, struct publish *publishes, bool confirmed);

/* How often the library has connected again: a round trip that spans one says nothing about what was sent before. */
uint64_t nats_publish_count_reconnects(const struct nats_source *source);

#endif
