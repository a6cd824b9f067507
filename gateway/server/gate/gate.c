/* gate.c - stands between a socket and libh2o, which must not be shown everything */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/gate/gate.h"

#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/http2.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/http/connection.h"
#include "gateway/server/gate/gate_internal.h"
#include "gateway/server/guard.h"
#include "gateway/server/interpose.h"

struct gate *gate_of(h2o_socket_t *sock)
{
    return connection_of_socket(sock)->guard->gate;
}

void gate_report(struct gate *gate, enum metric metric, const char *reason)
{
    char peer[CONNECTION_PEER_MAX];

    metrics_add(gate->connection->registry->metrics, metric, 1);
    log_write_limited(LOG_INFO, "connection-refused", log_str("peer", connection_peer(gate->connection, peer)),
                      log_str("reason", reason));
}

void gate_refuse(struct gate *gate, enum metric metric, const char *reason)
{
    if (gate->connection->is_killed) /* counted once, though more of its bytes may come */
        return;
    gate_report(gate, metric, reason);
    connection_kill(gate->connection);
}

enum gate_shown gate_show(struct gate *gate, h2o_socket_t *sock, const char *err)
{
    bool gone = false, *outer = gate->gone;

    CHECK(gate->inner != NULL);
    gate->gone = &gone;
    gate->inner(sock, err);
    if (gone) { /* a reader may call a reader: both must know */
        if (outer != NULL)
            *outer = true;
        return GATE_GONE;
    }
    gate->gone = outer;
    return sock->_cb.read == gate->reader ? GATE_SHOWN : GATE_STOPPED;
}

/*
 * libh2o puts its own reader back whenever it starts to read again: after 512
 * kB of answers have piled up, between the requests of HTTP/1.1, after a 100
 * Continue. It does so through this function, which it exports, so that the
 * one of the program is called instead of its own.
 */
void h2o_socket_read_start(h2o_socket_t *sock, h2o_socket_cb cb)
{
    static _Atomic(void *) next;
    void (*read_start)(h2o_socket_t *, h2o_socket_cb);
    struct connection *connection = connection_find(sock);
    struct gate *gate = connection != NULL ? connection->guard->gate : NULL;

    *(void **)&read_start = interpose_next(&next, "h2o_socket_read_start");
    if (gate != NULL && gate->reader != NULL) {
        gate->inner = cb;
        cb = gate->reader;
        if (gate->on_read_start != NULL)
            gate->on_read_start(gate);
    }
    read_start(sock, cb);
}

void gate_keep_tls(struct connection *connection, SSL_CTX *context)
{
    struct gate *gate = connection->guard->gate;

    CHECK(gate->tls == NULL && SSL_CTX_up_ref(context) == 1);
    gate->tls = context;
}

void gate_destroy(struct gate *gate)
{
    if (gate == NULL)
        return;
    if (gate->gone != NULL)
        *gate->gone = true;
    if (gate->reader == gate_http1_read) /* the union holds its part */
        gate_http1_read_dispose(gate);
    SSL_CTX_free(gate->tls);
    free(gate);
}

void gate_create(struct connection *connection, const struct gate_rules *rules)
{
    struct gate *gate = check_calloc(1, sizeof(*gate));

    CHECK_THREAD(connection->registry);
    CHECK(connection->guard->gate == NULL);
    gate->connection = connection;
    gate->rules = rules;
    gate_meter_start(gate);
    connection->guard->gate = gate;
}

void gate_apply_rules(struct connection *connection)
{
    struct gate *gate = connection->guard->gate;

    if (gate != NULL && gate->reader == gate_http2_read) /* HTTP/1.1 has no copy: it reads the rules each time */
        gate_http2_apply_rules(gate);
}

/* Both would look at what has come already, before anyone can stand in between: it is kept from them until then. */
static void accept_with(struct gate *gate, h2o_accept_ctx_t *accept_ctx,
                        void (*accept)(h2o_accept_ctx_t *, h2o_socket_t *, struct timeval))
{
    h2o_socket_t *sock = gate->connection->sock;
    h2o_buffer_t *bytes = sock->input;

    h2o_buffer_init(&sock->input, &h2o_socket_buffer_prototype);
    accept(accept_ctx, sock, *h2o_get_timestamp(accept_ctx->ctx, NULL, NULL));
    /* else the function above is not in libh2o's way, and there is no gate at all */
    CHECK(gate->inner != NULL && sock->_cb.read == gate->reader && sock->input->size == 0);
    h2o_buffer_dispose(&sock->input);
    sock->input = bytes;
    if (bytes->size != 0)
        gate->reader(sock, NULL);
}

void gate_http2_accept(struct connection *connection, h2o_accept_ctx_t *accept_ctx, const struct gate_rules *rules)
{
    struct gate *gate = connection->guard->gate;

    CHECK_THREAD(connection->registry);
    CHECK(gate->rules == rules && gate->reader == NULL);
    gate->reader = gate_http2_read;
    gate_http2_init(gate);
    accept_with(gate, accept_ctx, h2o_http2_accept);
}

void gate_http1_accept(struct connection *connection, h2o_accept_ctx_t *accept_ctx, const struct gate_rules *rules)
{
    struct gate *gate = connection->guard->gate;

    CHECK_THREAD(connection->registry);
    CHECK(gate->rules == rules && gate->reader == NULL);
    gate->reader = gate_http1_read;
    gate->on_read_start = gate_http1_read_on_start;
    accept_with(gate, accept_ctx, h2o_http1_accept);
}
