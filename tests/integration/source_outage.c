/* source_outage.c - what readers are told around an outage of the broker: once, in time, and no more */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_recorder.h"

TestSuite(source_outage, .fini = recorder_forget);

/* Publishes on its channel and waits for it: what was published before has arrived by then. */
static void settle(struct publisher *publisher, struct channel *channel, const char *mark)
{
    publish(publisher, channel->pattern, mark);
    bool is_there = false;
    AWAIT((pthread_mutex_lock(&recorder.lock),
           is_there = recorder.count != 0 && strcmp(recorder.records[recorder.count - 1].data, mark) == 0,
           pthread_mutex_unlock(&recorder.lock), is_there));
}

/* The records of one channel after an outage: one mark, then only what was published after it. */
Test(source_outage, one_mark_per_outage_before_the_first_new_message)
{
    struct nats_rig rig = nats_rig_start();
    struct channel *busy = open_and_await(rig.source, "o.busy"), *quiet = open_and_await(rig.source, "o.quiet");
    nats_rig_connect_publisher(&rig);
    for (unsigned outage = 1; outage <= 3; ++outage) {
        char *mark = text_format("settled-%u", outage);
        settle(rig.publisher, busy, mark);
        free(mark);
        unsigned before = recorder_count(busy, EVENT);
        size_t position = recorder.count;

        nats_fixture_kill(rig.nats);
        AWAIT(!nats_source_is_connected(rig.source));
        cr_assert_eq(recorder_count(busy, LOST), outage - 1, "readers are told when it is over");
        nats_fixture_restart(rig.nats);
        /* publishes from the first moment on, long before the source says that it is back */
        while (recorder_count(busy, EVENT) < before + 50) {
            publish(rig.publisher, "o.busy", "after");
            publisher_flush(rig.publisher);
        }
        AWAIT(nats_source_is_connected(rig.source));
        cr_assert_eq(recorder_count(busy, LOST), outage);
        cr_assert_eq(recorder_count(quiet, LOST), outage);
        pthread_mutex_lock(&recorder.lock);
        cr_assert_eq(recorder.records[position].kind, LOST);
        for (size_t i = position + 1; i < recorder.count; ++i)
            cr_assert_eq(recorder.records[i].kind, EVENT);
        pthread_mutex_unlock(&recorder.lock);
    }
    cr_assert_eq(metrics_sum(METRIC_NATS_DISCONNECTS), 3);
    close_channel(rig.source, busy);
    close_channel(rig.source, quiet);
    nats_rig_stop(&rig);
}

Test(source_outage, channels_opened_and_closed_while_the_broker_is_away)
{
    struct nats_rig rig = nats_rig_start();
    struct channel *old = open_and_await(rig.source, "a"), *left = open_and_await(rig.source, "a");
    nats_fixture_kill(rig.nats);
    AWAIT(!nats_source_is_connected(rig.source));
    struct channel *during = open_channel(rig.source, "a"), *brief = open_and_await(rig.source, "b");
    AWAIT(recorder_count(during, OPENED) == 1);
    close_channel(rig.source, brief); /* never subscribed: nothing to wait for */
    struct source *base = nats_source_base(rig.source);
    base->ops->close(base, left);

    nats_fixture_restart(rig.nats);
    AWAIT(nats_source_is_connected(rig.source));
    AWAIT(recorder_count(left, CLOSED) == 1);
    cr_assert_eq(recorder_count(old, LOST), 1);
    cr_assert_eq(recorder_count(during, LOST), 1);
    cr_assert_eq(recorder_count(left, LOST), 0);
    nats_rig_connect_publisher(&rig);
    publish(rig.publisher, "a", "x");
    AWAIT(recorder_count(old, EVENT) == 1 && recorder_count(during, EVENT) == 1);
    cr_assert_eq(recorder_count(left, EVENT), 0);
    free(left);
    close_channel(rig.source, old);
    close_channel(rig.source, during);
    nats_rig_stop(&rig);
}

/* The connection is up, but nothing comes back: there is no knowing whether the subscription is active. */
Test(source_outage, a_broker_that_does_not_answer_is_not_waited_for)
{
    struct nats_rig rig = nats_rig_start();
    struct channel *before = open_and_await(rig.source, "p.before");
    nats_fixture_pause(rig.nats);
    struct channel *channel = open_and_await(rig.source, "p");
    cr_assert_eq(recorder_count(channel, LOST), 0);
    nats_fixture_resume(rig.nats);
    AWAIT(recorder_count(channel, LOST) == 1);
    cr_assert_eq(recorder_count(before, LOST), 0);
    nats_rig_connect_publisher(&rig);
    publish(rig.publisher, "p", "x");
    AWAIT(recorder_count(channel, EVENT) == 1);
    cr_assert_eq(recorder_count(channel, LOST), 1);
    close_channel(rig.source, before);
    close_channel(rig.source, channel);
    nats_rig_stop(&rig);
}

Test(source_outage, many_channels_are_subscribed_again_at_once)
{
    enum { COUNT = 3000 };
    static struct channel *channels[COUNT];
    char subject[32];
    struct nats_rig rig = nats_rig_start();
    for (int i = 0; i < COUNT; ++i) {
        snprintf(subject, sizeof(subject), "many.%d", i);
        channels[i] = open_channel(rig.source, subject);
    }
    for (int i = 0; i < COUNT; ++i)
        AWAIT(recorder_count(channels[i], OPENED) == 1);
    nats_fixture_kill(rig.nats);
    AWAIT(!nats_source_is_connected(rig.source));
    nats_fixture_restart(rig.nats);
    AWAIT(nats_source_is_connected(rig.source));
    nats_rig_connect_publisher(&rig);
    for (int i = 0; i < COUNT; ++i) {
        snprintf(subject, sizeof(subject), "many.%d", i);
        publish(rig.publisher, subject, "x");
    }
    for (int i = 0; i < COUNT; ++i) {
        AWAIT(recorder_count(channels[i], EVENT) == 1);
        cr_assert_eq(recorder_count(channels[i], LOST), 1);
        cr_assert_eq(recorder_count(channels[i], OPENED), 1);
    }
    struct source *base = nats_source_base(rig.source);
    for (int i = 0; i < COUNT; ++i)
        base->ops->close(base, channels[i]);
    for (int i = 0; i < COUNT; ++i) {
        AWAIT(recorder_count(channels[i], CLOSED) == 1);
        free(channels[i]);
    }
    nats_rig_stop(&rig);
}
