/* js_link.c - sessions of a JetStream source: made, and ended */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_link.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/source/jetstream/js_ask.h"
#include "gateway/source/jetstream/js_delivery.h"
#include "gateway/source/jetstream/js_feeds.h"
#include "gateway/source/jetstream/js_publish.h"
#include "gateway/source/jetstream/js_republish.h"
#include "gateway/source/jetstream/js_state.h"
#include "gateway/source/nats/nats_retry.h"

#define STOP_WAIT_MS 5000   /* for the client library to release a connection */
#define RELEASE_WAIT_MS 250 /* for the readers of stored events to release one that is about to be closed */
_Static_assert(offsetof(struct js_link, session) == 0, "a session is disposed, and freed, as its link");

/* ---- threads of the client library ---- */

static void on_closed(natsConnection *connection, void *arg)
{
    struct js_link *link = arg;
    (void)connection;
    js_inbox_closed(&link->source->inbox, &link->news, &link->session);
}

static void on_complete(void *arg)
{
    struct js_link *link = arg;
    js_inbox_complete(&link->source->inbox, &link->news, NULL);
}

static void on_lame_duck(natsConnection *connection, void *arg)
{
    struct js_link *link = arg;
    (void)connection;
    js_inbox_lame_duck(&link->source->inbox, &link->news);
}

static void on_discovered(natsConnection *connection, void *arg)
{
    struct js_link *link = arg;
    (void)connection;
    js_inbox_discovered(&link->source->inbox, &link->news);
}

static void on_denial(struct js_link *link, const char *text)
{
    js_inbox_denied(&link->source->inbox, &link->news, text);
    log_write_limited(LOG_WARN, "nats-refused", log_str("stream", link->source->stream), log_str("reason", text));
    js_publish_on_denial(link->source, text);
    js_republish_on_denial(link->source, text);
}

static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status, void *arg)
{
    struct js_link *link = arg;
    const char *text = nats_GetLastError(NULL);
    (void)connection;
    (void)subscription;
    if (status == NATS_NOT_PERMITTED)
        on_denial(link, text != NULL ? text : "");
    else if (status != NATS_STALE_CONNECTION)
        /* Dropped messages show themselves in the consumer's sequence. */
        log_write_limited(LOG_WARN, "nats-error", log_str("stream", link->source->stream),
                          log_str("reason", nats_retry_reason(status, text)));
}

/* The connection's lock is held: nothing of the library may be called. */
static const char *get_token(void *arg)
{
    const struct js_link *link = arg;
    return link->source->settings.token;
}

/* ---- servers ---- */

/* The part "user:password@" of the configured URLs, which those that the broker names need as well. */
static void add_server(struct js_source *source, const char *url)
{
    const char *host = strstr(url, "://"), *userinfo = "";
    size_t userinfo_len = 0;
    host = host != NULL ? host + 3 : url;
    for (int i = 0; i < source->servers_count; ++i) {
        const char *authority = strstr(source->servers[i], "://");
        authority = authority != NULL ? authority + 3 : source->servers[i];
        const char *at = strrchr(authority, '@');
        if (strcmp(at != NULL ? at + 1 : authority, host) == 0)
            return;
        if (at != NULL && userinfo_len == 0) {
            userinfo = authority;
            userinfo_len = (size_t)(at + 1 - authority);
        }
    }
    if (source->servers_count == JS_SERVERS_MAX)
        return;
    size_t size = sizeof("nats://") + userinfo_len + strlen(host);
    char *server = check_malloc(size);
    snprintf(server, size, "nats://%.*s%s", (int)userinfo_len, userinfo, host);
    source->servers[source->servers_count++] = server;
}

void js_link_remember_servers(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    char **urls = NULL;
    int count = 0;
    if (natsConnection_GetDiscoveredServers(link->session.connection, &urls, &count) != NATS_OK)
        return;
    for (int i = 0; i < count; ++i) {
        add_server(source, urls[i]);
        free(urls[i]);
    }
    free(urls);
}

/* ---- making one ---- */

static void dispose_link(struct js_session *session)
{
    struct js_link *link = (struct js_link *)(void *)session;
    js_feeds_free(link);
    natsSubscription_Destroy(link->live);
    natsSubscription_Destroy(link->acks);
    js_answers_close(&link->answers, session);
    js_answers_dispose(&link->answers);
    free(link->inbox);
}

static void set_callbacks(struct js_source *source, struct js_link *link)
{
    natsOptions *options = source->settings.options;
    CHECK(natsOptions_SetAllowReconnect(options, false) == NATS_OK);
    /*
     * A thread of its own: a mark that core subscriptions wait for must not hold up stored events, nor these those. But
     * the library would make one for each subscription, and republish mode has thousands, whose order counts.
     */
    CHECK(natsOptions_UseGlobalMessageDelivery(options, source->republish.is_wanted) == NATS_OK);
    CHECK(natsOptions_SetMaxPendingMsgs(options, JS_PENDING_MESSAGES) == NATS_OK);
    CHECK(natsOptions_SetClosedCB(options, on_closed, link) == NATS_OK);
    CHECK(natsOptions_SetErrorHandler(options, on_error, link) == NATS_OK);
    CHECK(natsOptions_SetLameDuckModeCB(options, on_lame_duck, link) == NATS_OK);
    CHECK(natsOptions_SetDiscoveredServersCB(options, on_discovered, link) == NATS_OK);
    CHECK(natsOptions_SetTokenHandler(options, get_token, link) == NATS_OK);
}

static void log_unreachable(struct js_source *source, natsStatus status, const char *text)
{
    unsigned attempts = source->failures + 1;
    if (nats_retry_logs(attempts))
        log_write(status == NATS_CONNECTION_AUTH_FAILED ? LOG_ERROR : LOG_WARN, "stream-unreachable",
                  log_str("stream", source->stream), log_str("url", source->settings.shown_url),
                  log_u64("attempts", attempts), log_str("reason", nats_retry_reason(status, text)));
}

/* One at a time, so that a stop waits for one attempt at most. */
static bool connect_any(struct js_source *source, struct js_link *link)
{
    natsStatus status = NATS_NO_SERVER;
    char text[JS_REASON_MAX] = "";
    for (int i = 0; i < source->servers_count && !atomic_load(&source->inbox.is_stopping); ++i) {
        const char *server = source->servers[source->server_next++ % source->servers_count];
        status = natsOptions_SetServers(source->settings.options, &server, 1);
        if (status == NATS_OK)
            status = nats_settings_connect(&source->settings, &link->session.connection);
        if (status == NATS_OK)
            return true;
        const char *last = nats_GetLastError(NULL);
        snprintf(text, sizeof(text), "%s", last != NULL ? last : "");
    }
    source->was_turned_away = status == NATS_CONNECTION_AUTH_FAILED;
    if (!atomic_load(&source->inbox.is_stopping))
        log_unreachable(source, status, text);
    return false;
}

static bool subscribe_link(struct js_link *link, natsSubscription **subscription, const char *suffix,
                           natsMsgHandler on_message)
{
    size_t size = link->inbox_len + strlen(suffix) + 1;
    char *subject = check_malloc(size);
    snprintf(subject, size, "%s%s", link->inbox, suffix);
    natsStatus status = natsConnection_Subscribe(subscription, link->session.connection, subject, on_message, link);
    free(subject);
    if (status != NATS_OK)
        return false;
    natsSubscription_SetPendingLimits(*subscription, JS_PENDING_MESSAGES, JS_PENDING_BYTES);
    js_inbox_listen(&link->source->inbox, &link->news);
    if (natsSubscription_SetOnCompleteCB(*subscription, on_complete, link) == NATS_OK)
        return true;
    /* Closed in between: the broker doesn't know the inbox yet, so nothing can be on its way. */
    js_inbox_complete(&link->source->inbox, &link->news, NULL);
    return false;
}

struct js_link *js_link_connect(struct js_source *source)
{
    CHECK_THREAD(source);
    struct js_link *link = source->spare != NULL ? source->spare : check_calloc(1, sizeof(*link));
    natsInbox *inbox = NULL;
    source->spare = NULL;
    atomic_init(&link->session.refs, 1);
    atomic_init(&link->session.is_over, false);
    link->session.stream = source->stream;
    link->session.dispose = dispose_link;
    link->source = source;
    list_init(&link->feeds);
    set_callbacks(source, link);
    if (!connect_any(source, link)) {
        source->spare = link;
        return NULL;
    }
    link->session.number = ++source->sessions;
    CHECK(natsInbox_Create(&inbox) == NATS_OK);
    link->inbox = check_strdup(inbox);
    link->inbox_len = strlen(inbox);
    natsInbox_Destroy(inbox);
    js_link_remember_servers(source, link);
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = JS_API_WAIT_MS;
    if (natsConnection_JetStream(&link->session.js, link->session.connection, &options) != NATS_OK ||
        !subscribe_link(link, &link->live, ".l", js_delivery_on_message) ||
        !subscribe_link(link, &link->acks, ".p.*", js_publish_on_message) ||
        !js_ask_open(&link->answers, &link->session)) {
        js_link_end(source, link);
        return NULL;
    }
    return link;
}

/* ---- ending one ---- */

void js_link_end(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    atomic_store(&link->session.is_over, true);
    js_publish_expire(source, 0, true);
    /*
     * The library (3.4) frees its subscription for answers while a thread of
     * its may still be delivering one to it: close when no answer is due.
     */
    js_inbox_await_release(&source->inbox, &link->news, &link->session, clock_mono_ns() + RELEASE_WAIT_MS * NS_PER_MS);
    natsConnection_Close(link->session.connection);
    if (js_inbox_await_end(&source->inbox, &link->news, clock_mono_ns() + STOP_WAIT_MS * NS_PER_MS)) {
        js_session_release(&link->session);
        return;
    }
    log_write(LOG_ERROR, "stream-session-stuck", log_str("stream", source->stream));
    source->is_abandoned = true;
}
