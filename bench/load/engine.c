/* engine.c - one thread of freshet-load: its connections, its event loop, the orders it takes */
/* SPDX-License-Identifier: MIT */
#include "bench/load/load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EPOLL_BATCH 256
#define TURN_MS 20
#define WARNINGS_MAX 5
#define BEHIND_EVERY_NS 20000000

void engine_warn(struct engine *engine, const char *format, ...)
{
    static _Atomic unsigned told;
    if (atomic_load_explicit(&engine->control->stopping, memory_order_relaxed))
        return;
    unsigned n = atomic_fetch_add(&told, 1);
    if (n >= WARNINGS_MAX) {
        if (n == WARNINGS_MAX)
            tool_warn("… and more like these; they are counted");
        return;
    }
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tool_warn("%s", text);
}

/* Spread evenly over the indices, so that each thread has its share. */
static bool is_stalled_one(const struct options *o, uint32_t index)
{
    return (uint64_t)((index + 1) * o->stall + 1e-9) != (uint64_t)(index * o->stall + 1e-9);
}

static void conn_init(struct conn *conn, struct engine *engine, uint32_t index)
{
    const struct options *o = engine->options;
    conn->engine = engine;
    conn->index = index;
    conn->fd = -1;
    conn->stalls = is_stalled_one(o, index);
    conn->streams = tool_calloc(o->streams, sizeof(*conn->streams));
    conn->next = tool_calloc((size_t)o->streams * o->subjects_per_stream, sizeof(*conn->next));
    if (o->keep_ids)
        conn->ids = tool_calloc(o->streams, sizeof(*conn->ids));
}

void engine_init(struct engine *engine, const struct options *options, struct control *control, SSL_CTX *tls,
                 uint32_t index)
{
    engine->options = options;
    engine->control = control;
    engine->tls = tls;
    engine->index = index;
    engine->buffer = tool_malloc(READ_BUFFER);
    engine->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (engine->epoll < 0)
        tool_die("epoll_create1: %s", strerror(errno));
    engine->conns = tool_calloc(options->connections / options->threads + 1, sizeof(*engine->conns));
    for (uint32_t i = index; i < options->connections; i += options->threads) {
        struct conn *conn = &engine->conns[engine->conn_count++];
        conn_init(conn, engine, i);
        engine_enqueue(conn);
    }
}

void engine_enqueue(struct conn *conn)
{
    struct engine *engine = conn->engine;
    conn->state = CONN_QUEUED;
    conn->next_queued = NULL;
    if (engine->queue_tail != NULL)
        engine->queue_tail->next_queued = conn;
    else
        engine->queue_head = conn;
    engine->queue_tail = conn;
}

static void connect_some(struct engine *engine)
{
    while (engine->queue_head != NULL && engine->connecting < engine->options->connect_parallel) {
        struct conn *conn = engine->queue_head;
        engine->queue_head = conn->next_queued;
        if (engine->queue_head == NULL)
            engine->queue_tail = NULL;
        conn_connect(conn);
    }
}

static void cut(struct conn *conn, enum conn_state after)
{
    if (conn->state != CONN_OPEN)
        return;
    ++conn->engine->counters[COUNTER_cut];
    conn_close(conn, after);
}

static void take_orders(struct engine *engine)
{
    struct control *control = engine->control;
    engine->measuring = atomic_load(&control->measuring);
    if (engine->measuring && !engine->stall_done) {
        engine->stall_done = true;
        for (uint32_t i = 0; i < engine->conn_count; ++i) {
            struct conn *conn = &engine->conns[i];
            if (conn->stalls && conn->state == CONN_OPEN) {
                conn->state = CONN_STALLED;
                conn_watch(conn);
            }
        }
    }
    unsigned cuts = atomic_load(&control->cuts);
    if (cuts != atomic_load(&engine->cuts_done)) {
        for (uint32_t i = 0; i < engine->conn_count; ++i)
            cut(&engine->conns[i], CONN_CUT);
        atomic_store(&engine->cuts_done, cuts);
    }
    if (atomic_load(&control->resumes) != engine->resumes_done) {
        engine->resumes_done = atomic_load(&control->resumes);
        for (uint32_t i = 0; i < engine->conn_count; ++i) {
            if (engine->conns[i].state == CONN_CUT)
                engine_enqueue(&engine->conns[i]);
        }
    }
}

/* Reconnecting readers: one connection after the other, each once per period. */
static void reconnect_due(struct engine *engine)
{
    double every = engine->options->reconnect_every_s;
    if (every <= 0 || !engine->measuring || engine->conn_count == 0)
        return;
    int64_t now = tool_now_ns(), step = (int64_t)(every * 1e9 / engine->conn_count);
    if (engine->reconnect_at_ns == 0)
        engine->reconnect_at_ns = now + step;
    while (engine->reconnect_at_ns <= now) {
        struct conn *conn = &engine->conns[engine->reconnect_next++ % engine->conn_count];
        engine->reconnect_at_ns += step;
        if (conn->state == CONN_OPEN) {
            cut(conn, CONN_CUT);
            engine_enqueue(conn);
        }
    }
}

static void look_behind(struct engine *engine)
{
    uint32_t expect = atomic_load(&engine->control->expect);
    uint64_t behind = 0;
    for (uint32_t i = 0; i < engine->conn_count; ++i) {
        if (!engine->conns[i].stalls)
            behind += events_behind(&engine->conns[i], expect);
    }
    atomic_store(&engine->behind, behind);
}

static void show(struct engine *engine)
{
    atomic_store_explicit(&engine->shown_events, engine->counters[COUNTER_events], memory_order_relaxed);
    atomic_store_explicit(&engine->shown_bytes, engine->counters[COUNTER_bytes], memory_order_relaxed);
    atomic_store_explicit(&engine->shown_frames, engine->counters[COUNTER_data_frames], memory_order_relaxed);
}

/* Connections whose TLS buffer still held data when their share of the last turn was used up. */
static void go_on_reading(struct engine *engine)
{
    struct conn *list = engine->again;
    engine->again = NULL;
    while (list != NULL) {
        struct conn *conn = list;
        list = conn->next_again;
        conn->again = false;
        conn_on_ready(conn, EPOLLIN);
    }
}

static void *run(void *arg)
{
    struct engine *engine = arg;
    struct epoll_event ready[EPOLL_BATCH];
    int64_t looked_ns = 0;
    while (!atomic_load_explicit(&engine->control->stopping, memory_order_relaxed)) {
        connect_some(engine);
        int n = epoll_wait(engine->epoll, ready, EPOLL_BATCH, engine->again != NULL ? 0 : TURN_MS);
        if (n < 0 && errno != EINTR)
            tool_die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; ++i)
            conn_on_ready(ready[i].data.ptr, ready[i].events);
        go_on_reading(engine);
        show(engine);
        take_orders(engine);
        reconnect_due(engine);
        if (atomic_load_explicit(&engine->control->expect, memory_order_relaxed) != 0 &&
            tool_now_ns() - looked_ns > BEHIND_EVERY_NS) {
            look_behind(engine);
            looked_ns = tool_now_ns();
        }
    }
    return NULL;
}

void engine_start(struct engine *engine)
{
    if (pthread_create(&engine->thread, NULL, run, engine) != 0)
        tool_die("pthread_create failed");
}

void engine_join(struct engine *engine)
{
    pthread_join(engine->thread, NULL);
    if (atomic_load(&engine->control->expect) != 0)
        look_behind(engine);
}
