/* nats_link.c - the connection: made, lost, found again, made anew */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/source/nats/nats_retry.h"

void nats_link_set_connected(struct nats_source *source, bool connected)
{
    if (atomic_exchange(&source->is_connected, connected) != connected)
        metrics_add_shared(METRIC_NATS_CONNECTED, connected ? 1 : -1);
}

/* ---- threads of the client library ---- */

static void report_up(natsConnection *connection, void *arg)
{
    struct nats_source *source = arg;
    (void)connection;
    pthread_mutex_lock(&source->inbox.lock);
    source->inbox.link.is_up = true;
    nats_inbox_wake(source);
    pthread_mutex_unlock(&source->inbox.lock);
}

static void report_down(natsConnection *connection, void *arg)
{
    struct nats_source *source = arg;
    (void)connection;
    /* At once, not when control gets to it: /readyz and publishers ask. */
    nats_link_set_connected(source, false);
    pthread_mutex_lock(&source->inbox.lock);
    struct nats_link_news *news = &source->inbox.link;
    news->is_up = false;
    ++news->downs_ever;
    if (news->downs++ == 0)
        news->down_since_ns = clock_mono_ns();
    nats_inbox_wake(source);
    pthread_mutex_unlock(&source->inbox.lock);
}

static void report_closed(natsConnection *connection, void *arg)
{
    struct nats_source *source = arg;
    const char *text = NULL;
    natsStatus reason = natsConnection_GetLastError(connection, &text);
    pthread_mutex_lock(&source->inbox.lock);
    struct nats_link_news *news = &source->inbox.link;
    news->is_up = false;
    news->closed = true;
    news->reason = reason;
    snprintf(news->reason_text, sizeof(news->reason_text), "%s", text != NULL ? text : "");
    nats_inbox_wake(source);
    pthread_mutex_unlock(&source->inbox.lock);
}

static void report_denial(struct nats_source *source, const char *text)
{
    struct nats_denial *denial = check_calloc(1, sizeof(*denial));
    snprintf(denial->text, sizeof(denial->text), "%s", text);
    pthread_mutex_lock(&source->inbox.lock);
    *source->inbox.denials_end = denial;
    source->inbox.denials_end = &denial->next;
    nats_inbox_wake(source);
    pthread_mutex_unlock(&source->inbox.lock);
}

static void report_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *arg)
{
    struct nats_source *source = arg;
    const char *text = nats_GetLastError(NULL);
    (void)connection;
    (void)subscription; /* may be gone by now: the library doesn't hold it for us */
    switch (status) {
    case NATS_NOT_PERMITTED:
        report_denial(source, text != NULL ? text : "");
        break;
    case NATS_SLOW_CONSUMER:
        pthread_mutex_lock(&source->inbox.lock);
        source->inbox.slow_consumer = true;
        nats_inbox_wake(source);
        pthread_mutex_unlock(&source->inbox.lock);
        break;
    default:
        log_write_limited(LOG_WARN, "nats-error", log_str("reason", nats_retry_reason(status, text)));
    }
}

static void report_lame_duck(natsConnection *connection, void *arg)
{
    struct nats_source *source = arg;
    (void)connection;
    log_write(LOG_WARN, "nats-lame-duck", log_str("url", source->settings.shown_url));
}

static void log_unreachable(struct nats_source *source, unsigned failed, natsStatus status, const char *text)
{
    if (nats_retry_logs(failed))
        log_write(LOG_WARN, "nats-unreachable", log_str("url", source->settings.shown_url), log_u64("attempts", failed),
                  log_str("reason", nats_retry_reason(status, text)));
}

/* Called on the thread of the attempts, whose last error is the last attempt's. */
static int64_t next_delay(natsConnection *connection, int attempts, void *arg)
{
    struct nats_source *source = arg;
    unsigned failed = attempts > 1 ? (unsigned)attempts - 1 : 0;
    natsStatus status;
    const char *text = nats_GetLastError(&status);
    (void)connection;
    log_unreachable(source, failed, status, text);
    return nats_retry_ms(RECONNECT_MIN_MS, RECONNECT_MAX_MS, failed);
}

/* See nats_source.session. The connection's lock is held: nothing of the library may be called. */
static const char *next_session(void *arg)
{
    struct nats_source *source = arg;
    atomic_fetch_add(&source->session, 1);
    return source->settings.token;
}

void nats_link_set_callbacks(struct nats_source *source)
{
    natsOptions *options = source->settings.options;
    CHECK(natsOptions_SetMaxPendingMsgs(options, PENDING_MESSAGES) == NATS_OK);
    CHECK(natsOptions_SetReconnectedCB(options, report_up, source) == NATS_OK);
    CHECK(natsOptions_SetDisconnectedCB(options, report_down, source) == NATS_OK);
    CHECK(natsOptions_SetClosedCB(options, report_closed, source) == NATS_OK);
    CHECK(natsOptions_SetErrorHandler(options, report_error, source) == NATS_OK);
    CHECK(natsOptions_SetLameDuckModeCB(options, report_lame_duck, source) == NATS_OK);
    CHECK(natsOptions_SetCustomReconnectDelay(options, next_delay, source) == NATS_OK);
    CHECK(natsOptions_SetTokenHandler(options, next_session, source) == NATS_OK);
}

/* ---- connector: the library makes the first attempt of a connection on the caller's thread ---- */

/*
 * The library could go on by itself after a failed first attempt, but then it
 * keeps to itself why it failed, and closes the connection at a bad login.
 */
static void *connector_main(void *arg)
{
    struct nats_source *source = arg;
    struct nats_inbox *inbox = &source->inbox;
    natsConnection *connection = NULL;
    pthread_mutex_lock(&inbox->lock);
    unsigned downs = inbox->link.downs_ever;
    pthread_mutex_unlock(&inbox->lock);
    natsStatus status = natsConnection_Connect(&connection, source->settings.options);
    const char *text = nats_GetLastError(NULL);
    pthread_mutex_lock(&inbox->lock);
    inbox->link.connector_done = true;
    inbox->link.connection = connection;
    /* No callback tells of an immediate success; one may have told already that it is over again. */
    if (status == NATS_OK && inbox->link.downs_ever == downs)
        inbox->link.is_up = true;
    if (connection == NULL) {
        inbox->link.reason = status;
        snprintf(inbox->link.reason_text, sizeof(inbox->link.reason_text), "%s", text != NULL ? text : "");
    }
    nats_inbox_wake(source);
    pthread_mutex_unlock(&inbox->lock);
    return NULL;
}

static bool start_detached(void *(*function)(void *), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, arg) != 0)
        return false;
    pthread_detach(thread);
    return true;
}

static int64_t schedule_rebuild(struct nats_source *source, bool was_turned_away)
{
    int64_t ms = was_turned_away ? nats_retry_ms(REBUILD_MIN_MS, REBUILD_MAX_MS, source->rebuilds)
                                 : nats_retry_ms(RECONNECT_MIN_MS, RECONNECT_MAX_MS, source->rebuilds);
    ++source->rebuilds;
    source->rebuild_at_ns = clock_mono_ns() + ms * INT64_C(1000000);
    return ms;
}

void nats_link_connect(struct nats_source *source)
{
    source->rebuild_at_ns = 0;
    source->connecting = start_detached(connector_main, source);
    if (!source->connecting)
        schedule_rebuild(source, false);
}

static void *closer_main(void *arg)
{
    natsConnection *connection = arg;
    natsConnection_Close(connection);
    natsConnection_Destroy(connection);
    return NULL;
}

/* On a thread of its own, because an attempt to connect that hangs holds the connection's lock. */
void nats_link_close(struct nats_source *source)
{
    if (!start_detached(closer_main, source->connection))
        closer_main(source->connection);
    source->connection = NULL;
}

/* ---- control ---- */

static void log_up(struct nats_source *source)
{
    char url[512] = "";
    natsConnection_GetConnectedUrl(source->connection, url, sizeof(url));
    nats_url_strip(url);
    if (source->was_up)
        log_write(LOG_INFO, "nats-reconnected", log_str("url", url),
                  log_i64("outage_ms", (clock_mono_ns() - source->down_since_ns) / 1000000));
    else
        log_write(LOG_INFO, "nats-connected", log_str("url", url));
}

/* Publishers and /readyz see it as connected once the subscriptions stand: what is published now reaches readers. */
static void go_up(struct nats_source *source)
{
    source->up = true;
    source->rebuilds = 0;
    nats_channels_restore(source);
    nats_link_set_connected(source, true);
    /* It may be gone again by now: then the callback that said so came before this. */
    pthread_mutex_lock(&source->inbox.lock);
    bool is_up = source->inbox.link.is_up;
    pthread_mutex_unlock(&source->inbox.lock);
    if (!is_up)
        nats_link_set_connected(source, false);
    /* Last: whoever waits for the line may rely on what it says. */
    log_up(source);
    source->was_up = true;
}

/* The disconnect may come in news together with a reconnect: then it is logged and marked all the same. */
static void go_down(struct nats_source *source, const struct nats_link_news *news)
{
    metrics_add_shared(METRIC_NATS_DISCONNECTS, news->downs);
    if (source->up) {
        source->down_since_ns = news->down_since_ns;
        log_write(LOG_WARN, "nats-disconnected", log_str("url", source->settings.shown_url));
    }
    source->up = false;
    nats_questions_fail(source, NULL);
}

static void go_closed(struct nats_source *source, const struct nats_link_news *news)
{
    const char *event = news->reason == NATS_CONNECTION_AUTH_FAILED ? "nats-auth-failed"
                        : source->connection != NULL                ? "nats-closed"
                                                                    : "nats-connect-failed";
    bool is_unreachable = news->reason == NATS_NO_SERVER || news->reason == NATS_TIMEOUT;
    nats_link_set_connected(source, false);
    source->up = false;
    nats_questions_fail(source, NULL);
    if (source->connection != NULL) {
        nats_channels_detach(source);
        nats_own_detach(source);
        natsConnection_Destroy(source->connection);
        source->connection = NULL;
    }
    int64_t ms = schedule_rebuild(source, !is_unreachable);
    if (is_unreachable)
        log_unreachable(source, source->rebuilds, news->reason, news->reason_text);
    else
        log_write(LOG_ERROR, event, log_str("url", source->settings.shown_url),
                  log_str("reason", nats_retry_reason(news->reason, news->reason_text)), log_i64("retry_ms", ms));
}

void nats_link_handle(struct nats_source *source, const struct nats_link_news *news)
{
    source->link_is_up = news->is_up;
    if (news->connector_done) {
        source->connecting = false;
        source->connection = news->connection;
    }
    if (news->downs != 0)
        go_down(source, news);
    if (news->closed || (news->connector_done && news->connection == NULL))
        go_closed(source, news);
    else if (source->link_is_up && !source->up && source->connection != NULL)
        go_up(source);
}
