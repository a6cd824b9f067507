/* cors.h - lets pages of other origins read a route */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_CORS_H
#define GATEWAY_HTTP_CORS_H

#include <stdbool.h>

struct config_cors;
struct config_route;
struct st_h2o_req_t;

/*
 * WHATWG Fetch, "CORS protocol". Adds the response headers that a request's
 * Origin is entitled to under the route's settings, before the answer, whatever
 * it will be: an error, too, should be readable by the page. A preflight
 * (methods not NULL) also gets the methods and headers that are allowed. No
 * origin, or one that isn't listed: nothing but `vary: origin` where the answer
 * depends on it.
 */
void cors_add_headers(const struct config_route *route, struct st_h2o_req_t *req, const char *methods);

/*
 * Whether a page may have made a request that changes something: none did
 * (no Origin), one of the request's own host, or one of an origin of the list.
 * A preflight doesn't ask this for us: browsers send a plain POST without one,
 * with whatever cookies and network the user has.
 */
bool cors_may_write(const struct config_cors *cors, struct st_h2o_req_t *req);

/* An OPTIONS request with Access-Control-Request-Method. */
bool cors_is_preflight(struct st_h2o_req_t *req);

#endif
