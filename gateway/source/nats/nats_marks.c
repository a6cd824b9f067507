/* nats_marks.c - the marks that tell readers of an outage, before the first message after it */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_marks.h"

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/lock.h"
#include "gateway/core/ingress.h"
#include "gateway/source/nats/nats_state.h"

#define MARK_WAIT_MS 1000 /* delivery waits so long for the mark that belongs before a message */

/* One array for all channels of a mark, kept: an outage of 100,000 channels must not begin with growing it. */
void nats_marks_collect(struct nats_source *source, struct channel *channel)
{
    CHECK_HELD(&source->table_lock);
    if (source->lost_count == source->lost_capacity) {
        source->lost_capacity = source->lost_capacity == 0 ? 64 : source->lost_capacity * 2;
        source->lost = check_realloc(source->lost, source->lost_capacity * sizeof(struct channel *));
    }
    source->lost[source->lost_count++] = channel;
}

void nats_marks_tell(struct nats_source *source)
{
    CHECK_HELD(&source->table_lock);
    if (source->lost_count != 0)
        ingress_lost(&source->base, source->lost, source->lost_count);
    source->lost_count = 0;
}

void nats_marks_place(struct nats_source *source, uint64_t session)
{
    lock_take(&source->table_lock);
    if (atomic_load(&source->marked) < session) {
        /* A channel that has not been announced yet has no readers that could have missed anything. */
        for (struct list *node = source->table.next; node != &source->table; node = node->next) {
            const struct nats_channel *channel = LIST_ENTRY(node, struct nats_channel, table);
            if (channel->is_announced && !channel->is_denied)
                nats_marks_collect(source, channel->channel);
        }
        nats_marks_tell(source);
        atomic_store(&source->marked, session);
    }
    lock_give(&source->table_lock);
    nats_inbox_wake_marked(&source->inbox);
}

/*
 * A message of a connection whose marks aren't placed yet may come after a
 * loss. Control places them as soon as the subscriptions stand; should that
 * take too long (or never come, because the connection is gone again), a mark
 * too many is better than one too late.
 */
void nats_marks_await(struct nats_source *source, uint64_t session)
{
    int64_t until_ns = clock_mono_ns() + MARK_WAIT_MS * NS_PER_MS;
    if (nats_inbox_await_mark(&source->inbox, &source->marked, session, until_ns))
        nats_marks_place(source, session);
}
