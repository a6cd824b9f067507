/* exchange.h - one request and its answer: found out once, used until the end */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_EXCHANGE_H
#define GATEWAY_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/ip.h"
#include "gateway/base/list.h"

struct app;
struct bearer;
struct address_account;
struct config_route;
struct connection;
struct settings;
struct st_h2o_req_t;

/*
 * Made by the handler that libh2o calls, and passed on from there. It lives in
 * the request's pool, as the first thing in it, so that it is the last to go.
 * Its connection knows it from exchange_begin until then. It is being handled
 * until exchange_answered, which comes with each finite answer; one that
 * becomes a stream is being handled until its end. By this the reaper tells a
 * connection in use from an idle one. Worker thread.
 */
struct exchange {
    struct list link; /* in the connection's requests */
    struct app *app;
    struct st_h2o_req_t *req;
    struct connection *connection;
    struct settings *settings;        /* in force when the request came; NULL: they never change */
    const struct config_route *route; /* whose path the request has; NULL until that is known, or on none */
    struct ip ip;                     /* of the client: see has_ip */
    uint32_t bytes;                   /* counted for `client` */
    uint8_t over;                     /* enum limit: over it according to limits_measure; refused by limits_admit */
    bool has_ip;                      /* false: the peer has no address */
    bool is_answered;
    bool is_counted; /* as a stream: of the connection, of `client` and of the gateway; set by limits.c */
    struct address_account *client; /* its share of its address's limits, of core/address_limits.h; NULL: none */
    struct bearer *bearer;          /* its share of its token's limit, of core/admission.h; NULL: none */
};

/*
 * First thing with each request. The address is the peer's: behind trusted
 * proxies forwarded_resolve finds the client's. An HTTP/1.1 connection is
 * closed after the answer where the request has a body: libh2o's parser is
 * lenient about bodies, so nothing that follows is trusted to be a request.
 */
struct exchange *exchange_begin(struct app *app, struct st_h2o_req_t *req);

/* The whole answer is in libh2o's hands. Once at most. */
void exchange_answered(struct exchange *exchange);

/* Whether the configuration has changed since the request came: its route may not be what it was. */
bool exchange_is_outdated(const struct exchange *exchange);

/*
 * The address of the client, without a port: the connection's peer, or behind
 * trusted proxies the one in x-forwarded-for. "unknown" if there is none.
 * Returns dst.
 */
const char *exchange_address(const struct exchange *exchange, char dst[static IP_TEXT_MAX]);

bool exchange_is_method(const struct exchange *exchange, const char *method);
/* GET or HEAD. */
bool exchange_is_read(const struct exchange *exchange);
/* The request's path as it came, without its query; it begins at req->path.base. */
size_t exchange_path_len(const struct exchange *exchange);
bool exchange_is_path(const struct exchange *exchange, const char *path);
/* What comes after the '?', not NUL terminated; "" if there is none. */
const char *exchange_query(const struct exchange *exchange, size_t *len);

#endif
