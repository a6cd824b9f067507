/* cors.h - lets pages of other origins read a route */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_CORS_H
#define GATEWAY_HTTP_CORS_H

#include <stdbool.h>

struct config_cors;
struct exchange;

/*
 * WHATWG Fetch, "CORS protocol". Adds the response headers that a request's
 * Origin is entitled to under its route's settings, before the answer, whatever
 * it will be: an error, too, should be readable by the page. A preflight
 * (methods not NULL) also gets the methods and headers that are allowed. No
 * origin, or one that isn't listed: nothing but `vary: origin` where the answer
 * depends on it.
 */
void cors_add_headers(struct exchange *exchange, const char *methods);

/*
 * Whether a request that changes something is acceptable: no page made it (no
 * Origin), or a page of the request's own host, or of a listed origin. CORS alone
 * doesn't prevent the others: browsers send a plain POST without a preflight,
 * with the user's cookies and from the user's network.
 */
bool cors_may_write(const struct config_cors *cors, const struct exchange *exchange);

/* An OPTIONS request with Access-Control-Request-Method. */
bool cors_is_preflight(const struct exchange *exchange);

#endif
