/* durable_publish.c - a POST on a stored subject is answered when the stream has it, and says where */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/durable.h"

#include <stdio.h>

TestSuite(durable_publish, .fini = durable_stop, .timeout = 120);

static struct http_stream *post(const char *subject, const char *text, const char *msg_id)
{
    char *path = text_format("/say?subject=%s", subject);
    char *header = msg_id != NULL ? text_format("nats-msg-id: %s", msg_id) : NULL;
    struct http_stream *response = http_request(durable.client, "POST", path, text, header, NULL);

    free(header);
    free(path);
    return response;
}

/* 201 with that sequence; its id is the one that readers get. */
static void require_stored(const struct http_stream *response, uint64_t sequence, bool duplicate)
{
    char *wanted = text_format("%llu", (unsigned long long)sequence);

    REQUIRE(response->ended && response->result == CURLE_OK && response->status == 201, "%d, %s: %s", response->status,
            curl_easy_strerror(response->result), response->body);
    REQUIRE_STR(http_header(response, "content-type"), "application/json");
    REQUIRE_STR(json_field(response->body, "sequence"), wanted);
    REQUIRE_STR(json_field(response->body, "duplicate"), duplicate ? "true" : "false");
    free(wanted);
    wanted = text_format("%s%llu", durable_incarnation(durable.client), (unsigned long long)sequence);
    REQUIRE_STR(json_field(response->body, "id"), wanted);
    free(wanted);
}

TEST_IN_BOTH_MODES(durable_publish, says_where_it_is_stored)
{
    struct http_stream *reader = durable_open(durable.client, "/all");
    unsigned i;

    for (i = 1; i <= 30; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u", i);
        require_stored(post(i % 2 == 0 ? "orders.1.a" : "orders.2.b", text, NULL), i, false);
    }
    REQUIRE(jetstream_state(durable.js, "ORDERS").last == 30);
    durable_require_all(reader, 1, 30);
    durable.stored = 30;
    durable_publish_seen(reader, 5);
    require_stored(post("orders.1.a", "36", NULL), 36, false);
    durable_require_all(reader, 1, 36);
}

TEST_IN_BOTH_MODES(durable_publish, what_comes_twice_is_stored_once)
{
    struct http_stream *reader = durable_open(durable.client, "/all");

    require_stored(post("orders.1.a", "1", "first"), 1, false);
    require_stored(post("orders.1.a", "1", "first"), 1, true);
    require_stored(post("orders.1.a", "2", "second"), 2, false);
    require_stored(post("orders.1.a", "1", "first"), 1, true);
    require_stored(post("orders.1.a", "3", NULL), 3, false);
    durable_require_all(reader, 1, 3);
}

static void wait_until_stored(uint64_t sequence)
{
    int64_t deadline = deadline_in(20000);
    char *text = text_format("%llu", (unsigned long long)sequence);
    struct http_stream *response;

    /* with an id, since one that was answered with 503 may have been stored all the same */
    while ((response = post("orders.1.a", text, "again"))->status == 503 && now_ms() < deadline)
        http_close(response);
    REQUIRE(response->status == 201, "%d %s", response->status, response->body);
    free(text);
}

TEST_IN_BOTH_MODES(durable_publish, what_is_not_stored_is_503)
{
    struct jetstream_stream again = durable_orders();
    struct http_stream *response;

    require_stored(post("orders.1.a", "1", NULL), 1, false);
    nats_fixture_kill(durable.nats);
    response = post("orders.1.a", "2", "again");
    REQUIRE(is_problem(response, 503, ""), "%s", response->body);
    REQUIRE(http_header(response, "retry-after") != NULL);
    nats_fixture_restart(durable.nats);
    wait_until_stored(2);
    jetstream_delete(durable.js, "ORDERS");
    response = post("orders.1.a", "nowhere", NULL);
    REQUIRE(is_problem(response, 503, "ORDERS"), "%s", response->body);
    jetstream_create(durable.js, &again);
    wait_until_stored(1);
}
