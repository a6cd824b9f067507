/* slow_readers.c - readers that stop and start again get every number once, and the gateway survives them */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/stress/slow_readers_account.h"
#include "tests/stress/slow_readers_plan.h"
#include "tests/support/gateway_fixture.h"
#include "tests/support/http_client.h"
#include "tests/support/jetstream.h"
#include "tests/support/nats_fixture.h"
#include "tests/support/publisher.h"
#include "tests/support/sandbox.h"

/*
 * usage: slow_readers [--quick] [--seconds N] [--seed N]
 *
 * Each round has a gateway of its own. Numbered messages are stored; readers
 * with small and large receive buffers ask for all of them or resume in the
 * middle, over HTTP/2 and HTTP/1.1, with TLS and in the clear, and stop reading
 * at random. Some rounds cut them, publish meanwhile, or drain the gateway. At
 * the end of a round each reader has every number, in order, once, or a
 * freshet.gap instead, and the gateway exits with 0.
 *
 * The seed is the number of the first round, and a round depends on its number
 * alone: --seed with the number of a round that failed begins with that round.
 */
struct peer {
    struct http_client *client;
    bool is_stopped, is_fast;
    int64_t turns_at;
};

struct reader {
    struct peer *peer;
    struct http_stream *stream; /* NULL: not open */
    struct account account;
    bool is_cut; /* its connection has been broken, and its stream will end */
};

static struct nats_fixture *nats;
static struct jetstream *js;
static struct publisher *publisher;
static struct gateway *gateway;
static struct plan plan;
static struct peer peers[PLAN_READERS + 1];
static struct reader readers[PLAN_READERS + 1];
static size_t peer_count, reader_count;
static unsigned long published;
static struct account_ids ids;
static bool is_ending; /* the gateway was told to stop, so streams may end */
static int64_t round_began;
static int exit_code; /* of a gateway that has ended */
static unsigned long received, cuts, gaps, returns;

static void stop_all(void)
{
    gateway_destroy(gateway);
    publisher_destroy(publisher);
    jetstream_destroy(js);
    nats_fixture_stop(nats);
}

_Noreturn static void fail(const struct reader *reader, const char *what, const char *detail)
{
    gateway_show_logs();
    plan_print(&plan, stderr);
    fprintf(stderr, "slow_readers: ");
    if (reader != NULL)
        fprintf(stderr, "reader %zu (buffer %ld, expects %lu of %lu, id \"%s\"): ", reader - readers,
                reader->peer->client->receive_buffer, reader->account.next, published, reader->account.cursor);
    fprintf(stderr, "%s: %s (again with --seed %u)\n", what, detail, plan.number);
    stop_all();
    exit(1);
}

/* Waits that long for the gateway's exit, and sets exit_code as gateway_wait_exit would return it. */
static bool has_ended(int64_t ms)
{
    int status;

    if (gateway->pid == 0)
        return true;
    if (!child_wait(gateway->pid, deadline_in(ms), &status))
        return false;
    gateway->pid = 0;
    exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
}

static void require_exit(int code)
{
    char text[32];

    snprintf(text, sizeof(text), code > 128 ? "signal %d" : "exit code %d", code > 128 ? code - 128 : code);
    if (code != 0)
        fail(NULL, "the gateway ended with", text);
}

/* Nothing but SIGTERM may end the gateway. */
static void require_alive(int64_t ms)
{
    if (is_ending || !has_ended(ms))
        return;
    require_exit(exit_code);
    fail(NULL, "the gateway ended", "it wasn't asked to");
}

/* ---- readers ---- */

static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct reader *reader = arg;
    const char *fault;

    if (is_ending && strcmp(event->name, "freshet.bye") == 0)
        return;
    fault = account_event(&reader->account, &ids, event);
    if (fault != NULL)
        fail(reader, fault, reader->account.last);
    received++;
    gaps += reader->account.has_gap;
}

static void open_reader(struct reader *reader)
{
    struct http_client *client = reader->peer->client;
    const char *cursor = reader->account.cursor;
    char path[64], header[80];

    snprintf(path, sizeof(path), "%s?since=earliest", plan_paths[plan.route]);
    snprintf(header, sizeof(header), "last-event-id: %s", cursor);
    client->on_event = on_event;
    client->on_event_arg = reader;
    reader->stream = http_open(client, path, *cursor != '\0' ? header : NULL, NULL);
    reader->is_cut = false;
}

static void connect_peer(struct peer *peer, long receive_buffer)
{
    peer->client = http_client_create(gateway, peer->is_fast ? HTTP_H2 : plan.mode);
    peer->client->receive_buffer = receive_buffer;
    for (size_t i = 0; i < reader_count; i++)
        if (readers[i].peer == peer)
            open_reader(&readers[i]);
}

static void disconnect_peer(struct peer *peer)
{
    for (size_t i = 0; i < reader_count; i++)
        if (readers[i].peer == peer)
            readers[i].stream = NULL;
    http_client_destroy(peer->client);
    peer->client = NULL;
}

static void reopen_reader(struct reader *reader)
{
    http_close(reader->stream);
    reader->stream = NULL;
    if (!is_ending)
        open_reader(reader);
}

/* Closes the stream, or breaks its connection with all that is on it. */
static void cut_reader(struct reader *reader)
{
    if (reader->stream == NULL || reader->peer->is_fast)
        return;
    cuts++;
    if (draw(3) != 0 || !http_break_connection(reader->stream)) {
        reopen_reader(reader);
        return;
    }
    for (size_t i = 0; i < reader_count; i++)
        readers[i].is_cut |= readers[i].peer == reader->peer;
}

/* A stream that was cut is opened again; no other may end. */
static void look_after(struct reader *reader)
{
    const struct http_stream *stream = reader->stream;

    if (stream == NULL)
        return;
    if (stream->has_headers && stream->status != 200 && !is_ending)
        fail(reader, "refused", stream->body);
    if (!stream->ended)
        return;
    if (!is_ending && (!reader->is_cut || stream->result == CURLE_OK)) {
        require_alive(1000);
        fail(reader, "the stream ended", curl_easy_strerror(stream->result));
    }
    reopen_reader(reader);
}

static void stop_or_go(struct peer *peer)
{
    if (now_ms() < peer->turns_at)
        return;
    peer->is_stopped = !peer->is_stopped;
    peer->turns_at = now_ms() + 5 + draw(peer->is_stopped ? 300 : 200);
}

/* One turn: all clients that are not stopped read what is there. */
static void pump_all(bool only_fast)
{
    require_alive(0);
    for (size_t i = 0; i < peer_count; i++) {
        struct peer *peer = &peers[i];
        if (plan.stops && !peer->is_fast)
            stop_or_go(peer);
        if (peer->client != NULL && (peer->is_fast || (!only_fast && !peer->is_stopped)))
            http_pump(peer->client, 0);
    }
    for (size_t i = 0; i < reader_count; i++)
        look_after(&readers[i]);
    sleep_ms(1);
}

/* The fast reader has no client in rounds without it, and counts as done. */
static bool has_all(const struct reader *reader)
{
    return reader->peer->client == NULL || reader->account.next == published + 1;
}

static bool is_closed(const struct reader *reader)
{
    return reader->stream == NULL;
}

/* Until it is true of each reader, or of the fast one, while the others read nothing. */
static void pump_until(bool (*is_done)(const struct reader *), bool only_fast, const char *complaint)
{
    int64_t deadline = deadline_in(30000);

    for (size_t i = 0; i < (only_fast ? 1 : reader_count);) {
        if (is_done(&readers[i]))
            i++;
        else if (now_ms() > deadline)
            fail(&readers[i], complaint, "");
        else
            pump_all(only_fast);
    }
}

/* ---- the publisher ---- */

static void publish_next(void)
{
    static char text[PLAN_SIZE + 1];
    int n = snprintf(text, sizeof(text), "%lu ", ++published);

    memset(text + n, 'x', plan.size - (size_t)n);
    text[plan.size] = '\0';
    if (plan.route == PLAN_DURABLE)
        jetstream_publish_later(js, PLAN_SUBJECT, text);
    else
        publish(publisher, PLAN_SUBJECT, text);
}

static void flush_all(void)
{
    if (plan.route == PLAN_DURABLE)
        jetstream_flush(js);
    else
        publisher_flush(publisher);
}

/* Publishes the messages due by now, up to a limit that a slow gateway can finish in a round, too. */
static void publish_due(void)
{
    unsigned long due = plan.messages + (unsigned long)(now_ms() - round_began) * plan.rate / 1000;
    unsigned long limit = plan.messages + plan_most_messages(&plan);

    while (published < (due < limit ? due : limit))
        publish_next();
}

/* Returns when the fast reader has them all, because the gateway then has them for any other. */
static void store_messages(void)
{
    if (!http_wait_first_block(readers[0].stream))
        fail(&readers[0], "did not open", readers[0].stream->body);
    while (published < plan.messages)
        publish_next();
    flush_all();
    pump_until(has_all, true, "did not get what is stored");
}

/* ---- a round ---- */

static struct account new_account(void)
{
    bool may_skip = plan.route == PLAN_SKIP;

    return (struct account){.next = may_skip ? 0 : 1, .may_skip = may_skip};
}

/* An empty stream, a gateway, and the fast reader. */
static void start_round(void)
{
    const struct jetstream_stream stream = {.name = PLAN_STREAM, .subjects = {PLAN_SUBJECT}, .in_memory = true};
    char *yaml = plan_yaml(&plan);

    jetstream_delete(js, PLAN_STREAM);
    jetstream_create(js, &stream);
    gateway = gateway_start(
        &(struct gateway_options){.nats_url = nats_fixture_url(nats), .yaml = yaml, .workers = plan.workers});
    free(yaml);
    is_ending = false;
    ids = (struct account_ids){.size = plan.size};
    published = 0;
    peers[0] = (struct peer){.is_fast = true};
    readers[0] = (struct reader){.peer = &peers[0], .account = new_account()};
    peer_count = reader_count = 1;
    connect_peer(&peers[0], 0);
}

/* Some begin with the oldest message, others resume from one in the middle. */
static void add_reader(struct peer *peer)
{
    struct reader *reader = &readers[reader_count++];
    struct account *account = &reader->account;

    *reader = (struct reader){.peer = peer, .account = new_account()};
    if (plan.kind != PLAN_HERD && draw(3) == 0) {
        account->next = 2 + draw(plan.messages);
        account_id(&ids, account->next - 1, account->cursor, sizeof(account->cursor));
    }
}

static void open_all(void)
{
    for (unsigned i = 0; i < plan.readers; i++)
        add_reader(&peers[1 + i / plan.per_client]);
    for (; peer_count <= (plan.readers - 1) / plan.per_client + 1; peer_count++) {
        peers[peer_count] = (struct peer){0};
        connect_peer(&peers[peer_count], plan.receive_buffer == PLAN_ANY_BUFFER ? draw_buffer() : plan.receive_buffer);
    }
    if (!plan.has_fast)
        disconnect_peer(&peers[0]);
    round_began = now_ms();
}

static void stand_still(void)
{
    while (now_ms() - round_began < plan.stall_ms) {
        publish_due();
        pump_all(true);
    }
    flush_all();
    pump_until(has_all, true, "the others hold it up");
}

/* Counts those of the peer's readers, or of all. */
static unsigned count_behind(const struct peer *peer)
{
    unsigned behind = 0;

    for (size_t i = 0; i < reader_count; i++)
        behind += (peer == NULL || readers[i].peer == peer) && !has_all(&readers[i]);
    return behind;
}

static void read_on(void)
{
    int64_t until = deadline_in(plan.read_ms);
    bool all = false;

    while (now_ms() < until && !all) {
        publish_due();
        if (plan.cuts && draw(20) == 0)
            cut_reader(&readers[draw((unsigned)reader_count)]);
        pump_all(false);
        all = plan.rate == 0 && count_behind(NULL) == 0;
    }
    flush_all();
}

static void let_all_go(void)
{
    plan.stops = plan.cuts = false;
    for (size_t i = 0; i < peer_count; i++)
        peers[i].is_stopped = false;
}

/* Readers that lack something connect again with the system's buffer, so that the round ends soon. */
static void hurry(void)
{
    for (size_t i = 0; i < peer_count; i++) {
        unsigned behind = count_behind(&peers[i]);
        if (behind == 0)
            continue;
        disconnect_peer(&peers[i]);
        connect_peer(&peers[i], 0);
        returns += behind;
    }
}

static void read_to_the_end(void)
{
    int64_t until;

    let_all_go();
    hurry();
    pump_until(has_all, false, "never got the end");
    for (until = now_ms() + 50; now_ms() < until;) /* an event that comes twice would come now */
        pump_all(false);
}

/* SIGTERM while some readers, or all, read nothing. Those of the durable route resume at the next gateway. */
static void drain_gateway(void)
{
    int64_t deadline = deadline_in(10000);
    bool nobody_reads = draw(2);

    is_ending = true;
    kill(gateway->pid, SIGTERM);
    while (!has_ended(0)) {
        if (now_ms() > deadline)
            fail(NULL, "the gateway does not end", "");
        if (!nobody_reads)
            pump_all(false);
        sleep_ms(1);
    }
    require_exit(exit_code);
    let_all_go();
    pump_until(is_closed, false, "a stream outlives the gateway"); /* it reads what was sent first */
    for (size_t i = 0; i < peer_count; i++)
        disconnect_peer(&peers[i]);
    if (plan.route != PLAN_DURABLE)
        return;
    gateway_restart(gateway);
    is_ending = false;
    for (size_t i = plan.has_fast ? 0 : 1; i < peer_count; i++)
        connect_peer(&peers[i], 0);
}

static void end_round(void)
{
    for (size_t i = 0; i < peer_count; i++)
        disconnect_peer(&peers[i]);
    if (gateway->pid != 0)
        require_exit(gateway_stop(gateway));
    gateway_destroy(gateway);
    gateway = NULL;
}

static void run_round(unsigned number)
{
    plan = plan_of(number);
    plan_print(&plan, stdout);
    start_round();
    store_messages();
    open_all();
    stand_still();
    read_on();
    if (plan.drains)
        drain_gateway();
    if (!is_ending)
        read_to_the_end();
    end_round();
}

int main(int argc, char **argv)
{
    int64_t began = now_ms(), seconds = 20;
    unsigned first = (unsigned)now_ms() % 1000000, number;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            seconds = 6;
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            first = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            fixture_fail("usage: slow_readers [--quick] [--seconds N] [--seed N]");
    }
    printf("slow_readers: seed %u\n", first);
    nats = nats_fixture_start(NULL);
    if (nats == NULL)
        fixture_fail("no broker");
    js = jetstream_connect(nats_fixture_url(nats));
    publisher = publisher_connect(nats_fixture_url(nats));
    for (number = first; now_ms() - began < seconds * 1000; number++)
        run_round(number);
    printf(
        "slow_readers: %u rounds, %lu events, %lu gaps, %lu cuts, %lu came back for the rest in %.1f s: nothing lost, "
        "nothing twice, in order (seed %u)\n",
        number - first, received, gaps, cuts, returns, (double)(now_ms() - began) / 1000, first);
    stop_all();
    return 0;
}
