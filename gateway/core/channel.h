/* channel.h - one NATS filter: a bounded log of encoded events, and its followers */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_CHANNEL_H
#define GATEWAY_CORE_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "gateway/base/lock.h"
#include "gateway/config/policy.h"
#include "gateway/core/mailbox.h"
#include "gateway/core/ring.h"
#include "gateway/core/source.h"

/*
 * A channel is shared by all threads: a source appends to it, each hub with
 * readers on it keeps a view of its ring. Routes that ask for the same pattern,
 * history and form share it. Positions count a channel's entries from 0 and
 * are the same in the channel and all of its views; sequences are the
 * source's.
 *
 * Lock order: registry, source, channel, mailbox.
 */
struct channel_profile {
    struct source *source;
    enum policy_store store;
    enum policy_event event;
    enum policy_format format;
    uint32_t events;   /* the ring holds at most this many entries … */
    uint64_t bytes;    /* … and bytes, but always the newest entry */
    int64_t linger_ns; /* kept so long after the last view left */
};

/* A hub's part in a channel: lies in the view that the hub has of it. */
struct channel_follower {
    struct mailbox_mark mark; /* the channel has something new for it */
    _Atomic uint32_t readers; /* written by its hub; others read it under the channel's lock */
};

enum channel_state {
    CHANNEL_PENDING = 0, /* the source has not said yet that messages flow */
    CHANNEL_OPEN,
    CHANNEL_DENIED,
};

struct channel {
    struct registry *registry;
    struct channel_profile profile;
    char *key; /* of the registry's table: profile and pattern */
    size_t key_len;
    char *pattern;
    size_t pattern_len;
    bool literal;
    _Atomic uint32_t reserved; /* see channel_is_guarded */

    /* under the registry's lock */
    UT_hash_handle hh;
    uint32_t users; /* views, and joins on their way */
    int64_t idle_since_ns;
    struct channel *next_closing;

    _Atomic int64_t used_ns; /* when something last came in, or a reader came or went; monotonic, coarse */

    void *source_data; /* the source's own */

    struct lock lock;
    enum channel_state state;
    int64_t denied_ns; /* since when, if it is */
    struct ring ring;
    uint64_t floor;  /* everything with a greater sequence that the pattern matched is in the ring */
    uint64_t bottom; /* … and what is not above this one will not be: the ring is full, or older events can't be had */
    uint64_t hole;   /* up to here the store had let go of events before they were got for a fill */
    bool filling;    /* the source gets older events, from fill_after on */
    uint64_t fill_after;
    uint64_t fill_want;                  /* the lowest that was asked for meanwhile */
    uint32_t fills;                      /* finished */
    struct channel_follower **followers; /* one slot per mailbox of the registry; NULL: its hub has no view of it */
};

/* The key under which a channel is found, into key (of channel_key_size bytes). Same bytes, same channel. */
size_t channel_key_size(size_t pattern_len);
void channel_key(char *key, const struct channel_profile *profile, const char *pattern, size_t pattern_len);

/* Made by the registry. `followers` has one slot for each of its mailboxes. */
struct channel *channel_create(struct registry *registry, const struct channel_profile *profile, const char *pattern,
                               size_t pattern_len);
/* No view, no source refers to it any more. */
void channel_destroy(struct channel *channel);

/* ---- of core ---- */

/* As ring_trim; marks its followers; *events is how many had to go, *wake as channel_mark_followers has it. */
uint64_t channel_trim(struct channel *channel, uint64_t bytes, int64_t before_ns, uint64_t *events, uint64_t *wake);

static inline void channel_touch(struct channel *channel, int64_t now_ns)
{
    atomic_store_explicit(&channel->used_ns, now_ns, memory_order_relaxed);
}

/*
 * Its pattern can match a subject that is for no client, so each message needs
 * a judgement of its own (reserved_has). Judged when the channel is made, and
 * again only when a new configuration has declared more. Any thread.
 */
bool channel_is_guarded(struct channel *channel);

/* The lock is held: its ring has let go of events. Where it ends follows. */
void channel_note_evicted(struct channel *channel);

/* A ring of the channel's form and size. */
void channel_ring_init(const struct channel *channel, struct ring *ring);

/*
 * The lock is held: its followers have something new. The bits of their mailboxes are set in *wake, for registry_wake
 * once the horizon has moved.
 */
void channel_mark_followers(struct channel *channel, uint64_t *wake);

static inline const struct entry *channel_entry(const struct channel *channel, uint64_t position)
{
    return ring_entry(&channel->ring, position);
}

#endif
