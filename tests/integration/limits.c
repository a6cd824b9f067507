/* limits.c - a request, connection or address over its limit is refused, counted, and served again later */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/rigs/limits.h"
#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"

#define GET_STREAM "GET /l HTTP/1.1\r\nHost: a\r\n\r\n"

static struct rig rig;

static void teardown(void)
{
    rig_stop(&rig);
}

TestSuite(limits, .fini = teardown, .timeout = 60);

static void start(const char *limits, enum http_mode mode)
{
    limits_start(&rig, limits, mode, 2);
}

static void require_problem(struct http_stream *stream, int status, const char *part)
{
    const char *retry_after = limits_require_problem(stream, status, part);
    REQUIRE((retry_after != NULL) == (status == 429));
}

/* ---- headers ---- */

static void check_headers(enum http_mode mode)
{
    char *big, *bigger, name[40][32];
    struct http_stream *stream;

    start("header_bytes: 1KiB, header_fields: 20", mode);
    big = text_format("x-big: %0900d", 0);
    bigger = text_format("x-big: %01024d", 0);
    REQUIRE(http_open_ready(rig.client, "/l", big, NULL) != NULL);
    require_problem(http_open(rig.client, "/l", bigger, "sec-fetch-mode: cors", NULL), 431, "1024 bytes");
    for (size_t i = 0; i != 40; i++)
        snprintf(name[i], sizeof(name[i]), "x-%zu: 1", i);
    stream = http_open(rig.client, "/l", name[0], name[1], name[2], name[3], name[4], name[5], name[6], name[7],
                       name[8], name[9], name[10], name[11], name[12], name[13], name[14], name[15], name[16], name[17],
                       name[18], name[19], name[20], NULL);
    require_problem(stream, 431, "20 header fields");
    REQUIRE(http_open_ready(rig.client, "/l", name[0], name[1], name[2], NULL) != NULL,
            "the connection is none the worse");
    REQUIRE(scrape_rejected(rig.gateway, "header-bytes") == 1);
    REQUIRE(scrape_rejected(rig.gateway, "header-fields") == 1);
    REQUIRE(scrape(rig.gateway, "freshet_requests_total{status=\"431\"}") == 2);
    REQUIRE(gateway_wait_log(rig.gateway, "request-refused limit=header-bytes client=127.0.0.1", 5000));
    free(big);
    free(bigger);
}

Test(limits, headers_over_http2)
{
    check_headers(HTTP_H2);
}

Test(limits, headers_over_http1)
{
    check_headers(HTTP_H1);
}

/* ---- streams ---- */

Test(limits, streams_of_a_connection)
{
    struct http_stream *held[3], *late;

    start("streams: 3", HTTP_H2);
    for (size_t i = 0; i != 3; i++)
        REQUIRE((held[i] = http_open_ready(rig.client, "/l", NULL)) != NULL);
    require_problem(http_open(rig.client, "/l", NULL), 429, "3 streams");
    limits_require_retry(http_open(rig.client, "/l", "sec-fetch-mode: cors", NULL));
    limits_require_retry(http_open(rig.client, "/l", "sec-fetch-dest: empty", NULL));
    late =
        http_open(rig.client, "/l", "user-agent: Mozilla/5.0 (X11; Linux x86_64)", "origin: https://app.example", NULL);
    limits_require_retry(late);
    REQUIRE_STR(http_header(late, "access-control-allow-origin"), "https://app.example");
    require_problem(http_request(rig.client, "GET", "/nope", NULL, NULL), 404, "/nope");
    REQUIRE(scrape_rejected(rig.gateway, "streams") == 4);
    REQUIRE(gateway_wait_log(rig.gateway, "request-refused limit=streams client=127.0.0.1 peer=127.0.0.1:", 5000));

    http_close(held[0]);
    REQUIRE(http_request(rig.client, "GET", "/nope", NULL, NULL)->status == 404); /* takes the reset along */
    REQUIRE(http_open_ready(rig.client, "/l", NULL) != NULL);
    publish(rig.publisher, "l", "still served");
    REQUIRE(http_wait_events(held[1], 1));
    REQUIRE(http_connects(held[1]) == 0, "all on one connection");
}

static void check_new_streams(enum http_mode mode)
{
    int64_t deadline = deadline_in(10000);

    start("new_streams: 2", mode);
    for (int i = 0; i != 8; i++)
        REQUIRE(http_request(rig.client, "GET", "/nope", NULL, NULL)->status == 404, "request %d", i);
    require_problem(http_request(rig.client, "GET", "/nope", NULL, NULL), 429, "2 new requests a second on one");
    require_problem(http_open(rig.client, "/l", NULL), 429, "2 new requests a second on one");
    limits_require_retry(http_open(rig.client, "/l", "sec-fetch-mode: cors", NULL));
    REQUIRE(scrape_rejected(rig.gateway, "new-streams") == 3);
    while (http_request(rig.client, "GET", "/nope", NULL, NULL)->status != 404)
        REQUIRE(now_ms() < deadline);
    struct http_client *other = http_client_create(rig.gateway, mode);
    REQUIRE(http_open_ready(other, "/l", NULL) != NULL);
    http_client_destroy(other);
}

Test(limits, new_streams_over_http2)
{
    check_new_streams(HTTP_H2);
}

Test(limits, new_streams_over_http1)
{
    check_new_streams(HTTP_H1C);
}

/* ---- addresses ---- */

static struct raw_http *open_from(const char *source)
{
    struct raw_http *raw = raw_http_connect_from(source, rig.gateway->clear_port);

    raw_http_send(raw, GET_STREAM);
    raw_http_wait(raw, "retry:");
    return raw;
}

static bool is_open(const struct raw_http *raw)
{
    return strstr(raw->text, "retry:") != NULL && !raw->closed;
}

Test(limits, connections_of_an_address)
{
    struct raw_http *held[3], *refused, *other;
    struct http_stream *stream;
    int64_t deadline = deadline_in(10000);

    start("connections_per_address: 3", HTTP_H2);
    for (size_t i = 0; i != 3; i++)
        REQUIRE(is_open(held[i] = open_from("127.0.0.1")), "%zu", i);
    refused = open_from("127.0.0.1");
    REQUIRE(refused->closed && refused->len == 0, "%s", refused->text);
    raw_http_destroy(refused);
    stream = http_open(rig.client, "/l", NULL);
    REQUIRE(http_wait_end(stream) && stream->result == CURLE_SSL_CONNECT_ERROR, "%d", stream->result);
    other = open_from("127.0.0.2");
    REQUIRE(is_open(other));
    REQUIRE(scrape_rejected(rig.gateway, "address-connections") == 2);
    REQUIRE(gateway_wait_log(rig.gateway, "connection-refused limit=address-connections peer=127.0.0.1:", 5000));

    raw_http_destroy(held[0]);
    publish(rig.publisher, "l", "by which its end is noticed");
    do {
        refused = open_from("127.0.0.1");
        bool opened = is_open(refused);
        raw_http_destroy(refused);
        if (opened)
            break;
        REQUIRE(now_ms() < deadline);
        sleep_ms(20);
    } while (true);
    raw_http_destroy(held[1]);
    raw_http_destroy(held[2]);
    raw_http_destroy(other);
}

static int connect_v6(uint16_t port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd != -1 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

Test(limits, an_ipv6_client_is_another)
{
    struct raw_http *held;
    struct timeval patience = {.tv_sec = 10};
    int first, second;
    char byte;

    rig.nats = nats_fixture_start(NULL);
    first = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has_v6 = bind(first, (struct sockaddr *)&any, sizeof(any)) == 0;
    close(first);
    if (!has_v6)
        cr_skip_test("no IPv6 here");
    rig.gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(rig.nats),
        .listen = "  - address: \"[::1]:0\"\n",
        .yaml = "limits: {connections_per_address: 1}\n" LIMITS_REST,
    });
    held = open_from("127.0.0.1");
    REQUIRE(is_open(held));
    first = connect_v6(gateway_port(rig.gateway, 2));
    second = connect_v6(gateway_port(rig.gateway, 2));
    REQUIRE(first != -1 && second != -1);
    setsockopt(second, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    REQUIRE(recv(second, &byte, 1, 0) == 0, "the second is closed");
    REQUIRE(send(first, GET_STREAM, strlen(GET_STREAM), MSG_NOSIGNAL) > 0 && recv(first, &byte, 1, 0) == 1);
    REQUIRE(gateway_wait_log(rig.gateway, "limit=address-connections peer=[::1]:", 5000));
    close(first);
    close(second);
    raw_http_destroy(held);
}

Test(limits, new_streams_of_an_address)
{
    struct http_client *second, *other;
    int64_t deadline = deadline_in(10000);

    start("new_streams_per_address: 2", HTTP_H2);
    second = http_client_create(rig.gateway, HTTP_H1);
    other = http_client_create(rig.gateway, HTTP_H2);
    other->source = "127.0.0.2";
    for (int i = 0; i != 8; i++)
        REQUIRE(http_request(i % 2 == 0 ? rig.client : second, "GET", "/nope", NULL, NULL)->status == 404, "%d", i);
    require_problem(http_open(rig.client, "/l", NULL), 429, "2 new requests a second from one address");
    require_problem(http_open(second, "/l", NULL), 429, "2 new requests a second from one address");
    limits_require_retry(http_open(second, "/l", "sec-fetch-mode: cors", NULL));
    REQUIRE(http_open_ready(other, "/l", NULL) != NULL);
    REQUIRE(scrape_rejected(rig.gateway, "address-streams") == 3);
    while (http_request(rig.client, "GET", "/nope", NULL, NULL)->status != 404)
        REQUIRE(now_ms() < deadline);
    http_client_destroy(second);
    http_client_destroy(other);
}

Test(limits, memory_of_an_address)
{
    struct raw_http *held[200];
    size_t count = 0;
    struct http_stream *stream;
    struct http_client *other;

    start("memory_per_address: 1MiB", HTTP_H2);
    REQUIRE(http_open_ready(rig.client, "/l", NULL) != NULL);
    while (count != 200 && is_open(held[count] = open_from("127.0.0.1")))
        count++;
    REQUIRE(count > 40 && count < 150, "%zu connections", count);
    REQUIRE(held[count]->closed || strstr(held[count]->text, " 429 ") != NULL, "%s", held[count]->text);
    for (int i = 0; i != 20; i++)
        stream = http_open(rig.client, "/l", NULL);
    require_problem(stream, 429, "memory");
    limits_require_retry(http_open(rig.client, "/l", "sec-fetch-mode: cors", NULL));
    REQUIRE(scrape_rejected(rig.gateway, "address-memory") >= 2);
    other = http_client_create(rig.gateway, HTTP_H2);
    other->source = "127.0.0.2";
    REQUIRE(http_open_ready(other, "/l", NULL) != NULL);
    http_client_destroy(other);
    for (size_t i = 0; i <= count; i++)
        raw_http_destroy(held[i]);
}

/* ---- the gateway as a whole ---- */

/* A client that only opens connections makes others wait, but not for long. */
Test(limits, handshakes_in_progress)
{
    struct raw_http *silent[8];
    struct http_stream *stream;

    start("handshakes: 4", HTTP_H2);
    for (size_t i = 0; i != 8; i++)
        silent[i] = raw_http_connect(rig.gateway->tls_port);
    REQUIRE(gateway_wait_log(rig.gateway, "accept-paused reason=\"too many connections being opened\"", 5000));
    stream = http_open(rig.client, "/l", NULL);
    REQUIRE(http_wait_first_block(stream) && stream->status == 200, "%s", stream->body);
    REQUIRE(scrape_rejected(rig.gateway, "handshakes") >= 1);
    for (size_t i = 0; i != 8; i++)
        raw_http_destroy(silent[i]);
}

Test(limits, the_operator_gets_in_when_it_is_full)
{
    struct raw_http *held[2], *waiting;
    char byte;

    start("connections: 2", HTTP_H2);
    for (size_t i = 0; i != 2; i++)
        REQUIRE(is_open(held[i] = open_from("127.0.0.1")));
    waiting = raw_http_connect(rig.gateway->clear_port);
    raw_http_send(waiting, GET_STREAM);
    REQUIRE(gateway_wait_log(rig.gateway, "accept-paused reason=\"connection limit reached\"", 5000));
    for (int i = 0; i != 40; i++)
        REQUIRE(scrape_rejected(rig.gateway, "descriptors") >= 1, "more often than there are places");
    REQUIRE(recv(waiting->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 && errno == EAGAIN);
    raw_http_destroy(held[0]);
    publish(rig.publisher, "l", "by which its end is noticed");
    REQUIRE(raw_http_wait(waiting, "retry:"));
    raw_http_destroy(waiting);
    raw_http_destroy(held[1]);
}

/* ---- and what is not too much ---- */

Test(limits, a_browser_full_of_streams_is_normal)
{
    start("replays: 16", HTTP_H2);
    for (int round = 0; round != 3; round++) {
        struct http_client *browser = http_client_create(rig.gateway, HTTP_H2);
        struct http_stream *streams[100];
        for (size_t i = 0; i != 100; i++)
            streams[i] = http_open(browser, "/l", "sec-fetch-mode: cors", NULL);
        for (size_t i = 0; i != 100; i++)
            REQUIRE(http_wait_first_block(streams[i]) && streams[i]->log.parser.retry_ms < 3000, "%zu: %s", i,
                    streams[i]->body);
        http_client_destroy(browser);
    }
    for (int i = 0; i != 300; i++)
        REQUIRE(http_request(rig.client, "POST", "/p", "x", NULL)->status == 202, "post %d", i);
    static const char *const reasons[] = {"streams", "new-streams", "address-streams", "address-memory"};
    for (size_t i = 0; i != sizeof(reasons) / sizeof(reasons[0]); i++)
        REQUIRE(scrape_rejected(rig.gateway, reasons[i]) == 0, "%s", reasons[i]);
}
