/* limits.h - what one request, connection or client may ask for, and the answer when it is too much */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_LIMITS_H
#define GATEWAY_HTTP_LIMITS_H

#include <stdbool.h>

#include "gateway/base/ip.h"

struct app;
struct config_route;
struct connection;
struct identity;
struct st_h2o_req_t;

/*
 * Every request is known to its connection from limits_begin until libh2o
 * disposes of it. It is being handled until limits_answered, which each finite
 * answer comes with; one that becomes a stream is until its end. By this the
 * reaper tells a connection in use from one that only hangs about.
 *
 * Every request counts as a new stream of its client, whatever it asks for;
 * in all only what really is to be one. At a limit a request is answered with
 * retry-after and 429, or 503 where the gateway as a whole is full (431 for its
 * headers); but the
 * EventSource of a browser takes any status but 200 as the end for good, and
 * so gets 200, a spread-out retry: and the end. It is known by asking for
 * text/event-stream together with what scripts in a browser can't set or
 * leave out: sec-fetch-mode or sec-fetch-dest, which they send to origins they
 * trust, or else a user-agent that begins with Mozilla/.
 */

/* First thing with each request on a public listener. False: answered (its headers are too much). */
bool limits_begin(struct app *app, struct st_h2o_req_t *req);
/* The same without any limit. */
void limits_track(struct app *app, struct st_h2o_req_t *req);

/*
 * Once it is clear what is asked for, and CORS headers are there, which the
 * answer needs too. False: over a limit, answered. Without a limits_begin, true.
 */
enum limits_purpose {
    LIMITS_STREAM = 0, /* it is going to be an event stream */
    LIMITS_PUBLISH, /* a message: a publisher sends them as fast as they are taken, which the broker's answers pace */
    LIMITS_OTHER,
};
bool limits_admit(struct app *app, struct st_h2o_req_t *req, enum limits_purpose purpose);

/*
 * An admitted stream, once it is known whose: one more of the same sub, or of
 * the same jti where a token has no sub. With neither it is nobody's. False:
 * over the limit, answered.
 */
bool limits_admit_bearer(struct app *app, struct st_h2o_req_t *req, const struct config_route *route,
                         const struct identity *identity);
/* A stream that is asked for while the gateway ends: 503 with retry-after, 200 and retry: for an EventSource. */
void limits_refuse_ending(struct app *app, struct st_h2o_req_t *req);

/*
 * Whether the configuration has changed since the request was made: what it was
 * found to be may not be so any more. It is refused in the same way.
 */
bool limits_is_outdated(const struct app *app, struct st_h2o_req_t *req);
void limits_refuse_changed(struct app *app, struct st_h2o_req_t *req);

/* The whole answer is in libh2o's hands. */
void limits_answered(struct st_h2o_req_t *req);

/*
 * The address of the client that a request came from, without a port: the
 * connection's peer, or whom x-forwarded-for names where that peer is
 * believed. "unknown" if there is none. Returns dst.
 */
const char *client_address(struct st_h2o_req_t *req, char dst[static IP_TEXT_MAX]);

#endif
