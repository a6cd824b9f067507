/* core_registry.c - which readers share a channel, how long it stays, and a source that is slow to close */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/registry.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"

#define SECOND 1000000000LL

/* A source that says when it has let go. */
static struct source source;
static struct registry registry;
static struct channel *opened[16], *closing[16];
static size_t opened_count, closing_count;
static bool slow_to_close;

static void do_open(struct source *s, struct channel *channel)
{
    cr_assert_eq(s, &source);
    registry_channel_count(&registry); /* would hang if the registry called with its lock held */
    opened[opened_count++] = channel;
    ingress_opened(channel);
}

static void do_close(struct source *s, struct channel *channel)
{
    cr_assert_eq(s, &source);
    registry_channel_count(&registry);
    if (slow_to_close)
        closing[closing_count++] = channel;
    else
        ingress_closed(channel);
}

static void start(void)
{
    static const struct source_ops ops = {.open = do_open, .close = do_close};
    source_init(&source, &ops, 3, 0xabc);
    registry_init(&registry);
}

static void stop(void)
{
    registry_close_all(&registry);
    while (closing_count != 0)
        ingress_closed(closing[--closing_count]);
    registry_dispose(&registry);
    source_dispose(&source);
}

TestSuite(core_registry, .init = start, .fini = stop);

static struct channel_profile profile_of(void)
{
    return (struct channel_profile){.source = &source, .events = 16, .bytes = 1 << 20, .linger_ns = 60 * SECOND};
}

static struct channel *acquire(const char *pattern)
{
    struct channel_profile profile = profile_of();
    return registry_acquire(&registry, &profile, pattern, strlen(pattern));
}

static void append(struct channel *channel, const char *data)
{
    struct message message = {.subject = "a", .subject_len = 1, .data = data, .data_len = strlen(data)};
    ingress_append(channel, &message);
}

Test(core_registry, equal_profiles_have_equal_keys_whatever_is_in_their_padding)
{
    struct channel_profile a, b;
    const struct channel_profile value = profile_of();
    char a_key[sizeof(a) + 3], b_key[sizeof(b) + 3];
    memset(&a, 0x00, sizeof(a));
    memset(&b, 0xff, sizeof(b));
    struct channel_profile *const both[] = {&a, &b};
    for (unsigned i = 0; i != 2; ++i) {
        both[i]->source = value.source;
        both[i]->store = value.store;
        both[i]->event = value.event;
        both[i]->format = value.format;
        both[i]->events = value.events;
        both[i]->bytes = value.bytes;
        both[i]->linger_ns = value.linger_ns;
    }
    cr_assert_eq(channel_key_size(3), sizeof(a_key));
    channel_key(a_key, &a, "a.b", 3);
    channel_key(b_key, &b, "a.b", 3);
    cr_assert_eq(memcmp(a_key, b_key, sizeof(a_key)), 0);
    struct channel *first = registry_acquire(&registry, &a, "a.b", 3);
    cr_assert_eq(registry_acquire(&registry, &b, "a.b", 3), first);
    registry_release(&registry, first, clock_mono_ns());
    registry_release(&registry, first, clock_mono_ns());
}

Test(core_registry, every_part_of_a_profile_tells_channels_apart)
{
    static struct source other;
    struct channel_profile profiles[8];
    for (unsigned i = 0; i != 8; ++i)
        profiles[i] = profile_of();
    other = source; /* its address is what counts */
    profiles[1].store = POLICY_STORE_NONE;
    profiles[2].event = POLICY_EVENT_SUBJECT;
    profiles[3].format = POLICY_FORMAT_BASE64;
    profiles[4].events = 17;
    profiles[5].bytes += (uint64_t)1 << 32;
    profiles[6].linger_ns += 1;
    profiles[7].source = &other;
    char keys[8][sizeof(struct channel_profile) + 1];
    for (unsigned i = 0; i != 8; ++i) {
        channel_key(keys[i], &profiles[i], "a", 1);
        for (unsigned j = 0; j != i; ++j)
            cr_assert_neq(memcmp(keys[i], keys[j], sizeof(keys[i])), 0, "%u and %u", i, j);
    }
}

Test(core_registry, a_pattern_is_compared_as_a_whole)
{
    static const char *const patterns[] = {"a", "a.b", "a.*", "a.>", ">", "A", "aa"};
    enum { COUNT = sizeof(patterns) / sizeof(patterns[0]) };
    struct channel *channels[COUNT];
    for (unsigned i = 0; i != COUNT; ++i) {
        channels[i] = acquire(patterns[i]);
        cr_assert_str_eq(ingress_pattern(channels[i]), patterns[i]);
        for (unsigned j = 0; j != i; ++j)
            cr_assert_neq(channels[i], channels[j]);
    }
    cr_assert_eq(registry_channel_count(&registry), COUNT);
    cr_assert_eq(opened_count, COUNT, "each is opened once");
    for (unsigned i = 0; i != COUNT; ++i)
        registry_release(&registry, channels[i], clock_mono_ns());
}

Test(core_registry, users_share_a_channel_and_the_last_one_starts_its_linger)
{
    struct channel *channel = acquire("a");
    cr_assert_eq(acquire("a"), channel);
    cr_assert_eq(opened_count, 1);
    cr_assert_eq(channel->users, 2);
    registry_release(&registry, channel, clock_mono_ns());
    registry_sweep(&registry, clock_mono_ns() + 3600 * SECOND);
    cr_assert_eq(registry_channel_count(&registry), 1, "one user is still there");
    registry_release(&registry, channel, clock_mono_ns());
    registry_sweep(&registry, channel->idle_since_ns + 60 * SECOND - 1);
    cr_assert_eq(registry_channel_count(&registry), 1);
    registry_sweep(&registry, channel->idle_since_ns + 60 * SECOND);
    cr_assert_eq(registry_channel_count(&registry), 0);
}

Test(core_registry, who_comes_back_while_it_lingers_finds_it_with_its_history)
{
    struct channel *channel = acquire("a");
    append(channel, "x");
    registry_release(&registry, channel, clock_mono_ns());
    int64_t first_idle = channel->idle_since_ns;
    append(channel, "y");
    cr_assert_eq(acquire("a"), channel);
    cr_assert_eq(opened_count, 1);
    cr_assert_eq(channel->ring.head - channel->ring.tail, 2);
    registry_sweep(&registry, first_idle + 3600 * SECOND);
    cr_assert_eq(registry_channel_count(&registry), 1, "in use again, so the time it lingered no longer counts");
    registry_release(&registry, channel, clock_mono_ns());
    cr_assert_geq(channel->idle_since_ns, first_idle);
    registry_sweep(&registry, channel->idle_since_ns + 59 * SECOND);
    cr_assert_eq(registry_channel_count(&registry), 1, "its linger time starts again");
}

Test(core_registry, without_history_it_stays_a_second_so_that_a_reload_subscribes_once)
{
    struct channel_profile profile = profile_of();
    profile.store = POLICY_STORE_NONE;
    struct channel *channel = registry_acquire(&registry, &profile, "a", 1);
    registry_release(&registry, channel, clock_mono_ns());
    registry_sweep(&registry, channel->idle_since_ns + SECOND - 1);
    cr_assert_eq(registry_channel_count(&registry), 1);
    registry_sweep(&registry, channel->idle_since_ns + SECOND);
    cr_assert_eq(registry_channel_count(&registry), 0);
    profile = profile_of();
    profile.linger_ns = 0;
    channel = registry_acquire(&registry, &profile, "a", 1);
    registry_release(&registry, channel, clock_mono_ns());
    registry_sweep(&registry, channel->idle_since_ns + SECOND - 1);
    cr_assert_eq(registry_channel_count(&registry), 1, "linger: 0s is no less than that");
    registry_sweep(&registry, channel->idle_since_ns + SECOND);
    cr_assert_eq(registry_channel_count(&registry), 0);
}

Test(core_registry, a_new_channel_beside_one_that_its_source_still_has)
{
    slow_to_close = true;
    struct channel *old = acquire("a");
    registry_release(&registry, old, clock_mono_ns());
    registry_sweep(&registry, old->idle_since_ns + 60 * SECOND);
    cr_assert_eq(closing_count, 1);
    cr_assert_eq(registry_channel_count(&registry), 0);
    cr_assert_eq(registry.closing_count, 1);
    registry_sweep(&registry, INT64_MAX);
    cr_assert_eq(closing_count, 1, "the source is told once");

    struct channel *fresh = acquire("a");
    cr_assert_neq(fresh, old);
    append(old, "still on its way"); /* the broker had sent it before it knew */
    append(fresh, "x");
    cr_assert_eq(fresh->ring.head - fresh->ring.tail, 1);
    ingress_closed(old);
    closing_count = 0;
    cr_assert_eq(registry.closing_count, 0);
    append(fresh, "y");
    cr_assert_eq(fresh->ring.head - fresh->ring.tail, 2);
    cr_assert_eq(acquire("a"), fresh);
    registry_release(&registry, fresh, clock_mono_ns());
    registry_release(&registry, fresh, clock_mono_ns());
}

Test(core_registry, counts_its_channels)
{
    uint64_t before = metrics_sum(METRIC_CHANNELS);
    struct channel *a = acquire("a"), *b = acquire("b");
    cr_assert_eq(metrics_sum(METRIC_CHANNELS), before + 2);
    registry_release(&registry, a, clock_mono_ns());
    registry_release(&registry, b, clock_mono_ns());
    cr_assert_eq(metrics_sum(METRIC_CHANNELS), before + 2, "what lingers counts");
    registry_close_all(&registry);
    cr_assert_eq(metrics_sum(METRIC_CHANNELS), before);
}

/* ---- several threads ---- */

static void *acquire_and_release(void *arg)
{
    char pattern[8];
    for (unsigned i = 0; i != 3000; ++i) {
        snprintf(pattern, sizeof(pattern), "t.%u", (i + *(unsigned *)arg) % 4);
        struct channel *channel = acquire(pattern);
        if (strcmp(ingress_pattern(channel), pattern) != 0)
            return arg;
        append(channel, "x");
        registry_release(&registry, channel, clock_mono_ns());
    }
    return NULL;
}

static atomic_bool sweeping;

static void *sweep(void *arg)
{
    while (atomic_load(&sweeping))
        registry_sweep(&registry, clock_mono_ns() + 3600 * SECOND);
    return arg;
}

/* In a test of its own list: the arrays above are not made for threads. */
static void do_open_quietly(struct source *s, struct channel *channel)
{
    (void)s;
    ingress_opened(channel);
}

static void do_close_quietly(struct source *s, struct channel *channel)
{
    (void)s;
    ingress_closed(channel);
}

Test(core_registry, threads_acquire_release_and_sweep)
{
    static const struct source_ops quiet = {.open = do_open_quietly, .close = do_close_quietly};
    enum { THREADS = 3 };
    pthread_t threads[THREADS], sweeper;
    unsigned numbers[THREADS];
    source.ops = &quiet;
    atomic_store(&sweeping, true);
    pthread_create(&sweeper, NULL, sweep, NULL);
    for (unsigned i = 0; i != THREADS; ++i) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, acquire_and_release, &numbers[i]);
    }
    for (unsigned i = 0; i != THREADS; ++i) {
        void *failed;
        pthread_join(threads[i], &failed);
        cr_expect_null(failed);
    }
    atomic_store(&sweeping, false);
    pthread_join(sweeper, NULL);
}
