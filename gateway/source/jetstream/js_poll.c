/* js_poll.c - republish mode: control looks after the subscriptions, and how far the stream is */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_poll.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/core/ingress.h"
#include "gateway/source/jetstream/js_consumer.h"
#include "gateway/source/jetstream/js_feeds.h"
#include "gateway/source/jetstream/js_inspect.h"
#include "gateway/source/jetstream/js_live.h"
#include "gateway/source/jetstream/js_republish.h"
#include "gateway/source/jetstream/js_state.h"
#include "gateway/source/nats/nats_denial.h"

#define POLL_MS 1000
#define QUIET_MS 150 /* after that long what was stored before has arrived, if it is to arrive at all */

int64_t js_poll_due(const struct js_source *source)
{
    CHECK_THREAD(source);
    return source->republish.is_wanted ? source->republish.poll_at_ns : 0;
}

/*
 * Channels that are quiet don't move the horizon, nor do messages for no channel.
 * What was stored a poll ago and hasn't come by now is not for us; should one
 * come nevertheless, it is late, and readers are told.
 */
static void advance_horizon(struct js_source *source, struct js_link *link, uint64_t last)
{
    struct js_live *live = &source->live;
    struct js_republish *republish = &source->republish;
    /* on a busy machine it may seem quiet because the delivery thread has had no time */
    bool is_empty = js_feeds_are_empty(link); /* without the lock, which delivery takes while it holds others */
    lock_take(&live->lock);
    bool is_quiet = is_empty && clock_mono_coarse_ns() - republish->arrived_ns >= QUIET_MS * NS_PER_MS;
    if (republish->mode == JS_BY_REPUBLISH && is_quiet && republish->polled > live->horizon) {
        live->horizon = republish->polled;
        ingress_advance(&source->base, live->horizon);
    }
    republish->polled = last;
    js_republish_polled(source, last);
    if (republish->mode == JS_BY_REPUBLISH && last > live->horizon)
        republish->poll_at_ns = clock_mono_ns() + QUIET_MS * NS_PER_MS;
    lock_give(&live->lock);
}

/* False: there is no answer. */
static bool read_last(struct js_source *source, struct js_link *link, uint64_t *last)
{
    struct js_republish *republish = &source->republish;
    struct js_stream stream;
    enum js_stream_status status = js_inspect_stream(source, link, &stream);
    lock_take(&source->live.lock);
    bool is_ours = status == JS_STREAM_OK && stream.incarnation == source->incarnation;
    if (status == JS_STREAM_FAILED)
        republish->was_unreachable = true;
    else if (status == JS_STREAM_OK && !is_ours && republish->mode == JS_BY_REPUBLISH)
        js_live_break_off(source, "the stream was recreated");
    lock_give(&source->live.lock);
    if (!is_ours)
        return false;
    js_session_raise_first(&source->base, link->session.base + stream.first);
    *last = link->session.base + stream.last;
    return true;
}

/* The consumer isn't needed for now, nor is one that should be gone. */
static void delete_consumers(struct js_source *source, struct js_link *link, bool is_due)
{
    lock_take(&source->live.lock);
    bool rests = source->republish.is_resting, has_strays = source->live.has_heard_stray && is_due;
    source->republish.is_resting = false;
    if (has_strays)
        source->live.has_heard_stray = false;
    lock_give(&source->live.lock);
    if (rests) {
        js_consumer_delete(source, link);
        log_write_limited(LOG_INFO, "stream-republishes", log_str("stream", source->stream),
                          log_str("reason", "no consumer is needed while nothing is lost"));
    }
    if (has_strays)
        js_consumer_delete_strays(source, link);
}

bool js_poll_work(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    struct js_republish *republish = &source->republish;
    char denial[NATS_ERROR_TEXT_MAX];
    size_t fed = 0;
    uint64_t last;
    if (!republish->is_wanted || republish->to == NULL)
        return true;
    if (!js_feeds_subscribe(source, link, &fed))
        return false;
    /* New subscriptions don't wait for the next poll: their readers do. */
    int64_t now_ns = clock_mono_ns();
    bool is_due = fed != 0 || now_ns >= republish->poll_at_ns;
    delete_consumers(source, link, is_due);
    if (!is_due)
        return true;
    js_feeds_end(source, link);
    if (natsConnection_FlushTimeout(link->session.connection, JS_API_WAIT_MS) != NATS_OK)
        return false;
    /* The report of a refusal may come after readers have started, of a wider channel, too, whose copies are withheld. */
    if (nats_denial_noted(link->session.connection, denial))
        js_republish_on_denial(source, denial);
    js_feeds_index(source, link);
    republish->poll_at_ns = now_ns + POLL_MS * NS_PER_MS;
    if (!read_last(source, link, &last))
        return true;
    js_feeds_confirm(source, link, last);
    advance_horizon(source, link, last);
    return true;
}
