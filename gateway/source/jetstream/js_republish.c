/* js_republish.c - following the stream by what it republishes: one core subscription of each channel */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_republish.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/core/message.h"
#include "gateway/source/jetstream/js_held.h"
#include "gateway/source/jetstream/js_live.h"
#include "gateway/source/jetstream/js_missed.h"
#include "gateway/source/jetstream/js_rewind.h"
#include "gateway/source/jetstream/js_state.h"
#include "gateway/source/nats/nats_denial.h"

void js_republish_init(struct js_source *source, bool wanted)
{
    struct js_republish *republish = &source->republish;
    republish->is_wanted = wanted;
    list_init(&republish->unfed);
    if (!wanted)
        return;
    republish->queue = check_calloc(JS_QUEUE_MAX, sizeof(natsMsg *));
    republish->seen = check_calloc(JS_SEEN_MAX, sizeof(*republish->seen));
}

static void empty_queue(struct js_republish *republish)
{
    for (; republish->queue_head != republish->queue_tail; ++republish->queue_head)
        natsMsg_Destroy(republish->queue[republish->queue_head % JS_QUEUE_MAX]);
}

void js_republish_dispose(struct js_source *source)
{
    struct js_republish *republish = &source->republish;
    if (republish->is_wanted)
        empty_queue(republish);
    free(republish->queue);
    free(republish->seen);
    free(republish->from);
    free(republish->to);
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void js_republish_adopt(struct js_source *source, const char *from, const char *to, bool headers_only)
{
    CHECK_THREAD(source);
    struct js_republish *republish = &source->republish;
    if (!republish->is_wanted)
        return;
    /* without payloads the subscriptions are no substitute for a consumer */
    if (to == NULL || to[0] == '\0' || headers_only)
        from = to = NULL;
    else if (from == NULL)
        from = ""; /* no filter: all subjects */
    if (to == NULL && !republish->has_said_no)
        log_write(LOG_WARN, "stream-republishes-nothing", log_str("stream", source->stream),
                  log_str("reason", headers_only ? "it republishes headers only" : "it has no RePublish"),
                  log_str("instead", "followed with a consumer"));
    republish->has_said_no = to == NULL;
    if (is_same(from, republish->from) && is_same(to, republish->to))
        return;
    free(republish->from);
    free(republish->to);
    republish->from = from != NULL ? check_strdup(from) : NULL;
    republish->to = to != NULL ? check_strdup(to) : NULL;
}

void js_republish_reset(struct js_source *source)
{
    CHECK_THREAD(source);
    struct js_republish *republish = &source->republish;
    struct js_live *live = &source->live;
    if (!republish->is_wanted)
        return;
    lock_take(&live->lock);
    js_rewind_look_back(source);
    republish->mode = JS_BY_CONSUMER;
    republish->unconfirmed = live->channel_count; /* the next session has to subscribe for all of them */
    republish->switch_at = republish->dropped = 0;
    republish->is_resting = republish->has_asked = republish->is_denied = false;
    republish->polled = 0;
    empty_queue(republish);
    for (struct list *node = live->channels.next; node != &live->channels; node = node->next) {
        struct js_channel *channel = LIST_ENTRY(node, struct js_channel, node);
        if (channel->feed != NULL)
            channel->feed->owner = NULL;
        channel->feed = NULL;
        channel->is_confirmed = false;
        list_remove(&channel->unfed);
        list_append(&republish->unfed, &channel->unfed);
    }
    lock_give(&live->lock);
}

/* ---- the delivery thread: live.lock is held ---- */

struct republished {
    uint64_t number, last; /* last: of the message before it of the same subject, 0: none */
    const char *subject;
    size_t subject_len;
};

static uint64_t header_number(natsMsg *msg, const char *name)
{
    const char *value;
    return natsMsgHeader_Get(msg, name, &value) == NATS_OK ? strtoull(value, NULL, 10) : 0;
}

static bool read_republished(const struct js_source *source, natsMsg *msg, struct republished *read)
{
    uint64_t sequence = header_number(msg, "Nats-Sequence"), last = header_number(msg, "Nats-Last-Sequence");
    const char *stream;
    if (sequence == 0 || natsMsgHeader_Get(msg, "Nats-Subject", &read->subject) != NATS_OK ||
        natsMsgHeader_Get(msg, "Nats-Stream", &stream) != NATS_OK || strcmp(stream, source->stream) != 0)
        return false;
    read->number = source->live.base + sequence;
    read->last = last != 0 ? source->live.base + last : 0;
    read->subject_len = strlen(read->subject);
    return true;
}

void js_republish_polled(struct js_source *source, uint64_t last)
{
    struct js_republish *republish = &source->republish;
    CHECK_HELD(&source->live.lock);
    if (republish->mode != JS_BY_REPUBLISH)
        return;
    if (republish->was_unreachable)
        js_live_break_off(source, "the broker was out of reach, and with it perhaps what was republished");
    else
        js_rewind_mark(source, last);
}

/* True: the message before it of the same subject was lost; one can still have it in order, from a consumer. */
static bool is_after_loss(struct js_source *source, const struct republished *read)
{
    struct js_republish *republish = &source->republish;
    uint64_t rewind = js_missed_before(source, read->subject, read->subject_len, read->last);
    if (rewind == 0)
        return false;
    republish->rewind = rewind;
    if (republish->switch_at < read->last)
        republish->switch_at = read->last;
    if (republish->switch_at < source->live.horizon)
        republish->switch_at = source->live.horizon;
    return true;
}

/* False: it has to wait until a consumer has got there. */
static bool take_republished(struct js_source *source, natsMsg *msg)
{
    struct js_live *live = &source->live;
    struct republished read;
    if (!read_republished(source, msg, &read))
        return true; /* not the stream's: any publisher may use that subject */
    live->matches.count = 0;
    subject_index_find(live->index, read.subject, read.subject_len, &live->matches);
    if (is_after_loss(source, &read)) {
        js_live_break_off(source, "a republished message was lost on the way");
        return false;
    }
    /* Each channel that wants it gets a copy, the first of which brings it to all. */
    struct message message = {.subject = read.subject,
                              .subject_len = read.subject_len,
                              .received_ns = clock_wall_ns(),
                              .arrived_ns = clock_mono_ns()};
    js_live_append(source, msg, read.number, &message);
    return true;
}

static void queue_republished(struct js_source *source, natsMsg *msg)
{
    struct js_republish *republish = &source->republish;
    struct republished read;
    /* Full: the consumer has to deliver what is dropped here before it hands over. */
    if (republish->queue_tail - republish->queue_head == JS_QUEUE_MAX) {
        natsMsg *oldest = republish->queue[republish->queue_head++ % JS_QUEUE_MAX];
        if (read_republished(source, oldest, &read) && republish->dropped < read.number)
            republish->dropped = read.number;
        natsMsg_Destroy(oldest);
    }
    republish->queue[republish->queue_tail++ % JS_QUEUE_MAX] = msg;
}

void js_republish_try(struct js_source *source)
{
    CHECK_HELD(&source->live.lock);
    struct js_republish *republish = &source->republish;
    struct js_live *live = &source->live;
    if (republish->look_from != 0 && republish->consumer_at >= republish->look_to)
        republish->look_from = 0;
    /* Not before all subscriptions stand and the consumer is past everything they may have missed. */
    if (!republish->is_wanted || republish->mode == JS_BY_REPUBLISH || republish->unconfirmed != 0 ||
        republish->to == NULL || republish->is_denied || !republish->has_asked ||
        republish->consumer_at < republish->switch_at || republish->consumer_at < republish->dropped)
        return;
    republish->mode = JS_BY_REPUBLISH;
    republish->is_resting = true;
    js_rewind_begin_mark(source);
    republish->was_unreachable = false;
    live->is_working = false;
    js_held_forget(live);
    /* The consumer has brought everything up to the horizon, also to channels that had no message. */
    for (struct list *node = live->channels.next; node != &live->channels; node = node->next) {
        struct js_channel *channel = LIST_ENTRY(node, struct js_channel, node);
        if (channel->known < live->horizon)
            channel->known = live->horizon;
    }
    while (republish->queue_head != republish->queue_tail && republish->mode == JS_BY_REPUBLISH) {
        natsMsg *msg = republish->queue[republish->queue_head % JS_QUEUE_MAX];
        if (!take_republished(source, msg))
            break; /* broken off again: the rest stays queued for the next consumer */
        ++republish->queue_head;
        natsMsg_Destroy(msg);
    }
    js_inbox_wake(&source->inbox);
}

void js_republish_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *arg)
{
    struct js_feed *feed = arg;
    struct js_source *source = feed->link->source;
    struct js_republish *republish = &source->republish;
    bool is_done = true;
    (void)connection;
    (void)subscription;
    lock_take(&source->live.lock);
    if (feed->owner != NULL) {
        republish->arrived_ns = clock_mono_coarse_ns();
        if (republish->mode == JS_BY_CONSUMER || !take_republished(source, msg)) {
            queue_republished(source, msg);
            is_done = false;
        }
    }
    lock_give(&source->live.lock);
    if (is_done)
        natsMsg_Destroy(msg);
}

void js_republish_on_denial(struct js_source *source, const char *text)
{
    struct js_republish *republish = &source->republish;
    struct nats_refused refused;
    if (!republish->is_wanted || !nats_denial_parse(text, &refused) || refused.is_publish)
        return;
    lock_take(&source->live.lock);
    republish->is_denied = true;
    if (republish->mode == JS_BY_REPUBLISH) {
        if (republish->polled < source->live.horizon) /* it stood until then */
            republish->rewind = republish->polled + 1;
        js_live_break_off(source, "the broker refuses a subscription");
    }
    lock_give(&source->live.lock);
}

bool js_republish_leads(struct js_source *source)
{
    CHECK_THREAD(source);
    lock_take(&source->live.lock);
    bool leads = source->republish.mode == JS_BY_REPUBLISH;
    lock_give(&source->live.lock);
    return leads;
}
