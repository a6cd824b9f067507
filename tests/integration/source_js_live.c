/* source_js_live.c - how a JetStream source reads a stream: order, numbers, where it begins, which channel gets what */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_js_recorder.h"
#include "tests/support/broker_monitor.h"

TestSuite(source_js_live, .fini = forget_records);

static struct nats_fixture *nats;
static struct jetstream *js;

static void begin(const char *subject)
{
    nats = nats_fixture_start(NULL);
    js = jetstream_connect(nats_fixture_url(nats));
    jetstream_create(js, &(struct jetstream_stream){.name = "S", .subjects = {subject}});
}

static void end(struct js_source *source)
{
    end_source(source);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
}

Test(source_js_live, events_arrive_in_order_under_the_streams_own_sequence)
{
    enum { COUNT = 5000 };
    begin("a.>");
    struct js_source *source = start_source(nats_fixture_url(nats), "S", "a.*", 16);
    await_warm(source);
    struct channel *all = open_channel(source, "a.*"), *one = open_channel(source, "a.1");
    struct channel *other = open_channel(source, "a.other");
    for (unsigned i = 0; i < COUNT; ++i) {
        char text[16];
        snprintf(text, sizeof(text), "%u", i);
        jetstream_publish_later(js, i % 2 == 0 ? "a.0" : "a.1", text);
    }
    jetstream_flush(js);
    AWAIT(horizon() == COUNT);
    cr_assert_eq(recorder_count(all, EVENT), COUNT);
    cr_assert_eq(recorder_count(one, EVENT), COUNT / 2);
    cr_assert_eq(recorder_count(other, EVENT), 0);
    check_events(all, COUNT < 200 ? COUNT : 200, 1, 0);
    struct record last = record_of(all, EVENT, COUNT - 1);
    cr_assert_eq(last.number, COUNT);
    cr_assert_str_eq(last.subject, "a.1");
    cr_assert_eq(recorder_count(all, LOST) + recorder_count(all, EPOCH), 0);
    close_channel(source, all);
    close_channel(source, one);
    close_channel(source, other);
    end(source);
}

Test(source_js_live, it_begins_as_far_back_as_the_rings_reach)
{
    begin("a");
    for (int i = 0; i < 50; ++i)
        jetstream_publish_format(js, "a", "%d", i);
    struct js_source *source = create_source(nats_fixture_url(nats), "S", "a", 10);
    struct channel *early = open_channel(source, "a");
    cr_assert_eq(recorder_count(early, OPENED), 0, "it is not known yet where it begins");
    cr_assert_eq(js_source_start(source), JS_START_OK);
    await_warm(source);
    cr_assert_eq(recorder_count(early, OPENED), 1);
    cr_assert_eq(early->floor, 40);
    cr_assert_eq(recorder_count(early, EVENT), 10, "warm means that they are there");
    check_events(early, 10, 41, 40);
    cr_assert_eq(atomic_load(&js_source_base(source)->first), 1);

    struct channel *late = open_channel(source, "a");
    cr_assert_eq(recorder_count(late, OPENED), 1);
    cr_assert_eq(late->floor, 50);
    jetstream_publish(js, "a", "50");
    AWAIT(recorder_count(late, EVENT) == 1 && recorder_count(early, EVENT) == 11);
    check_events(late, 1, 51, 50);
    struct event_id id = source_id(js_source_base(source), 51);
    cr_assert_eq(id.sequence, 51);
    cr_assert(id.incarnation != 0 && id.incarnation >> 40 == 0);
    close_channel(source, early);
    close_channel(source, late);
    end(source);
}

Test(source_js_live, a_message_carries_the_time_at_which_it_was_stored)
{
    struct timespec now;
    begin("a");
    jetstream_publish(js, "a", "x");
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t stored_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    sleep_ms(50);
    struct js_source *source = create_source(nats_fixture_url(nats), "S", "a", 10);
    struct channel *channel = open_channel(source, "a");
    cr_assert_eq(js_source_start(source), JS_START_OK);
    await_warm(source);
    int64_t received_ns = record_of(channel, EVENT, 0).received_ns;
    cr_assert(received_ns <= stored_ns && received_ns > stored_ns - INT64_C(60000000000));
    close_channel(source, channel);
    end(source);
}

Test(source_js_live, messages_that_were_deleted_are_no_loss)
{
    begin("a");
    for (int i = 0; i < 20; ++i)
        jetstream_publish_format(js, "a", "%d", i);
    jetstream_delete_message(js, "S", 12);
    jetstream_delete_message(js, "S", 19);
    jetstream_delete_message(js, "S", 20);
    struct js_source *source = start_source(nats_fixture_url(nats), "S", "a", 100);
    await_warm(source);
    /* the last ones can't arrive, the horizon gets there all the same */
    AWAIT(horizon() == 20);
    struct channel *channel = open_channel(source, "a");
    jetstream_publish(js, "a", "20");
    AWAIT(recorder_count(channel, EVENT) == 1);
    cr_assert_eq(record_of(channel, EVENT, 0).number, 21);
    cr_assert_eq(recorder_count(channel, LOST), 0);
    close_channel(source, channel);
    end(source);
}

Test(source_js_live, a_purge_while_it_is_followed_loses_nothing_that_was_delivered)
{
    begin("a");
    struct js_source *source = start_source(nats_fixture_url(nats), "S", "a", 100);
    await_warm(source);
    struct channel *channel = open_channel(source, "a");
    for (int i = 0; i < 10; ++i)
        jetstream_publish_format(js, "a", "%d", i);
    AWAIT(recorder_count(channel, EVENT) == 10);
    jetstream_purge(js, "S", NULL);
    jetstream_publish(js, "a", "10");
    AWAIT(recorder_count(channel, EVENT) == 11);
    check_events(channel, 11, 1, 0);
    cr_assert_eq(recorder_count(channel, LOST), 0);
    close_channel(source, channel);
    end(source);
}

/* The broker sends no more than a window ahead of a slow gateway; a purge takes the rest. */
Test(source_js_live, a_purge_of_what_the_consumer_has_not_delivered_is_a_loss)
{
    enum { COUNT = 60, SIZE = 500000 };
    begin("a");
    struct js_source *source = start_source(nats_fixture_url(nats), "S", "a", 100);
    await_warm(source);
    struct channel *channel = open_channel(source, "a");
    char *large = malloc(SIZE + 1);
    memset(large, 'x', SIZE);
    large[SIZE] = '\0';
    atomic_store(&recorder.is_held, true);
    for (int i = 0; i < COUNT; ++i)
        jetstream_publish(js, "a", large);
    jetstream_purge(js, "S", NULL);
    atomic_store(&recorder.is_held, false);
    jetstream_publish(js, "a", "after");
    AWAIT(horizon() == COUNT + 1);
    AWAIT(recorder_count(channel, LOST) == 1);
    unsigned events = recorder_count(channel, EVENT);
    cr_assert(events > 1 && events < COUNT, "%u", events);
    cr_assert_str_eq(record_of(channel, EVENT, events - 1).data, "after");
    free(large);
    close_channel(source, channel);
    end(source);
}

Test(source_js_live, there_is_one_consumer_and_none_after_the_stop)
{
    begin("a");
    struct js_source *source = start_source(nats_fixture_url(nats), "S", "a", 100);
    await_warm(source);
    struct channel *channels[50];
    for (int i = 0; i < 50; ++i)
        channels[i] = open_channel(source, i % 2 == 0 ? "a" : "b");
    cr_assert_eq(jetstream_state(js, "S").consumers, 1);
    for (int i = 0; i < 50; ++i)
        close_channel(source, channels[i]);
    cr_assert(js_source_stop(source));
    cr_assert_eq(jetstream_state(js, "S").consumers, 0);
    end(source);
}

Test(source_js_live, looks_are_answered)
{
    enum { COUNT = 20 };
    static struct asked asked[COUNT + 2];
    begin("a");
    struct js_source *source = start_source(nats_fixture_url(nats), "S", "a", 100);
    asked_look(&asked[COUNT], source);
    AWAIT(atomic_load(&asked[COUNT].done));
    cr_assert_eq(asked[COUNT].look.first, 1);
    cr_assert_eq(asked[COUNT].look.last, 0, "nothing is stored");
    for (int i = 0; i < 30; ++i)
        jetstream_publish_format(js, "a", "%d", i);
    jetstream_delete_message(js, "S", 1);
    for (int i = 0; i < COUNT; ++i)
        asked_look(&asked[i], source);
    for (int i = 0; i < COUNT; ++i) {
        AWAIT(atomic_load(&asked[i].done));
        cr_assert_eq(asked[i].look.first, 2);
        cr_assert_eq(asked[i].look.last, 30);
    }
    cr_assert(js_source_stop(source));
    asked_look(&asked[COUNT + 1], source);
    cr_assert(atomic_load(&asked[COUNT + 1].done), "no broker to ask: answered at once");
    cr_assert_eq(asked[COUNT + 1].look.last, 30);
    end(source);
}
