/* gate_publish.c - where a route publishes, bodies are taken, but still not everything */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/gate.h"

static void setup(void)
{
    gate_start("  - {path: /publish, subjects: [\"q.published\"], publish: true}\n");
}

TestSuite(gate_publish, .init = setup, .fini = gate_stop, .timeout = 120);

/* MadeYouReset needs a stream that the server answers while its client breaks the rules on it. */
static void publish_data_behind_end(struct attack_peer *peer)
{
    h2_put_get(peer, 1, "/q");
    h2_put(peer, H2_DATA, 0, 1, "x", 1);
}

static void publish_trailers(struct attack_peer *peer)
{
    gate_put_headers(peer, H2_END_HEADERS, 1);
    gate_put_headers(peer, H2_END_HEADERS | H2_END_STREAM, 1);
}

static void publish_empty_data(struct attack_peer *peer)
{
    gate_put_headers(peer, H2_END_HEADERS, 1);
    for (int i = 0; i < MANY; i++)
        h2_put(peer, H2_DATA, 0, 1, "", 0);
}

static void publish_endless(struct attack_peer *peer)
{
    static const uint8_t zeros[16384];
    gate_put_headers(peer, H2_END_HEADERS, 1);
    for (int i = 0; i < 1500; i++)
        h2_put(peer, H2_DATA, 0, 1, zeros, sizeof(zeros));
}

Test(gate_publish, bodies_are_taken_within_reason)
{
    static const struct attack cases[] = {
        {"data_behind_end", publish_data_behind_end, "DATA where nothing is taken"},
        {"trailers", publish_trailers, "a stream that is not new"},
        {"empty_data", publish_empty_data, "too many small DATA frames"},
        {"endless", publish_endless, "DATA without end"},
        {"rapid_reset", gate_rapid_reset, "too many RST_STREAM"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        gate_require_refused(&cases[i], i % 2 == 0);
}

/* 300 one after the other on one connection, each way. */
Test(gate_publish, a_busy_publisher_is_not_in_the_way)
{
    static const enum http_mode modes[] = {HTTP_H2, HTTP_H1C};

    for (size_t mode = 0; mode < 2; mode++) {
        struct http_client *publisher = http_client_create(gate.rig.gateway, modes[mode]);
        for (int i = 0; i < 300; i++) {
            struct http_stream *stream = http_request(publisher, "POST", "/publish", "{\"n\": 1}", NULL);
            REQUIRE(stream->status / 100 == 2, "%s, request %d: %d", http_mode_names[modes[mode]], i, stream->status);
            http_close(stream);
        }
        http_client_destroy(publisher);
        gate.told += 300;
        REQUIRE(http_wait_events(gate.honest, gate.told));
    }
    gate_require_unharmed("publishing");
}
