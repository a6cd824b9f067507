/* durable_lossy.c - republished messages that are lost between brokers are found again, or their loss is announced */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <arpa/inet.h>
#include <nats/nats.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/broker_monitor.h"
#include "tests/support/tcp_proxy.h"

/*
 * Two servers whose routes go through proxies: the stream and its publisher
 * are at "home", the gateway is connected to the server that is "away". While
 * the route is cut what is published is stored, its republished copies never
 * arrive, and the gateway's own connection stays.
 */
#define SUBJECTS 8 /* orders.(s / 2).(s % 2 ? "b" : "a") */
#define NUMBERS_MAX 200000
#define READERS_MAX 8
#define ATTEMPTS 5 /* to find free ports */

static struct nats_fixture *home, *away;
static struct tcp_proxy *proxies[2];
static struct publisher *at_home, *at_away;
static unsigned char subject_of[NUMBERS_MAX]; /* of each number */

/* Channels of one pattern with several subjects may be taken past a loss, and streams of several channels. */
static const struct kind {
    const char *path;
    unsigned subjects; /* a bit for each */
    bool has_all;      /* one literal subject: whatever is lost comes in order, late */
} kinds[READERS_MAX] = {
    {"/pick?subject=orders.0.a", 0x01, true},
    {"/pick?subject=orders.1.b", 0x08, true},
    {"/orders/0", 0x03, false},
    {"/orders/1", 0x0c, false},
    {"/orders/3", 0xc0, false},
    {"/every", 0xff, false},
    {"/pick?subject=orders.*.a", 0x55, false},
    {"/pick?subject=orders.0.a&subject=orders.1.>&subject=orders.2.b", 0x2d, false},
};

static struct http_stream *readers[READERS_MAX];

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(socket_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(socket_fd, (struct sockaddr *)&address, &len) != 0)
        fixture_fail("no free port");
    close(socket_fd);
    return ntohs(address.sin_port);
}

static struct nats_fixture *start_server(int index, int port, int route)
{
    /* no_advertise: neither the gateway nor the other server learns of a way around the proxy */
    char *config = text_format("server_name: lossy%d\n"
                               "cluster {\n"
                               "  name: lossy\n"
                               "  listen: \"127.0.0.1:%d\"\n"
                               "  no_advertise: true\n"
                               "  routes: [\"nats://127.0.0.1:%d\"]\n"
                               "}\n",
                               index, port, route);
    struct nats_fixture *server = nats_fixture_start(config);

    free(config);
    return server;
}

/* Another process may take a port that was free a moment ago. */
static bool start_servers(struct nats_fixture *servers[2])
{
    int ports[2] = {free_port(), free_port()}, i;

    for (i = 0; i < 2; i++)
        proxies[i] = tcp_proxy_start(ports[i]);
    for (i = 0; i < 2; i++)
        servers[i] = start_server(i, ports[i], tcp_proxy_port(proxies[1 - i]));
    if (servers[0] != NULL && servers[1] != NULL)
        return true;
    for (i = 0; i < 2; i++) {
        nats_fixture_stop(servers[i]);
        tcp_proxy_stop(proxies[i]);
        proxies[i] = NULL;
    }
    return false;
}

/* Once a probe sent over there arrives here, the interest sent before it has arrived as well. */
static void wait_for_route(void)
{
    natsSubscription *probes = NULL;
    natsMsg *msg = NULL;
    int64_t deadline = deadline_in(20000);

    REQUIRE(natsConnection_SubscribeSync(&probes, publisher_connection(at_home), "probe") == NATS_OK);
    publisher_flush(at_home);
    while (natsSubscription_NextMsg(&msg, probes, 20) != NATS_OK) {
        REQUIRE(now_ms() < deadline, "the servers don't find each other");
        publish(at_away, "probe", "");
        publisher_flush(at_away);
    }
    natsMsg_Destroy(msg);
    /* More probes may be coming: nats.c (3.4) uses a subscription that is freed while a message arrives for it. */
    natsSubscription_Unsubscribe(probes);
    publisher_flush(at_home);
    natsSubscription_Destroy(probes);
}

static void cut(void)
{
    tcp_proxy_cut(proxies[0]);
    tcp_proxy_cut(proxies[1]);
}

static void heal(void)
{
    tcp_proxy_heal(proxies[0]);
    tcp_proxy_heal(proxies[1]);
    wait_for_route();
}

static struct gateway *start_lossy_gateway(void)
{
    return gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(away),
        .yaml = "defaults:\n"
                "  history: {store: jetstream, stream: ORDERS, live: republish, events: 65536}\n"
                "routes:\n"
                "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}.>\"]}\n"
                "  - {path: /every, subjects: [\"orders.>\"]}\n"
                "  - {path: /pick, allow: [\"orders.>\"]}\n"});
}

static long consumers(void)
{
    return broker_monitor_consumers(nats_fixture_monitor_port(home), "ORDERS");
}

static void require_no_consumer(void)
{
    int64_t deadline = deadline_in(30000);

    while (consumers() != 0) {
        REQUIRE(now_ms() < deadline, "%ld consumers", consumers());
        http_pump(durable.client, 20);
    }
}

/* The stream is where the broker put it: that one is home. */
static void place_stream(struct nats_fixture *const servers[2])
{
    struct jetstream_stream stream;
    bool is_second;

    durable.live = "republish";
    stream = durable_orders();
    durable.js = jetstream_connect(nats_fixture_url(servers[0]));
    jetstream_create(durable.js, &stream);
    is_second = strcmp(jetstream_state(durable.js, "ORDERS").leader, "lossy1") == 0;
    jetstream_destroy(durable.js);
    home = servers[is_second];
    away = servers[!is_second];
    durable.js = jetstream_connect(nats_fixture_url(home));
}

static void setup(void)
{
    struct nats_fixture *servers[2] = {NULL, NULL};
    size_t i;

    for (i = 0; i < ATTEMPTS && !start_servers(servers); i++)
        ;
    REQUIRE(i < ATTEMPTS, "two servers do not start");
    place_stream(servers);
    at_home = publisher_connect(nats_fixture_url(home));
    at_away = publisher_connect(nats_fixture_url(away));
    wait_for_route();
    durable.gateway = start_lossy_gateway();
    durable.client = http_client_create(durable.gateway, HTTP_H2);
    for (i = 0; i < READERS_MAX; i++)
        readers[i] = durable_open(durable.client, kinds[i].path);
    require_no_consumer();
}

static void end(void)
{
    durable_stop();
    publisher_destroy(at_home);
    publisher_destroy(at_away);
    nats_fixture_stop(home);
    nats_fixture_stop(away);
    tcp_proxy_stop(proxies[0]);
    tcp_proxy_stop(proxies[1]);
}

TestSuite(durable_lossy, .init = setup, .fini = end, .timeout = 170);

/* The next number goes to that subject. Stored is what the publisher's own server says is stored. */
static void say_later(unsigned subject)
{
    char text[32];

    durable.stored++;
    REQUIRE(durable.stored < NUMBERS_MAX);
    subject_of[durable.stored] = (unsigned char)subject;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)durable.stored);
    jetstream_publish_later(durable.js, rig_note("orders.%u.%c", subject / 2, "ab"[subject % 2]), text);
}

static void say(const char *subjects)
{
    for (; *subjects != '\0'; subjects++)
        say_later((unsigned)(*subjects - '0'));
    jetstream_flush(durable.js);
}

static bool wants(const struct kind *kind, uint64_t number)
{
    return (kind->subjects >> subject_of[number] & 1) != 0;
}

/*
 * Everything that came is a message that belongs there, in order and not
 * repeated, or a gap; what did not come is followed by a gap. False: not yet.
 */
static bool has_come(const struct http_stream *stream, const struct kind *kind, char fault[200])
{
    uint64_t next = 1;
    bool is_missing = false;
    size_t i;

    for (i = 0; i < stream->log.count; i++) {
        const struct event *event = http_event(stream, i);
        uint64_t number;
        if (strcmp(event->name, "freshet.gap") == 0) {
            REQUIRE(!kind->has_all, "%s: a gap after %s: %s", kind->path, event->id, event->data);
            REQUIRE_STR(json_field(event->data, "reason"), "broker-lost");
            is_missing = false;
            continue;
        }
        number = strtoull(event->data, NULL, 10);
        REQUIRE(strcmp(event->name, "message") == 0 && durable_sequence(event->id) == number &&
                    number <= durable.stored && wants(kind, number),
                "%s: %s %s with id %s", kind->path, event->name, event->data, event->id);
        REQUIRE(number >= next, "%s: %llu after %llu", kind->path, (unsigned long long)number,
                (unsigned long long)next - 1);
        for (; next < number; next++) {
            if (!wants(kind, next))
                continue;
            REQUIRE(!kind->has_all, "%s: %llu is missing before %llu", kind->path, (unsigned long long)next,
                    (unsigned long long)number);
            is_missing = true;
            snprintf(fault, 200, "%s: no gap announces %llu", kind->path, (unsigned long long)next);
        }
        next = number + 1;
    }
    for (; next <= durable.stored; next++) {
        if (wants(kind, next)) {
            snprintf(fault, 200, "%s: %llu of %llu has not come", kind->path, (unsigned long long)next,
                     (unsigned long long)durable.stored);
            return false;
        }
    }
    return !is_missing;
}

/* Every loss is found or announced once each subject has a new message, and then no consumer is left. */
static void settle(void)
{
    char fault[200] = "";
    int64_t deadline = deadline_in(30000);
    size_t i;

    say("01234567");
    for (i = 0; i < READERS_MAX; i++) {
        while (!has_come(readers[i], &kinds[i], fault)) {
            REQUIRE(now_ms() < deadline && !readers[i]->ended, "%s%s", fault, readers[i]->ended ? ", ended" : "");
            http_pump(durable.client, 20);
        }
    }
    require_no_consumer();
}

static void lose(const char *subjects)
{
    cut();
    say(subjects);
    heal();
}

static size_t gaps(void)
{
    size_t count = 0, i;

    for (i = 0; i < READERS_MAX; i++)
        count += event_log_count(&readers[i]->log, "freshet.gap");
    return count;
}

/* Long enough for the gateway to have asked how far the stream is, and believed it. */
static void let_it_rest(void)
{
    http_pump_for(durable.client, 2500);
}

Test(durable_lossy, the_next_of_the_same_subject_finds_it)
{
    say("01234567");
    lose("000");
    say("0");
    settle();
    REQUIRE(gaps() == 0, "no reader had anything newer");
}

Test(durable_lossy, who_has_newer_ones_is_told)
{
    say("01234567");
    lose("00");
    say("2");
    say("0");
    settle();
    lose("0011");
    say("1");
    say("0");
    settle();
    lose("04");
    say("5316");
    let_it_rest();
    settle();
}

/* Messages lost twice are looked for twice, and a loss not noticed the first time isn't forgotten. */
Test(durable_lossy, losses_that_come_one_after_the_other)
{
    say("01234567");
    lose("0");
    say("2222");
    lose("2");
    say("20");
    settle();
    lose("3");
    say("0000");
    let_it_rest();
    lose("0");
    say("03");
    settle();
}

/* The gateway has to start over before it has noticed the loss. */
Test(durable_lossy, a_loss_before_the_session_ends)
{
    say("01234567");
    lose("04");
    say("2");
    let_it_rest();
    nats_fixture_restart(away);
    wait_for_route();
    settle();
    lose("1");
    say("2");
    nats_fixture_restart(away);
    wait_for_route();
    settle();
}

/* Two that vote for themselves may need several turns. */
static void wait_for_leader(void)
{
    char here[64], there[64];
    int64_t deadline = deadline_in(60000);

    do {
        REQUIRE(now_ms() < deadline, "the brokers find no leader");
        http_pump(durable.client, 50);
        broker_monitor_meta_leader(nats_fixture_monitor_port(home), here, sizeof(here));
        broker_monitor_meta_leader(nats_fixture_monitor_port(away), there, sizeof(there));
    } while (here[0] == '\0' || strcmp(here, there) != 0);
}

Test(durable_lossy, a_cut_that_outlasts_the_session)
{
    say("01234567");
    cut();
    say("0123");
    http_pump_for(durable.client, 8000);
    say("4567");
    heal();
    wait_for_leader();
    settle();
}

Test(durable_lossy, cuts_under_load)
{
    int64_t started = now_ms(), next_cut = started + 500, until = started + 15000;
    unsigned rate = is_sanitizer_run() ? 500 : 5000, cuts = 0;
    bool is_cut = false;

    while (now_ms() < until || is_cut) {
        /* a busy machine may never catch up with the rate, and the cuts have to come all the same */
        for (unsigned i = 0; i != 200 && (int64_t)durable.stored < (now_ms() - started) * rate / 1000; ++i)
            say_later((unsigned)(durable.stored * 7 % 11 % SUBJECTS));
        if (now_ms() >= next_cut) {
            if (is_cut)
                heal();
            else
                cut();
            cuts += is_cut ? 0 : 1;
            is_cut = !is_cut;
            next_cut = now_ms() + (is_cut ? (int64_t)(cuts % 5) * 20 : 100 + (int64_t)(cuts % 3) * 250);
        }
        http_pump(durable.client, 1);
    }
    jetstream_flush(durable.js);
    settle();
    fprintf(stderr, "%u cuts, %llu messages, %zu gaps sent to %d readers\n", cuts, (unsigned long long)durable.stored,
            gaps(), READERS_MAX);
    REQUIRE(cuts >= 5);
}
