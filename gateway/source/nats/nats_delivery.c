/* nats_delivery.c - the delivery thread: from the client library's message to the channel */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_delivery.h"

#include "gateway/base/clock.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/source/nats/nats_marks.h"
#include "gateway/source/nats/nats_message.h"
#include "gateway/source/nats/nats_state.h"

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
            nats_marks_await(source, session);
        struct message message = {.received_ns = clock_wall_ns(), .arrived_ns = clock_mono_ns()};
        nats_message_read(msg, &message);
        ingress_append(channel, &message);
    }
    natsMsg_Destroy(msg);
}
