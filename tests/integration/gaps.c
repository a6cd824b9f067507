/* gaps.c - a stream that can't resume without a hole says so first */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(gaps, 60, 1,
          "routes:\n"
          "  - {path: /g, subjects: [\"g\"]}\n"
          "  - {path: /small, subjects: [\"small\"], history: {events: 8}}\n"
          "  - {path: /few-bytes, subjects: [\"few\"], history: {bytes: 4KiB}}\n"
          "  - {path: /pair, subjects: [\"small\", \"g\"], history: {events: 8}}\n"
          "  - {path: /linger, subjects: [\"linger\"], history: {linger: 1s}}\n"
          "  - {path: /none, subjects: [\"none\"], history: {store: none}}\n");

static struct http_stream *open_with_id(const char *path, const char *id)
{
    char *header = text_format("last-event-id: %s", id);
    struct http_stream *stream = http_open_ready(rig.client, path, header, NULL);

    free(header);
    REQUIRE(stream != NULL, "%s from %s", path, id);
    return stream;
}

/* The stream's first event is a gap of that reason and cursor. */
static void require_gap(struct http_stream *stream, const char *reason, const char *last)
{
    const struct event *gap;

    REQUIRE(http_wait_events(stream, 1));
    gap = http_event(stream, 0);
    REQUIRE_STR(gap->name, "freshet.gap");
    REQUIRE_STR(json_field(gap->data, "reason"), reason);
    if (last != NULL)
        REQUIRE_STR(json_field(gap->data, "last"), last);
    REQUIRE(json_field(gap->data, "next") != NULL, "%s", gap->data);
}

/* Publishes numbers, keeps the first one's id, and leaves the stream open. */
static struct http_stream *fill(const char *path, const char *subject, int count, char first_id[64])
{
    struct http_stream *stream = http_open_ready(rig.client, path, NULL);
    int i;

    REQUIRE(stream != NULL);
    /* one by one, or this reader falls behind its small history itself */
    for (i = 1; i <= count; i++) {
        publish_format(rig.publisher, subject, "%d", i);
        REQUIRE(http_wait_events(stream, (size_t)i));
    }
    snprintf(first_id, 64, "%s", http_event(stream, 0)->id);
    return stream;
}

static long number(const struct http_stream *stream, size_t n)
{
    return strtol(http_event(stream, n)->data, NULL, 10);
}

static void check_evicted(const char *path, const char *subject, int kept)
{
    char id[64];
    struct http_stream *live = fill(path, subject, 300, id), *stream = open_with_id(path, id);
    const char *next;
    size_t i;

    require_gap(stream, "evicted", id);
    next = json_field(http_event(stream, 0)->data, "next");
    REQUIRE(http_wait_events(stream, 2));
    REQUIRE_STR(http_event(stream, 1)->id, next);
    publish_format(rig.publisher, subject, "301");
    for (i = 1; http_wait_events(stream, i + 1) && strcmp(http_event(stream, i)->data, "301") != 0; i++)
        REQUIRE(i == 1 || number(stream, i) == number(stream, i - 1) + 1, "after the gap it is whole again");
    REQUIRE_STR(http_event(stream, i)->data, "301");
    REQUIRE(kept == 0 || i == (size_t)kept + 1, "%zu events of history, not %d", i - 1, kept);
    REQUIRE(event_log_count(&stream->log, "freshet.gap") == 1);
    REQUIRE(event_log_count(&live->log, "freshet.gap") == 0);
}

Test(gaps, what_fell_out_of_the_history_is_evicted)
{
    check_evicted("/small", "small", 8);
}

Test(gaps, bytes_bound_the_history_too)
{
    check_evicted("/few-bytes", "few", 0);
}

/* The oldest event still there is the next one after the cursor: nothing is missing, so there is no gap. */
Test(gaps, the_edge_of_the_history_is_no_gap)
{
    char id[64];
    struct http_stream *live = fill("/small", "small", 20, id), *stream;

    stream = open_with_id("/small", http_event(live, 11)->id);
    REQUIRE(http_wait_events(stream, 8));
    REQUIRE_STR(http_event(stream, 0)->data, "13");
    stream = open_with_id("/small", http_event(live, 10)->id);
    require_gap(stream, "evicted", NULL);
    REQUIRE(http_wait_events(stream, 9));
    REQUIRE_STR(http_event(stream, 1)->data, "13");
}

/* One subject of two has lost events: one gap, and the other's are all there. */
Test(gaps, a_stream_of_two_subjects_says_it_once)
{
    struct http_stream *live = http_open_ready(rig.client, "/pair", NULL), *stream;
    char id[64];
    int i;

    REQUIRE(live != NULL);
    publish(rig.publisher, "g", "first");
    REQUIRE(http_wait_events(live, 1));
    snprintf(id, sizeof(id), "%s", http_event(live, 0)->id);
    publish(rig.publisher, "g", "second");
    for (i = 0; i < 30; i++) {
        publish_format(rig.publisher, "small", "%d", i);
        REQUIRE(http_wait_events(live, (size_t)i + 3));
    }
    stream = open_with_id("/pair", id);
    require_gap(stream, "evicted", id);
    publish(rig.publisher, "g", "end");
    while (strcmp(http_event(stream, stream->log.count - 1)->data, "end") != 0)
        REQUIRE(http_wait_events(stream, stream->log.count + 1));
    REQUIRE(event_log_count(&stream->log, "freshet.gap") == 1);
}

Test(gaps, ids_this_gateway_never_gave_are_unknown)
{
    char id[64], other[64], future[64];
    struct http_stream *live = fill("/g", "g", 3, id);
    const char *dash = strchr(id, '-');
    const char *unknown[] = {"garbage",
                             "1",
                             "-",
                             "-1",
                             "1-",
                             "0-1",
                             "1-2-3",
                             "1 -2",
                             "\"}{\\",
                             "ünï\xff",
                             "18446744073709551616-1",
                             "1-18446744073709551616",
                             "01-1",
                             other,
                             future};
    size_t i;

    REQUIRE(dash != NULL);
    snprintf(other, sizeof(other), "%s%s", id[0] == 'a' ? "b1234567" : "a1234567", dash);
    snprintf(future, sizeof(future), "%.*s-999999999", (int)(dash - id), id);
    for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        struct http_stream *stream = open_with_id("/g", unknown[i]);
        require_gap(stream, "unknown-id", strchr(unknown[i], '\xff') != NULL ? NULL : unknown[i]);
        size_t count = stream->log.count;
        publish(rig.publisher, "g", "live");
        REQUIRE(http_wait_events(stream, count + 1), "%s", unknown[i]);
        http_close(stream);
    }
    REQUIRE(event_log_count(&live->log, "freshet.gap") == 0);
}

Test(gaps, a_very_long_id_is_unknown_too)
{
    char id[4001];
    struct http_stream *stream;

    memset(id, '7', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    stream = open_with_id("/g", id);
    require_gap(stream, "unknown-id", NULL);
}

Test(gaps, a_restarted_process_knows_no_earlier_ids)
{
    char id[64];

    fill("/g", "g", 3, id);
    http_client_destroy(rig.client);
    gateway_kill(rig.gateway);
    gateway_restart(rig.gateway);
    rig.client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *stream = open_with_id("/g", id);
    require_gap(stream, "unknown-id", id);
    publish(rig.publisher, "g", "live");
    REQUIRE(http_wait_events(stream, 2));
    REQUIRE_STR(http_event(stream, 1)->data, "live");
    REQUIRE(strcmp(http_event(stream, 1)->id, id) != 0);
}

Test(gaps, after_linger_the_history_is_gone)
{
    char id[64];
    struct http_stream *stream;
    int64_t deadline = deadline_in(20000);

    fill("/linger", "linger", 3, id);
    /* An attempt that finds the old channel renews its linger, so attempts are rare. */
    for (;;) {
        http_client_destroy(rig.client);
        sleep_ms(4500);
        rig.client = http_client_create(rig.gateway, HTTP_H2);
        stream = open_with_id("/linger", id);
        REQUIRE(http_wait_events(stream, 1));
        if (strcmp(http_event(stream, 0)->name, "freshet.gap") == 0)
            break;
        REQUIRE(now_ms() < deadline, "the history outlives its linger");
    }
    require_gap(stream, "evicted", id);
    publish(rig.publisher, "linger", "live");
    REQUIRE(http_wait_events(stream, 2));
    REQUIRE_STR(http_event(stream, 1)->data, "live");
}

Test(gaps, without_a_store_every_cursor_is_unknown)
{
    struct http_stream *stream = open_with_id("/none", "1234abcd-5");

    require_gap(stream, "unknown-id", "1234abcd-5");
    REQUIRE_STR(json_field(http_event(stream, 0)->data, "next"), "null");
    publish(rig.publisher, "none", "live");
    REQUIRE(http_wait_events(stream, 2));
    REQUIRE_STR(http_event(stream, 1)->data, "live");
}
