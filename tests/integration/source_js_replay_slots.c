/* source_js_replay_slots.c - many readers on few consumers, and readers that go at any moment */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "tests/support/replay_channel.h"

/* Samples the number of consumers, with pauses, so that the broker has time for the readers, too. */
struct watch {
    pthread_t thread;
    atomic_bool stop;
    atomic_long most, asked;
};

static void *watch_main(void *arg)
{
    struct watch *watch = arg;
    while (!atomic_load(&watch->stop)) {
        long consumers = rig_consumers();
        if (consumers > atomic_load(&watch->most))
            atomic_store(&watch->most, consumers);
        ++watch->asked;
        sleep_ms(2);
    }
    return NULL;
}

static void watch_start(struct watch *watch)
{
    *watch = (struct watch){.stop = false};
    cr_assert_eq(pthread_create(&watch->thread, NULL, watch_main, watch), 0);
}

static long watch_stop(struct watch *watch)
{
    atomic_store(&watch->stop, true);
    pthread_join(watch->thread, NULL);
    cr_assert_gt(atomic_load(&watch->asked), 0);
    return atomic_load(&watch->most);
}

#define READERS 200

Test(source_js_replay_slots, two_hundred_readers_sixteen_consumers)
{
    struct test_reader *readers[READERS];
    struct watch watch;
    rig_start_with(16, 2000, 10);
    watch_start(&watch);
    for (unsigned i = 0; i < READERS; ++i) {
        char pattern[32];
        snprintf(pattern, sizeof(pattern), i % 2 ? "s.%u" : "s.>", i % 10);
        readers[i] = reader_start(pattern, FETCH_AFTER, 1000, 2000);
    }
    for (unsigned i = 0; i < READERS; ++i) {
        if (i % 2)
            reader_finish(readers[i], 1000 + i % 10, 1990 + i % 10, 10);
        else
            reader_finish(readers[i], 1001, 2000, 1);
    }
    long most = watch_stop(&watch);
    cr_assert(most > 1 && most <= 16, "%ld consumers", most);
    AWAIT(rig_consumers() == 0);
    rig_stop();
}

Test(source_js_replay_slots, a_stopped_reader_gives_its_slot_up)
{
    rig_start_with(1, 20000, 1);
    struct test_reader *slow = reader_start_stopped("s.>", FETCH_AFTER, 0, 20000);
    cr_assert_leq(rig_consumers(), 1); /* its consumer is kept for a moment, in case it continues */
    struct test_reader *other = reader_start("s.>", FETCH_AFTER, 0, 20000);
    reader_finish(other, 1, 20000, 1);
    AWAIT(rig_consumers() == 0);
    size_t count = reader_count(slow);
    cr_assert_lt(count, 20000);
    reader_go_on(slow, false);
    reader_finish(slow, 1, 20000, 1);
    rig_stop();
}

Test(source_js_replay_slots, a_long_read_lets_others_in)
{
    rig_start_with(1, 150000, 1);
    struct test_reader *longest = reader_start("s.>", FETCH_AFTER, 0, 150000);
    AWAIT(reader_count(longest) != 0);
    struct test_reader *other = reader_start("s.>", FETCH_AFTER, 149000, 150000);
    AWAIT(reader_is_done(other));
    cr_assert_not(reader_is_done(longest));
    AWAIT(reader_is_done(longest));
    reader_check(longest, 1, 150000, 1);
    reader_end(other);
    reader_end(longest);
    rig_stop();
}

/* ---- closing ---- */

Test(source_js_replay_slots, closed_in_every_state)
{
    rig_start_with(1, 30000, 1);
    /* never asked for anything */
    struct test_reader *unused = reader_create("s.>", FETCH_AFTER, 0, 30000);
    reader_end(unused);
    /* being worked on */
    struct test_reader *busy = reader_start("s.>", FETCH_AFTER, 0, 30000);
    struct test_reader *queued = reader_start("s.>", FETCH_AFTER, 0, 30000);
    reader_close(queued);
    cr_assert_eq(queued->pieces, 0);
    reader_free(queued);
    AWAIT(reader_count(busy) != 0);
    reader_end(busy);
    /* held: has a piece and may ask for the next one */
    struct test_reader *held = reader_start_stopped("s.>", FETCH_AFTER, 0, 30000);
    reader_end(held); /* at once, or by the thread that has just delivered the piece */
    AWAIT(rig_consumers() == 0);
    /* left to itself */
    struct test_reader *idle = reader_start_stopped("s.>", FETCH_AFTER, 0, 30000);
    AWAIT(rig_consumers() == 0);
    reader_end(idle);
    rig_stop();
}

Test(source_js_replay_slots, closed_at_any_moment)
{
    rig_start_with(4, 20000, 7);
    for (unsigned round = 0; round < 40; ++round) {
        struct test_reader *readers[8];
        for (unsigned i = 0; i < 8; ++i)
            readers[i] = reader_start("s.>", i % 3 == 0 ? FETCH_LAST : FETCH_AFTER, i * 1000, 20000);
        for (unsigned i = 0; i < 8; ++i) {
            if (i % 2)
                sleep_ms((int64_t)(round % 5));
            js_pool_fetch_close(rig.pool, &readers[i]->fetch);
        }
        for (unsigned i = 0; i < 8; ++i) {
            AWAIT(reader_is_closed(readers[i]));
            reader_free(readers[i]);
        }
    }
    AWAIT(rig_consumers() == 0);
    rig_stop();
}

Test(source_js_replay_slots, closed_while_the_broker_is_away)
{
    rig_start_with(2, 1000, 1);
    nats_fixture_kill(rig.broker);
    struct test_reader *readers[4];
    for (unsigned i = 0; i < 4; ++i)
        readers[i] = reader_start("s.>", FETCH_AFTER, 0, 1000);
    for (unsigned i = 0; i < 4; ++i) {
        reader_close(readers[i]);
        cr_assert_eq(readers[i]->pieces, 0);
        reader_free(readers[i]);
    }
    rig_stop();
}

/* ---- outages ---- */

Test(source_js_replay_slots, the_broker_is_killed_in_the_middle)
{
    struct test_reader *readers[8];
    rig_start_with(4, 100000, 10);
    for (unsigned i = 0; i < 8; ++i)
        readers[i] = reader_start("s.>", i == 7 ? FETCH_LAST : FETCH_AFTER, 0, 100000);
    for (unsigned kills = 0; kills < 4; ++kills) {
        size_t count = reader_count(readers[0]);
        AWAIT(reader_count(readers[0]) > count || reader_is_done(readers[0]));
        nats_fixture_kill(rig.broker);
        nats_fixture_restart(rig.broker);
    }
    for (unsigned i = 0; i < 8; ++i) {
        if (i == 7)
            reader_finish(readers[i], 99991, 100000, 1);
        else
            reader_finish(readers[i], 1, 100000, 1);
    }
    AWAIT(rig_consumers() == 0);
    rig_stop();
}

Test(source_js_replay_slots, a_consumer_that_vanishes)
{
    rig_start_with(1, 50000, 1);
    struct test_reader *reader = reader_start("s.>", FETCH_AFTER, 0, 50000);
    natsConnection *connection;
    jsCtx *js;
    cr_assert_eq(natsConnection_ConnectTo(&connection, rig.url), NATS_OK);
    cr_assert_eq(natsConnection_JetStream(&js, connection, NULL), NATS_OK);
    unsigned deleted = 0;
    while (!reader_is_done(reader)) {
        jsConsumerNamesList *names = NULL;
        if (js_ConsumerNames(&names, js, "S", NULL, NULL) != NATS_OK)
            continue;
        for (int i = 0; i < names->Count && deleted < 5; ++i)
            deleted += js_DeleteConsumer(js, "S", names->List[i], NULL, NULL) == NATS_OK;
        jsConsumerNamesList_Destroy(names);
    }
    cr_assert_gt(deleted, 0);
    reader_check(reader, 1, 50000, 1);
    reader_end(reader);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    rig_stop();
}

Test(source_js_replay_slots, a_broker_that_does_not_answer_is_complained_of)
{
    rig_start_with(1, 1000, 1);
    struct test_reader *first = reader_start("s.>", FETCH_AFTER, 0, 1000);
    AWAIT(reader_is_done(first));
    reader_end(first);
    AWAIT(rig_consumers() == 0);
    nats_fixture_pause(rig.broker);
    struct test_reader *reader = reader_start("s.>", FETCH_AFTER, 0, 1000);
    AWAIT(atomic_load(&rig.complaints) != 0);
    cr_assert_eq(reader_count(reader), 0);
    nats_fixture_resume(rig.broker);
    reader_finish(reader, 1, 1000, 1);
    rig_stop();
}
