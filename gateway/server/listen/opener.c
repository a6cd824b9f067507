/* opener.c - brings accepted connections to where HTTP begins: PROXY header, limits, TLS handshake or first bytes */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/opener.h"

#include <h2o.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/ip.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/config/config.h"
#include "gateway/core/address_limits.h"
#include "gateway/http/connection.h"
#include "gateway/server/gate/gate_meter.h"
#include "gateway/server/guard.h"
#include "gateway/server/listen/acceptor.h"
#include "gateway/server/listen/proxy.h"
#include "gateway/server/shared.h"
#include "gateway/server/tls/tls_failure.h"

#define OPENING_TIMEOUT_NS (10 * NS_PER_S)
/* While others wait for it to end; an honest client needs no longer. */
#define OPENING_CROWDED_NS (2 * NS_PER_S)

_Static_assert(OPENING_CROWDED_NS < OPENING_TIMEOUT_NS, "end_overdue looks at nothing that is younger than the first");

/* The protocol is known. The socket may be gone when it returns. */
static void begin_http(h2o_socket_t *sock, enum connection_protocol protocol)
{
    struct connection *connection = connection_of_socket(sock);
    struct guard *guard = connection->guard;
    struct opener *opener = guard->opener;
    h2o_accept_ctx_t *accept_ctx = &opener->accept_ctx[guard->class];

    CHECK(guard->acceptor != NULL && guard->proxy == NULL && guard->gate != NULL);
    guard->acceptor = NULL;
    connection_opened(connection, protocol, clock_mono_coarse_ns());
    accept_pool_opened(opener->slot, guard->class);
    reaper_watch(&opener->reaper, connection);
    /* Both look at what sock->input already holds before they wait for more; either may close the socket. */
    if (protocol == CONNECTION_HTTP2)
        gate_http2_accept(connection, accept_ctx, &opener->rules);
    else
        gate_http1_accept(connection, accept_ctx, &opener->rules);
}

static void reject_connection(h2o_socket_t *sock, const char *reason)
{
    struct connection *connection = connection_of_socket(sock);

    metrics_add(connection->registry->metrics, METRIC_REJECTED_HANDSHAKE, 1);
    if (log_enabled(LOG_DEBUG)) {
        char peer[CONNECTION_PEER_MAX];
        log_write_limited(LOG_DEBUG, "handshake-failed", log_str("peer", connection_peer(connection, peer)),
                          log_str("listener", connection->guard->acceptor->address),
                          log_str("reason", connection->is_killed ? "timeout" : reason));
    }
    h2o_socket_close(sock);
}

static void on_handshake(h2o_socket_t *sock, const char *err)
{
    if (err != NULL) {
        /* Taken in any case: an error left in OpenSSL's queue would be reported for another connection. */
        const char *failure = tls_failure_take();
        /* libh2o has one text for all that OpenSSL can say; its others are about the socket, or a certificate. */
        reject_connection(sock, strcmp(err, "ssl handshake failure") == 0 ? failure : err);
        return;
    }
    h2o_iovec_t protocol = h2o_socket_ssl_get_selected_protocol(sock);
    /* A client without ALPN speaks HTTP/1.1: h2 over TLS has to be agreed on (RFC 9113 3.2). */
    begin_http(sock, h2o_memis(protocol.base, protocol.len, H2O_STRLIT("h2")) ? CONNECTION_HTTP2 : CONNECTION_HTTP1);
}

static void on_first_bytes(h2o_socket_t *sock, const char *err)
{
    static const h2o_iovec_t preface = {H2O_STRLIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")};
    size_t len = sock->input->size < preface.len ? sock->input->size : preface.len;

    if (err != NULL) {
        /* A peer that connects and closes without a byte is a load balancer's health check, not a failure. */
        if (connection_of_socket(sock)->is_killed || len != 0)
            reject_connection(sock, err);
        else
            h2o_socket_close(sock);
        return;
    }
    if (memcmp(sock->input->bytes, preface.base, len) != 0)
        begin_http(sock, CONNECTION_HTTP1);
    else if (len == preface.len) /* else more has to come before the two can be told apart */
        begin_http(sock, CONNECTION_HTTP2);
}

static void start_handshake(struct connection *connection)
{
    const struct guard *guard = connection->guard;
    SSL_CTX *tls = guard->acceptor->tls;

    gate_create(connection, &guard->opener->rules);
    if (tls != NULL) {
        gate_keep_tls(connection, tls); /* a reload may release the context before the handshake begins */
        h2o_socket_ssl_handshake(connection->sock, tls, NULL, on_handshake);
    } else {
        h2o_socket_read_start(connection->sock, on_first_bytes);
    }
}

/* A trusted proxy brings many clients, each of which is known by its requests. */
static bool is_client(const struct connection *connection, struct ip *ip)
{
    const struct config_listen *listen = connection->listen;

    return connection->guard->class != ACCEPT_ADMIN && ip_of_sockaddr(&connection->peer.any, ip) &&
           (listen == NULL || !ip_in_networks(ip, listen->forwarded, listen->forwarded_count));
}

static void refuse_address(struct connection *connection, enum address_verdict verdict)
{
    bool is_memory = verdict == ADDRESS_OVER_MEMORY;
    char peer[CONNECTION_PEER_MAX];

    metrics_add(connection->registry->metrics,
                is_memory ? METRIC_REJECTED_ADDRESS_MEMORY : METRIC_REJECTED_ADDRESS_CONNECTIONS, 1);
    log_write_limited(
        LOG_WARN, "connection-refused", log_str("limit", is_memory ? "address-memory" : "address-connections"),
        log_str("peer", connection_peer(connection, peer)), log_str("listener", connection->guard->acceptor->address));
    h2o_socket_close(connection->sock);
}

/* The peer is known: from here on it costs something. */
static void admit_connection(struct connection *connection)
{
    struct guard *guard = connection->guard;
    enum address_verdict verdict = ADDRESS_OK;
    struct ip ip;

    guard->client_bytes = connection->is_tls ? ADDRESS_BYTES_TLS_CONNECTION : ADDRESS_BYTES_CLEAR_CONNECTION;
    if (is_client(connection, &ip))
        verdict = address_limits_take(guard->opener->shared->clients, &ip, ADDRESS_CONNECTION, guard->client_bytes,
                                      clock_mono_coarse_ns(), &guard->client);
    if (verdict == ADDRESS_OK)
        start_handshake(connection);
    else
        refuse_address(connection, verdict);
}

static void on_proxy_failed(struct connection *connection, const char *reason)
{
    char peer[CONNECTION_PEER_MAX];

    /* A peer that closes without a byte is a health check, and no failure. */
    if (reason != NULL) {
        metrics_add(connection->registry->metrics, METRIC_REJECTED_PROXY_HEADER, 1);
        log_write_limited(LOG_WARN, "proxy-header-refused", log_str("peer", connection_peer(connection, peer)),
                          log_str("listener", connection->guard->acceptor->address),
                          log_str("reason", connection->is_killed ? "timeout" : reason));
    }
    h2o_socket_close(connection->sock);
}

void opener_open(struct opener *opener, const struct acceptor *acceptor, int fd, const struct sockaddr *peer,
                 int64_t accepted_ns)
{
    static const struct proxy_callbacks callbacks = {.done = admit_connection, .failed = on_proxy_failed};
    h2o_socket_t *sock = h2o_evloop_socket_create(opener->context->loop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    struct connection *connection =
        connection_attach(opener->connections, sock, acceptor->tls != NULL, peer, accepted_ns);

    CHECK_THREAD(opener);
    guard_create(connection, opener, acceptor);
    connection->listen = acceptor->is_listed ? &acceptor->listen : NULL;
    connection->is_leaving = acceptor->is_gone; /* accepted before, handed over after */
    if (proxy_is_expected(connection))
        proxy_expect(connection, &callbacks);
    else
        admit_connection(connection);
}

/* Oldest first, and all with the same patience: the first that has time left ends the walk. */
static void end_overdue(struct opener *opener, int64_t now_ns)
{
    struct list *opening = &opener->connections->opening;
    int64_t patience_ns = OPENING_TIMEOUT_NS;

    /* The usual case takes no lock. */
    if (list_is_empty(opening) ||
        now_ns - LIST_ENTRY(opening->next, struct connection, link)->accepted_ns < OPENING_CROWDED_NS)
        return;
    if (accept_pool_look(opener->shared->pool, ACCEPT_PUBLIC) == ACCEPT_OPENING)
        patience_ns = OPENING_CROWDED_NS;
    for (struct list *node = opening->next; node != opening; node = node->next) {
        struct connection *connection = LIST_ENTRY(node, struct connection, link);
        if (now_ns - connection->accepted_ns < patience_ns)
            return;
        connection_kill(connection);
    }
}

void opener_tick(struct opener *opener, int64_t now_ns)
{
    CHECK_THREAD(opener);
    end_overdue(opener, now_ns);
    reaper_tick(&opener->reaper, now_ns);
}

static void apply_rules(void *arg, struct connection *connection)
{
    (void)arg;
    gate_apply_rules(connection);
}

void opener_set_rules(struct opener *opener, const struct gate_rules *rules)
{
    CHECK_THREAD(opener);
    opener->rules = *rules;
    reaper_set_limits(&opener->reaper, rules->limits);
    connections_for_each(opener->connections, apply_rules, NULL);
}

static void on_connection_closed(void *data, struct connection *connection)
{
    accept_pool_release(data, connection->guard->class, connection->protocol == CONNECTION_OPENING);
    guard_destroy(connection->guard);
}

void opener_init(struct opener *opener, const struct gate_rules *rules)
{
    CHECK(opener->slot != NULL && opener->connections->on_close == NULL);
    opener->thread = pthread_self();
    opener->rules = *rules;
    reaper_init(&opener->reaper, rules->limits, opener->connections->metrics, clock_mono_ns());
    opener->connections->on_close = on_connection_closed;
    opener->connections->on_close_data = opener->slot;
}
