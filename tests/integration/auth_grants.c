/* auth_grants.c - what a token lets its bearer read and publish, and nothing beyond */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/auth.h"

#include <nats/nats.h>

#include "tests/support/jetstream.h"
#include "tests/support/raw_http.h"

static void setup(void)
{
    auth_start("defaults:\n"
               "  auth: {jwt: {keys: %K}}\n"
               "routes:\n"
               "  - {path: /any, allow: [\">\"]}\n"
               "  - {path: /some, allow: [\"a.>\", \"b.*\"]}\n"
               "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}.>\"]}\n"
               "  - {path: /two, subjects: [\"one.>\", \"two.>\"]}\n"
               "  - {path: /me, subjects: [\"user.{token.sub}.>\"]}\n"
               "  - {path: /mixed, subjects: [\"user.{token.sub}.>\", \"news.>\"]}\n"
               "  - {path: /tenant, subjects: [\"t.{token.https://x.example/tenant}\"]}\n"
               "  - {path: /first, subjects: [\"{token.sub}.x\"]}\n"
               "  - {path: /number, subjects: [\"n.{token.n}\"]}\n"
               "  - {path: /public, subjects: [\"p\"], auth: {public: true}}\n"
               "  - {path: /say, allow: [\"a.>\", \"b.*\"], publish: true}\n"
               "  - {path: \"/say/orders/{id}\", subjects: [\"orders.{id}.new\"], publish: true}\n"
               "  - {path: /say/me, subjects: [\"user.{token.sub}.said\"], publish: true}\n"
               "  - {path: /with, subjects: [\"with\"], publish: true, headers: [X-Tenant, x-trace], "
               "auth: {public: true}}\n");
}

TestSuite(auth_grants, .init = setup, .fini = auth_stop, .timeout = 60);

struct expectation {
    const char *grants, *path;
    int status;
};

static void check(const struct expectation *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *token = auth_token("ann", cases[i].grants, "[\">\"]"), *body;
        int status = auth_status(auth.rig.client, cases[i].path, auth_bearer(token), &body);
        REQUIRE(status == cases[i].status, "%s with %s: %d %s", cases[i].path, cases[i].grants, status, body);
        free(body);
        free(token);
    }
}
#define CHECK_ALL(cases) check(cases, sizeof(cases) / sizeof(cases[0]))

Test(auth_grants, a_pattern_has_to_be_covered)
{
    static const struct expectation cases[] = {
        {"[\"orders.>\"]", "/any?subject=orders.1", 200},
        {"[\"orders.>\"]", "/any?subject=orders.*", 200},
        {"[\"orders.>\"]", "/any?subject=orders.%3e", 200},
        {"[\"orders.>\"]", "/any?subject=orders.*.%3e", 200},
        {"[\"orders.>\"]", "/any?subject=orders", 403},
        {"[\"orders.>\"]", "/any?subject=%3e", 403},
        {"[\"orders.>\"]", "/any?subject=*.%3e", 403},
        {"[\"orders.>\"]", "/any?subject=*.1", 403},
        {"[\"orders.>\"]", "/any?subject=order.1", 403},
        {"[\"orders.>\"]", "/any?subject=ordersx.1", 403},
        {"[\"orders.>\"]", "/any?subject=Orders.1", 403},
        /* almost */
        {"[\"orders.*\"]", "/any?subject=orders.*", 200},
        {"[\"orders.*\"]", "/any?subject=orders.1", 200},
        {"[\"orders.*\"]", "/any?subject=orders.%3e", 403},
        {"[\"orders.*\"]", "/any?subject=orders.1.2", 403},
        {"[\"orders.*\"]", "/any?subject=orders.*.*", 403},
        {"[\"orders.*.a\"]", "/any?subject=orders.*.*", 403},
        {"[\"orders.1\"]", "/any?subject=orders.*", 403},
        {"[\"*.1\"]", "/any?subject=orders.1", 200},
        {"[\"*.1\"]", "/any?subject=*.1", 200},
        {"[\"*.1\"]", "/any?subject=*.*", 403},
        /* two grants that only cover it together are not enough */
        {"[\"a.b\",\"a.c\"]", "/any?subject=a.*", 403},
        {"[\"a.*\",\"a.*.>\"]", "/any?subject=a.%3e", 403},
        {"[\"a.b\",\"a.c\"]", "/any?subject=a.b&subject=a.c", 200},
        {"[\"a.b\",\"a.c\"]", "/any?subject=a.b&subject=a.d", 403},
        {"[\">\"]", "/any?subject=%3e", 200},
        {"[]", "/any?subject=a", 403},
        /* inside the route as well */
        {"[\">\"]", "/some?subject=a.b", 200},
        {"[\">\"]", "/some?subject=c.b", 403},
        {"[\">\"]", "/some?subject=%3e", 403},
        {"[\"c.>\"]", "/some?subject=c.b", 403},
        {"[\"a.x\"]", "/some?subject=a.%3e", 403},
        {"[\"b.>\"]", "/some?subject=b.*", 200},
        {"[\"b.>\"]", "/some?subject=b.%3e", 403},
    };
    CHECK_ALL(cases);
}

Test(auth_grants, what_a_route_carries_has_to_be_covered)
{
    static const struct expectation cases[] = {
        {"[\"orders.42.>\"]", "/orders/42", 200},
        {"[\"orders.42.>\"]", "/orders/43", 403},
        {"[\"orders.42.>\"]", "/orders/4%32", 200},
        {"[\"orders.*.>\"]", "/orders/43", 200},
        {"[\"orders.42\"]", "/orders/42", 403},
        {"[\"orders.42.*\"]", "/orders/42", 403},
        {"[\"orders.>\"]", "/orders/*", 400},
        {"[\"one.>\",\"two.>\"]", "/two", 200},
        {"[\"one.>\"]", "/two", 403},
        {"[\"two.>\"]", "/two", 403},
        {"[]", "/me", 200},
        {"[]", "/mixed", 403},
        {"[\"news.>\"]", "/mixed", 200},
        {"[]", "/public", 200},
    };
    CHECK_ALL(cases);
    REQUIRE(auth_status(auth.rig.client, "/public", NULL, NULL) == 200);
    REQUIRE(auth_status(auth.rig.client, "/me", NULL, NULL) == 401);
}

Test(auth_grants, a_refusal_says_what_for)
{
    char *token = auth_token("ann", "[\"a.>\"]", "[]");
    struct http_stream *response =
        http_request(auth.rig.client, "GET", "/any?subject=b.c", NULL, auth_bearer(token), NULL);

    REQUIRE(is_problem(response, 403, "b.c"));
    REQUIRE_STR(http_header(response, "www-authenticate"), "Bearer error=\"insufficient_scope\"");
    response = http_request(auth.rig.client, "HEAD", "/any?subject=b.c", NULL, auth_bearer(token), NULL);
    REQUIRE(response->status == 403 && response->body_len == 0);
    free(token);
}

/* ---- claims decide ---- */

static int status_of_claims(const char *path, const char *claims, char **body)
{
    char *payload = text_format("{\"exp\":%lld%s}", (long long)time(NULL) + 60, claims);
    char *token = tokens_sign(auth.key, NULL, payload);
    int status = auth_status(auth.rig.client, path, auth_bearer(token), body);

    free(token);
    free(payload);
    return status;
}

Test(auth_grants, claims_name_subjects)
{
    static const struct {
        const char *path, *claims;
        int status;
        const char *name, *value; /* the detail has the one and not the other */
    } cases[] = {
        {"/me", ",\"sub\":\"ann\"", 200, NULL, NULL},
        {"/me", ",\"sub\":\"_ann$\"", 200, NULL, NULL},
        {"/me", ",\"sub\":\"ann.bob\"", 403, "token.sub", "ann.bob"},
        {"/me", ",\"sub\":\"*\"", 403, "token.sub", "*"},
        {"/me", ",\"sub\":\">\"", 403, "token.sub", ">"},
        {"/me", ",\"sub\":\"a*b\"", 403, "token.sub", "a*b"},
        {"/me", ",\"sub\":\"\"", 403, "token.sub", NULL},
        {"/me", ",\"sub\":\"ann bob\"", 403, "token.sub", "ann bob"},
        {"/me", ",\"sub\":\"ann\\nbob\"", 403, "token.sub", "bob"},
        {"/me", "", 403, "token.sub", NULL},
        {"/tenant", ",\"https://x.example/tenant\":\"acme\"", 200, NULL, NULL},
        {"/tenant", ",\"tenant\":\"acme\"", 403, "token.https://x.example/tenant", "acme"},
        {"/first", ",\"sub\":\"ann\"", 200, NULL, NULL},
        {"/first", ",\"sub\":\"$SYS\"", 403, "token.sub", "SYS"},
        {"/first", ",\"sub\":\"_INBOX\"", 403, "token.sub", "INBOX"},
        {"/number", ",\"n\":42", 200, NULL, NULL},
        {"/number", ",\"n\":4.5", 403, "token.n", "4.5"},
        {"/number", ",\"n\":[\"a\"]", 403, "token.n", NULL},
        {"/number", ",\"n\":true", 403, "token.n", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *body;
        int status = status_of_claims(cases[i].path, cases[i].claims, &body);
        const char *detail = status == 403 ? json_field(body, "detail") : "";
        REQUIRE(status == cases[i].status, "%s%s: %d %s", cases[i].path, cases[i].claims, status, body);
        REQUIRE(cases[i].name == NULL || strstr(detail, cases[i].name) != NULL, "%s", detail);
        REQUIRE(cases[i].value == NULL || strstr(detail, cases[i].value) == NULL, "%s", detail);
        free(body);
    }
}

Test(auth_grants, everybody_gets_their_own)
{
    static const char *const names[] = {"ann", "bob"};
    struct http_stream *streams[2];

    for (int i = 0; i < 2; i++) {
        char *token = auth_token(names[i], "[]", "[]");
        streams[i] = http_open_ready(auth.rig.client, "/me", auth_bearer(token), NULL);
        REQUIRE(streams[i] != NULL);
        free(token);
    }
    publish(auth.rig.publisher, "user.ann.x", "for ann");
    publish(auth.rig.publisher, "user.bob.x", "for bob");
    publish(auth.rig.publisher, "user.eve.x", "for eve");
    for (int i = 0; i < 2; i++)
        publish_format(auth.rig.publisher, i == 0 ? "user.ann.x" : "user.bob.x", "end");
    for (int i = 0; i < 2; i++) {
        REQUIRE(http_wait_events(streams[i], 2));
        REQUIRE_STR(http_event(streams[i], 0)->data, i == 0 ? "for ann" : "for bob");
        REQUIRE_STR(http_event(streams[i], 1)->data, "end");
    }
}

/* Whatever is granted and allowed: the server's own subjects are neither asked for nor delivered. */
Test(auth_grants, what_is_the_servers_own_is_nobodys)
{
    static const char *const subjects[] = {"$SYS.%3e", "$JS.API.%3e", "_INBOX.%3e", "$KV.a.b", "_x", "$"};
    char *token = auth_token("ann", "[\">\",\"*.>\"]", "[\">\"]");
    struct http_stream *stream = http_open_ready(auth.rig.client, "/any?subject=%3e", auth_bearer(token), NULL);

    REQUIRE(stream != NULL);
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        char *path = text_format("/any?subject=%s", subjects[i]);
        REQUIRE(auth_status(auth.rig.client, path, auth_bearer(token), NULL) == 400, "%s", path);
        free(path);
    }
    REQUIRE(auth_status(auth.rig.client, "/say?subject=a.b", auth_bearer(token), NULL) == 405);
    publish(auth.rig.publisher, "_INBOX.a.b", "no");
    publish(auth.rig.publisher, "$KV.a.b", "no");
    publish(auth.rig.publisher, "_x", "no");
    publish(auth.rig.publisher, "x", "yes");
    REQUIRE(http_wait_event_named(stream, "message"));
    REQUIRE_STR(http_event(stream, 0)->data, "yes");
    free(token);
}

/* ---- publishing ---- */

static natsSubscription *listen_to(const char *subject)
{
    natsSubscription *subscription = NULL;

    REQUIRE(natsConnection_SubscribeSync(&subscription, publisher_connection(auth.rig.publisher), subject) == NATS_OK);
    publisher_flush(auth.rig.publisher);
    return subscription;
}

static natsMsg *next_message(natsSubscription *subscription)
{
    natsMsg *message = NULL;

    REQUIRE(natsSubscription_NextMsg(&message, subscription, 5000 + scaled_ms(1)) == NATS_OK);
    return message;
}

Test(auth_grants, publishing_is_granted_apart)
{
    static const struct expectation cases[] = {
        {"[\"a.>\"]", "/say?subject=a.b", 202},
        {"[\"a.>\"]", "/say?subject=b.b", 403},
        {"[\"a.*\"]", "/say?subject=a.b.c", 403},
        {"[]", "/say?subject=a.b", 403},
        {"[\">\"]", "/say?subject=c.b", 403},
        {"[\">\"]", "/say?subject=a.*", 400},
        {"[\">\"]", "/say?subject=$SYS.x", 400},
        {"[\"orders.7.>\"]", "/say/orders/7", 202},
        {"[\"orders.7.>\"]", "/say/orders/8", 403},
        {"[\"orders.*.new\"]", "/say/orders/8", 202},
        {"[]", "/say/me", 202},
    };
    natsSubscription *heard = listen_to(">");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *token = auth_token("ann", "[\">\"]", cases[i].grants);
        struct http_stream *response =
            http_request(auth.rig.client, "POST", cases[i].path, "x", auth_bearer(token), NULL);
        REQUIRE(response->status == cases[i].status, "%s with %s: %d %s", cases[i].path, cases[i].grants,
                response->status, response->body);
        free(token);
    }
    static const char *const published[] = {"a.b", "orders.7.new", "orders.8.new", "user.ann.said"};
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        natsMsg *message = next_message(heard);
        REQUIRE_STR(natsMsg_GetSubject(message), published[i]);
        natsMsg_Destroy(message);
    }
    natsSubscription_Destroy(heard);
}

static void require_header(natsMsg *message, const char *name, const char *const *expected, int count)
{
    const char **values = NULL;
    int found = 0;
    natsStatus status = natsMsgHeader_Values(message, name, &values, &found);

    REQUIRE(count == 0 ? status == NATS_NOT_FOUND : status == NATS_OK && found == count, "%s: %d values", name, found);
    for (int i = 0; i < count; i++)
        REQUIRE_STR(values[i], expected[i]);
    free(values);
}

Test(auth_grants, listed_headers_go_along)
{
    natsSubscription *heard = listen_to("with");
    struct http_stream *response =
        http_request(auth.rig.client, "POST", "/with", "x", "x-tenant: acme", "X-Trace: a: b\"; c", "x-trace: größe",
                     "x-other: no", "cookie: no=no", "nats-msg-id: n 1", "nats-rollup: all", NULL);
    natsMsg *message;

    REQUIRE(response->status == 202, "%d %s", response->status, response->body);
    message = next_message(heard);
    require_header(message, "x-tenant", (const char *const[]){"acme"}, 1);
    require_header(message, "x-trace", (const char *const[]){"a: b\"; c", "größe"}, 2);
    require_header(message, "Nats-Msg-Id", (const char *const[]){"n 1"}, 1);
    static const char *const others[] = {"x-other", "cookie", "nats-rollup", "Nats-Rollup", "nats-msg-id", "host"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        require_header(message, others[i], NULL, 0);
    natsMsg_Destroy(message);
    response = http_request(auth.rig.client, "POST", "/with", "bare", NULL);
    REQUIRE(response->status == 202);
    message = next_message(heard);
    require_header(message, "x-tenant", NULL, 0);
    REQUIRE(natsMsg_GetDataLength(message) == 4);
    natsMsg_Destroy(message);
    natsSubscription_Destroy(heard);
}

static int post_raw(const char *headers)
{
    struct raw_http *raw = raw_http_connect(auth.rig.gateway->clear_port);
    char *request = text_format("POST /with HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n%s\r\nx", headers);
    int status = 0;

    raw_http_send(raw, request);
    if (raw_http_wait(raw, "\r\n"))
        sscanf(raw->text, "HTTP/1.1 %d", &status);
    raw_http_destroy(raw);
    free(request);
    return status;
}

Test(auth_grants, no_header_can_be_smuggled_in)
{
    static const char *const bad[] = {
        "x-tenant: a\tb\r\n",  "x-tenant: a\x01 b\r\n", "x-tenant: a\x7f\r\n",
        "x-tenant: a\x0b\r\n", "x-tenant: a\xff\r\n",   "x-tenant: ok\r\nx-tenant: a\x02\r\n",
    };
    natsSubscription *heard = listen_to("with");
    char long_one[5000], many[2000] = "";

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        REQUIRE(post_raw(bad[i]) == 400, "%s", bad[i]);
    /* a bare CR or LF ends the header, or the request, for libh2o's parser: it is never part of one value */
    post_raw("x-tenant: a\nx-trace: b\r\n");
    post_raw("x-tenant: a\rNats-Rollup: all\r\n");
    post_raw("x-tenant: a\r\n Nats-Rollup: all\r\n");
    snprintf(long_one, sizeof(long_one), "x-tenant: %04200d\r\n", 0);
    REQUIRE(post_raw(long_one) == 431);
    for (int i = 0; i < 40; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "x-trace: %d\r\n", i);
    REQUIRE(post_raw(many) == 431);
    REQUIRE(post_raw("x-tenant: last\r\n") == 202);
    for (bool last = false; !last;) {
        natsMsg *message = next_message(heard);
        const char *tenant = NULL;
        require_header(message, "Nats-Rollup", NULL, 0);
        REQUIRE(natsMsgHeader_Get(message, "x-tenant", &tenant) != NATS_OK || strpbrk(tenant, "\r\n") == NULL);
        last = tenant != NULL && strcmp(tenant, "last") == 0;
        natsMsg_Destroy(message);
    }
    natsSubscription_Destroy(heard);
}

/* ---- the same into a stream ---- */

static void no_setup(void)
{
}

TestSuite(auth_grants_stored, .init = no_setup, .fini = auth_stop, .timeout = 60);

Test(auth_grants_stored, headers_go_along_into_a_stream)
{
    auth_start("routes:\n"
               "  - path: /open\n"
               "    subjects: [\"p\"]\n");
    struct jetstream *js = jetstream_connect(nats_fixture_url(auth.rig.nats));
    jetstream_create(js, &(struct jetstream_stream){.name = "S", .subjects = {"s.>"}});
    char *yaml = text_format("routes:\n"
                             "  - path: /store\n"
                             "    allow: [\"s.>\"]\n"
                             "    publish: true\n"
                             "    headers: [x-tenant]\n"
                             "    history: {store: jetstream, stream: S}\n"
                             "    auth: {jwt: {keys: \"%s\"}}\n",
                             auth.key_file);
    gateway_destroy(auth.rig.gateway);
    http_client_destroy(auth.rig.client);
    auth.rig.gateway =
        gateway_start(&(struct gateway_options){.nats_url = nats_fixture_url(auth.rig.nats), .yaml = yaml});
    auth.rig.client = http_client_create(auth.rig.gateway, HTTP_H2);
    natsSubscription *heard = listen_to("s.>");
    char *token = auth_token("ann", "[]", "[\"s.a.*\"]");
    struct http_stream *response =
        http_request(auth.rig.client, "POST", "/store?subject=s.b.c", "x", auth_bearer(token), "x-tenant: no", NULL);

    REQUIRE(is_problem(response, 403, "s.b.c"));
    response = http_request(auth.rig.client, "POST", "/store?subject=s.a.c", "x", auth_bearer(token), "x-tenant: acme",
                            "nats-msg-id: 1", "nats-expected-last-sequence: 77", NULL);
    REQUIRE(response->status == 201, "%d %s", response->status, response->body);
    natsMsg *message = next_message(heard);
    require_header(message, "x-tenant", (const char *const[]){"acme"}, 1);
    require_header(message, "Nats-Msg-Id", (const char *const[]){"1"}, 1);
    natsMsg_Destroy(message);
    natsSubscription_Destroy(heard);
    jetstream_destroy(js);
    free(token);
    free(yaml);
}
