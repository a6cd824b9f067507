/* source_js_session.c - a JetStream source through outages, moves, and streams that appear, vanish and are recreated */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_js_recorder.h"

#include <nats/nats.h>

#include "tests/support/nats_cluster.h"

TestSuite(source_js_session, .fini = forget_records);

static const struct jetstream_stream stream_s = {.name = "S", .subjects = {"a"}};

static void publish_numbers(struct jetstream *js, unsigned from, unsigned count)
{
    for (unsigned i = 0; i < count; ++i)
        jetstream_publish_format(js, "a", "%u", from + i);
}

Test(source_js_session, nothing_is_missing_and_nothing_twice_when_the_broker_is_killed)
{
    enum { ROUNDS = 4, EACH = 40 };
    struct js_rig rig = js_rig_start(&stream_s, "a", 100);
    struct channel *channel = open_channel(rig.source, "a");
    for (unsigned round = 0; round < ROUNDS; ++round) {
        publish_numbers(rig.js, round * 2 * EACH, EACH);
        if (round % 2 == 0)
            AWAIT(recorder_count(channel, EVENT) == round * 2 * EACH + EACH);
        nats_fixture_kill(rig.nats);
        nats_fixture_restart(rig.nats);
        publish_numbers(rig.js, round * 2 * EACH + EACH, EACH);
    }
    AWAIT(recorder_count(channel, EVENT) == ROUNDS * 2 * EACH);
    check_events(channel, ROUNDS * 2 * EACH, 1, 0);
    cr_assert_eq(recorder_count(channel, LOST) + recorder_count(channel, EPOCH), 0);
    cr_assert_eq(epochs(), 1);
    cr_assert(js_source_is_connected(rig.source));
    AWAIT(jetstream_state(rig.js, "S").consumers == 1);
    close_channel(rig.source, channel);
    js_rig_stop(&rig);
}

Test(source_js_session, a_stream_that_appears_later_is_followed)
{
    struct js_rig rig = js_rig_start_broker(NULL);
    rig.source = start_source(nats_fixture_url(rig.nats), "S", "a", 100);
    struct channel *channel = open_channel(rig.source, "a");
    char fault[256];
    cr_assert_eq(js_source_wait_warm(rig.source, 300, fault, sizeof(fault)), JS_WARM_NOT_YET);
    cr_assert_not(js_source_is_connected(rig.source));
    cr_assert_eq(recorder_count(channel, OPENED), 0);
    jetstream_create(rig.js, &stream_s);
    publish_numbers(rig.js, 0, 5);
    await_warm(rig.source);
    AWAIT(recorder_count(channel, EVENT) == 5);
    cr_assert_eq(recorder_count(channel, OPENED), 1);
    check_events(channel, 5, 1, 0);
    close_channel(rig.source, channel);
    js_rig_stop(&rig);
}

Test(source_js_session, a_broker_that_appears_later_is_found)
{
    struct js_rig rig = js_rig_start_broker(&stream_s);
    nats_fixture_kill(rig.nats);
    rig.source = start_source(nats_fixture_url(rig.nats), "S", "a", 100);
    char fault[256];
    cr_assert_eq(js_source_wait_warm(rig.source, 200, fault, sizeof(fault)), JS_WARM_NOT_YET);
    nats_fixture_restart(rig.nats);
    await_warm(rig.source);
    js_rig_stop(&rig);
}

Test(source_js_session, a_stream_made_anew_begins_an_epoch)
{
    struct js_rig rig = js_rig_start(&stream_s, "a", 100);
    struct channel *channel = open_channel(rig.source, "a");
    publish_numbers(rig.js, 0, 30);
    AWAIT(recorder_count(channel, EVENT) == 30);
    uint64_t incarnation = recorder.incarnation;
    jetstream_delete(rig.js, "S");
    jetstream_create(rig.js, &stream_s);
    publish_numbers(rig.js, 0, 7);
    AWAIT(recorder_count(channel, EVENT) == 37);
    cr_assert_eq(epochs(), 2);
    cr_assert_eq(recorder_count(channel, EPOCH), 1);
    cr_assert_eq(recorder_count(channel, LOST), 0);
    cr_assert_neq(recorder.incarnation, incarnation);
    cr_assert_eq(recorder.base, 31);
    for (unsigned i = 0; i < 7; ++i)
        cr_assert_eq(record_of(channel, EVENT, 30 + i).number, recorder.base + 1 + i);
    struct event_id id = source_id(js_source_base(rig.source), recorder.base + 7);
    cr_assert(id.incarnation == recorder.incarnation && id.sequence == 7);
    close_channel(rig.source, channel);
    js_rig_stop(&rig);
}

/* Two gateways, or one before and after its restart. */
Test(source_js_session, incarnations_agree_everywhere_and_outlive_the_broker)
{
    struct js_rig rig = js_rig_start(&stream_s, "a", 100);
    uint64_t incarnation = recorder.incarnation;
    end_source(rig.source);
    nats_fixture_restart(rig.nats);
    rig.source = start_source(nats_fixture_url(rig.nats), "S", "a", 100);
    await_warm(rig.source);
    cr_assert_eq(recorder.incarnation, incarnation);
    js_rig_stop(&rig);
}

/* A client of its own, to do what an operator might. */
static natsConnection *connect_operator(const char *url, jsCtx **js)
{
    natsConnection *connection = NULL;
    cr_assert_eq(natsConnection_ConnectTo(&connection, url), NATS_OK);
    cr_assert_eq(natsConnection_JetStream(js, connection, NULL), NATS_OK);
    return connection;
}

static void delete_consumers(jsCtx *js)
{
    jsConsumerNamesList *names = NULL;
    cr_assert_eq(js_ConsumerNames(&names, js, "S", NULL, NULL), NATS_OK);
    for (int i = 0; i < names->Count; ++i)
        js_DeleteConsumer(js, "S", names->List[i], NULL, NULL);
    jsConsumerNamesList_Destroy(names);
}

Test(source_js_session, a_consumer_that_was_deleted_is_made_anew)
{
    struct js_rig rig = js_rig_start(&stream_s, "a", 100);
    struct channel *channel = open_channel(rig.source, "a");
    jsCtx *operator_js = NULL;
    natsConnection *operator_connection = connect_operator(nats_fixture_url(rig.nats), &operator_js);
    publish_numbers(rig.js, 0, 10);
    AWAIT(recorder_count(channel, EVENT) == 10);
    delete_consumers(operator_js);
    publish_numbers(rig.js, 10, 10);
    AWAIT(recorder_count(channel, EVENT) == 20);
    check_events(channel, 20, 1, 0);
    cr_assert_eq(recorder_count(channel, LOST), 0);
    cr_assert_eq(jetstream_state(rig.js, "S").consumers, 1);
    cr_assert(js_source_is_connected(rig.source));
    jsCtx_Destroy(operator_js);
    natsConnection_Destroy(operator_connection);
    close_channel(rig.source, channel);
    js_rig_stop(&rig);
}

/* The consumer is gone and so is what it hadn't delivered, before another is there. */
Test(source_js_session, a_purge_that_overtakes_the_consumer_is_a_loss)
{
    struct js_rig rig = js_rig_start(&stream_s, "a", 100);
    struct channel *channel = open_channel(rig.source, "a"), *other = open_channel(rig.source, "b");
    jsCtx *operator_js = NULL;
    natsConnection *operator_connection = connect_operator(nats_fixture_url(rig.nats), &operator_js);
    publish_numbers(rig.js, 0, 10);
    AWAIT(recorder_count(channel, EVENT) == 10);
    delete_consumers(operator_js);
    publish_numbers(rig.js, 10, 10);
    jetstream_purge(rig.js, "S", NULL);
    publish_numbers(rig.js, 20, 5);
    AWAIT(recorder_count(channel, EVENT) == 15);
    cr_assert_eq(recorder_count(channel, LOST), 1);
    cr_assert_eq(recorder_count(other, LOST), 1, "it is not known which channels they were for");
    cr_assert_eq(record_of(channel, LOST, 0).number, 20);
    cr_assert_eq(record_of(channel, EVENT, 10).number, 21);
    cr_assert_eq(atomic_load(&js_source_base(rig.source)->first), 21);
    jsCtx_Destroy(operator_js);
    natsConnection_Destroy(operator_connection);
    close_channel(rig.source, channel);
    close_channel(rig.source, other);
    js_rig_stop(&rig);
}

Test(source_js_session, a_stream_that_lacks_a_routes_subjects_is_a_fault)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct jetstream *js = jetstream_connect(nats_fixture_url(nats));
    jetstream_create(js, &(struct jetstream_stream){.name = "S", .subjects = {"a.b", "a.c.*"}});
    struct js_source *source = start_source(nats_fixture_url(nats), "S", "a.*", 100);
    char fault[256] = "";
    cr_assert_eq(js_source_wait_warm(source, scaled_ms(20000), fault, sizeof(fault)), JS_WARM_FAULT);
    cr_assert_str_eq(fault, "the subject \"a.*\" of a route lies outside the stream S, which stores: a.b, a.c.*");
    end_source(source);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
}

/* The members tell clients of each other, which the fixture keeps them from otherwise. */
static void let_advertise(struct nats_cluster *cluster)
{
    for (unsigned i = 0; i < NATS_CLUSTER_SIZE; ++i) {
        struct nats_fixture *member = nats_cluster_member(cluster, i);
        char *path = text_format("%s/server.conf", nats_fixture_directory(member));
        char *config = sandbox_read(path), *off = strstr(config, "no_advertise: true");
        cr_assert_not_null(off);
        off += strlen("no_advertise: ");
        memcpy(off, "no  ", 4);
        nats_fixture_restart_with(member, config);
        free(config);
        free(path);
    }
    cr_assert(nats_cluster_wait_leader(cluster));
}

Test(source_js_session, it_moves_off_a_server_in_lame_duck_mode)
{
    struct nats_cluster *cluster = nats_cluster_start();
    let_advertise(cluster);
    struct nats_fixture *first = nats_cluster_member(cluster, 0);
    struct jetstream *js = jetstream_connect(nats_cluster_urls(cluster));
    jetstream_create(js, &(struct jetstream_stream){.name = "S", .subjects = {"a"}, .replicas = 3});
    /* Only this one is configured: the others are known from it. */
    struct js_source *source = start_source(nats_fixture_url(first), "S", "a", 100);
    await_warm(source);
    struct channel *channel = open_channel(source, "a");
    publish_numbers(js, 0, 10);
    AWAIT(recorder_count(channel, EVENT) == 10);
    nats_fixture_signal(first, SIGUSR2);
    publish_numbers(js, 10, 200);
    AWAIT(recorder_count(channel, EVENT) == 210);
    nats_fixture_kill(first);
    publish_numbers(js, 210, 10);
    AWAIT_MS(recorder_count(channel, EVENT) == 220, 60000);
    check_events(channel, 220, 1, 0);
    cr_assert_eq(recorder_count(channel, LOST) + recorder_count(channel, EPOCH), 0);
    close_channel(source, channel);
    end_source(source);
    jetstream_destroy(js);
    nats_cluster_stop(cluster);
}

Test(source_js_session, looks_outlast_an_outage)
{
    static struct asked during, at_stop;
    struct js_rig rig = js_rig_start(&stream_s, "a", 100);
    publish_numbers(rig.js, 0, 3);
    AWAIT(horizon() == 3);
    nats_fixture_kill(rig.nats);
    asked_look(&during, rig.source);
    sleep_ms(100);
    cr_assert_not(atomic_load(&during.done));
    nats_fixture_restart(rig.nats);
    AWAIT(atomic_load(&during.done));
    cr_assert_eq(during.look.last, 3);
    nats_fixture_kill(rig.nats);
    asked_look(&at_stop, rig.source);
    end_source(rig.source);
    rig.source = NULL;
    cr_assert(atomic_load(&at_stop.done), "answered at the stop, from the last known state");
    cr_assert_eq(at_stop.look.last, 3);
    js_rig_stop(&rig);
}

Test(source_js_session, it_stops_whatever_the_broker_does)
{
    struct js_rig rig = js_rig_start_broker(&stream_s);
    struct js_source *never_started = create_source(nats_fixture_url(rig.nats), "S", "a", 100);
    end_source(never_started);
    struct js_source *frozen = start_source(nats_fixture_url(rig.nats), "S", "a", 100);
    await_warm(frozen);
    nats_fixture_pause(rig.nats);
    end_source(frozen);
    nats_fixture_resume(rig.nats);
    struct js_source *killed = start_source(nats_fixture_url(rig.nats), "S", "a", 100);
    AWAIT(js_source_is_connected(killed));
    struct channel *channel = open_channel(killed, "a");
    nats_fixture_kill(rig.nats);
    cr_assert(js_source_stop(killed));
    close_channel(killed, channel);
    end_source(killed);
    struct js_source *unreachable = start_source(nats_fixture_url(rig.nats), "S", "a", 100);
    sleep_ms(100);
    end_source(unreachable);
    js_rig_stop(&rig);
}

/* The server's log says so, and the source keeps trying. */
Test(source_js_session, what_is_not_permitted_is_tried_again)
{
    struct nats_fixture *nats = nats_fixture_start("authorization { users = [ { user: u, password: p, permissions: { "
                                                   "publish: { deny: [\"$JS.API.CONSUMER.>\"] } } },"
                                                   " { user: all, password: p } ] }");
    char *url = text_format("nats://all:p@127.0.0.1:%d", nats_fixture_port(nats));
    struct jetstream *js = jetstream_connect(url);
    jetstream_create(js, &stream_s);
    char *denied_url = text_format("nats://u:p@127.0.0.1:%d", nats_fixture_port(nats));
    struct js_source *source = start_source(denied_url, "S", "a", 100);
    char fault[256];
    cr_assert_eq(js_source_wait_warm(source, 1000, fault, sizeof(fault)), JS_WARM_NOT_YET);
    cr_assert_not(js_source_is_connected(source));
    nats_fixture_restart_with(nats, "authorization { users = [ { user: u, password: p },"
                                    " { user: all, password: p } ] }");
    await_warm(source);
    end_source(source);
    jetstream_destroy(js);
    free(url);
    free(denied_url);
    nats_fixture_stop(nats);
}
