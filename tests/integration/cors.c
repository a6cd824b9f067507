/* cors.c - which pages of which origins may open a stream */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>
#include <strings.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"

RIG_SUITE(cors, 60, 1,
          "routes:\n"
          "  - path: /plain\n"
          "    subjects: [\"c.plain\"]\n"
          "  - path: /one\n"
          "    subjects: [\"c.one\"]\n"
          "    cors: {origins: [\"https://app.example\", \"http://localhost:3000\"], credentials: true}\n"
          "  - path: /any\n"
          "    subjects: [\"c.any\"]\n"
          "    cors: {origins: [\"*\"]}\n");

/* Header values are lists and their tokens have no case. */
static bool has_token(const char *value, const char *token)
{
    return value != NULL && strcasestr(value, token) != NULL;
}

Test(cors, an_origin_of_the_list_is_named_in_the_answer)
{
    static const char *const origins[] = {"https://app.example", "http://localhost:3000"};
    size_t i;

    for (i = 0; i < 2; i++) {
        char header[64];
        struct http_stream *stream;
        snprintf(header, sizeof(header), "origin: %s", origins[i]);
        stream = http_open_ready(rig.client, "/one", header, NULL);
        REQUIRE(stream != NULL);
        REQUIRE_STR(http_header(stream, "access-control-allow-origin"), origins[i]);
        REQUIRE_STR(http_header(stream, "access-control-allow-credentials"), "true");
        REQUIRE(has_token(http_header(stream, "vary"), "origin"));
    }
}

Test(cors, another_origin_is_not)
{
    static const char *const refused[] = {
        "origin: https://evil.example",
        "origin: https://app.example.evil.example",
        "origin: http://app.example",
        "origin: https://app.example:444",
        "origin: null",
        "origin: https://APP.example.",
        "origin: https://app.example, https://evil.example",
    };
    size_t i;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct http_stream *stream = http_open(rig.client, "/one", refused[i], NULL);
        REQUIRE(http_wait_headers(stream));
        REQUIRE(http_header(stream, "access-control-allow-origin") == NULL, "%s", refused[i]);
        REQUIRE(http_header(stream, "access-control-allow-credentials") == NULL, "%s", refused[i]);
        /* a shared cache must not give this answer to the allowed origin */
        REQUIRE(has_token(http_header(stream, "vary"), "origin"), "%s", refused[i]);
        http_close(stream);
    }
}

Test(cors, a_star_allows_all_without_credentials)
{
    struct http_stream *stream = http_open_ready(rig.client, "/any", "origin: https://other.example", NULL);

    REQUIRE(stream != NULL);
    REQUIRE_STR(http_header(stream, "access-control-allow-origin"), "*");
    REQUIRE(http_header(stream, "access-control-allow-credentials") == NULL);
}

Test(cors, a_route_without_cors_says_nothing)
{
    struct http_stream *stream = http_open_ready(rig.client, "/plain", "origin: https://app.example", NULL);

    REQUIRE(stream != NULL);
    REQUIRE(http_header(stream, "access-control-allow-origin") == NULL);
}

static struct http_stream *preflight(const char *path, const char *origin)
{
    return http_request(rig.client, "OPTIONS", path, NULL, origin, "access-control-request-method: GET",
                        "access-control-request-headers: cache-control,last-event-id", NULL);
}

Test(cors, a_preflight_allows_what_event_sources_send)
{
    static const char *const paths[] = {"/one", "/any"};
    size_t i;

    for (i = 0; i < 2; i++) {
        struct http_stream *response = preflight(paths[i], "origin: https://app.example");
        REQUIRE(response->status == 204 && response->body_len == 0, "%s: %d", paths[i], response->status);
        REQUIRE_STR(http_header(response, "access-control-allow-origin"), i == 0 ? "https://app.example" : "*");
        REQUIRE(has_token(http_header(response, "access-control-allow-methods"), "GET"), "%s", paths[i]);
        REQUIRE(has_token(http_header(response, "access-control-allow-headers"), "last-event-id"), "%s", paths[i]);
        REQUIRE(has_token(http_header(response, "access-control-allow-headers"), "cache-control"), "%s", paths[i]);
        REQUIRE(http_header(response, "access-control-max-age") != NULL, "%s", paths[i]);
        http_close(response);
    }
}

Test(cors, a_preflight_of_another_origin_gets_nothing)
{
    struct http_stream *response = preflight("/one", "origin: https://evil.example");

    REQUIRE(response->ended);
    REQUIRE(http_header(response, "access-control-allow-origin") == NULL);
    REQUIRE(http_header(response, "access-control-allow-methods") == NULL);
    response = preflight("/plain", "origin: https://app.example");
    REQUIRE(response->ended);
    REQUIRE(http_header(response, "access-control-allow-origin") == NULL);
}

/* A fetch-based client may only see why it was refused when the refusal carries the headers, too. */
Test(cors, a_refusal_can_be_read_by_the_page)
{
    struct http_stream *response =
        http_request(rig.client, "GET", "/one?since=never", NULL, "origin: https://app.example", NULL);

    REQUIRE(is_problem(response, 400, "since"));
    REQUIRE_STR(http_header(response, "access-control-allow-origin"), "https://app.example");
}
