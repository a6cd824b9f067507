/* limits.c - what one request, connection or client may ask for */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/limits.h"

#include <h2o.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/core/address_limits.h"
#include "gateway/core/admission.h"
#include "gateway/core/identity.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/exchange.h"
#include "gateway/http/refusal.h"
#include "proto/bucket.h"

/* Names and values, and the request line. libh2o lets a folded line through as a field without a name. */
static size_t header_bytes(const h2o_req_t *req)
{
    size_t bytes = req->method.len + req->path.len + req->authority.len;
    for (size_t i = 0; i != req->headers.size; ++i) {
        const h2o_header_t *header = &req->headers.entries[i];
        bytes += (header->name != NULL ? header->name->len : 0) + header->value.len;
    }
    return bytes;
}

static enum limit take_from_client(struct exchange *exchange)
{
    struct app *app = exchange->app;
    if (app->clients == NULL || !exchange->has_ip)
        return LIMIT_NONE;
    switch (address_limits_take(app->clients, &exchange->ip, ADDRESS_REQUEST, exchange->bytes, clock_mono_coarse_ns(),
                                &exchange->client)) {
    case ADDRESS_OVER_STREAMS:
        return LIMIT_ADDRESS_STREAMS;
    case ADDRESS_OVER_MEMORY:
        return LIMIT_ADDRESS_MEMORY;
    case ADDRESS_OVER_CONNECTIONS: /* of connections only */
    case ADDRESS_OK:
        break;
    }
    return LIMIT_NONE;
}

bool limits_measure(struct exchange *exchange)
{
    const struct config_limits *limits = &exchange->app->config->limits;
    CHECK(exchange->client == NULL && exchange->over == LIMIT_NONE);
    size_t fields = exchange->req->headers.size, bytes = header_bytes(exchange->req);
    if (limits->header_fields != 0 && fields > limits->header_fields) {
        refusal_send(exchange, LIMIT_HEADER_FIELDS);
        return false;
    }
    if (limits->header_bytes != 0 && bytes > limits->header_bytes) {
        refusal_send(exchange, LIMIT_HEADER_BYTES);
        return false;
    }
    exchange->bytes = ADDRESS_BYTES_REQUEST + (uint32_t)bytes;
    /* Answered by limits_admit: without the CORS headers of the route a page could not read the refusal. */
    exchange->over = (uint8_t)take_from_client(exchange);
    return true;
}

/* The client's own limits come first: a client over one of them must not use up what all share. */
static enum limit count_stream(struct exchange *exchange)
{
    struct app *app = exchange->app;
    const struct config_limits *limits = &app->config->limits;
    enum limit over = LIMIT_NONE;
    CHECK(!exchange->is_counted);
    if (exchange->connection->admitted >= limits->streams)
        return LIMIT_STREAMS;
    if (!address_limits_begin_stream(exchange->client))
        return LIMIT_ADDRESS_OPEN_STREAMS;
    switch (admission_take(app->admission, limits, clock_mono_coarse_ns())) {
    case ADMISSION_OVER_STREAMS:
        over = LIMIT_TOTAL_STREAMS;
        break;
    case ADMISSION_OVER_RATE:
        over = LIMIT_TOTAL_NEW_STREAMS;
        break;
    case ADMISSION_OK:
        exchange->is_counted = true;
        ++exchange->connection->admitted;
        return LIMIT_NONE;
    }
    address_limits_end_stream(exchange->client); /* taken above, and refused after all */
    return over;
}

bool limits_admit(struct exchange *exchange, enum limits_purpose purpose)
{
    const struct config_limits *limits = &exchange->app->config->limits;
    enum limit over = (enum limit)exchange->over;
    if (over == LIMIT_NONE && purpose != LIMITS_PUBLISH && limits->new_streams != 0 &&
        !bucket_take(&exchange->connection->bucket_ns, clock_mono_coarse_ns(), limits->new_streams))
        over = LIMIT_NEW_STREAMS;
    if (over == LIMIT_NONE && purpose == LIMITS_STREAM)
        over = count_stream(exchange);
    if (over == LIMIT_NONE)
        return true;
    refusal_send(exchange, over);
    return false;
}

/* A sub is unique only within its issuer, which the keys stand for. */
static struct bearer *take_bearer(const struct exchange *exchange, const char *name, char kind)
{
    const struct config_auth *auth = &exchange->route->auth;
    size_t name_len = strlen(name), len = sizeof(auth->keys) + 1 + name_len;
    char *key = check_malloc(len);
    memcpy(key, &auth->keys, sizeof(auth->keys));
    key[sizeof(auth->keys)] = kind; /* a sub and a jti of the same text are two bearers */
    memcpy(key + len - name_len, name, name_len);
    struct bearer *bearer =
        admission_take_bearer(exchange->app->admission, key, len, exchange->app->config->limits.streams_per_token);
    free(key);
    return bearer;
}

bool limits_admit_bearer(struct exchange *exchange, const struct identity *identity)
{
    if (exchange->app->config->limits.streams_per_token == 0 || !exchange->is_counted || identity == NULL ||
        (identity->sub == NULL && identity->jti == NULL))
        return true;
    CHECK(exchange->bearer == NULL);
    /* A fresh token of the same sub is no fresh allowance. */
    if (identity->sub != NULL)
        exchange->bearer = take_bearer(exchange, identity->sub, 's');
    else
        exchange->bearer = take_bearer(exchange, identity->jti, 'j');
    if (exchange->bearer != NULL)
        return true;
    refusal_send(exchange, LIMIT_TOKEN_STREAMS);
    return false;
}
