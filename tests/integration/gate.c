/* gate.c - frames that would crash libh2o, or keep it busy for ever, end their own connection and nothing else */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/gate.h"
#include "tests/support/text_case.h"

static void setup(void)
{
    gate_start("");
}

TestSuite(gate, .init = setup, .fini = gate_stop, .timeout = 120);

/* Each does one thing that no honest client does. */
static void continuation(struct attack_peer *peer)
{
    h2_put_get(peer, 1, "/q");
    h2_put(peer, H2_CONTINUATION, H2_END_HEADERS, 1, "", 0);
}

static void unfinished_headers(struct attack_peer *peer)
{
    gate_put_headers(peer, H2_END_STREAM, 1);
}

static void headers_with_body(struct attack_peer *peer)
{
    gate_put_headers(peer, H2_END_HEADERS, 1);
}

static void data(struct attack_peer *peer)
{
    h2_put_get(peer, 1, "/q");
    h2_put(peer, H2_DATA, H2_END_STREAM, 1, "x", 1);
}

static void second_headers(struct attack_peer *peer)
{
    h2_put_get(peer, 1, "/q");
    gate_put_headers(peer, H2_END_HEADERS | H2_END_STREAM, 1);
}

static void zero_update(struct attack_peer *peer)
{
    h2_put_get(peer, 1, "/q");
    h2_put_window(peer, 1, 0);
}

static void overflow_update(struct attack_peer *peer)
{
    h2_put_get(peer, 1, "/q");
    h2_put_window(peer, 1, H2_WINDOW_MAX);
}

/* Each half of it is legal, and together they are not. */
static void overflow_in_two(struct attack_peer *peer)
{
    h2_put_get(peer, 1, "/q");
    h2_put_window(peer, 1, H2_WINDOW_MAX - 100000);
    h2_put_window(peer, 1, 65535);
}

static void overflow_connection(struct attack_peer *peer)
{
    h2_put_window(peer, 0, H2_WINDOW_MAX);
}

static void overflow_settings(struct attack_peer *peer)
{
    h2_put_get(peer, 1, "/q");
    h2_put_window(peer, 1, 100000);
    h2_put_setting(peer, H2_SET_INITIAL_WINDOW, H2_WINDOW_MAX);
}

static void small_table(struct attack_peer *peer)
{
    h2_put_setting(peer, H2_SET_TABLE_SIZE, 0);
}

static void idle_reset(struct attack_peer *peer)
{
    h2_put_reset(peer, 7);
}

static void long_ping(struct attack_peer *peer)
{
    h2_put(peer, H2_PING, 0, 0, "123456789", 9);
}

static void push_promise(struct attack_peer *peer)
{
    h2_put(peer, H2_PUSH, H2_END_HEADERS, 1, "\0\0\0\2", 4);
}

static void many_fields(struct attack_peer *peer)
{
    static uint8_t block[8192];
    size_t len = hpack_put_request(block, "/q");
    memset(block + len, 0x90, sizeof(block) - len); /* accept-encoding: gzip, deflate, in a byte each */
    h2_put(peer, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 1, block, sizeof(block));
}

/* And these are an attack by their number alone. */
static void refused_streams(struct attack_peer *peer)
{
    for (uint32_t i = 0; i < MANY; i++)
        h2_put_get(peer, 2 * i + 1, "/q");
}

static void pings(struct attack_peer *peer)
{
    for (uint32_t i = 0; i < MANY; i++)
        h2_put(peer, H2_PING, 0, 0, "12345678", 8);
}

static void settings(struct attack_peer *peer)
{
    for (uint32_t i = 0; i < MANY; i++)
        h2_put_setting(peer, H2_SET_INITIAL_WINDOW, i);
}

static void priorities(struct attack_peer *peer)
{
    for (uint32_t i = 0; i < MANY; i++)
        h2_put(peer, H2_PRIORITY, 0, 2 * i + 3, "\0\0\0\1\20", 5);
}

static void updates(struct attack_peer *peer)
{
    h2_put_get(peer, 1, "/q");
    for (uint32_t i = 0; i < 5 * MANY; i++)
        h2_put_window(peer, 1, 1);
}

static void unknown(struct attack_peer *peer)
{
    for (uint32_t i = 0; i < MANY; i++)
        h2_put(peer, 0x40, 0, 0, "", 0);
}

static void large_unknown(struct attack_peer *peer)
{
    static const uint8_t zeros[16384];
    for (uint32_t i = 0; i < 100; i++)
        h2_put(peer, 0x40, 0, 0, zeros, sizeof(zeros));
}

static const struct attack attacks[] = {
    {"continuation", continuation, "reason=CONTINUATION"},
    {"unfinished_headers", unfinished_headers, "without END_HEADERS"},
    {"headers_with_body", headers_with_body, "without END_STREAM"},
    {"data", data, "DATA where nothing is taken"},
    {"second_headers", second_headers, "a stream that is not new"},
    {"zero_update", zero_update, "WINDOW_UPDATE of nothing"},
    {"overflow_update", overflow_update, "WINDOW_UPDATE beyond"},
    {"overflow_in_two", overflow_in_two, "WINDOW_UPDATE beyond"},
    {"overflow_connection", overflow_connection, "WINDOW_UPDATE beyond"},
    {"overflow_settings", overflow_settings, "SETTINGS beyond"},
    {"small_table", small_table, "SETTINGS_HEADER_TABLE_SIZE below 4096"},
    {"idle_reset", idle_reset, "a frame on a stream it can't be on"},
    {"long_ping", long_ping, "a frame of an illegal length"},
    {"push_promise", push_promise, "PUSH_PROMISE"},
    {"many_fields", many_fields, "too many header fields"},
    {"rapid_reset", gate_rapid_reset, "too many RST_STREAM"},
    {"refused_streams", refused_streams, "too many HEADERS"},
    {"pings", pings, "too many PING"},
    {"settings", settings, "too many SETTINGS"},
    {"priorities", priorities, "too many PRIORITY"},
    {"updates", updates, "too many WINDOW_UPDATE"},
    {"unknown", unknown, "too many frames of unknown types"},
    {"large_unknown", large_unknown, "more bytes than its budget"},
};

static void attack_all(bool tls)
{
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
        gate_require_refused(&attacks[i], tls);
}

Test(gate, attacks_end_their_connection_over_tls)
{
    attack_all(true);
}

Test(gate, attacks_end_their_connection_in_the_clear)
{
    attack_all(false);
}

/* Frames that may come in any portions: the preface, a dropped frame, a request. */
Test(gate, bytes_may_come_one_by_one)
{
    struct attack_peer *peer = gate_open(false, NULL);
    uint8_t *bytes;
    size_t len;
    struct h2_frame frame = {0};

    h2_put_hello(peer, 65535);
    h2_put(peer, 0x40, 0, 0, "dropped", 7);
    h2_put(peer, H2_PRIORITY, 0, 3, "\0\0\0\0\20", 5);
    h2_put_get(peer, 1, "/q");
    h2_put_window(peer, 1, 1);
    len = peer->out_len;
    bytes = malloc(len);
    memcpy(bytes, peer->out, len);
    peer->out_len = 0;
    for (size_t i = 0; i < len; i++) {
        attack_put(peer, bytes + i, 1);
        REQUIRE(attack_flush(peer, 1000));
    }
    free(bytes);
    do
        REQUIRE(h2_next_frame(peer, &frame, (int)scaled_ms(5000)));
    while (frame.type != H2_DATA);
    REQUIRE(frame.stream == 1);
    attack_close(peer);
    gate_require_unharmed("portions");
}

/*
 * The assertion at connection.c:332 of libh2o 2.2.5: a stream that is over,
 * its window 0, waits for a write that is stuck, and its window opens. The
 * responses of the victims are more together than fits between the two sides.
 */
#define VICTIMS 90
#define STORED 12000

struct stuck {
    const char *path;
    bool tls, reset, by_settings;
};

static void put_victim(struct attack_peer *peer, uint32_t stream, const char *path)
{
    uint8_t headers[1024];
    size_t len = hpack_put_request(headers, path);
    h2_put(peer, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, headers, len);
}

/* How long a response is, or what there is of it before it waits for events. */
static uint32_t body_length(const char *path)
{
    struct attack_peer *peer = gate_open_h2(false);
    struct h2_frame frame;
    uint32_t len = 0;

    put_victim(peer, 1, path);
    attack_flush(peer, 1000);
    h2_put_window(peer, 1, STORED);
    attack_flush(peer, 1000);
    while (len < STORED) {
        REQUIRE(h2_next_frame(peer, &frame, (int)scaled_ms(5000)));
        if (frame.type == H2_DATA)
            len += (uint32_t)frame.len;
    }
    attack_close(peer);
    return len;
}

static void open_stuck_windows(const struct stuck *stuck)
{
    struct attack_target target = {.port = stuck->tls ? gate.rig.gateway->tls_port : gate.rig.gateway->clear_port,
                                   .tls = stuck->tls,
                                   .alpn = "h2",
                                   .receive_buffer = 4096,
                                   .segment = 536};
    uint32_t window = body_length(stuck->path);
    struct attack_peer *peer = attack_open(&target);

    REQUIRE(peer != NULL);
    h2_put_hello(peer, window);
    for (uint32_t i = 0; i < VICTIMS; i++)
        put_victim(peer, 2 * i + 1, stuck->path);
    REQUIRE(attack_flush(peer, 1000) && attack_wait_full(peer, 200, 5000));
    for (uint32_t i = 0; i < VICTIMS; i++) {
        if (stuck->reset)
            h2_put_reset(peer, 2 * i + 1);
        if (!stuck->by_settings)
            h2_put_window(peer, 2 * i + 1, 1);
    }
    if (stuck->by_settings)
        h2_put_setting(peer, H2_SET_INITIAL_WINDOW, window + 1);
    attack_flush(peer, 1000);
    gate_require_unharmed(stuck->path);
    /* … and not because nothing has been looked at yet */
    h2_put(peer, H2_CONTINUATION, 0, 1, "", 0);
    REQUIRE(attack_flush(peer, 1000) && attack_wait_closed(peer, (int)scaled_ms(5000)));
    attack_close(peer);
    gate_require_unharmed(stuck->path);
}

static void publish_stored(void)
{
    static char event[STORED];
    memset(event, 'x', sizeof(event));
    publish_bytes(gate.rig.publisher, "q.stored", event, sizeof(event));
    REQUIRE(http_wait_events(gate.honest, ++gate.told));
}

Test(gate, connection_c_332_reset_by_update)
{
    publish_stored();
    open_stuck_windows(&(struct stuck){"/q?since=earliest", true, true, false});
}

Test(gate, connection_c_332_reset_by_settings)
{
    publish_stored();
    open_stuck_windows(&(struct stuck){"/q?since=earliest", true, true, true});
}

/* A KeyUpdate is a few bytes to send and a key derivation to receive; none of it reaches HTTP. */
static void key_updates(struct attack_peer *peer)
{
    attack_flush(peer, 1000);
    for (int i = 0; i < MANY; i++)
        if (SSL_key_update(peer->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || SSL_do_handshake(peer->ssl) != 1)
            break;
}

Test(gate, key_updates_are_few)
{
    gate_require_refused(&(struct attack){"key updates", key_updates, "more bytes than its budget"}, true);
}

/* What a proxy before us might take for two requests, or one of another shape. */
Test(gate, ambiguous_requests_are_refused)
{
    static const struct text_case cases[] = {
        {"GET /q HTTP/1.1\nHost: a\n\n", "does not end in CRLF"},
        {"GET /q HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "does not end in CRLF"},
        {"GET /q HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n", "folded"},
        {"GET /q HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "more than one host"},
        {"GET /q HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 0\r\n\r\nx", "no single content-length"},
        {"GET /q HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", "no single content-length"},
        {"GET /q HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "content-length with transfer-encoding"},
        {"GET /q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "not chunked"},
        {"GET /q HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc", "blank before a colon"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct attack_peer *peer = gate_open(true, "http/1.1");
        char answer[512];
        attack_put(peer, cases[i].given, strlen(cases[i].given));
        attack_flush(peer, 1000);
        size_t len = attack_read(peer, answer, sizeof(answer) - 1, (int)scaled_ms(5000));
        answer[len] = '\0';
        REQUIRE(strncmp(answer, "HTTP/1.1 400 ", 13) == 0, "%s: %s", cases[i].given, answer);
        REQUIRE(attack_wait_closed(peer, (int)scaled_ms(5000)), "%s", cases[i].given);
        REQUIRE(cases[i].wanted == NULL || gateway_wait_log(gate.rig.gateway, cases[i].wanted, 5000), "%s",
                cases[i].given);
        attack_close(peer);
    }
    gate_require_unharmed("ambiguous requests");
}

/* libh2o would take 400 kB of it. */
Test(gate, a_request_head_is_bounded)
{
    struct attack_peer *peer = gate_open(false, NULL);
    static char name[100000];
    char answer[512];

    memset(name, 'n', sizeof(name));
    attack_put(peer, "GET /q HTTP/1.1\r\nHost: a\r\n", 26);
    attack_put(peer, name, sizeof(name));
    attack_flush(peer, 1000);
    answer[attack_read(peer, answer, sizeof(answer) - 1, (int)scaled_ms(5000))] = '\0';
    REQUIRE(strncmp(answer, "HTTP/1.1 400 ", 13) == 0, "%s", answer);
    attack_close(peer);
    gate_require_unharmed("a long head");
}
