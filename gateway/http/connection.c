/* connection.c - one client connection, from accept to close */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/connection.h"

#include <arpa/inet.h>
#include <h2o.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"

_Static_assert(CONNECTION_PEER_MAX > INET6_ADDRSTRLEN + sizeof("[]:65535"), "any address with its port fits");
_Static_assert(CONNECTION_HTTP2 <= UINT8_MAX, "connection->protocol holds each of them");

void connections_init(struct connections *connections, struct metrics *metrics)
{
    *connections = (struct connections){.thread = pthread_self(), .metrics = metrics};
    list_init(&connections->opening);
    list_init(&connections->open);
    list_init(&connections->sent_away);
}

void connections_dispose(struct connections *connections)
{
    CHECK(connections->count == 0);
}

static void on_socket_close(void *data)
{
    struct connection *connection = data;
    struct connections *registry = connection->registry;

    CHECK_THREAD(registry);
    /* libh2o disposes of every request before it closes the socket. */
    CHECK(list_is_empty(&connection->requests) && connection->asking == 0 && connection->streams == 0);
    CHECK(registry->count != 0);
    list_remove(&connection->link);
    list_remove(&connection->away); /* its GOAWAY may still be due */
    registry->count--;
    metrics_sub(registry->metrics, METRIC_CONNECTIONS, 1);
    if (registry->on_close != NULL)
        registry->on_close(registry->on_close_data, connection);
    CHECK(connection->guard == NULL);
    free(connection->certificate_name);
    free(connection);
}

void connection_set_peer(struct connection *connection, const struct sockaddr *peer)
{
    /* Any other family stays unspecified: no limit applies to it, and it is shown as "unknown". */
    memset(&connection->peer, 0, sizeof(connection->peer));
    if (peer->sa_family == AF_INET)
        memcpy(&connection->peer.v4, peer, sizeof(connection->peer.v4));
    else if (peer->sa_family == AF_INET6)
        memcpy(&connection->peer.v6, peer, sizeof(connection->peer.v6));
}

struct connection *connection_attach(struct connections *registry, struct st_h2o_socket_t *sock, bool is_tls,
                                     const struct sockaddr *peer, int64_t now_ns)
{
    CHECK_THREAD(registry);
    struct connection *connection = check_calloc(1, sizeof(*connection));

    connection->sock = sock;
    connection->registry = registry;
    connection->accepted_ns = connection->last_progress_ns = connection->idle_since_ns = now_ns;
    connection->is_tls = is_tls;
    list_init(&connection->requests);
    list_init(&connection->away);
    connection_set_peer(connection, peer);

    CHECK(sock->on_close.cb == NULL);
    sock->on_close.cb = on_socket_close;
    sock->on_close.data = connection;
    list_append(&registry->opening, &connection->link);
    registry->count++;
    metrics_add(registry->metrics, METRIC_CONNECTIONS, 1);
    return connection;
}

void connection_opened(struct connection *connection, enum connection_protocol protocol, int64_t now_ns)
{
    CHECK_THREAD(connection->registry);
    CHECK(connection->protocol == CONNECTION_OPENING && protocol != CONNECTION_OPENING);
    connection->protocol = (uint8_t)protocol;
    /* The time that the handshake took is no idleness. */
    connection->last_progress_ns = connection->idle_since_ns = now_ns;
    list_remove(&connection->link);
    list_append(&connection->registry->open, &connection->link);
}

struct connection *connection_find(struct st_h2o_socket_t *sock)
{
    /* To libh2o timers, event descriptors and listening sockets are sockets, too. */
    return sock->on_close.cb == on_socket_close ? sock->on_close.data : NULL;
}

struct connection *connection_of_socket(struct st_h2o_socket_t *sock)
{
    CHECK(sock->on_close.cb == on_socket_close);
    return sock->on_close.data;
}

struct connection *connection_of(struct st_h2o_req_t *req)
{
    return connection_of_socket(req->conn->callbacks->get_socket(req->conn));
}

void connection_kill(struct connection *connection)
{
    CHECK_THREAD(connection->registry);
    if (connection->is_killed)
        return;
    connection->is_killed = true;
    /* ENOTCONN means that the peer was first: libh2o is about to notice just the same. */
    shutdown(h2o_socket_get_fd(connection->sock), SHUT_RDWR);
}

void connection_send_away(struct connection *connection)
{
    CHECK_THREAD(connection->registry);
    if (connection->is_sent_away) /* one GOAWAY is enough, however many of its streams end */
        return;
    connection->is_sent_away = true;
    list_append(&connection->registry->sent_away, &connection->away);
}

static void for_each_in(struct list *list, void (*fn)(void *arg, struct connection *connection), void *arg)
{
    for (struct list *node = list->next, *next; node != list; node = next) {
        next = node->next; /* fn may move it to another list */
        fn(arg, LIST_ENTRY(node, struct connection, link));
    }
}

void connections_for_each(struct connections *connections, void (*fn)(void *arg, struct connection *connection),
                          void *arg)
{
    CHECK_THREAD(connections);
    for_each_in(&connections->opening, fn, arg);
    for_each_in(&connections->open, fn, arg);
}

static void kill_one(void *arg, struct connection *connection)
{
    (void)arg;
    connection_kill(connection);
}

void connections_kill_all(struct connections *connections)
{
    connections_for_each(connections, kill_one, NULL);
}

const char *connection_peer(const struct connection *connection, char dst[static CONNECTION_PEER_MAX])
{
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in6 *v6 = &connection->peer.v6;

    if (connection->peer.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &connection->peer.v4.sin_addr, host, sizeof(host));
        snprintf(dst, CONNECTION_PEER_MAX, "%s:%u", host, ntohs(connection->peer.v4.sin_port));
    } else if (connection->peer.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        /* What an IPv4 client looks like to a dual-stack listener; operators search for the plain form. */
        inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, host, sizeof(host));
        snprintf(dst, CONNECTION_PEER_MAX, "%s:%u", host, ntohs(v6->sin6_port));
    } else if (connection->peer.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(dst, CONNECTION_PEER_MAX, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        snprintf(dst, CONNECTION_PEER_MAX, "unknown");
    }
    return dst;
}
