/* registry.c - all channels of the process, by what they carry */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/registry.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/lock.h"
#include "gateway/base/metrics.h"
#include "proto/subject.h"

_Static_assert(REGISTRY_MAILBOXES_MAX <= 64, "registry_wake takes a bit of a word for each");

/* Without history there is nothing to keep; but a subscription for each reload of a page would storm the broker. */
#define LINGER_MIN_NS NS_PER_S

void registry_init(struct registry *registry)
{
    *registry = (struct registry){.channels = NULL, .started_ns = clock_mono_ns()};
    lock_init(&registry->lock);
}

void registry_limit_bytes(struct registry *registry, uint64_t bytes)
{
    atomic_store(&registry->budget.limit, bytes);
}

void registry_dispose(struct registry *registry)
{
    CHECK(registry->channels == NULL && registry->closing_count == 0 && budget_used(&registry->budget) == 0);
    lock_dispose(&registry->lock);
}

void registry_add_mailbox(struct registry *registry, struct mailbox *mailbox)
{
    CHECK(registry->mailbox_count < REGISTRY_MAILBOXES_MAX && registry->channels == NULL);
    mailbox->index = registry->mailbox_count;
    registry->mailboxes[registry->mailbox_count++] = mailbox;
}

struct channel *registry_acquire(struct registry *registry, const struct channel_profile *profile, const char *pattern,
                                 size_t pattern_len)
{
    char key[sizeof(struct channel_profile) + SUBJECT_MAX];
    size_t key_len = channel_key_size(pattern_len);
    CHECK(key_len <= sizeof(key));
    channel_key(key, profile, pattern, pattern_len);

    struct channel *channel;
    lock_take(&registry->lock);
    HASH_FIND(hh, registry->channels, key, key_len, channel);
    bool is_new = channel == NULL;
    if (is_new) {
        channel = channel_create(registry, profile, pattern, pattern_len);
        HASH_ADD_KEYPTR(hh, registry->channels, channel->key, channel->key_len, channel);
        metrics_add_shared(METRIC_CHANNELS, 1);
    }
    ++channel->users;
    lock_give(&registry->lock);
    if (is_new)
        profile->source->ops->open(profile->source, channel);
    return channel;
}

void registry_release(struct registry *registry, struct channel *channel, int64_t idle_since_ns)
{
    lock_take(&registry->lock);
    CHECK(channel->users != 0);
    --channel->users;
    if (channel->idle_since_ns < idle_since_ns)
        channel->idle_since_ns = idle_since_ns;
    lock_give(&registry->lock);
}

/* The next reader asks again for what the broker has refused, but not more often than once a second. */
static bool is_channel_over(struct channel *channel, int64_t now_ns)
{
    if (channel->users != 0)
        return false;
    int64_t linger_ns = channel->profile.store == POLICY_STORE_NONE ? 0 : channel->profile.linger_ns;
    if (linger_ns < LINGER_MIN_NS)
        linger_ns = LINGER_MIN_NS;
    lock_take(&channel->lock);
    bool refused = channel->state == CHANNEL_DENIED && now_ns - channel->denied_ns >= LINGER_MIN_NS;
    lock_give(&channel->lock);
    return refused || now_ns - channel->idle_since_ns >= linger_ns;
}

/* The lock is held: walks under way skip this channel. */
static void take_out_channel(struct registry *registry, struct channel *channel)
{
    CHECK_HELD(&registry->lock);
    for (struct registry_walk *walk = registry->walks; walk != NULL; walk = walk->other_walk) {
        if (walk->next == channel)
            walk->next = channel->hh.next;
    }
    CHECK(registry->channels != NULL);
    HASH_DEL(registry->channels, channel);
    ++registry->closing_count;
    metrics_add_shared(METRIC_CHANNELS, -1);
}

bool registry_unpin(struct registry *registry, struct channel *channel, bool close)
{
    lock_take(&registry->lock);
    CHECK(channel->users != 0);
    bool closes = --channel->users == 0 && close;
    if (closes)
        take_out_channel(registry, channel);
    lock_give(&registry->lock);
    if (closes)
        channel->profile.source->ops->close(channel->profile.source, channel);
    return closes;
}

/* The source has the last word: ingress_closed frees it. It is told outside the lock, so that it may say so at once. */
static void close_channels(struct registry *registry, bool all, int64_t now_ns)
{
    struct channel *channel, *next, *closing = NULL;
    lock_take(&registry->lock);
    HASH_ITER (hh, registry->channels, channel, next) {
        CHECK(!all || channel->users == 0);
        if (!all && !is_channel_over(channel, now_ns))
            continue;
        take_out_channel(registry, channel);
        channel->next_closing = closing;
        closing = channel;
    }
    lock_give(&registry->lock);
    while ((channel = closing) != NULL) {
        closing = channel->next_closing;
        channel->profile.source->ops->close(channel->profile.source, channel);
    }
}

void registry_sweep(struct registry *registry, int64_t now_ns)
{
    close_channels(registry, false, now_ns);
}

void registry_close_all(struct registry *registry)
{
    close_channels(registry, true, 0);
}

void registry_forget(struct registry *registry)
{
    lock_take(&registry->lock);
    CHECK(registry->closing_count != 0);
    --registry->closing_count;
    lock_give(&registry->lock);
}

void registry_wake(struct registry *registry, uint64_t mailboxes)
{
    if (budget_is_over(&registry->budget))
        mailboxes |= 1;
    for (unsigned i = 0; mailboxes != 0; ++i, mailboxes >>= 1) {
        if ((mailboxes & 1) != 0)
            mailbox_wake(registry->mailboxes[i]);
    }
}

size_t registry_channel_count(struct registry *registry)
{
    lock_take(&registry->lock);
    size_t count = HASH_COUNT(registry->channels);
    lock_give(&registry->lock);
    return count;
}

void registry_walk_begin(struct registry *registry, struct registry_walk *walk)
{
    lock_take(&registry->lock);
    *walk = (struct registry_walk){registry->channels, registry->walks};
    registry->walks = walk;
    lock_give(&registry->lock);
}

bool registry_walk_step(struct registry *registry, struct registry_walk *walk, unsigned count,
                        void (*look)(void *arg, struct channel *channel), void *arg)
{
    lock_take(&registry->lock);
    for (; walk->next != NULL && count != 0; --count) {
        struct channel *channel = walk->next;
        walk->next = channel->hh.next;
        __builtin_prefetch(walk->next);
        look(arg, channel);
    }
    bool more = walk->next != NULL;
    lock_give(&registry->lock);
    return more;
}

void registry_walk_end(struct registry *registry, struct registry_walk *walk)
{
    struct registry_walk **link = &registry->walks;
    lock_take(&registry->lock);
    while (*link != NULL && *link != walk)
        link = &(*link)->other_walk;
    CHECK(*link == walk);
    *link = walk->other_walk;
    lock_give(&registry->lock);
}
