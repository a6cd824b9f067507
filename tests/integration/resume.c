/* resume.c - a stream that reconnects resumes where it was: no gap, no repeat */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(resume, 120, 1,
          "routes:\n"
          "  - {path: /r, subjects: [\"r\"]}\n"
          "  - {path: \"/r/{x}\", subjects: [\"r.{x}\"]}\n"
          "  - {path: /pick, allow: [\"p.>\"]}\n"
          "  - {path: /linger, subjects: [\"l\"], history: {linger: 20s}}\n");

static void publish_numbers(const char *subject, int from, int to)
{
    for (; from <= to; from++)
        publish_format(rig.publisher, subject, "%d", from);
    publisher_flush(rig.publisher);
}

/* The stream has exactly the numbers from … to, and no other event. */
static void require_numbers(struct http_stream *stream, int from, int to)
{
    size_t count = (size_t)(to - from + 1), i;

    REQUIRE(http_wait_events(stream, count), "%zu of %zu events", stream->log.count, count);
    for (i = 0; i < count; i++) {
        REQUIRE_STR(http_event(stream, i)->name, "message");
        REQUIRE(strtol(http_event(stream, i)->data, NULL, 10) == from + (int)i, "event %zu is %s", i,
                http_event(stream, i)->data);
    }
    REQUIRE(stream->log.count == count, "%zu more events", stream->log.count - count);
}

/* Opens a stream of /r, publishes 1 … 5 and returns their ids. The stream stays open. */
static void five_events(char ids[6][64])
{
    struct http_stream *stream = http_open_ready(rig.client, "/r", NULL);
    int i;

    REQUIRE(stream != NULL);
    publish_numbers("r", 1, 5);
    require_numbers(stream, 1, 5);
    for (i = 1; i <= 5; i++)
        snprintf(ids[i], sizeof(ids[i]), "%s", http_event(stream, (size_t)i - 1)->id);
}

static struct http_stream *open_with_id(const char *path, const char *id)
{
    char *header = text_format("last-event-id: %s", id);
    struct http_stream *stream = http_open_ready(rig.client, path, header, NULL);

    free(header);
    return stream;
}

Test(resume, by_header)
{
    char ids[6][64];
    struct http_stream *stream;

    five_events(ids);
    stream = open_with_id("/r", ids[3]);
    REQUIRE(stream != NULL);
    require_numbers(stream, 4, 5);
    REQUIRE_STR(http_event(stream, 0)->id, ids[4]);
    publish_numbers("r", 6, 8);
    require_numbers(stream, 4, 8);
    stream = open_with_id("/r", ids[5]);
    REQUIRE(stream != NULL);
    http_pump_for(rig.client, 50);
    REQUIRE(stream->log.count == 3, "6, 7 and 8");
}

Test(resume, by_each_spelling_of_the_query)
{
    static const char *const spellings[] = {"lastEventId", "last_event_id", "lastEventID", "last-id"};
    char ids[6][64];
    size_t i;

    five_events(ids);
    for (i = 0; i < 4; i++) {
        char *path = text_format("/r?%s=%s", spellings[i], ids[2]);
        struct http_stream *stream = http_open_ready(rig.client, path, NULL);
        REQUIRE(stream != NULL, "%s", path);
        require_numbers(stream, 3, 5);
        http_close(stream);
        free(path);
    }
}

static void check_cursor(const char *header, const char *query, int first)
{
    char *path = text_format("/r?%s", query);
    struct http_stream *stream = http_open_ready(rig.client, path, header, NULL);

    REQUIRE(stream != NULL, "%s", path);
    require_numbers(stream, first, 5);
    http_close(stream);
    free(path);
}

Test(resume, the_header_wins_and_then_the_last_query_value_that_is_not_empty)
{
    char ids[6][64];
    char *query, *header;

    five_events(ids);
    header = text_format("last-event-id: %s", ids[4]);
    query = text_format("lastEventId=%s", ids[1]);
    check_cursor(header, query, 5);
    check_cursor("last-event-id;", query, 2); /* an empty header is none */
    free(query);
    query = text_format("lastEventId=%s&last-id=%s", ids[1], ids[3]);
    check_cursor(NULL, query, 4);
    free(query);
    query = text_format("last-id=%s&lastEventId=%s", ids[1], ids[3]);
    check_cursor(NULL, query, 4);
    free(query);
    query = text_format("lastEventId=%s&lastEventId=%s&lastEventId=&last_event_id=", ids[1], ids[3]);
    check_cursor(NULL, query, 4);
    free(query);
    /* a cursor goes before a start */
    query = text_format("since=now&lastEventId=%s", ids[2]);
    check_cursor(NULL, query, 3);
    free(query);
    free(header);
}

Test(resume, a_client_that_has_seen_no_event_resumes_too)
{
    struct http_stream *stream = http_open_ready(rig.client, "/r", NULL);
    char id[64];

    REQUIRE(stream != NULL);
    snprintf(id, sizeof(id), "%s", event_log_last_id(&stream->log));
    REQUIRE(id[0] != '\0', "the first block has an id: %s", stream->body);
    http_close(stream);
    publish_numbers("r", 1, 3);
    stream = open_with_id("/r", id);
    REQUIRE(stream != NULL);
    require_numbers(stream, 1, 3);
}

Test(resume, what_came_while_nobody_was_there)
{
    struct http_stream *stream = http_open_ready(rig.client, "/linger", NULL);
    char id[64];

    REQUIRE(stream != NULL);
    publish_numbers("l", 1, 2);
    require_numbers(stream, 1, 2);
    snprintf(id, sizeof(id), "%s", event_log_last_id(&stream->log));
    http_client_destroy(rig.client);
    publish_numbers("l", 3, 6);
    rig.client = http_client_create(rig.gateway, HTTP_H2);
    stream = open_with_id("/linger", id);
    REQUIRE(stream != NULL);
    require_numbers(stream, 3, 6);
}

Test(resume, several_subjects_from_one_cursor)
{
    enum { MESSAGES = 120 };
    const char *path = "/pick?subject=p.a&subject=p.b&subject=p.*.x";
    static const char *const subjects[] = {"p.a", "p.b", "p.a.x", "p.b.x"};
    struct http_stream *first = http_open_ready(rig.client, path, NULL);
    size_t i, cut;

    REQUIRE(first != NULL);
    for (i = 0; i < MESSAGES; i++)
        publish_format(rig.publisher, subjects[i * 7 % 4], "%zu", i);
    REQUIRE(http_wait_events(first, MESSAGES));
    /* any id a stream has sent is a safe place to resume from */
    for (cut = 0; cut < MESSAGES; cut += 13) {
        struct http_stream *stream = open_with_id(path, http_event(first, cut)->id);
        REQUIRE(stream != NULL);
        REQUIRE(http_wait_events(stream, MESSAGES - cut - 1));
        for (i = cut + 1; i < MESSAGES; i++) {
            REQUIRE_STR(http_event(stream, i - cut - 1)->data, http_event(first, i)->data);
            REQUIRE_STR(http_event(stream, i - cut - 1)->id, http_event(first, i)->id);
        }
        http_close(stream);
    }
}

/* One reader that is cut again and again, in both ways, while numbers come. */
static void check_cuts(enum http_mode mode, int cuts)
{
    unsigned seed = (unsigned)now_ms();
    struct http_client *own = http_client_create(rig.gateway, mode);
    struct http_stream *stream = http_open_ready(own, "/r/cut", NULL);
    char header[96] = "";
    int next = 1, published = 0, cut;
    long broken = 0;

    fprintf(stderr, "%s: seed %u\n", http_mode_names[mode], seed);
    REQUIRE(stream != NULL);
    for (cut = 0; cut <= cuts; cut++) {
        int batch = rand_r(&seed) % 20, i;
        size_t wanted = cut == cuts ? (size_t)(published + batch - next + 1) : (size_t)(rand_r(&seed) % (batch + 1));
        for (i = 0; i < batch; i++)
            publish_format(rig.publisher, "r.cut", "%d", ++published);
        publisher_flush(rig.publisher);
        REQUIRE(http_wait_events(stream, wanted), "cut %d: %zu of %zu", cut, stream->log.count, wanted);
        for (size_t k = 0; k < stream->log.count; k++, next++)
            REQUIRE(strtol(http_event(stream, k)->data, NULL, 10) == next, "cut %d: %s (%s), not %d", cut,
                    http_event(stream, k)->data, http_event(stream, k)->name, next);
        /* cut before its first block, it keeps the cursor it came with */
        if (*event_log_last_id(&stream->log) != '\0')
            snprintf(header, sizeof(header), "last-event-id: %s", event_log_last_id(&stream->log));
        if (rand_r(&seed) % 2)
            broken += http_break_connection(stream);
        http_close(stream);
        stream = http_open(own, "/r/cut", header, NULL);
    }
    REQUIRE(next == published + 1, "%d of %d", next - 1, published);
    REQUIRE(broken > cuts / 10, "only %ld cuts broke a connection", broken);
    http_client_destroy(own);
}

Test(resume, random_cuts_lose_and_repeat_nothing)
{
    check_cuts(HTTP_H2, 150);
    check_cuts(HTTP_H1C, 50);
}
