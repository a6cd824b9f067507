/* reaper.c - unused connections are ended, those in use are not, and waiting costs nothing */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/h2_raw.h"
#include "tests/support/http_client.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"

#define REST                                                                                                           \
    "log: {level: debug}\n"                                                                                            \
    "admin: {address: \"127.0.0.1:0\"}\n"                                                                              \
    "routes:\n"                                                                                                        \
    "  - {path: /r, subjects: [\"r\"], heartbeat: 1s}\n"                                                               \
    "  - {path: /quiet, subjects: [\"quiet\"], heartbeat: 1h}\n"                                                       \
    "  - {path: /p, subjects: [\"r\"], publish: true}\n"

static struct rig rig;

static void teardown(void)
{
    rig_stop(&rig);
}

TestSuite(reaper, .fini = teardown, .timeout = 120);

static void start(const char *limits)
{
    char *yaml = text_format("limits: {%s}\n" REST, limits);

    rig_start_workers(&rig, yaml, 2);
    free(yaml);
}

static void send_ping(struct h2_raw *h2)
{
    static const char frame[17] = {0, 0, 8, 6};

    if (send(h2->fd, frame, sizeof(frame), MSG_NOSIGNAL) != sizeof(frame))
        h2->closed = true;
}

/* Until closed, or the deadline; not so fast that it would be an attack. */
static void ping_on(struct h2_raw *h2, int64_t deadline)
{
    for (int64_t next = 0; !h2->closed && now_ms() < deadline; h2_raw_pump(h2, 50)) {
        if (now_ms() >= next) {
            send_ping(h2);
            next = now_ms() + 200;
        }
    }
}

Test(reaper, a_connection_that_only_pings_is_ended)
{
    struct h2_raw *unused, *after;
    int64_t began;

    start("idle: 1s");
    began = now_ms();
    unused = h2_raw_connect(rig.gateway->clear_port, 65535, 0);
    ping_on(unused, deadline_in(10000));
    REQUIRE(unused->closed && now_ms() - began >= 900, "after %lld ms", (long long)(now_ms() - began));
    after = h2_raw_connect(rig.gateway->clear_port, 65535, 0);
    h2_raw_get(after, "/nope");
    ping_on(after, deadline_in(10000));
    REQUIRE(after->closed && after->streams[0].has_headers, "the same after an answer");
    REQUIRE(scrape_rejected(rig.gateway, "idle") == 2);
    REQUIRE(gateway_wait_log(rig.gateway, "connection-ended reason=idle peer=127.0.0.1:", 5000));
    h2_raw_destroy(unused);
    h2_raw_destroy(after);
}

/* Requests that are cut where they are; each further byte comes long before anything is due. */
static void trickle(struct raw_http *raw, const char *bytes, int64_t deadline)
{
    char byte;

    while (!raw->closed && now_ms() < deadline) {
        raw_http_send_bytes(raw, *bytes != '\0' ? bytes++ : "x", 1);
        ssize_t got = recv(raw->fd, &byte, 1, MSG_DONTWAIT);
        raw->closed = got == 0 || (got == -1 && errno != EAGAIN);
        sleep_ms(50);
    }
}

Test(reaper, a_request_that_never_ends_is_ended)
{
    static const char *const requests[] = {
        "GET /r HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
    };

    start("idle: 2s");
    for (size_t i = 0; i != 2; i++) {
        struct raw_http *raw = raw_http_connect(rig.gateway->clear_port);
        trickle(raw, requests[i], deadline_in(10000));
        REQUIRE(raw->closed, "%s", requests[i]);
        raw_http_destroy(raw);
    }
    struct raw_http *second = raw_http_connect(rig.gateway->clear_port);
    raw_http_send(second, "GET /nope HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(raw_http_wait(second, " 404 "));
    trickle(second, requests[0], deadline_in(10000));
    REQUIRE(second->closed, "a second request has no more time");
    raw_http_destroy(second);
}

/* Twice the idle time, in which each connection is used in its own way. */
Test(reaper, connections_in_use_stay)
{
    enum http_mode mode;
    struct http_stream *streams[4];
    struct http_client *clients[4], *publishers[2];
    struct h2_raw *silent;
    int64_t end;

    start("idle: 1s, write_timeout: 1s");
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        clients[mode] = http_client_create(rig.gateway, mode);
        REQUIRE((streams[mode] = http_open_ready(clients[mode], "/quiet", NULL)) != NULL);
    }
    silent = h2_raw_connect(rig.gateway->clear_port, 65535, 0);
    h2_raw_get(silent, "/quiet");
    publishers[0] = http_client_create(rig.gateway, HTTP_H2);
    publishers[1] = http_client_create(rig.gateway, HTTP_H1);
    end = now_ms() + 2500;
    for (int i = 0; now_ms() < end; i++) {
        for (size_t n = 0; n != 2; n++) {
            struct http_stream *post = http_request(publishers[n], "POST", "/p", "x", NULL);
            REQUIRE(post->status == 202, "%d %s", post->status, curl_easy_strerror(post->result));
            /* over HTTP/1.1 a request with a body is a connection's last in any case */
            REQUIRE(n != 0 || http_connects(post) == (i == 0), "on one connection all the time");
        }
        for (mode = HTTP_H2; mode <= HTTP_H1C; mode++)
            http_pump(clients[mode], 0);
        h2_raw_pump(silent, 1);
        sleep_ms(300);
    }
    publish(rig.publisher, "quiet", "here");
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++)
        REQUIRE(http_wait_events(streams[mode], 1), "%s", http_mode_names[mode]);
    for (int64_t deadline = deadline_in(10000); silent->streams[0].log.count == 0 && now_ms() < deadline;)
        h2_raw_pump(silent, 50);
    REQUIRE(silent->streams[0].log.count == 1);
    REQUIRE(scrape_rejected(rig.gateway, "idle") == 0);
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++)
        http_client_destroy(clients[mode]);
    http_client_destroy(publishers[0]);
    http_client_destroy(publishers[1]);
    h2_raw_destroy(silent);
}

/* The idle time is nearly over when the request begins, and over long before its body has arrived. */
Test(reaper, an_upload_is_not_cut)
{
    struct raw_http *raw;
    char body[64] = "0123456789012345678901234567890123456789";

    start("idle: 2s");
    raw = raw_http_connect(rig.gateway->clear_port);
    raw_http_send(raw, "GET /nope HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(raw_http_wait(raw, " 404 "));
    sleep_ms(1200);
    raw_http_send(raw, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n");
    for (int i = 0; i != 15; i++) {
        raw_http_send_bytes(raw, body + i, 1);
        sleep_ms(100);
    }
    REQUIRE(raw_http_wait(raw, " 202 "), "%s", raw->text);
    raw_http_destroy(raw);
}

/* The whole answer has been handed over, so libh2o has no generator left to stop when it doesn't arrive. */
Test(reaper, an_answer_without_a_window_is_no_reason_to_stay)
{
    struct h2_raw *h2;
    unsigned before;
    int64_t deadline;

    start("idle: 1h, write_timeout: 1s");
    before = gateway_fd_count_at_rest(rig.gateway);
    h2 = h2_raw_connect(rig.gateway->clear_port, 0, 0);
    for (int i = 0; i != 50; i++)
        h2_raw_get(h2, "/nope");
    ping_on(h2, deadline_in(10000));
    REQUIRE(h2->closed && h2->streams[49].has_headers && h2->streams[49].body_len == 0);
    REQUIRE(scrape_rejected(rig.gateway, "idle") == 1);
    h2_raw_destroy(h2);
    deadline = deadline_in(10000);
    while (gateway_fd_count(rig.gateway) > before) {
        REQUIRE(now_ms() < deadline);
        sleep_ms(10);
    }
}

/* Two that wait at the same time. */
Test(reaper, a_first_request_has_ten_seconds_and_a_connection_its_age)
{
    struct http_client *client;
    struct http_stream *stream;
    struct raw_http *raw;
    int64_t began;

    start("idle: 1h, connection_age: 12s");
    client = http_client_create(rig.gateway, HTTP_H2);
    began = now_ms();
    REQUIRE((stream = http_open_ready(client, "/r", NULL)) != NULL);
    raw = raw_http_connect(rig.gateway->clear_port);
    trickle(raw, "GET /r HTTP/1.1\r\nX-Slow: ", deadline_in(20000));
    REQUIRE(raw->closed && now_ms() - began >= 9900, "after %lld ms", (long long)(now_ms() - began));
    REQUIRE(gateway_wait_log(rig.gateway, "connection-ended reason=\"no request\"", 5000));
    raw_http_destroy(raw);
    REQUIRE(http_wait_end(stream), "its time is up");
    REQUIRE(now_ms() - began >= 10700, "after %lld ms", (long long)(now_ms() - began));
    REQUIRE(scrape_rejected(rig.gateway, "age") == 1);
    REQUIRE(http_open_ready(client, "/r", NULL) != NULL, "a new one has its own");
    http_client_destroy(client);
}

#define CROWD 1000

Test(reaper, a_thousand_that_wait_cost_nothing)
{
    static struct h2_raw *crowd[CROWD];
    struct http_client *client;
    struct http_stream *witness;
    int64_t deadline;
    double cpu;

    start("idle: 3s");
    client = http_client_create(rig.gateway, HTTP_H2);
    REQUIRE((witness = http_open_ready(client, "/r", NULL)) != NULL);
    for (size_t i = 0; i != CROWD; i++)
        crowd[i] = h2_raw_connect(rig.gateway->clear_port, 65535, 0);
    deadline = deadline_in(10000);
    while (scrape(rig.gateway, "freshet_connections") < CROWD)
        REQUIRE(now_ms() < deadline);
    cpu = gateway_cpu_seconds(rig.gateway);
    sleep_ms(1500);
    cpu = gateway_cpu_seconds(rig.gateway) - cpu;
    REQUIRE(is_sanitizer_run() || cpu < 0.1, "%.2f s of CPU for waiting", cpu);
    REQUIRE(scrape_wait_rejected(rig.gateway, "idle", CROWD));
    for (size_t i = 0; i != CROWD; i++) {
        while (h2_raw_pump(crowd[i], 50) && now_ms() < deadline + 10000)
            ;
        REQUIRE(crowd[i]->closed, "%zu", i);
        h2_raw_destroy(crowd[i]);
    }
    publish(rig.publisher, "r", "served all along");
    REQUIRE(http_wait_events(witness, 1));
    http_client_destroy(client);
}
