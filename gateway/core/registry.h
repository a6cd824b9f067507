/* registry.h - all channels of the process, by what they carry */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_REGISTRY_H
#define GATEWAY_CORE_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/core/budget.h"
#include "gateway/base/lock.h"
#include "gateway/core/channel.h"

/* A bit of a word each: see registry_wake. */
#define REGISTRY_MAILBOXES_MAX 64

/* A way through all channels. Its owner keeps it from begin to end; one thread at a time. */
struct registry_walk {
    struct channel *next;             /* NULL: over */
    struct registry_walk *other_walk; /* the registry's */
};

/* Any thread. Mailboxes are added before the first channel is made and stay until registry_dispose. */
struct registry {
    struct lock lock;
    struct channel *channels; /* uthash, by key */
    struct registry_walk *walks;
    _Atomic unsigned snapshots; /* that are not freed yet */
    size_t closing_count;       /* left the table, but the source still has them */
    struct budget budget;       /* of the channels' rings */
    int64_t reclaim_after_ns;   /* kept by reclaim_run */
    struct mailbox *mailboxes[REGISTRY_MAILBOXES_MAX];
    unsigned mailbox_count;
    int64_t started_ns; /* monotonic */
};

void registry_init(struct registry *registry);
/* All channels have been closed (registry_close_all, and every source stopped). */
void registry_dispose(struct registry *registry);
/* How much memory all rings together may take; 0: any amount. At any time. */
void registry_limit_bytes(struct registry *registry, uint64_t bytes);
/* Sets its index. What it lies in may follow channels from then on. */
void registry_add_mailbox(struct registry *registry, struct mailbox *mailbox);

/* The channel for a profile and pattern, made and opened at its source when there is none. Adds a user. */
struct channel *registry_acquire(struct registry *registry, const struct channel_profile *profile, const char *pattern,
                                 size_t pattern_len);
/* Removes a user, without readers since idle_since_ns. From then on the channel stays for its linger. */
void registry_release(struct registry *registry, struct channel *channel, int64_t idle_since_ns);
/* Closes channels without users whose linger is over. Called by one thread, about once a second. */
void registry_sweep(struct registry *registry, int64_t now_ns);
/* Takes back a user that only kept the channel from being closed; close: now, if there is none left. True: it was. */
bool registry_unpin(struct registry *registry, struct channel *channel, bool close);
/* At the end: closes every channel; none may have users. */
void registry_close_all(struct registry *registry);
/* A channel that was closed is gone: the source has let go of it. */
void registry_forget(struct registry *registry);
/* Wakes the mailboxes whose bits are set; the first one also when it is time for reclaim_run. */
void registry_wake(struct registry *registry, uint64_t mailboxes);
size_t registry_channel_count(struct registry *registry);

void registry_walk_begin(struct registry *registry, struct registry_walk *walk);
/*
 * The next channels, at most `count`, under the registry's lock: channels
 * that come meanwhile are seen too, those that go perhaps not. True: there are more.
 */
bool registry_walk_step(struct registry *registry, struct registry_walk *walk, unsigned count,
                        void (*look)(void *arg, struct channel *channel), void *arg);
void registry_walk_end(struct registry *registry, struct registry_walk *walk);

#endif
