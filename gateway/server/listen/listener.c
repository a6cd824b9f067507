/* listener.c - accepts connections for one worker and hands them to HTTP */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/base/ip.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/core/address_limits.h"
#include "gateway/http/connection.h"
#include "gateway/server/guard.h"
#include "gateway/server/listen/listener_internal.h"
#include "gateway/server/listen/proxy.h"
#include "gateway/server/tls/tls.h"

#define OPENING_TIMEOUT_NS INT64_C(10000000000)
/* Where others wait for it to end: who means it needs no longer. */
#define OPENING_CROWDED_NS INT64_C(2000000000)

/* A handshake is a millisecond of CPU: more of them in one loop turn would show in the delivery of events. */
#define ACCEPTS_PER_TURN 4

/* How long to leave a kernel alone that says it is out of descriptors or memory. */
#define EXHAUSTED_PAUSE_NS INT64_C(1000000000)

/* An accepted descriptor on its way to the worker that will serve it. */
struct accepted {
    h2o_multithread_message_t message;
    int fd;
    size_t endpoint;
    int64_t accepted_ns;
    union {
        struct sockaddr any;
        struct sockaddr_in6 v6; /* the larger of the two kinds */
    } peer;
};

static void serve(h2o_socket_t *sock, enum connection_protocol protocol)
{
    struct connection *connection = connection_of_socket(sock);
    const struct endpoint *endpoint = connection->guard->endpoint;
    struct listeners *listeners = endpoint->owner;
    h2o_accept_ctx_t *accept_ctx = &listeners->accept_ctx[endpoint->host];

    connection->guard->endpoint = NULL;
    connection_opened(connection, protocol, clock_mono_coarse_ns());
    accept_slot_opened(listeners->slot, endpoint->class);
    reaper_watch(&listeners->reaper, connection);
    /* Both look at what sock->input already holds before they wait for more; either may close the socket. */
    if (protocol == CONNECTION_HTTP2)
        gate_http2_accept(connection, accept_ctx, &listeners->rules);
    else
        gate_http1_accept(connection, accept_ctx, &listeners->rules);
}

static void reject(h2o_socket_t *sock, const char *reason)
{
    struct connection *connection = connection_of_socket(sock);
    const struct endpoint *endpoint = connection->guard->endpoint;

    metrics_add(connection->registry->metrics, METRIC_REJECTED_HANDSHAKE, 1);
    if (log_enabled(LOG_DEBUG)) {
        char peer[CONNECTION_PEER_MAX];
        log_write_limited(LOG_DEBUG, "handshake-failed", log_str("peer", connection_peer(connection, peer)),
                          log_str("listener", endpoint->address),
                          log_str("reason", connection->killed ? "timeout" : reason));
    }
    h2o_socket_close(sock);
}

static void on_handshake(h2o_socket_t *sock, const char *err)
{
    h2o_iovec_t protocol;

    if (err != NULL) {
        /* Asked in any case, which empties OpenSSL's queue: what is left there would be another connection's error. */
        const char *failure = tls_failure();
        /* libh2o has one text for all that OpenSSL can say; its others are about the socket, or a certificate. */
        reject(sock, strcmp(err, "ssl handshake failure") == 0 ? failure : err);
        return;
    }
    protocol = h2o_socket_ssl_get_selected_protocol(sock);
    serve(sock, h2o_memis(protocol.base, protocol.len, H2O_STRLIT("h2")) ? CONNECTION_HTTP2 : CONNECTION_HTTP1);
}

static void on_first_bytes(h2o_socket_t *sock, const char *err)
{
    static const h2o_iovec_t preface = {H2O_STRLIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")};
    size_t len = sock->input->size < preface.len ? sock->input->size : preface.len;

    if (err != NULL) {
        /* A peer that connects and goes without a byte is a load balancer's health check, not a failure. */
        if (connection_of_socket(sock)->killed || len != 0)
            reject(sock, err);
        else
            h2o_socket_close(sock);
        return;
    }
    if (memcmp(sock->input->bytes, preface.base, len) != 0)
        serve(sock, CONNECTION_HTTP1);
    else if (len == preface.len)
        serve(sock, CONNECTION_HTTP2);
}

static void open_http(struct connection *connection)
{
    const struct endpoint *endpoint = connection->guard->endpoint;

    gate_meter(connection, &endpoint->owner->rules);
    if (endpoint->tls != NULL) {
        gate_keep_tls(connection, endpoint->tls);
        h2o_socket_ssl_handshake(connection->sock, endpoint->tls, NULL, on_handshake);
    } else {
        h2o_socket_read_start(connection->sock, on_first_bytes);
    }
}

/* A proxy that is believed brings many clients, each of which is known by its requests. */
static bool is_client(const struct connection *connection, struct ip *ip)
{
    const struct config_listen *listen = connection->listen;

    return connection->guard->class != ACCEPT_ADMIN && ip_of_sockaddr(&connection->peer.any, ip) &&
           (listen == NULL || !ip_in_networks(ip, listen->forwarded, listen->forwarded_count));
}

/* The peer is known: from here on it costs something. */
static void admit(struct connection *connection)
{
    struct guard *guard = connection->guard;
    const struct endpoint *endpoint = guard->endpoint;
    uint64_t bytes = connection->tls ? CLIENT_BYTES_TLS_CONNECTION : CLIENT_BYTES_CLEAR_CONNECTION;
    enum client_verdict verdict = CLIENT_OK;
    char peer[CONNECTION_PEER_MAX];
    struct ip ip;
    bool memory;

    guard->client_bytes = bytes;
    if (is_client(connection, &ip))
        verdict = address_limits_take(endpoint->owner->clients, &ip, CLIENT_CONNECTION, bytes, clock_mono_coarse_ns(),
                                      &guard->client);
    if (verdict == CLIENT_OK) {
        open_http(connection);
        return;
    }
    memory = verdict == CLIENT_OVER_MEMORY;
    metrics_add(connection->registry->metrics,
                memory ? METRIC_REJECTED_ADDRESS_MEMORY : METRIC_REJECTED_ADDRESS_CONNECTIONS, 1);
    log_write_limited(LOG_WARN, "connection-refused",
                      log_str("limit", memory ? "address-memory" : "address-connections"),
                      log_str("peer", connection_peer(connection, peer)), log_str("listener", endpoint->address));
    h2o_socket_close(connection->sock);
}

static void on_proxy_failed(struct connection *connection, const char *reason)
{
    const struct endpoint *endpoint = connection->guard->endpoint;
    char peer[CONNECTION_PEER_MAX];

    if (reason != NULL) {
        metrics_add(connection->registry->metrics, METRIC_REJECTED_PROXY_HEADER, 1);
        log_write_limited(LOG_WARN, "proxy-header-refused", log_str("peer", connection_peer(connection, peer)),
                          log_str("listener", endpoint->address),
                          log_str("reason", connection->killed ? "timeout" : reason));
    }
    h2o_socket_close(connection->sock);
}

/* Takes a connection that has been assigned to this worker. */
static void take(struct listeners *listeners, const struct accepted *accepted)
{
    static const struct proxy_callbacks callbacks = {.done = admit, .failed = on_proxy_failed};
    const struct endpoint *endpoint = listeners->endpoints[accepted->endpoint];
    struct connection *connection;
    h2o_socket_t *sock;

    if (listeners->stopped) {
        close(accepted->fd);
        accept_slot_release(listeners->slot, endpoint->class, true);
        return;
    }
    sock = h2o_evloop_socket_create(listeners->context->loop, accepted->fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
    connection = connection_attach(listeners->connections, sock, endpoint->tls != NULL, &accepted->peer.any,
                                   accepted->accepted_ns);
    guard_create(connection, endpoint->class, endpoint);
    connection->listen = endpoint->is_public ? &endpoint->listen : NULL;
    connection->is_leaving = endpoint->gone;
    if (proxy_is_expected(connection))
        proxy_expect(connection, &callbacks);
    else
        admit(connection);
}

/* On the thread of the worker that has accepted. */
static void deliver(void *worker, void *message)
{
    struct listeners *listeners = worker;
    struct accepted *accepted = message;

    h2o_multithread_send_message(&listeners->receiver, &accepted->message);
}

static void on_handed_over(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct listeners *listeners = H2O_STRUCT_FROM_MEMBER(struct listeners, receiver, receiver);

    while (!h2o_linklist_is_empty(messages)) {
        struct accepted *accepted = H2O_STRUCT_FROM_MEMBER(struct accepted, message.link, messages->next);
        h2o_linklist_unlink(messages->next);
        take(listeners, accepted);
        free(accepted);
    }
}

static void pause_accepting(struct listeners *listeners, enum accept_class class, int64_t until_ns, enum metric metric,
                            const char *reason)
{
    listeners->classes[class].paused = true;
    listeners->classes[class].resume_ns = until_ns;
    for (size_t i = 0; i != listeners->count; i++) {
        struct endpoint *endpoint = listeners->endpoints[i];
        if (endpoint->class != class || endpoint->sock == NULL)
            continue;
        endpoint->reads = false;
        h2o_socket_read_stop(endpoint->sock);
    }
    metrics_add(listeners->connections->metrics, metric, 1);
    log_write_limited(LOG_WARN, "accept-paused", log_str("reason", reason),
                      log_u64("connections", metrics_sum(METRIC_CONNECTIONS)));
}

/* False: it has to wait, and those behind it. */
static bool reserve(struct listeners *listeners, enum accept_class class)
{
    switch (accept_pool_reserve(listeners->pool, class)) {
    case ACCEPT_FULL:
        pause_accepting(listeners, class, 0, METRIC_REJECTED_DESCRIPTORS, "connection limit reached");
        return false;
    case ACCEPT_OPENING:
        pause_accepting(listeners, class, 0, METRIC_REJECTED_HANDSHAKES, "too many connections being opened");
        return false;
    case ACCEPT_OK:
        break;
    }
    return true;
}

/* accept(2) also reports what went wrong with one connection, which says nothing about the next. */
static bool is_exhausted(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* False: there is no more to accept in this turn. */
static bool accept_one(struct listeners *listeners, struct endpoint *endpoint)
{
    struct accepted *accepted;
    socklen_t len = sizeof(accepted->peer);

    if (!reserve(listeners, endpoint->class))
        return false;
    accepted = check_calloc(1, sizeof(*accepted));
    accepted->fd = accept4(h2o_socket_get_fd(endpoint->sock), &accepted->peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted->fd == -1) {
        int error = errno;
        free(accepted);
        accept_pool_cancel(listeners->pool, endpoint->class);
        if (is_exhausted(error))
            pause_accepting(listeners, endpoint->class, clock_mono_coarse_ns() + EXHAUSTED_PAUSE_NS,
                            METRIC_REJECTED_DESCRIPTORS, strerrordesc_np(error));
        return error != EAGAIN && !is_exhausted(error);
    }
    accepted->endpoint = endpoint->index;
    accepted->accepted_ns = clock_mono_coarse_ns();
    if (!accept_slot_hand_over(listeners->slot, accepted)) {
        take(listeners, accepted);
        free(accepted);
    }
    return true;
}

void listener_on_acceptable(h2o_socket_t *sock, const char *err)
{
    struct endpoint *endpoint = sock->data;

    (void)err; /* nothing reads from a listening socket, so nothing fails */
    for (int i = 0; i != ACCEPTS_PER_TURN; i++)
        if (!accept_one(endpoint->owner, endpoint))
            return;
}

static void on_connection_closed(void *data, struct connection *connection)
{
    accept_slot_release(data, connection->guard->class, connection->protocol == CONNECTION_OPENING);
    guard_destroy(connection->guard);
}

/*
 * Descriptors of its own, as libh2o closes them with their sockets. Plain
 * numbers first: all of this can still fail, and nobody knows of us yet.
 */
static bool duplicate_all(const struct listener_endpoint *endpoints, size_t count, int *fds)
{
    for (size_t i = 0; i != count; i++) {
        fds[i] = fcntl(endpoints[i].fd, F_DUPFD_CLOEXEC, 0);
        if (fds[i] == -1) {
            int error = errno;
            while (i != 0)
                close(fds[--i]);
            errno = error;
            return false;
        }
    }
    return true;
}

struct listeners *listeners_create(struct st_h2o_context_t *context, struct st_h2o_accept_ctx_t *accept_ctx,
                                   struct connections *connections, const struct listener_endpoint *endpoints,
                                   size_t count, struct accept_pool *pool, struct address_limits *clients,
                                   const struct gate_rules *rules)
{
    struct listeners *listeners;
    int *fds = check_calloc(count, sizeof(*fds));

    if (!duplicate_all(endpoints, count, fds)) {
        free(fds);
        return NULL;
    }
    listeners = check_calloc(1, sizeof(*listeners));
    listeners->context = context;
    listeners->accept_ctx = accept_ctx;
    listeners->connections = connections;
    listeners->pool = pool;
    listeners->clients = clients;
    listeners->rules = *rules;
    reaper_init(&listeners->reaper, rules->limits, connections->metrics, clock_mono_ns());
    h2o_multithread_register_receiver(context->queue, &listeners->receiver, on_handed_over);
    listeners->slot = accept_pool_join(pool, deliver, listeners);
    connections->on_close = on_connection_closed;
    connections->on_close_data = listeners->slot;
    for (size_t i = 0; i != count; i++)
        listener_endpoint_add(listeners, &endpoints[i], fds[i]);
    listener_endpoints_read(listeners);
    free(fds);
    return listeners;
}

static const struct connection *oldest_opening(const struct connections *connections)
{
    const struct list *opening = &connections->opening;
    return list_is_empty(opening) ? NULL : LIST_ENTRY(opening->next, struct connection, link);
}

/* Oldest first, and all with the same patience: the first that has time left ends the walk. */
static void end_overdue(struct listeners *listeners, int64_t now_ns)
{
    struct connections *connections = listeners->connections;
    const struct connection *oldest = oldest_opening(connections);
    int64_t patience_ns = OPENING_TIMEOUT_NS;

    if (oldest == NULL || now_ns - oldest->accepted_ns < OPENING_CROWDED_NS)
        return;
    if (accept_pool_look(listeners->pool, ACCEPT_PUBLIC) == ACCEPT_OPENING)
        patience_ns = OPENING_CROWDED_NS;
    for (struct list *node = connections->opening.next; node != &connections->opening; node = node->next) {
        struct connection *connection = LIST_ENTRY(node, struct connection, link);
        if (now_ns - connection->accepted_ns < patience_ns)
            return;
        connection_kill(connection);
    }
}

static void resume_accepting(struct listeners *listeners, enum accept_class class)
{
    listeners->classes[class].paused = false;
    listener_endpoints_read(listeners);
}

void listeners_tick(struct listeners *listeners, int64_t now_ns)
{
    end_overdue(listeners, now_ns);
    reaper_tick(&listeners->reaper, now_ns);
    for (enum accept_class class = 0; class != ACCEPT_CLASSES && !listeners->stopped; class ++) {
        if (listeners->classes[class].paused && now_ns >= listeners->classes[class].resume_ns &&
            accept_pool_look(listeners->pool, class) == ACCEPT_OK)
            resume_accepting(listeners, class);
    }
}

void listeners_stop_public(struct listeners *listeners)
{
    listeners->public_stopped = true;
    for (size_t i = 0; i != listeners->count; i++)
        if (listeners->endpoints[i]->class == ACCEPT_PUBLIC)
            listener_endpoint_close(listeners->endpoints[i]);
}

void listeners_stop(struct listeners *listeners)
{
    if (listeners->stopped)
        return;
    listeners->stopped = true;
    accept_slot_close(listeners->slot);
    for (size_t i = 0; i != listeners->count; i++)
        listener_endpoint_close(listeners->endpoints[i]);
}

void listeners_destroy(struct listeners *listeners)
{
    CHECK(listeners->stopped && list_is_empty(&listeners->connections->opening));
    h2o_multithread_unregister_receiver(listeners->context->queue, &listeners->receiver);
    accept_slot_leave(listeners->slot);
    for (size_t i = 0; i != listeners->count; i++) {
        free(listeners->endpoints[i]->address);
        free(listeners->endpoints[i]);
    }
    free(listeners);
}
