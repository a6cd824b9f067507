/* metrics_move.c - every number of metrics.def moves when it should, here or where the table says */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/metrics.h"
#include "tests/support/h2_attack.h"
#include "tests/support/h2_raw.h"
#include "tests/support/http_client.h"
#include "tests/support/jetstream.h"
#include "tests/support/metric_routes.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"
#include "tests/support/tokens.h"

static const char broker[] = "no_auth_user: all\n"
                             "authorization {users = [{user: all, password: x},\n"
                             "  {user: gateway, password: y, permissions: {subscribe: {deny: [\"secret.>\"]}}}]}\n";

static const char yaml[] = "admin: {address: \"127.0.0.1:0\"}\n"
                           "limits: {streams: 6, header_bytes: 2KiB, write_timeout: 20s}\n"
                           "defaults: {history: {events: 4}}\n"
                           "routes:\n" METRIC_ROUTES "  - {path: /store, subjects: [\"st.a\"], publish: true,\n"
                           "     history: {store: jetstream, stream: S}}\n"
                           "  - {path: /secret, subjects: [\"secret.a\"]}\n"
                           "  - {path: /token, subjects: [\"t.a\"], auth: {jwt: {keys: \"%s\"}}}\n"
                           "  - {path: /ask, subjects: [\"q.a\"], auth: {request: nobody.there, timeout: 100ms}}\n";

static struct rig rig;
static struct http_client *client;
static struct tokens_key *key;

static void setup(void)
{
    char *file = sandbox_path("keys.json"), *text = text_format(yaml, file);
    struct jetstream *js;

    key = tokens_key("ES256", "main");
    tokens_write_jwks(file, key, NULL);
    rig.nats = nats_fixture_start(broker);
    REQUIRE(rig.nats != NULL);
    js = jetstream_connect(nats_fixture_url(rig.nats));
    jetstream_create(js, &(struct jetstream_stream){.name = "S", .subjects = {"st.>"}});
    jetstream_destroy(js);
    rig.publisher = publisher_connect(nats_fixture_url(rig.nats));
    rig.gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(rig.nats), .nats = "  user: gateway\n  password: y\n", .yaml = text});
    client = http_client_create(rig.gateway, HTTP_H2);
    free(text);
    free(file);
}

static void teardown(void)
{
    http_client_destroy(client);
    rig_stop(&rig);
    tokens_key_free(key);
}

TestSuite(metrics_move, .init = setup, .fini = teardown, .timeout = 120);

/* ---- what happens ---- */

static void request(const char *method, const char *path, const char *body, const char *header, int status)
{
    struct http_stream *response = http_request(client, method, path, body, header, NULL);

    REQUIRE(response->status == status, "%s %s: %d %s", method, path, response->status, response->body);
}

static void live_stream(void)
{
    struct http_stream *stream = http_open_ready(client, "/m", NULL);

    REQUIRE(stream != NULL);
    publish(rig.publisher, "m.a", "x");
    REQUIRE(http_wait_events(stream, 1));
}

static void replay(void)
{
    live_stream();
    REQUIRE(http_wait_end(http_open(client, "/m?since=earliest&follow=false", NULL)));
}

static void stream_that_is_left(void)
{
    live_stream();
    http_client_destroy(client);
    client = http_client_create(rig.gateway, HTTP_H2);
}

static void cursors(void)
{
    struct http_stream *stream = http_open_ready(client, "/m", NULL);
    char *cursor;

    REQUIRE(stream != NULL);
    for (size_t n = 1; n <= 8; n++) {
        publish(rig.publisher, "m.a", "x");
        REQUIRE(http_wait_events(stream, n));
    }
    cursor = text_format("last-event-id: %s", http_event(stream, 0)->id);
    REQUIRE(http_wait_event_named(http_open_ready(client, "/m", cursor, NULL), "freshet.gap"));
    REQUIRE(http_wait_event_named(http_open_ready(client, "/m", "last-event-id: x-1", NULL), "freshet.gap"));
    free(cursor);
}

static void outage(void)
{
    struct http_stream *stream = http_open_ready(client, "/m", NULL);
    int64_t deadline = deadline_in(20000);

    REQUIRE(stream != NULL);
    nats_fixture_kill(rig.nats);
    while (scrape(rig.gateway, "freshet_nats_connected") != 0 && now_ms() < deadline)
        http_pump(client, 20);
    REQUIRE(scrape(rig.gateway, "freshet_nats_connected") == 0);
    nats_fixture_restart(rig.nats);
    REQUIRE(http_wait_event_named(stream, "freshet.gap"));
    while (scrape(rig.gateway, "freshet_nats_connected") != 1 && now_ms() < deadline)
        http_pump(client, 20);
}

static void slow_readers(void)
{
    struct h2_raw *h2 = h2_raw_connect(rig.gateway->clear_port, 2000, 0);
    struct http_stream *witness = http_open_ready(client, "/pick?subject=m.slow", NULL);
    struct h2_raw_stream *skip = &h2->streams[h2_raw_get(h2, "/skip")];
    struct h2_raw_stream *strict = &h2->streams[h2_raw_get(h2, "/strict")];
    int64_t deadline = deadline_in(15000);
    char payload[1001] = "";

    while ((skip->log.parser.retry_ms < 0 || strict->log.parser.retry_ms < 0) && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    memset(payload, 'x', 1000);
    for (size_t n = 1; n <= 20; n++) {
        publish(rig.publisher, "m.slow", payload);
        REQUIRE(http_wait_events(witness, n));
    }
    for (unsigned i = 0; i < 2; i++)
        h2_raw_window(h2, i, 1 << 20);
    while (!strict->ended && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    REQUIRE(strict->ended);
    h2_raw_destroy(h2);
}

static void answers(void)
{
    char big[3000] = "x-big: ";
    char *large = calloc(1, (1 << 20) + 2), path[1024] = "/pick?subject=m.0";

    request("POST", "/post", "x", NULL, 202);
    request("POST", "/store", "x", NULL, 201);
    request("OPTIONS", "/m", NULL, NULL, 204);
    request("GET", "/nope", NULL, NULL, 404);
    request("PUT", "/m", NULL, NULL, 405);
    request("GET", "/m", NULL, "accept: text/html", 406);
    request("GET", "/pick?subject=other", NULL, NULL, 403);
    request("GET", "/secret", NULL, NULL, 503);
    memset(big + 7, 'x', sizeof(big) - 8);
    request("GET", "/m", NULL, big, 431);
    memset(large, 'x', (1 << 20) + 1);
    request("POST", "/post", large, NULL, 413);
    for (size_t i = 1; i <= 32; i++)
        snprintf(path + strlen(path), 32, "&subject=m.%zu", i);
    request("GET", path, NULL, NULL, 400);
    free(large);
}

static void many_streams(void)
{
    for (int i = 0; i < 6; i++)
        REQUIRE(http_open_ready(client, "/m", NULL) != NULL);
    request("GET", "/m", NULL, NULL, 429);
}

static void tokens(void)
{
    char *token = tokens_sign(key, NULL, "{\"sub\":\"ann\",\"freshet\":{\"subscribe\":[\">\"]}}");
    char *header = text_format("authorization: Bearer %s", token);
    struct http_stream *stream = http_open_ready(client, "/token", header, NULL);

    REQUIRE(stream != NULL);
    request("GET", "/token", NULL, NULL, 401);
    request("GET", "/ask", NULL, NULL, 503);
    publish(rig.publisher, "freshet.control.revoke", "{\"sub\":\"ann\"}");
    REQUIRE(http_wait_event_named(stream, "freshet.bye"));
    free(header);
    free(token);
}

static void attacks(void)
{
    struct attack_target target = {.port = rig.gateway->clear_port};
    struct attack_peer *frames = attack_open(&target), *flood = attack_open(&target);
    struct raw_http *raw = raw_http_connect(rig.gateway->tls_port);

    REQUIRE(frames != NULL && flood != NULL);
    h2_put_hello(frames, 65535);
    h2_put_window(frames, 0, 0);
    attack_flush(frames, 5000);
    h2_put_hello(flood, 65535);
    for (int i = 0; i < 20000; i++)
        h2_put(flood, H2_PING, 0, 0, "12345678", 8);
    attack_flush(flood, 5000);
    raw_http_send(raw, "GET / HTTP/1.1\r\n\r\n"); /* no TLS */
    raw_http_wait_close(raw);
    REQUIRE(attack_wait_closed(frames, 5000) && attack_wait_closed(flood, 5000));
    raw_http_destroy(raw);
    attack_close(frames);
    attack_close(flood);
}

/* ---- what moves by it ---- */

static const struct row {
    const char *series;
} rows[METRIC_COUNT] = {
#define COUNTER(symbol, name, help) [METRIC_##symbol] = {.series = name},
#define GAUGE(symbol, name, help) [METRIC_##symbol] = {.series = name},
#define LABELLED(symbol, name, label, value, help) [METRIC_##symbol] = {.series = name "{" label "=\"" value "\"}"},
#define HISTOGRAM(symbol, name, help) [METRIC_##symbol] = {.series = name "_count"},
#include "gateway/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LABELLED
#undef HISTOGRAM
};

#define LIMITS "tests/integration/limits.c", "each limit has its own gateway there"
#define TOTALS "tests/integration/limits_total.c", "small limits of its own"
#define PRESENCE "tests/integration/presence.c", "routes with presence"
#define REAPER "tests/integration/reaper.c", "the reaper's times are set short there"
/* Either what moves it, or the file that has a test of it, and why it is there. */
static const struct {
    enum metric metric;
    void (*by)(void);
    const char *file, *why;
} movers[] = {
    {METRIC_CONNECTIONS, live_stream, NULL, NULL},
    {METRIC_STREAMS, live_stream, NULL, NULL},
    {METRIC_CHANNELS, live_stream, NULL, NULL},
    {METRIC_MESSAGES_RECEIVED, live_stream, NULL, NULL},
    {METRIC_EVENTS_SENT, live_stream, NULL, NULL},
    {METRIC_BYTES_SENT, live_stream, NULL, NULL},
    {METRIC_DELIVERY, live_stream, NULL, NULL},
    {METRIC_EVENTS_REPLAYED, replay, NULL, NULL},
    {METRIC_STORE_HOLES, NULL, "tests/integration/source_js_hole.c", "a stream with holes"},
    {METRIC_STORE_SKIPS, NULL, "tests/integration/source_js_hole.c", "purges that overtake a consumer"},
    {METRIC_CLOSED_DONE, replay, NULL, NULL},
    {METRIC_GAPS_EVICTED, cursors, NULL, NULL},
    {METRIC_GAPS_UNKNOWN_ID, cursors, NULL, NULL},
    {METRIC_GAPS_BROKER_LOST, outage, NULL, NULL},
    {METRIC_NATS_CONNECTED, NULL, "tests/integration/metrics_move.c", "outage: it goes down, and comes up again"},
    {METRIC_NATS_DISCONNECTS, outage, NULL, NULL},
    {METRIC_GAPS_SLOW, slow_readers, NULL, NULL},
    {METRIC_CLOSED_SLOW, slow_readers, NULL, NULL},
    {METRIC_CLOSED_CLIENT, stream_that_is_left, NULL, NULL},
    {METRIC_CLOSED_TIMEOUT, NULL, "tests/integration/write_timeout.c", "the timeout is short there"},
    {METRIC_CLOSED_DRAIN, NULL, "tests/integration/drain.c", "it is the end of the gateway"},
    {METRIC_CLOSED_SHUTDOWN, NULL, "tests/unit/core_batch.c", "it can no longer be scraped"},
    {METRIC_CLOSED_DENIED, answers, NULL, NULL},
    {METRIC_CLOSED_EXPIRED, NULL, "tests/unit/core_expiry.c", "time is what the test says it is"},
    {METRIC_CLOSED_REVOKED, tokens, NULL, NULL},
    {METRIC_REQUESTS_200, replay, NULL, NULL},
    {METRIC_REQUESTS_201, answers, NULL, NULL},
    {METRIC_REQUESTS_202, answers, NULL, NULL},
    {METRIC_REQUESTS_204, answers, NULL, NULL},
    {METRIC_REQUESTS_400, answers, NULL, NULL},
    {METRIC_REQUESTS_401, tokens, NULL, NULL},
    {METRIC_REQUESTS_403, answers, NULL, NULL},
    {METRIC_REQUESTS_404, answers, NULL, NULL},
    {METRIC_REQUESTS_405, answers, NULL, NULL},
    {METRIC_REQUESTS_406, answers, NULL, NULL},
    {METRIC_REQUESTS_413, answers, NULL, NULL},
    {METRIC_REQUESTS_429, many_streams, NULL, NULL},
    {METRIC_REQUESTS_431, answers, NULL, NULL},
    {METRIC_REQUESTS_503, answers, NULL, NULL},
    {METRIC_REJECTED_DESCRIPTORS, NULL, LIMITS},
    {METRIC_REJECTED_SUBJECTS, answers, NULL, NULL},
    {METRIC_REJECTED_HANDSHAKE, attacks, NULL, NULL},
    {METRIC_REJECTED_SHUTDOWN, NULL, "tests/integration/shutdown.c", "it can no longer be scraped"},
    {METRIC_REJECTED_ADDRESS_CONNECTIONS, NULL, LIMITS},
    {METRIC_REJECTED_ADDRESS_STREAMS, NULL, LIMITS},
    {METRIC_REJECTED_ADDRESS_MEMORY, NULL, LIMITS},
    {METRIC_REJECTED_HANDSHAKES, NULL, LIMITS},
    {METRIC_REJECTED_ADDRESS_OPEN_STREAMS, NULL, TOTALS},
    {METRIC_REJECTED_TOKEN_STREAMS, NULL, TOTALS},
    {METRIC_REJECTED_TOTAL_STREAMS, NULL, TOTALS},
    {METRIC_REJECTED_TOTAL_NEW_STREAMS, NULL, TOTALS},
    {METRIC_REJECTED_STREAMS, many_streams, NULL, NULL},
    {METRIC_REJECTED_NEW_STREAMS, NULL, LIMITS},
    {METRIC_REJECTED_HEADER_BYTES, answers, NULL, NULL},
    {METRIC_REJECTED_HEADER_FIELDS, NULL, LIMITS},
    {METRIC_REJECTED_IDLE, NULL, REAPER},
    {METRIC_REJECTED_AGE, NULL, REAPER},
    {METRIC_REJECTED_FRAMES, attacks, NULL, NULL},
    {METRIC_REJECTED_FLOOD, attacks, NULL, NULL},
    {METRIC_REJECTED_BYTES, NULL, "tests/integration/gate.c", "where publishing is possible the budget is 8 MiB"},
    {METRIC_REJECTED_PROXY_HEADER, NULL, "tests/integration/proxy.c", "a listener of its own"},
    {METRIC_REJECTED_INFO, NULL, "tests/integration/info.c", "a gateway that is asked"},
    {METRIC_REJECTED_AUTH, tokens, NULL, NULL},
    {METRIC_REJECTED_AUTH_SERVICE, tokens, NULL, NULL},
    {METRIC_RELOADS_OK, NULL, "tests/integration/reload.c", "configurations of its own"},
    {METRIC_RELOADS_FAILED, NULL, "tests/integration/reload.c", "configurations of its own"},
    {METRIC_HISTORY_BYTES, live_stream, NULL, NULL},
    {METRIC_HISTORY_EVICTED, NULL, "tests/integration/history_limit.c", "a small limit of its own"},
    {METRIC_PRESENCE_PUBLISHED, NULL, PRESENCE},
    {METRIC_PRESENCE_LOST, NULL, PRESENCE},
    {METRIC_NATS_DROPPED, NULL, "tests/integration/source_busy.c", "takes a queue that is full"},
    {METRIC_NATS_DENIED, answers, NULL, NULL},
};
#define MOVERS (sizeof(movers) / sizeof(movers[0]))

/* All rows that this moves: their values, then their values until each is greater. */
static void show(void (*by)(void))
{
    uint64_t before[MOVERS];
    int64_t deadline;

    for (size_t i = 0; i != MOVERS; ++i) {
        if (movers[i].by == by)
            before[i] = scrape(rig.gateway, rows[movers[i].metric].series);
    }
    by();
    deadline = deadline_in(10000);
    for (size_t i = 0; i != MOVERS; ++i) {
        const char *series = rows[movers[i].metric].series;
        while (movers[i].by == by && scrape(rig.gateway, series) <= before[i]) {
            REQUIRE(now_ms() < deadline, "%s stays at %llu", series, (unsigned long long)before[i]);
            http_pump(client, 20);
        }
    }
}

Test(metrics_move, live_stream)
{
    show(live_stream);
}
Test(metrics_move, replay)
{
    show(replay);
}
Test(metrics_move, stream_that_is_left)
{
    show(stream_that_is_left);
}
Test(metrics_move, cursors)
{
    show(cursors);
}
Test(metrics_move, outage)
{
    show(outage);
}
Test(metrics_move, slow_readers)
{
    show(slow_readers);
}
Test(metrics_move, answers)
{
    show(answers);
}
Test(metrics_move, many_streams)
{
    show(many_streams);
}
Test(metrics_move, tokens)
{
    show(tokens);
}
Test(metrics_move, attacks)
{
    show(attacks);
}

static void nothing(void)
{
}

Test(metrics_move, every_row_has_something_that_moves_it, .init = nothing, .fini = nothing)
{
    for (unsigned row = 0; row != METRIC_COUNT; ++row) {
        size_t found = 0;
        for (size_t i = 0; i != MOVERS; ++i)
            found += movers[i].metric == row;
        /* a histogram's further numbers have no name */
        cr_expect_eq(found, rows[row].series != NULL, "say in movers what moves %s", rows[row].series);
    }
    for (size_t i = 0; i != MOVERS; ++i) {
        char *path;
        if (movers[i].by != NULL)
            continue;
        path = text_format(FRESHET_SOURCE_DIR "/%s", movers[i].file);
        cr_expect(access(path, R_OK) == 0 && movers[i].why != NULL, "%s", movers[i].file);
        free(path);
    }
}
