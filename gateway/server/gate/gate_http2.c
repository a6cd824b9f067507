/* gate_http2.c - shows libh2o the frames that it can stand, when it can stand them */
/* SPDX-License-Identifier: MIT */
#include <h2o.h>
#include <h2o/http2.h>
#include <h2o/http2_internal.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/http/connection.h"
#include "gateway/http/publish_send.h"
#include "gateway/server/gate/gate_internal.h"

/* The fields of libh2o's own structures that are read here are those of this version. */
#if H2O_VERSION_MAJOR != 2 || H2O_VERSION_MINOR != 2 || H2O_VERSION_PATCH != 5
#error "the gate knows libh2o 2.2.5 only: read its lib/http2 again before you change this"
#endif

/* Of a request's HEADERS, as much is refunded to the byte budget; a token in a cookie fits. */
#define HEADERS_REFUND 2048

/* The types of frame that matter here. */
enum { TYPE_DATA = 0, TYPE_HEADERS = 1, TYPE_SETTINGS = 4 };

/* One reading on its way to libh2o. */
struct feed {
    struct gate *gate;
    h2o_socket_t *sock;
    h2o_buffer_t *bytes; /* all of it: the socket's own buffer, until a part had to be shown alone */
    bool is_split;
    size_t start, at; /* frames in [start, at) may be shown together; before start all has been dealt with */
    bool is_mixed;    /* … and are not only WINDOW_UPDATEs */
    int64_t windows;  /* sum of those */
    bool is_gone;     /* gate, socket and all */
    const char *reason;
};

void gate_http2_apply_rules(struct gate *gate)
{
    const struct config_limits *limits = gate->rules->limits;

    gate->http2.rules = (struct h2_gate_rules){
        .takes_bodies = gate->rules->takes_bodies,
        .body_bytes = PUBLISH_BODY_BUFFER,
        .header_bytes = limits->header_bytes,
        .header_fields = limits->header_fields,
        .new_streams = limits->new_streams,
    };
}

void gate_http2_init(struct gate *gate)
{
    gate_http2_apply_rules(gate);
    h2_gate_init(&gate->http2.gate, &gate->http2.rules);
}

static h2o_http2_conn_t *conn_of(h2o_socket_t *sock)
{
    h2o_http2_conn_t *conn = sock->data;
    CHECK(conn->sock == sock);
    return conn;
}

static void feed_refuse(struct feed *feed, const char *reason, bool is_flood)
{
    gate_refuse(feed->gate, is_flood ? METRIC_REJECTED_FLOOD : METRIC_REJECTED_FRAMES, reason);
}

/*
 * False: libh2o reads no more. Either it is closing the connection (over TLS
 * its own part of it may be freed already), or its answers have piled up to
 * 512 kB, which by now only a client that sends without reading can bring about.
 */
static bool feed_show(struct feed *feed)
{
    switch (gate_show(feed->gate, feed->sock, NULL)) {
    case GATE_SHOWN:
        return !feed->gate->connection->is_killed && conn_of(feed->sock)->state != H2O_HTTP2_CONN_STATE_IS_CLOSING;
    case GATE_STOPPED:
        feed_refuse(feed, "an error that ends the connection, or answers that are not read", false);
        return false;
    case GATE_GONE:
        feed->is_gone = true;
        return false;
    }
    return false;
}

/* From here on the socket's buffer holds only the bytes libh2o is shown. */
static void feed_split(struct feed *feed)
{
    if (feed->is_split)
        return;
    feed->is_split = true;
    h2o_buffer_init(&feed->sock->input, &h2o_socket_buffer_prototype);
}

/* Shows what may be shown together, and nothing else. False: libh2o reads no more. */
static bool feed_flush(struct feed *feed)
{
    size_t len = feed->at - feed->start;

    CHECK(feed->start <= feed->at && feed->at <= feed->bytes->size);
    feed->is_mixed = false;
    feed->windows = 0;
    if (len == 0)
        return true;
    feed_split(feed);
    h2o_buffer_reserve(&feed->sock->input, len);
    memcpy(feed->sock->input->bytes, feed->bytes->bytes + feed->start, len);
    feed->sock->input->size = len;
    feed->start = feed->at;
    return feed_show(feed);
}

/*
 * update_stream_output_window() asserts that a stream whose window opens is
 * not waiting for its proceed callback, if it has anything left to send. A
 * stream that is over and waits for its last write is such a one.
 */
static bool is_over(h2o_http2_stream_t *stream)
{
    return h2o_linklist_is_linked(&stream->_refs.link) &&
           (h2o_http2_stream_has_pending_data(stream) || stream->state >= H2O_HTTP2_STREAM_STATE_SEND_BODY_IS_FINAL);
}

enum answer { SHOW, DROP, REFUSE };

static enum answer ask_window(struct feed *feed, const struct h2_gate_verdict *verdict)
{
    h2o_http2_conn_t *conn = conn_of(feed->sock);
    h2o_http2_window_t *window = &conn->_write.window;

    if (verdict->stream != 0) {
        h2o_http2_stream_t *stream = h2o_http2_conn_get_stream(conn, verdict->stream);
        /* A stream that is over needs no window. */
        if (stream == NULL || is_over(stream))
            return DROP;
        window = &stream->output_window;
    }
    feed->reason = "WINDOW_UPDATE beyond the largest window";
    return h2o_http2_window_get_window(window) + verdict->window > INT32_MAX ? REFUSE : SHOW;
}

/* The same assertion, for all streams at once. No honest client changes the window at the end of a stalled stream. */
static enum answer ask_settings(struct feed *feed, const struct h2_gate_verdict *verdict)
{
    h2o_http2_conn_t *conn = conn_of(feed->sock);
    ssize_t delta = (ssize_t)verdict->window - (ssize_t)conn->peer_settings.initial_window_size;
    h2o_http2_stream_t *stream;
    bool is_any_over = false, is_beyond = false;

    kh_foreach_value(conn->streams, stream, {
        ssize_t window = h2o_http2_window_get_window(&stream->output_window);
        is_any_over = is_any_over || (is_over(stream) && window <= 0 && window + delta > 0);
        is_beyond = is_beyond || window + delta > INT32_MAX;
    });
    feed->reason =
        is_any_over ? "SETTINGS that open the window of a stream that is over" : "SETTINGS beyond the largest window";
    return is_any_over || is_beyond ? REFUSE : SHOW;
}

static bool feed_pass_over(struct feed *feed, size_t len)
{
    if (!feed_flush(feed))
        return false;
    feed_split(feed);
    feed->start = feed->at = feed->at + len;
    return true;
}

/* False: no more of it. */
static bool feed_ask(struct feed *feed, const struct h2_gate_verdict *verdict)
{
    enum answer answer;

    /*
     * libh2o has to be as it will be when it gets this frame. WINDOW_UPDATEs
     * alone change nothing that is asked about but the windows themselves: a
     * busy connection sends hundreds at a time, which stay together.
     */
    bool stands_apart = feed->is_mixed || verdict->settings || feed->windows + verdict->window > INT32_MAX / 2;
    if (stands_apart && !feed_flush(feed))
        return false;
    answer = verdict->settings ? ask_settings(feed, verdict) : ask_window(feed, verdict);
    if (answer == REFUSE) {
        feed_refuse(feed, feed->reason, false);
        return false;
    }
    if (answer == DROP)
        return feed_pass_over(feed, verdict->len);
    feed->at += verdict->len;
    feed->is_mixed = feed->is_mixed || verdict->settings;
    feed->windows += verdict->window;
    return true;
}

/* For the reaper: a connection that still sends a request is not idle. */
static void note_bodies(struct gate *gate)
{
    const struct h2_gate *frames = &gate->http2.gate;
    struct connection *connection = gate->connection;
    bool any = false;

    for (unsigned i = 0; i != H2_GATE_UPLOADS; ++i)
        any = any || frames->uploads[i].stream != 0;
    if (!any)
        connection->body_since_ns = 0;
    else if (connection->body_since_ns == 0)
        connection->body_since_ns = clock_mono_coarse_ns();
}

/* False: no more of it. */
static bool feed_step(struct feed *feed, const struct h2_gate_verdict *verdict)
{
    switch (verdict->action) {
    case H2_GATE_SHOW:
        feed->at += verdict->len;
        feed->is_mixed = true;
        if (verdict->type == TYPE_DATA)
            gate_meter_refund(feed->gate, verdict->len);
        else if (verdict->type == TYPE_HEADERS)
            gate_meter_refund(feed->gate, verdict->len < HEADERS_REFUND ? verdict->len : HEADERS_REFUND);
        if (feed->gate->rules->takes_bodies)
            note_bodies(feed->gate);
        return true;
    case H2_GATE_ASK:
        return feed_ask(feed, verdict);
    case H2_GATE_DROP:
        return feed_pass_over(feed, verdict->len);
    case H2_GATE_KILL:
        feed_refuse(feed, h2_gate_reason_text(verdict->reason), h2_gate_is_flood(verdict->reason));
        return false;
    case H2_GATE_WAIT:
        return false;
    }
    return false;
}

/* Puts the beginning of a frame back where the rest of it will arrive. */
static void feed_put_back(struct feed *feed)
{
    CHECK(feed->is_split && feed->sock->input->size == 0);
    size_t left = feed->bytes->size - feed->at;

    if (left == 0)
        return;
    h2o_buffer_reserve(&feed->sock->input, left);
    memcpy(feed->sock->input->bytes, feed->bytes->bytes + feed->at, left);
    feed->sock->input->size = left;
}

static void walk_frames(struct gate *gate, h2o_socket_t *sock)
{
    struct feed feed = {.gate = gate, .sock = sock, .bytes = sock->input};
    int64_t now_ns = clock_mono_coarse_ns();
    struct h2_gate_verdict verdict;
    bool has_more;

    do {
        verdict = h2_gate_next(&gate->http2.gate, (const uint8_t *)feed.bytes->bytes + feed.at,
                               feed.bytes->size - feed.at, now_ns);
        has_more = feed_step(&feed, &verdict);
    } while (has_more);
    bool is_complete = verdict.action == H2_GATE_WAIT;
    /* The usual case: all of it is fine as it lies there. The beginning of a frame at its end is left by libh2o. */
    if (is_complete && !feed.is_split) {
        if (feed.at != 0)
            feed_show(&feed);
        return;
    }
    if (is_complete && feed_flush(&feed))
        feed_put_back(&feed);
    if (feed.is_split)
        h2o_buffer_dispose(&feed.bytes);
    else if (!feed.is_gone)
        h2o_buffer_consume(&sock->input, sock->input->size); /* refused: libh2o gets none of it */
}

void gate_http2_read(h2o_socket_t *sock, const char *err)
{
    struct gate *gate = gate_of(sock);

    if (err != NULL) {
        gate_show(gate, sock, err);
        return;
    }
    h2_gate_sent(&gate->http2.gate, gate_meter_sent(gate));
    /*
     * libh2o would keep what comes while a closing connection's last write is
     * stuck. Bytes in the clear are counted here, TLS below OpenSSL.
     */
    if (gate->connection->is_killed || conn_of(sock)->state == H2O_HTTP2_CONN_STATE_IS_CLOSING ||
        (!gate->connection->is_tls && !gate_meter_received(gate, sock->bytes_read))) {
        h2o_buffer_consume(&sock->input, sock->input->size);
        return;
    }
    walk_frames(gate, sock);
}
