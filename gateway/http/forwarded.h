/* forwarded.h - the client behind proxies that are believed */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_FORWARDED_H
#define GATEWAY_HTTP_FORWARDED_H

#include <stdbool.h>

struct config_listen;
struct ip;
struct st_h2o_req_t;

/*
 * Replaces *ip, which is the connection's peer, by the client that the
 * request's x-forwarded-for names, if the listener believes that peer. Each
 * proxy appends whom it was asked by, so the list is read from its end: past
 * proxies that are believed, to the first address that isn't one. Whatever
 * stands before that may be made up. An entry that is no address ends the walk
 * at the proxy that wrote it.
 */
void forwarded_resolve(const struct config_listen *listen, const struct st_h2o_req_t *req, struct ip *ip);

#endif
