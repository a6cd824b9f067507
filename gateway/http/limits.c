/* limits.c - what one request, connection or client may ask for, and the answer when it is too much */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/limits.h"

#include <h2o.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/core/admission.h"
#include "gateway/core/address_limits.h"
#include "gateway/core/hub.h"
#include "gateway/core/identity.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/forwarded.h"
#include "gateway/http/reply.h"
#include "gateway/http/settings.h"
#include "proto/bucket.h"

/* When to come back, in seconds; for an EventSource it is spread by a quarter either way. */
#define RETRY_AFTER "5"
#define RETRY_MS 5000

enum limit {
    WITHIN = 0,
    HEADER_BYTES,
    HEADER_FIELDS,
    STREAMS,
    NEW_STREAMS,
    ADDRESS_STREAMS,
    ADDRESS_OPEN_STREAMS,
    ADDRESS_MEMORY,
    TOKEN_STREAMS,
    TOTAL_STREAMS,
    TOTAL_NEW_STREAMS,
    LIMITS
};

static const struct limit_row {
    enum metric metric;
    int status;
    const char *name, *detail;
} rows[LIMITS] = {
    [HEADER_BYTES] = {METRIC_REJECTED_HEADER_BYTES, 431, "header-bytes",
                      "the request's headers are longer than %u bytes"},
    [HEADER_FIELDS] = {METRIC_REJECTED_HEADER_FIELDS, 431, "header-fields",
                       "the request has more than %u header fields"},
    [STREAMS] = {METRIC_REJECTED_STREAMS, 429, "streams", "more than %u streams on one connection"},
    [NEW_STREAMS] = {METRIC_REJECTED_NEW_STREAMS, 429, "new-streams",
                     "more than %u new requests a second on one connection"},
    [ADDRESS_STREAMS] = {METRIC_REJECTED_ADDRESS_STREAMS, 429, "address-streams",
                         "more than %u new requests a second from one address"},
    [ADDRESS_OPEN_STREAMS] = {METRIC_REJECTED_ADDRESS_OPEN_STREAMS, 429, "address-open-streams",
                              "more than %u streams of one address"},
    [ADDRESS_MEMORY] = {METRIC_REJECTED_ADDRESS_MEMORY, 429, "address-memory",
                        "the connections and requests of one address hold too much memory"},
    [TOKEN_STREAMS] = {METRIC_REJECTED_TOKEN_STREAMS, 429, "token-streams", "more than %u streams of one token"},
    [TOTAL_STREAMS] = {METRIC_REJECTED_TOTAL_STREAMS, 503, "total-streams",
                       "the gateway has as many streams as it may, %u"},
    [TOTAL_NEW_STREAMS] = {METRIC_REJECTED_TOTAL_NEW_STREAMS, 503, "total-new-streams",
                           "more than %u new streams a second on this gateway"},
};

/* A request, as its connection knows it. In the request's pool, and gone with it. */
struct ticket {
    struct list link; /* in the connection's requests */
    h2o_req_t *req;
    struct connection *connection;
    struct client *client;
    struct settings *settings; /* that it is handled with */
    struct ip ip;
    struct bearer *bearer; /* its share of its token's limit, of core/admission.h; NULL: none */
    struct app *app;       /* whose limits it was admitted by */
    bool known_ip, answered, streams;
    uint8_t over; /* enum limit */
    uint32_t bytes;
};

/* Few: a connection has at most a hundred requests, and nearly always the last is asked for. */
static struct ticket *ticket_of(h2o_req_t *req)
{
    struct list *requests = &connection_of(req)->requests;

    for (struct list *node = requests->prev; node != requests; node = node->prev) {
        struct ticket *ticket = LIST_ENTRY(node, struct ticket, link);
        if (ticket->req == req)
            return ticket;
    }
    return NULL;
}

static void stop_streaming(struct ticket *ticket)
{
    if (!ticket->streams)
        return;
    ticket->streams = false;
    --ticket->connection->admitted;
    admission_give(ticket->app->admission);
    client_end_stream(ticket->client);
    bearer_give(ticket->bearer);
}

static void stop_asking(struct ticket *ticket, int64_t now_ns)
{
    struct connection *connection = ticket->connection;

    stop_streaming(ticket);
    if (--connection->asking == 0)
        connection->idle_since_ns = now_ns;
}

/* With the request's pool, always. */
static void on_dispose(void *p)
{
    struct ticket *ticket = p;
    struct connection *connection = ticket->connection;
    int64_t now_ns = clock_mono_coarse_ns();

    list_remove(&ticket->link);
    if (ticket->answered) {
        --connection->unsent;
        connection->unsent_since_ns = now_ns; /* one has got through: patience with the others starts anew */
    } else {
        stop_asking(ticket, now_ns);
    }
    client_give(ticket->client, CLIENT_REQUEST, ticket->bytes, now_ns);
    settings_release(ticket->settings); /* the ticket is the first thing in the pool, so the last that is disposed of */
}

static struct ticket *track(struct app *app, h2o_req_t *req)
{
    struct ticket *ticket = h2o_mem_alloc_shared(&req->pool, sizeof(*ticket), on_dispose);
    struct connection *connection = connection_of(req);

    *ticket = (struct ticket){.req = req, .connection = connection, .settings = app->settings};
    settings_retain(ticket->settings);
    ticket->known_ip = ip_of_sockaddr(&connection->peer.any, &ticket->ip);
    list_append(&connection->requests, &ticket->link);
    connection->requested = true;
    if (connection->protocol == CONNECTION_HTTP1)
        connection->body_since_ns = 0;
    ++connection->asking;
    return ticket;
}

void limits_track(struct app *app, h2o_req_t *req)
{
    track(app, req);
}

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

static enum limit take_from_client(struct app *app, struct ticket *ticket, int64_t now_ns)
{
    if (app->clients == NULL || !ticket->known_ip)
        return WITHIN;
    switch (address_limits_take(app->clients, &ticket->ip, CLIENT_REQUEST, ticket->bytes, now_ns, &ticket->client)) {
    case CLIENT_OVER_STREAMS:
        return ADDRESS_STREAMS;
    case CLIENT_OVER_MEMORY:
        return ADDRESS_MEMORY;
    case CLIENT_OVER_CONNECTIONS: /* not asked for */
    case CLIENT_OK:
        break;
    }
    return WITHIN;
}

static enum limit measure(struct app *app, struct ticket *ticket)
{
    const struct config_limits *limits = &app->config->limits;
    int64_t now_ns = clock_mono_coarse_ns();
    size_t bytes = header_bytes(ticket->req);

    if (limits->header_fields != 0 && ticket->req->headers.size > limits->header_fields)
        return HEADER_FIELDS;
    if (limits->header_bytes != 0 && bytes > limits->header_bytes)
        return HEADER_BYTES;
    ticket->bytes = CLIENT_BYTES_REQUEST + (uint32_t)bytes;
    return take_from_client(app, ticket, now_ns);
}

static unsigned value_of(const struct config_limits *limits, enum limit limit)
{
    switch (limit) {
    case HEADER_BYTES:
        return limits->header_bytes;
    case HEADER_FIELDS:
        return limits->header_fields;
    case STREAMS:
        return limits->streams;
    case NEW_STREAMS:
        return limits->new_streams;
    case ADDRESS_STREAMS:
        return limits->new_streams_per_address;
    case ADDRESS_OPEN_STREAMS:
        return limits->streams_per_address;
    case TOKEN_STREAMS:
        return limits->streams_per_token;
    case TOTAL_STREAMS:
        return (unsigned)limits->streams_total;
    case TOTAL_NEW_STREAMS:
        return limits->new_streams_total;
    default:
        return 0;
    }
}

static bool has(const h2o_req_t *req, const char *name)
{
    return h2o_find_header_by_str(&req->headers, name, strlen(name), -1) != -1;
}

static bool is_event_source(const h2o_req_t *req)
{
    ssize_t accept = h2o_find_header(&req->headers, H2O_TOKEN_ACCEPT, -1);
    ssize_t agent = h2o_find_header(&req->headers, H2O_TOKEN_USER_AGENT, -1);

    if (!h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) || accept == -1 ||
        h2o_strstr(req->headers.entries[accept].value.base, req->headers.entries[accept].value.len,
                   H2O_STRLIT("text/event-stream")) == SIZE_MAX)
        return false;
    if (has(req, "sec-fetch-mode") || has(req, "sec-fetch-dest"))
        return true;
    return agent != -1 && req->headers.entries[agent].value.len >= 8 &&
           memcmp(req->headers.entries[agent].value.base, "Mozilla/", 8) == 0;
}

static void send_retry(struct app *app, h2o_req_t *req, const char *why)
{
    char body[128];
    int len = snprintf(body, sizeof(body), ": %s\nretry: %lld\n\n", why, (long long)hub_spread(app->hub, RETRY_MS));

    reply_header(req, "cache-control", H2O_STRLIT("no-cache, no-transform"));
    reply_send(app, req, 200, "text/event-stream; charset=utf-8", body, (size_t)len);
}

/* format is of our own table. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void refuse(struct app *app, const struct ticket *ticket, enum limit limit)
{
    const struct limit_row *row = &rows[limit];
    char peer[CONNECTION_PEER_MAX], client[IP_TEXT_MAX];
    h2o_req_t *req = ticket->req;

    metrics_add(app->hub->metrics, row->metric, 1);
    log_write_limited(LOG_WARN, "request-refused", log_str("limit", row->name),
                      log_str("client", ip_write(&ticket->ip, client)),
                      log_str("peer", connection_peer(ticket->connection, peer)));
    if (row->status != 431 && is_event_source(req)) {
        char why[64];
        snprintf(why, sizeof(why), "over a limit of this gateway: %s", row->name);
        send_retry(app, req, why);
        return;
    }
    if (row->status != 431)
        reply_header(req, "retry-after", H2O_STRLIT(RETRY_AFTER));
    reply_problem(app, req, row->status, row->detail, value_of(&app->config->limits, limit));
}
#pragma GCC diagnostic pop

bool limits_begin(struct app *app, h2o_req_t *req)
{
    struct ticket *ticket = track(app, req);
    enum limit over;

    forwarded_resolve(ticket->connection->listen, req, &ticket->ip);
    over = measure(app, ticket);
    if (over != WITHIN && rows[over].status == 431) {
        refuse(app, ticket, over);
        return false;
    }
    ticket->over = (uint8_t)over;
    return true;
}

/* Its own limits come first, so that who is over one of them doesn't use up what is everybody's. */
static enum limit begin_streaming(struct app *app, struct ticket *ticket)
{
    const struct config_limits *limits = &app->config->limits;
    enum limit over = WITHIN;

    if (ticket->connection->admitted >= limits->streams)
        return STREAMS;
    if (!client_begin_stream(ticket->client))
        return ADDRESS_OPEN_STREAMS;
    switch (admission_take(app->admission, limits, clock_mono_coarse_ns())) {
    case ADMISSION_OVER_STREAMS:
        over = TOTAL_STREAMS;
        break;
    case ADMISSION_OVER_RATE:
        over = TOTAL_NEW_STREAMS;
        break;
    case ADMISSION_OK:
        ticket->app = app;
        ticket->streams = true;
        ++ticket->connection->admitted;
        return WITHIN;
    }
    client_end_stream(ticket->client);
    return over;
}

bool limits_admit(struct app *app, h2o_req_t *req, enum limits_purpose purpose)
{
    const struct config_limits *limits = &app->config->limits;
    struct ticket *ticket = ticket_of(req);
    enum limit over;

    if (ticket == NULL)
        return true;
    over = (enum limit)ticket->over;
    if (over == WITHIN && purpose != LIMITS_PUBLISH && limits->new_streams != 0 &&
        !bucket_take(&ticket->connection->bucket_ns, clock_mono_coarse_ns(), limits->new_streams))
        over = NEW_STREAMS;
    if (over == WITHIN && purpose == LIMITS_STREAM)
        over = begin_streaming(app, ticket);
    if (over == WITHIN)
        return true;
    refuse(app, ticket, over);
    return false;
}

/* Subjects are names only together with who gave them out. */
static struct bearer *take_bearer(struct app *app, const struct config_route *route, const char *name, char kind)
{
    size_t name_len = strlen(name), len = sizeof(route->auth.keys) + 1 + name_len;
    char *key = check_malloc(len);
    struct bearer *bearer;

    memcpy(key, &route->auth.keys, sizeof(route->auth.keys));
    key[sizeof(route->auth.keys)] = kind;
    memcpy(key + len - name_len, name, name_len);
    bearer = bearer_take(app->admission, key, len, app->config->limits.streams_per_token);
    free(key);
    return bearer;
}

bool limits_admit_bearer(struct app *app, h2o_req_t *req, const struct config_route *route,
                         const struct identity *identity)
{
    struct ticket *ticket = ticket_of(req);

    if (app->config->limits.streams_per_token == 0 || ticket == NULL || !ticket->streams || identity == NULL ||
        (identity->sub == NULL && identity->jti == NULL))
        return true;
    if (identity->sub != NULL)
        ticket->bearer = take_bearer(app, route, identity->sub, 's');
    else
        ticket->bearer = take_bearer(app, route, identity->jti, 'j');
    if (ticket->bearer != NULL)
        return true;
    refuse(app, ticket, TOKEN_STREAMS);
    return false;
}

static void ask_back(struct app *app, h2o_req_t *req, const char *why)
{
    if (is_event_source(req)) {
        send_retry(app, req, why);
        return;
    }
    reply_header(req, "retry-after", H2O_STRLIT(RETRY_AFTER));
    reply_problem(app, req, 503, "%s", why);
}

void limits_refuse_ending(struct app *app, h2o_req_t *req)
{
    metrics_add(app->hub->metrics, METRIC_REJECTED_SHUTDOWN, 1);
    connection_send_away(connection_of(req));
    ask_back(app, req, "the gateway is shutting down");
}

void limits_refuse_changed(struct app *app, h2o_req_t *req)
{
    ask_back(app, req, "the configuration has just changed; please ask again");
}

bool limits_is_outdated(const struct app *app, h2o_req_t *req)
{
    const struct ticket *ticket = ticket_of(req);

    return ticket != NULL && ticket->settings != app->settings;
}

void limits_answered(h2o_req_t *req)
{
    struct ticket *ticket = ticket_of(req);
    int64_t now_ns = clock_mono_coarse_ns();

    if (ticket == NULL || ticket->answered)
        return;
    ticket->answered = true;
    if (ticket->connection->unsent++ == 0)
        ticket->connection->unsent_since_ns = now_ns;
    stop_asking(ticket, now_ns);
}

const char *client_address(h2o_req_t *req, char dst[static IP_TEXT_MAX])
{
    const struct ticket *ticket = ticket_of(req);
    struct ip ip;

    if (ticket != NULL && ticket->known_ip)
        return ip_write(&ticket->ip, dst);
    if (ip_of_sockaddr(&connection_of(req)->peer.any, &ip))
        return ip_write(&ip, dst);
    memcpy(dst, "unknown", 8);
    return dst;
}
