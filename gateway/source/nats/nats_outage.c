/* nats_outage.c - what control does when the connection comes, goes, or is given up by the client library */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_outage.h"

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/source/nats/nats_channels.h"
#include "gateway/source/nats/nats_confirm.h"
#include "gateway/source/nats/nats_link.h"
#include "gateway/source/nats/nats_marks.h"
#include "gateway/source/nats/nats_own.h"
#include "gateway/source/nats/nats_questions.h"
#include "gateway/source/nats/nats_retry.h"
#include "gateway/source/nats/nats_state.h"

#define RECONNECT_FLUSH_MS 2000 /* for all subscriptions of a connection to stand */

/* Everything is subscribed, confirmed, marked, announced, in this order. */
static void restore_subscriptions(struct nats_source *source)
{
    uint64_t session = atomic_load(&source->session);
    nats_channels_restore(source);
    nats_own_restore(source);
    /* The answer comes after the library's own resubscriptions, too. */
    bool confirmed = nats_confirm(source, NULL, RECONNECT_FLUSH_MS);
    /* Down again: the next time marks it all. */
    if (!nats_inbox_is_up(&source->inbox))
        return;
    /* One mark covers all; those whose subscriptions stand late get another once they do. */
    nats_channels_restored(source, confirmed);
    nats_marks_place(source, session);
    if (confirmed)
        nats_channels_proven(source);
}

/* Publishers and /readyz see it as connected once the subscriptions stand: what is published now reaches readers. */
static void go_up(struct nats_source *source)
{
    source->is_up = true;
    source->rebuilds = 0;
    restore_subscriptions(source);
    nats_link_set_connected(source, true);
    /* It may be gone again by now: then the callback that said so came before this. */
    if (!nats_inbox_is_up(&source->inbox))
        nats_link_set_connected(source, false);
    /* Last: a reader of the log may rely on what it says. */
    nats_link_log_up(source);
    source->was_up = true;
}

/* The disconnect may come in news together with a reconnect: then it is logged and marked all the same. */
static void go_down(struct nats_source *source, const struct nats_link_news *news)
{
    metrics_add_shared(METRIC_NATS_DISCONNECTS, news->downs);
    /* once for each outage, however often it comes and goes in between */
    if (source->is_up) {
        source->down_since_ns = news->down_since_ns;
        log_write(LOG_WARN, "nats-disconnected", log_str("url", source->settings.shown_url));
    }
    source->is_up = false;
    nats_questions_fail(source, NULL);
}

static void go_closed(struct nats_source *source, const struct nats_link_news *news)
{
    const char *event = news->reason == NATS_CONNECTION_AUTH_FAILED ? "nats-auth-failed"
                        : source->connection != NULL                ? "nats-closed"
                                                                    : "nats-connect-failed";
    bool is_unreachable = news->reason == NATS_NO_SERVER || news->reason == NATS_TIMEOUT;
    nats_link_set_connected(source, false);
    source->is_up = false;
    nats_questions_fail(source, NULL);
    if (source->connection != NULL) {
        nats_channels_detach(source);
        nats_own_detach(source);
        natsConnection_Destroy(source->connection);
        source->connection = NULL;
    }
    int64_t ms = nats_link_schedule(source, !is_unreachable);
    if (is_unreachable)
        nats_link_log_unreachable(source, source->rebuilds, news->reason, news->reason_text);
    else
        log_write(LOG_ERROR, event, log_str("url", source->settings.shown_url),
                  log_str("reason", nats_retry_reason(news->reason, news->reason_text)), log_i64("retry_ms", ms));
}

void nats_outage_handle(struct nats_source *source, const struct nats_link_news *news)
{
    CHECK_THREAD(source);
    CHECK(!news->is_connector_done || source->connection == NULL); /* one connection at a time */
    if (news->is_connector_done) {
        source->is_connecting = false;
        source->connection = news->connection;
    }
    if (news->downs != 0)
        go_down(source, news);
    if (news->is_closed || (news->is_connector_done && news->connection == NULL))
        go_closed(source, news);
    /* A connection may be up while it is still on its way from the connector. */
    else if (news->is_up && !source->is_up && source->connection != NULL)
        go_up(source);
}
