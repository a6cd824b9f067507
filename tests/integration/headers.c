/* headers.c - what a stream begins with */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(headers, 60, 1,
          "defaults:\n"
          "  retry: 8s\n"
          "routes:\n"
          "  - path: /default\n"
          "    subjects: [\"h.default\"]\n"
          "  - path: /two\n"
          "    subjects: [\"h.two\"]\n"
          "    retry: 2s\n"
          "  - path: /none\n"
          "    subjects: [\"h.none\"]\n"
          "    history: {store: none}\n");

Test(headers, are_exactly_those_of_an_event_stream)
{
    enum http_mode mode;

    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *client = http_client_create(rig.gateway, mode);
        int64_t started = now_ms();
        struct http_stream *stream = http_open_ready(client, "/default", NULL);
        REQUIRE(stream != NULL);
        REQUIRE(now_ms() - started < scaled_ms(2000), "the first bytes leave at once, not after %ld ms",
                (long)(now_ms() - started));
        REQUIRE_STR(http_header(stream, "content-type"), "text/event-stream; charset=utf-8");
        REQUIRE_STR(http_header(stream, "cache-control"), "no-cache, no-transform");
        REQUIRE_STR(http_header(stream, "x-accel-buffering"), "no");
        REQUIRE(http_header(stream, "content-length") == NULL, "a stream has no length");
        REQUIRE(http_header(stream, "content-encoding") == NULL, "nor is it compressed");
        REQUIRE(strstr(stream->body, "retry: ") < strstr(stream->body, "\n\n"), "%s", stream->body);
        REQUIRE(stream->log.count == 0, "the first block is no event");
        REQUIRE(http_version(stream) ==
                (mode == HTTP_H2 || mode == HTTP_H2C ? CURL_HTTP_VERSION_2_0 : CURL_HTTP_VERSION_1_1));
        http_client_destroy(client);
    }
}

static void check_spread(const char *path, int64_t retry_ms)
{
    enum { STREAMS = 60 };
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    int64_t lowest = INT64_MAX, highest = 0;
    int i;

    for (i = 0; i < STREAMS; i++) {
        struct http_stream *stream = http_open_ready(client, path, NULL);
        REQUIRE(stream != NULL);
        int64_t retry = stream->log.parser.retry_ms;
        REQUIRE(retry >= retry_ms * 3 / 4 && retry <= retry_ms * 5 / 4, "%ld", (long)retry);
        lowest = retry < lowest ? retry : lowest;
        highest = retry > highest ? retry : highest;
    }
    /* 60 even draws all in the same half of the range have a chance of 2^-59 */
    REQUIRE(lowest < retry_ms && highest > retry_ms, "%ld to %ld", (long)lowest, (long)highest);
    REQUIRE(highest - lowest > retry_ms / 4, "%ld to %ld", (long)lowest, (long)highest);
    http_client_destroy(client);
}

Test(headers, retry_is_spread_by_a_quarter)
{
    check_spread("/two", 2000);
}

Test(headers, retry_of_the_defaults_holds_for_all_routes)
{
    check_spread("/default", 8000);
}

Test(headers, without_a_store_there_is_no_id)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, "/none", NULL);

    REQUIRE(stream != NULL);
    publish(rig.publisher, "h.none", "one");
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE(strstr(stream->body, "id:") == NULL, "%s", stream->body);
    http_client_destroy(client);
}

Test(headers, ids_need_no_preflight)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, "/default", NULL);
    const char *id;

    REQUIRE(stream != NULL);
    publish(rig.publisher, "h.default", "one");
    REQUIRE(http_wait_events(stream, 1));
    id = http_event(stream, 0)->id;
    REQUIRE(*id != '\0' && strlen(id) <= 37 && strspn(id, "0123456789abcdef-") == strlen(id), "%s", id);
    REQUIRE(strchr(id, '-') != NULL && strchr(id, '-') == strrchr(id, '-'), "%s", id);
    http_client_destroy(client);
}
