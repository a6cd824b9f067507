/* accept_pool.c - caps the connections of the process and shares them out among its workers */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/accept_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "gateway/base/check.h"
#include "gateway/base/list.h"

/*
 * libh2o's epoll wakes every watcher for every connection. Since descriptors
 * are handed over anyway, a few watchers do for any number of workers; more
 * than one, so that a worker in a long turn doesn't hold up the rest.
 */
#define WATCHERS_MAX 4

/* Log, broker, control thread, stray files, the operator; and per worker an epoll, a pipe, a timer and some listeners. */
#define RESERVE (64 + ACCEPT_ADMIN_MAX)
#define RESERVE_PER_WORKER 8

struct accept_pool {
    pthread_mutex_t lock;
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
    bool left;
};

struct accept_pool *accept_pool_create(size_t limit, size_t opening)
{
    struct accept_pool *pool = check_calloc(1, sizeof(*pool));

    pthread_mutex_init(&pool->lock, NULL);
    list_init(&pool->slots);
    pool->limit[ACCEPT_ADMIN] = ACCEPT_ADMIN_MAX;
    accept_pool_set_limits(pool, limit, opening);
    return pool;
}

void accept_pool_set_limits(struct accept_pool *pool, size_t limit, size_t opening)
{
    pthread_mutex_lock(&pool->lock);
    pool->limit[ACCEPT_PUBLIC] = limit;
    pool->opening_limit = opening != 0 ? opening : SIZE_MAX;
    pthread_mutex_unlock(&pool->lock);
}

void accept_pool_destroy(struct accept_pool *pool)
{
    CHECK(list_is_empty(&pool->slots));
    pthread_mutex_destroy(&pool->lock);
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
        files.rlim_cur = 1024 * 1024;
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
    pthread_mutex_lock(&pool->lock);
    slot->index = pool->joined++;
    list_append(&pool->slots, &slot->link);
    pthread_mutex_unlock(&pool->lock);
    return slot;
}

void accept_pool_close(struct accept_slot *slot)
{
    pthread_mutex_lock(&slot->pool->lock);
    list_remove(&slot->link);
    pthread_mutex_unlock(&slot->pool->lock);
}

void accept_pool_leave(struct accept_slot *slot)
{
    bool last;

    pthread_mutex_lock(&slot->pool->lock);
    slot->left = true;
    last = slot->load == 0;
    pthread_mutex_unlock(&slot->pool->lock);
    if (last)
        free(slot);
}

/* Under the lock. */
static enum accept_verdict judge(const struct accept_pool *pool, enum accept_class class)
{
    if (pool->total[class] >= pool->limit[class])
        return ACCEPT_FULL;
    return class == ACCEPT_PUBLIC && pool->opening >= pool->opening_limit ? ACCEPT_OPENING : ACCEPT_OK;
}

/* Under the lock. */
static void end_opening(struct accept_pool *pool, enum accept_class class)
{
    pool->opening -= class == ACCEPT_PUBLIC;
}

enum accept_verdict accept_pool_reserve(struct accept_pool *pool, enum accept_class class)
{
    enum accept_verdict verdict;

    pthread_mutex_lock(&pool->lock);
    verdict = judge(pool, class);
    if (verdict == ACCEPT_OK) {
        pool->total[class]++;
        pool->opening += class == ACCEPT_PUBLIC;
    }
    pthread_mutex_unlock(&pool->lock);
    return verdict;
}

void accept_pool_cancel(struct accept_pool *pool, enum accept_class class)
{
    pthread_mutex_lock(&pool->lock);
    pool->total[class]--;
    end_opening(pool, class);
    pthread_mutex_unlock(&pool->lock);
}

enum accept_verdict accept_pool_look(struct accept_pool *pool, enum accept_class class)
{
    enum accept_verdict verdict;

    pthread_mutex_lock(&pool->lock);
    verdict = judge(pool, class);
    pthread_mutex_unlock(&pool->lock);
    return verdict;
}

/* Under the lock. Itself wins a tie: that saves the hand-over. */
static struct accept_slot *least_loaded(struct accept_slot *self)
{
    struct list *slots = &self->pool->slots;
    struct accept_slot *least = self;

    for (struct list *node = slots->next; node != slots; node = node->next) {
        struct accept_slot *slot = LIST_ENTRY(node, struct accept_slot, link);
        if (slot->load < least->load)
            least = slot;
    }
    return least;
}

bool accept_pool_hand_over(struct accept_slot *self, void *accepted)
{
    struct accept_slot *slot;

    pthread_mutex_lock(&self->pool->lock);
    slot = least_loaded(self);
    slot->load++;
    /* Under the lock, so that once accept_pool_close has returned nothing can be on its way to a worker that is gone. */
    if (slot != self)
        slot->deliver(slot->worker, accepted);
    pthread_mutex_unlock(&self->pool->lock);
    return slot != self;
}

void accept_pool_opened(struct accept_slot *slot, enum accept_class class)
{
    pthread_mutex_lock(&slot->pool->lock);
    end_opening(slot->pool, class);
    pthread_mutex_unlock(&slot->pool->lock);
}

void accept_pool_release(struct accept_slot *slot, enum accept_class class, bool opening)
{
    bool last;

    pthread_mutex_lock(&slot->pool->lock);
    slot->load--;
    slot->pool->total[class]--;
    if (opening)
        end_opening(slot->pool, class);
    last = slot->left && slot->load == 0;
    pthread_mutex_unlock(&slot->pool->lock);
    if (last)
        free(slot);
}

bool accept_pool_is_watcher(const struct accept_slot *slot)
{
    return slot->index < WATCHERS_MAX;
}
