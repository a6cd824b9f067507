/* nats_marks.h - the marks that tell readers of an outage, before the first message after it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_MARKS_H
#define GATEWAY_SOURCE_NATS_NATS_MARKS_H

#include <stddef.h>
#include <stdint.h>

struct channel;
struct nats_source;

/* Places the marks of a session unless they are there already. Control or delivery. */
void nats_marks_place(struct nats_source *source, uint64_t session);
/* Delivery has a message of a session that isn't marked yet: returns once it is, or the source stops. */
void nats_marks_await(struct nats_source *source, uint64_t session);

/*
 * One mark for some channels: collects them one by one, then tells them.
 * table_lock is held from the first to the last of these calls.
 */
void nats_marks_collect(struct nats_source *source, struct channel *channel);
void nats_marks_tell(struct nats_source *source);

#endif
