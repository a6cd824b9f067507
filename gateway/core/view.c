/* view.c - one hub's copy of a channel's ring, and the readers that follow it there */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/view.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/hash.h"
#include "gateway/base/lock.h"
#include "gateway/base/thread.h"
#include "gateway/core/hub.h"
#include "gateway/core/registry.h"
#include "gateway/core/segment.h"

struct view *view_create(struct hub *hub, struct channel *channel, uint64_t horizon)
{
    CHECK_THREAD(hub);
    struct view *view = check_calloc(1, sizeof(*view));
    view->hub = hub;
    view->channel = channel;
    list_init(&view->waiting);
    list_init(&view->pending);
    list_init(&view->turn);
    list_init(&view->idle);
    /*
     * The source's lock waits for a thread that has appended and not yet moved the horizon: it has not seen this view
     * and would not wake its hub for what it appended.
     */
    lock_take(&channel->profile.source->lock);
    lock_take(&channel->lock);
    CHECK(channel->followers[hub->mailbox.index] == NULL);
    channel->followers[hub->mailbox.index] = &view->follower;
    view->head = view->tail = channel->ring.tail;
    view->floor = channel->floor;
    view->state = channel->state;
    lock_give(&channel->lock);
    lock_give(&channel->profile.source->lock);
    if (view_sync(view, horizon)) {
        mailbox_mark(&hub->mailbox, &view->follower.mark);
        hub->is_behind = true;
    }
    return view;
}

static void close_run(struct view *view)
{
    if (view->run != NULL && view->run->end <= view->tail)
        run_release(&view->hub->runs, view->run); /* the view's own reference: no entry needs it */
    view->run = NULL;
}

static void drop_entry(struct view *view)
{
    const struct view_entry *entry = view_entry(view, view->tail++);
    if (entry->run != NULL && entry->run->end == view->tail && entry->run != view->run)
        run_release(&view->hub->runs, entry->run);
}

/* Begins again at a position of the channel's. Readers keep theirs. */
static void forget_before(struct view *view, uint64_t position)
{
    while (view->tail != view->head)
        drop_entry(view);
    close_run(view);
    view->head = view->tail = position;
    view->marked_head = position;
}

void view_destroy(struct view *view)
{
    struct channel *channel = view->channel;
    CHECK(view->follower.readers == 0);
    lock_take(&channel->lock);
    channel->followers[view->hub->mailbox.index] = NULL;
    lock_give(&channel->lock);
    mailbox_unmark(&view->hub->mailbox, &view->follower.mark);
    while (view->tail != view->head)
        drop_entry(view);
    close_run(view);
    list_remove(&view->turn);
    list_remove(&view->idle);
    budget_give(&channel->registry->budget, view->ring_capacity * sizeof(*view->ring));
    registry_release(channel->registry, channel, view->idle_since_ns);
    free(view->ring);
    free(view);
}

/* The channel's lock is held. */
static void fit_ring(struct view *view, uint32_t capacity)
{
    if (view->ring_capacity == capacity)
        return;
    struct view_entry *ring = check_malloc(capacity * sizeof(*ring));
    for (uint64_t p = view->tail; p != view->head; ++p)
        ring[p & (capacity - 1)] = *view_entry(view, p);
    struct budget *budget = &view->channel->registry->budget;
    budget_take(budget, capacity * sizeof(*ring));
    budget_give(budget, view->ring_capacity * sizeof(*ring));
    free(view->ring);
    view->ring = ring;
    view->ring_capacity = capacity;
}

static void take_entry(struct view *view, const struct entry *entry)
{
    struct view_entry *mine = &view->ring[view->head & (view->ring_capacity - 1)];
    *mine = (struct view_entry){
        .sequence = entry->sequence,
        .received_ns = entry->received_ns,
        .arrived_ns = entry->arrived_ns,
        .offset = entry->offset,
        .size = entry->size,
        .subject_offset = entry->subject_offset,
        .subject_len = entry->subject_len,
    };
    ++view->head;
    if (entry->segment == NULL) {
        close_run(view); /* a reader must stop at the mark */
        return;
    }
    if (view->run == NULL || view->run->segment != entry->segment || view->run->end_offset != entry->offset) {
        close_run(view);
        view->run = run_create(&view->hub->runs, entry->segment);
    }
    mine->run = view->run;
    view->run->end = view->head;
    view->run->end_offset = entry->offset + entry->size;
}

/* Makes its waiting readers pending. */
static void schedule_readers(struct view *view)
{
    list_concat(&view->pending, &view->waiting);
    if (!list_is_empty(&view->pending) && list_is_empty(&view->turn))
        list_append(&view->hub->turn_views, &view->turn);
}

bool view_sync(struct view *view, uint64_t horizon)
{
    CHECK_THREAD(view->hub);
    struct channel *channel = view->channel;
    uint64_t head_before = view->head;
    bool more = false;

    lock_take(&channel->lock);
    const struct ring *ring = &channel->ring;
    if (ring->tail < view->tail)
        forget_before(view, ring->tail); /* older events were put in front */
    while (view->tail != view->head && view->tail < ring->tail)
        drop_entry(view);
    if (view->head < ring->tail)
        forget_before(view, ring->tail); /* this hub was so slow that some were evicted unseen */
    if (view->tail == view->head)
        close_run(view); /* or it would keep a segment that no entry needs */
    view->floor = channel->floor;
    view->hole = channel->hole;
    fit_ring(view, ring->capacity);
    while (view->head != ring->head) {
        const struct entry *entry = channel_entry(channel, view->head);
        if (entry->sequence > horizon) {
            more = true;
            break;
        }
        take_entry(view, entry);
    }
    bool state_changed = view->state != channel->state || view->fills != channel->fills;
    view->state = channel->state;
    view->fills = channel->fills;
    lock_give(&channel->lock);

    if (view->head != head_before || state_changed)
        schedule_readers(view);
    return more;
}

uint64_t view_after(const struct view *view, uint64_t sequence)
{
    CHECK_THREAD(view->hub);
    uint64_t low = view->tail, high = view->head;
    while (low != high) {
        uint64_t middle = low + (high - low) / 2;
        if (view_entry(view, middle)->sequence > sequence)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint64_t view_since(const struct view *view, int64_t ns)
{
    CHECK_THREAD(view->hub);
    /* in order of arrival; a wall clock that was set back makes times fall, so no bisection */
    uint64_t position = view->head;
    while (position != view->tail) {
        const struct view_entry *entry = view_entry(view, position - 1);
        if (entry->run != NULL && entry->received_ns < ns)
            break;
        --position;
    }
    return position;
}

static const char *subject_of(const struct view *view, const struct view_entry *entry, size_t *len)
{
    if (view->channel->literal || entry->run == NULL) {
        *len = view->channel->pattern_len;
        return view->channel->pattern;
    }
    *len = entry->subject_len;
    return entry->run->segment->bytes + entry->subject_offset;
}

const char *view_subject(const struct view *view, const struct view_entry *entry, size_t *len)
{
    CHECK_THREAD(view->hub);
    return subject_of(view, entry, len);
}

static bool same_subject(const struct view *view, const struct view_entry *a, const struct view_entry *b)
{
    size_t a_len, b_len;
    const char *a_subject = subject_of(view, a, &a_len);
    const char *b_subject = subject_of(view, b, &b_len);
    return a_len == b_len && memcmp(a_subject, b_subject, a_len) == 0;
}

void view_mark_superseded(struct view *view)
{
    CHECK_THREAD(view->hub);
    if (view->marked_head == view->head)
        return;
    view->marked_head = view->head;
    size_t slots = (size_t)view->ring_capacity * 2;
    struct view_entry **newest = check_calloc(slots, sizeof(struct view_entry *));
    for (uint64_t p = view->head; p != view->tail; --p) {
        struct view_entry *entry = view_entry(view, p - 1);
        if (entry->run == NULL)
            continue; /* marks are never skipped */
        size_t len;
        const char *subject = subject_of(view, entry, &len);
        size_t slot = hash_keyed(subject, len) & (slots - 1);
        while (newest[slot] != NULL && !same_subject(view, newest[slot], entry))
            slot = (slot + 1) & (slots - 1);
        entry->superseded = newest[slot] != NULL;
        if (newest[slot] == NULL)
            newest[slot] = entry;
    }
    free(newest);
}
