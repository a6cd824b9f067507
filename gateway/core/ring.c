/* ring.c - a bounded log of encoded events */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/ring.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/core/budget.h"
#include "gateway/core/encode.h"
#include "gateway/core/message.h"
#include "gateway/core/segment.h"

#define CAPACITY_MIN 8u
#define SEGMENT_BYTES_MIN 256u

_Static_assert((CAPACITY_MIN & (CAPACITY_MIN - 1)) == 0, "positions are masked, and capacities double");
_Static_assert(SEGMENT_BYTES_MIN <= SEGMENT_BYTES_MAX, "segments grow");

/* Of memory. */
static uint64_t entries_bytes(uint32_t capacity)
{
    return capacity * sizeof(struct entry);
}

static uint64_t segment_bytes(const struct segment *segment)
{
    return sizeof(*segment) + segment->capacity;
}

static void give_memory(struct ring *ring, uint64_t bytes)
{
    budget_give(ring->budget, bytes);
    ring->balance -= (int64_t)bytes;
}

static void take_memory(struct ring *ring, uint64_t bytes)
{
    budget_take(ring->budget, bytes);
    ring->balance += (int64_t)bytes;
}

void ring_init(struct ring *ring)
{
    ring->capacity = CAPACITY_MIN;
    ring->entries = check_calloc(ring->capacity, sizeof(*ring->entries));
    ring->head = ring->tail = RING_ORIGIN;
    take_memory(ring, entries_bytes(ring->capacity));
}

/* No entry refers to it any more. */
static void let_go_segment(struct ring *ring, struct segment *segment)
{
    give_memory(ring, segment_bytes(segment));
    segment_release(segment);
}

/* Accounts for an entry that leaves the ring. */
static void drop_entry(struct ring *ring, const struct entry *entry)
{
    if (ring->evicted < entry->sequence)
        ring->evicted = entry->sequence;
    if (entry->segment == NULL) {
        --ring->marks;
        return;
    }
    ring->bytes -= entry->size + entry->subject_len;
    if (--entry->segment->live == 0 && entry->segment != ring->open)
        let_go_segment(ring, entry->segment);
}

/* Later events go into a new segment. */
static void close_segment(struct ring *ring)
{
    struct segment *open = ring->open;
    ring->open = NULL;
    if (open != NULL && open->live == 0)
        let_go_segment(ring, open);
}

void ring_dispose(struct ring *ring)
{
    while (ring->tail != ring->head)
        drop_entry(ring, ring_entry(ring, ring->tail++));
    close_segment(ring);
    give_memory(ring, entries_bytes(ring->capacity));
    free(ring->entries);
}

static void resize_entries(struct ring *ring, uint32_t capacity)
{
    struct entry *entries = check_malloc(capacity * sizeof(*entries));
    for (uint64_t p = ring->tail; p != ring->head; ++p)
        entries[p & (capacity - 1)] = *ring_entry(ring, p);
    take_memory(ring, entries_bytes(capacity));
    give_memory(ring, entries_bytes(ring->capacity));
    free(ring->entries);
    ring->entries = entries;
    ring->capacity = capacity;
}

static void grow_entries(struct ring *ring)
{
    resize_entries(ring, ring->capacity * 2);
}

static bool has_room(const struct ring *ring, size_t bytes)
{
    return ring->head - ring->tail < ring->events_max && ring->bytes + bytes <= ring->bytes_max;
}

/* Makes room for one more entry of this size, within the bounds. */
static struct entry *push_entry(struct ring *ring, size_t bytes)
{
    while (ring->head != ring->tail && !has_room(ring, bytes))
        drop_entry(ring, ring_entry(ring, ring->tail++));
    if (ring->head - ring->tail == ring->capacity)
        grow_entries(ring);
    return ring_entry(ring, ring->head++);
}

/*
 * Segments start small and double, so that a quiet channel costs little and a
 * busy one has long stretches. A segment goes as a whole: where memory is
 * short, no segment is more than an eighth of its ring, or making room for one
 * would take most of the events along.
 */
static uint32_t next_capacity(const struct ring *ring)
{
    uint64_t capacity = ring->open != NULL ? (uint64_t)ring->open->capacity * 2 : SEGMENT_BYTES_MIN;
    if (capacity > SEGMENT_BYTES_MAX)
        capacity = SEGMENT_BYTES_MAX;
    if (budget_is_over(ring->budget) && capacity > ring->bytes / 8)
        capacity = ring->bytes / 8;
    return (uint32_t)(capacity > SEGMENT_BYTES_MIN ? capacity : SEGMENT_BYTES_MIN);
}

static struct segment *segment_for(struct ring *ring, size_t front, size_t back)
{
    struct segment *open = ring->open;
    if (open != NULL && segment_has_room(open, front, back))
        return open;
    uint32_t capacity = next_capacity(ring);
    CHECK(front + back <= UINT32_MAX);
    if (capacity < front + back)
        capacity = (uint32_t)(front + back);
    close_segment(ring);
    ring->open = segment_create(capacity);
    take_memory(ring, segment_bytes(ring->open));
    return ring->open;
}

void ring_append(struct ring *ring, struct encoding *encoding, struct event_id id, uint64_t sequence,
                 const struct message *message)
{
    size_t size = encode_prepare(encoding, ring->event, ring->format, id, message);
    size_t subject_len = ring->with_subjects ? message->subject_len : 0;

    struct entry *entry = push_entry(ring, size + subject_len);
    struct segment *segment = segment_for(ring, size, subject_len);
    *entry = (struct entry){
        .segment = segment,
        .sequence = sequence,
        .received_ns = message->received_ns,
        .arrived_ns = message->arrived_ns,
        .offset = segment->front,
        .size = (uint32_t)size,
        .subject_len = (uint32_t)subject_len,
    };
    encode_write(segment->bytes + segment->front, encoding);
    segment->front += (uint32_t)size;
    segment->back += (uint32_t)subject_len;
    entry->subject_offset = segment->capacity - segment->back;
    if (subject_len != 0)
        memcpy(segment->bytes + entry->subject_offset, message->subject, subject_len);
    ++segment->live;
    ring->bytes += size + subject_len;
}

void ring_append_mark(struct ring *ring, uint64_t sequence, int64_t now_ns)
{
    *push_entry(ring, 0) = (struct entry){.sequence = sequence, .received_ns = now_ns};
    ++ring->marks;
}

/* Takes the newest entry out again, as if it had never been there. */
static void pop_entry(struct ring *ring)
{
    uint64_t evicted = ring->evicted;
    drop_entry(ring, ring_entry(ring, --ring->head));
    ring->evicted = evicted;
}

uint64_t ring_prepend(struct ring *ring, struct ring *older)
{
    /* drop the events that both have */
    while (older->head != older->tail && ring->head != ring->tail &&
           ring_entry(older, older->head - 1)->sequence >= ring_entry(ring, ring->tail)->sequence)
        pop_entry(older);
    while (older->head != older->tail) {
        struct entry *entry = ring_entry(older, older->head - 1);
        size_t bytes = entry->size + entry->subject_len;
        if (!has_room(ring, bytes))
            break;
        if (ring->head - ring->tail == ring->capacity)
            grow_entries(ring);
        CHECK(entry->segment != NULL); /* what is got from a store has no marks */
        *ring_entry(ring, --ring->tail) = *entry;
        ring->bytes += bytes;
        older->bytes -= bytes;
        --older->head;
    }
    /* some entries of the open segment may be the other ring's now, which frees it with the last of them */
    while (older->head != older->tail)
        drop_entry(older, ring_entry(older, older->tail++));
    close_segment(older);
    return older->evicted;
}

uint64_t ring_shed(struct ring *ring, int64_t balance)
{
    uint64_t tail = ring->tail;
    while (ring->head - ring->tail > 1 && ring->balance > balance)
        drop_entry(ring, ring_entry(ring, ring->tail++));
    return ring->tail - tail;
}

/* Not by less than half: what grows again at once would have been moved for nothing. */
static void shrink_entries(struct ring *ring)
{
    uint32_t capacity = ring->capacity;
    while (capacity > CAPACITY_MIN && (ring->head - ring->tail) * 4 <= capacity)
        capacity /= 2;
    if (capacity != ring->capacity)
        resize_entries(ring, capacity);
}

uint64_t ring_trim(struct ring *ring, uint64_t bytes, int64_t before_ns)
{
    int64_t before = ring->balance;
    while (ring->head != ring->tail && (uint64_t)(before - ring->balance) < bytes &&
           ring_entry(ring, ring->tail)->received_ns < before_ns)
        drop_entry(ring, ring_entry(ring, ring->tail++));
    if (ring->head == ring->tail)
        close_segment(ring);
    shrink_entries(ring);
    return (uint64_t)(before - ring->balance);
}
