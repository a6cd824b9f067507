/* limits_total.c - limits on all streams, and on those of an address or a token; a stream that ends frees its place */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/auth.h"

#include <sys/resource.h>

#include "tests/rigs/limits.h"
#include "tests/support/scrape.h"

#define BROWSER "sec-fetch-mode: cors"

TestSuite(limits_total, .fini = auth_stop, .timeout = 90);

static void start(const char *limits, enum http_mode mode, unsigned workers)
{
    limits_start(&auth.rig, limits, mode, workers);
}

static void require_problem(struct http_stream *stream, int status, const char *part)
{
    REQUIRE_STR(limits_require_problem(stream, status, part), "5");
}

/* Its place becomes free when the gateway has noticed. Their clients are gone, so that it does. */
static void wait_admitted(struct http_client *of, const char *path, const char *header)
{
    int64_t deadline = deadline_in(20000);

    while (true) {
        struct http_stream *stream = http_open(of, path, header, NULL);
        REQUIRE(http_wait_headers(stream));
        if (stream->status == 200)
            return;
        http_close(stream);
        REQUIRE(now_ms() < deadline);
        sleep_ms(20);
    }
}

/* ---- in all ---- */

static void check_total(enum http_mode mode)
{
    struct http_client *clients[3];
    struct http_stream *last;

    start("streams_total: 6", mode, 2);
    for (size_t i = 0; i != 3; i++) {
        clients[i] = http_client_create(auth.rig.gateway, mode);
        REQUIRE(http_open_ready(clients[i], "/l", NULL) != NULL);
        REQUIRE((last = http_open_ready(clients[i], "/l", BROWSER, NULL)) != NULL);
    }
    require_problem(http_open(auth.rig.client, "/l", NULL), 503, "limit of 6 streams");
    limits_require_retry(http_open(auth.rig.client, "/l", BROWSER, "origin: https://app.example", NULL));
    REQUIRE(http_request(auth.rig.client, "POST", "/p", "a publish is no stream", NULL)->status == 202);
    REQUIRE(http_wait_events(last, 1));
    REQUIRE(scrape_rejected(auth.rig.gateway, "total-streams") == 2);
    REQUIRE(scrape(auth.rig.gateway, "freshet_streams") == 6);
    REQUIRE(gateway_wait_log(auth.rig.gateway, "request-refused limit=total-streams client=127.0.0.1", 5000));

    http_client_destroy(clients[0]);
    wait_admitted(auth.rig.client, "/l", NULL);
    wait_admitted(auth.rig.client, "/l", NULL);
    require_problem(http_open(auth.rig.client, "/l", NULL), 503, "limit of 6 streams");
    http_client_destroy(clients[1]);
    http_client_destroy(clients[2]);
}

Test(limits_total, streams_over_http2)
{
    check_total(HTTP_H2);
}

Test(limits_total, streams_over_http1)
{
    check_total(HTTP_H1);
}

/* A request that is refused for another reason gives its place back. */
Test(limits_total, a_refused_request_holds_no_place)
{
    start("streams_total: 1, streams_per_address: 1", HTTP_H2, 1);
    for (int i = 0; i != 20; i++) {
        REQUIRE(http_request(auth.rig.client, "GET", "/l", NULL, "accept: text/html", NULL)->status == 406);
        REQUIRE(http_request(auth.rig.client, "GET", "/l?since=never", NULL, NULL)->status == 400);
        REQUIRE(http_request(auth.rig.client, "HEAD", "/l", NULL, NULL)->status == 200);
    }
    REQUIRE(http_open_ready(auth.rig.client, "/l", NULL) != NULL);
    REQUIRE(scrape_rejected(auth.rig.gateway, "total-streams") == 0);
}

Test(limits_total, new_streams_in_all)
{
    struct http_client *other;
    int64_t deadline = deadline_in(20000);

    start("new_streams_total: 2", HTTP_H2, 2);
    other = http_client_create(auth.rig.gateway, HTTP_H1C);
    other->source = "127.0.0.2";
    for (int i = 0; i != 8; i++)
        REQUIRE(http_open_ready(i % 2 == 0 ? auth.rig.client : other, "/l", NULL) != NULL, "%d", i);
    require_problem(http_open(auth.rig.client, "/l", NULL), 503, "2 new streams a second on this gateway");
    limits_require_retry(http_open(other, "/l", BROWSER, NULL));
    for (int i = 0; i != 20; i++)
        REQUIRE(http_request(auth.rig.client, "GET", "/nope", NULL, NULL)->status == 404, "is no stream");
    REQUIRE(scrape_rejected(auth.rig.gateway, "total-new-streams") == 2);
    REQUIRE(gateway_wait_log(auth.rig.gateway, "request-refused limit=total-new-streams", 5000));
    wait_admitted(other, "/l", NULL);
    REQUIRE(now_ms() < deadline);
    http_client_destroy(other);
}

/* ---- of one address ---- */

Test(limits_total, streams_of_an_address)
{
    struct http_client *second, *other;

    start("streams_per_address: 3", HTTP_H2, 2);
    second = http_client_create(auth.rig.gateway, HTTP_H1);
    other = http_client_create(auth.rig.gateway, HTTP_H2);
    other->source = "127.0.0.2";
    REQUIRE(http_open_ready(second, "/l", NULL) != NULL);
    REQUIRE(http_open_ready(second, "/l", NULL) != NULL);
    REQUIRE(http_open_ready(auth.rig.client, "/l", NULL) != NULL);
    require_problem(http_open(auth.rig.client, "/l", NULL), 429, "more than 3 streams of one address");
    limits_require_retry(http_open(second, "/l", BROWSER, NULL));
    REQUIRE(http_request(auth.rig.client, "GET", "/nope", NULL, NULL)->status == 404, "is no stream");
    for (int i = 0; i != 3; i++)
        REQUIRE(http_open_ready(other, "/l", NULL) != NULL);
    REQUIRE(scrape_rejected(auth.rig.gateway, "address-open-streams") == 2);
    REQUIRE(gateway_wait_log(auth.rig.gateway, "request-refused limit=address-open-streams client=127.0.0.1", 5000));
    http_client_destroy(second);
    wait_admitted(auth.rig.client, "/l", NULL);
    wait_admitted(auth.rig.client, "/l", NULL);
    http_client_destroy(other);
}

/* ---- of one token ---- */

static void start_tokens(void)
{
    auth_start("limits: {streams_per_token: 2}\n"
               "admin: {address: \"127.0.0.1:0\"}\n"
               "routes:\n"
               "  - {path: /l, subjects: [\"l\"], heartbeat: 1s, auth: {jwt: {keys: %K}}}\n"
               "  - {path: /m, subjects: [\"m\"], heartbeat: 1s, auth: {jwt: {keys: %K}}}\n"
               "  - {path: /open, subjects: [\"l\"]}\n");
}

static char *sign(const char *names)
{
    char *payload =
        text_format("{%s\"exp\":%lld,\"freshet\":{\"subscribe\":[\">\"]}}", names, (long long)time(NULL) + 60);
    char *token = tokens_sign(auth.key, NULL, payload);

    free(payload);
    return token;
}

static struct http_stream *open_with(struct http_client *of, const char *path, const char *token, const char *header)
{
    return http_open(of, path, auth_bearer(token), header, NULL);
}

static void require_open(struct http_client *of, const char *path, const char *token)
{
    struct http_stream *stream = open_with(of, path, token, NULL);

    REQUIRE(http_wait_first_block(stream) && stream->status == 200 && !stream->ended, "%s", stream->body);
}

/* A new token of the same person is the same person, on whatever route and connection. */
Test(limits_total, streams_of_a_token)
{
    start_tokens();
    char *ann = sign("\"sub\":\"ann\",\"jti\":\"1\","), *again = sign("\"sub\":\"ann\",\"jti\":\"2\","),
         *bob = sign("\"sub\":\"bob\",\"jti\":\"1\",");
    struct http_client *second = http_client_create(auth.rig.gateway, HTTP_H1);
    require_open(second, "/l", ann);
    require_open(second, "/m", again);
    require_problem(open_with(auth.rig.client, "/l", ann, NULL), 429, "more than 2 streams of one token");
    require_problem(open_with(auth.rig.client, "/m", again, NULL), 429, "more than 2 streams of one token");
    limits_require_retry(open_with(auth.rig.client, "/m", again, BROWSER));
    require_open(auth.rig.client, "/l", bob);
    for (int i = 0; i != 3; i++)
        REQUIRE(http_open_ready(auth.rig.client, "/open", NULL) != NULL, "belongs to no token");
    REQUIRE(scrape_rejected(auth.rig.gateway, "token-streams") == 3);
    REQUIRE(gateway_wait_log(auth.rig.gateway, "request-refused limit=token-streams client=127.0.0.1", 5000));
    http_client_destroy(second);
    wait_admitted(auth.rig.client, "/l", auth_bearer(ann));
    wait_admitted(auth.rig.client, "/m", auth_bearer(again));
    require_problem(open_with(auth.rig.client, "/l", again, NULL), 429, "more than 2 streams of one token");
    free(ann);
    free(again);
    free(bob);
}

Test(limits_total, streams_of_a_token_without_a_subject)
{
    start_tokens();
    char *one = sign("\"jti\":\"1\","), *two = sign("\"jti\":\"2\","), *nobody = sign("");
    for (int i = 0; i != 2; i++) {
        require_open(auth.rig.client, "/l", one);
        require_open(auth.rig.client, "/l", two);
    }
    require_problem(open_with(auth.rig.client, "/l", one, NULL), 429, "more than 2 streams of one token");
    require_problem(open_with(auth.rig.client, "/l", two, NULL), 429, "more than 2 streams of one token");
    for (int i = 0; i != 4; i++)
        require_open(auth.rig.client, "/l", nobody);
    free(one);
    free(two);
    free(nobody);
}

/* ---- descriptors ---- */

Test(limits_total, too_few_descriptors_are_said_at_the_start)
{
    struct rlimit files = {.rlim_cur = 400, .rlim_max = 400};

    auth.rig.nats = nats_fixture_start(NULL);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &files) == 0);
    auth.rig.gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(auth.rig.nats),
        .yaml = "limits: {connections: 1000}\n" LIMITS_REST,
    });
    REQUIRE(gateway_wait_log(auth.rig.gateway, "descriptors-short have=400 need=1088 connections=1000 fit=312", 5000));
    REQUIRE(gateway_wait_log(auth.rig.gateway, "connections=312", 5000));
}

Test(limits_total, enough_descriptors_need_no_words)
{
    start("connections: 5", HTTP_H2, 1);
    char *log = gateway_log(auth.rig.gateway);
    REQUIRE(strstr(log, "descriptors-short") == NULL);
    REQUIRE(strstr(log, "connections=5") != NULL);
    free(log);
}
