/* subscribe.h - from a request on a route to its stream */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_SUBSCRIBE_H
#define GATEWAY_HTTP_SUBSCRIBE_H

struct exchange;
struct route_params;

/*
 * Checks what a GET or HEAD asks of its route (accept, who asks, subjects,
 * start) and answers with the stream, or with a problem that names what is
 * wrong; later, where a microservice is asked whether it may.
 */
void subscribe_answer(struct exchange *exchange, const struct route_params *params);

#endif
