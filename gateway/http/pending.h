/* pending.h - answers a request a little later, if it is still there */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_PENDING_H
#define GATEWAY_HTTP_PENDING_H

struct app;
struct config_route;
struct route_params;
struct st_h2o_req_t;

/*
 * What a request costs begins after the loop has read its sockets once more:
 * a client that opens and resets streams has then cost nothing but the parsing.
 * answer is called with what the path says, unless the request is gone before.
 */
void pending_add(struct app *app, struct st_h2o_req_t *req, const struct config_route *route,
                 void (*answer)(struct app *app, struct st_h2o_req_t *req, const struct config_route *route,
                                const struct route_params *params));

#endif
