/* source_outage.c - what readers are told around an outage of the broker: once, in time, and no more */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_recorder.h"

TestSuite(source_outage, .fini = forget_records);

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
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    struct channel *busy = open_and_await(source, "o.busy"), *quiet = open_and_await(source, "o.quiet");
    struct publisher *publisher = publisher_connect(nats_fixture_url(nats));
    for (unsigned outage = 1; outage <= 3; ++outage) {
        char *mark = text_format("settled-%u", outage);
        settle(publisher, busy, mark);
        free(mark);
        unsigned before = count_of(busy, MESSAGE);
        size_t position = recorder.count;

        nats_fixture_kill(nats);
        AWAIT(!nats_source_is_connected(source));
        cr_assert_eq(count_of(busy, LOST), outage - 1, "readers are told when it is over");
        nats_fixture_restart(nats);
        /* publishes from the first moment on, long before the source says that it is back */
        while (count_of(busy, MESSAGE) < before + 50) {
            publish(publisher, "o.busy", "after");
            publisher_flush(publisher);
        }
        AWAIT(nats_source_is_connected(source));
        cr_assert_eq(count_of(busy, LOST), outage);
        cr_assert_eq(count_of(quiet, LOST), outage);
        pthread_mutex_lock(&recorder.lock);
        cr_assert_eq(recorder.records[position].kind, LOST);
        for (size_t i = position + 1; i < recorder.count; ++i)
            cr_assert_eq(recorder.records[i].kind, MESSAGE);
        pthread_mutex_unlock(&recorder.lock);
    }
    cr_assert_eq(metrics_sum(METRIC_NATS_DISCONNECTS), 3);
    close_channel(source, busy);
    close_channel(source, quiet);
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

Test(source_outage, channels_opened_and_closed_while_the_broker_is_away)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    struct channel *old = open_and_await(source, "a"), *left = open_and_await(source, "a");
    nats_fixture_kill(nats);
    AWAIT(!nats_source_is_connected(source));
    struct channel *during = open_channel(source, "a"), *brief = open_and_await(source, "b");
    AWAIT(count_of(during, OPENED) == 1);
    close_channel(source, brief); /* never subscribed: nothing to wait for */
    struct source *base = nats_source_base(source);
    base->ops->close(base, left);

    nats_fixture_restart(nats);
    AWAIT(nats_source_is_connected(source));
    AWAIT(count_of(left, CLOSED) == 1);
    cr_assert_eq(count_of(old, LOST), 1);
    cr_assert_eq(count_of(during, LOST), 1);
    cr_assert_eq(count_of(left, LOST), 0);
    struct publisher *publisher = publisher_connect(nats_fixture_url(nats));
    publish(publisher, "a", "x");
    AWAIT(count_of(old, MESSAGE) == 1 && count_of(during, MESSAGE) == 1);
    cr_assert_eq(count_of(left, MESSAGE), 0);
    free(left);
    close_channel(source, old);
    close_channel(source, during);
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

/* The connection stands, but nothing comes back: nobody can know whether the subscription does. */
Test(source_outage, a_broker_that_does_not_answer_is_not_waited_for)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    struct channel *before = open_and_await(source, "p.before");
    nats_fixture_pause(nats);
    struct channel *channel = open_and_await(source, "p");
    cr_assert_eq(count_of(channel, LOST), 0);
    nats_fixture_resume(nats);
    AWAIT(count_of(channel, LOST) == 1);
    cr_assert_eq(count_of(before, LOST), 0);
    struct publisher *publisher = publisher_connect(nats_fixture_url(nats));
    publish(publisher, "p", "x");
    AWAIT(count_of(channel, MESSAGE) == 1);
    cr_assert_eq(count_of(channel, LOST), 1);
    close_channel(source, before);
    close_channel(source, channel);
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

Test(source_outage, many_channels_are_subscribed_again_at_once)
{
    enum { COUNT = 3000 };
    static struct channel *channels[COUNT];
    char subject[32];
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    for (int i = 0; i < COUNT; ++i) {
        snprintf(subject, sizeof(subject), "many.%d", i);
        channels[i] = open_channel(source, subject);
    }
    for (int i = 0; i < COUNT; ++i)
        AWAIT(count_of(channels[i], OPENED) == 1);
    nats_fixture_kill(nats);
    AWAIT(!nats_source_is_connected(source));
    nats_fixture_restart(nats);
    AWAIT(nats_source_is_connected(source));
    struct publisher *publisher = publisher_connect(nats_fixture_url(nats));
    for (int i = 0; i < COUNT; ++i) {
        snprintf(subject, sizeof(subject), "many.%d", i);
        publish(publisher, subject, "x");
    }
    for (int i = 0; i < COUNT; ++i) {
        AWAIT(count_of(channels[i], MESSAGE) == 1);
        cr_assert_eq(count_of(channels[i], LOST), 1);
        cr_assert_eq(count_of(channels[i], OPENED), 1);
    }
    struct source *base = nats_source_base(source);
    for (int i = 0; i < COUNT; ++i)
        base->ops->close(base, channels[i]);
    for (int i = 0; i < COUNT; ++i) {
        AWAIT(count_of(channels[i], CLOSED) == 1);
        free(channels[i]);
    }
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}
