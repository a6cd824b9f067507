/* source_js_hole.c - messages that a consumer skips are lost only if the stream no longer holds them */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_js_recorder.h"

#include <dlfcn.h>

#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"

/* Wraps the library's function: questions about holes do not leave while they are held, or fail at once. */
static atomic_bool are_questions_held;
static atomic_uint failing_questions; /* so many fail … */
static int64_t failed_ns, asked_ns;   /* … the last of them then; the question after it */
natsStatus natsConnection_PublishRequestString(natsConnection *connection, const char *subject, const char *reply,
                                               const char *text)
{
    natsStatus (*publish)(natsConnection *, const char *, const char *, const char *);
    *(void **)&publish = dlsym(RTLD_NEXT, "natsConnection_PublishRequestString");
    bool is_question = strstr(subject, "STREAM.MSG.GET") != NULL;
    while (is_question && atomic_load(&are_questions_held))
        sleep_ms(5);
    if (is_question && atomic_load(&failing_questions) != 0) {
        failed_ns = clock_mono_ns();
        atomic_fetch_sub(&failing_questions, 1);
        return NATS_ERR;
    }
    if (is_question && asked_ns == 0)
        asked_ns = clock_mono_ns();
    return publish(connection, subject, reply, text);
}

TestSuite(source_js_hole, .fini = forget_records);

/* The gateway's user may do everything, or everything but to ask what the stream holds. */
#define MAY_ASK "authorization { users = [ { user: all, password: p }, { user: u, password: p } ] }"
#define MAY_NOT_ASK                                                                                                    \
    "authorization { users = [ { user: all, password: p }, { user: u, password: p, permissions: { "                    \
    "publish: { deny: [\"$JS.API.STREAM.MSG.GET.>\"] } } } ] }"

static const struct jetstream_stream stream_s = {.name = "S", .subjects = {"a.>"}, .allow_rollup = true};

static struct nats_fixture *nats;
static struct jetstream *js;

static void publish_numbers(unsigned first, unsigned count, const char *filler)
{
    for (unsigned i = first; i < first + count; ++i) {
        char subject[32], *text = text_format("%u%s", i, filler);
        snprintf(subject, sizeof(subject), "a.%u", i);
        jetstream_publish_later(js, subject, text);
        free(text);
    }
    jetstream_flush(js);
}

static void begin(void)
{
    nats = nats_fixture_start(NULL);
    js = jetstream_connect(nats_fixture_url(nats));
    jetstream_create(js, &stream_s);
}

/* Of nine messages the fifth is gone before the source starts. */
static struct js_source *begin_with_a_hole(struct channel **channel)
{
    begin();
    publish_numbers(1, 9, "");
    jetstream_delete_message(js, "S", 5);
    struct js_source *source = create_source(nats_fixture_url(nats), "S", "a.>", 100);
    *channel = open_channel(source, "a.>");
    cr_assert_eq(js_source_start(source), JS_START_OK);
    return source;
}

static void end(struct js_source *source, struct channel *channel)
{
    close_channel(source, channel);
    end_source(source);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
}

Test(source_js_hole, what_comes_behind_a_hole_waits_for_an_answer)
{
    nats = nats_fixture_start(MAY_NOT_ASK);
    char *url = text_format("nats://all:p@127.0.0.1:%d", nats_fixture_port(nats));
    char *limited = text_format("nats://u:p@127.0.0.1:%d", nats_fixture_port(nats));
    js = jetstream_connect(url);
    jetstream_create(js, &stream_s);
    publish_numbers(1, 9, "");
    jetstream_delete_message(js, "S", 5);
    struct js_source *source = create_source(limited, "S", "a.>", 100);
    struct channel *channel = open_channel(source, "a.>");
    cr_assert_eq(js_source_start(source), JS_START_OK);
    AWAIT(recorder_count(channel, EVENT) == 4);
    sleep_ms(3500); /* the first question has timed out, and the next is asked */
    cr_assert_eq(recorder_count(channel, EVENT), 4, "no answer has said that the fifth is gone");
    cr_assert_eq(horizon(), 4);
    nats_fixture_restart_with(nats, MAY_ASK);
    AWAIT(horizon() == 9);
    /* the broker was killed, and may have forgotten the deletion */
    cr_assert_eq(recorder_count(channel, EVENT), jetstream_state(js, "S").count);
    cr_assert_eq(record_of(channel, EVENT, recorder_count(channel, EVENT) - 4).number, 6);
    cr_assert_eq(recorder_count(channel, LOST), 0);
    end(source, channel);
    free(url);
    free(limited);
}

/* No message follows that hole: only the consumer's heartbeat shows it. */
Test(source_js_hole, a_hole_at_the_end_of_the_stream_is_passed_over)
{
    begin();
    publish_numbers(1, 5, "");
    jetstream_delete_message(js, "S", 4);
    jetstream_delete_message(js, "S", 5);
    struct js_source *source = create_source(nats_fixture_url(nats), "S", "a.>", 100);
    struct channel *channel = open_channel(source, "a.>");
    cr_assert_eq(js_source_start(source), JS_START_OK);
    AWAIT(horizon() == 5);
    cr_assert_eq(metrics_sum(METRIC_STORE_HOLES), 1);
    publish_numbers(6, 1, "");
    AWAIT(recorder_count(channel, EVENT) == 4);
    cr_assert_eq(record_of(channel, EVENT, 3).number, 6);
    cr_assert_eq(recorder_count(channel, LOST), 0);
    end(source, channel);
}

/* More than the broker sends at once, then a purge of the first message's subject, which overtakes the consumer. */
#define COUNT 4000
static void publish_much_and_purge(unsigned first)
{
    char filler[4096];
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    publish_numbers(first, COUNT - first + 1, filler);
    jetstream_publish_rollup_later(js, "a.1", "again");
    jetstream_flush(js);
}

/* The rollup is the last, number COUNT + 1. */
static void check_all_came(struct channel *channel, uint64_t but)
{
    unsigned n = 0;
    AWAIT(horizon() == COUNT + 1);
    for (uint64_t number = 1; number <= COUNT + 1; ++number) {
        if (number != but)
            cr_assert_eq(record_of(channel, EVENT, n++).number, number);
    }
    cr_assert_eq(recorder_count(channel, EVENT), n);
    cr_assert_eq(recorder_count(channel, LOST), 0);
    if (metrics_sum(METRIC_STORE_SKIPS) == 0)
        cr_skip_test("the consumers of this broker skip nothing");
}

Test(source_js_hole, what_the_consumer_skips_comes_in_order)
{
    begin();
    struct js_source *source = start_source(nats_fixture_url(nats), "S", "a.>", 100);
    await_warm(source);
    struct channel *channel = open_channel(source, "a.>");
    atomic_store(&recorder.is_held, true);
    publish_much_and_purge(1);
    atomic_store(&recorder.is_held, false);
    check_all_came(channel, 0);
    end(source, channel);
}

/*
 * The broker stops sending, since its flow control goes unanswered while the
 * question about the fifth is pending; then the purge moves the consumer to
 * the end, which only heartbeats show.
 */
Test(source_js_hole, a_hole_that_a_heartbeat_tells_of_waits_for_its_turn)
{
    atomic_store(&are_questions_held, true);
    struct channel *channel;
    struct js_source *source = begin_with_a_hole(&channel);
    AWAIT(recorder_count(channel, EVENT) == 4);
    publish_much_and_purge(10);
    sleep_ms(1700); /* three heartbeats; after 2 s without one the consumer counts as lost */
    atomic_store(&are_questions_held, false);
    check_all_came(channel, 5);
    end(source, channel);
}

/* After four failures the session is given up. The pause after the last of them, 4 s, was the old session's. */
Test(source_js_hole, a_new_session_asks_without_the_pause_of_the_last)
{
    atomic_store(&failing_questions, 4);
    struct channel *channel;
    struct js_source *source = begin_with_a_hole(&channel);
    AWAIT(horizon() == 9);
    cr_assert_eq(atomic_load(&failing_questions), 0);
    cr_assert_lt(asked_ns - failed_ns, 4 * NS_PER_S);
    cr_assert_eq(recorder_count(channel, EVENT), 8);
    cr_assert_eq(recorder_count(channel, LOST), 0);
    end(source, channel);
}
