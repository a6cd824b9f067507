/* h2.c - just enough HTTP/2 to ask for streams and to walk the frames that come back */
/* SPDX-License-Identifier: MIT */
#include "bench/load/load.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 9113 sections 4.1 and 6; RFC 7541 appendix A for the static table. */
enum {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PUSH_PROMISE = 5,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW_UPDATE = 8,
    FRAME_CONTINUATION = 9
};
enum { FLAG_END_STREAM = 0x1, FLAG_ACK = 0x1, FLAG_END_HEADERS = 0x4, FLAG_PADDED = 0x8, FLAG_PRIORITY = 0x20 };
enum {
    STATIC_AUTHORITY = 1,
    STATIC_METHOD_GET = 2,
    STATIC_PATH = 4,
    STATIC_SCHEME_HTTP = 6,
    STATIC_SCHEME_HTTPS = 7,
    STATIC_ACCEPT = 19
};
enum { SETTING_ENABLE_PUSH = 2, SETTING_MAX_STREAMS = 3, SETTING_INITIAL_WINDOW = 4 };

#define WINDOW_FULL 0x7fffffffu
#define WINDOW_DEFAULT 65535u
#define WINDOW_TOP_UP (1u << 30)
#define BLOCK_MAX 8192

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void send_frame(struct conn *conn, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len)
{
    uint8_t head[9];
    put32(head, (uint32_t)len << 8);
    head[3] = type;
    head[4] = flags;
    put32(head + 5, stream);
    conn_send(conn, head, sizeof(head));
    if (len != 0)
        conn_send(conn, payload, len);
}

static void send_window(struct conn *conn, uint32_t stream, uint32_t increment)
{
    uint8_t payload[4];
    put32(payload, increment);
    send_frame(conn, FRAME_WINDOW_UPDATE, 0, stream, payload, sizeof(payload));
}

/* ---- requests: literals without indexing, so there is no encoder state to keep ---- */

struct block {
    uint8_t bytes[BLOCK_MAX];
    size_t len;
};

static void block_byte(struct block *b, uint8_t v)
{
    if (b->len == BLOCK_MAX)
        tool_die("the request header is too long");
    b->bytes[b->len++] = v;
}

static void block_integer(struct block *b, uint8_t first, unsigned prefix_bits, size_t v)
{
    size_t limit = ((size_t)1 << prefix_bits) - 1;
    if (v < limit) {
        block_byte(b, (uint8_t)(first | v));
        return;
    }
    block_byte(b, (uint8_t)(first | limit));
    for (v -= limit; v >= 128; v >>= 7)
        block_byte(b, (uint8_t)(v | 128));
    block_byte(b, (uint8_t)v);
}

static void block_string(struct block *b, const char *s, size_t len)
{
    block_integer(b, 0, 7, len);
    for (size_t i = 0; i < len; ++i)
        block_byte(b, (uint8_t)s[i]);
}

static void block_known(struct block *b, unsigned name_index, const char *value, size_t len)
{
    block_integer(b, 0, 4, name_index);
    block_string(b, value, len);
}

static void block_named(struct block *b, const char *name, size_t name_len, const char *value, size_t len)
{
    char lower[256];
    if (name_len > sizeof(lower))
        tool_die("a header name is too long");
    for (size_t i = 0; i < name_len; ++i)
        lower[i] = (char)tolower((unsigned char)name[i]);
    block_byte(b, 0);
    block_string(b, lower, name_len);
    block_string(b, value, len);
}

static void request(struct conn *conn, uint32_t stream)
{
    const struct options *o = conn->engine->options;
    struct block b = {.len = 0};
    char target[4096];
    size_t target_len = options_target(o, (uint64_t)conn->index * o->streams + stream, target, sizeof(target));
    block_integer(&b, 0x80, 7, STATIC_METHOD_GET);
    block_integer(&b, 0x80, 7, o->tls ? STATIC_SCHEME_HTTPS : STATIC_SCHEME_HTTP);
    block_known(&b, STATIC_AUTHORITY, o->authority, strlen(o->authority));
    block_known(&b, STATIC_PATH, target, target_len);
    block_known(&b, STATIC_ACCEPT, "text/event-stream", 17);
    if (o->header != NULL) {
        const char *colon = strstr(o->header, ": ");
        block_named(&b, o->header, (size_t)(colon - o->header), colon + 2, strlen(colon + 2));
    }
    if (conn->ids != NULL && conn->ids[stream].len != 0) {
        block_named(&b, "last-event-id", 13, conn->ids[stream].id, conn->ids[stream].len);
        ++conn->engine->counters[COUNTER_resumed];
    } else {
        /* Without a cursor the stream starts at the live end, wherever that is now. */
        memset(&conn->next[(size_t)stream * o->subjects_per_stream], 0, o->subjects_per_stream * sizeof(*conn->next));
    }
    send_frame(conn, FRAME_HEADERS, FLAG_END_STREAM | FLAG_END_HEADERS, stream * 2 + 1, b.bytes, b.len);
    conn->streams[stream].state = STREAM_REQUESTED;
}

void h2_request_all(struct conn *conn)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    uint8_t settings[12];
    conn_send(conn, preface, sizeof(preface) - 1);
    put32(settings, (uint32_t)SETTING_ENABLE_PUSH << 16);
    put32(settings + 2, 0);
    put32(settings + 6, (uint32_t)SETTING_INITIAL_WINDOW << 16);
    put32(settings + 8, WINDOW_FULL);
    send_frame(conn, FRAME_SETTINGS, 0, 0, settings, sizeof(settings));
    send_window(conn, 0, WINDOW_FULL - WINDOW_DEFAULT);
    conn->consumed = 0;
    conn->frame_head_len = 0;
    conn->requested_ns = tool_now_ns();
    for (uint32_t i = 0; i < conn->engine->options->streams; ++i) {
        conn->streams[i].consumed = 0;
        request(conn, i);
    }
}

/* ---- what comes back ---- */

static bool fail(struct conn *conn, const char *what)
{
    ++conn->engine->counters[COUNTER_protocol_errors];
    engine_warn(conn->engine, "connection %u: %s", conn->index, what);
    return false;
}

static struct stream *find(struct conn *conn, uint32_t id)
{
    uint32_t index = (id - 1) / 2;
    if (id % 2 == 0 || index >= conn->engine->options->streams)
        return NULL;
    return &conn->streams[index];
}

static void end_stream(struct conn *conn, struct stream *s)
{
    if (s->state == STREAM_ENDED)
        return;
    if (!s->was_ready)
        atomic_fetch_add_explicit(&conn->engine->control->failed, 1, memory_order_relaxed);
    s->state = STREAM_ENDED;
    events_reset(s);
    ++conn->engine->counters[COUNTER_closed];
}

struct answer {
    char status[4];
    char type[64];
};

static bool read_headers(struct conn *conn, const uint8_t *p, size_t len, struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(conn->inflater, &nv, &flags, p, len, 1);
        if (n < 0)
            return false;
        p += n;
        len -= (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            if (nv.namelen == 7 && memcmp(nv.name, ":status", 7) == 0)
                snprintf(answer->status, sizeof(answer->status), "%.*s", (int)nv.valuelen, (const char *)nv.value);
            else if (nv.namelen == 12 && memcmp(nv.name, "content-type", 12) == 0)
                snprintf(answer->type, sizeof(answer->type), "%.*s", (int)nv.valuelen, (const char *)nv.value);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            return nghttp2_hd_inflate_end_headers(conn->inflater) == 0;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && len == 0)
            return true;
    }
}

static bool on_headers(struct conn *conn, const uint8_t *p, size_t len)
{
    struct engine *engine = conn->engine;
    struct stream *s = find(conn, conn->frame_stream);
    if (s == NULL || (conn->frame_flags & FLAG_END_HEADERS) == 0)
        return fail(conn, "HEADERS on an unknown stream, or in pieces");
    size_t pad = 0, skip = 0;
    if ((conn->frame_flags & FLAG_PADDED) != 0 && len != 0) {
        pad = p[0];
        skip = 1;
    }
    skip += (conn->frame_flags & FLAG_PRIORITY) != 0 ? 5 : 0;
    struct answer answer;
    if (skip + pad > len || !read_headers(conn, p + skip, len - skip - pad, &answer))
        return fail(conn, "bad header block");
    if (s->state != STREAM_REQUESTED)
        return true; /* trailers, or a stream that has ended */
    if (strcmp(answer.status, "200") != 0 || strncmp(answer.type, "text/event-stream", 17) != 0) {
        ++engine->counters[COUNTER_refused];
        engine_warn(engine, "connection %u stream %u: status %s, type '%s'", conn->index, (conn->frame_stream - 1) / 2,
                    answer.status, answer.type);
        if (!s->was_ready)
            atomic_fetch_add_explicit(&engine->control->failed, 1, memory_order_relaxed);
        s->state = STREAM_ENDED;
        return true;
    }
    s->state = STREAM_OPEN;
    histogram_add(&engine->first_byte, (uint64_t)(engine->now_ns - conn->requested_ns));
    if (!s->was_ready) {
        s->was_ready = true;
        atomic_fetch_add_explicit(&engine->control->ready, 1, memory_order_relaxed);
    }
    if ((conn->frame_flags & FLAG_END_STREAM) != 0)
        end_stream(conn, s);
    return true;
}

static bool on_settings(struct conn *conn, const uint8_t *p, size_t len)
{
    if ((conn->frame_flags & FLAG_ACK) != 0)
        return true;
    for (; len >= 6; p += 6, len -= 6) {
        uint32_t value = get32(p + 2);
        if ((p[0] << 8 | p[1]) == SETTING_MAX_STREAMS && value < conn->engine->options->streams)
            tool_die("the server allows %u streams on a connection: use --streams %u and more --connections", value,
                     value);
    }
    send_frame(conn, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
    return true;
}

static bool on_control_frame(struct conn *conn)
{
    const uint8_t *p = (const uint8_t *)conn->control_frame;
    struct stream *s;
    switch (conn->frame_type) {
    case FRAME_HEADERS:
        return on_headers(conn, p, conn->frame_len);
    case FRAME_SETTINGS:
        return on_settings(conn, p, conn->frame_len);
    case FRAME_CONTINUATION:
    case FRAME_PUSH_PROMISE:
        return fail(conn, "CONTINUATION or PUSH_PROMISE");
    case FRAME_PING:
        if ((conn->frame_flags & FLAG_ACK) == 0 && conn->frame_len == 8)
            send_frame(conn, FRAME_PING, FLAG_ACK, 0, p, 8);
        return true;
    case FRAME_RST_STREAM:
        s = find(conn, conn->frame_stream);
        if (s != NULL)
            end_stream(conn, s);
        return true;
    case FRAME_GOAWAY:
        engine_warn(conn->engine, "connection %u: GOAWAY, code %u", conn->index,
                    conn->frame_len >= 8 ? get32(p + 4) : 0);
        return true;
    default:
        return true; /* WINDOW_UPDATE: we send no bodies; unknown types must be ignored */
    }
}

static bool begin_frame(struct conn *conn)
{
    const uint8_t *h = conn->frame_head;
    conn->frame_len = conn->frame_left = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    conn->frame_type = h[3];
    conn->frame_flags = h[4];
    conn->frame_stream = get32(h + 5) & WINDOW_FULL;
    if (conn->frame_len > 16384)
        return fail(conn, "a frame over 16 KiB");
    if (conn->frame_type == FRAME_DATA) {
        if ((conn->frame_flags & FLAG_PADDED) != 0 || find(conn, conn->frame_stream) == NULL)
            return fail(conn, "DATA with padding, or on an unknown stream");
        ++conn->engine->counters[COUNTER_data_frames];
    } else if (conn->frame_len > conn->control_cap) {
        conn->control_cap = conn->frame_len;
        conn->control_frame = tool_realloc(conn->control_frame, conn->control_cap);
    }
    return true;
}

static void on_data(struct conn *conn, const char *p, size_t len)
{
    uint32_t index = (conn->frame_stream - 1) / 2;
    struct stream *s = &conn->streams[index];
    conn->consumed += (uint32_t)len;
    s->consumed += (uint32_t)len;
    if (conn->consumed >= WINDOW_TOP_UP) {
        send_window(conn, 0, conn->consumed);
        conn->consumed = 0;
    }
    if (s->state != STREAM_OPEN)
        return;
    if (s->consumed >= WINDOW_TOP_UP) {
        send_window(conn, conn->frame_stream, s->consumed);
        s->consumed = 0;
    }
    events_feed(conn, index, p, len);
}

static bool end_frame(struct conn *conn)
{
    conn->frame_head_len = 0;
    if (conn->frame_type != FRAME_DATA)
        return on_control_frame(conn);
    if ((conn->frame_flags & FLAG_END_STREAM) != 0)
        end_stream(conn, find(conn, conn->frame_stream));
    return true;
}

bool h2_feed(struct conn *conn, const char *p, size_t len)
{
    const char *end = p + len;
    for (;;) {
        if (conn->frame_head_len < sizeof(conn->frame_head)) {
            size_t missing = sizeof(conn->frame_head) - conn->frame_head_len, have = (size_t)(end - p);
            size_t take = have < missing ? have : missing;
            memcpy(conn->frame_head + conn->frame_head_len, p, take);
            conn->frame_head_len = (uint8_t)(conn->frame_head_len + take);
            p += take;
            if (take < missing)
                return true;
            if (!begin_frame(conn))
                return false;
        }
        size_t take = (size_t)(end - p) < conn->frame_left ? (size_t)(end - p) : conn->frame_left;
        if (conn->frame_type == FRAME_DATA)
            on_data(conn, p, take);
        else if (take != 0)
            memcpy(conn->control_frame + (conn->frame_len - conn->frame_left), p, take);
        p += take;
        conn->frame_left -= (uint32_t)take;
        if (conn->frame_left != 0)
            return true;
        if (!end_frame(conn))
            return false;
    }
}
