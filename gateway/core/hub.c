/* hub.c - the part of a worker that knows channels and readers */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/hub.h"

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/random.h"
#include "gateway/base/thread.h"
#include "gateway/core/channel.h"
#include "gateway/core/registry.h"
#include "gateway/core/view.h"
#include "proto/subject.h"

/* A view without readers still receives; it stays this long for a client that comes back. */
#define VIEW_IDLE_NS NS_PER_S

void hub_init(struct hub *hub, struct registry *registry, struct metrics *metrics, void (*wake)(void *), void *wake_arg)
{
    *hub = (struct hub){.registry = registry, .metrics = metrics};
    hub->random = random_seed();
    mailbox_init(&hub->mailbox, wake, wake_arg);
    list_init(&hub->turn_views);
    list_init(&hub->idle_views);
    list_init(&hub->readers);
    list_init(&hub->unlooked);
    list_init(&hub->drain.waiting);
    list_init(&hub->drain.told);
    list_init(&hub->parting.waiting);
    list_init(&hub->parting.told);
    list_init(&hub->ready);
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
    CHECK(hub->walks == NULL && hub->walks_waiting == NULL && list_is_empty(&hub->snapshots));
    batch_pool_dispose(&hub->batches);
    run_pool_dispose(&hub->runs);
    mailbox_dispose(&hub->mailbox);
}

void hub_add_source(struct hub *hub, struct source *source)
{
    hub->sources[source->index] = source;
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
    CHECK_THREAD(hub);
    hub->is_behind = sync_views(hub);
}

void hub_drop_idle_views(struct hub *hub)
{
    CHECK_THREAD(hub);
    while (!list_is_empty(&hub->idle_views)) {
        struct view *view = LIST_ENTRY(hub->idle_views.next, struct view, idle);
        if (hub->now_ns - view->idle_since_ns < VIEW_IDLE_NS && view->state != CHANNEL_DENIED && !hub->stopping)
            break;
        CHECK(hub->views != NULL); /* it is in there; uthash's own macros don't tell the analyzer */
        HASH_DEL(hub->views, view);
        view_destroy(view);
    }
}

struct view *hub_join(struct hub *hub, const struct channel_profile *profile, const char *pattern, size_t pattern_len)
{
    CHECK_THREAD(hub);
    char key[sizeof(struct channel_profile) + SUBJECT_MAX];
    size_t key_len = channel_key_size(pattern_len);
    CHECK(key_len <= sizeof(key));
    channel_key(key, profile, pattern, pattern_len);

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
    CHECK_THREAD(hub);
    CHECK(view->follower.readers != 0);
    channel_touch(view->channel, hub->now_ns);
    if (--view->follower.readers == 0) {
        view->idle_since_ns = hub->now_ns;
        list_append(&hub->idle_views, &view->idle);
    }
}
