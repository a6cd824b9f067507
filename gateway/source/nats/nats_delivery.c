/* nats_delivery.c - the delivery thread: from the client library's message to the channel */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_internal.h"

#include "gateway/base/clock.h"
#include "gateway/core/message.h"
#include "gateway/source/nats/nats_message.h"

/*
 * A message of a connection whose marks aren't placed yet may come after a
 * loss. Control places them as soon as the subscriptions stand; should that
 * take too long (or never come, because the connection is gone again), a mark
 * too many is better than one too late.
 */
static void await_marks(struct nats_source *source, uint64_t session)
{
    struct nats_inbox *inbox = &source->inbox;
    int64_t deadline_ns = clock_mono_ns() + MARK_WAIT_MS * INT64_C(1000000);
    pthread_mutex_lock(&inbox->lock);
    while (!inbox->stop && atomic_load(&source->marked) < session &&
           nats_condition_wait(&inbox->marked, &inbox->lock, deadline_ns))
        ;
    bool stop = inbox->stop;
    pthread_mutex_unlock(&inbox->lock);
    if (!stop)
        nats_channels_mark(source, session);
}

void nats_delivery_on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *arg)
{
    struct nats_feed *feed = arg;
    struct nats_source *source = feed->source;
    struct channel *channel = atomic_load_explicit(&feed->channel, memory_order_acquire);
    (void)connection;
    (void)subscription;
    if (channel != NULL) {
        uint64_t session = atomic_load_explicit(&source->session, memory_order_acquire);
        if (atomic_load_explicit(&source->marked, memory_order_acquire) < session)
            await_marks(source, session);
        struct message message = {.received_ns = clock_wall_ns(), .arrived_ns = clock_mono_ns()};
        nats_message_read(msg, &message);
        channel_append(channel, &message);
    }
    natsMsg_Destroy(msg);
}

void nats_delivery_on_complete(void *arg)
{
    struct nats_feed *feed = arg;
    struct nats_source *source = feed->source;
    pthread_mutex_lock(&source->inbox.lock);
    feed->next = source->inbox.completed;
    source->inbox.completed = feed;
    nats_inbox_wake(source);
    pthread_mutex_unlock(&source->inbox.lock);
}
