/* nats_control.c - the control thread of a NATS source: all calls of the client library that may block */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_control.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/source/nats/nats_channels.h"
#include "gateway/source/nats/nats_confirm.h"
#include "gateway/source/nats/nats_feed.h"
#include "gateway/source/nats/nats_link.h"
#include "gateway/source/nats/nats_outage.h"
#include "gateway/source/nats/nats_own.h"
#include "gateway/source/nats/nats_publish.h"
#include "gateway/source/nats/nats_questions.h"
#include "gateway/source/nats/nats_state.h"

#define PUBLISH_WAIT_MS 2000 /* for the broker to have what was published */
#define STOP_FLUSH_MS 500
#define STOP_WAIT_MS 5000 /* for the client library to release a connection */
_Static_assert(PUBLISH_WAIT_MS > OPEN_WAIT_MS && OPEN_WAIT_MS < STOP_WAIT_MS,
               "the second wait for a publish is the rest of its time");

static void handle_completed(struct nats_source *source, struct nats_feed *feeds)
{
    for (struct nats_feed *feed = feeds, *next; feed != NULL; feed = next) {
        next = feed->next;
        nats_feed_retire(feed);
        if (feed->owner != NULL)
            nats_channels_completed(feed);
        else
            nats_own_completed(source, feed);
    }
}

static void send_questions(struct nats_source *source, struct nats_question *questions)
{
    /* a source that is never asked needs no permission to hear replies */
    if (questions != NULL)
        nats_questions_send(source, questions, source->is_up && nats_own_takes_replies(source));
}

static bool needs_flush(const struct nats_source *source)
{
    return source->is_up && (source->has_unproven || source->retired != NULL);
}

/* One round trip to the broker for all that was asked for since the last one. */
static bool confirm_requests(struct nats_source *source, const struct nats_work *work)
{
    bool is_flush_due = needs_flush(source) && clock_mono_ns() >= source->flush_at_ns;
    if (!source->is_up || (work->opens == NULL && work->publishes == NULL && !is_flush_due)) {
        nats_confirm_denials(source, nats_inbox_take_denials(&source->inbox), work->publishes);
        return false;
    }
    bool confirmed = nats_confirm(source, work->publishes, OPEN_WAIT_MS);
    source->flush_at_ns = clock_mono_ns() + OPEN_WAIT_MS * NS_PER_MS;
    return confirmed;
}

static void handle_requests(struct nats_source *source, const struct nats_work *work)
{
    send_questions(source, work->questions); /* first: nothing has to be confirmed of them */
    nats_channels_open(source, work->opens);
    uint64_t reconnects = work->publishes != NULL ? nats_publish_count_reconnects(source) : 0;
    nats_publish_send(source, work->publishes);
    bool confirmed = confirm_requests(source, work);
    if (confirmed)
        nats_channels_proven(source);
    nats_channels_tick(source, clock_mono_ns());
    /* Readers wait no longer than that for their subscription; a publisher may. */
    if (work->publishes == NULL)
        return;
    if (!confirmed && source->is_up)
        confirmed =
            nats_confirm(source, work->publishes, work->is_stopping ? STOP_FLUSH_MS : PUBLISH_WAIT_MS - OPEN_WAIT_MS);
    nats_publish_finish(source, work->publishes, confirmed && nats_publish_count_reconnects(source) == reconnects);
}

static int64_t earlier_of(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static int64_t next_wake(struct nats_source *source)
{
    int64_t at_ns = nats_channels_tick(source, clock_mono_ns());
    if (needs_flush(source))
        at_ns = earlier_of(at_ns, source->flush_at_ns);
    at_ns = earlier_of(at_ns, nats_questions_tick(source, clock_mono_ns()));
    return earlier_of(at_ns, source->rebuild_at_ns);
}

/* There is no connection any more to send anything on. */
static void refuse_work(struct nats_source *source, const struct nats_work *work)
{
    nats_channels_open(source, work->opens);
    nats_channels_close(source, work->closes);
    handle_completed(source, work->completed);
    nats_confirm_denials(source, work->denials, NULL);
    send_questions(source, work->questions);
    nats_publish_finish(source, work->publishes, false);
}

/*
 * A connector that is still at work has to come back first. The core may
 * continue to close channels meanwhile; those are closed as their
 * subscriptions end.
 */
static void close_connection(struct nats_source *source)
{
    int64_t deadline_ns = clock_mono_ns() + STOP_WAIT_MS * NS_PER_MS;
    bool has_begun = false, is_closed = false;
    struct nats_work work;
    source->is_up = false;
    nats_link_set_connected(source, false);
    nats_questions_fail(source, NULL);
    for (;;) {
        if (!source->is_connecting && source->connection != NULL && !has_begun) {
            nats_link_close(source);
            has_begun = true;
        }
        if (!source->is_connecting && is_closed == has_begun && source->feeds == 0)
            break;
        if (!nats_inbox_take(&source->inbox, &work, deadline_ns)) {
            log_write(LOG_ERROR, "nats-stop-stuck", log_u64("subscriptions", source->feeds));
            source->is_abandoned = true;
            nats_channels_abandon(source);
            return;
        }
        if (work.link.is_connector_done) {
            source->is_connecting = false;
            source->connection = work.link.connection;
        }
        is_closed = is_closed || work.link.is_closed;
        refuse_work(source, &work);
    }
    nats_feed_free_retired(source);
}

void *nats_control_main(void *arg)
{
    struct nats_source *source = arg;
    struct nats_work work;
    int64_t wake_at_ns = 0;
    source->thread = pthread_self();
    nats_link_connect(source);
    do {
        nats_inbox_take(&source->inbox, &work, wake_at_ns);
        handle_completed(source, work.completed);
        nats_confirm_denials(source, work.denials, NULL);
        if (work.has_slow_consumer)
            nats_channels_watch_drops(source);
        nats_outage_handle(source, &work.link);
        handle_requests(source, &work);
        nats_channels_close(source, work.closes);
        if (source->rebuild_at_ns != 0 && clock_mono_ns() >= source->rebuild_at_ns && !work.is_stopping)
            nats_link_connect(source);
        wake_at_ns = next_wake(source);
    } while (!work.is_stopping);
    close_connection(source);
    /* From here on the core's calls are answered by the callers' own threads. */
    nats_inbox_take_last(&source->inbox, &work);
    refuse_work(source, &work);
    return NULL;
}
