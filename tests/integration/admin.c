/* admin.c - the admin listener: metrics, and whether the gateway is alive and ready */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/h2_raw.h"
#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/metric_routes.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

#define SAMPLES_MAX 128
#define MIB ((size_t)1 << 20)

static const char broker[] = "authorization {users = [\n"
                             "  {user: gateway, password: secret, permissions: {subscribe: {deny: [\"secret.>\"]}}}\n"
                             "  {user: backend, password: secret}]}\n";

static const char yaml[] = "admin: {address: \"127.0.0.1:0\"}\n"
                           "defaults: {history: {events: 4}}\n"
                           "routes:\n" METRIC_ROUTES "  - {path: /secret, subjects: [\"secret.a\"]}\n";

static struct rig rig;
static struct http_client *client /* the rig's */, *scraper;

static void setup(void)
{
    rig_start_with_logins(&rig, broker, yaml, 2);
    client = rig.client;
    scraper = http_client_create_admin(rig.gateway, HTTP_H1C);
}

static void teardown(void)
{
    http_client_destroy(scraper);
    rig_stop(&rig);
}

TestSuite(admin, .init = setup, .fini = teardown, .timeout = 120);

struct sample {
    char series[128]; /* name{label="value"}, as in the answer */
    uint64_t value;
};

struct scrape {
    struct sample samples[SAMPLES_MAX];
    size_t count;
    char families[SAMPLES_MAX][64]; /* in order, the last one is open */
    size_t family_count;
    bool has_type; /* of the open family */
    bool is_histogram;
};

static const char name_characters[] = "abcdefghijklmnopqrstuvwxyz_";

static void parse_help(struct scrape *scrape, const char *name)
{
    size_t len = strspn(name, name_characters);

    REQUIRE(name[len] == ' ' && name[len + 1] != '\0' && len < 64, "# HELP %s", name);
    REQUIRE(scrape->family_count == 0 || scrape->has_type, "a family without a type before %s", name);
    for (size_t i = 0; i != scrape->family_count; ++i)
        REQUIRE(strncmp(scrape->families[i], name, len) != 0 || scrape->families[i][len] != '\0', "twice: %s", name);
    snprintf(scrape->families[scrape->family_count++], 64, "%.*s", (int)len, name);
    scrape->has_type = false;
}

static void parse_type(struct scrape *scrape, const char *name)
{
    size_t len = strspn(name, name_characters);
    bool is_total = len > 6 && strncmp(name + len - 6, "_total", 6) == 0;

    REQUIRE(scrape->family_count != 0 && !scrape->has_type, "# TYPE %s out of place", name);
    REQUIRE(strncmp(scrape->families[scrape->family_count - 1], name, len) == 0, "another name than HELP: %s", name);
    scrape->is_histogram = strcmp(name + len, " histogram") == 0;
    REQUIRE(scrape->is_histogram || strcmp(name + len, is_total ? " counter" : " gauge") == 0, "# TYPE %s", name);
    scrape->has_type = true;
}

/* name 1, or name{label="value"} 1; of a number with a point the whole part. */
static void parse_sample(struct scrape *scrape, const char *line)
{
    size_t name = strspn(line, name_characters), len = name;
    size_t family = strlen(scrape->families[scrape->family_count - 1]);
    struct sample *sample = &scrape->samples[scrape->count++];
    char *end;

    REQUIRE(scrape->has_type, "before its type: %s", line);
    REQUIRE(strncmp(scrape->families[scrape->family_count - 1], line, family) == 0 &&
                (scrape->is_histogram || name == family),
            "outside its family: %s", line);
    if (line[len] == '{') {
        size_t label = strspn(line + len + 1, name_characters);
        REQUIRE(label != 0 && strncmp(line + len + 1 + label, "=\"", 2) == 0, "%s", line);
        len += label + 3;
        len += strcspn(line + len, "\"\\{}");
        REQUIRE(strncmp(line + len, "\"}", 2) == 0, "%s", line);
        len += 2;
    }
    REQUIRE(line[len] == ' ' && len < sizeof(sample->series), "%s", line);
    REQUIRE(line[len + 1] >= '0' && line[len + 1] <= '9', "no number: %s", line);
    sample->value = strtoull(line + len + 1, &end, 10);
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    REQUIRE(*end == '\0', "%s", line);
    snprintf(sample->series, sizeof(sample->series), "%.*s", (int)len, line);
    for (size_t i = 0; i + 1 < scrape->count; ++i)
        REQUIRE(strcmp(scrape->samples[i].series, sample->series) != 0, "twice: %s", sample->series);
}

static struct scrape parse(const char *body)
{
    struct scrape scrape = {.count = 0};
    const char *line, *end;

    for (line = body; *line != '\0'; line = end + 1) {
        char *text;
        REQUIRE((end = strchr(line, '\n')) != NULL, "the last line has no end");
        REQUIRE(scrape.count < SAMPLES_MAX && scrape.family_count < SAMPLES_MAX);
        text = text_format("%.*s", (int)(end - line), line);
        REQUIRE(strchr(text, '\r') == NULL);
        if (strncmp(text, "# HELP ", 7) == 0)
            parse_help(&scrape, text + 7);
        else if (strncmp(text, "# TYPE ", 7) == 0)
            parse_type(&scrape, text + 7);
        else
            parse_sample(&scrape, text);
        free(text);
    }
    REQUIRE(scrape.has_type);
    return scrape;
}

static struct scrape scrape_now(void)
{
    struct http_stream *response = http_request(scraper, "GET", "/metrics", NULL, NULL);
    struct scrape scrape;

    REQUIRE(response->status == 200 && response->result == CURLE_OK, "%d %s", response->status, response->body);
    REQUIRE(response->body_len == response->body_kept, "%zu", (size_t)response->body_len);
    REQUIRE_STR(http_header(response, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    scrape = parse(response->body);
    http_close(response);
    return scrape;
}

static uint64_t value_of(const struct scrape *scrape, const char *series)
{
    for (size_t i = 0; i != scrape->count; ++i) {
        if (strcmp(scrape->samples[i].series, series) == 0)
            return scrape->samples[i].value;
    }
    REQUIRE(false, "there is no %s", series);
    return 0;
}

/* Waits for a value that is counted after the client has its answer; a failure shows the last one seen. */
static void require_value(const char *series, uint64_t wanted)
{
    int64_t deadline = deadline_in(10000);
    struct scrape scrape;

    while (scrape = scrape_now(), value_of(&scrape, series) != wanted && now_ms() < deadline)
        http_pump_for(client, 20);
    REQUIRE(value_of(&scrape, series) == wanted, "%s is %llu, not %llu", series,
            (unsigned long long)value_of(&scrape, series), (unsigned long long)wanted);
}

Test(admin, metrics_are_all_there_from_the_start)
{
    static const struct {
        const char *name, *label, *value, *help;
    } rows[] = {
#define COUNTER(symbol, name, help) {name, NULL, NULL, help},
#define GAUGE(symbol, name, help) {name, NULL, NULL, help},
#define LABELLED(symbol, name, label, value, help) {name, label, value, help},
#define HISTOGRAM(symbol, name, help) {name "_bucket", "le", "+Inf", NULL}, {name "_count", NULL, NULL, NULL},
#include "gateway/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LABELLED
#undef HISTOGRAM
    };
    struct scrape scrape = scrape_now();
    struct http_stream *response = http_request(scraper, "GET", "/metrics?name[]=x", NULL, NULL);
    size_t count = sizeof(rows) / sizeof(rows[0]);

    REQUIRE(scrape.count > count, "%zu series, %zu rows and the version", scrape.count, count);
    for (size_t i = 0; i != count; ++i) {
        char *series = rows[i].label == NULL ? text_format("%s", rows[i].name)
                                             : text_format("%s{%s=\"%s\"}", rows[i].name, rows[i].label, rows[i].value);
        char *help = text_format("# HELP %s %s\n", rows[i].name, rows[i].help != NULL ? rows[i].help : "");
        uint64_t value = value_of(&scrape, series);
        bool is_one = strcmp(series, "freshet_connections") == 0 || strcmp(series, "freshet_nats_connected") == 0;
        REQUIRE(value == is_one, "%s begins with %llu", series, (unsigned long long)value);
        REQUIRE(rows[i].help == NULL || strstr(response->body, help) != NULL, "%s", help);
        free(series);
        free(help);
    }
    REQUIRE(strncmp(scrape.samples[0].series, "freshet_build_info{version=\"", 28) == 0, "%s",
            scrape.samples[0].series);
    REQUIRE(scrape.samples[0].value == 1);
}

Test(admin, events_are_those_the_clients_got)
{
    struct http_client *h1 = http_client_create(rig.gateway, HTTP_H1);
    struct http_stream *streams[5];
    int64_t deadline = deadline_in(30000);
    uint64_t bytes = 0;

    for (int i = 0; i < 4; i++)
        REQUIRE((streams[i] = http_open_ready(i < 3 ? client : h1, "/m", NULL)) != NULL);
    require_value("freshet_connections", 3);
    for (size_t n = 1; n <= 10; n++) {
        publish(rig.publisher, "m.a", "payload");
        for (int i = 0; i < 4; i++)
            REQUIRE(http_wait_events(streams[i], n));
    }
    REQUIRE((streams[4] = http_open_ready(client, "/m?since=earliest", NULL)) != NULL);
    REQUIRE(http_wait_events(streams[4], 4));
    for (int i = 0; i < 5; i++)
        bytes += streams[i]->body_len;
    require_value("freshet_events_sent_total", 44);
    require_value("freshet_events_replayed_total", 4);
    require_value("freshet_bytes_sent_total", bytes);
    require_value("freshet_messages_received_total", 10);
    /* what was replayed is no delivery */
    require_value("freshet_delivery_seconds_count", 40);
    require_value("freshet_delivery_seconds_bucket{le=\"+Inf\"}", 40);
    require_value("freshet_streams", 5);
    require_value("freshet_channels", 1);
    http_client_destroy(client);
    client = http_client_create(rig.gateway, HTTP_H2);
    require_value("freshet_streams", 1);
    require_value("freshet_connections", 2);
    require_value("freshet_streams_closed_total{reason=\"client\"}", 4);
    REQUIRE(http_wait_end(http_open(client, "/m?since=earliest&follow=false", NULL)));
    require_value("freshet_streams_closed_total{reason=\"done\"}", 1);
    require_value("freshet_events_sent_total", 48);
    http_client_destroy(h1);
    /* a silent HTTP/1.1 stream is only missed at the next writes */
    for (struct scrape now = scrape_now(); value_of(&now, "freshet_streams") != 0; now = scrape_now()) {
        REQUIRE(now_ms() < deadline);
        publish(rig.publisher, "m.a", "anybody?");
        http_pump_for(client, 20);
    }
    require_value("freshet_streams_closed_total{reason=\"client\"}", 5);
}

Test(admin, requests_by_status)
{
    static const struct {
        const char *method, *path, *header;
        int status;
    } cases[] = {
        {"POST", "/post", NULL, 202},
        {"OPTIONS", "/m", NULL, 204},
        {"GET", "/pick", NULL, 400},
        {"GET", "/pick?subject=other", NULL, 403},
        {"GET", "/nope", NULL, 404},
        {"PUT", "/m", NULL, 405},
        {"GET", "/m", "accept: text/html", 406},
        {"GET", "/secret", NULL, 503},
    };
    char *more = calloc(1, MIB + 2), path[1024] = "/pick?subject=m.0";
    struct scrape after;

    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        struct http_stream *response =
            http_request(client, cases[i].method, cases[i].path, NULL, cases[i].header, NULL);
        REQUIRE(response->status == cases[i].status, "%s %s: %d", cases[i].method, cases[i].path, response->status);
    }
    memset(more, 'x', MIB + 1);
    REQUIRE(http_request(client, "POST", "/post", more, NULL)->status == 413);
    free(more);
    for (size_t i = 1; i <= 32; i++)
        snprintf(path + strlen(path), 32, "&subject=m.%zu", i);
    REQUIRE(http_request(client, "GET", path, NULL, NULL)->status == 400);
    REQUIRE(http_request(client, "GET", "/m?follow=false", NULL, NULL)->status == 200);
    after = scrape_now();
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        char series[64];
        snprintf(series, sizeof(series), "freshet_requests_total{status=\"%d\"}", cases[i].status);
        REQUIRE(value_of(&after, series) == 1u + (cases[i].status == 400), "%s is %llu", series,
                (unsigned long long)value_of(&after, series));
    }
    REQUIRE(value_of(&after, "freshet_requests_total{status=\"413\"}") == 1);
    /* the stream; the scrape counts itself once it is answered */
    REQUIRE(value_of(&after, "freshet_requests_total{status=\"200\"}") == 1);
    REQUIRE(value_of(&after, "freshet_rejected_total{reason=\"subjects\"}") == 1);
    REQUIRE(value_of(&after, "freshet_streams_closed_total{reason=\"denied\"}") == 1);
    REQUIRE(value_of(&after, "freshet_nats_denied_total") == 1);
}

Test(admin, gaps_by_reason)
{
    struct http_stream *stream = http_open_ready(client, "/m", NULL), *late;
    char *cursor;

    REQUIRE(stream != NULL);
    for (size_t n = 1; n <= 8; n++) {
        publish_format(rig.publisher, "m.a", "%zu", n);
        REQUIRE(http_wait_events(stream, n));
    }
    cursor = text_format("last-event-id: %s", http_event(stream, 0)->id);
    REQUIRE((late = http_open_ready(client, "/m", cursor, NULL)) != NULL);
    REQUIRE(http_wait_event_named(late, "freshet.gap"));
    REQUIRE((late = http_open_ready(client, "/m", "last-event-id: another-1", NULL)) != NULL);
    REQUIRE(http_wait_event_named(late, "freshet.gap"));
    free(cursor);
    require_value("freshet_gaps_total{reason=\"evicted\"}", 1);
    require_value("freshet_gaps_total{reason=\"unknown-id\"}", 1);
    nats_fixture_restart(rig.nats);
    REQUIRE(http_wait_event_named(stream, "freshet.gap"));
    require_value("freshet_gaps_total{reason=\"broker-lost\"}", 3);
    require_value("freshet_gaps_total{reason=\"slow\"}", 0);
    require_value("freshet_nats_disconnects_total", 1);
}

Test(admin, slow_streams)
{
    struct h2_raw *h2 = h2_raw_connect(rig.gateway->clear_port, 2000, 0);
    struct http_stream *witness = http_open_ready(client, "/pick?subject=m.slow", NULL);
    struct h2_raw_stream *skip = &h2->streams[h2_raw_get(h2, "/skip")];
    struct h2_raw_stream *strict = &h2->streams[h2_raw_get(h2, "/strict")];
    int64_t deadline = deadline_in(10000);
    char payload[1001];

    while ((skip->log.parser.retry_ms < 0 || strict->log.parser.retry_ms < 0) && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    REQUIRE(witness != NULL && skip->log.parser.retry_ms >= 0 && strict->log.parser.retry_ms >= 0);
    memset(payload, 'x', 1000);
    payload[1000] = '\0';
    for (size_t n = 1; n <= 20; n++) {
        publish(rig.publisher, "m.slow", payload);
        REQUIRE(http_wait_events(witness, n));
    }
    for (unsigned i = 0; i < 2; i++)
        h2_raw_window(h2, i, 1 << 20);
    while ((event_log_find(&skip->log, "freshet.gap", 0) == NULL || !strict->ended) && now_ms() < deadline)
        h2_raw_pump(h2, 50);
    REQUIRE(event_log_find(&skip->log, "freshet.gap", 0) != NULL && strict->ended);
    require_value("freshet_gaps_total{reason=\"slow\"}", event_log_count(&skip->log, "freshet.gap"));
    require_value("freshet_streams_closed_total{reason=\"slow\"}", 1);
    h2_raw_destroy(h2);
}

/* Asks until the answer has that status. */
static struct http_stream *wait_ready(int status)
{
    int64_t deadline = deadline_in(15000);
    struct http_stream *response = http_request(scraper, "GET", "/readyz", NULL, NULL);

    while (response->status != status && now_ms() < deadline) {
        http_close(response);
        http_pump_for(scraper, 20);
        response = http_request(scraper, "GET", "/readyz", NULL, NULL);
    }
    REQUIRE(response->status == status, "%d, not %d: %s", response->status, status, response->body);
    return response;
}

static void require_alive(void)
{
    struct http_stream *response = http_request(scraper, "GET", "/livez", NULL, NULL);

    REQUIRE(response->status == 200, "%d %s", response->status, response->body);
    REQUIRE_STR(response->body, "alive\n");
}

Test(admin, ready_while_the_broker_is_there)
{
    struct http_stream *response;

    for (int round = 0; round < 2; round++) {
        REQUIRE_STR(wait_ready(200)->body, "ready\ndraining: no\nlisteners: ok\nnats: ok\n");
        require_alive();
        nats_fixture_kill(rig.nats);
        response = wait_ready(503);
        REQUIRE(is_problem(response, 503, "NATS"));
        REQUIRE_STR(json_field(response->body, "checks"),
                    "{\"draining\":\"no\",\"listeners\":\"ok\",\"nats\":\"not connected\"}");
        require_alive();
        require_value("freshet_nats_connected", 0);
        nats_fixture_restart(rig.nats);
    }
    wait_ready(200);
    require_value("freshet_nats_connected", 1);
    require_value("freshet_nats_disconnects_total", 2);
}

Test(admin, not_ready_before_the_broker_was_ever_there)
{
    teardown();
    rig.nats = nats_fixture_start(NULL);
    REQUIRE(rig.nats != NULL);
    nats_fixture_kill(rig.nats);
    rig.gateway =
        gateway_start_listening(&(struct gateway_options){.nats_url = nats_fixture_url(rig.nats), .yaml = yaml});
    client = http_client_create(rig.gateway, HTTP_H2);
    scraper = http_client_create_admin(rig.gateway, HTTP_H1C);
    REQUIRE(is_problem(http_request(scraper, "GET", "/readyz", NULL, NULL), 503, "NATS"));
    require_alive();
    require_value("freshet_nats_connected", 0);
    nats_fixture_restart(rig.nats);
    wait_ready(200);
}

Test(admin, it_answers_nothing_else)
{
    for (enum http_mode mode = HTTP_H2C; mode <= HTTP_H1C; mode++) {
        struct http_client *admin = http_client_create_admin(rig.gateway, mode);
        struct http_stream *response;
        static const char *const others[] = {"/", "/metrics/", "/Metrics", "/metricsx", "/m", "/pick?subject=m.a"};
        for (size_t i = 0; i != sizeof(others) / sizeof(others[0]); ++i)
            REQUIRE(is_problem(http_request(admin, "GET", others[i], NULL, NULL), 404, "/metrics"), "%s", others[i]);
        response = http_request(admin, "POST", "/post", "x", NULL);
        REQUIRE(is_problem(response, 405, "POST"));
        REQUIRE_STR(http_header(response, "allow"), "GET, HEAD");
        REQUIRE(is_problem(http_request(admin, "DELETE", "/metrics", NULL, NULL), 405, "DELETE"));
        response = http_request(admin, "HEAD", "/metrics", NULL, NULL);
        REQUIRE(response->status == 200 && response->body_len == 0 && response->result == CURLE_OK, "%d",
                response->status);
        response = http_request(admin, "GET", "/metrics", NULL, NULL);
        REQUIRE(response->status == 200);
        parse(response->body);
        http_client_destroy(admin);
    }
}

Test(admin, the_public_listeners_know_nothing_of_it)
{
    static const char *const paths[] = {"/metrics", "/livez", "/readyz", "/streams", "/config"};

    for (enum http_mode mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *public = http_client_create(rig.gateway, mode);
        for (size_t i = 0; i != sizeof(paths) / sizeof(paths[0]); ++i) {
            char *host = text_format("host: 127.0.0.1:%u", rig.gateway->admin_port);
            REQUIRE(is_problem(http_request(public, "GET", paths[i], NULL, NULL), 404, paths[i]));
            REQUIRE(is_problem(http_request(public, "GET", paths[i], NULL, host, NULL), 404, paths[i]));
            REQUIRE(is_problem(http_request(public, "GET", paths[i], NULL, "host: admin", NULL), 404, paths[i]));
            free(host);
        }
        http_client_destroy(public);
    }
}
