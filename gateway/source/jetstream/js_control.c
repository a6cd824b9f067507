/* js_control.c - the control thread of a JetStream source: all calls that may block, one after the other */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_control.h"

#include <stddef.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/source/jetstream/js_follow.h"
#include "gateway/source/jetstream/js_hole.h"
#include "gateway/source/jetstream/js_inspect.h"
#include "gateway/source/jetstream/js_link.h"
#include "gateway/source/jetstream/js_poll.h"
#include "gateway/source/jetstream/js_publish.h"
#include "gateway/source/jetstream/js_republish.h"
#include "gateway/source/jetstream/js_state.h"
#include "gateway/source/nats/nats_retry.h"

#define MISSING_RETRY_MS 1000 /* a stream that isn't there is asked for */
#define LOOK_RETRY_MS 500     /* a question that wasn't answered is asked again */
#define SILENCES_MAX 2        /* calls in a row without an answer: perhaps another server gives one */

static int64_t earlier_of(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Behind those that wait already; one that is new is asked about at once. */
static void add_looks(struct js_source *source, struct look *looks)
{
    struct look **end = &source->looks;
    while (*end != NULL)
        end = &(*end)->next;
    *end = looks;
    if (looks != NULL)
        source->look_at_ns = 0;
}

static void take_work(struct js_source *source, struct js_link *link, struct js_work *work, int64_t until_ns)
{
    js_inbox_take(&source->inbox, link != NULL ? &link->news : NULL, work, until_ns);
    add_looks(source, work->looks);
    if (work->has_discovered || work->is_lame_duck)
        js_link_remember_servers(source, link);
}

/* Another server may accept us at once; without one, stay until this one is gone. */
static bool is_to_move(const struct js_source *source, const struct js_work *work)
{
    return work->is_lame_duck && source->servers_count > 1;
}

/* Lets time pass. False: the session is of no more use (or, without one, the source stops). */
static bool wait_for(struct js_source *source, struct js_link *link, int64_t ms)
{
    int64_t deadline_ns = clock_mono_ns() + ms * NS_PER_MS;
    struct js_work work;
    do {
        take_work(source, link, &work, deadline_ns);
        js_publish_refuse(source, work.publishes); /* a client would have to wait for the next session */
        if (work.is_stopping || (link != NULL && (atomic_load(&link->session.is_over) || is_to_move(source, &work))))
            return false;
    } while (clock_mono_ns() < deadline_ns);
    return true;
}

/* ---- looks ---- */

static void answer_all(struct js_source *source, uint64_t first, uint64_t last)
{
    for (struct look *look = source->looks, *next; look != NULL; look = next) {
        next = look->next;
        look->first = first;
        look->last = last;
        look->looked(look);
    }
    source->looks = NULL;
}

/* One request for all looks that wait. */
static void answer_looks(struct js_source *source, struct js_link *link)
{
    struct js_stream stream;
    int64_t now_ns = clock_mono_ns();
    if (source->looks == NULL || now_ns < source->look_at_ns)
        return;
    if (js_inspect_stream(source, link, &stream) != JS_STREAM_OK || stream.incarnation != source->incarnation) {
        /* The consumer is about to notice, too. */
        source->look_at_ns = now_ns + LOOK_RETRY_MS * NS_PER_MS;
        return;
    }
    uint64_t base = link->session.base;
    js_session_raise_first(&source->base, base + stream.first);
    answer_all(source, base + stream.first, base + stream.last);
}

static void answer_unasked(struct js_source *source)
{
    uint64_t last = atomic_load(&source->base.published), first = atomic_load(&source->base.first);
    answer_all(source, first != 0 && first <= last ? first : last + 1, last);
}

/* ---- a session at work ---- */

static void set_current(struct js_source *source, struct js_link *link)
{
    if (link != NULL)
        link->was_current = true;
    js_inbox_set_current(&source->inbox, link != NULL ? &link->session : NULL);
}

static void go_live(struct js_source *source, struct js_link *link)
{
    char url[512] = "";
    int64_t lost_ns = atomic_exchange(&source->lost_ns, 0);
    source->failures = 0;
    if (source->was_live && source->lost_reason == NULL)
        return; /* an interruption that was not logged needs no end in the log */
    lock_take(&source->live.lock);
    uint64_t next = source->live.horizon - source->live.base + 1;
    if (source->live.horizon >= source->live.warm_at)
        js_inbox_set_warm(&source->inbox);
    lock_give(&source->live.lock);
    natsConnection_GetConnectedUrl(link->session.connection, url, sizeof(url));
    nats_settings_strip_url(url);
    log_write(LOG_INFO, "stream-live", log_str("stream", source->stream), log_str("url", url), log_u64("next", next),
              log_i64("outage_ms", source->was_live ? (clock_mono_ns() - lost_ns) / NS_PER_MS : 0));
    source->was_live = true;
    source->lost_reason = NULL;
}

static void go_down(struct js_source *source, const char *reason)
{
    int64_t none = 0;
    atomic_compare_exchange_strong(&source->lost_ns, &none, clock_mono_ns());
    /* No reason: we stop. */
    if (source->was_live && source->lost_reason == NULL && reason != NULL) {
        log_write_limited(LOG_WARN, "stream-lost", log_str("stream", source->stream), log_str("reason", reason));
        source->lost_reason = reason;
    }
}

/* Makes another consumer on the same connection, as soon as that is possible. */
static enum js_follow_status restart_live(struct js_source *source, struct js_link *link, const char *reason)
{
    go_down(source, reason);
    enum js_follow_status status = js_follow_start(source, link);
    if (status == JS_FOLLOW_OK)
        go_live(source, link);
    return status;
}

/* Returns what became of the consumer; OK: nothing, but the session is over. */
static enum js_follow_status work_on_session(struct js_source *source, struct js_link *link, const char **reason)
{
    enum js_follow_status status = JS_FOLLOW_OK;
    struct js_work work;
    int64_t until_ns = clock_mono_ns();
    for (;;) {
        take_work(source, link, &work, until_ns);
        bool over = atomic_load(&link->session.is_over);
        if (work.is_stopping || over || is_to_move(source, &work)) {
            js_publish_refuse(source, work.publishes);
            *reason = work.is_stopping ? NULL
                      : work.is_closed ? "the connection is lost"
                      : over           ? "nothing stored could be read on the connection"
                                       : "the server is about to stop";
            return JS_FOLLOW_OK;
        }
        js_publish_send(source, link, work.publishes);
        js_hole_settle(source, link);
        js_follow_check_hole(source, link);
        answer_looks(source, link);
        if (!js_poll_work(source, link))
            js_inbox_give_up(&source->inbox, &link->session);
        int64_t now_ns = clock_mono_ns();
        *reason = js_follow_trouble(source, now_ns);
        if (*reason != NULL && (status = restart_live(source, link, *reason)) != JS_FOLLOW_OK)
            return status;
        until_ns = js_poll_due(source);
        if (!js_republish_leads(source))
            until_ns = earlier_of(until_ns, atomic_load(&source->live.heard_ns) + JS_SILENCE_MS * NS_PER_MS);
        until_ns = earlier_of(until_ns, js_publish_expire(source, now_ns, false));
        until_ns = earlier_of(until_ns, js_hole_due(source));
        if (source->looks != NULL)
            until_ns = earlier_of(until_ns, source->look_at_ns);
    }
}

static int64_t pause_after(const struct js_source *source, enum js_follow_status status)
{
    return status == JS_FOLLOW_MISSING ? nats_retry_ms(MISSING_RETRY_MS, MISSING_RETRY_MS, 0)
                                       : nats_retry_ms(RECONNECT_MIN_MS, RECONNECT_MAX_MS, source->failures);
}

/* True: another session may be made at once. */
static bool serve_session(struct js_source *source, struct js_link *link)
{
    const char *reason = "the connection is lost";
    enum js_follow_status status = JS_FOLLOW_OK;
    bool goes_on = true;
    while (goes_on) {
        status = js_follow_start(source, link);
        if (status == JS_FOLLOW_OK) {
            set_current(source, link);
            go_live(source, link);
            status = work_on_session(source, link, &reason);
            goes_on = status != JS_FOLLOW_OK;
            set_current(source, NULL);
            js_publish_expire(source, 0, true);
        }
        if (status == JS_FOLLOW_STALE || link->silences >= SILENCES_MAX)
            goes_on = false;
        if (goes_on)
            goes_on = wait_for(source, link, pause_after(source, status));
    }
    go_down(source, reason);
    metrics_add_shared(METRIC_NATS_DISCONNECTS, atomic_load(&link->session.is_over));
    return status == JS_FOLLOW_OK || status == JS_FOLLOW_STALE;
}

/* From here on the core's calls are answered by the callers' own threads. */
static void leave_inbox(struct js_source *source)
{
    struct js_work work;
    js_inbox_take_last(&source->inbox, &work);
    add_looks(source, work.looks);
    js_publish_refuse(source, work.publishes);
    answer_unasked(source);
}

void *js_control_main(void *arg)
{
    struct js_source *source = arg;
    source->thread = pthread_self();
    while (!atomic_load(&source->inbox.is_stopping)) {
        struct js_link *link = js_link_connect(source);
        if (link == NULL) {
            unsigned n = source->failures++;
            wait_for(source, NULL,
                     source->was_turned_away ? nats_retry_ms(REBUILD_MIN_MS, REBUILD_MAX_MS, n)
                                             : nats_retry_ms(RECONNECT_MIN_MS, RECONNECT_MAX_MS, n));
            continue;
        }
        bool at_once = serve_session(source, link);
        /* The consumer first, while there is a connection to delete it on. */
        js_follow_end(source, link);
        js_republish_reset(source);
        js_link_end(source, link);
        /* A session that came to nothing: the next one may well, too. */
        if (!at_once)
            wait_for(source, NULL, nats_retry_ms(REBUILD_MIN_MS, REBUILD_MAX_MS, 0));
    }
    leave_inbox(source);
    return NULL;
}
