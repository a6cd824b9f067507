/* durable.c - readers miss nothing and get nothing twice while gateways and brokers are killed under them */
/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/stress/durable_stored.h"
#include "tests/support/broker_monitor.h"
#include "tests/support/gateway_fixture.h"
#include "tests/support/h2_raw.h"
#include "tests/support/jetstream.h"
#include "tests/support/nats_cluster.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/sandbox.h"
#include "tests/support/stress_numbers.h"

/*
 * usage: durable [--single | --cluster] [--quick] [--seed N]
 *
 * Numbered messages over 50 subjects go into a JetStream stream; 500 event
 * streams on 20 connections read them (of one subject, of two, of all), more
 * than 100,000 events together, from two gateways, and go to the other one
 * whenever they reconnect. Meanwhile SIGKILL takes a gateway ten times and
 * nats-server ten times (--single), or ten times the leader of the stream in a
 * cluster of three, and gateways besides (--cluster). Every stream has to get
 * every number of its subjects, in order, once. Without an argument both run,
 * side by side: after the loss of its leader a raft group waits for 4 to 9 s.
 */
#define CLIENTS 20
#define PER_CLIENT 25
#define WINDOW 0x7fffffff
#define STREAM "DURABLE"

static const char yaml[] = "defaults:\n"
                           "  history: {store: jetstream, stream: DURABLE, events: 16}\n"
                           "  retry: 100ms\n"
                           "routes:\n"
                           "  - {path: \"/d/{id}\", subjects: [\"d.{id}\"]}\n"
                           "  - {path: /all, subjects: [\"d.>\"]}\n"
                           "  - {path: /pick, allow: [\"d.>\"]}\n";

struct reader {
    struct client *client;
    char path[64];
    char cursor[48]; /* "" before its first */
    bool follows[DURABLE_SUBJECTS];
    unsigned long next[DURABLE_SUBJECTS];
};

struct client {
    struct h2_raw *h2; /* NULL: not connected */
    unsigned gateway;  /* where it is, or was */
    int64_t not_before;
    struct reader readers[PER_CLIENT];
};

static const char *variant;
static bool is_cluster;
static unsigned first_seed, seed, kills_wanted = 10;
static unsigned long events_wanted = 10000;

static struct nats_fixture *nats;
static struct nats_cluster *cluster;
static struct jetstream *js;
static struct gateway *gateways[2];
static struct client clients[CLIENTS];

static unsigned long published[DURABLE_SUBJECTS]; /* the publishing thread's, until it has been joined */
static pthread_t publishing;
static bool is_publishing;
static atomic_bool kills_done;
static unsigned long received, reconnects, sent_away, refused;
static unsigned gateway_kills, broker_kills, leader_kills;
static int64_t next_cut;

static void stop_publishing(void)
{
    kills_done = true;
    if (is_publishing)
        pthread_join(publishing, NULL);
    is_publishing = false;
}

static void stop_all(void)
{
    size_t i;

    for (i = 0; i < CLIENTS; i++)
        h2_raw_destroy(clients[i].h2);
    for (i = 0; i < 2; i++)
        gateway_destroy(gateways[i]);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
    nats_cluster_stop(cluster);
}

_Noreturn static void fail(const struct reader *reader, const char *what, const char *detail)
{
    gateway_show_logs();
    fprintf(stderr,
            "durable (%s): reader %zu of client %zu (%s from \"%s\", at gateway %u): %s: %s (seed %u; kills so far: "
            "%u gateways, %u brokers, %u leaders)\n",
            variant, (size_t)(reader - reader->client->readers), (size_t)(reader->client - clients), reader->path,
            reader->cursor, reader->client->gateway, what, detail, first_seed, gateway_kills, broker_kills,
            leader_kills);
    events_wanted = 0;
    stop_publishing();
    fprintf(stderr, "durable: the broker's own stream has %lu faults\n", durable_read(js, STREAM).faults);
    stop_all();
    exit(1);
}

/* ---- readers ---- */

/* The payload is "SUBJECT NUMBER". */
static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct reader *reader = arg;
    char *end, detail[192];
    unsigned long subject = strtoul(event->data, &end, 10), number = strtoul(end, NULL, 10);

    if (strcmp(event->name, "freshet.bye") == 0) {
        sent_away++;
        return;
    }
    snprintf(detail, sizeof(detail), "%s \"%s\" with id %s", event->name, event->data, event->id);
    if (strcmp(event->name, "message") != 0)
        fail(reader, "not a message", detail);
    if (subject >= DURABLE_SUBJECTS || !reader->follows[subject])
        fail(reader, "an event of another subject", detail);
    if (number != reader->next[subject])
        fail(reader, number > reader->next[subject] ? "lost before" : "again", detail);
    reader->next[subject]++;
    received++;
}

static void connect_client(struct client *client)
{
    char path[160];
    size_t i;

    client->gateway = (client->gateway + 1) % 2;
    client->h2 = h2_raw_try_connect(gateways[client->gateway]->clear_port, WINDOW, 0);
    if (client->h2 == NULL) {
        client->not_before = now_ms() + 20;
        return;
    }
    reconnects++;
    for (i = 0; i < PER_CLIENT; i++) {
        struct reader *reader = &client->readers[i];
        char mark = strchr(reader->path, '?') != NULL ? '&' : '?';
        if (reader->cursor[0] != '\0')
            snprintf(path, sizeof(path), "%s%clastEventId=%s", reader->path, mark, reader->cursor);
        else
            snprintf(path, sizeof(path), "%s%csince=earliest", reader->path, mark);
        unsigned index = h2_raw_get(client->h2, path);
        client->h2->streams[index].log.on_event = on_event;
        client->h2->streams[index].log.arg = reader;
    }
}

static void disconnect(struct client *client, int64_t away_ms)
{
    size_t i;

    for (i = 0; i < PER_CLIENT; i++) {
        const char *id = event_log_last_id(&client->h2->streams[i].log);
        if (*id != '\0')
            snprintf(client->readers[i].cursor, sizeof(client->readers[i].cursor), "%s", id);
    }
    h2_raw_destroy(client->h2);
    client->h2 = NULL;
    client->not_before = now_ms() + away_ms;
}

static void pump_client(struct client *client)
{
    bool is_over;
    size_t i;

    if (client->h2 == NULL) {
        if (now_ms() < client->not_before)
            return;
        connect_client(client);
        if (client->h2 == NULL)
            return;
    }
    is_over = !h2_raw_pump(client->h2, 0);
    for (i = 0; i < PER_CLIENT && !is_over; i++) {
        const struct h2_raw_stream *stream = &client->h2->streams[i];
        is_over = stream->ended || stream->reset;
        /* it may refuse streams while its broker is gone */
        refused += is_over && !stream->is_200;
    }
    if (is_over)
        disconnect(client, 20);
}

/* Half of the clients that are cut reconnect at once, the others after the rings have moved past them. */
static void pump_all(void)
{
    size_t i;

    for (i = 0; i < CLIENTS; i++)
        pump_client(&clients[i]);
    if (now_ms() >= next_cut) {
        struct client *client = &clients[(unsigned)rand_r(&seed) % CLIENTS];
        next_cut = now_ms() + 50 + rand_r(&seed) % 100;
        if (client->h2 != NULL)
            disconnect(client, rand_r(&seed) % 2 ? 0 : rand_r(&seed) % 3000);
    }
    sleep_ms(1);
}

static void pump_for(int64_t ms)
{
    int64_t until = now_ms() + ms;

    while (now_ms() < until)
        pump_all();
}

static void choose_subjects(void)
{
    size_t i, k;

    for (i = 0; i < (size_t)CLIENTS * PER_CLIENT; i++) {
        struct client *client = &clients[i / PER_CLIENT];
        struct reader *reader = &client->readers[i % PER_CLIENT];
        size_t a = i % DURABLE_SUBJECTS, b = (i * 3 + 1) % DURABLE_SUBJECTS;
        client->gateway = (unsigned)(i / PER_CLIENT) % 2;
        reader->client = client;
        for (k = 0; k < DURABLE_SUBJECTS; k++) {
            reader->next[k] = 1;
            reader->follows[k] = k == a;
        }
        snprintf(reader->path, sizeof(reader->path), "/d/%zu", a);
        if (i % 100 == 7) {
            snprintf(reader->path, sizeof(reader->path), "/all");
            memset(reader->follows, true, sizeof(reader->follows));
        } else if (i % 5 == 0) {
            snprintf(reader->path, sizeof(reader->path), "/pick?subject=d.%zu&subject=d.%zu", a, b);
            reader->follows[b] = true;
        }
    }
}

/* ---- the publisher ---- */

/* About 400 a second, so that many come between two kills, until the killing is over. */
static void *publish_all(void *arg)
{
    const char *url = is_cluster ? nats_cluster_urls(cluster) : nats_fixture_url(nats);
    struct jetstream *own = jetstream_connect(url);
    unsigned long total;

    for (total = 0; !kills_done || total < events_wanted; total++) {
        unsigned long subject = total * 7 % DURABLE_SUBJECTS;
        char name[16];
        snprintf(name, sizeof(name), "d.%lu", subject);
        jetstream_publish_format(own, name, "%lu %lu", subject, ++published[subject]);
        if (!kills_done)
            sleep_ms(2);
    }
    jetstream_destroy(own);
    return arg;
}

/* ---- the killing ---- */

static void kill_gateway(void)
{
    struct gateway *gateway = gateways[gateway_kills++ % 2];

    gateway_kill(gateway);
    pump_for(rand_r(&seed) % 300);
    gateway_restart(gateway);
}

static void kill_broker(void)
{
    broker_kills++;
    nats_fixture_kill(nats);
    pump_for(rand_r(&seed) % 500);
    nats_fixture_restart(nats);
}

static unsigned stream_leader(void)
{
    struct jetstream_state state;

    if (!jetstream_ask_state(js, STREAM, &state))
        return NATS_CLUSTER_SIZE;
    return nats_cluster_index(cluster, state.leader);
}

/* False: there is none, or *behind is a member that has not everything the leader has, if it says so. */
static bool find_leader(unsigned *leader, unsigned *behind)
{
    char name[64];

    *behind = NATS_CLUSTER_SIZE;
    *leader = stream_leader();
    if (*leader == NATS_CLUSTER_SIZE ||
        !broker_monitor_behind(nats_fixture_monitor_port(nats_cluster_member(cluster, *leader)), STREAM, name,
                               sizeof(name)))
        return false;
    *behind = nats_cluster_index(cluster, name);
    return name[0] == '\0';
}

/*
 * Waits for a leader whose replicas have everything: a loss before that would be the broker's fault, not ours. A member
 * (2.9) that is killed while it writes down which streams there are knows of none, until its store is emptied.
 */
static unsigned wait_leader(void)
{
    int64_t deadline = deadline_in(60000), patience = deadline_in(20000);
    unsigned leader, behind;

    while (!find_leader(&leader, &behind)) {
        if (now_ms() > deadline) {
            nats_cluster_show(cluster);
            fixture_fail("the cluster's stream has no leader whose replicas have everything");
        }
        if (now_ms() > patience && behind < NATS_CLUSTER_SIZE) {
            fprintf(stderr, "durable (%s): member%u does not catch up, and begins with an empty store\n", variant,
                    behind);
            nats_fixture_restart_empty(nats_cluster_member(cluster, behind));
            patience = deadline_in(20000);
        }
        pump_for(20);
    }
    return leader;
}

static void kill_leader(void)
{
    struct nats_fixture *member = nats_cluster_member(cluster, wait_leader());

    leader_kills++;
    nats_fixture_kill(member);
    pump_for(rand_r(&seed) % 300);
    nats_fixture_restart(member);
}

static void kill_all(void)
{
    unsigned i;

    for (i = 0; i < kills_wanted; i++) {
        pump_for(200 + rand_r(&seed) % 500);
        if (is_cluster) {
            kill_leader();
            if (i % 3 == 2) {
                wait_leader();
                kill_gateway();
            }
        } else {
            kill_gateway();
            pump_for(rand_r(&seed) % 600);
            kill_broker();
        }
    }
    if (is_cluster)
        wait_leader();
}

static bool has_all(const struct reader *reader)
{
    return stress_numbers_all_came(reader->follows, reader->next, published, DURABLE_SUBJECTS);
}

static void read_to_the_end(void)
{
    int64_t deadline = deadline_in(30000);
    size_t i = 0;

    next_cut = INT64_MAX;
    while (i < (size_t)CLIENTS * PER_CLIENT) {
        const struct reader *reader = &clients[i / PER_CLIENT].readers[i % PER_CLIENT];
        if (has_all(reader))
            i++;
        else if (now_ms() > deadline)
            fail(reader, "never got the end", "");
        else
            pump_all();
    }
    pump_for(200); /* a repeated event would arrive now */
}

static void start_all(void)
{
    struct jetstream_stream stream = {.name = STREAM, .subjects = {"d.>"}, .replicas = is_cluster ? 3 : 1};
    const char *url;
    size_t i;

    if (is_cluster)
        cluster = nats_cluster_start();
    else
        nats = nats_fixture_start(NULL);
    if (cluster == NULL && nats == NULL)
        fixture_fail("no broker");
    url = is_cluster ? nats_cluster_urls(cluster) : nats_fixture_url(nats);
    js = jetstream_connect(url);
    jetstream_create(js, &stream);
    for (i = 0; i < 2; i++)
        gateways[i] = gateway_start(&(struct gateway_options){.nats_url = url, .yaml = yaml});
}

static int run_variant(void)
{
    int64_t started = now_ms();
    unsigned long total = 0;
    struct durable_stored stored;
    size_t i;
    int code = 0;

    first_seed = seed;
    printf("durable (%s): seed %u\n", variant, seed);
    fflush(stdout);
    choose_subjects();
    start_all();
    is_publishing = pthread_create(&publishing, NULL, publish_all, NULL) == 0;
    if (!is_publishing)
        fixture_fail("no thread");
    kill_all();
    kills_done = true;
    stop_publishing();
    read_to_the_end();
    stored = durable_read(js, STREAM);
    for (i = 0; i < DURABLE_SUBJECTS; i++) {
        total += published[i];
        if (stored.last[i] != published[i] || stored.faults != 0)
            fixture_fail("the broker's stream is not what was published: this run proves nothing");
    }
    printf("durable (%s): %lu messages, %lu events through %d streams in %.1f s; killed: %u gateways, %u brokers, %u "
           "leaders; %lu reconnects, %lu sent away, %lu refused: nothing lost, nothing twice, in order (seed %u)\n",
           variant, total, received, CLIENTS * PER_CLIENT, (double)(now_ms() - started) / 1000, gateway_kills,
           broker_kills, leader_kills, reconnects, sent_away, refused, first_seed);
    for (i = 0; i < 2; i++)
        code |= gateway_stop(gateways[i]);
    if (code != 0) {
        gateway_show_logs();
        fprintf(stderr, "durable (%s): a gateway's exit code is not 0\n", variant);
    }
    stop_all();
    return code != 0;
}

/* This program again, as a process of its own for each variant. */
static int run_both(int argc, char **argv)
{
    static char *const names[] = {"--single", "--cluster"};
    char *arguments[8] = {"/proc/self/exe"};
    int status, code = 0, i;
    pid_t pids[2];

    for (i = 1; i < argc && i < 6; i++)
        arguments[i + 1] = argv[i];
    for (i = 0; i < 2; i++) {
        arguments[1] = names[i];
        pids[i] = child_start(arguments, NULL, NULL);
    }
    for (i = 0; i < 2; i++) {
        while (!child_wait(pids[i], deadline_in(60000), &status))
            ;
        code |= status != 0;
    }
    return code;
}

int main(int argc, char **argv)
{
    int i;

    seed = (unsigned)now_ms();
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            kills_wanted = 3;
            events_wanted = 1000;
        } else if (strcmp(argv[i], "--single") == 0 || strcmp(argv[i], "--cluster") == 0) {
            variant = argv[i] + 2;
            is_cluster = strcmp(variant, "cluster") == 0;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            fixture_fail("usage: durable [--single | --cluster] [--quick] [--seed N]");
        }
    }
    if (is_sanitizer_run()) {
        kills_wanted = kills_wanted < 5 ? kills_wanted : 5;
        events_wanted = 2000;
    }
    return variant != NULL ? run_variant() : run_both(argc, argv);
}
