/* listener_endpoints.c - the listening sockets of one worker: there from the start, added, changed, gone */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/listener_internal.h"

#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/http/connection.h"

static void set_listen(struct endpoint *endpoint, const struct listener_endpoint *from)
{
    endpoint->tls = from->tls;
    endpoint->is_public = from->listen != NULL;
    endpoint->listen = from->listen != NULL ? *from->listen : (struct config_listen){.address = NULL};
}

void listener_endpoint_add(struct listeners *listeners, const struct listener_endpoint *from, int fd)
{
    struct endpoint *endpoint = check_calloc(1, sizeof(*endpoint));

    CHECK(listeners->count != LISTENER_ENDPOINTS_MAX);
    endpoint->owner = listeners;
    endpoint->index = listeners->count;
    endpoint->host = from->host;
    endpoint->address = check_strdup(from->address);
    endpoint->class = from->admin ? ACCEPT_ADMIN : ACCEPT_PUBLIC;
    set_listen(endpoint, from);
    listeners->endpoints[listeners->count++] = endpoint;
    if (!accept_slot_is_watcher(listeners->slot)) {
        close(fd);
        return;
    }
    endpoint->sock = h2o_evloop_socket_create(listeners->context->loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    endpoint->sock->data = endpoint;
}

void listener_endpoints_read(struct listeners *listeners)
{
    for (size_t i = 0; i != listeners->count; i++) {
        struct endpoint *endpoint = listeners->endpoints[i];
        if (endpoint->sock == NULL || endpoint->reads || listeners->classes[endpoint->class].paused)
            continue;
        endpoint->reads = true;
        h2o_socket_read_start(endpoint->sock, listener_on_acceptable);
    }
}

void listener_endpoint_close(struct endpoint *endpoint)
{
    if (endpoint->sock != NULL)
        h2o_socket_close(endpoint->sock);
    endpoint->sock = NULL;
}

void listeners_add(struct listeners *listeners, const struct listener_endpoint *endpoint, int fd)
{
    listener_endpoint_add(listeners, endpoint, fd);
}

static void leave(void *arg, struct connection *connection)
{
    const struct endpoint *endpoint = arg;

    if (connection->listen != &endpoint->listen || connection->is_leaving)
        return;
    connection->is_leaving = true;
    if (connection->requested && connection->streams == 0)
        connection_send_away(connection);
}

/* What its connections were told to believe is no more: they believe nobody, and ask for nothing new. */
static void end(struct listeners *listeners, struct endpoint *endpoint)
{
    if (endpoint->gone)
        return;
    endpoint->gone = true;
    endpoint->listen = (struct config_listen){.address = NULL};
    listener_endpoint_close(endpoint);
    connections_for_each(listeners->connections, leave, endpoint);
}

static void apply_rules(void *arg, struct connection *connection)
{
    (void)arg;
    gate_apply_rules(connection);
}

void listeners_change(struct listeners *listeners, const struct listener_endpoint *endpoints, size_t count,
                      const struct gate_rules *rules)
{
    CHECK(count == listeners->count);
    listeners->rules = *rules;
    reaper_set_limits(&listeners->reaper, rules->limits);
    connections_for_each(listeners->connections, apply_rules, NULL);
    for (size_t i = 0; i != count; i++) {
        if (endpoints[i].fd == -1)
            end(listeners, listeners->endpoints[i]);
        else
            set_listen(listeners->endpoints[i], &endpoints[i]);
    }
    if (!listeners->stopped && !listeners->public_stopped)
        listener_endpoints_read(listeners);
}

const void *listeners_origin(const struct listeners *listeners, size_t index)
{
    return &listeners->endpoints[index]->listen;
}
