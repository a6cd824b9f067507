/* acceptor.c - one listening socket of one worker */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/acceptor.h"

#include <h2o.h>
#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/http/connection.h"
#include "gateway/server/listen/endpoints.h"

void acceptor_change(struct acceptor *acceptor, const struct endpoint *endpoint)
{
    CHECK(!acceptor->is_gone && acceptor->class == endpoint->class);
    acceptor->tls = endpoint->tls;
    acceptor->is_listed = endpoint->listen != NULL;
    acceptor->listen = endpoint->listen != NULL ? *endpoint->listen : (struct config_listen){.address = NULL};
}

struct acceptor *acceptor_create(struct listeners *owner, size_t index, const struct endpoint *endpoint)
{
    struct acceptor *acceptor = check_calloc(1, sizeof(*acceptor));

    acceptor->owner = owner;
    acceptor->index = index;
    acceptor->class = endpoint->class;
    acceptor->address = check_strdup(endpoint->address);
    acceptor_change(acceptor, endpoint);
    return acceptor;
}

void acceptor_destroy(struct acceptor *acceptor)
{
    CHECK(acceptor->sock == NULL);
    free(acceptor->address);
    free(acceptor);
}

void acceptor_open(struct acceptor *acceptor, h2o_context_t *context, int fd)
{
    CHECK(acceptor->sock == NULL && !acceptor->is_gone);
    /* libh2o only watches it: accept4(2) is called by the listeners */
    acceptor->sock = h2o_evloop_socket_create(context->loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    acceptor->sock->data = acceptor;
}

void acceptor_read(struct acceptor *acceptor, void (*on_acceptable)(h2o_socket_t *sock, const char *err))
{
    if (acceptor->sock == NULL || acceptor->is_reading) /* closed, or this worker leaves accepting to others */
        return;
    acceptor->is_reading = true;
    h2o_socket_read_start(acceptor->sock, on_acceptable);
}

void acceptor_pause(struct acceptor *acceptor)
{
    if (acceptor->sock == NULL)
        return;
    acceptor->is_reading = false;
    h2o_socket_read_stop(acceptor->sock);
}

void acceptor_close(struct acceptor *acceptor)
{
    if (acceptor->sock != NULL)
        h2o_socket_close(acceptor->sock);
    acceptor->sock = NULL;
}

bool acceptor_end(struct acceptor *acceptor)
{
    if (acceptor->is_gone)
        return false;
    /* The struct stays: connections that came in here point to its `listen`. */
    acceptor->is_gone = true;
    acceptor->listen = (struct config_listen){.address = NULL};
    acceptor_close(acceptor);
    return true;
}

bool acceptor_has(const struct acceptor *acceptor, const struct connection *connection)
{
    return connection->listen == &acceptor->listen;
}
