/* nats_message.h - messages of the client library from and for the core */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_MESSAGE_H
#define GATEWAY_SOURCE_NATS_NATS_MESSAGE_H

#include <nats/nats.h>

struct message;
struct publish;

/*
 * Subject, payload and headers; received_ns and arrived_ns are left to the
 * caller. Points into msg, which it may change in place.
 */
void nats_message_read(natsMsg *msg, struct message *message);

/* Subject, payload (at most INT_MAX bytes), headers and Nats-Msg-Id; reply may be NULL. The caller destroys *msg. */
natsStatus nats_message_create(natsMsg **msg, const struct publish *publish, const char *reply);

#endif
