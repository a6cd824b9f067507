/* honest.c - the clients that must not notice an attack: their streams, losses and latencies */
/* SPDX-License-Identifier: MIT */
#include "tests/attack/honest.h"

#include <nats/nats.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/h2_attack.h"
#include "tests/support/sandbox.h"

#define PER_CONNECTION (HONEST_STREAMS / HONEST_CONNECTIONS)
#define PAYLOAD 100
#define BULK_PAYLOAD 60000
/* "0000000017 00001234567890123456": number, nanoseconds of the monotonic clock */
#define STAMP_FORMAT "%010llu %020llu "
#define STAMP_LEN 32
#define BUCKET_NS 20000
#define BUCKETS 250000 /* up to 5 s */
#define READY_MS 20000
#define CATCH_UP_MS 10000

struct honest {
    pid_t readers, publisher;
    _Atomic bool measuring, bulk_wanted;
    _Atomic uint64_t published, least; /* number of the newest message, and of the last one that every stream has */
    _Atomic uint32_t open;
    _Atomic uint64_t wrong;  /* missing, repeated, announced as a gap */
    _Atomic uint64_t broken; /* streams of connections that broke */
    uint64_t wrong_before, broken_before;
    uint32_t buckets[BUCKETS + 1];
};

struct line {
    size_t len;
    char text[PAYLOAD + 64];
};

struct stream {
    bool open;
    uint64_t next;
    struct line carry; /* the head of a line that a DATA frame cut in two */
};

struct reader {
    struct honest *shared;
    struct attack_peer *peer; /* NULL: broken */
    struct stream streams[PER_CONNECTION + 1];
    uint64_t consumed;
};

static uint64_t mono_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t read_digits(const char *text, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    return value;
}

static void on_message(struct honest *shared, struct stream *stream, const char *text, uint64_t now)
{
    uint64_t number = read_digits(text, 10), sent = read_digits(text + 11, 20);

    if (stream->next != 0 && number != stream->next)
        atomic_fetch_add(&shared->wrong, number > stream->next ? number - stream->next : 1);
    stream->next = number + 1;
    if (atomic_load_explicit(&shared->measuring, memory_order_relaxed)) {
        uint64_t bucket = now > sent ? (now - sent) / BUCKET_NS : 0;
        shared->buckets[bucket < BUCKETS ? bucket : BUCKETS]++;
    }
}

static void on_line(struct honest *shared, struct stream *stream, const char *text, size_t len, uint64_t now)
{
    if (len >= 6 + STAMP_LEN && memcmp(text, "data: ", 6) == 0 && text[6] >= '0' && text[6] <= '9')
        on_message(shared, stream, text + 6, now);
    else if (len > 6 && memcmp(text, "event:", 6) == 0) /* a gap or a bye: neither is expected */
        atomic_fetch_add(&shared->wrong, 1);
    else if (len == 0 && !stream->open) {
        stream->open = true;
        atomic_fetch_add(&shared->open, 1);
    }
}

static void on_data(struct honest *shared, struct stream *stream, const char *data, size_t len, uint64_t now)
{
    const char *end = data + len, *newline;
    struct line *carry = &stream->carry;

    for (; (newline = memchr(data, '\n', (size_t)(end - data))) != NULL; data = newline + 1) {
        size_t piece = (size_t)(newline - data);
        if (carry->len == 0) {
            on_line(shared, stream, data, piece, now);
        } else if (carry->len + piece <= sizeof(carry->text)) {
            memcpy(carry->text + carry->len, data, piece);
            on_line(shared, stream, carry->text, carry->len + piece, now);
        }
        carry->len = 0;
    }
    size_t left = (size_t)(end - data);
    if (carry->len + left <= sizeof(carry->text)) { /* longer lines are not ours */
        memcpy(carry->text + carry->len, data, left);
        carry->len += left;
    }
}

static void on_frame(struct reader *reader, const struct h2_frame *frame)
{
    uint32_t index = (frame->stream - 1) / 2;
    bool ours = frame->stream % 2 == 1 && index <= PER_CONNECTION;

    if (frame->type == H2_DATA && ours) {
        on_data(reader->shared, &reader->streams[index], (const char *)frame->payload, frame->len, mono_ns());
        reader->consumed += frame->len;
    }
    if (frame->type == H2_SETTINGS && (frame->flags & H2_ACK) == 0)
        h2_put(reader->peer, H2_SETTINGS, H2_ACK, 0, NULL, 0);
    if (frame->type == H2_PING && (frame->flags & H2_ACK) == 0)
        h2_put(reader->peer, H2_PING, H2_ACK, 0, frame->payload, frame->len);
    if (reader->consumed > 1u << 28) {
        h2_put_window(reader->peer, 0, (uint32_t)reader->consumed);
        reader->consumed = 0;
    }
    bool ended = (frame->type == H2_DATA || frame->type == H2_HEADERS) && (frame->flags & H2_END_STREAM) != 0;
    if (ours && index < PER_CONNECTION && (frame->type == H2_RST || ended))
        atomic_fetch_add(&reader->shared->broken, 1);
}

static void read_all(struct reader *reader)
{
    struct h2_frame frame;

    while (h2_next_frame(reader->peer, &frame, 0))
        on_frame(reader, &frame);
    if (reader->peer->out_len != 0)
        attack_flush(reader->peer, 1000);
    if (reader->peer->closed) {
        atomic_fetch_add(&reader->shared->broken, PER_CONNECTION);
        attack_close(reader->peer);
        reader->peer = NULL;
    }
}

static void publish_least(struct honest *shared, const struct reader *readers)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < HONEST_CONNECTIONS; i++)
        for (size_t s = 0; readers[i].peer != NULL && s < PER_CONNECTION; s++)
            if (readers[i].streams[s].next < least)
                least = readers[i].streams[s].next;
    atomic_store(&shared->least, least == UINT64_MAX || least == 0 ? 0 : least - 1);
}

static void reader_open(struct reader *reader, uint16_t port)
{
    struct attack_target target = {.port = port, .tls = true, .alpn = "h2"};

    reader->peer = attack_open(&target);
    if (reader->peer == NULL)
        _exit(1);
    h2_put_hello(reader->peer, H2_WINDOW_MAX);
    for (uint32_t i = 0; i < PER_CONNECTION; i++)
        h2_put_get(reader->peer, 2 * i + 1, HONEST_PATH);
    /* keeps the bulk channel's history alive; its lines are too long to be taken for honest ones */
    if (!atomic_exchange(&reader->shared->bulk_wanted, true))
        h2_put_get(reader->peer, 2 * PER_CONNECTION + 1, "/bulk");
    attack_flush(reader->peer, 1000);
}

static _Noreturn void run_readers(struct honest *shared, uint16_t port)
{
    static struct reader readers[HONEST_CONNECTIONS];
    struct pollfd polled[HONEST_CONNECTIONS];

    for (size_t i = 0; i < HONEST_CONNECTIONS; i++) {
        readers[i].shared = shared;
        reader_open(&readers[i], port);
    }
    for (;;) {
        for (size_t i = 0; i < HONEST_CONNECTIONS; i++)
            polled[i] = (struct pollfd){.fd = readers[i].peer != NULL ? readers[i].peer->fd : -1, .events = POLLIN};
        poll(polled, HONEST_CONNECTIONS, 50);
        for (size_t i = 0; i < HONEST_CONNECTIONS; i++)
            if (readers[i].peer != NULL && polled[i].revents != 0)
                read_all(&readers[i]);
        publish_least(shared, readers);
    }
}

static void publish_bulk(natsConnection *connection)
{
    static char payload[BULK_PAYLOAD];

    memset(payload, 'b', sizeof(payload));
    for (int i = 0; i < BULK_MESSAGES; i++)
        natsConnection_Publish(connection, BULK_SUBJECT, payload, sizeof(payload));
    natsConnection_Flush(connection);
}

static _Noreturn void run_publisher(struct honest *shared, const char *url)
{
    natsOptions *options = NULL;
    natsConnection *connection = NULL;
    char payload[PAYLOAD + 1];
    uint64_t due = mono_ns(), number = 0;
    bool bulk = false;

    if (natsOptions_Create(&options) != NATS_OK || natsOptions_SetURL(options, url) != NATS_OK ||
        natsOptions_SetSendAsap(options, true) != NATS_OK || natsConnection_Connect(&connection, options) != NATS_OK)
        _exit(1);
    memset(payload, 'x', PAYLOAD);
    prctl(PR_SET_TIMERSLACK, 1);
    for (;;) {
        struct timespec ts = {.tv_sec = (time_t)(due / 1000000000u), .tv_nsec = (long)(due % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
        snprintf(payload, sizeof(payload), STAMP_FORMAT, (unsigned long long)++number, (unsigned long long)mono_ns());
        payload[STAMP_LEN] = 'x';
        if (natsConnection_Publish(connection, HONEST_SUBJECT, payload, PAYLOAD) != NATS_OK)
            _exit(1);
        atomic_store(&shared->published, number);
        due += 1000000000u / HONEST_RATE;
        if (!bulk && atomic_load(&shared->open) > HONEST_STREAMS) {
            publish_bulk(connection);
            bulk = true;
        }
    }
}

static pid_t fork_child(void)
{
    pid_t parent = getpid(), pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        fixture_fail("fork failed");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
    }
    return pid;
}

static bool wait_caught_up(struct honest *honest, int64_t ms)
{
    uint64_t wanted = atomic_load(&honest->published);
    int64_t deadline = deadline_in(ms);

    while (atomic_load(&honest->least) < wanted) {
        if (now_ms() > deadline || atomic_load(&honest->broken) != honest->broken_before)
            return false;
        sleep_ms(2);
    }
    return true;
}

struct honest *honest_start(const char *nats_url, uint16_t tls_port)
{
    struct honest *honest = mmap(NULL, sizeof(*honest), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int64_t deadline = deadline_in(READY_MS);
    pid_t pids[2]; /* a child shares the memory and must not write its 0 there */

    if (honest == MAP_FAILED)
        fixture_fail("out of memory");
    pids[0] = fork_child();
    if (pids[0] == 0)
        run_readers(honest, tls_port);
    pids[1] = fork_child();
    if (pids[1] == 0)
        run_publisher(honest, nats_url);
    honest->readers = pids[0];
    honest->publisher = pids[1];
    while (atomic_load(&honest->open) <= HONEST_STREAMS && now_ms() < deadline)
        sleep_ms(5);
    if (atomic_load(&honest->open) <= HONEST_STREAMS || !wait_caught_up(honest, CATCH_UP_MS)) {
        fprintf(stderr, "honest: %u of %d streams are open, at %llu of %llu\n", atomic_load(&honest->open),
                HONEST_STREAMS + 1, (unsigned long long)atomic_load(&honest->least),
                (unsigned long long)atomic_load(&honest->published));
        honest_stop(honest);
        return NULL;
    }
    honest->wrong_before = atomic_load(&honest->wrong);
    return honest;
}

void honest_stop(struct honest *honest)
{
    pid_t pids[2];

    if (honest == NULL)
        return;
    pids[0] = honest->readers;
    pids[1] = honest->publisher;
    for (size_t i = 0; i < 2; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    munmap(honest, sizeof(*honest));
}

void honest_measure(struct honest *honest)
{
    atomic_store(&honest->measuring, false);
    memset(honest->buckets, 0, sizeof(honest->buckets));
    atomic_store(&honest->measuring, true);
}

static double bucket_ms(size_t bucket)
{
    return ((double)bucket + 1) * BUCKET_NS / 1e6;
}

struct honest_latency honest_measured(struct honest *honest)
{
    struct honest_latency latency = {0};
    uint64_t below = 0;

    atomic_store(&honest->measuring, false);
    for (size_t i = 0; i <= BUCKETS; i++)
        latency.events += honest->buckets[i];
    for (size_t i = 0; i <= BUCKETS; i++) {
        if (honest->buckets[i] == 0)
            continue;
        below += honest->buckets[i];
        latency.max_ms = bucket_ms(i);
        if (latency.p50_ms == 0 && below * 100 >= latency.events * 50)
            latency.p50_ms = bucket_ms(i);
        if (latency.p99_ms == 0 && below * 100 >= latency.events * 99)
            latency.p99_ms = bucket_ms(i);
    }
    return latency;
}

uint64_t honest_lost(struct honest *honest)
{
    bool complete = wait_caught_up(honest, CATCH_UP_MS);
    uint64_t wrong = atomic_load(&honest->wrong), broken = atomic_load(&honest->broken);
    uint64_t lost = wrong - honest->wrong_before + broken - honest->broken_before;

    honest->wrong_before = wrong;
    honest->broken_before = broken;
    return complete || lost != 0 ? lost : 1;
}
