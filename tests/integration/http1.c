/* http1.c - HTTP/1.1 behaves as HTTP/2 does, and its connections are handled with care */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(http1, 60, 1,
          "defaults:\n"
          "  heartbeat: 1s\n"
          "routes:\n"
          "  - {path: /h, subjects: [\"h.>\"], event: subject}\n"
          "  - {path: /pick, allow: [\"h.>\"]}\n");

static void check_stream(enum http_mode mode)
{
    struct http_client *client = http_client_create(rig.gateway, mode);
    struct http_stream *first = http_open_ready(client, "/h", NULL), *second;
    char header[96];

    REQUIRE(first != NULL);
    REQUIRE(http_version(first) == CURL_HTTP_VERSION_1_1);
    REQUIRE_STR(http_header(first, "transfer-encoding"), "chunked");
    publish(rig.publisher, "h.a", "one\ntwo");
    publish(rig.publisher, "h.b", "Grüße");
    publish(rig.publisher, "h.c", "");
    REQUIRE(http_wait_events(first, 3));
    REQUIRE_STR(http_event(first, 0)->data, "one\ntwo");
    REQUIRE_STR(http_event(first, 1)->name, "h.b");
    REQUIRE_STR(http_event(first, 1)->data, "Grüße");
    snprintf(header, sizeof(header), "last-event-id: %s", http_event(first, 0)->id);
    second = http_open_ready(client, "/h", header, NULL);
    REQUIRE(second != NULL && http_wait_events(second, 2));
    REQUIRE_STR(http_event(second, 0)->name, "h.b");
    REQUIRE_STR(http_event(second, 0)->id, http_event(first, 1)->id);
    http_client_destroy(client);
}

Test(http1, streams_in_the_clear)
{
    check_stream(HTTP_H1C);
}

Test(http1, streams_over_tls)
{
    check_stream(HTTP_H1);
}

/* An event larger than any buffer, in chunks. */
Test(http1, a_large_event)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H1);
    struct http_stream *stream = http_open_ready(client, "/h", NULL);
    static char payload[900000];

    REQUIRE(stream != NULL);
    memset(payload, 'x', sizeof(payload));
    publish_bytes(rig.publisher, "h.big", payload, sizeof(payload));
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE(http_event(stream, 0)->data_len == sizeof(payload));
    http_client_destroy(client);
}

Test(http1, the_connection_lives_on_after_a_refusal)
{
    struct raw_http *raw = raw_http_connect(rig.gateway->clear_port);
    int i;

    for (i = 0; i < 3; i++) {
        raw_http_send(raw, "GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n");
        REQUIRE(raw_http_wait(raw, "\r\n\r\n{") && raw_http_wait(raw, "}"), "%s", raw->text);
        REQUIRE(strncmp(raw->text, "HTTP/1.1 404 ", 13) == 0, "%s", raw->text);
        REQUIRE(strcasestr(raw->text, "connection: close") == NULL, "%s", raw->text);
        raw_http_forget(raw);
    }
    raw_http_send(raw, "GET /h HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    REQUIRE(raw_http_wait(raw, "retry: "), "%s", raw->text);
    publish(rig.publisher, "h.a", "hello");
    REQUIRE(raw_http_wait(raw, "data: hello\n\n"), "%s", raw->text);
    raw_http_destroy(raw);
}

Test(http1, a_request_with_a_body_ends_its_connection)
{
    static const char *const requests[] = {
        "POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        "POST /h HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        /* two lengths: a parser that goes by the other one would find a request in the body */
        "POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    };
    size_t i;

    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct raw_http *raw = raw_http_connect(rig.gateway->clear_port);
        raw_http_send(raw, requests[i]);
        REQUIRE(raw_http_wait(raw, "\r\n\r\n"), "request %zu: %s", i, raw->text);
        REQUIRE(strncmp(raw->text, "HTTP/1.1 4", 10) == 0, "request %zu: %s", i, raw->text);
        REQUIRE(strcasestr(raw->text, "connection: close") != NULL, "request %zu: %s", i, raw->text);
        REQUIRE(raw_http_wait_close(raw), "request %zu", i);
        raw_http_destroy(raw);
    }
}

Test(http1, http_1_0_gets_a_plain_body)
{
    struct raw_http *raw = raw_http_connect(rig.gateway->clear_port);

    raw_http_send(raw, "GET /h HTTP/1.0\r\n\r\n");
    REQUIRE(raw_http_wait(raw, "retry: "), "%s", raw->text);
    REQUIRE(strcasestr(raw->text, "transfer-encoding") == NULL, "%s", raw->text);
    publish(rig.publisher, "h.a", "hello");
    REQUIRE(raw_http_wait(raw, "event: h.a\n"), "%s", raw->text);
    REQUIRE(raw_http_wait(raw, "data: hello\n\n"), "%s", raw->text);
    raw_http_destroy(raw);
}

/* The refused one behind an error on the same connection is answered in its turn. */
Test(http1, pipelined_requests_are_answered_in_order)
{
    struct raw_http *raw = raw_http_connect(rig.gateway->clear_port);

    raw_http_send(raw, "GET /first HTTP/1.1\r\nHost: a\r\n\r\nHEAD /h HTTP/1.1\r\nHost: a\r\n\r\n"
                       "GET /third HTTP/1.1\r\nHost: a\r\n\r\nGET /h HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(raw_http_wait(raw, "retry: "), "%s", raw->text);
    REQUIRE(strstr(raw->text, "/first") != NULL && strstr(raw->text, "/third") > strstr(raw->text, "/first"));
    raw_http_destroy(raw);
}

Test(http1, nonsense_is_answered_or_closed)
{
    static const char *const requests[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /h HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET /h HTTP/1.1\r\n folded: header\r\n\r\n",
        "GET /h HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\nAccept: application/json\r\n\r\n",
        "GET h HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://other/nope HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT localhost:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    size_t i;

    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct raw_http *raw = raw_http_connect(rig.gateway->clear_port);
        raw_http_send(raw, requests[i]);
        shutdown(raw->fd, 1);
        raw_http_wait(raw, "\r\n\r\n");
        raw_http_destroy(raw);
    }
    struct http_stream *stream = http_open_ready(client, "/h", NULL);
    REQUIRE(stream != NULL, "the gateway is none the worse");
    http_client_destroy(client);
}

/* An idle HTTP/1.1 stream shows that its client has gone only when something is written: the heartbeat does. */
Test(http1, clients_that_left_are_noticed)
{
    unsigned before = gateway_fd_count_at_rest(rig.gateway);
    struct http_client *clear = http_client_create(rig.gateway, HTTP_H1C);
    struct http_client *tls = http_client_create(rig.gateway, HTTP_H1);
    int64_t deadline = deadline_in(10000);
    int i;

    for (i = 0; i < 20; i++) {
        REQUIRE(http_open_ready(clear, "/h", NULL) != NULL);
        REQUIRE(http_open_ready(tls, "/pick?subject=h.a&subject=h.b", NULL) != NULL);
    }
    REQUIRE(gateway_fd_count(rig.gateway) >= before + 40);
    http_client_destroy(clear);
    http_client_destroy(tls);
    while (gateway_fd_count(rig.gateway) > before) {
        REQUIRE(now_ms() < deadline, "%u descriptors, %u before", gateway_fd_count(rig.gateway), before);
        sleep_ms(20);
    }
}
