/* publish_send.c - a request's body becomes a message, and the broker's confirmation the answer */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/publish_send.h"

#include <h2o.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/list.h"
#include "gateway/config/config.h"
#include "gateway/core/errand.h"
#include "gateway/core/reserved.h"
#include "gateway/core/source.h"
#include "gateway/http/app.h"
#include "gateway/http/exchange.h"
#include "gateway/http/reply.h"
#include "proto/event_id.h"
#include "proto/text.h"

#define MSG_ID_HEADER "nats-msg-id"
/* Headers of one message, in all: a name may come several times. */
#define HEADERS_MAX 32
#define HEADERS_BYTES 4096

_Static_assert(PUBLISH_MSG_ID_MAX < HEADERS_BYTES, "Nats-Msg-Id is limited apart from the other headers, and tighter");

/* One publish in flight. The request may be gone before it is confirmed: then `ticket` is NULL. */
struct publish_call {
    struct publish publish;
    struct errand errand;
    const char *stream; /* expected to store it; NULL: none */
    char msg_id[PUBLISH_MSG_ID_MAX + 1];
    struct publish_header headers[HEADERS_MAX];
    char *header_values;           /* NULL: there are none */
    struct publish_ticket *ticket; /* hub thread only */
};

/* In the request's pool. */
struct publish_ticket {
    struct exchange *exchange;
    struct publish_call *call;
};

/* 201: it is stored, and where in the stream; 202: only that the broker has it. */
static void send_accepted(struct exchange *exchange, const struct publish *publish)
{
    char body[EVENT_ID_MAX + 96], id[EVENT_ID_MAX];
    if (!publish->stored) {
        reply_send(exchange, 202, "application/json", "{}", 2);
        return;
    }
    bool has_id = publish->id.incarnation != 0;
    int id_len = has_id ? (int)event_id_write(id, publish->id) : 0;
    int len = snprintf(body, sizeof(body), "{\"id\":%s%.*s%s,\"sequence\":%llu,\"duplicate\":%s}",
                       has_id ? "\"" : "null", id_len, id, has_id ? "\"" : "", (unsigned long long)publish->id.sequence,
                       publish->duplicate ? "true" : "false");
    reply_send(exchange, 201, "application/json", body, (size_t)len);
}

static void send_result(struct exchange *exchange, const struct publish_call *call)
{
    switch (call->publish.status) {
    case PUBLISH_OK:
        send_accepted(exchange, &call->publish);
        break;
    case PUBLISH_TOO_LARGE:
        reply_problem(exchange, 413, "a message of %zu bytes is too long for the message broker",
                      call->publish.data_len);
        break;
    case PUBLISH_UNAVAILABLE:
        reply_header(exchange, "retry-after", H2O_STRLIT("1"));
        if (call->stream == NULL)
            reply_problem(exchange, 503, "the message broker is not connected");
        else
            reply_problem(exchange, 503, "stream %s did not confirm that it has stored the message", call->stream);
        break;
    case PUBLISH_DENIED:
        reply_problem(exchange, 403, "the message broker does not let the gateway publish there");
        break;
    }
}

static void on_published(struct errand *errand)
{
    struct publish_call *call = LIST_ENTRY(errand, struct publish_call, errand);
    if (call->ticket != NULL) {
        struct publish_ticket *ticket = call->ticket;
        CHECK(ticket->call == call);
        ticket->call = NULL;
        send_result(ticket->exchange, call);
    }
    free(call->publish.subject);
    free(call->publish.data);
    free(call->header_values);
    free(call);
}

static void on_ticket_dispose(void *p)
{
    /* The client is gone, but the message may be on its way: the call ends in on_published. */
    struct publish_ticket *ticket = p;
    if (ticket->call != NULL)
        ticket->call->ticket = NULL;
}

/* The header by which a stream recognizes a message that it has already. False: answered. */
static bool read_msg_id(struct exchange *exchange, char dst[PUBLISH_MSG_ID_MAX + 1])
{
    const h2o_req_t *req = exchange->req;
    ssize_t index = h2o_find_header_by_str(&req->headers, H2O_STRLIT(MSG_ID_HEADER), -1);
    dst[0] = '\0';
    if (index == -1)
        return true;
    h2o_iovec_t value = req->headers.entries[index].value;
    bool good = value.len != 0 && value.len <= PUBLISH_MSG_ID_MAX &&
                h2o_find_header_by_str(&req->headers, H2O_STRLIT(MSG_ID_HEADER), index) == -1;
    /* It becomes a line of the message: a control byte could begin another header. */
    for (size_t i = 0; good && i != value.len; ++i)
        good = value.base[i] >= 0x20 && value.base[i] < 0x7f;
    if (!good) {
        reply_problem(exchange, 400, "Nats-Msg-Id must be one value of 1 to %d printable ASCII characters",
                      PUBLISH_MSG_ID_MAX);
        return false;
    }
    memcpy(dst, value.base, value.len);
    dst[value.len] = '\0';
    return true;
}

/* ---- headers for the message ---- */

/* NATS headers are lines: a value with a line end could forge another header. */
static bool is_header_value(h2o_iovec_t value)
{
    for (size_t i = 0; i != value.len; ++i) {
        if ((unsigned char)value.base[i] < 0x20 || value.base[i] == 0x7f)
            return false;
    }
    return text_is_utf8(value.base, value.len);
}

static bool add_header(struct publish_call *call, const char *name, h2o_iovec_t value, size_t *used)
{
    if (call->publish.header_count == HEADERS_MAX || HEADERS_BYTES - *used < value.len + 1)
        return false;
    if (call->header_values == NULL)
        call->header_values = check_malloc(HEADERS_BYTES);
    char *dst = call->header_values + *used;
    memcpy(dst, value.base, value.len);
    dst[value.len] = '\0';
    *used += value.len + 1;
    call->headers[call->publish.header_count++] = (struct publish_header){name, dst};
    return true;
}

/* The request's headers that the route lists, under the route's spelling. False: answered. */
static bool read_headers(struct exchange *exchange, struct publish_call *call)
{
    const struct config_route *route = exchange->route;
    const h2o_req_t *req = exchange->req;
    size_t used = 0;
    /* The page of --dev publishes without a route. */
    for (unsigned i = 0; route != NULL && i != route->headers_count; ++i) {
        const char *name = route->headers[i];
        for (ssize_t at = -1; (at = h2o_find_header_by_str(&req->headers, name, strlen(name), at)) != -1;) {
            h2o_iovec_t value = req->headers.entries[at].value;
            if (!is_header_value(value)) {
                reply_problem(exchange, 400, "header %s must be UTF-8 without control bytes", name);
                return false;
            }
            if (!add_header(call, name, value, &used)) {
                reply_problem(exchange, 431, "a message takes at most %d headers, %d bytes in all", HEADERS_MAX,
                              HEADERS_BYTES);
                return false;
            }
        }
    }
    call->publish.headers = call->headers;
    return true;
}

/* ---- publishing ---- */

static void send_call(struct exchange *exchange, const struct config_history *history, const char *subject, size_t len,
                      struct publish_call *call)
{
    const struct app *app = exchange->app;
    h2o_req_t *req = exchange->req;
    struct source *source = app->sources[history != NULL ? history->source : 0];
    struct publish_ticket *ticket = h2o_mem_alloc_shared(&req->pool, sizeof(*ticket), on_ticket_dispose);
    *ticket = (struct publish_ticket){exchange, call};
    call->ticket = ticket;
    call->publish.subject = check_malloc(len + 1);
    memcpy(call->publish.subject, subject, len);
    call->publish.subject[len] = '\0';
    /* A copy: the body goes with the request, which may end before the source has sent it. */
    call->publish.data_len = req->entity.len;
    call->publish.data = check_malloc(req->entity.len + 1);
    if (req->entity.len != 0)
        memcpy(call->publish.data, req->entity.base, req->entity.len);
    call->stream = history != NULL ? history->stream : NULL;
    call->publish.msg_id = call->msg_id[0] != '\0' ? call->msg_id : NULL;
    errand_init(&call->errand, app->hub, on_published);
    errand_publish(&call->errand, source, &call->publish);
}

void publish_send(struct exchange *exchange, const struct config_history *history, const char *subject, size_t len)
{
    size_t body_len = exchange->req->entity.len;
    CHECK(subject_check_literal(subject, len) == SUBJECT_OK);
    if (body_len > PUBLISH_BODY_MAX) {
        reply_problem(exchange, 413, "a message of %zu bytes is too long, the limit is %u", body_len, PUBLISH_BODY_MAX);
        return;
    }
    if (reserved_is_control(subject, len)) {
        reply_problem(exchange, 403, "clients may not publish on freshet.control.>");
        return;
    }
    if (reserved_is_declared(subject, len)) {
        reply_problem(exchange, 403, "clients may not publish on this subject: it is reserved");
        return;
    }
    struct publish_call *call = check_calloc(1, sizeof(*call));
    if (read_msg_id(exchange, call->msg_id) && read_headers(exchange, call)) {
        send_call(exchange, history, subject, len, call);
        return;
    }
    free(call->header_values);
    free(call);
}
