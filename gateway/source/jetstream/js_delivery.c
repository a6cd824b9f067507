/* js_delivery.c - the delivery thread: stored events and the consumer's signs of life */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/source/jetstream/js_held.h"
#include "gateway/source/jetstream/js_live.h"
#include "gateway/source/jetstream/js_metadata.h"
#include "gateway/source/jetstream/js_republish.h"
#include "gateway/source/jetstream/js_state.h"

/* Control asks the broker what became of the sequences that are passed over. */
static void note_hole(struct js_source *source, uint64_t number)
{
    struct js_live *live = &source->live;
    if (number <= live->horizon + 1 || live->hole_end != 0)
        return;
    live->hole_end = number;
    js_inbox_wake(&source->inbox);
}

void js_delivery_append(struct js_source *source, natsMsg *msg, const struct js_arrival *arrival)
{
    CHECK_HELD(&source->live.lock);
    struct js_live *live = &source->live;
    uint64_t number = arrival->number;
    struct message message = {
        .subject = natsMsg_GetSubject(msg), .received_ns = arrival->stored_ns, .arrived_ns = arrival->arrived_ns};
    message.subject_len = strlen(message.subject);
    live->matches.count = 0;
    subject_index_find(live->index, message.subject, message.subject_len, &live->matches);
    note_hole(source, number);
    js_live_append(source, msg, number, &message);
    if (number >= live->warm_at || arrival->pending == 0)
        js_inbox_set_warm(&source->inbox);
    source->republish.consumer_at = number;
    js_republish_try(source);
}

void js_delivery_reach(struct js_source *source, uint64_t number)
{
    CHECK_HELD(&source->live.lock);
    struct js_live *live = &source->live;
    if (number > live->horizon) {
        note_hole(source, number + 1);
        ingress_advance(&source->base, number);
        live->horizon = number;
    }
    if (live->horizon >= live->warm_at)
        js_inbox_set_warm(&source->inbox);
    if (source->republish.consumer_at < number)
        source->republish.consumer_at = number;
    js_republish_try(source);
}

/*
 * The next message of the consumer that counts. What the consumer has passed
 * over may be stored all the same (nats-server 2.9.10: js_read_hole.h), so
 * it waits until that is known. True: the message has been taken over.
 */
static bool take_event(struct js_source *source, natsMsg *msg, const struct js_metadata *metadata)
{
    struct js_live *live = &source->live;
    struct js_arrival arrival = {.number = live->base + metadata->stream_sequence,
                                 .stored_ns = metadata->stored_ns,
                                 .arrived_ns = clock_mono_ns(),
                                 .pending = metadata->pending};
    uint64_t first = arrival.number > live->seen + 1 ? live->seen + 1 : 0;
    bool waits = first != 0 || live->held != NULL;
    if (live->seen < arrival.number)
        live->seen = arrival.number;
    if (waits)
        js_held_add(source, JS_HELD_EVENT, msg, first, arrival.number)->arrival = arrival;
    else
        js_delivery_append(source, msg, &arrival);
    return waits;
}

static bool on_event(struct js_link *link, natsMsg *msg)
{
    struct js_source *source = link->source;
    struct js_live *live = &source->live;
    const char *reply = natsMsg_GetReply(msg);
    struct js_metadata metadata;
    bool is_taken = false;
    if (!js_metadata_read(reply, &metadata))
        return false;
    lock_take(&live->lock);
    /* A consumer that was given up may have been delivering until just now. */
    if (live->is_working && live->link == link && strstr(reply, live->mark) != NULL) {
        atomic_store_explicit(&live->heard_ns, clock_mono_coarse_ns(), memory_order_relaxed);
        if (metadata.consumer_sequence != live->consumer_sequence + 1)
            js_live_break_off(source, "messages of the consumer were lost on the way");
        else if (++live->consumer_sequence != 0)
            is_taken = take_event(source, msg, &metadata);
    } else {
        live->has_heard_stray = true;
    }
    lock_give(&live->lock);
    return is_taken;
}

static bool read_header(natsMsg *msg, const char *name, uint64_t *number)
{
    const char *value;
    char *end;
    if (natsMsgHeader_Get(msg, name, &value) != NATS_OK)
        return false;
    errno = 0;
    *number = strtoull(value, &end, 10);
    return errno == 0 && end != value && *end == '\0';
}

/*
 * An idle consumer says how far it is in the stream: there is nothing up to
 * there that it hasn't delivered, also when the last events were deleted.
 */
static void take_heartbeat(struct js_source *source, uint64_t consumer_sequence, uint64_t number)
{
    struct js_live *live = &source->live;
    if (consumer_sequence != live->consumer_sequence) {
        js_live_break_off(source, "messages of the consumer were lost on the way");
    } else if (number > live->seen) {
        js_held_add(source, JS_HELD_HEARTBEAT, NULL, live->seen + 1, number + 1);
        live->seen = number;
    } else if (live->held == NULL) {
        js_delivery_reach(source, number);
    }
}

static void on_heartbeat(struct js_link *link, natsMsg *msg)
{
    struct js_source *source = link->source;
    struct js_live *live = &source->live;
    uint64_t consumer_sequence, stream_sequence;
    lock_take(&live->lock);
    int64_t now_ns = clock_mono_coarse_ns();
    live->has_heard_stray |= !live->is_working;
    /* It doesn't say whose it is: one that comes sooner than a new consumer could be idle is of the one before. */
    if (live->is_working && live->link == link && now_ns >= live->heartbeats_from_ns) {
        atomic_store_explicit(&live->heard_ns, now_ns, memory_order_relaxed);
        if (read_header(msg, "Nats-Last-Consumer", &consumer_sequence) &&
            read_header(msg, "Nats-Last-Stream", &stream_sequence))
            take_heartbeat(source, consumer_sequence, live->base + stream_sequence);
    }
    lock_give(&live->lock);
}

/* Answered behind everything that was delivered before. True: the message has been taken over, until then. */
static bool answer_flow(struct js_link *link, natsMsg *msg)
{
    struct js_source *source = link->source;
    lock_take(&source->live.lock);
    bool waits = source->live.held != NULL;
    if (waits)
        js_held_add(source, JS_HELD_FLOW, msg, 0, 0);
    lock_give(&source->live.lock);
    if (!waits)
        natsConnection_Publish(link->session.connection, natsMsg_GetReply(msg), NULL, 0);
    return waits;
}

/* The consumer waits for an answer that it did not get; while something waits here, that is how it should be. */
static void answer_stalled(struct js_link *link, const char *subject)
{
    struct js_source *source = link->source;
    lock_take(&source->live.lock);
    bool waits = source->live.held != NULL;
    lock_give(&source->live.lock);
    if (!waits)
        natsConnection_Publish(link->session.connection, subject, NULL, 0);
}

static bool on_control(struct js_link *link, natsMsg *msg)
{
    const char *status, *stalled;
    if (natsMsgHeader_Get(msg, "Status", &status) != NATS_OK || strcmp(status, "100") != 0)
        return false;
    if (natsMsg_GetReply(msg) != NULL)
        return answer_flow(link, msg);
    if (natsMsgHeader_Get(msg, "Nats-Consumer-Stalled", &stalled) == NATS_OK)
        answer_stalled(link, stalled);
    on_heartbeat(link, msg);
    return false;
}

/* An event comes under its own subject, the rest under the subscription's. */
void js_delivery_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *arg)
{
    struct js_link *link = arg;
    (void)connection;
    (void)subscription;
    bool is_control = strncmp(natsMsg_GetSubject(msg), link->inbox, link->inbox_len) == 0;
    if (!(is_control ? on_control : on_event)(link, msg))
        natsMsg_Destroy(msg);
}
