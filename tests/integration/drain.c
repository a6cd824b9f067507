/* drain.c - on SIGTERM the gateway ends its streams one by one, and refuses clients that come late */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/h2_raw.h"
#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"

#define STREAMS 200
#define WINDOW_MS 4000

static const char yaml[] = "admin: {address: \"127.0.0.1:0\"}\n"
                           "drain: {window: %s, timeout: %s}\n"
                           "routes:\n"
                           "  - {path: \"/s/{id}\", subjects: [\"s.{id}\"], cors: {origins: [\"*\"]}}\n"
                           "  - {path: /say, allow: [\"s.>\"], publish: true}\n";

static struct rig rig;
static struct http_client *client;

static void start(const char *window, const char *timeout, unsigned workers)
{
    char *text = text_format(yaml, window, timeout);

    rig_start_workers(&rig, text, workers);
    client = http_client_create(rig.gateway, HTTP_H2);
    free(text);
}

static void teardown(void)
{
    http_client_destroy(client);
    rig_stop(&rig);
}

TestSuite(drain, .fini = teardown, .timeout = 120);

static struct http_stream *streams[STREAMS];

static void open_all(void)
{
    for (size_t i = 0; i < STREAMS; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/s/%zu", i);
        streams[i] = http_open_ready(client, path, NULL);
        REQUIRE(streams[i] != NULL);
    }
}

/* With one stream, at /s/1, and a first signal. */
static struct http_stream *start_draining(const char *window, unsigned workers, int signal)
{
    start(window, "60s", workers);
    struct http_stream *stream = http_open_ready(client, "/s/1", NULL);
    REQUIRE(stream != NULL);
    kill(rig.gateway->pid, signal);
    REQUIRE(gateway_wait_log(rig.gateway, "draining", 5000));
    return stream;
}

static void require_exit(void)
{
    int code = gateway_wait_exit(rig.gateway);

    REQUIRE(code == 0, "exit code %d", code);
}

static void require_bye(struct http_stream *stream, const char *reason)
{
    const struct event *bye;

    REQUIRE(http_wait_end(stream));
    REQUIRE(stream->result == CURLE_OK && stream->log.count > 0, "%s", curl_easy_strerror(stream->result));
    bye = http_event(stream, stream->log.count - 1);
    REQUIRE_STR(bye->name, "freshet.bye");
    REQUIRE_STR(json_field(bye->data, "reason"), reason);
}

static size_t count_ended(void)
{
    size_t ended = 0;

    for (size_t i = 0; i < STREAMS; i++)
        ended += streams[i]->ended;
    return ended;
}

/* Returns when the worker that is asked has begun: it says so in the log a moment before. */
static void require_draining(void)
{
    int64_t deadline = deadline_in(5000);
    bool drains = false;

    while (!drains && now_ms() < deadline) {
        struct http_client *admin = http_client_create_admin(rig.gateway, HTTP_H1C);
        struct http_stream *ready = http_request(admin, "GET", "/readyz", NULL, NULL);
        drains = ready->status == 503 && strstr(ready->body, "draining") != NULL;
        http_client_destroy(admin);
    }
    REQUIRE(drains);
}

Test(drain, streams_end_evenly_and_those_left_go_on)
{
    int64_t begin;

    start("4s", "30s", 2);
    open_all();
    begin = now_ms();
    kill(rig.gateway->pid, SIGTERM);
    REQUIRE(gateway_wait_log(rig.gateway, "draining", 5000));
    require_draining();
    while (now_ms() - begin < WINDOW_MS * 9 / 10) {
        int64_t before = now_ms() - begin, after;
        size_t ended;
        http_pump_for(client, 50);
        ended = count_ended();
        after = now_ms() - begin;
        /* the goodbyes take a moment to arrive, and the machine may be busy */
        REQUIRE((double)ended <= STREAMS * ((double)after / WINDOW_MS + 0.05), "%zu after %ld ms", ended, (long)after);
        REQUIRE((double)ended >= STREAMS * ((double)(before - scaled_ms(800)) / WINDOW_MS), "%zu after %ld ms", ended,
                (long)before);
        if (after > WINDOW_MS / 4 && after < WINDOW_MS / 2) {
            struct http_stream *last = streams[STREAMS - 1];
            publish(rig.publisher, "s.199", "meanwhile");
            REQUIRE(scrape(rig.gateway, "freshet_streams_closed_total{reason=\"drain\"}") != 0);
            REQUIRE(last->ended || http_wait_events(last, 1));
        }
    }
    for (size_t i = 0; i < STREAMS; i++)
        require_bye(streams[i], "drain");
    REQUIRE_STR(http_event(streams[STREAMS - 1], 0)->data, "meanwhile");
    require_exit();
    REQUIRE(now_ms() - begin >= WINDOW_MS * 9 / 10);
    REQUIRE(gateway_wait_log(rig.gateway, "drained", 0));
}

Test(drain, nobody_there_nobody_waited_for)
{
    int64_t begin;

    start("20s", "30s", 2);
    begin = now_ms();
    kill(rig.gateway->pid, SIGTERM);
    require_exit();
    REQUIRE(now_ms() - begin < scaled_ms(1500), "%ld ms", (long)(now_ms() - begin));
}

Test(drain, the_last_stream_that_leaves_ends_it)
{
    start_draining("60s", 2, SIGTERM);
    http_client_destroy(client);
    client = NULL;
    require_exit();
}

static void check_second(int first, int second)
{
    struct http_stream *stream = start_draining("60s", 2, first);

    http_pump_for(client, 200);
    REQUIRE(!stream->ended && stream->log.count == 0);
    kill(rig.gateway->pid, second);
    require_bye(stream, "shutdown");
    require_exit();
    REQUIRE(gateway_wait_log(rig.gateway, "drain-cut", 0));
}

Test(drain, a_second_signal_cuts_it_short)
{
    check_second(SIGTERM, SIGTERM);
}

Test(drain, of_either_kind)
{
    check_second(SIGTERM, SIGINT);
}

Test(drain, a_reload_is_no_second_signal)
{
    struct http_stream *stream = start_draining("2s", 1, SIGTERM);

    kill(rig.gateway->pid, SIGHUP);
    require_bye(stream, "drain");
    require_exit();
}

Test(drain, the_timeout_cuts_what_does_not_take_its_end)
{
    static char payload[60000];
    struct http_stream *witness;
    struct h2_raw *h2;
    int64_t begin;

    start("0", "1s", 1);
    h2 = h2_raw_connect(rig.gateway->clear_port, 100, 4096);
    h2_raw_get(h2, "/s/big");
    h2_raw_pump(h2, 1000);
    witness = http_open_ready(client, "/s/big", NULL);
    REQUIRE(witness != NULL);
    memset(payload, 'x', sizeof(payload));
    publish_bytes(rig.publisher, "s.big", payload, sizeof(payload));
    REQUIRE(http_wait_events(witness, 1));
    begin = now_ms();
    kill(rig.gateway->pid, SIGTERM);
    require_bye(witness, "drain");
    require_exit();
    REQUIRE(now_ms() - begin >= 1000 && now_ms() - begin < scaled_ms(4500), "%ld ms", (long)(now_ms() - begin));
    REQUIRE(gateway_wait_log(rig.gateway, "drain.timeout", 0));
    h2_raw_destroy(h2);
}

Test(drain, on_open_connections_streams_are_refused_and_goaway_says_so)
{
    struct h2_raw *h2;
    struct raw_http *raw;

    start("60s", "60s", 1);
    h2 = h2_raw_connect(rig.gateway->clear_port, 65535, 0);
    h2_raw_get(h2, "/s/1");
    for (int64_t deadline = deadline_in(5000); h2->streams[0].log.parser.retry_ms < 0 && now_ms() < deadline;)
        h2_raw_pump(h2, 50);
    raw = raw_http_connect(rig.gateway->clear_port);
    raw_http_send(raw, "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n");
    REQUIRE(raw_http_wait(raw, "404"));
    kill(rig.gateway->pid, SIGTERM);
    require_draining();
    h2_raw_pump(h2, 100);
    REQUIRE(!h2->goaway, "a client that leaves at once must not leave with all others");
    h2_raw_get(h2, "/s/2");
    for (int64_t deadline = deadline_in(5000); !h2->goaway && now_ms() < deadline;)
        h2_raw_pump(h2, 50);
    REQUIRE(h2->streams[1].ended && h2->streams[1].has_headers && !h2->streams[1].is_200, "answered, and refused");
    REQUIRE(h2->goaway && !h2->closed && !h2->streams[0].ended && !h2->streams[0].reset, "the stream stays open");
    publish(rig.publisher, "s.1", "after the goaway");
    for (int64_t deadline = deadline_in(5000); h2->streams[0].log.count == 0 && now_ms() < deadline;)
        h2_raw_pump(h2, 50);
    REQUIRE(h2->streams[0].log.count == 1, "and gets its events");
    raw_http_forget(raw);
    raw_http_send(raw, "GET /s/late HTTP/1.1\r\nhost: x\r\n\r\n");
    REQUIRE(raw_http_wait(raw, "503") && raw_http_wait(raw, "onnection: close"), "%s", raw->text);
    REQUIRE(scrape_rejected(rig.gateway, "shutdown") == 2);
    kill(rig.gateway->pid, SIGTERM);
    require_exit();
    raw_http_destroy(raw);
    h2_raw_destroy(h2);
}

Test(drain, an_event_source_is_asked_to_come_back)
{
    struct raw_http *raw;
    struct http_stream *stream;

    start("60s", "60s", 1);
    stream = http_open_ready(client, "/s/1", NULL);
    REQUIRE(stream != NULL);
    raw = raw_http_connect(rig.gateway->clear_port);
    raw_http_send(raw, "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n");
    REQUIRE(raw_http_wait(raw, "404"));
    kill(rig.gateway->pid, SIGTERM);
    require_draining();
    raw_http_forget(raw);
    raw_http_send(raw, "GET /s/late HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n"
                       "sec-fetch-mode: cors\r\norigin: https://app.example\r\n\r\n");
    REQUIRE(raw_http_wait_close(raw));
    REQUIRE(strstr(raw->text, " 200 ") != NULL && strstr(raw->text, "retry: ") != NULL &&
                strstr(raw->text, "access-control-allow-origin: *") != NULL,
            "%s", raw->text);
    REQUIRE(!stream->ended);
    raw_http_destroy(raw);
    kill(rig.gateway->pid, SIGTERM);
    require_bye(stream, "shutdown");
    require_exit();
}

Test(drain, who_has_just_connected_still_gets_an_answer)
{
    struct raw_http *raw;
    struct h2_raw *nobody;

    start("0", "10s", 2);
    nobody = h2_raw_connect(rig.gateway->clear_port, 65535, 0);
    h2_raw_get(nobody, "/s/1");
    h2_raw_pump(nobody, 1000);
    raw = raw_http_connect(rig.gateway->clear_port);
    h2_raw_pump(nobody, 100);
    kill(rig.gateway->pid, SIGTERM);
    REQUIRE(gateway_wait_log(rig.gateway, "draining", 5000));
    sleep_ms(300);
    raw_http_send(raw, "GET /s/late HTTP/1.1\r\nhost: x\r\n\r\n");
    REQUIRE(raw_http_wait(raw, "503"), "%s", raw->text);
    require_exit();
    raw_http_destroy(raw);
    h2_raw_destroy(nobody);
}
