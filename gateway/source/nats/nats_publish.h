/* nats_publish.h - what the HTTP layer publishes as a message of the client library */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_PUBLISH_H
#define GATEWAY_SOURCE_NATS_NATS_PUBLISH_H

#include <nats/nats.h>

struct publish;

/* Subject, payload (at most INT_MAX bytes), headers and Nats-Msg-Id; reply may be NULL. The caller destroys *msg. */
natsStatus nats_publish_create(natsMsg **msg, const struct publish *publish, const char *reply);

#endif
