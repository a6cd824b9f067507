/* publish_stored.c - a POST on a route with a JetStream history is answered when the stream has the message */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/jetstream.h"
#include "tests/support/json_text.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

static const char yaml[] = "defaults: {history: {store: jetstream, stream: ORDERS}}\n"
                           "routes:\n"
                           "  - {path: /orders, subjects: [\"orders.>\"]}\n"
                           "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}\"], publish: true,\n"
                           "     cors: {origins: [\"https://app.example\"]}}\n"
                           "  - {path: /say, allow: [\"orders.>\"], publish: true}\n"
                           "  - {path: /core, subjects: [\"core.a\"], publish: true, history: {store: memory}}\n"
                           "  - {path: /core/events, subjects: [\"core.a\"], history: {store: memory}}\n";

static struct rig rig;
static struct jetstream *js;
static struct http_client *client;

static void start(const char *broker, const char *login, const char *url_login)
{
    char *url;

    rig.nats = nats_fixture_start(broker);
    REQUIRE(rig.nats != NULL);
    url = text_format("nats://%s127.0.0.1:%d", url_login, nats_fixture_port(rig.nats));
    js = jetstream_connect(url);
    jetstream_create(js, &(struct jetstream_stream){.name = "ORDERS", .subjects = {"orders.>"}});
    rig.gateway =
        gateway_start(&(struct gateway_options){.nats_url = nats_fixture_url(rig.nats), .nats = login, .yaml = yaml});
    client = http_client_create(rig.gateway, HTTP_H2);
    free(url);
}

/* Skips what was never started. */
static void teardown(void)
{
    http_client_destroy(client);
    gateway_destroy(rig.gateway);
    jetstream_destroy(js);
    nats_fixture_stop(rig.nats);
    rig = (struct rig){0};
}

TestSuite(publish_stored, .fini = teardown, .timeout = 120);

static void require_stored(const struct http_stream *response, const char *sequence, const char *duplicate)
{
    const char *id;

    REQUIRE(response->ended && response->result == CURLE_OK && response->status == 201, "%d, %s: %s", response->status,
            curl_easy_strerror(response->result), response->body);
    REQUIRE_STR(http_header(response, "content-type"), "application/json");
    REQUIRE_STR(json_field(response->body, "sequence"), sequence);
    REQUIRE_STR(json_field(response->body, "duplicate"), duplicate);
    id = json_field(response->body, "id");
    REQUIRE(id != NULL && strchr(id, '-') != NULL, "%s", response->body);
    REQUIRE_STR(strchr(id, '-') + 1, sequence);
}

static void require_refused(const struct http_stream *response)
{
    REQUIRE(is_problem(response, 503, "ORDERS"));
    REQUIRE_STR(http_header(response, "retry-after"), "1");
}

/* Posts until it is stored: what was refused meanwhile has to be refused in the right way. */
static struct http_stream *post_until_stored(const char *path, const char *text)
{
    int64_t deadline = deadline_in(30000);

    for (;;) {
        struct http_stream *response = http_request(client, "POST", path, text, NULL);

        if (response->status == 201 || now_ms() > deadline)
            return response;
        require_refused(response);
        http_close(response);
        http_pump_for(client, 20);
    }
}

struct last_message {
    uint64_t sequence, count;
    char *text;
};

static void on_message(void *arg, uint64_t sequence, const char *subject, const char *data, size_t len)
{
    struct last_message *last = arg;

    free(last->text);
    *last = (struct last_message){sequence, last->count + 1, text_format("%s: %.*s", subject, (int)len, data)};
}

/* The stream's last message and how many there are, read by another client. */
static void require_last(uint64_t sequence, uint64_t count, const char *text)
{
    struct last_message last = {.count = 0};

    jetstream_read(js, "ORDERS", on_message, &last);
    REQUIRE(last.sequence == sequence && last.count == count, "%llu of %llu", (unsigned long long)last.sequence,
            (unsigned long long)last.count);
    REQUIRE_STR(last.text, text);
    free(last.text);
}

Test(publish_stored, the_answer_is_the_id_of_the_event)
{
    struct http_stream *stream;
    size_t events = 0;

    start(NULL, NULL, "");
    stream = http_open_ready(client, "/orders", NULL);
    REQUIRE(stream != NULL);
    for (enum http_mode mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *poster = http_client_create(rig.gateway, mode);
        char *text = text_format("by %s", http_mode_names[mode]), *stored = text_format("orders.7: %s", text);
        char *sequence = text_format("%d", 2 * (int)mode + 1), *next = text_format("%d", 2 * (int)mode + 2);
        struct http_stream *response = http_request(poster, "POST", "/orders/7", text, NULL);

        require_stored(response, sequence, "false");
        require_last(2 * (uint64_t)mode + 1, 2 * (uint64_t)mode + 1, stored);
        REQUIRE(http_wait_events(stream, ++events));
        REQUIRE_STR(http_event(stream, events - 1)->data, text);
        REQUIRE_STR(http_event(stream, events - 1)->id, json_field(response->body, "id"));
        require_stored(http_request(poster, "POST", "/say?subject=orders.a.b", "", NULL), next, "false");
        REQUIRE(http_wait_events(stream, ++events));
        free(text);
        free(stored);
        free(sequence);
        free(next);
        http_client_destroy(poster);
    }
}

/* A client resumes after the event that it has posted. */
Test(publish_stored, the_id_is_a_cursor)
{
    struct http_stream *response, *stream;
    char *header;

    start(NULL, NULL, "");
    require_stored(http_request(client, "POST", "/orders/1", "one", NULL), "1", "false");
    response = http_request(client, "POST", "/orders/2", "two", NULL);
    require_stored(response, "2", "false");
    require_stored(http_request(client, "POST", "/orders/3", "three", NULL), "3", "false");
    header = text_format("last-event-id: %s", json_field(response->body, "id"));
    stream = http_open_ready(client, "/orders?follow=false", header, NULL);
    REQUIRE(stream != NULL && http_wait_end(stream) && stream->log.count == 1);
    REQUIRE_STR(http_event(stream, 0)->data, "three");
    free(header);
}

Test(publish_stored, a_message_with_a_name_is_stored_once)
{
    struct http_stream *first, *again;
    char *id;

    start(NULL, NULL, "");
    first = http_request(client, "POST", "/orders/1", "one", "nats-msg-id: order 1", NULL);
    require_stored(first, "1", "false");
    id = text_format("%s", json_field(first->body, "id"));
    for (int i = 0; i < 3; i++) {
        again = http_request(client, "POST", "/orders/1", "one, again", "Nats-Msg-Id: order 1", NULL);
        require_stored(again, "1", "true");
        REQUIRE_STR(json_field(again->body, "id"), id);
    }
    require_last(1, 1, "orders.1: one");
    require_stored(http_request(client, "POST", "/orders/1", "two", "nats-msg-id: order 2", NULL), "2", "false");
    /* no name, no memory of it */
    require_stored(http_request(client, "POST", "/orders/1", "three", NULL), "3", "false");
    require_stored(http_request(client, "POST", "/orders/1", "three", NULL), "4", "false");
    free(id);
}

Test(publish_stored, names_have_a_length_and_are_ascii)
{
    static const char *const bad[] = {"", "a\tb", "a\x7f", "\xc3\xa4", "\x01", "one\r\nnats-msg-id: two"};
    char *most = calloc(1, 258), *header;

    start(NULL, NULL, "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct raw_http *raw = raw_http_connect(rig.gateway->clear_port);
        char *request =
            text_format("POST /orders/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\nnats-msg-id: %s\r\n\r\nx", bad[i]);
        raw_http_send(raw, request);
        REQUIRE(raw_http_wait_close(raw), "%s", request);
        REQUIRE(strncmp(raw->text, "HTTP/1.1 400 ", 13) == 0, "%s: %s", request, raw->text);
        raw_http_destroy(raw);
        free(request);
    }
    memset(most, 'm', 256);
    header = text_format("nats-msg-id: %s", most);
    require_stored(http_request(client, "POST", "/orders/1", "x", header, NULL), "1", "false");
    require_stored(http_request(client, "POST", "/orders/1", "x", header, NULL), "1", "true");
    free(header);
    most[256] = 'm';
    header = text_format("nats-msg-id: %s", most);
    REQUIRE(is_problem(http_request(client, "POST", "/orders/1", "x", header, NULL), 400, "Nats-Msg-Id"));
    free(header);
    free(most);
    require_last(1, 1, "orders.1: x");
}

/* Without a store a repetition can't be recognised: the header means nothing there. */
Test(publish_stored, core_nats_accepts_as_ever)
{
    struct http_stream *stream;

    start(NULL, NULL, "");
    stream = http_open_ready(client, "/core/events", NULL);
    REQUIRE(stream != NULL);
    for (size_t i = 1; i <= 2; i++) {
        struct http_stream *response = http_request(client, "POST", "/core", "x", "nats-msg-id: same", NULL);
        REQUIRE(response->status == 202, "%d", response->status);
        REQUIRE_STR(response->body, "{}");
        REQUIRE(http_wait_events(stream, i));
    }
}

Test(publish_stored, pages_may_send_the_header)
{
    struct http_stream *response;

    start(NULL, NULL, "");
    response = http_request(client, "OPTIONS", "/orders/1", NULL, "origin: https://app.example",
                            "access-control-request-method: POST", "access-control-request-headers: nats-msg-id", NULL);
    REQUIRE(response->status == 204, "%d", response->status);
    REQUIRE(strstr(http_header(response, "access-control-allow-headers"), "nats-msg-id") != NULL, "%s",
            http_header(response, "access-control-allow-headers"));
    response = http_request(client, "POST", "/orders/1", "x", "origin: https://app.example", NULL);
    require_stored(response, "1", "false");
    REQUIRE_STR(http_header(response, "access-control-allow-origin"), "https://app.example");
}

Test(publish_stored, while_the_broker_is_away_503_says_when_to_come_back)
{
    struct http_stream *response;

    start(NULL, NULL, "");
    require_stored(http_request(client, "POST", "/orders/1", "before", NULL), "1", "false");
    nats_fixture_kill(rig.nats);
    for (int i = 0; i < 3; i++)
        require_refused(http_request(client, "POST", "/orders/1", "lost", NULL));
    nats_fixture_restart(rig.nats);
    response = post_until_stored("/orders/1", "after");
    require_stored(response, "2", "false");
    require_last(2, 2, "orders.1: after");
}

/* The broker takes the bytes and says nothing: the client is told so, and the message's name makes a retry safe. */
Test(publish_stored, a_broker_that_does_not_answer_is_503)
{
    struct http_stream *response;
    int64_t deadline;

    start(NULL, NULL, "");
    nats_fixture_pause(rig.nats);
    require_refused(http_request(client, "POST", "/orders/1", "x", "nats-msg-id: x", NULL));
    nats_fixture_resume(rig.nats);
    deadline = deadline_in(30000);
    do {
        response = http_request(client, "POST", "/orders/1", "x", "nats-msg-id: x", NULL);
    } while (response->status == 503 && now_ms() < deadline);
    REQUIRE(response->status == 201, "%d %s", response->status, response->body);
    require_last(1, 1, "orders.1: x");
}

/* The broker takes the message all the same, but no stream stores it, and that isn't success. */
Test(publish_stored, without_the_stream_nothing_is_stored)
{
    struct http_stream *before, *after;

    start(NULL, NULL, "");
    before = http_request(client, "POST", "/orders/1", "x", NULL);
    require_stored(before, "1", "false");
    jetstream_delete(js, "ORDERS");
    require_refused(http_request(client, "POST", "/orders/1", "x", NULL));
    REQUIRE(gateway_wait_log(rig.gateway, "stream-missing", 10000));
    require_refused(http_request(client, "POST", "/orders/1", "x", NULL));
    jetstream_create(js, &(struct jetstream_stream){.name = "ORDERS", .subjects = {"orders.>"}});
    after = post_until_stored("/orders/1", "y");
    require_stored(after, "1", "false");
    REQUIRE(strcmp(json_field(before->body, "id"), json_field(after->body, "id")) != 0, "another stream, the same %s",
            json_field(after->body, "id"));
}

Test(publish_stored, what_the_broker_denies_is_403)
{
    start("authorization {users = [\n"
          "  {user: gateway, password: secret, permissions: {publish: {deny: [\"orders.secret\"]}}}\n"
          "  {user: backend, password: secret}]}\n",
          "  user: gateway\n  password: secret\n", "backend:secret@");
    for (int i = 0; i < 3; i++)
        REQUIRE(is_problem(http_request(client, "POST", "/orders/secret", "x", NULL), 403, "broker"));
    require_stored(http_request(client, "POST", "/orders/1", "x", NULL), "1", "false");
}

Test(publish_stored, what_is_too_long_is_413)
{
    char *text = calloc(1, 2002);

    memset(text, 'x', 2001);
    start("max_payload: 2000\n", NULL, "");
    REQUIRE(is_problem(http_request(client, "POST", "/orders/1", text, NULL), 413, "2001"));
    text[1500] = '\0'; /* there are headers, too */
    require_stored(http_request(client, "POST", "/orders/1", text, NULL), "1", "false");
    free(text);
}

/* Many at once, each with a place of its own. */
Test(publish_stored, each_has_its_own_sequence)
{
    struct raw_http *posts[64];
    bool seen[65] = {false};

    start(NULL, NULL, "");
    for (int i = 0; i < 64; i++) {
        posts[i] = raw_http_connect(rig.gateway->clear_port);
        raw_http_send(posts[i], "POST /orders/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx");
    }
    for (int i = 0; i < 64; i++) {
        const char *body;
        unsigned long sequence;

        REQUIRE(raw_http_wait(posts[i], "}"), "%s", posts[i]->text);
        body = strstr(posts[i]->text, "\r\n\r\n{");
        REQUIRE(strncmp(posts[i]->text, "HTTP/1.1 201 Created\r\n", 22) == 0 && body != NULL, "%s", posts[i]->text);
        sequence = strtoul(json_field(body + 4, "sequence"), NULL, 10);
        REQUIRE(sequence >= 1 && sequence <= 64 && !seen[sequence], "%lu: %s", sequence, body);
        seen[sequence] = true;
        raw_http_destroy(posts[i]);
    }
}
