/* proxies.c - the proxies of docs/proxies in front of a gateway, with the files given there */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"
#include "tests/support/tokens.h"

#define STREAMS 20
#define SILENCE_S 4 /* what the proxies put up with here instead of a minute */

static struct nats_fixture *nats;
static struct publisher *publisher;
static struct gateway *gateway;
static struct gateway front; /* the proxy, as far as a client is concerned */
static pid_t proxy;          /* 0: not running */
static char *proxy_log;

/* ---- the gateway ---- */

static void start_gateway(void)
{
    static const char routes[] = "admin: {address: \"127.0.0.1:0\"}\n"
                                 "defaults: {heartbeat: 1s}\n"
                                 "routes:\n"
                                 "  - {path: /events, allow: [\"news.>\"]}\n"
                                 "  - {path: /news, subjects: [news.posted], publish: true}\n"
                                 "  - {path: /private, subjects: [private], auth: {jwt: {keys: %s}}}\n";
    char *listen = text_format("    forwarded: [\"127.0.0.1\"]\n"
                               "  - address: \"127.0.0.1:0\"\n"
                               "    certificate: %s\n"
                               "    key: %s\n"
                               "    proxy_protocol: [\"127.0.0.1\"]\n",
                               sandbox_certificate(), sandbox_key());
    char *keys = sandbox_path("keys.jwks"), *yaml = text_format(routes, keys);
    struct tokens_key *key = tokens_key("ES256", "k");

    tokens_write_jwks(keys, key, NULL);
    nats = nats_fixture_start(NULL);
    REQUIRE(nats != NULL, "no broker");
    publisher = publisher_connect(nats_fixture_url(nats));
    gateway = gateway_start(
        &(struct gateway_options){.nats_url = nats_fixture_url(nats), .listen = listen, .yaml = yaml, .workers = 2});
    tokens_key_free(key);
    free(listen);
    free(keys);
    free(yaml);
}

/* ---- the proxy ---- */

static bool listens(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool takes = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return takes;
}

/* Below those that connections get, so that no other process takes it before the proxy does. */
static unsigned free_port(void)
{
    unsigned port = 10000 + (unsigned)getpid() * 32 % 20000;

    while (listens(port))
        port++;
    return port;
}

/* Everything in it that stands for something else on each machine; a text that isn't there is a file that has changed. */
static char *replace(char *text, const char *from, const char *to)
{
    REQUIRE(strstr(text, from) != NULL, "the documented file has no \"%s\"", from);
    return text_replace(text, from, to);
}

static char *replace_port(char *text, const char *before, const char *from, unsigned port)
{
    char *old = text_format("%s%s", before, from), *new = text_format("%s%u", before, port);

    text = replace(text, old, new);
    free(old);
    free(new);
    return text;
}

static char *documented(const char *name)
{
    char *path = text_format("%s/docs/proxies/%s", FRESHET_SOURCE_DIR, name), *text = sandbox_read(path);

    front.tls_port = (uint16_t)free_port();
    free(path);
    return text;
}

static const char *program(const char *name)
{
    static char path[64];

    /* Debian keeps them where only root looks. */
    snprintf(path, sizeof(path), "/usr/sbin/%s", name);
    return access(path, X_OK) == 0 ? path : name;
}

/* Starts argv and waits until it takes connections. text is freed: it is in the file. */
static void launch(char *const argv[], const char *path, char *text)
{
    int64_t deadline = deadline_in(20000);
    int status;

    sandbox_write(path, text);
    free(text);
    proxy_log = sandbox_path("proxy.log");
    proxy = child_start(argv, proxy_log, proxy_log);
    while (!listens(front.tls_port)) {
        REQUIRE(now_ms() < deadline && !child_wait(proxy, 0, &status), "the proxy does not start: %s",
                sandbox_read(proxy_log));
        sleep_ms(10);
    }
}

static void start_nginx(void)
{
    char *text = documented("nginx.conf"), *path = sandbox_path("nginx.conf");
    char *temporary = text_format("http {\n    client_body_temp_path %s/body;\n    proxy_temp_path %s/proxy;\n"
                                  "    fastcgi_temp_path %s/fcgi;\n    uwsgi_temp_path %s/uwsgi;\n"
                                  "    scgi_temp_path %s/scgi;\n",
                                  sandbox_dir(), sandbox_dir(), sandbox_dir(), sandbox_dir(), sandbox_dir());
    char *silence = text_format("_timeout %ds;", SILENCE_S), *pid = text_format("%s/nginx.pid", sandbox_dir());
    char *argv[] = {(char *)(uintptr_t)program("nginx"), "-c", path, "-g", "daemon off;", NULL};

    text = replace(text, "http {\n", temporary);
    text = replace(text, "_timeout 1m;", silence);
    text = replace(text, "/run/nginx.pid", pid);
    text = replace(text, "/var/log/nginx/error.log", "stderr");
    text = replace(text, "/var/log/nginx/access.log events", "off");
    text = replace(text, "worker_rlimit_nofile 200000", "worker_rlimit_nofile 4096");
    text = replace(text, "worker_connections 100000", "worker_connections 2048");
    text = replace(text, "user www-data", geteuid() == 0 ? "user root" : "user www-data");
    text = replace(text, "/etc/ssl/push/server.crt", sandbox_certificate());
    text = replace(text, "/etc/ssl/push/server.key", sandbox_key());
    text = replace_port(text, "127.0.0.1:", "8080", gateway->clear_port);
    text = replace_port(text, "listen ", "443", front.tls_port);
    launch(argv, path, text);
    free(temporary);
    free(silence);
    free(pid);
    free(path);
}

static void start_haproxy(const char *name, const char *gateway_address, uint16_t gateway_port)
{
    char *text = documented(name), *path = sandbox_path("haproxy.cfg"), *pem = sandbox_path("push.pem");
    char *certificate = sandbox_read(sandbox_certificate()), *key = sandbox_read(sandbox_key());
    char *both = text_format("%s%s", certificate, key), *seconds = text_format(" %ds ", SILENCE_S);
    char *argv[] = {(char *)(uintptr_t)program("haproxy"), "-db", "-f", path, NULL};

    sandbox_write(pem, both);
    if (strstr(text, "push.pem") != NULL)
        text = replace(text, "/etc/haproxy/push.pem", pem);
    text = replace(text, " 1m ", seconds);
    text = replace(text, "maxconn 100000", "maxconn 1000");
    text = replace_port(text, "bind :", "443", front.tls_port);
    text = replace_port(text, "127.0.0.1:", gateway_address, gateway_port);
    text = replace_port(text, "check port ", "9090", gateway->admin_port);
    launch(argv, path, text);
    free(certificate);
    free(key);
    free(both);
    free(seconds);
    free(pem);
    free(path);
}

static void teardown(void)
{
    int status;

    if (proxy != 0) {
        kill(proxy, SIGTERM);
        if (!child_wait(proxy, deadline_in(5000), &status)) {
            kill(proxy, SIGKILL);
            child_wait(proxy, deadline_in(5000), &status);
        }
        unlink(proxy_log);
        proxy = 0;
    }
    free(proxy_log);
    gateway_destroy(gateway);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

/* ---- what has to work through each ---- */

static struct http_stream *open_news(struct http_client *client, const char *subject, const char *header)
{
    char *path = text_format("/events?subject=news.%s", subject);
    struct http_stream *stream = http_open_ready(client, path, header, NULL);

    REQUIRE(stream != NULL && http_version(stream) == CURL_HTTP_VERSION_2_0, "%s", subject);
    free(path);
    return stream;
}

/* An event is not held back until others follow, or a buffer is full: nothing else is under way when each is awaited. */
static void check_each_event_arrives_alone(struct http_client *client)
{
    struct http_stream *stream = open_news(client, "a", NULL);

    REQUIRE_STR(http_header(stream, "content-type"), "text/event-stream; charset=utf-8");
    for (unsigned i = 0; i != 3; i++) {
        publish_format(publisher, "news.a", "%u", i);
        REQUIRE(http_wait_events(stream, i + 1), "event %u", i);
        REQUIRE(strtoul(http_event(stream, i)->data, NULL, 10) == i);
    }
}

static void check_many_streams_share_a_connection(struct http_client *client)
{
    struct http_stream *streams[STREAMS];
    long connects = 0;

    for (unsigned i = 0; i != STREAMS; i++) {
        char *subject = text_format("many.%u", i);
        streams[i] = open_news(client, subject, NULL);
        connects += http_connects(streams[i]);
        free(subject);
    }
    REQUIRE(connects == 0, "%ld connections besides the first", connects);
    for (unsigned i = 0; i != STREAMS; i++) {
        char *subject = text_format("news.many.%u", i);
        publish_format(publisher, subject, "%u", i);
        free(subject);
    }
    for (unsigned i = 0; i != STREAMS; i++)
        REQUIRE(http_wait_events(streams[i], 1) && strtoul(http_event(streams[i], 0)->data, NULL, 10) == i);
}

static void check_a_cut_stream_resumes(void)
{
    struct http_client *client = http_client_create(&front, HTTP_H2);
    struct http_stream *stream = open_news(client, "cut", NULL);

    publish(publisher, "news.cut", "1");
    REQUIRE(http_wait_events(stream, 1));
    char *header = text_format("last-event-id: %s", event_log_last_id(&stream->log));
    http_client_destroy(client);
    publish(publisher, "news.cut", "2");
    publish(publisher, "news.cut", "3");
    publisher_flush(publisher);
    client = http_client_create(&front, HTTP_H2);
    stream = open_news(client, "cut", header);
    REQUIRE(http_wait_events(stream, 2));
    REQUIRE_STR(http_event(stream, 0)->data, "2");
    REQUIRE_STR(http_event(stream, 1)->data, "3");
    http_client_destroy(client);
    free(header);
}

static void check_the_gateway_knows_the_client(void)
{
    struct http_client *client = http_client_create(&front, HTTP_H2);

    client->source = "127.0.0.2";
    struct http_stream *stream = http_open(client, "/private", NULL);
    REQUIRE(http_wait_headers(stream) && stream->status == 401, "%d", stream->status);
    REQUIRE(gateway_wait_log(gateway, " auth-refused ", 5000));
    REQUIRE(gateway_wait_log(gateway, "client=127.0.0.2", 5000), "it takes the proxy for the client");
    http_client_destroy(client);
}

static void check_a_page_publishes(struct http_client *client)
{
    struct http_stream *stream = open_news(client, "posted", NULL);
    char *origin = text_format("origin: %s", client->origin);
    struct http_stream *answer = http_request(client, "POST", "/news", "hello", origin, NULL);

    REQUIRE(answer->status == 202, "%d %s", answer->status, answer->body);
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE_STR(http_event(stream, 0)->data, "hello");
    free(origin);
}

/* Longer than a proxy would put up with, were there no heartbeats. */
static void check_silence_is_no_end(struct http_client *client)
{
    struct http_stream *stream = open_news(client, "silent", NULL);
    int64_t deadline = deadline_in(30000);

    while (stream->log.parser.comments < SILENCE_S + 2 && !stream->ended && now_ms() < deadline)
        http_pump(client, 100);
    REQUIRE(!stream->ended && stream->log.parser.comments >= SILENCE_S + 2, "ended after %zu heartbeats",
            stream->log.parser.comments);
}

static void check_all_goes_with_the_client(void)
{
    int64_t deadline = deadline_in(10000);

    while (scrape(gateway, "freshet_streams") != 0 && now_ms() < deadline)
        sleep_ms(20);
    REQUIRE(scrape(gateway, "freshet_streams") == 0, "the proxy holds streams that no client reads");
}

static void check_the_farewell(void)
{
    struct http_client *client = http_client_create(&front, HTTP_H2);
    struct http_stream *stream = open_news(client, "last", NULL);

    kill(gateway->pid, SIGTERM);
    REQUIRE(http_wait_event_named(stream, "freshet.bye") && http_wait_end(stream));
    REQUIRE(stream->result == CURLE_OK, "%s", curl_easy_strerror(stream->result));
    http_client_destroy(client);
    REQUIRE(gateway_wait_exit(gateway) == 0);
}

/* An EventSource takes any status but 200 as the end for good. */
static void check_who_finds_no_gateway_is_asked_back(void)
{
    struct http_client *client = http_client_create(&front, HTTP_H2);
    struct http_stream *stream = http_open(client, "/events?subject=news.a", "origin: https://app.example", NULL);

    REQUIRE(http_wait_headers(stream) && stream->status == 200, "%d", stream->status);
    REQUIRE(http_wait_end(stream) && stream->result == CURLE_OK);
    REQUIRE_STR(http_header(stream, "content-type"), "text/event-stream");
    REQUIRE_STR(http_header(stream, "access-control-allow-origin"), "https://app.example");
    REQUIRE_STR(http_header(stream, "access-control-allow-credentials"), "true");
    REQUIRE(stream->log.parser.retry_ms >= 4000 && stream->log.parser.retry_ms <= 7000, "%lld",
            (long long)stream->log.parser.retry_ms);
    struct http_stream *answer = http_request(client, "POST", "/news", "hello", NULL);
    REQUIRE(answer->status != 200, "no gateway is there to take it");
    http_client_destroy(client);
}

static void check_all(void)
{
    struct http_client *client = http_client_create(&front, HTTP_H2);

    check_each_event_arrives_alone(client);
    check_many_streams_share_a_connection(client);
    check_a_cut_stream_resumes();
    check_the_gateway_knows_the_client();
    check_a_page_publishes(client);
    check_silence_is_no_end(client);
    http_client_destroy(client);
    check_all_goes_with_the_client();
    check_the_farewell();
}

TestSuite(proxies, .init = start_gateway, .fini = teardown, .timeout = 120);

Test(proxies, nginx)
{
    start_nginx();
    check_all();
    check_who_finds_no_gateway_is_asked_back();
}

Test(proxies, haproxy)
{
    start_haproxy("haproxy.cfg", "8080", gateway->clear_port);
    check_all();
    check_who_finds_no_gateway_is_asked_back();
}

Test(proxies, haproxy_passing_tls_through)
{
    start_haproxy("haproxy-tcp.cfg", "8443", gateway_port(gateway, 2));
    check_all();
}
