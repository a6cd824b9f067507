/* revoke.c - revoked streams end on every gateway, and don't come back */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/responder.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/tokens.h"

#define REVOKE "freshet.control.revoke"

static const char yaml[] = "defaults: {auth: {jwt: {keys: %s}}}\n"
                           "routes:\n"
                           "  - {path: /events, allow: [\">\"]}\n"
                           "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}\"]}\n"
                           "  - {path: /asked, subjects: [asked],\n"
                           "     auth: {jwt: {keys: %s}, request: auth.ask, timeout: 30s}}\n"
                           "  - {path: /open, subjects: [open], auth: {public: true}}\n";

static struct nats_fixture *nats;
static struct publisher *publisher;
static struct gateway *gateways[2];
static struct http_client *clients[2];
static struct tokens_key *key;

static void setup(void)
{
    char *keys = sandbox_path("keys.jwks"), *text = text_format(yaml, keys, keys);

    key = tokens_key("ES256", "k");
    tokens_write_jwks(keys, key, NULL);
    nats = nats_fixture_start(NULL);
    publisher = publisher_connect(nats_fixture_url(nats));
    for (unsigned i = 0; i != 2; i++) {
        gateways[i] = gateway_start(
            &(struct gateway_options){.nats_url = nats_fixture_url(nats), .yaml = text, .workers = 1 + i});
        clients[i] = http_client_create(gateways[i], HTTP_H2);
    }
    free(keys);
    free(text);
}

/* Skips what was never started. */
static void teardown(void)
{
    for (unsigned i = 0; i != 2; i++) {
        http_client_destroy(clients[i]);
        gateway_destroy(gateways[i]);
    }
    if (key != NULL)
        tokens_key_free(key);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

TestSuite(revoke, .init = setup, .fini = teardown, .timeout = 120);

/* An authorization header for a token that may read everything. */
static char *bearer(const char *sub, const char *jti, int64_t issued_in)
{
    char *claims = text_format("{\"sub\":\"%s\",\"jti\":\"%s\",\"iat\":%lld,\"freshet\":{\"subscribe\":[\">\"]}}", sub,
                               jti, (long long)(time(NULL) + issued_in));
    char *token = tokens_sign(key, NULL, claims), *header = text_format("authorization: Bearer %s", token);

    free(token);
    free(claims);
    return header;
}

static struct http_stream *get(struct http_client *client, const char *path, const char *header)
{
    struct http_stream *stream = http_open(client, path, header, NULL);
    REQUIRE(http_wait_headers(stream), "%s", path);
    return stream;
}

static struct http_stream *open_as(struct http_client *client, const char *path, const char *header)
{
    struct http_stream *stream = get(client, path, header);
    REQUIRE(stream->status == 200, "%s: %d %s", path, stream->status, stream->body);
    REQUIRE(http_wait_first_block(stream));
    return stream;
}

static void require_status(struct http_client *client, const char *path, const char *header, int status)
{
    struct http_stream *stream = get(client, path, header);
    REQUIRE(stream->status == status, "%s: %d %s", path, stream->status, stream->body);
    if (status != 200)
        REQUIRE(http_wait_end(stream) && is_problem(stream, status, "revoked"), "%s", stream->body);
    http_close(stream);
}

static bool was_revoked(const struct http_stream *stream)
{
    const struct event *bye = event_log_find(&stream->log, "freshet.bye", 0);
    return stream->ended && stream->result == CURLE_OK && bye != NULL &&
           strcmp(bye->data, "{\"reason\":\"revoked\"}") == 0;
}

static void require_revoked(struct http_stream *stream)
{
    int64_t retry_ms = stream->log.parser.retry_ms;
    REQUIRE(http_wait_end(stream));
    REQUIRE(was_revoked(stream));
    REQUIRE(stream->log.parser.retry_ms == retry_ms, "no client is asked to reconnect");
}

/* A message published now still arrives on the stream. */
static void require_alive(struct http_stream *stream, const char *subject)
{
    size_t before = stream->log.count;
    publish(publisher, subject, "still here");
    REQUIRE(http_wait_events(stream, before + 1));
    REQUIRE_STR(http_event(stream, before)->data, "still here");
}

static void await_log(const char *text)
{
    REQUIRE(gateway_wait_log(gateways[0], text, 10000), "%s", text);
    REQUIRE(gateway_wait_log(gateways[1], text, 10000), "%s", text);
}

enum { EACH = 500 };
static struct http_stream *streams[2][EACH];

static bool all_revoked(void)
{
    for (unsigned i = 0; i != 2; i++) {
        for (unsigned n = 0; n != EACH; n += 2) {
            if (!was_revoked(streams[i][n]))
                return false;
        }
    }
    return true;
}

Test(revoke, on_every_gateway_within_a_second)
{
    char *alice = bearer("alice", "a1", -100), *bob = bearer("bob", "b1", -100), *fresh;
    for (unsigned i = 0; i != 2; i++) {
        for (unsigned n = 0; n != EACH; n++)
            streams[i][n] = http_open(clients[i], "/events?subject=news.*", n % 2 == 0 ? alice : bob, NULL);
    }
    for (unsigned i = 0; i != 2; i++) {
        for (unsigned n = 0; n != EACH; n++) {
            REQUIRE(http_wait_first_block(streams[i][n]));
            REQUIRE(streams[i][n]->status == 200, "%d", streams[i][n]->status);
        }
    }
    int64_t start = now_ms();
    publish(publisher, REVOKE, "{\"sub\":\"alice\"}");
    while (!all_revoked() && now_ms() - start < scaled_ms(10000)) {
        http_pump(clients[0], 1);
        http_pump(clients[1], 1);
    }
    REQUIRE(all_revoked());
    REQUIRE(now_ms() - start < scaled_ms(1000), "%lld ms", (long long)(now_ms() - start));
    await_log("revoked sub=alice streams=250 ");
    for (unsigned i = 0; i != 2; i++) {
        for (unsigned n = 1; n < EACH; n += 2)
            REQUIRE(!streams[i][n]->ended);
        require_alive(streams[i][1], "news.x");
        require_status(clients[i], "/events?subject=news.*", alice, 401);
        require_status(clients[i], "/events?subject=other", bob, 200);
    }
    /* a user who has logged in again since is let in */
    fresh = bearer("alice", "a2", 100);
    open_as(clients[0], "/events?subject=news.*", fresh);
    open_as(clients[1], "/events?subject=news.*", fresh);
    free(alice);
    free(bob);
    free(fresh);
}

Test(revoke, one_token)
{
    char *lost = bearer("alice", "lost", 0), *other = bearer("alice", "other", 0);
    struct http_stream *ends[2], *stays[2];
    for (unsigned i = 0; i != 2; i++) {
        ends[i] = open_as(clients[i], "/events?subject=news", lost);
        stays[i] = open_as(clients[i], "/events?subject=news", other);
    }
    publish(publisher, REVOKE, "{\"jti\":\"lost\"}");
    for (unsigned i = 0; i != 2; i++) {
        require_revoked(ends[i]);
        require_status(clients[i], "/events?subject=news", lost, 401);
        require_status(clients[i], "/orders/1", lost, 401);
        require_alive(stays[i], "news");
        require_status(clients[i], "/events?subject=news", other, 200);
    }
    free(lost);
    free(other);
}

Test(revoke, subjects_and_routes_end_streams_and_block_nobody)
{
    char *alice = bearer("alice", "a", 0), *bob = bearer("bob", "b", 0);
    struct http_stream *one = open_as(clients[0], "/orders/1", alice), *two = open_as(clients[0], "/orders/2", alice);
    struct http_stream *many = open_as(clients[1], "/events?subject=orders.*&subject=news", alice);
    struct http_stream *bobs = open_as(clients[1], "/orders/2", bob), *open = open_as(clients[1], "/open", NULL);

    publish(publisher, REVOKE, "{\"subject\":\"orders.1\"}");
    require_revoked(one);
    require_revoked(many);
    await_log("revoked subject=orders.1 ");
    require_alive(two, "orders.2");
    require_alive(bobs, "orders.2");
    one = open_as(clients[0], "/orders/1", alice);
    publish(publisher, REVOKE, "{\"route\":\"/orders/{id}\",\"sub\":\"alice\"}");
    require_revoked(one);
    require_revoked(two);
    require_alive(bobs, "orders.2");
    require_status(clients[0], "/orders/1", alice, 200);
    publish(publisher, REVOKE, "{\"route\":\"/open\"}");
    require_revoked(open);
    require_alive(bobs, "orders.2");
    open_as(clients[1], "/open", NULL);
    free(alice);
    free(bob);
}

Test(revoke, nonsense_ends_nothing)
{
    static const char *const wrong[] = {"",
                                        "alice",
                                        "{}",
                                        "{\"sub\":[\"alice\"]}",
                                        "{\"sub\":\"alice\",\"sub\":\"alice\"}",
                                        "{\"sub\":\"alice\",\"subject\":\"..\"}"};
    char *alice = bearer("alice", "a", 0);
    struct http_stream *stream = open_as(clients[0], "/events?subject=news", alice);
    for (size_t i = 0; i != sizeof(wrong) / sizeof(wrong[0]); i++)
        publish(publisher, REVOKE, wrong[i]);
    publish(publisher, REVOKE, "{\"sub\":\"nobody\"}");
    await_log("revoked sub=nobody streams=0 ");
    await_log("revocation-unusable ");
    require_alive(stream, "news");
    require_status(clients[1], "/events?subject=news", alice, 200);
    free(alice);
}

Test(revoke, after_an_outage_too)
{
    char *alice = bearer("alice", "a", 0);
    struct http_stream *stream = open_as(clients[0], "/events?subject=news", alice);
    nats_fixture_kill(nats);
    await_log("nats-disconnected");
    nats_fixture_restart(nats);
    await_log("nats-reconnected");
    publish(publisher, REVOKE, "{\"sub\":\"alice\"}");
    /* a restarted broker may serve the publisher first: a gateway not yet subscribed again needs a repetition */
    if (!gateway_wait_log(gateways[1], "revoked sub=alice ", 2000))
        publish(publisher, REVOKE, "{\"sub\":\"alice\"}");
    await_log("revoked sub=alice ");
    require_revoked(stream);
    require_status(clients[1], "/events?subject=news", alice, 401);
    free(alice);
}

/* Allowed before, answered after: a permission that was revoked on its way opens nothing. */
Test(revoke, who_waits_for_a_service_is_denied)
{
    struct responder *responder = responder_start(nats_fixture_url(nats), "auth.ask");
    char *alice = bearer("alice", "a", 0), *bob = bearer("bob", "b", 0);
    responder_say(responder, "{\"allow\":true,\"lifetime\":\"1h\"}");
    struct http_stream *before = open_as(clients[0], "/asked", bob);
    open_as(clients[0], "/asked", bob);
    REQUIRE(responder_count(responder) == 1, "kept");
    responder_hold(responder);
    struct http_stream *waits = http_open(clients[0], "/asked", alice, NULL), *bobs = NULL;
    int64_t give_up = deadline_in(10000);
    while (responder_count(responder) < 2 && now_ms() < give_up)
        http_pump(clients[0], 5);
    publish(publisher, REVOKE, "{\"sub\":\"alice\"}");
    REQUIRE(http_wait_headers(waits), "the service has not answered yet");
    REQUIRE(http_wait_end(waits) && is_problem(waits, 403, "revoked"), "%d %s", waits->status, waits->body);
    require_alive(before, "asked");

    /* whatever the revocation names, the service is asked again */
    bobs = http_open(clients[0], "/asked", bob, NULL);
    while (responder_count(responder) < 3 && now_ms() < give_up)
        http_pump(clients[0], 5);
    REQUIRE(responder_count(responder) == 3, "%u", responder_count(responder));
    responder_release(responder);
    REQUIRE(http_wait_headers(bobs));
    REQUIRE(bobs->status == 200, "%d", bobs->status);
    REQUIRE(http_wait_first_block(bobs));
    responder_stop(responder);
    free(alice);
    free(bob);
}

/* A revocation while many streams are being opened: those already open end, later ones are refused. */
Test(revoke, nobody_slips_in)
{
    enum { ROUNDS = 10, AT_ONCE = 60 };
    for (unsigned round = 0; round != ROUNDS; round++) {
        struct http_client *client = http_client_create(gateways[round % 2], HTTP_H2);
        char *jti = text_format("j%u", round), *header = bearer("carol", jti, 0);
        char *text = text_format("{\"jti\":\"%s\"}", jti);
        struct http_stream *opening[AT_ONCE];
        for (unsigned n = 0; n != AT_ONCE; n++) {
            opening[n] = http_open(client, "/events?subject=news", header, NULL);
            if (n == AT_ONCE / 2)
                publish(publisher, REVOKE, text);
            if (n % 10 == round)
                http_pump(client, 0);
        }
        publisher_flush(publisher);
        for (unsigned n = 0; n != AT_ONCE; n++) {
            REQUIRE(http_wait_end(opening[n]), "stream %u of round %u stays open", n, round);
            REQUIRE(opening[n]->status == 200 ? was_revoked(opening[n])
                                              : opening[n]->status == 401 || opening[n]->status == 403,
                    "%d %s", opening[n]->status, opening[n]->body);
        }
        free(text);
        free(header);
        free(jti);
        http_client_destroy(client);
    }
}
