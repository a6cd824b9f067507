/* forwarded.h - the client behind trusted proxies */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_FORWARDED_H
#define GATEWAY_HTTP_FORWARDED_H

#include <stdbool.h>

struct config_listen;
struct ip;
struct st_h2o_req_t;

/*
 * Replaces *ip, the connection's peer, by the client that the request's
 * x-forwarded-for names, if the listener trusts that peer. Each proxy appends
 * the address that it was called from, so the list is read from its end: past
 * trusted proxies, to the first address that isn't one. Anything before that
 * may be forged. An entry that is no address ends the walk at the proxy that
 * wrote it.
 */
void forwarded_resolve(const struct config_listen *listen, const struct st_h2o_req_t *req, struct ip *ip);

#endif
