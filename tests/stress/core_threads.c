/* core_threads.c - the core under real threads: hubs, publishers and readers that move between hubs */
/* SPDX-License-Identifier: MIT */
#include "tests/stress/core_threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"
#include "gateway/core/registry.h"
#include "gateway/core/turn.h"
#include "proto/subject.h"
#include "tests/support/sse_parser.h"

/*
 * usage: core_threads [--quick] [--seed N]
 *
 * For ThreadSanitizer as much as for its own checks. Publishers number the
 * messages of two subjects each. Clients are opened, cut at any byte and
 * resumed, often by the other hub, and must get each subject's numbers without
 * a hole that no gap announced. From time to time all publishers stop: then
 * every client has to catch up, which one forgotten wake prevents.
 */
enum { HUBS = 2, CLIENTS = 60, PATTERNS_MAX = 3 };

static const char *const patterns[] = {"t.0", "t.1", "t.2", "t.3", "t.4", "t.*", "t.>", ">", "*.5", "*.6", "t.7"};
enum { PATTERNS = sizeof(patterns) / sizeof(patterns[0]) };

struct client {
    struct reader reader;
    struct mailbox_task arrival; /* at its next hub */
    struct worker *worker;
    struct sse_parser parser;
    struct piece pieces[BATCH_PIECES];
    size_t piece_count;
    const struct config_route *route;
    const char *subjects[PATTERNS_MAX];
    size_t subject_count;
    char cursor[64];
    bool connected, flying, final;
    bool conflated; /* under `latest`, after its first gap: numbers may jump */
    bool wants[SUBJECTS], known[SUBJECTS], excused[SUBJECTS];
    unsigned long last[SUBJECTS];
    unsigned long long last_id;
};

struct worker {
    struct hub hub;
    struct metrics metrics;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool woken; /* under lock */
    unsigned seed;
    struct client *clients[CLIENTS]; /* for its thread only */
    size_t client_count;
    _Atomic unsigned settled; /* the round in which all its clients have everything */
    _Atomic size_t settled_clients;
};

static struct registry registry;
static struct worker workers[HUBS];
static struct client clients[CLIENTS];
static _Atomic unsigned settle_round;
static atomic_ulong events, gaps, resumes, moves;
static int64_t started_ns;

static const struct config_route routes[] = {
    {.retry_ms = 1000, .heartbeat_ms = 1000, .history = {.events = 200, .bytes = 1 << 20, .linger_ms = 1000}},
    {.retry_ms = 1000,
     .heartbeat_ms = 1000,
     .history = {.events = 200, .bytes = 1 << 20, .linger_ms = 1000},
     .slow = POLICY_SLOW_SKIP},
    {.retry_ms = 1000,
     .heartbeat_ms = 1000,
     .history = {.events = 3000, .bytes = 1 << 17, .linger_ms = 1000},
     .slow = POLICY_SLOW_LATEST},
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

/* Ten times as fast, so that views go idle and heartbeats come due in a short run. */
static int64_t hub_time(void)
{
    return (clock_mono_ns() - started_ns) * 10 + 1000000000;
}

/* ---- clients: what they check ---- */

static void on_event(void *arg, const struct sse_parsed_event *event)
{
    struct client *client = arg;
    unsigned long long id;
    unsigned long number;
    unsigned subject;
    if (strcmp(event->name, "freshet.bye") == 0)
        return;
    if (sscanf(event->id, "abc-%llu", &id) != 1 || id < client->last_id) {
        fprintf(stderr, "last %llu, cursor %s, now %s: %.200s\n", client->last_id, client->cursor, event->id,
                event->data);
        fail("ids go back", event->id);
    }
    if (strcmp(event->name, "freshet.gap") == 0) {
        atomic_fetch_add(&gaps, 1);
        memset(client->excused, true, sizeof(client->excused));
        client->conflated = client->route->slow == POLICY_SLOW_LATEST;
        client->last_id = id;
        return;
    }
    if (sscanf(event->data, "%u %lu", &subject, &number) != 2 || subject >= SUBJECTS || !client->wants[subject])
        fail("not for this client", event->data);
    if (id == client->last_id)
        fail("an id comes twice", event->id);
    unsigned long last = client->last[subject];
    if (client->known[subject] && number <= last)
        fail("repeated", event->data);
    if (client->known[subject] && number != last + 1 && !client->excused[subject] && !client->conflated)
        fail("lost without a word before", event->data);
    atomic_fetch_add(&events, 1);
    client->known[subject] = true;
    client->excused[subject] = false;
    client->last[subject] = number;
    client->last_id = id;
}

static bool has_everything(const struct client *client)
{
    if (!client->connected || client->flying || client->reader.state != READER_IDLE)
        return false;
    for (unsigned i = 0; i != SUBJECTS; ++i) {
        if (client->known[i] && !client->excused[i] && client->last[i] != atomic_load(&counters[i]))
            return false;
    }
    return true;
}

/* ---- clients: what they do, each on the thread of its hub ---- */

static struct client *client_of(const struct reader *reader)
{
    return LIST_ENTRY(reader, struct client, reader);
}

static void do_send(struct reader *reader, const struct piece *pieces, size_t count, bool final)
{
    struct client *client = client_of(reader);
    if (client->flying || client->final || count > BATCH_PIECES)
        fail("send", "out of turn");
    memcpy(client->pieces, pieces, count * sizeof(*pieces));
    client->piece_count = count;
    client->flying = true;
    client->final = final;
}

static void do_refuse(struct reader *reader, enum reader_refusal refusal)
{
    if (refusal != READER_STOPPING)
        fail("refused", "though nothing is denied");
    client_of(reader)->final = true;
}

static int64_t do_progress(const struct reader *reader)
{
    return reader->hub->now_ns;
}

static void do_kill(struct reader *reader)
{
    (void)reader;
    fail("killed", "though its connection moves");
}

static void choose(struct client *client, unsigned *random)
{
    client->route = &routes[rand_r(random) % ROUTES];
    client->subject_count = 0;
    memset(client->wants, false, sizeof(client->wants));
    size_t wanted = 1 + (size_t)rand_r(random) % PATTERNS_MAX;
    for (unsigned tries = 0; tries != 10 && client->subject_count != wanted; ++tries) {
        const char *text = patterns[rand_r(random) % PATTERNS];
        bool fits = true;
        for (size_t i = 0; i != client->subject_count; ++i) {
            const char *other = client->subjects[i];
            fits &= !subject_covers(text, strlen(text), other, strlen(other)) &&
                    !subject_covers(other, strlen(other), text, strlen(text));
        }
        if (fits)
            client->subjects[client->subject_count++] = text;
    }
    for (unsigned i = 0; i != SUBJECTS; ++i) {
        char name[8];
        int len = snprintf(name, sizeof(name), "t.%u", i);
        for (size_t j = 0; j != client->subject_count; ++j)
            client->wants[i] |= subject_matches(client->subjects[j], strlen(client->subjects[j]), name, (size_t)len);
    }
}

static void start_over(struct client *client, unsigned *random)
{
    sse_parser_dispose(&client->parser);
    sse_parser_init(&client->parser, on_event, client);
    choose(client, random);
    client->conflated = false;
    client->cursor[0] = '\0';
    client->last_id = 0;
    memset(client->known, false, sizeof(client->known));
    memset(client->excused, false, sizeof(client->excused));
}

static void connect_client(struct worker *worker, struct client *client)
{
    static const struct reader_ops ops = {
        .send = do_send, .refuse = do_refuse, .last_progress_ns = do_progress, .kill = do_kill};
    const char *id = sse_parser_last_event_id(&client->parser);
    if (id[0] != '\0') /* else what it had before: a connection may be cut before anything has come */
        snprintf(client->cursor, sizeof(client->cursor), "%s", id);
    bool resumed = client->cursor[0] != '\0';
    sse_parser_dispose(&client->parser);
    sse_parser_init(&client->parser, on_event, client);
    if (resumed)
        atomic_fetch_add(&resumes, 1);
    struct reader_options options = {
        .route = client->route,
        .source = &source,
        .subjects = client->subjects,
        .subject_count = client->subject_count,
        .start = resumed                          ? READER_FROM_CURSOR
                 : rand_r(&worker->seed) % 2 == 0 ? READER_FROM_NOW
                                                  : READER_FROM_EARLIEST,
        .cursor_text = client->cursor,
        .cursor_len = strlen(client->cursor),
        .follow = true,
    };
    client->connected = true;
    client->final = false;
    reader_open(&client->reader, &worker->hub, &ops, &options);
}

static void receive(struct client *client, size_t limit)
{
    for (size_t i = 0; i != client->piece_count && limit != 0; ++i) {
        size_t len = client->pieces[i].len < limit ? client->pieces[i].len : limit;
        sse_parser_feed(&client->parser, client->pieces[i].base, len);
        limit -= len;
    }
}

static void disconnect(struct client *client)
{
    reader_close(&client->reader);
    client->connected = client->flying = client->final = false;
}

static void on_arrival(struct mailbox_task *task)
{
    struct client *client = LIST_ENTRY(task, struct client, arrival);
    client->worker->clients[client->worker->client_count++] = client;
}

/* The next connection may be accepted by another worker, which knows nothing but the cursor. */
static void move_away(struct worker *worker, size_t index)
{
    struct client *client = worker->clients[index];
    worker->clients[index] = worker->clients[--worker->client_count];
    client->worker = &workers[(worker - workers + 1) % HUBS];
    atomic_fetch_add(&moves, 1);
    mailbox_post(&client->worker->hub.mailbox, &client->arrival);
}

static void complete(struct client *client)
{
    receive(client, SIZE_MAX);
    client->flying = false;
    if (client->final)
        disconnect(client);
    else
        reader_sent(&client->reader);
}

static void step_client(struct worker *worker, size_t index, bool settling)
{
    struct client *client = worker->clients[index];
    int chance = rand_r(&worker->seed) % 100;
    if (!client->connected) {
        if (!settling && chance < 30)
            move_away(worker, index);
        else if (settling || chance < 90)
            connect_client(worker, client);
        else
            start_over(client, &worker->seed);
    } else if (client->flying && (settling || chance < 60)) {
        complete(client);
    } else if (!settling && chance > 97) {
        if (client->flying)
            receive(client, (size_t)rand_r(&worker->seed) % 2000);
        disconnect(client);
    }
}

static void step_clients(struct worker *worker)
{
    unsigned round = atomic_load(&settle_round);
    bool settling = atomic_load(&phase) == SETTLE, settled = true;
    for (size_t i = worker->client_count; i-- != 0;)
        step_client(worker, i, settling);
    for (size_t i = 0; i != worker->client_count; ++i)
        settled &= has_everything(worker->clients[i]);
    atomic_store(&worker->settled_clients, settling && settled ? worker->client_count : 0);
    if (settling && settled)
        atomic_store(&worker->settled, round);
}

/* ---- hubs ---- */

static void wake(void *arg)
{
    struct worker *worker = arg;
    pthread_mutex_lock(&worker->lock);
    worker->woken = true;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
}

static void wait_for_wake(struct worker *worker)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&worker->lock);
    if (!worker->woken)
        pthread_cond_timedwait(&worker->wake, &worker->lock, &until);
    worker->woken = false;
    pthread_mutex_unlock(&worker->lock);
}

static void stop_clients(struct worker *worker)
{
    turn_shutdown(&worker->hub);
    while (worker->hub.reader_count != 0) {
        turn_run(&worker->hub, hub_time());
        for (size_t i = 0; i != worker->client_count; ++i) {
            struct client *client = worker->clients[i];
            if (client->connected && client->flying)
                complete(client);
            else if (client->connected && client->final)
                disconnect(client); /* refused */
        }
    }
    hub_release_views(&worker->hub);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    hub_start(&worker->hub, hub_time());
    while (atomic_load(&phase) != STOP) {
        if (!turn_run(&worker->hub, hub_time()))
            wait_for_wake(worker);
        step_clients(worker);
    }
    stop_clients(worker);
    return NULL;
}

static void start(void)
{
    static const struct source_ops ops = {.open = do_open, .close = do_close};
    started_ns = clock_mono_ns();
    source_init(&source, &ops, 0, 0xabc);
    registry_init(&registry);
    for (unsigned i = 0; i != HUBS; ++i) {
        struct worker *worker = &workers[i];
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->wake, NULL);
        worker->seed = seed + 100 + i;
        hub_init(&worker->hub, &registry, &worker->metrics, wake, worker);
        registry_add_mailbox(&registry, &worker->hub.mailbox);
        hub_add_source(&worker->hub, &source);
    }
    for (unsigned i = 0; i != CLIENTS; ++i) {
        struct client *client = &clients[i];
        client->arrival.run = on_arrival;
        client->worker = &workers[i % HUBS];
        sse_parser_init(&client->parser, on_event, client);
        choose(client, &workers[0].seed);
        client->worker->clients[client->worker->client_count++] = client;
    }
}

/* Publishers stop; each client has to get what it lacks. */
static void settle(void)
{
    const char *factor = getenv("FRESHET_TIME_FACTOR");
    int64_t deadline = clock_mono_ns() + 20000000000 * (factor != NULL ? strtol(factor, NULL, 10) : 1);
    atomic_store(&phase, SETTLE);
    while (atomic_load(&paused) != PUBLISHERS)
        nap(200);
    unsigned round = atomic_fetch_add(&settle_round, 1) + 1;
    for (size_t settled = 0; settled != CLIENTS;) {
        settled = 0;
        for (unsigned i = 0; i != HUBS; ++i) {
            if (atomic_load(&workers[i].settled) == round)
                settled += atomic_load(&workers[i].settled_clients);
        }
        if (clock_mono_ns() > deadline)
            fail("settle", "a client waits for what has been published");
        nap(200);
    }
    atomic_store(&phase, RUN);
    while (atomic_load(&paused) != 0)
        nap(200);
}

static void stop(void)
{
    for (unsigned i = 0; i != HUBS; ++i) {
        turn_end(&workers[i].hub);
        hub_dispose(&workers[i].hub);
    }
    registry_dispose(&registry);
    source_dispose(&source);
    for (unsigned i = 0; i != CLIENTS; ++i)
        sse_parser_dispose(&clients[i].parser);
}

static void run(int64_t duration_ns)
{
    static unsigned numbers[PUBLISHERS];
    pthread_t publishers[PUBLISHERS], controller;
    int64_t end = clock_mono_ns() + duration_ns;
    pthread_create(&controller, NULL, control, &registry);
    for (unsigned i = 0; i != HUBS; ++i)
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    for (unsigned i = 0; i != PUBLISHERS; ++i) {
        numbers[i] = i;
        pthread_create(&publishers[i], NULL, publisher, &numbers[i]);
    }
    while (clock_mono_ns() < end) {
        nap(100000);
        settle();
    }
    atomic_store(&phase, STOP);
    for (unsigned i = 0; i != PUBLISHERS; ++i)
        pthread_join(publishers[i], NULL);
    for (unsigned i = 0; i != HUBS; ++i)
        pthread_join(workers[i].thread, NULL);
    registry_close_all(&registry);
    atomic_store(&control_stops, true);
    pthread_join(controller, NULL);
}

int main(int argc, char **argv)
{
    const char *given = getenv("FRESHET_SEED");
    int64_t duration_ns = 8000000000;
    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    for (int i = 1; i != argc; ++i) {
        if (strcmp(argv[i], "--quick") == 0) {
            duration_ns = 2000000000;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 != argc) {
            seed = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: core_threads [--quick] [--seed N]\n");
            return 2;
        }
    }
    printf("core_threads: seed %u\n", seed);
    fflush(stdout);
    start();
    run(duration_ns);
    stop();
    printf("core_threads: %lu events, %lu gaps, %lu resumes, %lu moves, %u rounds\n", atomic_load(&events),
           atomic_load(&gaps), atomic_load(&resumes), atomic_load(&moves), atomic_load(&settle_round));
    if (atomic_load(&resumes) == 0 || atomic_load(&moves) == 0 || atomic_load(&events) < 1000)
        fail("nothing happened", "a run that proves nothing");
    return 0;
}
