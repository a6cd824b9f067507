/* dev_feed.c - the demo messages of --dev */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/dev/dev_feed.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/random.h"
#include "gateway/base/thread.h"
#include "gateway/core/source.h"
#include "proto/units.h"

#define TICK_NS (200 * NS_PER_MS)
#define TICKS_PER_SECOND (NS_PER_S / TICK_NS)

_Static_assert(NS_PER_S % TICK_NS == 0, "the clock strikes each second");

struct ticker {
    const char *subject, *symbol;
    double price;
};

struct dev_feed {
    struct source *source;
    pthread_t thread;
    struct lock lock;
    struct condition changed;
    bool is_stopping; /* under lock */
    uint64_t random;
    struct ticker tickers[4];
};

static const struct ticker tickers[4] = {
    {"demo.ticker.acme", "ACME", 101.25},
    {"demo.ticker.globex", "GLOBEX", 48.5},
    {"demo.ticker.initech", "INITECH", 12.75},
    {"demo.ticker.umbrella", "UMBRELLA", 230},
};

static void free_publish(struct publish *publish)
{
    free(publish->subject);
    free(publish->data);
    free(publish);
}

static void publish_text(struct dev_feed *feed, const char *subject, const char *text)
{
    struct publish *publish = check_calloc(1, sizeof(*publish));
    publish->subject = check_strdup(subject);
    publish->data = check_strdup(text);
    publish->data_len = strlen(text);
    publish->done = free_publish;
    feed->source->ops->publish(feed->source, publish);
}

static void publish_clock(struct dev_feed *feed, uint64_t n)
{
    char text[128], time_text[UNITS_TIME_LEN];
    units_write_time(time_text, clock_wall_ns() / NS_PER_MS);
    snprintf(text, sizeof(text), "{\"time\":\"%.*s\",\"n\":%llu}", UNITS_TIME_LEN, time_text, (unsigned long long)n);
    publish_text(feed, "demo.clock", text);
}

/* 0 … 1 */
static double next_random(struct dev_feed *feed)
{
    return (double)(random_next(&feed->random) >> 11) / (double)(UINT64_C(1) << 53);
}

/* One step of a random walk that keeps its price within a factor of 4. */
static void publish_ticker(struct dev_feed *feed)
{
    size_t i = (size_t)(next_random(feed) * 4) % 4;
    struct ticker *ticker = &feed->tickers[i];
    char text[128];
    double before = ticker->price;
    double change = before * 0.01 * (next_random(feed) * 2 - 1);
    if (before + change > tickers[i].price * 2 || before + change < tickers[i].price / 2)
        change = -change;
    ticker->price = before + change;
    snprintf(text, sizeof(text), "{\"symbol\":\"%s\",\"price\":%.2f,\"change\":%.2f}", ticker->symbol, ticker->price,
             change);
    publish_text(feed, ticker->subject, text);
}

static bool wait_for_tick(struct dev_feed *feed, int64_t deadline_ns)
{
    lock_take(&feed->lock);
    while (!feed->is_stopping && condition_wait_until(&feed->changed, &feed->lock, deadline_ns))
        ;
    bool is_stopping = feed->is_stopping;
    lock_give(&feed->lock);
    return !is_stopping;
}

static void *run_feed(void *arg)
{
    struct dev_feed *feed = arg;
    int64_t next_ns = clock_mono_ns();
    for (uint64_t tick = 0; wait_for_tick(feed, next_ns); ++tick) {
        if (tick % TICKS_PER_SECOND == 0)
            publish_clock(feed, tick / TICKS_PER_SECOND + 1);
        publish_ticker(feed);
        next_ns += TICK_NS;
        /* After a suspend there is nothing to make up for. */
        if (next_ns < clock_mono_ns())
            next_ns = clock_mono_ns();
    }
    return NULL;
}

static void destroy_feed(struct dev_feed *feed)
{
    condition_dispose(&feed->changed);
    lock_dispose(&feed->lock);
    free(feed);
}

struct dev_feed *dev_feed_start(struct source *source)
{
    struct dev_feed *feed = check_calloc(1, sizeof(*feed));
    feed->source = source;
    feed->random = random_seed();
    memcpy(feed->tickers, tickers, sizeof(tickers));
    lock_init(&feed->lock);
    condition_init(&feed->changed);
    if (thread_start(&feed->thread, "dev-feed", 0, run_feed, feed))
        return feed;
    destroy_feed(feed);
    return NULL;
}

void dev_feed_stop(struct dev_feed *feed)
{
    if (feed == NULL)
        return;
    lock_take(&feed->lock);
    feed->is_stopping = true;
    condition_signal(&feed->changed);
    lock_give(&feed->lock);
    thread_join(feed->thread);
    destroy_feed(feed);
}
