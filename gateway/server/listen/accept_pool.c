/* accept_pool.c - caps the connections of the process and shares them out among its workers */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/accept_pool.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "gateway/base/check.h"
#include "gateway/base/list.h"
#include "gateway/base/lock.h"

/*
 * libh2o's epoll wakes every watcher for every connection. Since descriptors
 * are handed over anyway, a few watchers do for any number of workers; more
 * than one, so that a worker in a long turn doesn't hold up the rest.
 */
#define WATCHERS_MAX 4

/* Log, broker, control thread, stray files, the operator; per worker an epoll, a pipe, a timer and some listeners. */
#define RESERVE (64 + ACCEPT_ADMIN_MAX)
#define RESERVE_PER_WORKER 8
_Static_assert(RESERVE > ACCEPT_ADMIN_MAX, "the operator gets in when public connections take all they may");
_Static_assert(ACCEPT_PUBLIC == 0, "an endpoint that is not set is a public one");

struct accept_pool {
    struct lock lock;
    size_t limit[ACCEPT_CLASSES], total[ACCEPT_CLASSES];
    size_t opening_limit, opening;
    unsigned joined;
    struct list slots; /* those that take connections */
};

struct accept_slot {
    struct accept_pool *pool;
    struct list link;
    void (*deliver)(void *worker, void *accepted);
    void *worker;
    size_t load;
    unsigned index;
    bool has_left;
};

struct accept_pool *accept_pool_create(size_t limit, size_t opening)
{
    struct accept_pool *pool = check_calloc(1, sizeof(*pool));

    lock_init(&pool->lock);
    list_init(&pool->slots);
    pool->limit[ACCEPT_ADMIN] = ACCEPT_ADMIN_MAX;
    accept_pool_set_limits(pool, limit, opening);
    return pool;
}

void accept_pool_set_limits(struct accept_pool *pool, size_t limit, size_t opening)
{
    lock_take(&pool->lock);
    pool->limit[ACCEPT_PUBLIC] = limit;
    pool->opening_limit = opening != 0 ? opening : SIZE_MAX;
    lock_give(&pool->lock);
}

void accept_pool_destroy(struct accept_pool *pool)
{
    CHECK(list_is_empty(&pool->slots));
    lock_dispose(&pool->lock);
    free(pool);
}

uint64_t accept_pool_descriptors(uint64_t connections, unsigned workers)
{
    return connections + RESERVE + (uint64_t)RESERVE_PER_WORKER * workers;
}

size_t accept_pool_limit(uint64_t configured, unsigned workers)
{
    size_t reserve = (size_t)accept_pool_descriptors(0, workers), possible;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        files.rlim_cur = 1024 * 1024; /* the kernel's own bound by default: fs.nr_open */
    /* Under a tiny limit the reserve would leave nothing: then half is a guess, and EMFILE the judge. */
    possible = files.rlim_cur >= 2 * reserve ? (size_t)files.rlim_cur - reserve : (size_t)files.rlim_cur / 2;
    if (configured != 0 && configured < possible)
        possible = (size_t)configured;
    return possible != 0 ? possible : 1;
}

struct accept_slot *accept_pool_join(struct accept_pool *pool, void (*deliver)(void *worker, void *accepted),
                                     void *worker)
{
    struct accept_slot *slot = check_calloc(1, sizeof(*slot));

    slot->pool = pool;
    slot->deliver = deliver;
    slot->worker = worker;
    lock_take(&pool->lock);
    slot->index = pool->joined++;
    list_append(&pool->slots, &slot->link);
    lock_give(&pool->lock);
    return slot;
}

void accept_pool_close(struct accept_slot *slot)
{
    lock_take(&slot->pool->lock);
    list_remove(&slot->link);
    lock_give(&slot->pool->lock);
}

void accept_pool_leave(struct accept_slot *slot)
{
    lock_take(&slot->pool->lock);
    CHECK(!slot->has_left && list_is_empty(&slot->link));
    slot->has_left = true;
    bool is_last = slot->load == 0;
    lock_give(&slot->pool->lock);
    if (is_last)
        free(slot);
}

static enum accept_verdict judge_class(const struct accept_pool *pool, enum accept_class class)
{
    CHECK_HELD(&pool->lock);
    if (pool->total[class] >= pool->limit[class])
        return ACCEPT_FULL;
    return class == ACCEPT_PUBLIC && pool->opening >= pool->opening_limit ? ACCEPT_OPENING : ACCEPT_OK;
}

static void end_opening(struct accept_pool *pool, enum accept_class class)
{
    CHECK_HELD(&pool->lock);
    CHECK(class != ACCEPT_PUBLIC || pool->opening != 0);
    pool->opening -= class == ACCEPT_PUBLIC;
}

enum accept_verdict accept_pool_reserve(struct accept_pool *pool, enum accept_class class)
{
    lock_take(&pool->lock);
    enum accept_verdict verdict = judge_class(pool, class);
    if (verdict == ACCEPT_OK) {
        pool->total[class]++;
        pool->opening += class == ACCEPT_PUBLIC;
    }
    lock_give(&pool->lock);
    return verdict;
}

void accept_pool_cancel(struct accept_pool *pool, enum accept_class class)
{
    lock_take(&pool->lock);
    CHECK(pool->total[class] != 0);
    pool->total[class]--;
    end_opening(pool, class);
    lock_give(&pool->lock);
}

enum accept_verdict accept_pool_look(struct accept_pool *pool, enum accept_class class)
{
    lock_take(&pool->lock);
    enum accept_verdict verdict = judge_class(pool, class);
    lock_give(&pool->lock);
    return verdict;
}

/* The accepting worker wins a tie, which saves the hand-over. */
static struct accept_slot *least_loaded(struct accept_slot *self)
{
    struct list *slots = &self->pool->slots;
    struct accept_slot *least = self;

    CHECK_HELD(&self->pool->lock);
    for (struct list *node = slots->next; node != slots; node = node->next) {
        struct accept_slot *slot = LIST_ENTRY(node, struct accept_slot, link);
        if (slot->load < least->load)
            least = slot;
    }
    return least;
}

bool accept_pool_hand_over(struct accept_slot *self, void *accepted)
{
    lock_take(&self->pool->lock);
    struct accept_slot *slot = least_loaded(self);
    slot->load++;
    /* Under the lock: once accept_pool_close has returned, nothing can be on its way to a worker that is gone. */
    if (slot != self)
        slot->deliver(slot->worker, accepted);
    lock_give(&self->pool->lock);
    return slot != self;
}

void accept_pool_opened(struct accept_slot *slot, enum accept_class class)
{
    lock_take(&slot->pool->lock);
    end_opening(slot->pool, class);
    lock_give(&slot->pool->lock);
}

void accept_pool_release(struct accept_slot *slot, enum accept_class class, bool opening)
{
    lock_take(&slot->pool->lock);
    CHECK(slot->load != 0 && slot->pool->total[class] != 0);
    slot->load--;
    slot->pool->total[class]--;
    if (opening)
        end_opening(slot->pool, class);
    /* Connections may outlive the listeners of their worker. */
    bool is_last = slot->has_left && slot->load == 0;
    lock_give(&slot->pool->lock);
    if (is_last)
        free(slot);
}

bool accept_pool_is_watcher(const struct accept_slot *slot)
{
    return slot->index < WATCHERS_MAX;
}
