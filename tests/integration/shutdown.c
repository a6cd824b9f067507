/* shutdown.c - SIGTERM ends every stream with a goodbye, and the process in seconds */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/h2_raw.h"
#include "tests/support/held_thread.h"
#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(shutdown, 60, 2,
          "drain: {window: 0, timeout: 1s}\n"
          "routes:\n"
          "  - {path: \"/s/{id}\", subjects: [\"s.{id}\"], retry: 4s}\n"
          "  - {path: /all, subjects: [\"s.>\"], slow: skip, history: {events: 64}}\n"
          "  - {path: /none, subjects: [\"s.none\"], history: {store: none}, retry: 4s}\n");

static void require_clean_exit(void)
{
    int code = gateway_wait_exit(rig.gateway);

    REQUIRE(code == 0, "exit code %d", code);
}

static void require_bye(struct http_stream *stream)
{
    const struct event *bye;

    REQUIRE(http_wait_end(stream));
    REQUIRE(stream->result == CURLE_OK, "the response ends in order: %s", curl_easy_strerror(stream->result));
    REQUIRE(stream->log.count > 0);
    bye = http_event(stream, stream->log.count - 1);
    REQUIRE_STR(bye->name, "freshet.bye");
    REQUIRE_STR(json_field(bye->data, "reason"), "drain");
    REQUIRE(event_log_count(&stream->log, "freshet.bye") == 1);
}

static void check_signal(int signal)
{
    enum { EACH = 20 };
    struct http_client *clients[4];
    struct http_stream *streams[4][EACH];
    int64_t lowest = INT64_MAX, highest = 0;
    enum http_mode mode;
    size_t i;

    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        clients[mode] = http_client_create(rig.gateway, mode);
        for (i = 0; i < EACH; i++) {
            char path[32];
            snprintf(path, sizeof(path), "/s/%zu", i);
            streams[mode][i] = http_open_ready(clients[mode], i == 0 ? "/none" : path, NULL);
            REQUIRE(streams[mode][i] != NULL);
        }
    }
    for (i = 0; i < 100; i++)
        publish_format(rig.publisher, "s.1", "%zu", i);
    publisher_flush(rig.publisher);
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++)
        REQUIRE(http_wait_events(streams[mode][1], 100));
    kill(rig.gateway->pid, signal);
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        for (i = 0; i < EACH; i++) {
            struct http_stream *stream = streams[mode][i];
            int64_t retry;
            require_bye(stream);
            REQUIRE(stream->log.count == (i == 1 ? 101 : 1));
            REQUIRE(strstr(strstr(stream->body, "retry: ") + 1, "retry: ") != NULL, "the bye has a retry: %s",
                    stream->body);
            retry = stream->log.parser.retry_ms;
            lowest = retry < lowest ? retry : lowest;
            highest = retry > highest ? retry : highest;
        }
    }
    REQUIRE(lowest > 0 && highest - lowest > 500, "and spreads the return: %ld to %ld ms", (long)lowest, (long)highest);
    require_clean_exit();
    for (mode = HTTP_H2; mode <= HTTP_H1C; mode++)
        http_client_destroy(clients[mode]);
}

Test(shutdown, sigterm_says_goodbye)
{
    check_signal(SIGTERM);
}

Test(shutdown, sigint_too)
{
    check_signal(SIGINT);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* A connection of each kind that has had its answer and stays open. */
static void make_idle_connections(struct http_client *clients[static 4])
{
    for (enum http_mode mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        clients[mode] = http_client_create(rig.gateway, mode);
        REQUIRE(http_request(clients[mode], "GET", "/none-such", NULL, NULL)->status == 404);
    }
}

/* Steps that wait for the worker's tick of 125 ms take two of them or more. */
static void check_idle_exits(bool has_connections)
{
    enum { EXITS = 9 };
    int64_t times[EXITS];

    for (size_t i = 0; i < EXITS; i++) {
        struct http_client *clients[4] = {NULL};
        if (i != 0)
            gateway_restart(rig.gateway);
        if (has_connections)
            make_idle_connections(clients);
        int64_t started = now_ms();
        kill(rig.gateway->pid, SIGTERM);
        /* A sanitizer looks for leaks before the process ends, which takes a second. */
        if (is_sanitizer_run())
            REQUIRE(gateway_wait_log(rig.gateway, " stopped", 5000));
        else
            require_clean_exit();
        times[i] = now_ms() - started;
        if (is_sanitizer_run())
            require_clean_exit();
        for (enum http_mode mode = HTTP_H2; has_connections && mode <= HTTP_H1C; mode++)
            http_client_destroy(clients[mode]);
    }
    qsort(times, EXITS, sizeof(times[0]), compare);
    REQUIRE(times[EXITS / 2] < scaled_ms(50), "%ld ms, the slowest %ld", (long)times[EXITS / 2],
            (long)times[EXITS - 1]);
}

Test(shutdown, without_clients_it_is_gone_at_once)
{
    check_idle_exits(false);
}

Test(shutdown, idle_connections_do_not_hold_it_up)
{
    check_idle_exits(true);
}

/* As from a terminal and the service manager: the second may come when the drain is already over. */
Test(shutdown, a_second_signal_does_not_kill_it)
{
    for (int pause_ms = 0; pause_ms < 12; pause_ms++) {
        kill(rig.gateway->pid, SIGINT);
        sleep_ms(pause_ms);
        kill(rig.gateway->pid, SIGINT);
        require_clean_exit();
        gateway_restart(rig.gateway);
    }
}

/* A worker that hangs holds the drain up, then the end of the process. */
Test(shutdown, a_third_signal_kills_it)
{
    pid_t thread = thread_named(rig.gateway->pid, "worker-1");

    REQUIRE(thread != 0 && thread_hold(thread), "%s", strerror(errno));
    kill(rig.gateway->pid, SIGTERM);
    REQUIRE(gateway_wait_log(rig.gateway, " draining ", 5000));
    kill(rig.gateway->pid, SIGTERM);
    REQUIRE(gateway_wait_log(rig.gateway, " drain-cut reason=\"a second signal\"", 5000));
    kill(rig.gateway->pid, SIGTERM);
    /* A process ends when its last thread is reaped, and this thread is ours to reap, since we hold it. */
    REQUIRE(waitpid(thread, NULL, __WALL) == thread);
    REQUIRE(gateway_wait_exit(rig.gateway) == 128 + SIGTERM);
}

Test(shutdown, without_the_broker_as_well)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, "/s/1", NULL);

    REQUIRE(stream != NULL);
    nats_fixture_kill(rig.nats);
    kill(rig.gateway->pid, SIGTERM);
    require_bye(stream);
    require_clean_exit();
    http_client_destroy(client);
}

Test(shutdown, stalled_readers_do_not_hold_it_up)
{
    static char payload[60000];
    struct h2_raw *h2 = h2_raw_connect(rig.gateway->clear_port, 100, 4096);
    struct http_client *unread = http_client_create(rig.gateway, HTTP_H2);
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *witness = http_open_ready(client, "/all", NULL), *polite;
    int64_t started;
    size_t i;

    memset(payload, 'x', sizeof(payload));
    unread->receive_buffer = 8192;
    REQUIRE(witness != NULL && http_open_ready(unread, "/all", NULL) != NULL);
    for (i = 0; i < 5; i++)
        h2_raw_get(h2, "/all");
    h2_raw_pump(h2, 1000);
    polite = http_open_ready(client, "/s/quiet", NULL);
    REQUIRE(polite != NULL);
    for (i = 0; i < 300; i++) {
        publish_bytes(rig.publisher, "s.big", payload, sizeof(payload));
        if (i % 10 == 0)
            http_pump(client, 0);
    }
    publish(rig.publisher, "s.big", "end");
    while (witness->log.count == 0 || strcmp(http_event(witness, witness->log.count - 1)->data, "end") != 0)
        REQUIRE(http_wait_events(witness, witness->log.count + 1));
    started = now_ms();
    kill(rig.gateway->pid, SIGTERM);
    require_bye(polite);
    require_bye(witness);
    require_clean_exit();
    REQUIRE(now_ms() - started < scaled_ms(4000), "%ld ms", (long)(now_ms() - started));
    http_client_destroy(client);
    http_client_destroy(unread);
    h2_raw_destroy(h2);
}

Test(shutdown, a_client_comes_back_to_the_next_process)
{
    struct http_client *client = http_client_create(rig.gateway, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, "/s/1", NULL);

    REQUIRE(stream != NULL);
    kill(rig.gateway->pid, SIGTERM);
    require_bye(stream);
    require_clean_exit();
    gateway_restart(rig.gateway);
    stream = http_open_ready(client, "/s/1", NULL);
    REQUIRE(stream != NULL);
    publish(rig.publisher, "s.1", "again");
    REQUIRE(http_wait_events(stream, 1));
    http_client_destroy(client);
}
