/* source_busy.c - a source that can't keep up, and one that is stopped in the middle of its work */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_recorder.h"

#include <arpa/inet.h>
#include <nats/nats.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(source_busy, .fini = recorder_forget);

static atomic_bool gate_closed;

static void wait_at_gate(const struct message *message)
{
    (void)message;
    while (atomic_load(&gate_closed))
        sleep_ms(1);
}

static enum record_kind last_kind(void)
{
    pthread_mutex_lock(&recorder.lock);
    enum record_kind kind = recorder.records[recorder.count - 1].kind;
    pthread_mutex_unlock(&recorder.lock);
    return kind;
}

Test(source_busy, dropped_messages_are_counted_and_marked_in_front_and_behind)
{
    enum { LIMIT = 1000, COUNT = 5000 };
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct config_nats config = {.url = (char *)(uintptr_t)nats_fixture_url(nats)};
    char error[256];
    struct nats_source *source = nats_source_create(&config, 0, 1, error, sizeof(error));
    nats_source_set_pending_limit(source, LIMIT);
    cr_assert_eq(nats_source_start(source), NATS_START_OK);
    struct channel *slow = open_and_await(source, "slow"), *other = open_and_await(source, "other");
    struct publisher *publisher = publisher_connect(nats_fixture_url(nats));
    atomic_store(&gate_closed, true);
    recorder.on_message = wait_at_gate;
    for (int i = 0; i < COUNT; ++i)
        publish_format(publisher, "slow", "%d", i);
    publisher_flush(publisher);
    /* all have come: one is held, the queue is full, the others are dropped; none follows behind the hole later */
    AWAIT(metrics_sum(METRIC_NATS_DROPPED) >= COUNT - LIMIT - 1);
    AWAIT(recorder_count(slow, LOST) == 1);
    cr_assert_leq(recorder_count(slow, EVENT), 1);
    atomic_store(&gate_closed, false);

    AWAIT(recorder_count(slow, EVENT) + metrics_sum(METRIC_NATS_DROPPED) == COUNT);
    /* the last that is said comes after the hole */
    AWAIT(recorder_count(slow, LOST) >= 2 && last_kind() == LOST);
    publish(publisher, "slow", "last");
    AWAIT(last_kind() == EVENT);
    cr_assert_eq(recorder_count(other, LOST), 0);
    close_channel(source, slow);
    close_channel(source, other);
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

/* Publishes all the time and doesn't mind a broker that is away. */
struct flood {
    natsConnection *connection;
    pthread_t thread;
    atomic_bool stop;
};

static void *flood_main(void *arg)
{
    struct flood *flood = arg;
    while (!atomic_load(&flood->stop)) {
        for (int i = 0; i < 400; ++i)
            natsConnection_PublishString(flood->connection, "flood.x", "drop");
        sleep_ms(1);
    }
    return NULL;
}

static void start_flood(struct flood *flood, const struct nats_fixture *nats)
{
    natsOptions *options;
    *flood = (struct flood){.connection = NULL};
    cr_assert_eq(natsOptions_Create(&options), NATS_OK);
    natsOptions_SetURL(options, nats_fixture_url(nats));
    natsOptions_SetMaxReconnect(options, -1);
    natsOptions_SetReconnectWait(options, 20);
    cr_assert_eq(natsConnection_Connect(&flood->connection, options), NATS_OK);
    natsOptions_Destroy(options);
    cr_assert_eq(pthread_create(&flood->thread, NULL, flood_main, flood), 0);
}

static void stop_flood(struct flood *flood)
{
    atomic_store(&flood->stop, true);
    pthread_join(flood->thread, NULL);
    natsConnection_Destroy(flood->connection);
}

/* The last use of a channel is ingress_closed: each is freed right after it, with messages still arriving. */
Test(source_busy, channels_come_and_go_under_load)
{
    struct nats_rig rig = nats_rig_start();
    struct flood flood;
    start_flood(&flood, rig.nats);
    for (int round = 0; round < 300; ++round) {
        struct channel *channels[4];
        for (int i = 0; i < 4; ++i)
            channels[i] = open_channel(rig.source, i % 2 == 0 ? "flood.x" : "flood.>");
        for (int i = 0; i < 4 && round % 10 == 0; ++i)
            AWAIT(recorder_count(channels[i], EVENT) != 0);
        for (int i = 0; i < 4; ++i)
            close_channel(rig.source, channels[i]);
        pthread_mutex_lock(&recorder.lock);
        recorder.count = 0;
        pthread_mutex_unlock(&recorder.lock);
    }
    stop_flood(&flood);
    nats_rig_stop(&rig);
}

Test(source_busy, no_call_after_stop_in_the_middle_of_a_flood)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct flood flood;
    start_flood(&flood, nats);
    for (int round = 0; round < 10; ++round) {
        struct nats_source *source = start_connected(nats_fixture_url(nats));
        struct channel *kept = open_channel(source, "flood.x"), *closing = open_channel(source, "flood.>");
        AWAIT(recorder_count(kept, EVENT) > 10 && recorder_count(closing, EVENT) > 10);
        struct source *base = nats_source_base(source);
        base->ops->close(base, closing);
        cr_assert(nats_source_stop(source));
        cr_assert_eq(recorder_count(closing, CLOSED), 1);
        free(closing);
        cr_assert_eq(recorder_count(kept, CLOSED), 0);
        unsigned messages = recorder_count(kept, EVENT);
        close_channel(source, kept);
        nats_source_destroy(source);
        pthread_mutex_lock(&recorder.lock);
        size_t last = recorder.count - 1;
        cr_assert_eq(recorder.records[last].kind, CLOSED);
        cr_assert_gt(messages, 10);
        recorder.count = 0;
        pthread_mutex_unlock(&recorder.lock);
    }
    stop_flood(&flood);
    nats_fixture_stop(nats);
}

Test(source_busy, outages_in_the_middle_of_a_flood)
{
    struct nats_rig rig = nats_rig_start();
    struct channel *channel = open_and_await(rig.source, "flood.x");
    struct flood flood;
    start_flood(&flood, rig.nats);
    for (unsigned outage = 1; outage <= 5; ++outage) {
        unsigned before = recorder_count(channel, EVENT);
        AWAIT(recorder_count(channel, EVENT) > before);
        nats_fixture_restart(rig.nats);
        AWAIT(recorder_count(channel, LOST) == outage && nats_source_is_connected(rig.source));
    }
    stop_flood(&flood);
    cr_assert_eq(recorder_count(channel, LOST), 5);
    close_channel(rig.source, channel);
    nats_rig_stop(&rig);
}

Test(source_busy, stops_at_once_while_the_broker_is_away)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    struct channel *channel = open_and_await(source, "x"), *closing = open_and_await(source, "y");
    nats_fixture_kill(nats);
    AWAIT(!nats_source_is_connected(source));
    struct source *base = nats_source_base(source);
    base->ops->close(base, closing);
    int64_t began = now_ms();
    cr_assert(nats_source_stop(source));
    cr_assert_lt(now_ms() - began, scaled_ms(3000));
    cr_assert_eq(recorder_count(closing, CLOSED), 1);
    free(closing);
    close_channel(source, channel);
    nats_source_destroy(source);

    source = start_source(nats_fixture_url(nats));
    channel = open_channel(source, "x");
    cr_assert(nats_source_stop(source));
    close_channel(source, channel);
    nats_source_destroy(source);
    nats_fixture_stop(nats);
}

/* It takes connections and speaks of TLS, and then nothing: the client library has no deadline for the handshake. */
static int mute_server(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

Test(source_busy, a_broker_that_hangs_in_its_handshake_holds_up_nobody)
{
    static const char info[] = "INFO {\"server_id\":\"x\",\"max_payload\":1000,\"proto\":1,\"tls_required\":true}\r\n";
    int port, listener = mute_server(&port);
    char *url = text_format("tls://127.0.0.1:%d", port);
    struct nats_source *source = start_source(url);
    int connection = accept(listener, NULL, NULL);
    cr_assert_eq(write(connection, info, sizeof(info) - 1), (ssize_t)sizeof(info) - 1);
    struct channel *channel = open_and_await(source, "x");
    struct channel *closing = open_channel(source, "y");
    close_channel(source, closing);
    int64_t began = now_ms();
    cr_assert_not(nats_source_stop(source), "nothing can end that handshake");
    cr_assert_lt(now_ms() - began, scaled_ms(12000));
    close_channel(source, channel);
    nats_source_destroy(source);
    close(connection);
    close(listener);
    free(url);
}
