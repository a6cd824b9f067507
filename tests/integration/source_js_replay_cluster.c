/* source_js_replay_cluster.c - a consumer on a follower that lags, and leaders that are killed */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "tests/support/nats_cluster.h"
#include "tests/support/replay_channel.h"

static struct nats_cluster *cluster;

static void start(unsigned threads)
{
    cluster = nats_cluster_start();
    cr_assert_not_null(cluster);
    rig_start_at(threads, nats_cluster_urls(cluster));
    jetstream_create(rig.js, &(struct jetstream_stream){.name = "S", .subjects = {"s.>"}, .replicas = 3});
}

static void stop(void)
{
    rig_stop();
    nats_cluster_stop(cluster);
}

static void kill_leader(void)
{
    struct jetstream_state state = jetstream_state(rig.js, "S");
    unsigned leader = nats_cluster_index(cluster, state.leader);
    if (leader == NATS_CLUSTER_SIZE)
        return;
    nats_fixture_kill(nats_cluster_member(cluster, leader));
    nats_fixture_restart(nats_cluster_member(cluster, leader));
}

/* Messages that the leader has acknowledged are read, whichever member is asked and however far behind it is. */
Test(source_js_replay_cluster, what_was_stored_this_moment)
{
    uint64_t last = 0;
    start(2);
    for (unsigned round = 0; round < 30; ++round) {
        rig_publish(last + 1, 100, 10);
        uint64_t after = last;
        last += 100;
        struct test_reader *all = reader_start("s.>", FETCH_AFTER, after, last);
        struct test_reader *one = reader_start("s.0", FETCH_AFTER, after, last);
        struct test_reader *lasts = reader_start("s.>", FETCH_LAST, 0, last);
        AWAIT(reader_is_done(all) && reader_is_done(one) && reader_is_done(lasts));
        reader_check(all, after + 1, last, 1);
        reader_check(one, after + 10, last, 10);
        /* a member that lagged has more than the last ones, which is no harm */
        cr_assert_geq(lasts->count, 10);
        cr_assert_eq(lasts->sequences[lasts->count - 10], last - 9);
        reader_end(all);
        reader_end(one);
        reader_end(lasts);
    }
    stop();
}

Test(source_js_replay_cluster, leaders_are_killed, .timeout = 170)
{
    struct test_reader *readers[4];
    start(4);
    rig_publish(1, 30000, 10);
    for (unsigned round = 0; round < 3; ++round) {
        struct channel *channel = make_channel("s.>", 30000, 10000);
        for (unsigned i = 0; i < 4; ++i)
            readers[i] = reader_start("s.>", FETCH_AFTER, 0, 30000);
        js_pool_fill(rig.pool, channel, 0);
        kill_leader();
        for (unsigned i = 0; i < 4; ++i) {
            reader_finish(readers[i], 1, 30000, 1);
        }
        AWAIT(channel_count(channel, &channel->filled) == 1);
        cr_assert(channel->last == 30000 && channel->added == 30000 - channel->after);
        free_channel(channel);
    }
    stop();
}
