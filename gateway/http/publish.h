/* publish.h - from a POST to a message */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_PUBLISH_H
#define GATEWAY_HTTP_PUBLISH_H

#include <stddef.h>

struct exchange;
struct config_history;
struct route_params;

/* The largest message: what a broker takes by default. */
#define PUBLISH_BODY_MAX (1u << 20)
/*
 * The largest body that gets to a handler. Over HTTP/2 libh2o resets the
 * stream of a larger one and says REFUSED_STREAM, on which clients send it all
 * again; so bodies within twice the limit come here, to be answered.
 */
#define PUBLISH_BODY_BUFFER (2 * PUBLISH_BODY_MAX)

/*
 * Answers a POST on a route with `publish`: the body goes to the route's
 * subject, or on a route with `allow` to the one literal ?subject=. 202 when
 * the broker has taken it, with a JetStream history 201 and its id when the
 * stream has stored it; 400, 401 and 403 as for subscribing, and 403 for a page
 * of an origin that the route doesn't name; 413 and 503 as the broker says. The
 * request headers that the route lists become headers of the message.
 */
void publish_answer(struct exchange *exchange, const struct route_params *params);

/*
 * The longest value of the request header Nats-Msg-Id, by which a stream knows
 * a message that it has already. It goes along wherever the message goes: a
 * stream may listen to what core NATS carries.
 */
#define MSG_ID_MAX 256

/* Publishes the request's body to a checked literal subject, and answers. history: where to; NULL is core NATS. */
void publish_send(struct exchange *exchange, const struct config_history *history, const char *subject, size_t len);

#endif
