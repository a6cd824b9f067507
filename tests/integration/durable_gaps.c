/* durable_gaps.c - one gap announces the events that a JetStream stream no longer has, none those it still has */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <stdio.h>

TestSuite(durable_gaps, .fini = durable_stop, .timeout = 120);

/* The cursor's own stream with another sequence. */
static char *id_of(uint64_t sequence)
{
    return text_format("%s%llu", durable_incarnation(durable.client), (unsigned long long)sequence);
}

/* The stream begins with a gap that names the cursor and the next event, and continues with that number. */
static void require_evicted(const char *path, const char *cursor, uint64_t next)
{
    struct http_stream *stream = durable_resume(durable.client, path, cursor);
    char *next_id = id_of(next);

    REQUIRE_STR(durable_require_gap(stream, 0, "evicted", cursor), next_id);
    durable_require_some(stream, 1, next, durable.stored, 1, 0);
    durable_publish_seen(stream, 10);
    durable_require_some(stream, 1, next, durable.stored, 1, 0);
    http_close(stream);
    free(next_id);
}

/* The stream holds from `first` on: older cursors get a gap, the last that is whole does not. */
static void check_evicted(uint64_t first)
{
    uint64_t lost[] = {0, 1, first / 2, first - 2};
    size_t i;

    for (i = 0; i < 4; i++) {
        char *cursor = id_of(lost[i]);
        require_evicted("/all", cursor, first);
        free(cursor);
    }
    for (i = 0; i < 2; i++) {
        struct http_stream *stream = durable_resume_after(durable.client, "/all", first - 1 + i);
        durable_require_some(stream, 0, first + i, durable.stored, 1, 0);
        http_close(stream);
    }
}

TEST_IN_BOTH_MODES(durable_gaps, a_purged_stream)
{
    struct http_stream *live = durable_open(durable.client, "/orders/1"), *stream;
    char *cursor;

    durable_publish_seen(live, 200);
    durable_require_some(live, 0, 1, 200, 4, 1);
    jetstream_purge(durable.js, "ORDERS", NULL);
    cursor = id_of(100);
    stream = durable_resume(durable.client, "/all", cursor);
    /* nothing is stored after the gap yet; it may be said at once or with the next event */
    durable_publish_seen(live, 50);
    durable_require_gap(stream, 0, "evicted", cursor);
    durable_require_some(stream, 1, 201, 250, 1, 0);
    durable_require_some(live, 0, 1, 250, 4, 1);
    check_evicted(201);
    REQUIRE(event_log_find(&live->log, "freshet.gap", 0) == NULL, "an open reader has lost nothing");
    free(cursor);
}

/* A reader that has read everything a purge removes has lost nothing. */
TEST_IN_BOTH_MODES(durable_gaps, a_purge_of_what_was_read)
{
    struct http_stream *stream;

    durable_publish_through(200);
    jetstream_purge(durable.js, "ORDERS", NULL);
    stream = durable_resume_after(durable.client, "/all", 200);
    http_pump_for(durable.client, 300);
    REQUIRE(stream->log.count == 0, "%s %s", http_event(stream, 0)->name, http_event(stream, 0)->data);
    durable_publish_seen(stream, 20);
    durable_require_all(stream, 201, 220);
}

TEST_IN_BOTH_MODES(durable_gaps, a_limit_of_messages)
{
    struct jetstream_stream limited = durable_orders();

    durable_publish_through(1000);
    limited.max_messages = 400;
    jetstream_update(durable.js, &limited);
    limited.max_messages = 0; /* or what the checks publish would drop more */
    jetstream_update(durable.js, &limited);
    check_evicted(601);
}

TEST_IN_BOTH_MODES(durable_gaps, a_limit_of_age)
{
    struct jetstream_stream limited = durable_orders();
    int64_t deadline = deadline_in(20000);

    durable_publish_through(100);
    limited.max_age_ms = 1000;
    jetstream_update(durable.js, &limited);
    while (jetstream_state(durable.js, "ORDERS").count != 0 && now_ms() < deadline)
        sleep_ms(20);
    limited.max_age_ms = 0;
    jetstream_update(durable.js, &limited);
    durable_publish_through(50);
    check_evicted(101);
}

/* As in a key-value bucket: what was superseded leaves holes inside the stream, and they are no gap. */
TEST_IN_BOTH_MODES(durable_gaps, a_limit_for_each_subject)
{
    struct jetstream_stream limited = durable_orders();
    struct http_stream *stream;
    char *path;
    size_t i;

    limited.max_messages_per_subject = 2;
    jetstream_update(durable.js, &limited);
    durable.stored = jetstream_publish(durable.js, "orders.keep", "1");
    durable_publish_through(500);
    stream = durable_resume_after(durable.client, "/all", 1);
    durable_require_all(stream, 501 - 15, 501);
    http_close(stream);
    path = text_format("/pick?subject=orders.*.*&lastEventId=%s%d", durable_incarnation(durable.client), 490);
    stream = durable_open(durable.client, path);
    durable_require_all(stream, 491, 501);
    for (i = 0; i < 20; i++) {
        durable_publish_seen(stream, 7);
        durable_require_all(stream, 491, durable.stored);
    }
    REQUIRE(event_log_find(&stream->log, "freshet.gap", 0) == NULL);
    free(path);
}

/* An unknown cursor: the gap says so, and the stream continues from the gap's own id; nothing is left out there. */
static void require_unknown(const char *path, const char *cursor)
{
    struct http_stream *stream = durable_resume(durable.client, path, cursor);
    const char *next = durable_require_gap(stream, 0, "unknown-id", cursor);
    const char *id = http_event(stream, 0)->id;
    uint64_t first = durable_sequence(id) + 1;

    REQUIRE(first <= durable.stored + 1, "the gap's id is %s", id);
    REQUIRE(strcmp(next, "null") == 0 || durable_sequence(next) == first, "next is %s, after %s", next, id);
    durable_publish_seen(stream, 4);
    durable_require_some(stream, 1, first, durable.stored, 1, 0);
    http_close(stream);
}

static void require_recreated(struct http_stream *stream, size_t before, unsigned modulus, unsigned remainder)
{
    const struct event *gap;

    REQUIRE(http_wait_events(stream, before + 1), "nothing after the old stream, ended: %d", stream->ended);
    gap = http_event(stream, before);
    REQUIRE(strcmp(gap->name, "freshet.gap") == 0, "%s %s with id %s", gap->name, gap->data, gap->id);
    REQUIRE_STR(json_field(gap->data, "last"), http_event(stream, before - 1)->id);
    durable_require_some(stream, before + 1, 1, durable.stored, modulus, remainder);
    REQUIRE(!stream->ended);
}

/* Open streams stay open, get a gap, and then the new stream from its first event on. */
TEST_IN_BOTH_MODES(durable_gaps, a_stream_that_was_deleted_and_made_anew)
{
    struct http_stream *all = durable_open(durable.client, "/all"), *some = durable_open(durable.client, "/orders/1");
    struct jetstream_stream again = durable_orders();
    char old[32], *cursor;
    int64_t deadline = deadline_in(30000);

    durable_publish_seen(all, 100);
    durable_require_all(all, 1, 100);
    durable_require_some(some, 0, 1, 100, 4, 1);
    snprintf(old, sizeof(old), "%s", durable_incarnation(durable.client));
    jetstream_delete(durable.js, "ORDERS");
    jetstream_create(durable.js, &again);
    durable.stored = 0;
    durable_publish(8);
    while ((all->log.count <= 100 || some->log.count <= 25) && !all->ended && now_ms() < deadline)
        http_pump(durable.client, 50);
    require_recreated(all, 100, 1, 0);
    require_recreated(some, 25, 4, 1);
    REQUIRE(strcmp(durable_incarnation(durable.client), old) != 0, "another stream has other ids");
    durable_publish_seen(all, 40);
    require_recreated(all, 100, 1, 0);
    require_recreated(some, 25, 4, 1);
    cursor = text_format("%s50", old);
    require_evicted("/all", cursor, 1);
    /* this gateway has known the old stream, and one that was started later has not */
    http_client_destroy(durable.client);
    gateway_kill(durable.gateway);
    gateway_restart(durable.gateway);
    durable.client = http_client_create(durable.gateway, HTTP_H2);
    require_unknown("/all", cursor);
    free(cursor);
}

/* None of these is of this stream. */
TEST_IN_BOTH_MODES(durable_gaps, cursors_from_elsewhere)
{
    static const char *const foreign[] = {
        "abc",
        "17",
        "-",
        "0-0",
        "1-",
        "-5",
        "1-5",
        "deadbeef-5",
        "ffffffffffffffff-18446744073709551615",
        "123-5-7",
        "orders.1",
        "%00",
        "a b",
        "99999999999999999999999999",
        "\xc3\xbc",
    };
    char *cursor;
    size_t i;

    require_unknown("/all", "abc");
    durable_publish_through(100);
    for (i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
        require_unknown("/all", foreign[i]);
    cursor = text_format("%s18446744073709551615", durable_incarnation(durable.client));
    require_unknown("/all", cursor);
    free(cursor);
    cursor = id_of(1000000);
    require_unknown("/all", cursor);
    require_unknown("/pick?subject=orders.*.a&subject=orders.*.b", cursor);
    free(cursor);
}
