/* durable_purge.c - readers of a stream lose nothing but the subject that is purged meanwhile */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/*
 * nats-server 2.9 moves every consumer forward to what a purge has left of its
 * subject, or to the end of the stream, past all that the stream still holds
 * of other subjects. A rollup is such a purge, even where it removes nothing.
 * Key k is published on orders.(k % GROUPS).k.
 */
#define GROUPS 3
#define ALL_GROUPS ((1U << GROUPS) - 1)
#define PURGED_GROUP 1 /* every reader here wants it */
#define KEYS 501       /* a multiple of GROUPS: so the last message that store_keys publishes is never purged */
#define STORED (6 * KEYS)
#define MANY_KEYS 5001 /* likewise */
#define PADDING 1000   /* bytes: a catch-up has to be longer than what its connection's buffers hold */
#define ROLLUP_EVERY 20
#define WRITES 6000
#define WRITES_PER_SECOND 8000
#define NUMBERS_MAX 32768
#define SETTLE_MS 10000

struct reader {
    const char *path;
    unsigned groups;      /* a bit for each that the path stands for */
    bool is_slow;         /* it does not read while the other does */
    bool is_snapshot;     /* of what was stored before, it gets the last of each key only */
    uint64_t after, last; /* it is to get the numbers between, with the last one */
    struct http_client *client;
    struct http_stream *stream;
    char fault[256];
};

static unsigned short key_of[NUMBERS_MAX]; /* of each number */
static bool is_held[NUMBERS_MAX];          /* the stream has it at the end */
static struct reader readers[4];
static size_t reader_count;

static void close_readers(void)
{
    for (; reader_count > 0; reader_count--)
        http_client_destroy(readers[reader_count - 1].client);
}

static void end(void)
{
    close_readers();
    durable_stop();
}

TestSuite(durable_purge, .fini = end, .timeout = 100);

/* ---- the stream ---- */

static void allow_rollups(int64_t max_messages_per_subject)
{
    struct jetstream_stream stream = durable_orders();

    stream.allow_rollup = true;
    stream.max_messages_per_subject = max_messages_per_subject;
    jetstream_update(durable.js, &stream);
}

static const char *subject_of(unsigned key)
{
    static char subject[32];

    snprintf(subject, sizeof(subject), "orders.%u.%u", key % GROUPS, key);
    return subject;
}

static void publish_key(unsigned key, bool is_rollup)
{
    char text[PADDING + 32];

    if (++durable.stored >= NUMBERS_MAX)
        fixture_fail("too many messages");
    key_of[durable.stored] = (unsigned short)key;
    snprintf(text, sizeof(text), "%llu %0*d", (unsigned long long)durable.stored, PADDING, 0);
    if (is_rollup)
        jetstream_publish_rollup_later(durable.js, subject_of(key), text);
    else
        jetstream_publish_later(durable.js, subject_of(key), text);
}

static void store_keys(unsigned keys, unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++)
        publish_key(i % keys, false);
    jetstream_flush(durable.js);
}

static void on_held(void *arg, uint64_t sequence, const char *subject, const char *data, size_t len)
{
    (void)arg;
    (void)len;
    REQUIRE(sequence <= durable.stored && strtoull(data, NULL, 10) == sequence, "%s has %llu", subject,
            (unsigned long long)sequence);
    is_held[sequence] = true;
}

static void note_held(void)
{
    memset(is_held, 0, sizeof(is_held));
    jetstream_read(durable.js, "ORDERS", on_held, NULL);
}

/* ---- readers ---- */

static struct reader *open_reader(const char *path, unsigned groups, bool is_slow)
{
    struct reader *reader = &readers[reader_count++];

    *reader = (struct reader){.path = path, .groups = groups, .is_slow = is_slow};
    reader->is_snapshot = strstr(path, "since=last") != NULL;
    reader->last = strstr(path, "follow=false") != NULL ? durable.stored : UINT64_MAX;
    reader->client = http_client_create(durable.gateway, HTTP_H2);
    reader->client->receive_buffer = is_slow ? 65536 : 0;
    reader->stream = http_open(reader->client, path, NULL);
    return reader;
}

static uint64_t reached(const struct reader *reader)
{
    return durable_sequence(event_log_last_id(&reader->stream->log));
}

static bool ends(const struct reader *reader)
{
    return reader->last != UINT64_MAX;
}

static bool wants(const struct reader *reader, uint64_t number)
{
    return number > reader->after && number <= reader->last && (reader->groups >> key_of[number] % GROUPS & 1) != 0;
}

/* Until it has come to that number, or its response has ended, or time is up: what is missing is found out later. */
static void read_until(struct reader *reader, uint64_t number)
{
    int64_t deadline = deadline_in(SETTLE_MS);

    while (reached(reader) < number && !reader->stream->ended && now_ms() < deadline)
        http_pump(reader->client, 20);
}

static void read_to_end(struct reader *reader)
{
    uint64_t number = durable.stored;

    while (number > 0 && !(is_held[number] && wants(reader, number)))
        number--;
    read_until(reader, ends(reader) ? UINT64_MAX : number);
}

static const struct event *find_stranger(const struct reader *reader)
{
    uint64_t last = reader->after;
    size_t i;

    for (i = 0; i < reader->stream->log.count; i++) {
        const struct event *event = http_event(reader->stream, i);
        uint64_t number = durable_sequence(event->id);
        if (strcmp(event->name, "message") != 0 || strtoull(event->data, NULL, 10) != number ||
            number > durable.stored || !wants(reader, number) || number <= last)
            return event;
        last = number;
    }
    return NULL;
}

struct absence {
    size_t missing;       /* of what the stream holds and the reader is to get */
    size_t stale;         /* keys whose last has not come */
    uint64_t first, last; /* of those last ones; 0: none */
};

static struct absence find_missing(const struct reader *reader)
{
    struct absence absence = {0};
    static bool has_come[NUMBERS_MAX];
    static uint64_t last[NUMBERS_MAX]; /* of each key */
    uint64_t number;
    size_t i;

    memset(has_come, 0, sizeof(has_come));
    memset(last, 0, sizeof(last));
    for (i = 0; i < reader->stream->log.count; i++)
        has_come[durable_sequence(http_event(reader->stream, i)->id)] = true;
    for (number = 1; number <= durable.stored; number++) {
        if (!is_held[number] || !wants(reader, number))
            continue;
        absence.missing += !has_come[number];
        last[key_of[number]] = number;
    }
    for (number = 1; number <= durable.stored; number++) {
        if (last[key_of[number]] != number || has_come[number])
            continue;
        absence.stale++;
        absence.first = absence.first == 0 ? number : absence.first;
        absence.last = number;
    }
    return absence;
}

static bool is_served_well(struct reader *reader)
{
    const struct event *stranger = find_stranger(reader);
    struct absence absence;

    if (stranger != NULL) {
        snprintf(reader->fault, sizeof(reader->fault), "wrong or out of order: %s %.60s with id %s", stranger->name,
                 stranger->data, stranger->id);
        return false;
    }
    if (reader->stream->status != 200) {
        snprintf(reader->fault, sizeof(reader->fault), "status %d, %s, body %.99s", reader->stream->status,
                 http_result(reader->stream), reader->stream->body);
        return false;
    }
    absence = find_missing(reader);
    snprintf(reader->fault, sizeof(reader->fault),
             "%zu have not come, %zu keys are stale, %llu to %llu, of %zu events from %s on%s, at %llu of %llu",
             absence.missing, absence.stale, (unsigned long long)absence.first, (unsigned long long)absence.last,
             reader->stream->log.count, http_event(reader->stream, 0)->id, reader->stream->ended ? ", ended" : "",
             (unsigned long long)reached(reader), (unsigned long long)durable.stored);
    return (absence.missing == 0 || reader->is_snapshot) && absence.stale == 0 && reader->stream->ended == ends(reader);
}

static void require_served_well(void)
{
    const struct reader *failed = NULL;
    size_t i;

    for (i = 0; i < reader_count; i++) {
        if (is_served_well(&readers[i]))
            continue;
        failed = &readers[i];
        fprintf(stderr, "%s, %s: %s\n", failed->path, failed->is_slow ? "slow" : "fast", failed->fault);
    }
    REQUIRE(failed == NULL, "%s: %s", failed->path, failed->fault);
}

/* ---- a purge while everything is read from the start ---- */

typedef void purge_function(unsigned turn);

/* Another one at each turn. */
static unsigned purged_key(unsigned turn)
{
    return turn * 307 % (KEYS / GROUPS) * GROUPS + PURGED_GROUP;
}

static void roll_up(unsigned turn)
{
    publish_key(purged_key(turn), true);
}

static void roll_up_new_key(unsigned turn)
{
    publish_key(KEYS + turn * GROUPS + PURGED_GROUP, true);
}

static void purge_all(unsigned turn)
{
    jetstream_purge(durable.js, "ORDERS", subject_of(purged_key(turn)));
}

/* The consumer that was moved to the stream's end gets something there at once. */
static void purge_all_and_publish(unsigned turn)
{
    purge_all(turn);
    publish_key(purged_key(turn) - PURGED_GROUP, false);
    publish_key(purged_key(turn), false);
}

static void purge_but_one(unsigned turn)
{
    jetstream_purge_keep(durable.js, "ORDERS", subject_of(purged_key(turn)), 1);
}

static void publish_only(unsigned turn)
{
    publish_key(purged_key(turn), false);
}

/* The first purge comes while both have a part; the slow one does not read on before the fast one has all. */
static void check_catch_up(const char *path, unsigned groups, purge_function *purge, unsigned times)
{
    static unsigned turn;
    struct reader *slow = open_reader(path, groups, true), *fast;
    unsigned i;

    read_until(slow, 1);
    fast = open_reader(path, groups, false);
    for (i = 1; i <= times; i++) {
        read_until(fast, i * (STORED / 8));
        purge(turn++);
    }
    jetstream_flush(durable.js);
    note_held();
    read_to_end(fast);
    read_to_end(slow);
    require_served_well();
    close_readers();
}

static void check_catch_ups(purge_function *purge, unsigned times, int64_t max_messages_per_subject)
{
    allow_rollups(max_messages_per_subject);
    store_keys(KEYS, STORED);
    check_catch_up("/all?since=earliest", ALL_GROUPS, purge, times);
    check_catch_up("/small/1?since=earliest", 1U << PURGED_GROUP, purge, times);
    check_catch_up("/pick?since=earliest&subject=orders.0.*&subject=orders.1.>", 3, purge, times);
    check_catch_up("/every?since=earliest&follow=false", ALL_GROUPS, purge, times);
}

/* Shows that the other tests don't cause what they find. */
TEST_IN_BOTH_MODES(durable_purge, no_purge)
{
    check_catch_ups(publish_only, 1, 0);
}

TEST_IN_BOTH_MODES(durable_purge, a_rollup)
{
    check_catch_ups(roll_up, 1, 0);
}

/* One message each: the rollup takes a single one of them away. */
TEST_IN_BOTH_MODES(durable_purge, a_rollup_of_one_key_of_five_thousand)
{
    allow_rollups(0);
    store_keys(MANY_KEYS, MANY_KEYS);
    check_catch_up("/all?since=earliest", ALL_GROUPS, roll_up, 1);
}

TEST_IN_BOTH_MODES(durable_purge, a_rollup_of_a_new_key)
{
    check_catch_ups(roll_up_new_key, 1, 0);
}

TEST_IN_BOTH_MODES(durable_purge, many_rollups)
{
    check_catch_ups(roll_up, 6, 0);
}

TEST_IN_BOTH_MODES(durable_purge, a_purge_of_all_of_a_key)
{
    check_catch_ups(purge_all, 1, 0);
}

TEST_IN_BOTH_MODES(durable_purge, a_purge_of_all_of_a_key_and_new_messages)
{
    check_catch_ups(purge_all_and_publish, 1, 0);
}

TEST_IN_BOTH_MODES(durable_purge, a_purge_that_keeps_one)
{
    check_catch_ups(purge_but_one, 1, 0);
}

TEST_IN_BOTH_MODES(durable_purge, a_rollup_where_five_are_kept)
{
    check_catch_ups(roll_up, 1, 5);
}

/* ---- steady writes: tests/schedule.cmake names these, and two of those above, for sanitizer builds ---- */

struct writing {
    unsigned count, rollup_every, seed;
    atomic_uint written;
    atomic_bool is_done; /* all is stored, and what is held is noted */
};

/* Key 0 is not written again: the stream begins with it for good, so that there is no reason to announce a gap. */
static void *write_all(void *arg)
{
    struct writing *writing = arg;
    int64_t started = now_ms();

    while (writing->written < writing->count) {
        unsigned due = (unsigned)((now_ms() - started) * WRITES_PER_SECOND / 1000);
        for (; writing->written < due && writing->written < writing->count; writing->written++)
            publish_key(1 + (unsigned)rand_r(&writing->seed) % (KEYS - 1),
                        writing->rollup_every != 0 && writing->written % writing->rollup_every == 0);
        sleep_ms(1);
    }
    jetstream_flush(durable.js);
    note_held();
    writing->is_done = true;
    return NULL;
}

static void pump_readers(void)
{
    size_t i;

    for (i = 0; i < reader_count; i++)
        http_pump(readers[i].client, i == 0 ? 1 : 0);
}

/*
 * A live reader: the first id of its response says after which number it begins. Where the broker is slow to confirm
 * the channel, the response's head and a retry: come before it.
 */
static void open_live_reader(void)
{
    struct reader *reader = open_reader("/every", ALL_GROUPS, false);
    int64_t deadline = deadline_in(SETTLE_MS);
    const char *id;

    while ((id = strstr(reader->stream->body, "id: ")) == NULL || strchr(id, '\n') == NULL) {
        REQUIRE(!reader->stream->ended && now_ms() < deadline, "status %d, %s, body %s", reader->stream->status,
                http_result(reader->stream), reader->stream->body);
        pump_readers();
    }
    reader->after = durable_sequence(id);
}

static void check_writes(unsigned rollup_every, int64_t max_messages_per_subject)
{
    struct writing writing = {.count = WRITES, .rollup_every = rollup_every};
    pthread_t thread;
    size_t i;

    writing.seed = (unsigned)now_ms();
    fprintf(stderr, "seed %u\n", writing.seed);
    allow_rollups(max_messages_per_subject);
    open_live_reader();
    publish_key(0, false);
    jetstream_flush(durable.js);
    REQUIRE(pthread_create(&thread, NULL, write_all, &writing) == 0);
    while (writing.written < writing.count / 2)
        pump_readers();
    open_live_reader();
    open_reader("/all?since=earliest", ALL_GROUPS, false);
    open_reader("/every?since=last", ALL_GROUPS, false);
    while (!writing.is_done) /* also while nothing is written: a client that is silent for too long is cut off */
        pump_readers();
    pthread_join(thread, NULL);
    for (i = 0; i < reader_count; i++)
        read_to_end(&readers[i]);
    require_served_well();
}

TEST_IN_BOTH_MODES(durable_purge, steady_writes_without_rollups)
{
    check_writes(0, 1);
}

TEST_IN_BOTH_MODES(durable_purge, steady_writes)
{
    check_writes(ROLLUP_EVERY, 0);
}

TEST_IN_BOTH_MODES(durable_purge, steady_writes_where_five_are_kept)
{
    check_writes(ROLLUP_EVERY, 5);
}

TEST_IN_BOTH_MODES(durable_purge, steady_writes_where_one_is_kept)
{
    check_writes(ROLLUP_EVERY, 1);
}
