/* refusal.h - answers that ask the client to come back later, or to ask for less */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_REFUSAL_H
#define GATEWAY_HTTP_REFUSAL_H

struct exchange;

enum limit {
    LIMIT_NONE = 0,
#define LIMIT(symbol, status, name, value, detail) LIMIT_##symbol,
#include "gateway/http/limits.def"
#undef LIMIT
    LIMIT_COUNT
};

/*
 * At a limit a request is answered with retry-after and 429, or 503 where the
 * gateway as a whole is full (431 for its headers); but the EventSource of a
 * browser takes any status but 200 as the end for good, and so gets 200, a
 * spread-out retry: and the end. It is recognized by asking for
 * text/event-stream together with what scripts in a browser can't set or leave
 * out: sec-fetch-mode or sec-fetch-dest, which browsers send to origins they
 * trust, or else a user-agent that begins with Mozilla/.
 * Each is logged (`request-refused`) and counted.
 */
void refusal_send(struct exchange *exchange, enum limit limit);

/*
 * A stream that is asked for while the gateway ends: 503 with retry-after, 200
 * and retry: for an EventSource. Its connection is sent away.
 */
void refusal_send_ending(struct exchange *exchange);
/* The configuration changed before the request was answered (exchange_is_outdated): likewise. */
void refusal_send_changed(struct exchange *exchange);

#endif
