/* load.h - the parts of freshet-load: engine (thread), connection, stream */
/* SPDX-License-Identifier: MIT */
#ifndef BENCH_LOAD_LOAD_H
#define BENCH_LOAD_LOAD_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/common/histogram.h"
#include "bench/load/options.h"

/*
 * The receiving side of HTTP/2 is written by hand: frames are walked where TLS
 * has put them, and events are read out of DATA frames without a copy or a
 * callback per frame. A general library costs more per small frame than the
 * server under test spends on it; nghttp2 only decodes response headers.
 * Windows are opened to 2^31-1 at once and topped up per GiB.
 */

enum counter {
#define X(symbol, is_error, help) COUNTER_##symbol,
#include "bench/load/counters.def"
#undef X
    COUNTER_COUNT
};

/* Set by the main thread, read by the engines once per turn. */
struct control {
    _Atomic bool stopping;
    _Atomic bool measuring;
    _Atomic unsigned cuts, resumes; /* each increment is one order */
    _Atomic uint32_t expect;        /* 0: nothing to wait for */
    _Atomic uint64_t ready, failed; /* streams answered with 200; streams that can't come any more */
};

#define ID_MAX 47
struct id_slot { /* only kept where a resume may come */
    uint8_t len, pending_len;
    char id[ID_MAX], pending[ID_MAX];
};

#define CARRY_MAX 62
struct carry { /* the head of a line that a DATA frame cut in two */
    uint8_t len;
    char bytes[CARRY_MAX];
};

enum stream_state { STREAM_IDLE = 0, STREAM_REQUESTED, STREAM_OPEN, STREAM_ENDED };

struct stream {
    struct carry *carry;
    uint32_t consumed; /* since the last WINDOW_UPDATE */
    uint8_t state;
    bool was_ready;
    bool skip_event; /* named event: its data is not one of ours */
};

enum conn_state {
    CONN_IDLE = 0,
    CONN_QUEUED,
    CONN_CONNECTING,
    CONN_HANDSHAKE,
    CONN_OPEN,
    CONN_STALLED,
    CONN_CUT,
    CONN_DEAD
};

struct conn {
    struct engine *engine;
    SSL *ssl;
    nghttp2_hd_inflater *inflater;
    struct stream *streams;
    uint32_t *next;      /* expected sequence, streams × subjects per stream; 0: none seen yet */
    struct id_slot *ids; /* NULL unless resumes are asked for */
    char *out;           /* not yet accepted by TLS or the socket */
    char *control_frame; /* the frame being collected, all but DATA */
    size_t out_len, out_cap, control_cap;
    int64_t started_ns, requested_ns;
    int fd;
    uint32_t index; /* over all engines */
    uint32_t frame_left, frame_stream, frame_len;
    uint32_t consumed;
    uint8_t frame_head[9];
    uint8_t frame_head_len, frame_type, frame_flags;
    uint8_t state; /* enum conn_state */
    bool stalls;   /* one of those that stop reading */
    bool wants_write;
    bool again; /* TLS still holds bytes that epoll knows nothing of */
    struct conn *next_queued, *next_again;
};

struct hole { /* sequences counted as lost, in case they come after all */
    const uint32_t *slot;
    uint32_t from, to;
};
#define HOLES_MAX 1024

struct engine {
    const struct options *options;
    struct control *control;
    SSL_CTX *tls;
    pthread_t thread;
    int epoll;
    uint32_t index;
    struct conn *conns;
    uint32_t conn_count;
    struct conn *queue_head, *queue_tail; /* waiting to be connected */
    struct conn *again;
    uint32_t connecting;
    int64_t now_ns;        /* of the last read */
    int64_t last_event_ns; /* arrival of the newest event */
    bool measuring, stall_done;
    _Atomic unsigned cuts_done;
    unsigned resumes_done;
    uint32_t reconnect_next;
    int64_t reconnect_at_ns;
    uint64_t counters[COUNTER_COUNT];
    _Atomic uint64_t shown_events; /* copies for the main thread, one store per turn */
    _Atomic uint64_t shown_bytes;
    _Atomic uint64_t shown_frames;
    _Atomic uint64_t behind; /* streams that have not reached control->expect */
    struct hole holes[HOLES_MAX];
    uint32_t hole_count;
    struct histogram latency, connect, first_byte;
    char tls_name[64];
    bool warned;
    char *buffer;
};

#define READ_BUFFER (64 * 1024)

/* engine.c */
void engine_init(struct engine *engine, const struct options *options, struct control *control, SSL_CTX *tls,
                 uint32_t index);
void engine_start(struct engine *engine);
void engine_join(struct engine *engine);
void engine_enqueue(struct conn *conn);
/* Reports the first few of many equal problems. */
void engine_warn(struct engine *engine, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* conn.c */
void conn_connect(struct conn *conn);
void conn_on_ready(struct conn *conn, uint32_t events);
void conn_watch(struct conn *conn);
void conn_send(struct conn *conn, const void *bytes, size_t len);
/* Writes what conn_send has collected. False: the connection broke. */
bool conn_flush(struct conn *conn);
void conn_close(struct conn *conn, enum conn_state state);

/* h2.c */
void h2_request_all(struct conn *conn);
/* False: the peer sent something we can't follow; counted. */
bool h2_feed(struct conn *conn, const char *bytes, size_t len);

/* events.c */
void events_feed(struct conn *conn, uint32_t stream, const char *bytes, size_t len);
void events_reset(struct stream *stream);
/* Streams of the connection that have not reached sequence on all their subjects. */
uint32_t events_behind(const struct conn *conn, uint32_t sequence);

/* report.c */
struct report {
    const struct options *options;
    double ready_s, window_s;
    int64_t resume_ns; /* when the resume was ordered; 0: never */
    uint64_t window_events, window_bytes, window_frames;
    double window_client_cpu_s, window_server_cpu_s;
    struct tool_usage server_before, server_ready, server_end;
    uint64_t streams_ready, behind;
    bool expect_checked;
};
/* Merges the engines' figures, prints them, writes JSON. True when no error was counted. */
bool report_write(const struct report *report, const struct engine *engines);

#endif
