/* gate_http1_read.c - shows libh2o the requests of an HTTP/1.1 connection one whole head at a time */
/* SPDX-License-Identifier: MIT */
#include <h2o.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/http/connection.h"
#include "gateway/server/gate/gate_internal.h"

/* Of a request's head, as much is refunded to the byte budget; a token in a cookie fits. */
#define HEAD_REFUND 2048
/* Heads up to this are shown to libh2o, so that limits.c can refuse them in words. */
#define HEAD_MIN (16u << 10)

_Static_assert(HEAD_REFUND < HEAD_MIN, "no head brings in more than it has cost");

static size_t head_max(const struct gate *gate)
{
    size_t max = 4 * (size_t)gate->rules->limits->header_bytes;
    return max > HEAD_MIN ? max : HEAD_MIN;
}

/* libh2o answers this 400 and closes the connection: a refusal in words for what it must not see. */
static void replace_by_nonsense(h2o_socket_t *sock)
{
    static const char nonsense[] = " \r\n\r\n";

    h2o_buffer_consume(&sock->input, sock->input->size);
    h2o_buffer_reserve(&sock->input, sizeof(nonsense) - 1);
    memcpy(sock->input->bytes, nonsense, sizeof(nonsense) - 1);
    sock->input->size = sizeof(nonsense) - 1;
}

/* At the beginning of a request. False: libh2o is not to look at the socket's buffer. */
static bool examine_head(struct gate *gate, h2o_socket_t *sock)
{
    struct gate_http1_head *head = &gate->http1.head;

    switch (gate_http1_examine(head, sock->input->bytes, sock->input->size, head_max(gate))) {
    case GATE_HTTP1_WAIT:
        return false;
    case GATE_HTTP1_SHOW:
        gate_meter_refund(gate, head->len < HEAD_REFUND ? head->len : HEAD_REFUND);
        gate->http1.in_body = head->body;
        gate->connection->body_since_ns = head->body ? clock_mono_coarse_ns() : 0;
        gate->http1.awaits_continue = head->body && head->expects;
        break;
    case GATE_HTTP1_REFUSE:
        gate_report(gate, METRIC_REJECTED_FRAMES, head->reason);
        replace_by_nonsense(sock);
        break;
    }
    *head = (struct gate_http1_head){0};
    return true;
}

/* libh2o looks at the socket's buffer itself as soon as it has called this. */
void gate_http1_read_on_start(struct gate *gate)
{
    h2o_socket_t *sock = gate->connection->sock;

    if (gate->http1.in_body) {
        if (gate->http1.awaits_continue) {
            gate->http1.awaits_continue = false; /* libh2o has said 100 Continue, and now reads the body */
            return;
        }
        /* Where a body began, nothing that follows is trusted to be a request. */
        h2o_buffer_consume(&sock->input, sock->input->size);
        connection_kill(gate->connection);
        return;
    }
    if (sock->input->size == 0 || examine_head(gate, sock))
        return;
    /* Half a head: libh2o finds an empty buffer, and gets the whole once the rest has come. */
    CHECK(gate->http1.held == NULL);
    gate->http1.held = sock->input;
    h2o_buffer_init(&sock->input, &h2o_socket_buffer_prototype);
}

/* What was held back comes first. */
static void reunite_head(struct gate *gate, h2o_socket_t *sock)
{
    h2o_buffer_t *held = gate->http1.held, *more = sock->input;

    if (held == NULL)
        return;
    gate->http1.held = NULL;
    if (more->size != 0) {
        h2o_buffer_reserve(&held, more->size);
        memcpy(held->bytes + held->size, more->bytes, more->size);
        held->size += more->size;
    }
    h2o_buffer_dispose(&more);
    sock->input = held;
}

void gate_http1_read(h2o_socket_t *sock, const char *err)
{
    struct gate *gate = gate_of(sock);

    if (err != NULL) { /* libh2o closes the connection at it */
        gate_show(gate, sock, err);
        return;
    }
    gate_meter_sent(gate);
    if (gate->connection->is_killed || (!gate->connection->is_tls && !gate_meter_received(gate, sock->bytes_read))) {
        h2o_buffer_consume(&sock->input, sock->input->size);
        return;
    }
    if (gate->http1.in_body) {
        if (gate->rules->takes_bodies)
            gate_meter_refund(gate, sock->bytes_read);
        gate_show(gate, sock, NULL);
        return;
    }
    reunite_head(gate, sock);
    if (examine_head(gate, sock))
        gate_show(gate, sock, NULL);
}

void gate_http1_read_dispose(struct gate *gate)
{
    if (gate->http1.held != NULL)
        h2o_buffer_dispose(&gate->http1.held);
}
