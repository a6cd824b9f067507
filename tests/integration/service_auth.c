/* service_auth.c - a microservice decides: asked once, waited for, believed for as long as it says */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/responder.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/tokens.h"

static const char yaml[] =
    "admin: {address: \"127.0.0.1:0\"}\n"
    "routes:\n"
    "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}\"],\n"
    "     auth: {request: auth.ask, timeout: 10s, headers: [x-tenant, cookie]}}\n"
    "  - {path: /quick, subjects: [quick], auth: {request: auth.ask, timeout: 200ms}}\n"
    "  - {path: /nobody, subjects: [nobody], auth: {request: auth.nobody, timeout: 10s}}\n"
    "  - {path: /choose, allow: [\">\"], auth: {request: auth.ask, timeout: 10s}}\n"
    "  - {path: /say, allow: [\">\"], publish: true, auth: {request: auth.ask, timeout: 10s}}\n"
    "  - {path: /token, subjects: [t], auth: {jwt: {keys: %s}, request: auth.ask, timeout: 10s}}\n"
    "  - {path: /public, subjects: [p]}\n";

static struct rig rig;
static struct responder *responder;
static struct tokens_key *key;
static struct http_client *client;

static void setup(void)
{
    char *keys = sandbox_path("keys.jwks"), *text = text_format(yaml, keys);

    key = tokens_key("ES256", "k");
    tokens_write_jwks(keys, key, NULL);
    rig_start(&rig, text);
    responder = responder_start(nats_fixture_url(rig.nats), "auth.ask");
    client = http_client_create(rig.gateway, HTTP_H2);
    free(keys);
    free(text);
}

/* Skips what was never started. */
static void teardown(void)
{
    http_client_destroy(client);
    responder_stop(responder);
    if (key != NULL)
        tokens_key_free(key);
    rig_stop(&rig);
}

TestSuite(service_auth, .init = setup, .fini = teardown, .timeout = 120);

/* A GET as a stream, waited for until its head. */
static struct http_stream *get(const char *path)
{
    struct http_stream *stream = http_open(client, path, NULL);
    REQUIRE(http_wait_headers(stream), "%s", path);
    return stream;
}

static void require_open(struct http_stream *stream)
{
    REQUIRE(stream->status == 200, "%d %s", stream->status, stream->body);
    REQUIRE(http_wait_first_block(stream));
}

static void require_problem(struct http_stream *stream, int status, const char *word)
{
    REQUIRE(http_wait_end(stream));
    REQUIRE(is_problem(stream, status, word), "%d %s", stream->status, stream->body);
}

static void require_field(const char *json, const char *name, const char *value)
{
    REQUIRE_STR(json_field(json, name), value);
}

Test(service_auth, the_question_says_who_wants_what)
{
    responder_say(responder, "{\"allow\":true}");
    struct http_stream *stream =
        http_open(client, "/orders/a%22b", "x-tenant: one", "x-tenant: two", "x-other: secret", "cookie: c=1", NULL);
    REQUIRE(http_wait_headers(stream));
    require_open(stream);
    char *question = responder_question(responder);
    require_field(question, "action", "subscribe");
    require_field(question, "route", "/orders/{id}");
    require_field(question, "parameters", "{\"id\":\"a\\\"b\"}");
    require_field(question, "subjects", "[\"orders.a\\\"b\"]");
    require_field(question, "headers", "{\"cookie\":\"c=1\",\"x-tenant\":\"one, two\"}");
    require_field(question, "peer", "127.0.0.1");
    require_field(question, "claims", "null");
    require_field(question, "certificate", "null");
    REQUIRE(strstr(question, "secret") == NULL, "%s", question);
    free(question);

    publish(rig.publisher, "orders.a\"b", "hello");
    REQUIRE(http_wait_events(stream, 1));

    struct http_stream *posted = http_request(client, "POST", "/say?subject=chat.x", "hi", NULL);
    REQUIRE(posted->status == 202, "%d %s", posted->status, posted->body);
    question = responder_question(responder);
    require_field(question, "action", "publish");
    require_field(question, "subjects", "[\"chat.x\"]");
    free(question);

    char *token = tokens_sign(key, NULL, "{\"sub\":\"me\",\"level\":7}"),
         *bearer = text_format("authorization: Bearer %s", token);
    stream = http_open(client, "/token", bearer, NULL);
    REQUIRE(http_wait_headers(stream));
    require_open(stream);
    question = responder_question(responder);
    require_field(question, "claims", "{\"level\":7,\"sub\":\"me\"}");
    REQUIRE(strstr(question, token) == NULL);
    free(question);
    free(bearer);
    free(token);
    REQUIRE(responder_count(responder) == 3, "%u", responder_count(responder));
}

/* The value of a line of /metrics. */
static long metric(const char *line)
{
    struct gateway admin = {.clear_port = rig.gateway->admin_port};
    struct http_client *scraper = http_client_create(&admin, HTTP_H1C);
    struct http_stream *response = http_request(scraper, "GET", "/metrics", NULL, NULL);
    const char *at = strstr(response->body, line);
    long value = at != NULL ? strtol(at + strlen(line), NULL, 10) : -1;

    http_client_destroy(scraper);
    return value;
}

Test(service_auth, a_denial_is_a_403_with_the_reason)
{
    static const char row[] = "freshet_rejected_total{reason=\"auth\"} ";
    long before = metric(row);
    responder_say(responder, "{\"allow\":false,\"reason\":\"not on a \\\"Sunday\\\"\"}");
    require_problem(get("/orders/1"), 403, "not on a \"Sunday\"");
    REQUIRE(metric(row) == before + 1, "%ld, before %ld", metric(row), before);
    responder_say(responder, "{\"allow\":false}");
    require_problem(get("/orders/1"), 403, "not allowed");
    responder_say(responder, "{\"allow\":true,\"subjects\":[\"chat.*\"]}");
    require_problem(http_request(client, "POST", "/say?subject=chat.a.b", "x", NULL), 403, "outside");
    struct http_stream *posted = http_request(client, "POST", "/say?subject=chat.a", "x", NULL);
    REQUIRE(posted->status == 202, "%d", posted->status);
    require_open(get("/choose?subject=chat.a&subject=chat.*"));
    require_problem(get("/choose?subject=chat.a&subject=news"), 403, "outside");
    require_problem(get("/choose?subject=chat.>"), 403, "outside");
}

Test(service_auth, what_is_no_answer_is_a_503)
{
    static const char *const wrong[] = {
        "",
        "yes",
        "true",
        "{}",
        "{\"allow\":\"yes\"}",
        "{\"allow\":true,\"lifetime\":\"soon\"}",
        "{\"allow\":true,\"allow\":true}",
        "-ERR 'Authorization Violation'",
        "{\"allow\":true,\"subjects\":[\"..\"]}",
    };
    for (size_t i = 0; i != sizeof(wrong) / sizeof(wrong[0]); ++i) {
        responder_say(responder, wrong[i]);
        struct http_stream *stream = get("/orders/1");
        require_problem(stream, 503, "");
        REQUIRE(http_header(stream, "retry-after") != NULL);
        http_close(stream);
    }
    REQUIRE(responder_count(responder) == sizeof(wrong) / sizeof(wrong[0]), "each was asked");
    require_problem(get("/nobody"), 503, "");
    responder_say(responder, NULL);
    int64_t start = now_ms();
    require_problem(get("/quick"), 503, "");
    REQUIRE(now_ms() - start >= 199);
    REQUIRE(gateway_wait_log(rig.gateway, "auth-service-failed", 5000));
}

Test(service_auth, an_outage_is_a_503_and_ends)
{
    responder_say(responder, "{\"allow\":true}");
    require_open(get("/orders/1"));
    nats_fixture_kill(rig.nats);
    REQUIRE(gateway_wait_log(rig.gateway, "nats-disconnected", 10000));
    struct http_stream *stream = get("/orders/1");
    require_problem(stream, 503, "");
    REQUIRE(http_header(stream, "retry-after") != NULL);
    require_open(get("/public"));
    nats_fixture_restart(rig.nats);
    int64_t give_up = deadline_in(10000);
    for (stream = get("/orders/1"); stream->status != 200 && now_ms() < give_up; stream = get("/orders/1"))
        sleep_ms(20);
    require_open(stream);
}

/* A broker that is there and doesn't answer holds no client up for longer than the route says. */
Test(service_auth, a_broker_that_hangs_is_a_503_in_time)
{
    static const char row[] = "freshet_rejected_total{reason=\"auth-service\"} ";
    responder_say(responder, "{\"allow\":true}");
    require_open(get("/quick"));
    long before = metric(row);
    nats_fixture_pause(rig.nats);
    int64_t start = now_ms();
    require_problem(get("/quick"), 503, "");
    REQUIRE(now_ms() - start < scaled_ms(2000));
    nats_fixture_resume(rig.nats);
    REQUIRE(before == 0 && metric(row) == 1, "%ld", metric(row));
    int64_t give_up = deadline_in(10000);
    struct http_stream *stream = get("/quick");
    while (stream->status != 200 && now_ms() < give_up)
        stream = get("/quick");
    require_open(stream);
}

/* Waits until the service has been asked that often in all. */
static void await_questions(struct http_client *of, unsigned count)
{
    int64_t give_up = deadline_in(10000);

    while (responder_count(responder) < count && now_ms() < give_up)
        http_pump(of, 5);
    REQUIRE(responder_count(responder) >= count, "%u", responder_count(responder));
}

/* A question in the air when the broker goes is answered then, not after its timeout. */
Test(service_auth, an_outage_ends_the_wait)
{
    responder_hold(responder);
    struct http_stream *stream = http_open(client, "/orders/1", NULL);
    await_questions(client, 1);
    REQUIRE(responder_count(responder) == 1);
    int64_t start = now_ms();
    nats_fixture_kill(rig.nats);
    REQUIRE(http_wait_headers(stream));
    REQUIRE(now_ms() - start < scaled_ms(5000));
    require_problem(stream, 503, "");
    nats_fixture_restart(rig.nats);
}

Test(service_auth, equal_questions_are_asked_once)
{
    enum { COUNT = 50 };
    struct http_stream *same[COUNT], *other, *left;
    responder_hold(responder);
    responder_say(responder, "{\"allow\":true}");
    struct http_client *leaving = http_client_create(rig.gateway, HTTP_H2);
    left = http_open(leaving, "/orders/1", NULL);
    await_questions(leaving, 1);
    for (unsigned i = 0; i != COUNT; ++i)
        same[i] = http_open(client, "/orders/1", NULL);
    other = http_open(client, "/orders/2", NULL);
    await_questions(client, 2);
    http_pump_for(client, 100);
    REQUIRE(responder_count(responder) == 2, "%u", responder_count(responder));
    REQUIRE(!left->has_headers && !same[0]->has_headers && !other->has_headers);
    http_client_destroy(leaving); /* the client that asked first has left; the others get the answer all the same */
    responder_release(responder);
    for (unsigned i = 0; i != COUNT; ++i) {
        REQUIRE(http_wait_headers(same[i]));
        require_open(same[i]);
    }
    REQUIRE(http_wait_headers(other));
    require_open(other);
    REQUIRE(responder_count(responder) == 2);
    /* without a lifetime the answer was for them alone */
    require_open(get("/orders/1"));
    REQUIRE(responder_count(responder) == 3);
}

Test(service_auth, answers_are_kept_for_their_lifetime)
{
    responder_say(responder, "{\"allow\":true,\"lifetime\":\"1h\"}");
    for (unsigned i = 0; i != 10; ++i)
        require_open(get("/orders/1"));
    REQUIRE(responder_count(responder) == 1);
    /* any difference makes another question */
    require_open(get("/orders/2"));
    REQUIRE(responder_count(responder) == 2);
    struct http_stream *tenant = http_open(client, "/orders/1", "x-tenant: one", NULL);
    REQUIRE(http_wait_headers(tenant));
    REQUIRE(responder_count(responder) == 3);
    tenant = http_open(client, "/orders/1", "x-other: one", NULL);
    REQUIRE(http_wait_headers(tenant));
    REQUIRE(responder_count(responder) == 3);
    responder_say(responder, "{\"allow\":false,\"reason\":\"never\",\"lifetime\":1}");
    require_problem(get("/orders/3"), 403, "never");
    responder_say(responder, "{\"allow\":true}");
    require_problem(get("/orders/3"), 403, "never");
    REQUIRE(responder_count(responder) == 4);
    int64_t give_up = deadline_in(10000);
    struct http_stream *stream = get("/orders/3");
    while (stream->status == 403 && now_ms() < give_up) {
        sleep_ms(50);
        stream = get("/orders/3");
    }
    require_open(stream);
    /* a failure is not kept */
    responder_say(responder, "no");
    require_problem(get("/orders/4"), 503, "");
    responder_say(responder, "{\"allow\":true}");
    require_open(get("/orders/4"));
}

Test(service_auth, a_stream_ends_with_its_permission)
{
    responder_say(responder, "{\"allow\":true,\"lifetime\":\"1s\"}");
    int64_t start = now_ms();
    struct http_stream *stream = get("/orders/1"), *kept;
    require_open(stream);
    REQUIRE(http_wait_event_named(stream, "freshet.bye"));
    REQUIRE_STR(http_event(stream, 0)->data, "{\"reason\":\"expired\"}");
    REQUIRE(stream->log.parser.retry_ms > 0);
    REQUIRE(now_ms() - start >= 999);
    REQUIRE(http_wait_end(stream));
    /* a client that comes in the middle has the rest of it */
    stream = get("/orders/1");
    require_open(stream);
    kept = get("/orders/1");
    require_open(kept);
    REQUIRE(http_wait_event_named(kept, "freshet.bye"));
    REQUIRE(http_wait_event_named(stream, "freshet.bye"));
    REQUIRE(responder_count(responder) == 2);
}

/* Many that leave while they wait leave nothing behind, and the loop isn't held up by those that stay. */
Test(service_auth, who_leaves_is_forgotten)
{
    responder_hold(responder);
    responder_say(responder, "{\"allow\":true}");
    for (unsigned round = 0; round != 3; ++round) {
        struct http_client *leaving = http_client_create(rig.gateway, HTTP_H2);
        unsigned before = responder_count(responder);
        for (unsigned i = 0; i != 60; ++i) {
            char *path = text_format("/orders/%u", round * 60 + i);
            http_open(leaving, path, NULL);
            free(path);
        }
        int64_t give_up = deadline_in(10000);
        while (responder_count(responder) < before + 60 && now_ms() < give_up)
            http_pump(leaving, 5);
        require_open(get("/public"));
        http_client_destroy(leaving);
    }
    responder_release(responder);
    require_open(get("/orders/0"));
    REQUIRE(gateway_stop(rig.gateway) == 0);
}

Test(service_auth, a_shutdown_answers_who_waits)
{
    responder_hold(responder);
    struct http_stream *stream = http_open(client, "/orders/1", NULL);
    await_questions(client, 1);
    kill(rig.gateway->pid, SIGTERM);
    REQUIRE(http_wait_headers(stream));
    require_problem(stream, 503, "");
    REQUIRE(gateway_wait_exit(rig.gateway) == 0);
}

Test(service_auth, what_is_no_text_is_not_asked)
{
    responder_say(responder, "{\"allow\":true}");
    struct http_stream *stream = http_open(client, "/orders/1", "x-tenant: \xff", NULL);
    REQUIRE(http_wait_headers(stream));
    require_problem(stream, 403, "UTF-8");
    REQUIRE(responder_count(responder) == 0);
}

/* No client publishes to or reads the subjects of operators and services, even if the service allows it. */
Test(service_auth, control_subjects_are_out_of_reach)
{
    responder_say(responder, "{\"allow\":true}");
    struct http_stream *reader = get("/choose?subject=%3E");
    require_open(reader);
    require_problem(
        http_request(client, "POST", "/say?subject=freshet.control.revoke", "{\"route\":\"/choose\"}", NULL), 403,
        "freshet.control");
    publish(rig.publisher, "freshet.control.other", "hidden");
    publish(rig.publisher, "seen", "x");
    /* nor does a client see the questions about others, or the answers */
    REQUIRE(responder_count(responder) == 2);
    REQUIRE(http_wait_events(reader, 1));
    REQUIRE_STR(http_event(reader, 0)->data, "x");
    REQUIRE(!reader->ended);
}
