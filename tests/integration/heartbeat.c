/* heartbeat.c - a silent stream gets heartbeats, a busy one does not */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(heartbeat, 60, 1,
          "routes:\n"
          "  - {path: /fast, subjects: [\"b.fast\"], heartbeat: 1s}\n"
          "  - {path: /busy, subjects: [\"b.busy\"], heartbeat: 1s}\n"
          "  - {path: /slow, subjects: [\"b.slow\"], heartbeat: 1h}\n");

static bool wait_comments(struct http_stream *stream, size_t count)
{
    int64_t deadline = deadline_in(10000);

    while (stream->log.parser.comments < count && !stream->ended && now_ms() < deadline)
        http_pump(stream->client, 50);
    return stream->log.parser.comments >= count;
}

Test(heartbeat, comes_on_a_silent_stream)
{
    enum http_mode mode;

    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *client = http_client_create(rig.gateway, mode);
        struct http_stream *stream = http_open_ready(client, "/fast", NULL), *slow;
        int64_t started = now_ms(), took;
        size_t first = stream != NULL ? stream->log.parser.comments : 0;
        REQUIRE(stream != NULL);
        slow = http_open_ready(client, "/slow", NULL);
        REQUIRE(slow != NULL);
        REQUIRE(wait_comments(stream, first + 2), "%s", http_mode_names[mode]);
        took = now_ms() - started;
        /* timers are coarse, but not by half */
        REQUIRE(took >= 1000, "two heartbeats of 1 s came in %ld ms", (long)took);
        REQUIRE(stream->log.count == 0, "they are no events");
        publish(rig.publisher, "b.fast", "x");
        REQUIRE(http_wait_events(stream, 1));
        REQUIRE_STR(http_event(stream, 0)->data, "x");
        REQUIRE(slow->log.parser.comments == 0, "another route has its own");
        http_client_destroy(client);
    }
}

Test(heartbeat, many_silent_streams_on_one_connection)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *streams[50];
    size_t i;

    for (i = 0; i < 50; i++) {
        streams[i] = http_open_ready(client, "/fast", NULL);
        REQUIRE(streams[i] != NULL);
    }
    for (i = 0; i < 50; i++)
        REQUIRE(wait_comments(streams[i], 2), "stream %zu", i);
    http_client_destroy(client);
}

Test(heartbeat, does_not_come_on_a_busy_stream)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, "/busy", NULL);
    int64_t until = now_ms() + 2500, last = now_ms(), widest = 0;
    size_t comments;

    REQUIRE(stream != NULL);
    publish(rig.publisher, "b.busy", "first");
    REQUIRE(http_wait_events(stream, 1));
    comments = stream->log.parser.comments;
    while (now_ms() < until) {
        size_t count = stream->log.count;
        publish(rig.publisher, "b.busy", "x");
        REQUIRE(http_wait_events(stream, count + 1));
        http_pump_for(client, 50);
        widest = now_ms() - last > widest ? now_ms() - last : widest;
        last = now_ms();
    }
    /* a machine that stopped the test for a second has made the stream silent */
    if (widest < 500)
        REQUIRE(stream->log.parser.comments == comments, "%zu heartbeats", stream->log.parser.comments - comments);
    http_client_destroy(client);
}
