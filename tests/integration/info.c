/* info.c - asked over NATS, one gateway or all of them report their streams and channels */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <jansson.h>
#include <nats/nats.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/publisher.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"

#define ROUTES                                                                                                         \
    "admin: {address: \"127.0.0.1:0\"}\n"                                                                              \
    "routes:\n"                                                                                                        \
    "  - {path: \"/i/{id}\", subjects: [\"i.{id}\"]}\n"                                                                \
    "  - {path: /any, allow: [\">\"]}\n"                                                                               \
    "  - {path: /say, allow: [\">\"], publish: true}\n"

static struct nats_fixture *nats;
static struct publisher *asker;
static struct gateway *one, *two;
static struct http_client *client;

static struct gateway *start_gateway(const char *yaml)
{
    char *whole = text_format("%s" ROUTES, yaml);
    struct gateway *gateway =
        gateway_start(&(struct gateway_options){.nats_url = nats_fixture_url(nats), .yaml = whole, .workers = 2});
    free(whole);
    return gateway;
}

static void setup(void)
{
    nats = nats_fixture_start(NULL);
    asker = publisher_connect(nats_fixture_url(nats));
    one = start_gateway("name: gw-1\ninfo: true\n");
    client = http_client_create(one, HTTP_H2);
}

static void teardown(void)
{
    http_client_destroy(client);
    gateway_destroy(one);
    gateway_destroy(two);
    publisher_destroy(asker);
    nats_fixture_stop(nats);
}

TestSuite(info, .init = setup, .fini = teardown, .timeout = 90);

/* The answer as JSON; NULL: there is none. */
static json_t *ask(const char *subject, const char *question, int64_t ms)
{
    natsMsg *reply = NULL;
    json_t *json = NULL;
    natsStatus status = natsConnection_RequestString(&reply, publisher_connection(asker), subject, question, ms);
    if (status == NATS_OK && !natsMsg_IsNoResponders(reply)) {
        json = json_loadb(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply), 0, NULL);
        REQUIRE(json != NULL, "%.*s", natsMsg_GetDataLength(reply), natsMsg_GetData(reply));
    }
    natsMsg_Destroy(reply);
    return json;
}

static json_t *must_ask(const char *subject, const char *question)
{
    json_t *json = ask(subject, question, scaled_ms(10000));
    REQUIRE(json != NULL, "%s", subject);
    return json;
}

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL ? text : "";
}

static json_int_t number_of(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

Test(info, one_answers_by_name_what_its_streams_say)
{
    for (int i = 0; i != 3; i++)
        REQUIRE(http_open_ready(client, i == 0 ? "/i/a" : "/i/b", NULL) != NULL);
    json_t *json = must_ask("freshet.gw-1.info", "");
    REQUIRE_STR(text_of(json, "gateway"), "gw-1");
    REQUIRE(number_of(json, "streams") == 3 && number_of(json, "channels_total") == 2);
    REQUIRE(json_is_true(json_object_get(json, "complete")));
    const json_t *first = json_array_get(json_object_get(json, "channels"), 0);
    REQUIRE_STR(text_of(first, "pattern"), "i.b");
    REQUIRE(number_of(first, "streams") == 2);
    json_decref(json);
    REQUIRE(ask("freshet.gw-2.info", "", 200) == NULL, "no gateway has that name");
}

Test(info, all_answer_at_once)
{
    natsSubscription *subscription;
    natsConnection *connection = publisher_connection(asker);
    bool heard_one = false, heard_made_up = false;
    two = start_gateway("info: true\n");
    struct gateway *silent = start_gateway("name: gw-3\n");
    REQUIRE(natsConnection_SubscribeSync(&subscription, connection, "answers") == NATS_OK);
    REQUIRE(natsConnection_PublishRequestString(connection, "freshet.info", "answers", "") == NATS_OK);
    for (int i = 0; i != 2; i++) {
        natsMsg *msg;
        REQUIRE(natsSubscription_NextMsg(&msg, subscription, scaled_ms(10000)) == NATS_OK);
        json_t *json = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), 0, NULL);
        const char *name = text_of(json, "gateway");
        heard_one |= strcmp(name, "gw-1") == 0;
        if (strcmp(name, "gw-1") != 0) {
            char *subject = text_format("freshet.%s.info", name);
            json_t *own = must_ask(subject, "");
            heard_made_up = strcmp(text_of(own, "gateway"), name) == 0;
            json_decref(own);
            free(subject);
        }
        json_decref(json);
        natsMsg_Destroy(msg);
    }
    REQUIRE(heard_one && heard_made_up);
    natsMsg *more;
    REQUIRE(natsSubscription_NextMsg(&more, subscription, 200) == NATS_TIMEOUT, "the third was not asked to answer");
    natsSubscription_Destroy(subscription);
    gateway_destroy(silent);
}

Test(info, limit_and_filter)
{
    for (int i = 0; i != 20; i++) {
        char *path = text_format("/i/%d", i);
        REQUIRE(http_open_ready(client, path, NULL) != NULL);
        free(path);
    }
    json_t *json = must_ask("freshet.info", "{\"limit\": 3}");
    REQUIRE(json_array_size(json_object_get(json, "channels")) == 3 && number_of(json, "channels_total") == 20);
    json_decref(json);
    json = must_ask("freshet.info", "{\"filter\": \"i.1\"}");
    REQUIRE(json_array_size(json_object_get(json, "channels")) == 11);
    json_decref(json);
    static const struct {
        const char *question, *error;
    } bad[] = {
        {"nonsense", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{\"limit\": 100000}", "0 to 1000"},
        {"{\"limit\": \"3\"}", "0 to 1000"},
        {"{\"filter\": 7}", "filter is not a string"},
        {"{\"filter\": \"a.>.b\"}", "not a subject pattern"},
    };
    for (size_t i = 0; i != sizeof(bad) / sizeof(bad[0]); i++) {
        json = must_ask("freshet.gw-1.info", bad[i].question);
        REQUIRE_STR(text_of(json, "gateway"), "gw-1");
        REQUIRE(strstr(text_of(json, "error"), bad[i].error) != NULL, "%s: %s", bad[i].question,
                text_of(json, "error"));
        json_decref(json);
    }
}

/* A client that may ask must not make the gateway publish where the client itself may not. */
Test(info, answers_go_where_answers_go)
{
    static const char *const elsewhere[] = {"freshet.control.revoke", "$JS.API.STREAM.LIST"};
    natsConnection *connection = publisher_connection(asker);
    natsSubscription *heard;
    natsMsg *msg;
    REQUIRE(natsConnection_SubscribeSync(&heard, connection, "freshet.control.>") == NATS_OK);
    for (size_t i = 0; i != 2; i++)
        REQUIRE(natsConnection_PublishRequestString(connection, "freshet.info", elsewhere[i], "") == NATS_OK);
    publish(asker, "freshet.info", "without a reply");
    REQUIRE(scrape_wait_rejected(one, "info", 2));
    REQUIRE(gateway_wait_log(one, "info-refused reason=\"the reply subject is reserved\"", 5000));
    REQUIRE(natsSubscription_NextMsg(&msg, heard, 100) == NATS_TIMEOUT);
    natsSubscription_Destroy(heard);
    json_decref(must_ask("freshet.info", ""));
    REQUIRE(scrape_rejected(one, "info") == 2);
}

/* A storm of questions is answered in part, and streams aren't disturbed. */
Test(info, a_storm_costs_little)
{
    enum { QUESTIONS = 5000 };
    natsConnection *connection = publisher_connection(asker);
    natsSubscription *answers;
    uint64_t answered = 0;
    natsMsg *msg;
    int64_t deadline = deadline_in(20000);
    struct http_stream *stream = http_open_ready(client, "/i/a", NULL);
    REQUIRE(stream != NULL);
    REQUIRE(natsConnection_SubscribeSync(&answers, connection, "storm") == NATS_OK);
    for (int i = 0; i != QUESTIONS; i++)
        REQUIRE(natsConnection_PublishRequestString(connection, "freshet.info", "storm", "") == NATS_OK);
    publish(asker, "i.a", "still served");
    REQUIRE(http_wait_events(stream, 1));
    while (answered + scrape_rejected(one, "info") < QUESTIONS) {
        while (natsSubscription_NextMsg(&msg, answers, 20) == NATS_OK) {
            natsMsg_Destroy(msg);
            ++answered;
        }
        REQUIRE(now_ms() < deadline, "%lu answered", (unsigned long)answered);
    }
    REQUIRE(answered >= 1);
    natsSubscription_Destroy(answers);
    json_decref(must_ask("freshet.info", ""));
}

Test(info, it_is_asked_again_after_an_outage)
{
    nats_fixture_kill(nats);
    REQUIRE(gateway_wait_log(one, "nats-disconnected", 10000));
    nats_fixture_restart(nats);
    int64_t deadline = deadline_in(20000);
    json_t *json = NULL;
    while (json == NULL) {
        json = ask("freshet.gw-1.info", "", 200);
        REQUIRE(now_ms() < deadline);
    }
    json_decref(json);
    REQUIRE(gateway_stop(one) == 0);
}

/* Clients reach none of it. */
Test(info, a_client_gets_no_answer)
{
    struct http_stream *all = http_open_ready(client, "/any?subject=%3e", NULL);
    REQUIRE(all != NULL);
    REQUIRE(http_request(client, "POST", "/say?subject=freshet.info", "{}", NULL)->status == 202);
    REQUIRE(http_wait_events(all, 1));
    http_pump_for(client, 100);
    REQUIRE(all->log.count == 1, "only the question");
    REQUIRE(scrape_rejected(one, "info") == 0);
}
