/* pending.h - answers a request a little later, if it is still there */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_PENDING_H
#define GATEWAY_HTTP_PENDING_H

struct exchange;
struct route_params;

/*
 * The expensive part of a request begins after the loop has read its sockets
 * once more: a stream that was opened and reset has then cost only its parsing.
 * answer is called with what the path says to the exchange's route, unless the
 * request is gone before.
 */
void pending_add(struct exchange *exchange,
                 void (*answer)(struct exchange *exchange, const struct route_params *params));

#endif
