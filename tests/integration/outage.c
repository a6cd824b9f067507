/* outage.c - streams outlive the broker, and say where events may be missing */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

static const char yaml[] = "defaults:\n"
                           "  heartbeat: 1s\n"
                           "routes:\n"
                           "  - {path: /one, subjects: [\"o.one\"]}\n"
                           "  - {path: /three, subjects: [\"o.one\", \"o.two\", \"o.*.x\"]}\n"
                           "  - {path: /none, subjects: [\"o.one\"], history: {store: none}}\n"
                           "  - {path: /late, subjects: [\"o.late\"]}\n";
RIG_SUITE(outage, 120, 1, yaml);

/* The broker goes, the streams live on for a heartbeat, the broker comes back. */
static void outage(struct http_stream *const *streams, size_t count)
{
    int64_t deadline = deadline_in(10000);
    size_t i, wanted;

    nats_fixture_kill(rig.nats);
    for (i = 0; i < count; i++) {
        wanted = streams[i]->log.parser.comments + 1;
        while (streams[i]->log.parser.comments < wanted && now_ms() < deadline)
            http_pump(rig.client, 50);
        REQUIRE(streams[i]->log.parser.comments >= wanted && !streams[i]->ended, "stream %zu lives on", i);
    }
    nats_fixture_restart(rig.nats);
}

/* One gap and only one since event `from`; returns its index. */
static size_t require_gap(struct http_stream *stream, size_t from)
{
    const struct event *gap;

    REQUIRE(http_wait_events(stream, from + 1), "no gap event");
    gap = http_event(stream, from);
    REQUIRE_STR(gap->name, "freshet.gap");
    REQUIRE_STR(json_field(gap->data, "reason"), "broker-lost");
    return from;
}

Test(outage, each_stream_says_it_once_and_goes_on)
{
    struct http_stream *streams[] = {http_open_ready(rig.client, "/one", NULL),
                                     http_open_ready(rig.client, "/three", NULL),
                                     http_open_ready(rig.client, "/none", NULL)};
    char cursor[64];
    size_t i, round, events = 1;

    for (i = 0; i < 3; i++)
        REQUIRE(streams[i] != NULL);
    publish(rig.publisher, "o.one", "before");
    for (i = 0; i < 3; i++)
        REQUIRE(http_wait_events(streams[i], 1));
    for (round = 0; round < 2; round++) {
        snprintf(cursor, sizeof(cursor), "%s", http_event(streams[1], events - 1)->id);
        outage(streams, 3);
        for (i = 0; i < 3; i++)
            require_gap(streams[i], events);
        REQUIRE_STR(json_field(http_event(streams[1], events)->data, "last"), cursor);
        publish(rig.publisher, "o.one", "after");
        for (i = 0; i < 3; i++) {
            REQUIRE(http_wait_events(streams[i], events + 2), "stream %zu", i);
            REQUIRE_STR(http_event(streams[i], events + 1)->data, "after");
        }
        publish(rig.publisher, "o.two", "two");
        publish(rig.publisher, "o.three.x", "three");
        publish(rig.publisher, "o.one", "end");
        REQUIRE(http_wait_events(streams[1], events + 5));
        REQUIRE_STR(http_event(streams[1], events + 2)->data, "two");
        REQUIRE_STR(http_event(streams[1], events + 3)->data, "three");
        for (i = 0; i < 3; i++)
            REQUIRE(event_log_count(&streams[i]->log, "freshet.gap") == round + 1, "stream %zu", i);
        /* level the streams for the second round */
        for (i = 0; i < 3; i++) {
            if (i != 1)
                http_close(streams[i]);
            else
                events = streams[i]->log.count;
        }
        if (round == 0) {
            REQUIRE((streams[0] = http_open_ready(rig.client, "/three?since=earliest", NULL)) != NULL);
            REQUIRE((streams[2] = http_open_ready(rig.client, "/three?since=earliest", NULL)) != NULL);
            REQUIRE(http_wait_events(streams[0], events) && http_wait_events(streams[2], events),
                    "a replay tells the same story, gap and all");
        }
    }
}

Test(outage, a_resume_across_it_tells_the_gap_in_its_place)
{
    struct http_stream *live = http_open_ready(rig.client, "/one", NULL), *again;
    char *header;
    size_t i;

    REQUIRE(live != NULL);
    publish(rig.publisher, "o.one", "1");
    publish(rig.publisher, "o.one", "2");
    REQUIRE(http_wait_events(live, 2));
    outage(&live, 1);
    require_gap(live, 2);
    publish(rig.publisher, "o.one", "3");
    REQUIRE(http_wait_events(live, 4));
    header = text_format("last-event-id: %s", http_event(live, 0)->id);
    again = http_open_ready(rig.client, "/one", header, NULL);
    free(header);
    REQUIRE(again != NULL);
    REQUIRE(http_wait_events(again, 3));
    for (i = 0; i < 3; i++) {
        REQUIRE_STR(http_event(again, i)->name, http_event(live, i + 1)->name);
        if (i != 1)
            REQUIRE_STR(http_event(again, i)->data, http_event(live, i + 1)->data);
    }
    /* a reader that resumes after the gap has missed nothing */
    header = text_format("last-event-id: %s", http_event(live, 3)->id);
    again = http_open_ready(rig.client, "/one", header, NULL);
    free(header);
    publish(rig.publisher, "o.one", "4");
    REQUIRE(again != NULL && http_wait_events(again, 1));
    REQUIRE_STR(http_event(again, 0)->data, "4");
}

Test(outage, a_stream_opened_during_it_is_live_after_it)
{
    struct http_stream *live = http_open_ready(rig.client, "/one", NULL), *late;
    int64_t deadline = deadline_in(15000);

    REQUIRE(live != NULL);
    nats_fixture_kill(rig.nats);
    late = http_open(rig.client, "/late", NULL);
    http_pump_for(rig.client, 300);
    nats_fixture_restart(rig.nats);
    while ((late->log.count == 0 || strcmp(http_event(late, late->log.count - 1)->data, "probe") != 0) &&
           now_ms() < deadline && !late->ended) {
        publish(rig.publisher, "o.late", "probe");
        http_pump_for(rig.client, 50);
    }
    REQUIRE(late->status == 200 && !late->ended, "status %d", late->status);
    REQUIRE_STR(http_event(late, late->log.count - 1)->data, "probe");
}

/* A restarted broker that refuses at first, or a long one: the wait between attempts stays bounded. */
Test(outage, it_may_last)
{
    struct http_stream *live = http_open_ready(rig.client, "/one", NULL);
    int64_t started;

    REQUIRE(live != NULL);
    nats_fixture_kill(rig.nats);
    http_pump_for(rig.client, 4000);
    REQUIRE(!live->ended);
    nats_fixture_restart(rig.nats);
    started = now_ms();
    require_gap(live, 0);
    REQUIRE(now_ms() - started < scaled_ms(8000), "%ld ms", (long)(now_ms() - started));
}

Test(outage, the_gateway_may_be_there_first)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct http_client *own;
    struct http_stream *stream;
    struct gateway *gateway;
    struct publisher *publisher;
    int64_t deadline = deadline_in(15000);

    REQUIRE(nats != NULL);
    nats_fixture_kill(nats);
    gateway = gateway_start_listening(&(struct gateway_options){.nats_url = nats_fixture_url(nats), .yaml = yaml});
    own = http_client_create(gateway, HTTP_H2);
    stream = http_open(own, "/one", NULL);
    http_pump_for(own, 500);
    REQUIRE(!stream->ended, "status %d: %s", stream->status, stream->body);
    nats_fixture_restart(nats);
    publisher = publisher_connect(nats_fixture_url(nats));
    while ((stream->log.count == 0 || strcmp(http_event(stream, stream->log.count - 1)->data, "probe") != 0) &&
           now_ms() < deadline && !stream->ended) {
        publish(publisher, "o.one", "probe");
        http_pump_for(own, 50);
    }
    REQUIRE(stream->log.count > 0 && !stream->ended);
    REQUIRE_STR(http_event(stream, stream->log.count - 1)->data, "probe");
    http_client_destroy(own);
    publisher_destroy(publisher);
    gateway_destroy(gateway);
    nats_fixture_stop(nats);
}
