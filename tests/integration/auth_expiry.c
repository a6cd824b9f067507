/* auth_expiry.c - streams end with their token, clients that reconnect miss nothing, and resets cost nothing */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/auth.h"

#include <jansson.h>
#include <sys/socket.h>

#include "tests/support/broker_monitor.h"
#include "tests/support/jetstream.h"
#include "tests/support/raw_http.h"

static void no_setup(void)
{
}

TestSuite(auth_expiry, .init = no_setup, .fini = auth_stop, .timeout = 60);

static const char routes[] = "defaults:\n"
                             "  retry: 1s\n"
                             "  auth: {jwt: {keys: %K, leeway: 3s}}\n"
                             "routes:\n"
                             "  - {path: /memory, subjects: [\"m.>\"]}\n"
                             "  - {path: /none, subjects: [\"n.>\"], history: {store: none}}\n"
                             "  - {path: /choose, allow: [\"r.>\"], auth: {public: true}}\n";

static char *token_until(int64_t exp)
{
    char *payload = text_format("{\"sub\":\"ann\",\"exp\":%lld,\"freshet\":{\"subscribe\":[\">\"]}}", (long long)exp);
    char *token = tokens_sign(auth.key, NULL, payload);

    free(payload);
    return token;
}

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct http_stream *open_until(const char *path, int64_t exp, const char *cursor)
{
    char *token = token_until(exp), *last = text_format("last-event-id: %s", cursor);
    struct http_stream *stream =
        http_open_ready(auth.rig.client, path, auth_bearer(token), cursor[0] != '\0' ? last : NULL, NULL);

    REQUIRE(stream != NULL);
    free(last);
    free(token);
    return stream;
}

static void require_bye(struct http_stream *stream)
{
    const struct event *bye = event_log_find(&stream->log, "freshet.bye", 0);

    REQUIRE(stream->result == CURLE_OK && bye != NULL, "%s", stream->body);
    REQUIRE_STR(bye->data, "{\"reason\":\"expired\"}");
    REQUIRE(stream->log.parser.retry_ms >= 750 && stream->log.parser.retry_ms <= 1250, "retry: %lld",
            (long long)stream->log.parser.retry_ms);
}

Test(auth_expiry, a_stream_ends_with_its_token)
{
    static const char *const paths[] = {"/memory", "/none"};
    struct http_stream *streams[2], *other;

    auth_start(routes);
    int64_t exp = time(NULL) + 2;
    other = open_until("/memory", exp + 60, "");
    for (int i = 0; i < 2; i++)
        streams[i] = open_until(paths[i], exp, "");
    for (int i = 0; i < 2; i++) {
        REQUIRE(http_wait_end(streams[i]));
        int64_t late = wall_ms() - exp * 1000;
        REQUIRE(late >= -50 && late < scaled_ms(1000), "%lld ms after exp", (long long)late);
        require_bye(streams[i]);
    }
    publish(auth.rig.publisher, "m.x", "on");
    REQUIRE(http_wait_events(other, 1) && !other->ended);
}

/* Clocks differ: a token may be a little over its time; then the stream has what is left of that. */
Test(auth_expiry, what_is_let_in_late_ends_soon)
{
    auth_start(routes);
    int64_t exp = time(NULL) - 1;
    struct http_stream *stream = open_until("/memory", exp, "");
    char *token;

    REQUIRE(http_wait_end(stream));
    int64_t late = wall_ms() - exp * 1000;
    REQUIRE(late >= 2950 && late < scaled_ms(4000), "%lld ms after exp", (long long)late);
    require_bye(stream);
    token = token_until(exp);
    REQUIRE(auth_status(auth.rig.client, "/memory", auth_bearer(token), NULL) == 401, "it is no longer let in");
    free(token);
}

/* ---- coming back ---- */

struct follower {
    uint64_t next; /* the number that has to come */
    size_t seen;   /* events of the stream that have been looked at */
    unsigned ends;
    char cursor[160];
    struct http_stream *stream;
};

static void look(struct follower *follower)
{
    for (; follower->seen < follower->stream->log.count; follower->seen++) {
        const struct event *event = http_event(follower->stream, follower->seen);
        REQUIRE(strcmp(event->name, "freshet.gap") != 0, "%s", event->data);
        if (strcmp(event->name, "message") != 0)
            continue;
        REQUIRE(strtoull(event->data, NULL, 10) == follower->next, "got %s, not %llu, after %u ends", event->data,
                (unsigned long long)follower->next, follower->ends);
        follower->next++;
    }
}

/* What a browser does, but for the wait: its cookie is fresh by now. */
static void come_back(struct follower *follower, const char *path)
{
    require_bye(follower->stream);
    snprintf(follower->cursor, sizeof(follower->cursor), "%s", event_log_last_id(&follower->stream->log));
    http_close(follower->stream);
    follower->ends++;
    follower->seen = 0;
    follower->stream = open_until(path, time(NULL) + (follower->ends % 2 == 0 ? 1 : 2), follower->cursor);
}

/* Numbers are published all the time, the stream ends again and again, and every number comes, once and in order. */
static void follow(const char *path, const char *subject, unsigned ends, struct jetstream *js)
{
    struct follower follower = {.next = 1, .stream = open_until(path, time(NULL) + 1, "")};
    int64_t deadline = deadline_in(20000);
    uint64_t number = 0;

    while (follower.ends < ends) {
        REQUIRE(now_ms() < deadline, "%u ends", follower.ends);
        /* no further ahead than the ring reaches, or a busy gateway ends the stream for being slow */
        for (int i = 0; i < 5 && number < follower.next + 500; i++) {
            if (js != NULL)
                jetstream_publish_format(js, subject, "%llu", (unsigned long long)++number);
            else
                publish_format(auth.rig.publisher, subject, "%llu", (unsigned long long)++number);
        }
        http_pump(auth.rig.client, 5);
        look(&follower);
        if (follower.stream->ended)
            come_back(&follower, path);
    }
    publisher_flush(auth.rig.publisher);
    while (follower.next <= number) {
        REQUIRE(now_ms() < deadline, "%llu of %llu", (unsigned long long)follower.next, (unsigned long long)number);
        http_pump(auth.rig.client, 5);
        look(&follower);
        if (follower.stream->ended)
            come_back(&follower, path);
    }
    REQUIRE(number > 100);
}

Test(auth_expiry, who_comes_back_misses_nothing)
{
    auth_start(routes);
    follow("/memory", "m.x", 3, NULL);
}

Test(auth_expiry, who_comes_back_misses_nothing_that_is_stored)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct jetstream *js = jetstream_connect(nats_fixture_url(nats));
    char *yaml;

    jetstream_create(js, &(struct jetstream_stream){.name = "S", .subjects = {"s.>"}});
    auth.key = tokens_key("ES256", "main");
    auth.key_file = sandbox_path("keys.json");
    tokens_write_jwks(auth.key_file, auth.key, NULL);
    yaml = text_format("routes:\n"
                       "  - path: /stored\n"
                       "    subjects: [\"s.>\"]\n"
                       "    retry: 1s\n"
                       "    history: {store: jetstream, stream: S, events: 64}\n"
                       "    auth: {jwt: {keys: \"%s\"}}\n",
                       auth.key_file);
    auth.rig.nats = nats;
    auth.rig.publisher = publisher_connect(nats_fixture_url(nats));
    auth.rig.gateway = gateway_start(&(struct gateway_options){.nats_url = nats_fixture_url(nats), .yaml = yaml});
    auth.rig.client = http_client_create(auth.rig.gateway, HTTP_H2);
    follow("/stored", "s.x", 3, js);
    jetstream_destroy(js);
    free(yaml);
}

/* ---- what is asked for and taken back ---- */

/* How many subscriptions were ever made at the broker. */
static double broker_inserts(void)
{
    char *text = broker_monitor_get(nats_fixture_monitor_port(auth.rig.nats), "/subsz");
    json_t *json = text != NULL ? json_loads(text, JSON_DECODE_INT_AS_REAL, NULL) : NULL;
    double inserts = json_number_value(json_object_get(json, "num_inserts"));

    REQUIRE(inserts > 0, "%s", text);
    json_decref(json);
    free(text);
    return inserts;
}

static size_t add_frame(unsigned char *dst, unsigned char type, unsigned char flags, unsigned stream,
                        const void *payload, size_t len)
{
    const unsigned char head[9] = {(unsigned char)(len >> 16),
                                   (unsigned char)(len >> 8),
                                   (unsigned char)len,
                                   type,
                                   flags,
                                   (unsigned char)(stream >> 24),
                                   (unsigned char)(stream >> 16),
                                   (unsigned char)(stream >> 8),
                                   (unsigned char)stream};

    memcpy(dst, head, sizeof(head));
    if (len != 0)
        memcpy(dst + sizeof(head), payload, len);
    return sizeof(head) + len;
}

/* RFC 7541: GET, http, :authority x, :path, without compression. */
static size_t add_get(unsigned char *dst, unsigned stream, const char *path)
{
    unsigned char block[128] = {0x82, 0x86, 0x01, 0x01, 'x', 0x04};
    size_t len = strlen(path);

    block[6] = (unsigned char)len;
    memcpy(block + 7, path, len);
    return add_frame(dst, 1, 0x05, stream, block, 7 + len);
}

#define PER_CONNECTION 200
#define CONNECTIONS 10

/* Each asks for a subject that no other client has asked for. */
static void open_many(unsigned connection, unsigned count, bool reset)
{
    static const unsigned char cancel[4] = {0, 0, 0, 8};
    static unsigned char bytes[PER_CONNECTION * 160 + 64];
    struct raw_http *raw = raw_http_connect(auth.rig.gateway->clear_port);
    size_t len = 24;

    memcpy(bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    len += add_frame(bytes + len, 4, 0, 0, NULL, 0);
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/choose?subject=r.%u.%u.%d", connection, i, reset);
        len += add_get(bytes + len, 2 * i + 1, path);
        if (reset)
            len += add_frame(bytes + len, 3, 0, 2 * i + 1, cancel, sizeof(cancel));
    }
    /* the answer to a ping says that all before it has been read */
    len += add_frame(bytes + len, 6, 0, 0, "all read", 8);
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(raw->fd, bytes + sent, len - sent, MSG_NOSIGNAL);
        REQUIRE(n > 0);
        sent += (size_t)n;
    }
    int64_t deadline = deadline_in(10000);
    char reply[65536];
    bool answered = false;
    while (!answered && now_ms() < deadline) {
        ssize_t n = recv(raw->fd, reply, sizeof(reply), 0);
        REQUIRE(n > 0, "the connection was closed");
        answered = memmem(reply, (size_t)n, "all read", 8) != NULL;
    }
    REQUIRE(answered);
    raw_http_destroy(raw);
}

Test(auth_expiry, what_is_reset_at_once_is_never_asked_of_the_broker)
{
    auth_start(routes);
    struct http_stream *honest = http_open_ready(auth.rig.client, "/choose?subject=r.honest", NULL);
    double before;

    REQUIRE(honest != NULL);
    before = broker_inserts();
    for (unsigned i = 0; i < CONNECTIONS; i++)
        open_many(i, PER_CONNECTION, true);
    publish(auth.rig.publisher, "r.honest", "x");
    REQUIRE(http_wait_events(honest, 1));
    double after = broker_inserts();
    /* a pair that falls apart between two reads of the socket may be a subscription, now and then */
    REQUIRE(after - before <= 20, "%.0f subscriptions for %d streams", after - before, CONNECTIONS * PER_CONNECTION);
    /* and those that stay are */
    struct http_stream *streams[20];
    for (int i = 0; i < 20; i++) {
        char *path = text_format("/choose?subject=r.stays.%d", i);
        streams[i] = http_open_ready(auth.rig.client, path, NULL);
        REQUIRE(streams[i] != NULL);
        free(path);
    }
    REQUIRE(broker_inserts() - after >= 20);
}
