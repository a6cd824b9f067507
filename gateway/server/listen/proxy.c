/* proxy.c - takes the PROXY protocol's header off a connection before anything else reads from it */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/proxy.h"

#include <errno.h>
#include <h2o.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/base/check.h"
#include "gateway/base/thread.h"
#include "gateway/config/config.h"
#include "gateway/base/ip.h"
#include "gateway/http/connection.h"
#include "gateway/server/guard.h"
#include "proto/proxy_header.h"

_Static_assert(PROXY_HEADER_KEPT >= PROXY_HEADER_START, "the beginning of a header is kept whole");

struct proxy_reader {
    const struct proxy_callbacks *callbacks;
    struct proxy_header header;
    size_t have, wanted; /* of all its bytes; only the first are kept */
    bool understood;     /* the rest of it is skipped */
    uint8_t bytes[PROXY_HEADER_KEPT];
};

bool proxy_is_expected(const struct connection *connection)
{
    const struct config_listen *listen = connection->listen;
    struct ip ip;

    return listen != NULL && listen->proxy_protocol_count != 0 && ip_of_sockaddr(&connection->peer.any, &ip) &&
           ip_in_networks(&ip, listen->proxy_protocol, listen->proxy_protocol_count);
}

static void adopt_peer(struct connection *connection, const struct proxy_header *header)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(header->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(header->port)};

    if (!header->has_address) /* LOCAL: the proxy itself, checking that we live */
        return;
    memcpy(&v4.sin_addr, header->address + 12, sizeof(v4.sin_addr));
    memcpy(&v6.sin6_addr, header->address, sizeof(v6.sin6_addr));
    connection_set_peer(connection, header->is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6);
}

static void finish_header(struct connection *connection)
{
    struct proxy_reader *reader = connection->guard->proxy;
    const struct proxy_callbacks *callbacks = reader->callbacks;

    adopt_peer(connection, &reader->header);
    connection->guard->proxy = NULL;
    proxy_destroy(reader);
    h2o_socket_read_stop(connection->sock);
    h2o_socket_dont_read(connection->sock, 0); /* the rest is for libh2o to read */
    callbacks->done(connection);
}

/* Reads no further than the header; -1 with EAGAIN: nothing there. */
static ssize_t read_header(struct proxy_reader *reader, int fd)
{
    uint8_t skipped[512];
    size_t room = reader->wanted - reader->have;
    ssize_t got;

    if (!reader->understood)
        got = recv(fd, reader->bytes + reader->have, room, 0);
    else
        got = recv(fd, skipped, room < sizeof(skipped) ? room : sizeof(skipped), 0);
    if (got > 0)
        reader->have += (size_t)got;
    return got;
}

/* NULL: so far so good. */
static const char *understand_bytes(struct proxy_reader *reader)
{
    size_t kept = reader->have < PROXY_HEADER_KEPT ? reader->have : PROXY_HEADER_KEPT;

    if (reader->understood)
        return NULL;
    switch (proxy_header_read(reader->bytes, kept, &reader->header, &reader->wanted)) {
    case PROXY_HEADER_OK:
        reader->understood = true;
        return NULL;
    case PROXY_HEADER_MORE:
        return NULL;
    case PROXY_HEADER_V1:
        return "PROXY protocol version 1; only version 2 is understood";
    case PROXY_HEADER_BAD:
        break;
    }
    return "no PROXY protocol version 2 header";
}

static void on_readable(h2o_socket_t *sock, const char *err)
{
    struct connection *connection = connection_of_socket(sock);
    struct proxy_reader *reader = connection->guard->proxy;
    const char *reason;

    (void)err; /* libh2o doesn't read here, so it has nothing to say */
    CHECK(reader != NULL && reader->have < reader->wanted);
    for (;;) {
        ssize_t got = read_header(reader, h2o_socket_get_fd(sock));
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1 && errno == EAGAIN) /* the opener's deadline ends one that never comes */
            return;
        reason = got == 0 ? "closed within the PROXY header" : got == -1 ? "I/O error" : understand_bytes(reader);
        if (reason != NULL) {
            bool silent = got == 0 && reader->have == 0 && !connection->is_killed;
            reader->callbacks->failed(connection, silent ? NULL : reason);
            return;
        }
        if (reader->understood && reader->have == reader->wanted) {
            finish_header(connection);
            return;
        }
    }
}

void proxy_expect(struct connection *connection, const struct proxy_callbacks *callbacks)
{
    struct proxy_reader *reader = check_calloc(1, sizeof(*reader));

    CHECK_THREAD(connection->registry);
    CHECK(connection->guard->proxy == NULL && connection->protocol == CONNECTION_OPENING);
    reader->callbacks = callbacks;
    reader->wanted = PROXY_HEADER_START;
    connection->guard->proxy = reader;
    /* libh2o would read all there is, and with it the beginning of the ClientHello. */
    h2o_socket_dont_read(connection->sock, 1);
    h2o_socket_read_start(connection->sock, on_readable);
}

void proxy_destroy(struct proxy_reader *reader)
{
    free(reader);
}
