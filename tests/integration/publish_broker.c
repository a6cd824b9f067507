/* publish_broker.c - how a POST is answered when the broker is small, strict, away or silent */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/publish.h"

static void start_with_broker(const char *config, const char *login)
{
    publish_rig.rig.nats = nats_fixture_start(config);
    REQUIRE(publish_rig.rig.nats != NULL);
    publish_rig.rig.gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(publish_rig.rig.nats), .nats = login, .yaml = publish_yaml});
}

TestSuite(publish_broker, .fini = publish_stop, .timeout = 120);

Test(publish_broker, its_own_limit_counts)
{
    struct http_client *client;
    char *most = publish_letters(1000), *more = publish_letters(1001);

    start_with_broker("max_payload: 1000\n", NULL);
    publish_listen(nats_fixture_url(publish_rig.rig.nats));
    client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    REQUIRE(is_problem(http_request(client, "POST", "/orders/1", more, NULL), 413, "1001"));
    publish_require_accepted(http_request(client, "POST", "/orders/1", most, NULL));
    publish_require_heard("orders.1.note", most, 1000);
    http_client_destroy(client);
    free(most);
    free(more);
}

Test(publish_broker, what_it_denies_is_403)
{
    struct http_client *client;

    start_with_broker("authorization {users = [\n"
                      "  {user: gateway, password: secret, permissions: {publish: [\"chat.>\", \"_INBOX.>\"]}}\n"
                      "  {user: backend, password: secret}]}\n",
                      "  user: gateway\n  password: secret\n");
    client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    for (int i = 0; i < 3; i++) {
        REQUIRE(is_problem(http_request(client, "POST", "/orders/1", "x", NULL), 403, "broker"));
        publish_require_accepted(http_request(client, "POST", "/say?subject=chat.a", "x", NULL));
    }
    http_client_destroy(client);
}

static void post_until_accepted(struct http_client *client, const char *text)
{
    int64_t deadline = deadline_in(30000);
    struct http_stream *response = http_request(client, "POST", "/orders/1", text, NULL);

    while (response->status == 503 && now_ms() < deadline) {
        http_close(response);
        http_pump_for(client, 20);
        response = http_request(client, "POST", "/orders/1", text, NULL);
    }
    publish_require_accepted(response);
}

Test(publish_broker, while_it_is_away_503_says_when_to_come_back)
{
    struct http_client *client;
    struct http_stream *response;

    start_with_broker(NULL, NULL);
    client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    publish_require_accepted(http_request(client, "POST", "/orders/1", "before", NULL));
    nats_fixture_kill(publish_rig.rig.nats);
    for (int i = 0; i < 3; i++) {
        response = http_request(client, "POST", "/orders/1", "lost", NULL);
        REQUIRE(is_problem(response, 503, "broker"));
        REQUIRE_STR(http_header(response, "retry-after"), "1");
    }
    nats_fixture_restart(publish_rig.rig.nats);
    publish_listen(nats_fixture_url(publish_rig.rig.nats));
    post_until_accepted(client, "after");
    /* what was refused does not come later */
    publish_require_heard("orders.1.note", "after", 5);
    http_client_destroy(client);
}

/* The new broker answers the round trip that was to show that the old one had the message. */
Test(publish_broker, what_a_restart_swallows_was_not_accepted)
{
    struct raw_http *raw;

    start_with_broker(NULL, NULL);
    nats_fixture_pause(publish_rig.rig.nats);
    raw = raw_http_connect(publish_rig.rig.gateway->clear_port);
    raw_http_send(raw, "POST /orders/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx");
    sleep_ms(100);
    nats_fixture_restart(publish_rig.rig.nats);
    REQUIRE(raw_http_wait(raw, "HTTP/1.1 503 "), "%s", raw->text);
    raw_http_destroy(raw);
}

/* The broker takes the bytes and says nothing: the client still gets an answer in time. */
Test(publish_broker, one_that_does_not_answer_is_503)
{
    struct http_client *client;
    struct http_stream *response;

    start_with_broker(NULL, NULL);
    client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    nats_fixture_pause(publish_rig.rig.nats);
    for (int i = 0; i < 3; i++) {
        struct raw_http *raw = raw_http_connect(publish_rig.rig.gateway->clear_port);
        raw_http_send(raw, "POST /orders/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx");
        raw_http_destroy(raw);
    }
    response = http_request(client, "POST", "/orders/1", "x", NULL);
    REQUIRE(is_problem(response, 503, "broker"));
    REQUIRE_STR(http_header(response, "retry-after"), "1");
    nats_fixture_resume(publish_rig.rig.nats);
    post_until_accepted(client, "x");
    http_client_destroy(client);
}
