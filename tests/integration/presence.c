/* presence.c - joins and leaves of a route's streams are published on a subject that no client can read */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/auth.h"

#include <jansson.h>
#include <nats/nats.h>
#include <signal.h>

#include "tests/support/scrape.h"
#include "tests/support/tcp_proxy.h"

#define REST                                                                                                           \
    "name: gw-1\n"                                                                                                     \
    "admin: {address: \"127.0.0.1:0\"}\n"                                                                              \
    "routes:\n"                                                                                                        \
    "  - {path: /rooms, subjects: [\"rooms\"], heartbeat: 1s, presence: \"freshet.presence.{route}\"}\n"               \
    "  - {path: \"/room/{id}\", subjects: [\"room.{id}\", \"news\"], heartbeat: 1s, presence: "                        \
    "\"presence.{id}.{route}\"}\n"                                                                                     \
    "  - {path: /me, subjects: [\"me.{token.sub}\"], presence: \"who.is.here\", auth: {jwt: {keys: %K}}}\n"            \
    "  - {path: /any, allow: [\">\"]}\n"                                                                               \
    "  - {path: /say, allow: [\">\"], publish: true}\n"

static natsSubscription *subscription;

/* The totals published on that subject so far, and all of the last message. */
static struct told {
    uint64_t streams, joined, left, messages, named;
    bool complete;
    json_t *json;
} told;

static void subscribe(const char *subject)
{
    natsConnection *connection = publisher_connection(auth.rig.publisher);
    REQUIRE(natsConnection_SubscribeSync(&subscription, connection, subject) == NATS_OK);
    REQUIRE(natsConnection_FlushTimeout(connection, 5000) == NATS_OK);
    told.complete = true;
}

static void start(const char *subject)
{
    auth_start(REST);
    subscribe(subject);
}

static void stop(void)
{
    json_decref(told.json);
    natsSubscription_Destroy(subscription);
    auth_stop();
}

TestSuite(presence, .fini = stop, .timeout = 120);

static json_int_t number(const char *name)
{
    return json_integer_value(json_object_get(told.json, name));
}

static void take(natsMsg *msg)
{
    json_decref(told.json);
    told.json = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
    REQUIRE(told.json != NULL, "%.*s", natsMsg_GetDataLength(msg), natsMsg_GetData(msg));
    told.streams = (uint64_t)number("streams");
    told.joined += (uint64_t)number("joined");
    told.left += (uint64_t)number("left");
    told.named += json_array_size(json_object_get(told.json, "joins"));
    told.complete &= json_is_true(json_object_get(told.json, "complete"));
    ++told.messages;
    natsMsg_Destroy(msg);
}

/* Until so many have come and gone in all. The streams of the client are kept alive meanwhile. */
static void wait_told(uint64_t joined, uint64_t left)
{
    int64_t deadline = deadline_in(30000);
    natsMsg *msg;
    while (told.joined < joined || told.left < left) {
        http_pump(auth.rig.client, 0);
        if (natsSubscription_NextMsg(&msg, subscription, 20) == NATS_OK)
            take(msg);
        REQUIRE(now_ms() < deadline, "%lu and %lu of %lu and %lu", (unsigned long)told.joined, (unsigned long)told.left,
                (unsigned long)joined, (unsigned long)left);
    }
    REQUIRE(told.joined == joined && told.left == left);
}

static const char *text(const char *list, const char *name)
{
    const json_t *item = json_array_get(json_object_get(told.json, list), 0);
    const char *value = json_string_value(json_object_get(item, name));
    return value != NULL ? value : "(nothing)";
}

/* ---- one stream ---- */

static void check_join_and_leave(enum http_mode mode)
{
    struct http_client *visitor;

    start("freshet.presence.rooms");
    visitor = http_client_create(auth.rig.gateway, mode);
    REQUIRE(http_open_ready(visitor, "/rooms", NULL) != NULL);
    wait_told(1, 0);
    REQUIRE_STR(json_string_value(json_object_get(told.json, "gateway")), "gw-1");
    REQUIRE_STR(json_string_value(json_object_get(told.json, "route")), "/rooms");
    REQUIRE(told.streams == 1 && told.complete && told.messages == 1);
    const json_t *join = json_array_get(json_object_get(told.json, "joins"), 0);
    json_int_t stream = json_integer_value(json_object_get(join, "stream"));
    REQUIRE(stream > 0 && json_is_null(json_object_get(join, "sub")));
    REQUIRE(strlen(text("joins", "time")) == 24);
    const char *subject = json_string_value(json_array_get(json_object_get(join, "subjects"), 0));
    REQUIRE_STR(subject, "rooms");
    http_client_destroy(visitor);
    wait_told(1, 1);
    REQUIRE(told.streams == 0);
    const json_t *leave = json_array_get(json_object_get(told.json, "leaves"), 0);
    REQUIRE(json_integer_value(json_object_get(leave, "stream")) == stream);
    REQUIRE_STR(text("leaves", "reason"), "client");
    REQUIRE(json_is_real(json_object_get(leave, "seconds")));
    int64_t deadline = deadline_in(10000); /* it counts once the broker has confirmed what we have already */
    while (scrape(auth.rig.gateway, "freshet_presence_published_total") != 2)
        REQUIRE(now_ms() < deadline);
    REQUIRE(scrape(auth.rig.gateway, "freshet_presence_lost_total") == 0);
}

Test(presence, join_and_leave_over_http2)
{
    check_join_and_leave(HTTP_H2);
}

Test(presence, join_and_leave_over_http1)
{
    check_join_and_leave(HTTP_H1);
}

Test(presence, the_path_is_part_of_the_subject)
{
    start("presence.*.room_id");
    REQUIRE(http_open_ready(auth.rig.client, "/room/7", NULL) != NULL);
    wait_told(1, 0);
    REQUIRE_STR(json_string_value(json_object_get(told.json, "route")), "/room/{id}");
    const json_t *join = json_array_get(json_object_get(told.json, "joins"), 0);
    REQUIRE(json_array_size(json_object_get(join, "subjects")) == 2);
    REQUIRE(http_open_ready(auth.rig.client, "/room/8", NULL) != NULL);
    wait_told(2, 0);
    REQUIRE(told.streams == 1, "of room 8");
    REQUIRE(http_open_ready(auth.rig.client, "/room/7", NULL) != NULL);
    wait_told(3, 0);
    REQUIRE(told.streams == 2, "of room 7");
    REQUIRE(http_request(auth.rig.client, "GET", "/room/a%2eb", NULL, NULL)->status == 400);
}

Test(presence, who_it_is_by_name_and_never_by_token)
{
    start("who.is.here");
    char *token = auth_token("ann", "[]", "[]");
    struct http_stream *stream = http_open(auth.rig.client, "/me", auth_bearer(token), NULL);
    REQUIRE(http_wait_first_block(stream) && stream->status == 200, "%s", stream->body);
    wait_told(1, 0);
    REQUIRE_STR(text("joins", "sub"), "ann");
    char *dumped = json_dumps(told.json, 0);
    REQUIRE(strstr(dumped, token) == NULL);
    free(dumped);
    REQUIRE(auth_status(auth.rig.client, "/me", "authorization: Bearer nonsense", NULL) == 401);
    publish(auth.rig.publisher, "freshet.control.revoke", "{\"sub\":\"ann\"}");
    wait_told(1, 1);
    REQUIRE_STR(text("leaves", "sub"), "ann");
    REQUIRE_STR(text("leaves", "reason"), "revoked");
    free(token);
}

/* ---- it is for no client ---- */

Test(presence, no_stream_carries_it_and_no_client_says_it)
{
    start("presence.>");
    struct http_stream *all = http_open_ready(auth.rig.client, "/any?subject=%3e", NULL),
                       *exact = http_open_ready(auth.rig.client, "/any?subject=presence.7.room_id", NULL);
    REQUIRE(all != NULL && exact != NULL);
    REQUIRE(http_open_ready(auth.rig.client, "/room/7", NULL) != NULL);
    wait_told(1, 0);
    REQUIRE(http_request(auth.rig.client, "POST", "/say?subject=presence.7.room_id", "lies", NULL)->status == 403);
    REQUIRE(http_request(auth.rig.client, "POST", "/say?subject=presence.7.other", "allowed", NULL)->status == 202);
    REQUIRE(http_wait_events(all, 1));
    REQUIRE_STR(http_event(all, 0)->data, "allowed");
    http_pump_for(auth.rig.client, 100);
    REQUIRE(all->log.count == 1 && exact->log.count == 0);
}

/* ---- many ---- */

Test(presence, five_thousand_are_a_few_messages)
{
    enum { STREAMS = 5000, EACH = 100 };
    struct http_client *clients[STREAMS / EACH];
    static struct http_stream *streams[STREAMS];

    start("freshet.presence.rooms");
    int64_t began = now_ms();
    for (size_t i = 0; i != STREAMS / EACH; i++) {
        clients[i] = http_client_create(auth.rig.gateway, HTTP_H2);
        for (size_t j = 0; j != EACH; j++)
            streams[i * EACH + j] = http_open(clients[i], "/rooms", NULL);
        http_pump(clients[i], 0);
    }
    for (size_t i = 0; i != STREAMS; i++)
        REQUIRE(http_wait_first_block(streams[i]), "%zu", i);
    wait_told(STREAMS, 0);
    REQUIRE(told.streams == STREAMS);
    REQUIRE(!told.complete || told.named == STREAMS);
    REQUIRE(told.messages <= (uint64_t)(now_ms() - began) / 100 + 20, "%lu messages", (unsigned long)told.messages);
    cr_log_info("%lu messages in %ld ms, %lu named", (unsigned long)told.messages, (long)(now_ms() - began),
                (unsigned long)told.named);
    for (size_t i = 0; i != STREAMS / EACH; i++)
        http_client_destroy(clients[i]);
    wait_told(STREAMS, STREAMS);
    REQUIRE(told.streams == 0);
    REQUIRE(scrape(auth.rig.gateway, "freshet_presence_lost_total") == 0);
}

/* ---- what isn't at its best ---- */

/* Only the gateway is cut off: what comes before a subscriber is back after an outage is not for it. */
Test(presence, an_outage_of_the_broker_is_caught_up_with)
{
    auth.rig.nats = nats_fixture_start(NULL);
    auth.rig.publisher = publisher_connect(nats_fixture_url(auth.rig.nats));
    subscribe("freshet.presence.rooms");
    struct tcp_proxy *proxy = tcp_proxy_start(nats_fixture_port(auth.rig.nats));
    auth.rig.gateway = gateway_start(&(struct gateway_options){
        .nats_url = rig_note("nats://127.0.0.1:%d", tcp_proxy_port(proxy)),
        .yaml = "routes: [{path: /rooms, subjects: [\"rooms\"], presence: \"freshet.presence.{route}\"}]\n",
    });
    auth.rig.client = http_client_create(auth.rig.gateway, HTTP_H2);
    REQUIRE(http_open_ready(auth.rig.client, "/rooms", NULL) != NULL);
    wait_told(1, 0);
    tcp_proxy_cut(proxy);
    REQUIRE(gateway_wait_log(auth.rig.gateway, "nats-disconnected", 10000));
    struct http_client *visitor = http_client_create(auth.rig.gateway, HTTP_H2);
    http_open(visitor, "/rooms", NULL);
    REQUIRE(http_open_ready(visitor, "/rooms", NULL) != NULL);
    http_client_destroy(visitor);
    tcp_proxy_heal(proxy);
    wait_told(3, 2);
    REQUIRE(told.streams == 1);
    tcp_proxy_stop(proxy);
}

Test(presence, a_shutdown_tells_that_all_have_gone)
{
    start("freshet.presence.rooms");
    for (int i = 0; i != 3; i++)
        REQUIRE(http_open_ready(auth.rig.client, "/rooms", NULL) != NULL);
    wait_told(3, 0);
    kill(auth.rig.gateway->pid, SIGTERM);
    wait_told(3, 3);
    REQUIRE_STR(text("leaves", "reason"), "drain");
    REQUIRE(told.streams == 0);
    REQUIRE(gateway_wait_exit(auth.rig.gateway) == 0);
}

Test(presence, what_the_broker_forbids_is_counted_and_said)
{
    auth.rig.nats = nats_fixture_start("authorization { users = [ {user: gw, password: gw, permissions: {"
                                       "publish: {deny: [\"freshet.presence.>\"]}}}, {user: a, password: a} ] }\n");
    auth.rig.gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(auth.rig.nats),
        .nats = "  user: gw\n  password: gw\n",
        .yaml = "admin: {address: \"127.0.0.1:0\"}\n"
                "routes: [{path: /rooms, subjects: [\"rooms\"], presence: \"freshet.presence.{route}\"}]\n",
    });
    auth.rig.client = http_client_create(auth.rig.gateway, HTTP_H2);
    REQUIRE(http_open_ready(auth.rig.client, "/rooms", NULL) != NULL);
    REQUIRE(gateway_wait_log(auth.rig.gateway, "presence-lost subject=freshet.presence.rooms changes=1", 10000));
    REQUIRE(scrape(auth.rig.gateway, "freshet_presence_lost_total") == 1);
}
