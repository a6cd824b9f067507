/* nats_link.c - the connection to NATS: making one, closing it, and what its callbacks report */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_link.h"

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/source/nats/nats_retry.h"
#include "gateway/source/nats/nats_state.h"

void nats_link_set_connected(struct nats_source *source, bool is_connected)
{
    if (atomic_exchange(&source->is_connected, is_connected) != is_connected)
        metrics_add_shared(METRIC_NATS_CONNECTED, is_connected ? 1 : -1);
}

/* ---- threads of the client library ---- */

static void report_up(natsConnection *connection, void *arg)
{
    struct nats_source *source = arg;
    (void)connection;
    nats_inbox_up(&source->inbox);
}

static void report_down(natsConnection *connection, void *arg)
{
    struct nats_source *source = arg;
    (void)connection;
    /* At once, not when control gets to it: /readyz and publishers ask. */
    nats_link_set_connected(source, false);
    nats_inbox_down(&source->inbox);
}

static void report_closed(natsConnection *connection, void *arg)
{
    struct nats_source *source = arg;
    const char *text = NULL;
    natsStatus reason = natsConnection_GetLastError(connection, &text);
    nats_inbox_closed(&source->inbox, reason, text);
}

static void report_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *arg)
{
    struct nats_source *source = arg;
    const char *text = nats_GetLastError(NULL);
    (void)connection;
    (void)subscription; /* may be gone by now: the library doesn't hold it for us */
    switch (status) {
    case NATS_NOT_PERMITTED:
        nats_inbox_denied(&source->inbox, text != NULL ? text : "");
        break;
    case NATS_SLOW_CONSUMER:
        nats_inbox_slow(&source->inbox);
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

void nats_link_log_unreachable(struct nats_source *source, unsigned failed, natsStatus status, const char *text)
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
    nats_link_log_unreachable(source, failed, status, text);
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
 * The library could retry automatically after a failed first attempt, but then it
 * keeps to itself why it failed, and closes the connection at a bad login.
 */
static void *connector_main(void *arg)
{
    struct nats_source *source = arg;
    natsConnection *connection = NULL;
    unsigned downs = nats_inbox_count_downs(&source->inbox);
    natsStatus status = nats_settings_connect(&source->settings, &connection);
    nats_inbox_connected(&source->inbox, connection, downs, status, nats_GetLastError(NULL));
    return NULL;
}

static bool start_detached(const char *name, void *(*function)(void *), void *arg)
{
    pthread_t thread;
    if (!thread_start(&thread, name, 0, function, arg))
        return false;
    pthread_detach(thread);
    return true;
}

int64_t nats_link_schedule(struct nats_source *source, bool was_turned_away)
{
    CHECK_THREAD(source);
    int64_t ms = was_turned_away ? nats_retry_ms(REBUILD_MIN_MS, REBUILD_MAX_MS, source->rebuilds)
                                 : nats_retry_ms(RECONNECT_MIN_MS, RECONNECT_MAX_MS, source->rebuilds);
    ++source->rebuilds;
    source->rebuild_at_ns = clock_mono_ns() + ms * NS_PER_MS;
    return ms;
}

void nats_link_connect(struct nats_source *source)
{
    CHECK_THREAD(source);
    source->rebuild_at_ns = 0;
    source->is_connecting = start_detached("nats-connector", connector_main, source);
    if (!source->is_connecting)
        nats_link_schedule(source, false);
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
    CHECK_THREAD(source);
    if (!start_detached("nats-closer", closer_main, source->connection))
        closer_main(source->connection);
    source->connection = NULL;
}

void nats_link_log_up(struct nats_source *source)
{
    CHECK_THREAD(source);
    char url[512] = "";
    natsConnection_GetConnectedUrl(source->connection, url, sizeof(url));
    nats_settings_strip_url(url);
    if (source->was_up)
        log_write(LOG_INFO, "nats-reconnected", log_str("url", url),
                  log_i64("outage_ms", (clock_mono_ns() - source->down_since_ns) / NS_PER_MS));
    else
        log_write(LOG_INFO, "nats-connected", log_str("url", url));
}
