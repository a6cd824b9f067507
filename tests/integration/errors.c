/* errors.c - every refusal is a problem+json that names what is wrong */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(errors, 120, 1,
          "routes:\n"
          "  - path: /orders/{id}\n"
          "    subjects: [\"orders.{id}.>\"]\n"
          "  - path: /events\n"
          "    allow: [\"public.>\", \"news.*\"]\n"
          "  - path: /fixed\n"
          "    subjects: [\"fixed.a\"]\n");

struct refusal {
    const char *method, *path;
    int status;
    const char *word; /* the detail has to contain it */
};

static void check_refusals(enum http_mode mode, const struct refusal *cases, size_t count)
{
    struct http_client *client = http_client_create(rig.gateway, mode);
    size_t i;

    for (i = 0; i < count; i++) {
        const struct refusal *c = &cases[i];
        struct http_stream *response = http_request(client, c->method, c->path, NULL, NULL);
        REQUIRE(is_problem(response, c->status, c->word), "%s %s (%s)", c->method, c->path, http_mode_names[mode]);
        http_close(response);
    }
    http_client_destroy(client);
}

#define CHECK_REFUSALS(cases)                                                                                          \
    do {                                                                                                               \
        check_refusals(HTTP_H2, cases, sizeof(cases) / sizeof(cases[0]));                                              \
        check_refusals(HTTP_H1C, cases, sizeof(cases) / sizeof(cases[0]));                                             \
    } while (0)

Test(errors, bad_subjects_are_400)
{
    static const struct refusal cases[] = {
        {"GET", "/events", 400, "subject"},
        {"GET", "/events?subject=", 400, "subject"},
        {"GET", "/events?subject=public..a", 400, "public..a"},
        {"GET", "/events?subject=.public", 400, "subject"},
        {"GET", "/events?subject=public.", 400, "subject"},
        {"GET", "/events?subject=public.a%20b", 400, "subject"},
        {"GET", "/events?subject=public.a+b", 400, "subject"},
        {"GET", "/events?subject=public.a%07b", 400, "subject"},
        {"GET", "/events?subject=public.a%00b", 400, "subject"},
        {"GET", "/events?subject=public.a%0d%0ab", 400, "subject"},
        {"GET", "/events?subject=public.%ff", 400, "subject"},
        {"GET", "/events?subject=public.%zz", 400, "subject"},
        {"GET", "/events?subject=public.%4", 400, "subject"},
        {"GET", "/events?subject=$SYS.>", 400, "$SYS"},
        {"GET", "/events?subject=$JS.API.INFO", 400, "$JS"},
        {"GET", "/events?subject=public.>.a", 400, "public.>.a"},
        {"GET", "/events?subject=public.a*", 400, "public.a*"},
        {"GET", "/events?subject=public.good&subject=public..bad", 400, "public..bad"},
    };
    char *path = text_format("/events?subject=public.%0257d", 1);
    const struct refusal too_long[] = {{"GET", path, 400, "subject"}};

    CHECK_REFUSALS(cases);
    CHECK_REFUSALS(too_long);
    free(path);
}

Test(errors, a_path_value_is_exactly_one_token)
{
    static const struct refusal cases[] = {
        {"GET", "/orders/a.b", 400, "id"},  {"GET", "/orders/*", 400, "id"},     {"GET", "/orders/>", 400, "id"},
        {"GET", "/orders/%2A", 400, "id"},  {"GET", "/orders/a%2Eb", 400, "id"}, {"GET", "/orders/a%20b", 400, "id"},
        {"GET", "/orders/a%09", 400, "id"}, {"GET", "/orders/a%00", 400, "id"},  {"GET", "/orders/%C3%28", 400, "id"},
        {"GET", "/orders/", 400, "id"},
    };

    CHECK_REFUSALS(cases);
}

Test(errors, bad_query_values_are_400)
{
    static const struct refusal cases[] = {
        {"GET", "/fixed?since=yesterday", 400, "since"},
        {"GET", "/fixed?since=-5m", 400, "since"},
        {"GET", "/fixed?since=5", 400, "since"},
        {"GET", "/fixed?since=5%20m", 400, "since"},
        {"GET", "/fixed?since=2026-13-01T00:00:00Z", 400, "since"},
        {"GET", "/fixed?follow=maybe", 400, "follow"},
        {"GET", "/fixed?follow=0x0", 400, "follow"},
    };

    CHECK_REFUSALS(cases);
}

Test(errors, more_than_32_subjects_are_400)
{
    char path[2048] = "/events?subject=public.0", *end = path + strlen(path);
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *stream;
    int i;

    for (i = 1; i < 32; i++)
        end += snprintf(end, 32, "&subject=public.%d", i);
    stream = http_open_ready(client, path, NULL);
    REQUIRE(stream != NULL, "32 subjects are fine");
    snprintf(end, 32, "&subject=public.32");
    stream = http_request(client, "GET", path, NULL, NULL);
    REQUIRE(is_problem(stream, 400, "32"), "33 subjects are not");
    http_client_destroy(client);
}

Test(errors, subjects_outside_allow_are_403)
{
    static const struct refusal cases[] = {
        {"GET", "/events?subject=private.a", 403, "private.a"},
        {"GET", "/events?subject=public.a&subject=private.b", 403, "private.b"},
        {"GET", "/events?subject=public", 403, "public"},
        {"GET", "/events?subject=%3E", 403, ">"},
        {"GET", "/events?subject=*.a", 403, "*.a"},
        {"GET", "/events?subject=news.>", 403, "news.>"},
        {"GET", "/events?subject=news.a.b", 403, "news.a.b"},
        {"GET", "/events?subject=publicity.a", 403, "publicity.a"},
    };

    CHECK_REFUSALS(cases);
}

Test(errors, no_such_route_is_404)
{
    static const struct refusal cases[] = {
        {"GET", "/nope", 404, "/nope"},
        {"GET", "/", 404, "/"},
        {"GET", "/orders", 404, "/orders"},
        {"GET", "/orders/1/2", 404, "/orders/1/2"},
        {"GET", "/Events?subject=public.a", 404, "/Events"},
        {"POST", "/nope", 404, "/nope"},
        {"OPTIONS", "/nope", 404, "/nope"},
    };

    CHECK_REFUSALS(cases);
}

Test(errors, other_methods_are_405_with_allow)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "FOO"};
    enum http_mode mode;
    size_t i;

    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *client = http_client_create(rig.gateway, mode);
        for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
            struct http_stream *response = http_request(client, methods[i], "/fixed", NULL, NULL);
            const char *allow = http_header(response, "allow");
            REQUIRE(is_problem(response, 405, methods[i]), "%s (%s): %s", methods[i], http_mode_names[mode],
                    curl_easy_strerror(response->result));
            REQUIRE(strstr(response->body, "not allowed here (allowed: GET, HEAD, OPTIONS)") != NULL, "%s",
                    response->body);
            REQUIRE(allow != NULL && strstr(allow, "GET") && strstr(allow, "HEAD") && strstr(allow, "OPTIONS"), "%s",
                    allow);
            http_close(response);
        }
        http_client_destroy(client);
    }
}

Test(errors, accept_that_excludes_event_streams_is_406)
{
    static const char *const excluded[] = {
        "accept: application/json",      "accept: text/html, application/xhtml+xml",
        "accept: text/event-stream;q=0", "accept: text/event-stream;q=0, */*",
        "accept: application/*",
    };
    static const char *const accepted[] = {
        "accept: */*",
        "accept: text/*",
        "accept: TEXT/Event-Stream",
        "accept: application/json, text/event-stream; q=0.5",
        "accept: text/html, */*;q=0.1",
        "accept: text/event-stream;charset=utf-8",
        "accept:", /* none at all */
    };
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    size_t i;

    for (i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++) {
        struct http_stream *response = http_request(client, "GET", "/fixed", NULL, excluded[i], NULL);
        REQUIRE(is_problem(response, 406, "text/event-stream"), "%s", excluded[i]);
        http_close(response);
    }
    for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        /* follow=false: the response ends after the history */
        struct http_stream *response =
            http_request(client, "GET", "/fixed?since=earliest&follow=false", NULL, accepted[i], NULL);
        REQUIRE(response->status == 200 && response->ended, "%s: %d %s", accepted[i], response->status, response->body);
        http_close(response);
    }
    http_client_destroy(client);
}

Test(errors, head_answers_with_headers_only)
{
    enum http_mode mode;

    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *client = http_client_create(rig.gateway, mode);
        struct http_stream *response = http_request(client, "HEAD", "/fixed", NULL, NULL);
        REQUIRE(response->ended && response->result == CURLE_OK, "%s", http_mode_names[mode]);
        REQUIRE(response->status == 200 && response->body_len == 0, "%s: %d", http_mode_names[mode], response->status);
        REQUIRE_STR(http_header(response, "content-type"), "text/event-stream; charset=utf-8");
        http_close(response);
        response = http_request(client, "HEAD", "/orders/a.b", NULL, NULL);
        REQUIRE(response->ended && response->status == 400 && response->body_len == 0, "%s: %d, %s",
                http_mode_names[mode], response->status, curl_easy_strerror(response->result));
        REQUIRE_STR(http_header(response, "content-type"), "application/problem+json");
        http_close(response);
        /* the connection is in order afterwards */
        response = http_request(client, "GET", "/nope", NULL, NULL);
        REQUIRE(is_problem(response, 404, "/nope"), "%s", http_mode_names[mode]);
        http_client_destroy(client);
    }
}

Test(errors, options_says_what_is_allowed)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *response = http_request(client, "OPTIONS", "/fixed", NULL, NULL);
    const char *allow = http_header(response, "allow");

    REQUIRE(response->status == 204 && response->body_len == 0, "%d", response->status);
    REQUIRE(allow != NULL && strstr(allow, "GET") && strstr(allow, "HEAD") && strstr(allow, "OPTIONS"), "%s", allow);
    http_client_destroy(client);
}

/* A page that gets 99 refusals and one stream on a connection has not lost the connection by it. */
Test(errors, refusals_leave_the_other_streams_alone)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, "/fixed", NULL);
    int i;

    REQUIRE(stream != NULL);
    for (i = 0; i < 99; i++)
        http_open(client, i % 2 ? "/nope" : "/orders/a.b", NULL);
    publish(rig.publisher, "fixed.a", "still here");
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE_STR(http_event(stream, 0)->data, "still here");
    REQUIRE(!stream->ended);
    http_client_destroy(client);
}
