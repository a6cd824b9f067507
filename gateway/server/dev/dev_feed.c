/* dev_feed.c - the demo messages of --dev */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/dev/dev_feed.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/core/source.h"
#include "proto/units.h"

#define TICK_NS 200000000
#define TICKS_PER_SECOND (1000000000 / TICK_NS)

struct ticker {
    const char *subject, *symbol;
    double price;
};

struct dev_feed {
    struct source *source;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop; /* under lock */
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
    units_write_time(time_text, clock_wall_ns() / 1000000);
    snprintf(text, sizeof(text), "{\"time\":\"%.*s\",\"n\":%llu}", UNITS_TIME_LEN, time_text, (unsigned long long)n);
    publish_text(feed, "demo.clock", text);
}

/* 0 … 1 (xorshift) */
static double next_random(struct dev_feed *feed)
{
    feed->random ^= feed->random << 13;
    feed->random ^= feed->random >> 7;
    feed->random ^= feed->random << 17;
    return (double)(feed->random >> 11) / (double)(UINT64_C(1) << 53);
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

static bool wait_until(struct dev_feed *feed, int64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    int result = 0;
    pthread_mutex_lock(&feed->lock);
    while (!feed->stop && result == 0)
        result = pthread_cond_timedwait(&feed->changed, &feed->lock, &deadline);
    bool stop = feed->stop;
    pthread_mutex_unlock(&feed->lock);
    return !stop;
}

static void *feed_main(void *arg)
{
    struct dev_feed *feed = arg;
    int64_t next_ns = clock_mono_ns();
    for (uint64_t tick = 0; wait_until(feed, next_ns); ++tick) {
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

static void destroy(struct dev_feed *feed)
{
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->lock);
    free(feed);
}

struct dev_feed *dev_feed_start(struct source *source)
{
    struct dev_feed *feed = check_calloc(1, sizeof(*feed));
    pthread_condattr_t attributes;
    sigset_t all, before;
    feed->source = source;
    feed->random = (uint64_t)clock_wall_ns() | 1;
    memcpy(feed->tickers, tickers, sizeof(tickers));
    CHECK(pthread_mutex_init(&feed->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&feed->changed, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&feed->thread, NULL, feed_main, feed) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        return feed;
    destroy(feed);
    return NULL;
}

void dev_feed_stop(struct dev_feed *feed)
{
    if (feed == NULL)
        return;
    pthread_mutex_lock(&feed->lock);
    feed->stop = true;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
    pthread_join(feed->thread, NULL);
    destroy(feed);
}
