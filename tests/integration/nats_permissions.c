/* nats_permissions.c - docs/nats/permissions.conf is exactly what the gateway's user needs */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <nats/nats.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/jetstream.h"
#include "tests/support/responder.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/tokens.h"

#define STORED 2000
#define PAYLOAD 4096 /* of each: together more than the broker sends before it waits for flow control */

static struct nats_fixture *nats;
static struct publisher *services;
static struct responder *decider;
static struct gateway *gateway;
static struct http_client *client;
static char *bearer;

static char *documented(const char *name)
{
    char *path = text_format("%s/docs/nats/%s", FRESHET_SOURCE_DIR, name), *text = sandbox_read(path);

    REQUIRE(*text != '\0', "%s", path);
    free(path);
    return text;
}

static char *replace(char *text, const char *from, const char *to)
{
    REQUIRE(strstr(text, from) != NULL, "the documented file has no \"%s\"", from);
    return text_replace(text, from, to);
}

/* ---- what is started ---- */

/* The stream as documented, with more in it than a ring holds. */
static void make_stream(void)
{
    char *json = documented("orders.json"),
         *url = text_format("nats://services:s@127.0.0.1:%d", nats_fixture_port(nats));
    char payload[PAYLOAD + 1];
    struct jetstream *js = jetstream_connect(url);
    natsMsg *reply = NULL;

    REQUIRE(natsConnection_RequestString(&reply, publisher_connection(services), "$JS.API.STREAM.CREATE.ORDERS", json,
                                         scaled_ms(10000)) == NATS_OK);
    REQUIRE(strstr(natsMsg_GetData(reply), "\"error\"") == NULL, "%s", natsMsg_GetData(reply));
    natsMsg_Destroy(reply);
    memset(payload, 'x', PAYLOAD);
    payload[PAYLOAD] = '\0';
    jetstream_publish(js, "orders.6.line", "one, and long ago");
    for (unsigned i = 0; i != STORED; i++)
        jetstream_publish_later(js, "orders.7.line", payload);
    jetstream_flush(js);
    jetstream_destroy(js);
    free(json);
    free(url);
}

static void start_broker(const char *config)
{
    nats = nats_fixture_start(config);
    REQUIRE(nats != NULL, "no broker");
    services = publisher_connect_as(nats_fixture_url(nats), "services", "s");
    char *url = text_format("nats://services:s@127.0.0.1:%d", nats_fixture_port(nats));
    decider = responder_start(url, "auth.freshet");
    responder_say(decider, "{\"allow\": true}");
    free(url);
    make_stream();
}

/* live: "republish", as in the file, or "consumer". */
static void start_gateway(const char *live)
{
    char *yaml = documented("freshet.yaml"), *keys = sandbox_path("login.jwks"), *whole;
    struct tokens_key *key = tokens_key("ES256", "k");
    char *token =
        tokens_sign(key, NULL, "{\"sub\":\"alice\",\"freshet\":{\"subscribe\":[\"chat.>\"],\"publish\":[\"chat.>\"]}}");

    tokens_write_jwks(keys, key, NULL);
    yaml = replace(yaml, "login.jwks", keys);
    yaml = replace(yaml, "live: republish", live);
    whole = strstr(yaml, "\nroutes:");
    gateway = gateway_start_listening(&(struct gateway_options){
        .nats_url = nats_fixture_url(nats), .nats = "  user: gateway\n  password: g\n", .yaml = whole + 1});
    client = http_client_create(gateway, HTTP_H2);
    bearer = text_format("authorization: Bearer %s", token);
    tokens_key_free(key);
    free(token);
    free(keys);
    free(yaml);
}

static void stop(void)
{
    http_client_destroy(client);
    gateway_destroy(gateway);
    responder_stop(decider);
    publisher_destroy(services);
    nats_fixture_stop(nats);
    free(bearer);
    client = NULL;
    gateway = NULL;
    decider = NULL;
    services = NULL;
    nats = NULL;
    bearer = NULL;
}

static void setup(void)
{
    setenv("GATEWAY_PASSWORD", "g", 1);
    setenv("SERVICES_PASSWORD", "s", 1);
}

TestSuite(nats_permissions, .init = setup, .fini = stop, .timeout = 170);

/* ---- what is done with it ---- */

/* What the broker says it has refused; NULL: nothing. The caller frees. */
static char *violation(void)
{
    char *path = text_format("%s/log", nats_fixture_directory(nats)), *log = sandbox_read(path);
    char *at = strstr(log, " Violation - "), *line = NULL;

    if (at != NULL)
        line = text_format("%.*s", (int)strcspn(at + 1, "\n"), at + 1);
    free(path);
    free(log);
    return line;
}

/* The same, waited for: the broker tells the gateway first, and its log after that. */
static char *await_violation(void)
{
    int64_t deadline = deadline_in(10000);
    char *line = violation();

    while (line == NULL && now_ms() < deadline) {
        sleep_ms(20);
        line = violation();
    }
    return line;
}

/* What each step waits for, unless the broker refuses something before: then there is no more to find out. */
static bool is_refused(void)
{
    char *line = violation();

    free(line);
    return line != NULL;
}

static bool await_events(struct http_stream *stream, size_t count)
{
    int64_t deadline = deadline_in(15000);

    while (stream->log.count < count && !stream->ended && now_ms() < deadline && !is_refused())
        http_pump(client, 20);
    return stream->log.count >= count;
}

static bool await_status(struct http_stream *stream, int status)
{
    int64_t deadline = deadline_in(15000);

    while (!stream->has_headers && !stream->ended && now_ms() < deadline && !is_refused())
        http_pump(client, 20);
    return stream->status == status;
}

static bool await_end(struct http_stream *stream)
{
    int64_t deadline = deadline_in(30000);

    while (!stream->ended && now_ms() < deadline && !is_refused())
        http_pump(client, 20);
    return stream->ended && stream->result == CURLE_OK;
}

static bool follows_news(void)
{
    struct http_stream *stream = http_open(client, "/news?subject=news.*", NULL);

    if (!await_status(stream, 200))
        return false;
    http_wait_first_block(stream);
    publish(services, "news.a", "1");
    return await_events(stream, 1);
}

/* Whether a join on the news route is published. */
static bool tells_presence(void)
{
    natsSubscription *told = NULL;
    natsMsg *msg = NULL;
    int64_t deadline = deadline_in(15000);

    REQUIRE(natsConnection_SubscribeSync(&told, publisher_connection(services), "freshet.presence.news") == NATS_OK);
    publisher_flush(services);
    bool follows = follows_news();
    while (follows && msg == NULL && now_ms() < deadline && !is_refused())
        natsSubscription_NextMsg(&msg, told, 50);
    bool heard = msg != NULL;
    natsMsg_Destroy(msg);
    natsSubscription_Destroy(told);
    return heard;
}

static bool is_asked(const char *subject)
{
    natsMsg *reply = NULL;
    int64_t deadline = deadline_in(15000);

    while (reply == NULL && now_ms() < deadline && !is_refused())
        natsConnection_RequestString(&reply, publisher_connection(services), subject, "", 200);
    bool answered = reply != NULL && !natsMsg_IsNoResponders(reply);
    natsMsg_Destroy(reply);
    return answered;
}

static bool posts(const char *path, int status)
{
    struct http_stream *answer = http_request(client, "POST", path, "hello", bearer, NULL);
    bool ok = answer->status == status;

    http_close(answer);
    return ok;
}

/* A token, a microservice that is asked, a message by POST, and a revocation that ends it. */
static bool chats(void)
{
    struct http_stream *stream = http_open(client, "/chat/lobby", bearer, NULL);

    if (!await_status(stream, 200) || !http_wait_first_block(stream) || !posts("/chat/lobby/say", 202) ||
        !await_events(stream, 1))
        return false;
    publish(services, "freshet.control.revoke", "{\"sub\":\"alice\"}");
    return await_end(stream) && event_log_find(&stream->log, "freshet.bye", 0) != NULL;
}

/* Everything stored, which no ring holds; the newest of each subject; what is new, and stored by way of the gateway. */
static bool follows_orders(void)
{
    struct http_stream *all = http_open(client, "/orders/7?since=earliest&follow=false", NULL);
    struct http_stream *last = http_open(client, "/orders/7?since=last&follow=false", NULL);
    struct http_stream *old = http_open(client, "/orders/6?since=1h&follow=false", NULL);
    struct http_stream *live = http_open(client, "/orders/7", NULL);

    if (!await_status(live, 200) || !await_events(old, 1) || !await_end(old) || !await_events(all, STORED) ||
        !await_end(all) || !await_end(last) || last->log.count == 0 || !posts("/orders/7/notes", 201))
        return false;
    return await_events(live, 1);
}

static bool has_gone_live(void)
{
    int64_t deadline = deadline_in(15000);

    while (!gateway_wait_log(gateway, " stream-live ", 20) && now_ms() < deadline && !is_refused())
        ;
    return !is_refused();
}

/* Orders first: their consumers are deleted some time later. */
static bool does_all(void)
{
    return has_gone_live() && follows_orders() && tells_presence() && is_asked("freshet.info") &&
           is_asked("freshet.gw-1.info") && chats();
}

static void check_all_of_it_is_enough(const char *live)
{
    char *config = documented("permissions.conf");

    start_broker(config);
    start_gateway(live);
    bool done = does_all();
    char *refused = violation(), *log = gateway_log(gateway);
    REQUIRE(done && refused == NULL, "%s", refused != NULL ? refused : "nothing refused");
    REQUIRE(strstr(log, "nats-denied") == NULL && strstr(log, "nats-refused") == NULL);
    /* and at the end of its life, too */
    REQUIRE(gateway_stop(gateway) == 0);
    REQUIRE(!is_refused(), "%s", violation());
    free(config);
    free(log);
}

Test(nats_permissions, are_enough_with_republish)
{
    check_all_of_it_is_enough("live: republish");
}

Test(nats_permissions, are_enough_with_a_consumer)
{
    check_all_of_it_is_enough("live: consumer");
}

/* ---- each line ---- */

/* The n-th permission of the file, without quotes, and the file without it; NULL: there are no more. */
static char *without(unsigned n, char **rest)
{
    char *text = documented("permissions.conf"), *at = strchr(text, '{'), *permission = NULL;

    for (unsigned i = 0; at != NULL && (at = strstr(at, "        \"")) != NULL; i++, at++) {
        if (i != n)
            continue;
        const char *end = strchr(at, '\n');
        permission = text_format("%.*s", (int)(strcspn(at + 9, "\"")), at + 9);
        *rest = text_format("%.*s%s", (int)(at - text), text, end);
        break;
    }
    free(text);
    return permission;
}

Test(nats_permissions, each_line_is_needed)
{
    char *permission, *config;
    unsigned count = 0;

    for (; (permission = without(count, &config)) != NULL; count++) {
        char *prefix = text_format("Subject \"%.*s", (int)strcspn(permission, "*>"), permission);
        start_broker(config);
        start_gateway("live: republish");
        does_all();
        char *refused = await_violation();
        REQUIRE(refused != NULL, "nothing needs \"%s\"", permission);
        REQUIRE(strstr(refused, prefix) != NULL, "without \"%s\": %s", permission, refused);
        free(refused);
        free(prefix);
        free(permission);
        free(config);
        stop();
    }
    REQUIRE(count >= 18, "%u permissions", count);
}
