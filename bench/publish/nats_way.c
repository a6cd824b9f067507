/* nats_way.c - publishes to core NATS or JetStream */
/* SPDX-License-Identifier: MIT */
#include "bench/publish/publish.h"

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/common/tool.h"

/* Above this rate nats.c collects messages for up to a millisecond; below, each leaves at once. */
#define SEND_AT_ONCE_BELOW 20000

struct nats_way {
    struct way way;
    natsConnection *connection;
    jsCtx *js;
    uint32_t window, unflushed;
    _Atomic uint64_t refused;
};

static void must(natsStatus status, const char *what)
{
    if (status != NATS_OK)
        tool_die("%s: %s: %s", what, natsStatus_GetText(status), nats_GetLastError(NULL));
}

static void send_core(struct way *way, const char *subject, const char *payload, size_t len, bool last_for_now)
{
    struct nats_way *w = (struct nats_way *)way;
    (void)last_for_now;
    must(natsConnection_Publish(w->connection, subject, payload, (int)len), "publish");
    /* A round trip per window bounds what the broker has not seen yet. */
    if (w->window != 0 && ++w->unflushed == w->window) {
        w->unflushed = 0;
        must(natsConnection_FlushTimeout(w->connection, 30000), "flush");
    }
}

static uint64_t settle_core(struct way *way)
{
    struct nats_way *w = (struct nats_way *)way;
    must(natsConnection_FlushTimeout(w->connection, 30000), "flush");
    return 0;
}

static void on_refused(jsCtx *js, jsPubAckErr *error, void *closure)
{
    struct nats_way *w = closure;
    (void)js;
    if (atomic_fetch_add(&w->refused, 1) == 0)
        tool_warn("JetStream refused a message: %s", error->ErrText);
}

static void send_js(struct way *way, const char *subject, const char *payload, size_t len, bool last_for_now)
{
    struct nats_way *w = (struct nats_way *)way;
    (void)last_for_now;
    must(js_PublishAsync(w->js, subject, payload, (int)len, NULL), "JetStream publish");
}

static uint64_t settle_js(struct way *way)
{
    struct nats_way *w = (struct nats_way *)way;
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = 60000;
    must(js_PublishAsyncComplete(w->js, &options), "JetStream acknowledgements");
    return atomic_load(&w->refused);
}

static void close_nats(struct way *way)
{
    struct nats_way *w = (struct nats_way *)way;
    jsCtx_Destroy(w->js);
    natsConnection_Destroy(w->connection);
    free(w);
    nats_Close();
}

/* "bench.%d" belongs to a stream of "bench.*". */
static void ensure_stream(struct nats_way *w, const struct publish_options *o)
{
    char subject[300];
    const char *hole = strstr(o->subject, "%d"), *subjects[1] = {subject};
    size_t before = hole == NULL ? strlen(o->subject) : (size_t)(hole - o->subject);
    if (before + 2 > sizeof(subject))
        tool_die("the subject is too long");
    memcpy(subject, o->subject, before);
    memcpy(subject + before, hole == NULL ? "" : "*", hole == NULL ? 1 : 2);
    jsStreamConfig config;
    must(jsStreamConfig_Init(&config), "stream");
    config.Name = o->stream;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_MemoryStorage;
    config.MaxBytes = 1 << 30;
    jsStreamInfo *info = NULL;
    if (js_GetStreamInfo(&info, w->js, o->stream, NULL, NULL) == NATS_NOT_FOUND)
        must(js_AddStream(&info, w->js, &config, NULL, NULL), "creating the stream");
    jsStreamInfo_Destroy(info);
}

struct way *way_nats(const struct publish_options *o)
{
    struct nats_way *w = tool_calloc(1, sizeof(*w));
    natsOptions *options;
    must(natsOptions_Create(&options), "options");
    must(natsOptions_SetURL(options, o->nats), o->nats);
    must(natsOptions_SetName(options, "freshet-publish"), "options");
    must(natsOptions_SetSendAsap(options, o->rate > 0 && o->rate <= SEND_AT_ONCE_BELOW), "options");
    must(natsConnection_Connect(&w->connection, options), o->nats);
    natsOptions_Destroy(options);
    w->way = (struct way){.send = send_core, .settle = settle_core, .close = close_nats};
    w->window = o->rate > 0 ? 0 : o->window;
    if (o->jetstream) {
        jsOptions js;
        jsOptions_Init(&js);
        js.PublishAsync.MaxPending = o->window;
        js.PublishAsync.ErrHandler = on_refused;
        js.PublishAsync.ErrHandlerClosure = w;
        must(natsConnection_JetStream(&w->js, w->connection, &js), "JetStream");
        if (o->stream != NULL)
            ensure_stream(w, o);
        w->way.send = send_js;
        w->way.settle = settle_js;
    }
    return &w->way;
}
