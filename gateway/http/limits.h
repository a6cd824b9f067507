/* limits.h - what one request, connection or client may ask for */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_LIMITS_H
#define GATEWAY_HTTP_LIMITS_H

#include <stdbool.h>

struct exchange;
struct identity;

/*
 * Every request counts as a new stream of its client, whatever it asks for; of
 * the gateway only those that are to become one. A request over a limit is
 * answered by refusal_send. The shares that are taken are noted in the
 * exchange, which gives them back.
 */

/*
 * First thing with each request on a public listener, once its client is known.
 * False: answered (its headers are too much). The other limits of its address
 * are noted for limits_admit.
 */
bool limits_measure(struct exchange *exchange);

/*
 * Once the route and method are known and the CORS headers, which a refusal
 * needs too, are added. False: over a limit, answered.
 */
enum limits_purpose {
    LIMITS_STREAM = 0, /* it becomes an event stream */
    LIMITS_PUBLISH,    /* a message: not limited here, as the broker's answers pace a publisher */
    LIMITS_OTHER,
};
bool limits_admit(struct exchange *exchange, enum limits_purpose purpose);

/*
 * An admitted stream, once its token is known: one more of the same sub, or of
 * the same jti where a token has no sub. With neither it counts for no bearer.
 * False: over the limit, answered.
 */
bool limits_admit_bearer(struct exchange *exchange, const struct identity *identity);

#endif
