/* subscribe.h - from a request on a route to its stream */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_SUBSCRIBE_H
#define GATEWAY_HTTP_SUBSCRIBE_H

struct exchange;
struct route_params;

/*
 * Checks a GET or HEAD on its route (accept, token, subjects, start) and answers
 * with the stream, or with a problem that names the fault; later, where a
 * microservice decides.
 */
void subscribe_answer(struct exchange *exchange, const struct route_params *params);

#endif
