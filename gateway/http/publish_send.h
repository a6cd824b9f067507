/* publish_send.h - a request's body becomes a message, and the broker's confirmation the answer */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_PUBLISH_SEND_H
#define GATEWAY_HTTP_PUBLISH_SEND_H

#include <stddef.h>

struct config_history;
struct exchange;

/* The largest message: what a broker takes by default. */
#define PUBLISH_BODY_MAX (1u << 20)
/*
 * The largest body that gets to a handler. Over HTTP/2 libh2o resets the
 * stream of a larger one and says REFUSED_STREAM, on which clients send it all
 * again; so bodies within twice the limit come here, to be answered.
 */
#define PUBLISH_BODY_BUFFER (2 * PUBLISH_BODY_MAX)
_Static_assert(PUBLISH_BODY_BUFFER > PUBLISH_BODY_MAX, "a body that is too large gets a 413");

/*
 * The longest value of the request header Nats-Msg-Id, by which a stream
 * recognizes a message that it has already. It is also sent to core NATS, as a
 * stream may listen there.
 */
#define PUBLISH_MSG_ID_MAX 256

/*
 * Publishes the request's body to a checked literal subject, and answers: 202
 * when the broker has taken it, with a JetStream history 201 and its id when
 * the stream has stored it; 400 and 431 for headers, 413 and 503 as the broker
 * says, 403 for subjects that are reserved. The request headers that
 * the exchange's route lists, if it has one, become headers of the message.
 * history: where to; NULL is core NATS.
 */
void publish_send(struct exchange *exchange, const struct config_history *history, const char *subject, size_t len);

#endif
