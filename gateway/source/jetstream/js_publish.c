/* js_publish.c - publishing into the stream: done when the stream has stored it, or has said that it won't */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_publish.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/source/jetstream/js_state.h"
#include "gateway/source/nats/nats_denial.h"
#include "gateway/source/nats/nats_message.h"

#define PUBLISH_WAIT_MS 5000 /* for the acknowledgement */

/* ---- in flight ---- */

static void finish_publish(struct js_source *source, struct publish *publish, enum publish_status status)
{
    publish->status = status;
    js_inbox_published(&source->inbox);
    publish->done(publish);
}

static struct publish *unlink_sent(struct js_sent_list *list, struct js_sent **at)
{
    CHECK_HELD(&list->lock);
    struct js_sent *sent = *at;
    struct publish *publish = sent->publish;
    *at = sent->next;
    if (list->end == &sent->next)
        list->end = at;
    free(sent);
    return publish;
}

/* Acknowledgements come about in the order in which they are due. NULL: too late, or not ours. */
static struct publish *take_sent(struct js_sent_list *list, uint64_t number)
{
    struct publish *publish = NULL;
    lock_take(&list->lock);
    struct js_sent **at = &list->first;
    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    if (*at != NULL)
        publish = unlink_sent(list, at);
    lock_give(&list->lock);
    return publish;
}

static void add_sent(struct js_sent_list *list, struct publish *publish, uint64_t number)
{
    struct js_sent *sent = check_calloc(1, sizeof(*sent));
    sent->publish = publish;
    sent->number = number;
    sent->deadline_ns = clock_mono_ns() + PUBLISH_WAIT_MS * NS_PER_MS;
    lock_take(&list->lock);
    *list->end = sent;
    list->end = &sent->next;
    lock_give(&list->lock);
}

void js_publish_init(struct js_source *source)
{
    lock_init(&source->sent.lock);
    source->sent.end = &source->sent.first;
}

void js_publish_dispose(struct js_source *source)
{
    CHECK(source->sent.first == NULL);
    lock_dispose(&source->sent.lock);
}

int64_t js_publish_expire(struct js_source *source, int64_t now_ns, bool all)
{
    CHECK_THREAD(source);
    struct js_sent_list *list = &source->sent;
    for (;;) {
        struct publish *publish = NULL;
        lock_take(&list->lock);
        int64_t deadline_ns = list->first != NULL ? list->first->deadline_ns : 0;
        if (list->first != NULL && (all || deadline_ns <= now_ns))
            publish = unlink_sent(list, &list->first);
        lock_give(&list->lock);
        if (publish == NULL)
            return deadline_ns;
        if (!all)
            log_write_limited(LOG_WARN, "stream-publish-unanswered", log_str("stream", source->stream),
                              log_str("subject", publish->subject));
        finish_publish(source, publish, PUBLISH_UNAVAILABLE);
    }
}

void js_publish_refuse(struct js_source *source, struct publish *publishes)
{
    CHECK_THREAD(source);
    for (struct publish *publish = publishes, *next; publish != NULL; publish = next) {
        next = publish->next;
        finish_publish(source, publish, PUBLISH_UNAVAILABLE);
    }
}

/* ---- sending: control ---- */

/* With this header the broker refuses a message that another stream would store. */
static natsStatus send_message(struct js_source *source, struct js_link *link, const struct publish *publish,
                               const char *reply)
{
    natsMsg *msg = NULL;
    natsStatus status = nats_message_create(&msg, publish, reply);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(msg, "Nats-Expected-Stream", source->stream);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(link->session.connection, msg);
    natsMsg_Destroy(msg);
    return status;
}

void js_publish_send(struct js_source *source, struct js_link *link, struct publish *publishes)
{
    CHECK_THREAD(source);
    size_t size = link->inbox_len + sizeof(".p.") + 20;
    char *reply = check_malloc(size);
    for (struct publish *publish = publishes, *next; publish != NULL; publish = next) {
        next = publish->next;
        if (publish->data_len > INT_MAX) {
            finish_publish(source, publish, PUBLISH_TOO_LARGE);
            continue;
        }
        uint64_t number = ++source->sent_count;
        snprintf(reply, size, "%s.p.%" PRIu64, link->inbox, number);
        /* for read_ack: a new message is stored behind it */
        publish->id.sequence = atomic_load(&source->base.published);
        /* First: the acknowledgement may be quicker than the return of the call that sends. */
        add_sent(&source->sent, publish, number);
        natsStatus status = send_message(source, link, publish, reply);
        /* Unless a callback has had it meanwhile. */
        if (status != NATS_OK && (publish = take_sent(&source->sent, number)) != NULL)
            finish_publish(source, publish, status == NATS_MAX_PAYLOAD ? PUBLISH_TOO_LARGE : PUBLISH_UNAVAILABLE);
    }
    free(reply);
}

/* ---- answers: the delivery thread, and the library's for news ---- */

static enum publish_status read_refusal(struct js_source *source, const struct publish *publish, const json_t *error)
{
    json_int_t code = json_integer_value(json_object_get(error, "err_code"));
    const char *description = json_string_value(json_object_get(error, "description"));
    if (code == JSStreamMessageExceedsMaximumErr)
        return PUBLISH_TOO_LARGE;
    log_write_limited(LOG_WARN, "stream-publish-refused", log_str("stream", source->stream),
                      log_str("subject", publish->subject), log_i64("code", code),
                      log_str("reason", description != NULL ? description : "none given"));
    return PUBLISH_UNAVAILABLE;
}

static enum publish_status read_ack(struct js_source *source, struct js_link *link, struct publish *publish,
                                    const json_t *ack)
{
    const json_t *error = json_object_get(ack, "error");
    const char *stream = json_string_value(json_object_get(ack, "stream"));
    json_int_t sequence = json_integer_value(json_object_get(ack, "seq"));
    if (json_is_object(error))
        return read_refusal(source, publish, error);
    if (stream == NULL || sequence <= 0 || strcmp(stream, source->stream) != 0) {
        log_write_limited(LOG_ERROR, "stream-publish-misdirected", log_str("stream", source->stream),
                          log_str("subject", publish->subject), log_str("stored_by", stream));
        return PUBLISH_UNAVAILABLE;
    }
    publish->stored = true;
    publish->duplicate = json_is_true(json_object_get(ack, "duplicate"));
    /* A new message that isn't behind all that there was: the stream was recreated, and will have another name. */
    uint64_t stored = link->session.base + (uint64_t)sequence;
    if (publish->duplicate || stored > publish->id.sequence)
        publish->id = source_id(&source->base, stored);
    else
        publish->id = (struct event_id){.incarnation = 0, .sequence = (uint64_t)sequence};
    return PUBLISH_OK;
}

static void on_reply(struct js_link *link, struct publish *publish, natsMsg *msg)
{
    struct js_source *source = link->source;
    enum publish_status status = PUBLISH_UNAVAILABLE;
    if (natsMsg_IsNoResponders(msg)) {
        log_write_limited(LOG_WARN, "stream-publish-refused", log_str("stream", source->stream),
                          log_str("subject", publish->subject),
                          log_str("reason", "no stream stores this subject at the moment"));
    } else {
        json_t *ack = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
        status = read_ack(source, link, publish, ack);
        json_decref(ack);
    }
    finish_publish(source, publish, status);
}

void js_publish_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *arg)
{
    struct js_link *link = arg;
    const char *number = strrchr(natsMsg_GetSubject(msg), '.');
    struct publish *publish = take_sent(&link->source->sent, number != NULL ? strtoull(number + 1, NULL, 10) : 0);
    (void)connection;
    (void)subscription;
    if (publish != NULL)
        on_reply(link, publish, msg);
    natsMsg_Destroy(msg);
}

void js_publish_on_denial(struct js_source *source, const char *text)
{
    struct js_sent_list *list = &source->sent;
    struct nats_refused refused;
    struct publish *denied = NULL;
    if (!nats_denial_parse(text, &refused) || !refused.is_publish)
        return;
    lock_take(&list->lock);
    for (struct js_sent **at = &list->first; *at != NULL;) {
        if (!nats_denial_matches(&refused, (*at)->publish->subject)) {
            at = &(*at)->next;
            continue;
        }
        struct publish *publish = unlink_sent(list, at);
        publish->next = denied;
        denied = publish;
    }
    lock_give(&list->lock);
    for (struct publish *publish = denied, *next; publish != NULL; publish = next) {
        next = publish->next;
        finish_publish(source, publish, PUBLISH_DENIED);
    }
}
