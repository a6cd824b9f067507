/* core_reclaim.c - memory of rings is counted to the byte, and given up in the order of use */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/reclaim.h"

#include "gateway/base/clock.h"
#include "tests/unit/core_rig.h"

#define S INT64_C(1000000000)
#define MiB (UINT64_C(1) << 20)

static void start(void)
{
    rig_start();
    rig.route.history.events = 100000;
    rig.route.history.bytes = 64 << 20;
}

/* The registry checks at its end that nothing is counted any more. */
TestSuite(core_reclaim, .init = start, .fini = rig_stop);

static uint64_t used(void)
{
    return budget_used(&rig.registry.budget);
}

static struct channel *channel_of(const char *pattern)
{
    for (size_t i = 0; i != rig.channel_count; ++i) {
        if (strcmp(ingress_pattern(rig.channels[i]), pattern) == 0)
            return rig.channels[i];
    }
    return NULL;
}

static uint64_t entries_of(const char *pattern)
{
    const struct ring *ring = &channel_of(pattern)->ring;
    return ring->head - ring->tail;
}

static void publish_bytes(const char *pattern, unsigned events, size_t size)
{
    char *data = check_malloc(size + 1);
    memset(data, 'x', size);
    data[size] = '\0';
    for (unsigned i = 0; i != events; ++i)
        rig_publish(pattern, pattern, data);
    free(data);
}

/* A channel with a reader that has all there is, last used so long ago. */
static struct rig_reader *fill(const char *pattern, unsigned events, int64_t ago_ns)
{
    struct rig_reader *r = rig_open_now(pattern);
    publish_bytes(pattern, events, 1000);
    rig_flush(r);
    channel_touch(channel_of(pattern), clock_mono_ns() - ago_ns);
    return r;
}

/* Its reader is gone since then, and the hub's view of it. */
static void leave(struct rig_reader *r, const char *pattern, int64_t ago_ns)
{
    rig_close(r);
    rig.now_ns += 2 * S;
    rig_turn();
    cr_assert_eq(channel_of(pattern)->users, 0);
    channel_of(pattern)->idle_since_ns = clock_mono_ns() - ago_ns;
}

static bool reclaim(uint64_t limit)
{
    registry_limit_bytes(&rig.registry, limit);
    bool more = reclaim_run(&rig.registry, clock_mono_ns(), rig.now_ns + 2 * S);
    rig_turn();
    return more;
}

Test(core_reclaim, what_is_allocated_is_counted)
{
    cr_expect_eq(used(), 0);
    struct rig_reader *r = fill("a", 1000, 0);
    uint64_t payload = channel_of("a")->ring.bytes;
    cr_expect_gt(payload, 1000 * 1000);
    cr_expect_gt(used(), payload);
    cr_expect_lt(used(), payload + payload / 5, "%lu for %lu", used(), payload);
    cr_expect_eq(metrics_sum(METRIC_HISTORY_BYTES), used());
    rig_close(r);
}

Test(core_reclaim, a_ring_that_turns_over_stays_as_it_is)
{
    rig.route.history.events = 64;
    struct rig_reader *r = fill("a", 64, 0);
    uint64_t most = used() + 3 * 65536;
    for (unsigned i = 0; i != 100; ++i) {
        r->log[0] = '\0';
        publish_bytes("a", 64, 1000);
        rig_flush(r);
        cr_assert_lt(used(), most);
    }
    rig_close(r);
}

Test(core_reclaim, within_the_limit_nothing_happens)
{
    struct rig_reader *r = fill("a", 1000, 60 * S);
    cr_expect_not(reclaim(0));
    cr_expect_not(reclaim(64 * MiB));
    cr_expect_eq(entries_of("a"), 1000);
    cr_expect_eq(metrics_sum(METRIC_HISTORY_EVICTED), 0);
    rig_close(r);
}

Test(core_reclaim, idle_channels_are_closed_first_the_longest_idle_before_others)
{
    struct rig_reader *old = fill("old", 1000, 600 * S), *idle_b = fill("idle.b", 1000, 0),
                      *idle_a = fill("idle.a", 1000, 0);
    leave(idle_a, "idle.a", 10 * S);
    leave(idle_b, "idle.b", 5 * S);
    uint64_t before = used();
    reclaim(before - 1000);
    cr_expect_null(channel_of("idle.a"));
    cr_expect_not_null(channel_of("idle.b"));
    cr_expect_lt(used(), before - before / 8);
    cr_expect_eq(entries_of("old"), 1000);
    reclaim(used() - 1000);
    cr_expect_null(channel_of("idle.b"));
    cr_expect_eq(entries_of("old"), 1000);
    cr_expect_eq(metrics_sum(METRIC_HISTORY_EVICTED), 2000);
    cr_expect_eq(metrics_sum(METRIC_CHANNELS), 1);
    rig_close(old);
}

Test(core_reclaim, then_the_least_recently_used_are_trimmed)
{
    struct rig_reader *c = fill("c", 1000, 10 * S), *a = fill("a", 1000, 30 * S), *b = fill("b", 1000, 20 * S);
    reclaim(used() - 1000); /* an eighth of three: about a third of the first */
    cr_expect_lt(entries_of("a"), 700);
    cr_expect_gt(entries_of("a"), 500, "no more than needed: %lu", entries_of("a"));
    cr_expect_eq(entries_of("b"), 1000);
    cr_expect_eq(entries_of("c"), 1000);
    while (reclaim(MiB + MiB / 2))
        ;
    cr_expect_eq(entries_of("a"), 0);
    cr_expect_lt(entries_of("b"), 500);
    cr_expect_eq(entries_of("c"), 1000);
    rig_close(a);
    rig_close(b);
    rig_close(c);
}

/* A reader that had everything continues, and may resume. */
Test(core_reclaim, a_reader_that_has_all_is_none_the_worse)
{
    struct rig_reader *a = fill("a", 100, 30 * S);
    size_t before = rig_events(a);
    reclaim(1);
    cr_expect_eq(entries_of("a"), 0);
    cr_expect_lt(used(), 3000, "%lu", used());
    rig_publish("a", "a", "next");
    rig_flush(a);
    cr_expect_eq(rig_events(a), before + 1);
    cr_expect_not_null(strstr(a->log, "|abc-102|next\n"), "%s", a->log);

    struct rig_reader *again = rig_open_one(READER_FROM_CURSOR, "abc-101", "a");
    rig_flush(again);
    cr_expect_str_eq(again->log, "|abc-102|next\n");
    rig_close(again);
    struct rig_reader *older = rig_open_one(READER_FROM_CURSOR, "abc-50", "a");
    rig_flush(older);
    cr_expect(strncmp(older->log, "freshet.gap|", 12) == 0 && strstr(older->log, "evicted") != NULL, "%s", older->log);
    rig_close(older);
    rig_close(a);
}

Test(core_reclaim, a_reader_that_falls_out_is_slow)
{
    rig.route.slow = POLICY_SLOW_SKIP;
    struct rig_reader *r = rig_open_one(READER_FROM_NOW, NULL, "a");
    rig_turn(); /* its head is in flight, and stays there */
    publish_bytes("a", 1000, 1000);
    channel_touch(channel_of("a"), clock_mono_ns() - 30 * S);
    reclaim(MiB / 2);
    rig_flush(r);
    cr_expect(strncmp(r->log, "freshet.gap|", 12) == 0 && strstr(r->log, "slow") != NULL, "%.100s", r->log);
    cr_expect_not(r->final);
    rig_close(r);
}

Test(core_reclaim, what_just_came_in_is_kept_for_its_readers)
{
    struct rig_reader *r = rig_open_now("a");
    publish_bytes("a", 500, 1000);
    rig.now_ns += 2 * S;
    publish_bytes("a", 500, 1000);
    registry_limit_bytes(&rig.registry, 1);
    reclaim_run(&rig.registry, clock_mono_ns(), rig.now_ns + S / 2);
    cr_expect_eq(entries_of("a"), 500);
    rig_close(r);
}

/* Nothing is to be had: it doesn't try each time. */
Test(core_reclaim, in_vain_it_waits)
{
    int64_t now_ns = clock_mono_ns();
    struct rig_reader *r = fill("a", 1, 0);
    registry_limit_bytes(&rig.registry, 1);
    cr_expect_not(reclaim_run(&rig.registry, now_ns, rig.now_ns));
    cr_expect_eq(entries_of("a"), 1);
    channel_touch(channel_of("a"), now_ns - 10 * S);
    cr_expect_not(reclaim_run(&rig.registry, now_ns + S / 2, rig.now_ns + 2 * S));
    cr_expect_eq(entries_of("a"), 1);
    reclaim_run(&rig.registry, now_ns + S, rig.now_ns + 2 * S);
    cr_expect_eq(entries_of("a"), 0);
    rig_close(r);
}

/* Where nothing can be reclaimed, a ring that fills up stops growing. */
Test(core_reclaim, far_over_the_limit_a_ring_stops_growing)
{
    registry_limit_bytes(&rig.registry, MiB);
    struct rig_reader *r = rig_open_now("a");
    for (unsigned i = 0; i != 10; ++i) {
        publish_bytes("a", 1000, 1000);
        rig_flush(r);
        cr_expect_lt(used(), MiB + MiB / 4, "%lu", used());
    }
    cr_expect_gt(entries_of("a"), 800);
    cr_expect_gt(metrics_sum(METRIC_HISTORY_EVICTED), 8000);
    cr_expect_gt(rig.wakes, 0);
    rig_close(r);
}

Test(core_reclaim, many_channels_take_several_calls)
{
    struct channel_profile profile = rig_profile();
    struct channel *many[30];
    rig_publish("none", "none", "x");
    for (unsigned i = 0; i != 30; ++i) {
        char name[16];
        int len = snprintf(name, sizeof(name), "m.%u", i);
        many[i] = registry_acquire(&rig.registry, &profile, name, (size_t)len);
        publish_bytes(name, 10 + i, 100);
        channel_touch(many[i], clock_mono_ns() - (int64_t)(100 + i) * S);
    }
    uint64_t before = used();
    reclaim(before / 2);
    for (unsigned i = 1; i != 30; ++i)
        cr_expect(many[i]->ring.head == many[i]->ring.tail || many[i - 1]->ring.head - many[i - 1]->ring.tail == 9 + i,
                  "%u goes only when all before it have gone", i);
    cr_expect_lt(used(), before / 2);
    for (unsigned i = 0; i != 30; ++i)
        registry_release(&rig.registry, many[i], rig.now_ns);
}
