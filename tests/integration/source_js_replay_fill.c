/* source_js_replay_fill.c - a channel's older events: as many as it keeps, up to its floor */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "tests/support/replay_channel.h"

static struct channel *fill(const char *pattern, uint64_t after, uint64_t end, uint32_t capacity)
{
    struct channel *channel = make_channel(pattern, end, capacity);
    js_pool_fill(rig.pool, channel, after);
    return channel;
}

static void await_filled(struct channel *channel)
{
    AWAIT(channel_count(channel, &channel->filled) == 1);
}

Test(source_js_pool_fill, small)
{
    rig_start_with(2, 3000, 3);
    struct channel *all = fill("s.>", 1000, 2000, 1024), *one = fill("s.1", 0, 2999, 1024),
                   *none = fill("s.none", 0, 3000, 1024);
    await_filled(all);
    await_filled(one);
    await_filled(none);
    cr_assert(all->after == 1000 && all->added == 1000 && all->first == 1001 && all->last == 2000);
    cr_assert(one->after == 0 && one->added == 1000 && one->first == 1 && one->last == 2998);
    cr_assert(none->after == 0 && none->added == 0);
    free_channel(all);
    free_channel(one);
    free_channel(none);
    AWAIT(rig_consumers() == 0);
    rig_stop();
}

/* Everything from there on, and enough to fill the ring, but not much more. */
static void check_newest(const struct channel *channel, uint64_t step)
{
    cr_assert_eq(channel->last, channel->end);
    cr_assert_geq(channel->added, channel->capacity);
    cr_assert_leq(channel->added, 4 * channel->capacity, "%u", (unsigned)channel->added);
    cr_assert_eq(channel->added, (channel->last - channel->first) / step + 1);
    cr_assert(channel->after < channel->first && channel->after + step >= channel->first);
}

Test(source_js_pool_fill, only_the_newest_of_very_many)
{
    rig_start_with(2, 100000, 100);
    struct channel *all = fill("s.>", 0, 100000, 1000), *one = fill("s.0", 0, 100000, 50);
    await_filled(all);
    await_filled(one);
    check_newest(all, 1);
    check_newest(one, 100);
    free_channel(all);
    free_channel(one);
    rig_stop();
}

Test(source_js_pool_fill, very_many_that_are_not_spread_evenly)
{
    rig_start(2);
    for (unsigned n = 1; n <= 30000; ++n) {
        char text[16];
        snprintf(text, sizeof(text), "%u", n);
        jetstream_publish_later(rig.js, n <= 5000 ? "s.early" : n > 29000 ? "s.late" : "s.other", text);
    }
    jetstream_flush(rig.js);
    struct channel *early = fill("s.early", 0, 30000, 100), *late = fill("s.late", 0, 30000, 100);
    await_filled(early);
    await_filled(late);
    cr_assert(early->added >= 100 && early->added <= 400 && early->last == 5000, "%u", (unsigned)early->added);
    cr_assert_lt(early->after, early->first);
    check_newest(late, 1);
    free_channel(early);
    free_channel(late);
    rig_stop();
}

Test(source_js_pool_fill, from_below_the_first)
{
    rig_start_at(2, NULL);
    jetstream_create(rig.js, &(struct jetstream_stream){.name = "S", .subjects = {"s.>"}, .max_messages = 500});
    rig_publish(1, 2000, 1);
    struct channel *channel = fill("s.>", 1000, 2000, 1000);
    await_filled(channel);
    cr_assert(channel->added == 500 && channel->first == 1501 && channel->after == 1000);
    cr_assert_eq(atomic_load(&rig.source.first), 1501);
    free_channel(channel);
    rig_stop();
}

Test(source_js_pool_fill, of_a_later_incarnation)
{
    rig_start(2);
    rig.base = 100000;
    rig_publish(1, 500, 1);
    struct channel *channel = fill("s.>", 99000, 100400, 1000), *older = fill("s.>", 99000, 99500, 1000);
    await_filled(channel);
    await_filled(older);
    cr_assert(channel->added == 400 && channel->first == 100001 && channel->last == 100400);
    cr_assert_eq(older->added, 0);
    free_channel(channel);
    free_channel(older);
    rig_stop();
}

Test(source_js_pool_fill, before_readers)
{
    struct test_reader *readers[20];
    rig_start_with(1, 20000, 1);
    for (unsigned i = 0; i < 20; ++i)
        readers[i] = reader_start("s.>", FETCH_AFTER, 0, 20000);
    struct channel *channel = fill("s.>", 19000, 20000, 1000);
    await_filled(channel);
    cr_assert_not(reader_is_done(readers[19]));
    for (unsigned i = 0; i < 20; ++i) {
        AWAIT(reader_is_done(readers[i]));
        reader_end(readers[i]);
    }
    free_channel(channel);
    rig_stop();
}

Test(source_js_pool_fill, cancelled)
{
    rig_start_with(1, 20000, 1);
    struct channel *busy = make_channel("s.>", 20000, 20000), *queued = make_channel("s.>", 20000, 1000),
                   *other = make_channel("s.>", 20000, 1000);
    busy->slow = true;
    js_pool_fill(rig.pool, busy, 0);
    AWAIT(atomic_load(&busy->adds) != 0);
    js_pool_fill(rig.pool, queued, 0);
    cr_assert(js_pool_cancel_fill(rig.pool, queued));
    cr_assert(js_pool_cancel_fill(rig.pool, other));
    cr_assert_not(js_pool_cancel_fill(rig.pool, busy));
    AWAIT(channel_count(busy, &busy->closed) == 1);
    cr_assert_eq(busy->filled + queued->filled + queued->closed, 0);
    AWAIT(rig_consumers() == 0);
    free_channel(busy);
    free_channel(queued);
    free_channel(other);
    rig_stop();
}

Test(source_js_pool_fill, the_broker_is_killed_in_the_middle)
{
    rig_start_with(1, 5000, 1);
    struct channel *channel = make_channel("s.>", 5000, 5000);
    channel->slow = true;
    js_pool_fill(rig.pool, channel, 0);
    AWAIT(atomic_load(&channel->adds) > 100);
    nats_fixture_kill(rig.broker);
    nats_fixture_restart(rig.broker);
    await_filled(channel);
    cr_assert(channel->after == 0 && channel->added == 5000);
    free_channel(channel);
    /* and cancelled while there is none */
    channel = make_channel("s.>", 5000, 5000);
    nats_fixture_kill(rig.broker);
    AWAIT(atomic_load(&rig.closed));
    js_pool_fill(rig.pool, channel, 0);
    cr_assert(js_pool_cancel_fill(rig.pool, channel));
    free_channel(channel);
    rig_stop();
}
