/* ring.h - a bounded log of encoded events */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_RING_H
#define GATEWAY_CORE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/policy.h"
#include "proto/event_id.h"

struct budget;
struct encoding;
struct message;
struct segment;

/* Positions count entries and leave room below for older ones that are put in front. */
#define RING_ORIGIN (UINT64_C(1) << 62)

struct entry {
    struct segment *segment; /* NULL: a mark that events may be missing here */
    uint64_t sequence;
    int64_t received_ns;
    int64_t arrived_ns; /* monotonic; 0: not live */
    uint32_t offset, size;
    uint32_t subject_offset; /* from the start of the segment's bytes; wildcard channels only */
    uint32_t subject_len;
};

/* Not thread safe: its channel has a lock. */
struct ring {
    struct budget *budget; /* what it allocates is counted there; outlives it */
    enum policy_event event;
    enum policy_format format;
    bool with_subjects;  /* one pattern, many subjects: each entry keeps its own */
    uint32_t events_max; /* at most this many events … */
    uint64_t bytes_max;  /* … and bytes, but always the newest entry */
    struct entry *entries;
    uint32_t capacity;   /* a power of 2; grows up to events_max */
    uint64_t head, tail; /* positions: entries are [tail, head) */
    uint64_t bytes;
    uint32_t marks;       /* of the entries */
    uint64_t evicted;     /* the greatest sequence that had to go; 0: none yet */
    int64_t balance;      /* bytes of memory taken less those let go of; off by what ring_prepend brought along */
    struct segment *open; /* the segment that is being filled */
};

/* The form is the caller's: budget, event, format, with_subjects, events_max, bytes_max are set, all else is zero. */
void ring_init(struct ring *ring);
void ring_dispose(struct ring *ring);

/* Sequences ascend. id.incarnation 0: the event carries none. */
void ring_append(struct ring *ring, struct encoding *encoding, struct event_id id, uint64_t sequence,
                 const struct message *message);
void ring_append_mark(struct ring *ring, uint64_t sequence, int64_t now_ns);

/*
 * Puts the newest entries of `older` in front of the oldest, as many as there
 * is room for; `older` is empty after it. The greatest sequence for which
 * there was none, or 0.
 */
uint64_t ring_prepend(struct ring *ring, struct ring *older);

/* Lets go of the oldest entries, but never of the newest, until the balance is down there again. How many went. */
uint64_t ring_shed(struct ring *ring, int64_t balance);

/*
 * Lets go of the oldest entries, as long as they came before that time (wall
 * clock), until that many bytes of memory are free. Without any entry it holds
 * next to nothing. Returns how many bytes became free.
 */
uint64_t ring_trim(struct ring *ring, uint64_t bytes, int64_t before_ns);

static inline struct entry *ring_entry(const struct ring *ring, uint64_t position)
{
    return &ring->entries[position & (ring->capacity - 1)];
}

#endif
