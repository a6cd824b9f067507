/* hub.c - the part of a worker that knows channels and readers */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/hub.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/core/channel.h"
#include "gateway/core/drain.h"
#include "gateway/core/reader.h"
#include "gateway/core/registry.h"
#include "gateway/core/snapshot.h"
#include "gateway/core/view.h"
#include "gateway/core/walk.h"

/* Readers looked at for one channel before the next channel has its turn, and in all before the loop has. */
#define SLICE_READERS 256
#define TURN_READERS 2048
/* Deferred work of one turn, which all others wait for: a signature takes up to a millisecond to verify. */
#define TURN_LATER 64
#define TURN_LATER_NS 1000000
/* A view without readers still receives; it stays this long for whoever comes back. */
#define VIEW_IDLE_NS 1000000000LL

void hub_init(struct hub *hub, struct registry *registry, struct metrics *metrics, void (*wake)(void *), void *wake_arg)
{
    *hub = (struct hub){.registry = registry, .metrics = metrics};
    hub->random = (uint64_t)clock_wall_ns() ^ (uint64_t)(uintptr_t)hub;
    mailbox_init(&hub->mailbox, wake, wake_arg);
    list_init(&hub->turn_views);
    list_init(&hub->idle_views);
    list_init(&hub->readers);
    list_init(&hub->unlooked);
    drain_init(hub);
    list_init(&hub->snapshots);
    hub->walks_waiting_end = &hub->walks_waiting;
    list_init(&hub->later);
    list_init(&hub->later_due);
}

void hub_start(struct hub *hub, int64_t now_ns)
{
    hub->thread = pthread_self();
    hub->now_ns = now_ns;
    wheel_init(&hub->wheel, now_ns);
}

void hub_check_thread(const struct hub *hub)
{
    CHECK(pthread_equal(pthread_self(), hub->thread));
}

void hub_release_views(struct hub *hub)
{
    CHECK(hub->reader_count == 0);
    struct view *view, *next;
    HASH_ITER (hh, hub->views, view, next) {
        HASH_DEL(hub->views, view);
        view_destroy(view);
    }
}

void hub_dispose(struct hub *hub)
{
    CHECK(hub->views == NULL);
    mailbox_run_tasks(&hub->mailbox); /* what came back from the source after the last turn */
    while (walk_step(hub))            /* through nobody: whoever walks waits for the end of it */
        ;
    snapshot_end_all(hub);
    while (hub->free_batches != NULL) {
        struct batch *batch = hub->free_batches;
        hub->free_batches = batch->next_free;
        free(batch);
    }
    while (hub->free_runs != NULL) {
        struct run *run = hub->free_runs;
        hub->free_runs = run->next_free;
        free(run);
    }
    mailbox_dispose(&hub->mailbox);
}

void hub_add_source(struct hub *hub, struct source *source)
{
    hub->sources[source->index] = source;
}

void hub_schedule(struct hub *hub, struct view *view)
{
    list_concat(&view->pending, &view->waiting);
    if (!list_is_empty(&view->pending) && list_is_empty(&view->turn))
        list_append(&hub->turn_views, &view->turn);
}

/*
 * All horizons first, then the list: whatever is numbered up to a horizon had
 * its view marked before the horizon moved, so no view is left behind it.
 */
static bool sync_views(struct hub *hub)
{
    for (unsigned i = 0; i != SOURCES_MAX; ++i) {
        if (hub->sources[i] != NULL)
            hub->horizon[i] = atomic_load_explicit(&hub->sources[i]->published, memory_order_acquire);
    }
    bool more = false;
    struct mailbox_mark *mark = mailbox_take_marks(&hub->mailbox);
    while (mark != NULL) {
        struct view *view = LIST_ENTRY(mark, struct view, follower.mark);
        mark = mailbox_next_mark(mark);
        if (view_sync(view, hub->horizon[view->channel->profile.source->index])) {
            mailbox_mark(&hub->mailbox, &view->follower.mark);
            more = true;
        }
    }
    return more;
}

void hub_refresh(struct hub *hub)
{
    hub->is_behind = sync_views(hub);
}

/*
 * A broadcast walks through more memory than any cache holds, and would wait
 * for each line of it. The reader after the next is asked for here; what the
 * next one, which has come meanwhile, points to is asked for by its stream.
 */
static void prefetch_after(const struct view *view, const struct cursor *cursor)
{
    if (cursor->link.next == &view->pending)
        return;
    const struct cursor *next = LIST_ENTRY(cursor->link.next, struct cursor, link);
    reader_prefetch(LIST_ENTRY(next->link.next, struct cursor, link));
    if (next->reader->ops->prefetch != NULL)
        next->reader->ops->prefetch(next->reader);
}

/* Channels take turns, so that a broadcast to a million streams does not hold up a channel with three. */
static bool pump_slices(struct hub *hub)
{
    unsigned budget = TURN_READERS;
    while (budget != 0 && !list_is_empty(&hub->turn_views)) {
        struct view *view = LIST_ENTRY(hub->turn_views.next, struct view, turn);
        list_remove(&view->turn);
        unsigned slice = budget < SLICE_READERS ? budget : SLICE_READERS;
        while (slice != 0 && !list_is_empty(&view->pending)) {
            struct cursor *cursor = LIST_ENTRY(view->pending.next, struct cursor, link);
            prefetch_after(view, cursor);
            reader_pump(cursor->reader);
            --slice;
            --budget;
        }
        if (!list_is_empty(&view->pending) && list_is_empty(&view->turn))
            list_append(&hub->turn_views, &view->turn);
    }
    return !list_is_empty(&hub->turn_views);
}

static void drop_idle_views(struct hub *hub)
{
    while (!list_is_empty(&hub->idle_views)) {
        struct view *view = LIST_ENTRY(hub->idle_views.next, struct view, idle);
        if (hub->now_ns - view->idle_since_ns < VIEW_IDLE_NS && view->state != CHANNEL_DENIED && !hub->stopping)
            break;
        CHECK(hub->views != NULL); /* it is in there; uthash's own macros don't tell the analyzer */
        HASH_DEL(hub->views, view);
        view_destroy(view);
    }
}

static void on_deadline(void *arg, struct list *node)
{
    (void)arg;
    reader_check(LIST_ENTRY(node, struct reader, deadline));
}

void hub_defer(struct hub *hub, struct hub_later *later)
{
    list_init(&later->link);
    list_append(&hub->later, &later->link);
}

static bool run_one_later(struct hub *hub)
{
    if (list_is_empty(&hub->later_due))
        return false;
    struct hub_later *later = LIST_ENTRY(hub->later_due.next, struct hub_later, link);
    list_remove(&later->link);
    later->run(later);
    return true;
}

/* True: some wait for the next turn. */
static bool run_later(struct hub *hub)
{
    if (!list_is_empty(&hub->later_due)) {
        int64_t end_ns = clock_mono_ns() + TURN_LATER_NS;
        for (unsigned i = 0; i != TURN_LATER && run_one_later(hub) && clock_mono_ns() < end_ns; ++i)
            ;
    }
    list_concat(&hub->later_due, &hub->later);
    return !list_is_empty(&hub->later_due);
}

bool hub_turn(struct hub *hub, int64_t now_ns)
{
    hub->now_ns = now_ns;
    if (mailbox_take_wake(&hub->mailbox)) {
        mailbox_run_tasks(&hub->mailbox);
        hub->is_behind = sync_views(hub);
    } else if (hub->is_behind) {
        hub->is_behind = sync_views(hub); /* a store's horizon may move without a message, and wakes nobody */
    }
    wheel_run(&hub->wheel, now_ns, on_deadline, NULL);
    bool more = run_later(hub);
    more |= walk_step(hub); /* before they are sent more */
    more |= drain_step(hub);
    more |= snapshot_step(hub);
    more |= pump_slices(hub);
    drop_idle_views(hub);
    return more;
}

void hub_shutdown(struct hub *hub)
{
    hub->stopping = true;
    while (run_later(hub))
        ;
    struct list all;
    list_init(&all);
    list_concat(&all, &hub->readers);
    list_concat(&all, &hub->unlooked);
    drain_end(hub, &all);
    while (!list_is_empty(&all)) {
        struct reader *reader = LIST_ENTRY(all.next, struct reader, all);
        list_remove(&reader->all);
        list_append(&hub->readers, &reader->all);
        reader_cut(reader, CLOSE_SHUTDOWN);
    }
}

struct view *hub_join(struct hub *hub, const struct channel_profile *profile, const char *pattern, size_t pattern_len)
{
    char key[sizeof(struct channel_profile) + SUBJECT_MAX];
    size_t key_len = registry_key_size(pattern_len);
    CHECK(key_len <= sizeof(key));
    registry_key(key, profile, pattern, pattern_len);

    struct view *view;
    HASH_FIND(hh, hub->views, key, key_len, view);
    if (view == NULL) {
        struct channel *channel = registry_acquire(hub->registry, profile, pattern, pattern_len);
        view = view_create(hub, channel, hub->horizon[profile->source->index]);
        HASH_ADD_KEYPTR(hh, hub->views, channel->key, channel->key_len, view);
    }
    channel_touch(view->channel, hub->now_ns);
    list_remove(&view->idle);
    ++view->follower.readers;
    return view;
}

void hub_leave(struct hub *hub, struct view *view)
{
    CHECK(view->follower.readers != 0);
    channel_touch(view->channel, hub->now_ns);
    if (--view->follower.readers == 0) {
        view->idle_since_ns = hub->now_ns;
        list_append(&hub->idle_views, &view->idle);
    }
}

struct batch *hub_batch_take(struct hub *hub)
{
    struct batch *batch = hub->free_batches;
    if (batch != NULL)
        hub->free_batches = batch->next_free;
    else
        batch = check_aligned(_Alignof(struct batch), sizeof(*batch));
    batch->count = batch->scratch_used = 0;
    batch->bytes = batch->events = 0;
    batch->arrived_ns = 0;
    return batch;
}

void hub_batch_give(struct hub *hub, struct batch *batch)
{
    for (unsigned i = 0; i != batch->count; ++i) {
        if (batch->pieces[i].run != NULL)
            run_release(hub, batch->pieces[i].run);
    }
    batch->next_free = hub->free_batches;
    hub->free_batches = batch;
}

int64_t hub_spread(struct hub *hub, int64_t value)
{
    uint64_t x = hub->random; /* xorshift64: spread, not secrecy */
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    hub->random = x;
    int64_t half = value / 2;
    return half == 0 ? value : value - half / 2 + (int64_t)(x % (uint64_t)(half + 1));
}
