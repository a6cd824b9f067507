/* nats_own.c - subscriptions of the source's own: replies to its questions, and the subjects it listens to */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_own.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/source/nats/nats_denial.h"
#include "gateway/source/nats/nats_feed.h"
#include "gateway/source/nats/nats_questions.h"
#include "gateway/source/nats/nats_state.h"

static void on_heard(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *arg)
{
    const struct nats_feed *feed = arg;
    const struct nats_listener *listener = feed->listener;
    size_t len = (size_t)natsMsg_GetDataLength(msg);
    (void)connection;
    (void)subscription;
    if (listener->asked != NULL)
        listener->asked(listener->arg, natsMsg_GetData(msg), len, natsMsg_GetReply(msg));
    else
        listener->heard(listener->arg, natsMsg_GetData(msg), len);
    natsMsg_Destroy(msg);
}

/* It ends as a channel's does: with its connection, reported by delivery, freed when the library is done with it. */
static void subscribe_own(struct nats_source *source, unsigned which, const char *subject, natsMsgHandler on_message)
{
    struct nats_feed *feed = nats_feed_create(source);
    feed->listener = which >= NATS_OWN_LISTENER ? &source->listeners[which - NATS_OWN_LISTENER] : NULL;
    if (nats_feed_subscribe(feed, subject, on_message, PENDING_MESSAGES) == NATS_OK)
        source->own[which] = feed;
}

/* One for the life of the process: a reply that comes late must not be taken for another's. */
static void make_reply_prefix(struct nats_source *source)
{
    natsInbox *inbox = NULL;
    if (natsInbox_Create(&inbox) != NATS_OK)
        return;
    size_t len = strlen(inbox);
    char *prefix = check_malloc(len + 2);
    memcpy(prefix, inbox, len);
    memcpy(prefix + len, ".", 2);
    natsInbox_Destroy(inbox);
    source->questions.reply_prefix = prefix;
}

static void subscribe_to_replies(struct nats_source *source)
{
    const char *prefix = source->questions.reply_prefix;
    if (prefix == NULL)
        return;
    size_t len = strlen(prefix);
    char *pattern = check_malloc(len + 2);
    memcpy(pattern, prefix, len);
    memcpy(pattern + len, "*", 2);
    subscribe_own(source, NATS_OWN_REPLIES, pattern, nats_questions_on_reply);
    free(pattern);
}

bool nats_own_takes_replies(struct nats_source *source)
{
    CHECK_THREAD(source);
    if (source->questions.reply_prefix == NULL)
        make_reply_prefix(source);
    if (source->own[NATS_OWN_REPLIES] == NULL)
        subscribe_to_replies(source);
    return source->own[NATS_OWN_REPLIES] != NULL;
}

void nats_own_restore(struct nats_source *source)
{
    CHECK_THREAD(source);
    /* a source that is never asked needs no permission to hear replies */
    if (source->own[NATS_OWN_REPLIES] == NULL && source->questions.reply_prefix != NULL)
        subscribe_to_replies(source);
    for (unsigned i = 0; i != source->listener_count; ++i) {
        if (source->own[NATS_OWN_LISTENER + i] == NULL)
            subscribe_own(source, NATS_OWN_LISTENER + i, source->listeners[i].subject, on_heard);
    }
}

void nats_own_detach(struct nats_source *source)
{
    CHECK_THREAD(source);
    for (unsigned i = 0; i != NATS_OWN_COUNT; ++i)
        source->own[i] = NULL;
}

void nats_own_completed(struct nats_source *source, const struct nats_feed *feed)
{
    CHECK_THREAD(source);
    for (unsigned i = 0; i != NATS_OWN_COUNT; ++i) {
        if (source->own[i] == feed)
            source->own[i] = NULL;
    }
}

void nats_own_denied(struct nats_source *source, const struct nats_refused *refused)
{
    CHECK_THREAD(source);
    const char *prefix = source->questions.reply_prefix;
    bool is_reply =
        prefix != NULL && refused->len > strlen(prefix) && strncmp(refused->subject, prefix, strlen(prefix)) == 0;
    bool is_listener = false;
    for (unsigned i = 0; i != source->listener_count; ++i)
        is_listener |= nats_denial_matches(refused, source->listeners[i].subject);
    if (is_reply)
        nats_questions_fail(source, NULL);
    if (is_reply || is_listener)
        log_write(LOG_ERROR, "nats-denied", log_bytes("subject", refused->subject, refused->len));
}
