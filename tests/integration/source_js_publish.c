/* source_js_publish.c - publishing into a stream: a message is reported as stored if it is, and only then */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_js_recorder.h"

TestSuite(source_js_publish, .fini = forget_records);

struct sent {
    struct publish publish;
    atomic_bool done;
};

static void on_done(struct publish *publish)
{
    atomic_store(&((struct sent *)(void *)publish)->done, true);
}

static struct sent *begin_publish(struct js_source *source, const char *subject, const char *data, const char *msg_id)
{
    struct sent *sent = calloc(1, sizeof(*sent));
    struct source *base = js_source_base(source);
    sent->publish.subject = strdup(subject);
    sent->publish.data = strdup(data);
    sent->publish.data_len = strlen(data);
    sent->publish.msg_id = msg_id;
    sent->publish.done = on_done;
    base->ops->publish(base, &sent->publish);
    return sent;
}

static void forget(struct sent *sent)
{
    free(sent->publish.subject);
    free(sent->publish.data);
    free(sent);
}

/* The result, once it is there. */
static struct publish publish_and_await(struct js_source *source, const char *subject, const char *data,
                                        const char *msg_id)
{
    struct sent *sent = begin_publish(source, subject, data, msg_id);
    AWAIT(atomic_load(&sent->done));
    struct publish result = sent->publish;
    forget(sent);
    return result;
}

static const struct jetstream_stream stream_s = {.name = "S", .subjects = {"a.>"}};

Test(source_js_publish, what_is_stored_comes_with_its_id)
{
    struct js_rig rig = js_rig_start(&stream_s, "a.>", 100);
    struct channel *channel = open_channel(rig.source, "a.b");
    for (unsigned i = 0; i < 20; ++i) {
        char *text = text_format("%u", i);
        struct publish result = publish_and_await(rig.source, "a.b", text, NULL);
        cr_assert_eq(result.status, PUBLISH_OK);
        cr_assert(result.stored && !result.duplicate);
        cr_assert_eq(result.id.sequence, i + 1);
        cr_assert_eq(result.id.incarnation, recorder.incarnation);
        free(text);
    }
    AWAIT(recorder_count(channel, EVENT) == 20);
    check_events(channel, 20, 1, 0);
    cr_assert_eq(jetstream_state(rig.js, "S").last, 20);
    close_channel(rig.source, channel);
    js_rig_stop(&rig);
}

Test(source_js_publish, a_message_id_is_stored_once)
{
    struct js_rig rig = js_rig_start(&stream_s, "a.>", 100);
    struct publish first = publish_and_await(rig.source, "a.b", "x", "order-1");
    struct publish again = publish_and_await(rig.source, "a.b", "x", "order-1");
    struct publish other = publish_and_await(rig.source, "a.b", "x", "order-2");
    cr_assert(first.status == PUBLISH_OK && first.stored && !first.duplicate);
    cr_assert(again.status == PUBLISH_OK && again.stored && again.duplicate);
    cr_assert_eq(again.id.sequence, first.id.sequence);
    cr_assert(other.stored && !other.duplicate && other.id.sequence == first.id.sequence + 1);
    cr_assert_eq(jetstream_state(rig.js, "S").count, 2);
    js_rig_stop(&rig);
}

Test(source_js_publish, many_at_once)
{
    enum { COUNT = 500 };
    static struct sent *sent[COUNT];
    static bool seen[COUNT + 1];
    struct js_rig rig = js_rig_start(&stream_s, "a.>", 100);
    for (int i = 0; i < COUNT; ++i)
        sent[i] = begin_publish(rig.source, "a.b", "x", NULL);
    for (int i = 0; i < COUNT; ++i) {
        AWAIT(atomic_load(&sent[i]->done));
        cr_assert_eq(sent[i]->publish.status, PUBLISH_OK);
        uint64_t sequence = sent[i]->publish.id.sequence;
        cr_assert(sequence >= 1 && sequence <= COUNT && !seen[sequence]);
        seen[sequence] = true;
        forget(sent[i]);
    }
    js_rig_stop(&rig);
}

Test(source_js_publish, what_the_stream_does_not_take_is_not_said_to_be_stored)
{
    struct nats_fixture *nats = nats_fixture_start("max_payload: 4096\n");
    struct jetstream *js = jetstream_connect(nats_fixture_url(nats));
    jetstream_create(js, &stream_s);
    jetstream_create(js, &(struct jetstream_stream){.name = "OTHER", .subjects = {"other"}});
    struct js_source *source = start_source(nats_fixture_url(nats), "S", "a.>", 100);
    await_warm(source);
    struct publish nobody = publish_and_await(source, "nobody.stores.this", "x", NULL);
    cr_assert_eq(nobody.status, PUBLISH_UNAVAILABLE);
    struct publish other = publish_and_await(source, "other", "x", NULL);
    cr_assert_eq(other.status, PUBLISH_UNAVAILABLE);
    cr_assert_not(other.stored);
    cr_assert_eq(jetstream_state(js, "OTHER").count, 0, "nor is it stored elsewhere");
    char large[5000];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    cr_assert_eq(publish_and_await(source, "a.b", large, NULL).status, PUBLISH_TOO_LARGE);
    cr_assert_eq(publish_and_await(source, "a.b", "x", NULL).status, PUBLISH_OK, "that was no reason to be offended");
    end_source(source);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
}

Test(source_js_publish, what_is_not_permitted_is_denied)
{
    struct nats_fixture *nats = nats_fixture_start(
        "authorization { users = [ { user: u, password: p, permissions: { publish: { deny: [\"a.secret\"] } } } ] }");
    char *url = text_format("nats://u:p@127.0.0.1:%d", nats_fixture_port(nats));
    struct jetstream *js = jetstream_connect(url);
    jetstream_create(js, &stream_s);
    struct js_source *source = start_source(url, "S", "a.>", 100);
    await_warm(source);
    cr_assert_eq(publish_and_await(source, "a.secret", "x", NULL).status, PUBLISH_DENIED);
    cr_assert_eq(publish_and_await(source, "a.b", "x", NULL).status, PUBLISH_OK);
    end_source(source);
    jetstream_destroy(js);
    free(url);
    nats_fixture_stop(nats);
}

Test(source_js_publish, nobody_waits_for_a_broker_that_is_gone)
{
    struct js_rig rig = js_rig_start(&stream_s, "a.>", 100);
    /* The broker may have taken the message, but it didn't say so. */
    nats_fixture_pause(rig.nats);
    struct sent *unanswered = begin_publish(rig.source, "a.b", "x", NULL);
    sleep_ms(50);
    nats_fixture_kill(rig.nats);
    AWAIT(atomic_load(&unanswered->done));
    cr_assert_eq(unanswered->publish.status, PUBLISH_UNAVAILABLE);
    forget(unanswered);
    AWAIT(publish_and_await(rig.source, "a.b", "x", NULL).status == PUBLISH_UNAVAILABLE);
    struct sent *refused = begin_publish(rig.source, "a.b", "x", NULL);
    cr_assert(atomic_load(&refused->done), "at once");
    forget(refused);
    nats_fixture_restart(rig.nats);
    AWAIT(publish_and_await(rig.source, "a.b", "x", NULL).status == PUBLISH_OK);
    js_rig_stop(&rig);
}

Test(source_js_publish, a_stop_answers_all)
{
    struct js_rig rig = js_rig_start(&stream_s, "a.>", 100);
    nats_fixture_pause(rig.nats);
    struct sent *sent[10];
    for (int i = 0; i < 10; ++i)
        sent[i] = begin_publish(rig.source, "a.b", "x", NULL);
    cr_assert(js_source_stop(rig.source));
    for (int i = 0; i < 10; ++i) {
        cr_assert(atomic_load(&sent[i]->done));
        cr_assert_eq(sent[i]->publish.status, PUBLISH_UNAVAILABLE);
        forget(sent[i]);
    }
    struct sent *late = begin_publish(rig.source, "a.b", "x", NULL);
    cr_assert(atomic_load(&late->done) && late->publish.status == PUBLISH_UNAVAILABLE);
    forget(late);
    end_source(rig.source);
    rig.source = NULL;
    nats_fixture_resume(rig.nats);
    js_rig_stop(&rig);
}
