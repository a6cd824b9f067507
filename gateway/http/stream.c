/* stream.c - carries one reader over one HTTP response */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/stream.h"

#include <h2o.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/list.h"
#include "gateway/core/hub.h"
#include "gateway/core/presence.h"
#include "gateway/core/reader.h"
#include "gateway/http/access_log.h"
#include "gateway/http/app.h"
#include "gateway/http/connection.h"
#include "gateway/http/exchange.h"
#include "gateway/http/refusal.h"
#include "gateway/http/reply.h"

/* The members that each event touches are next to the start of the reader. */
struct stream {
    struct app *app;
    h2o_generator_t generator;
    h2o_req_t *req;
    struct connection *connection;
    bool is_responding; /* h2o_start_response was called */
    struct reader reader;
    struct exchange *exchange;
    struct attendance *attendance; /* NULL: no presence */
};

/* Of a stream on a route with presence; separate, as most have none. */
struct attendance {
    const char *subject;
    struct presence_stream stream;
};

_Static_assert(offsetof(struct stream, reader) <= 64, "what a write needs is right before the reader");
_Static_assert(READER_PEER_MAX >= IP_TEXT_MAX, "do_peer writes an address");

static struct stream *stream_of(const struct reader *reader)
{
    return LIST_ENTRY(reader, struct stream, reader);
}

static void add_stream_headers(h2o_req_t *req)
{
    req->res.status = 200;
    req->res.reason = "OK";
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
                   H2O_STRLIT("text/event-stream; charset=utf-8"));
    /* no-transform: a proxy that compresses holds events back (RFC 9111 5.2.2.6). The next is for nginx. */
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL, H2O_STRLIT("no-cache, no-transform"));
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-accel-buffering"), 0, NULL, H2O_STRLIT("no"));
}

static void do_send(struct reader *reader, const struct piece *pieces, size_t count, bool final)
{
    struct stream *stream = stream_of(reader);
    h2o_iovec_t vectors[BATCH_PIECES];

    /* libh2o never stops the generator of a stream that is reset before its first byte: never send none. */
    CHECK(count <= BATCH_PIECES && (count != 0 || final));
    for (size_t i = 0; i != count; ++i)
        vectors[i] = (h2o_iovec_t){(char *)(uintptr_t)pieces[i].base, pieces[i].len};
    if (!stream->is_responding) {
        stream->is_responding = true;
        metrics_add(reader->hub->metrics, METRIC_REQUESTS_200, 1);
        add_stream_headers(stream->req);
        h2o_start_response(stream->req, &stream->generator);
        /* Here, and not in stream_start: a stream that was refused has not joined. */
        if (stream->attendance != NULL)
            presence_join(stream->app->presence, &stream->attendance->stream, stream->attendance->subject, reader);
    }
    h2o_send(stream->req, vectors, count, final ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void do_refuse(struct reader *reader, enum reader_refusal refusal)
{
    struct stream *stream = stream_of(reader);
    CHECK(!stream->is_responding);
    switch (refusal) {
    case READER_DENIED:
        reply_header(stream->exchange, "retry-after", H2O_STRLIT("5"));
        reply_problem(stream->exchange, 503,
                      "the message broker does not let the gateway read a subject of this route");
        break;
    case READER_STOPPING:
        refusal_send_ending(stream->exchange);
        break;
    case READER_REVOKED:
        reply_problem(stream->exchange, 403, "the permission for this stream has been revoked");
        break;
    case READER_CHANGED:
        refusal_send_changed(stream->exchange);
        break;
    }
}

static int64_t do_last_progress_ns(const struct reader *reader)
{
    return stream_of(reader)->connection->last_progress_ns;
}

static void do_kill(struct reader *reader)
{
    connection_kill(stream_of(reader)->connection);
}

static void do_peer(const struct reader *reader, char dst[static READER_PEER_MAX])
{
    exchange_address(stream_of(reader)->exchange, dst);
}

/* What h2o_send touches: the request, and the HTTP/2 stream that ends with it. */
static void do_prefetch(const struct reader *reader)
{
    const char *req = (const char *)stream_of(reader)->req;
    __builtin_prefetch(req - 256, 1);
    __builtin_prefetch(req - 192, 1);
    __builtin_prefetch(req - 128, 1);
    __builtin_prefetch(req - 64, 1);
    __builtin_prefetch(req, 1);
    __builtin_prefetch(req + offsetof(h2o_req_t, _generator), 1);
}

static const struct reader_ops ops = {
    .send = do_send,
    .refuse = do_refuse,
    .last_progress_ns = do_last_progress_ns,
    .prefetch = do_prefetch,
    .kill = do_kill,
    .peer = do_peer,
};

/*
 * One write of a connection leads to on_proceed for each of its streams in
 * turn: the clock is read once for all of them.
 */
static void note_write(const struct stream *stream)
{
    struct app *app = stream->app;
    struct hub *hub = stream->reader.hub;
    if (app->written.connection == stream->connection && app->written.turn_ns == hub->now_ns)
        return;
    app->written.connection = stream->connection;
    app->written.turn_ns = hub->now_ns;
    hub->written_ns = clock_mono_ns();
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct stream *stream = LIST_ENTRY(generator, struct stream, generator);
    (void)req;
    /* Of the connection: a stream that waits for its turn on a connection that moves is not stuck. */
    stream->connection->last_progress_ns = stream->reader.hub->now_ns;
    note_write(stream);
    reader_sent(&stream->reader);
}

/* With the request's pool, always: libh2o calls stop only while a response is under way. */
static void on_dispose(void *p)
{
    struct stream *stream = p;
    CHECK(stream->connection->streams != 0);
    --stream->connection->streams;
    /* a drained client comes back: on another connection */
    if (stream->reader.reason == CLOSE_DRAIN)
        connection_send_away(stream->connection);
    if (stream->is_responding) /* one that was refused has no line */
        access_log_stream(stream->exchange, &stream->reader);
    if (stream->attendance != NULL)
        presence_leave(stream->app->presence, &stream->attendance->stream, &stream->reader);
    /* Last: the log line and presence read what the reader has counted. */
    reader_close(&stream->reader);
}

void stream_start(struct exchange *exchange, const struct reader_options *options, const char *presence)
{
    h2o_req_t *req = exchange->req;
    struct connection *connection = exchange->connection;
    CHECK(options->route == exchange->route && !exchange->is_answered);
    if (connection->is_leaving) {
        refusal_send_ending(exchange);
        return;
    }
    if (exchange_is_outdated(exchange)) { /* while a microservice was asked */
        refusal_send_changed(exchange);
        return;
    }
    struct stream *stream = h2o_mem_alloc_shared(&req->pool, sizeof(*stream), on_dispose);
    struct reader_options with_origin = *options;
    with_origin.origin = connection->listen; /* a reload that closes this listener ends its streams */
    *stream = (struct stream){
        .generator = {.proceed = on_proceed},
        .app = exchange->app,
        .req = req,
        .connection = connection,
        .exchange = exchange,
    };
    if (presence != NULL) {
        stream->attendance = h2o_mem_alloc_pool(&req->pool, sizeof(*stream->attendance));
        *stream->attendance = (struct attendance){.subject = presence};
    }
    ++connection->streams;
    reader_open(&stream->reader, exchange->app->hub, &ops, &with_origin);
}

void stream_send_head(struct exchange *exchange)
{
    metrics_add(exchange->app->hub->metrics, METRIC_REQUESTS_200, 1);
    add_stream_headers(exchange->req);
    exchange_answered(exchange);
    h2o_send_inline(exchange->req, NULL, 0);
}
