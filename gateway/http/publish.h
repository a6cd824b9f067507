/* publish.h - from a POST on a route to a subject it may publish on */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_PUBLISH_H
#define GATEWAY_HTTP_PUBLISH_H

struct exchange;
struct route_params;

/*
 * Answers a POST on a route with `publish`: the body goes to the route's
 * subject, or on a route with `allow` to the one literal ?subject=, as
 * publish_send says; 400, 401 and 403 as for subscribing, and 403 for a page of
 * an origin that the route doesn't name.
 */
void publish_answer(struct exchange *exchange, const struct route_params *params);

#endif
