/* proxy.c - the address of a client behind a proxy: believed from trusted proxies only */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/scrape.h"

/* The cleartext listener and one with TLS trust 127.0.0.1 and no other address. */
#define KEYS "    proxy_protocol: [\"127.0.0.1\"]\n"
#define REST                                                                                                           \
    "admin: {address: \"127.0.0.1:0\"}\n"                                                                              \
    "routes:\n"                                                                                                        \
    "  - {path: /x, subjects: [\"x\"], heartbeat: 1s}\n"
#define GET_STREAM "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct rig rig;

static void teardown(void)
{
    rig_stop(&rig);
}

TestSuite(proxy, .fini = teardown, .timeout = 60);

static void start(const char *keys, const char *limits)
{
    char *listen = text_format("%s  - address: \"127.0.0.1:0\"\n    certificate: %s\n    key: %s\n%s", keys,
                               sandbox_certificate(), sandbox_key(), keys);
    char *yaml = text_format("limits: {%s}\n" REST, limits);

    rig.nats = nats_fixture_start(NULL);
    REQUIRE(rig.nats != NULL);
    rig.gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(rig.nats), .listen = listen, .yaml = yaml, .workers = 2});
    free(listen);
    free(yaml);
}

/* A header of version 2 for a client with that address; `extra` bytes of extensions. Returns its length. */
static size_t make_header(uint8_t dst[512], const char *client, uint16_t port, size_t extra)
{
    bool v6 = strchr(client, ':') != NULL;
    size_t address = v6 ? 16 : 4, len = 2 * address + 4 + extra;

    memset(dst, 0, 512);
    memcpy(dst, SIGNATURE, 12);
    dst[12] = 0x21;
    dst[13] = v6 ? 0x21 : 0x11;
    dst[14] = (uint8_t)(len >> 8);
    dst[15] = (uint8_t)len;
    REQUIRE(inet_pton(v6 ? AF_INET6 : AF_INET, client, dst + 16) == 1);
    dst[16 + 2 * address] = (uint8_t)(port >> 8);
    dst[17 + 2 * address] = (uint8_t)port;
    return 16 + len;
}

static struct raw_http *connect_for(const char *client)
{
    struct raw_http *raw = raw_http_connect(rig.gateway->clear_port);
    uint8_t header[512];

    raw_http_send_bytes(raw, header, make_header(header, client, 4711, 0));
    raw_http_send(raw, GET_STREAM);
    raw_http_wait(raw, "retry:");
    return raw;
}

static bool is_open(const struct raw_http *raw)
{
    return strstr(raw->text, "retry:") != NULL && !raw->closed;
}

/* Opens one for that client and closes it again; true: it was accepted. */
static bool is_served(const char *client)
{
    struct raw_http *raw = connect_for(client);
    bool served = is_open(raw);

    REQUIRE(served || (raw->closed && raw->len == 0), "%s", raw->text);
    raw_http_destroy(raw);
    return served;
}

Test(proxy, limits_are_those_of_the_client)
{
    static const char *const clients[] = {"192.0.2.7", "192.0.2.8", "2001:db8:0:7::1", "2001:db8:0:8::1"};
    struct raw_http *first[4];

    start(KEYS, "connections_per_address: 1");
    for (size_t i = 0; i != 4; i++)
        REQUIRE(is_open(first[i] = connect_for(clients[i])), "%s: %s", clients[i], first[i]->text);
    for (size_t i = 0; i != 4; i++)
        REQUIRE(!is_served(clients[i]), "%s", clients[i]);
    REQUIRE(gateway_wait_log(rig.gateway, "limit=address-connections peer=192.0.2.7:4711", 5000));
    REQUIRE(gateway_wait_log(rig.gateway, "limit=address-connections peer=[2001:db8:0:7::1]:4711", 5000));
    REQUIRE(scrape_rejected(rig.gateway, "address-connections") == 4);
    for (size_t i = 0; i != 4; i++)
        raw_http_destroy(first[i]);
}

/* The balancer itself, checking that we are there; and one that can't make up its mind how to cut its bytes. */
Test(proxy, headers_come_in_any_pieces)
{
    static const char local[16] = SIGNATURE "\x20";
    struct raw_http *raw;
    uint8_t header[512];
    size_t len;

    start(KEYS, "connections_per_address: 1");
    raw = raw_http_connect(rig.gateway->clear_port);
    raw_http_send_bytes(raw, local, sizeof(local));
    raw_http_send(raw, GET_STREAM);
    REQUIRE(raw_http_wait(raw, "retry:"), "%s", raw->text);
    raw_http_destroy(raw);

    raw = raw_http_connect(rig.gateway->clear_port);
    len = make_header(header, "192.0.2.9", 1, 300);
    for (size_t i = 0; i != len; i++) {
        raw_http_send_bytes(raw, header + i, 1);
        if (i % 16 == 0)
            sleep_ms(1);
    }
    raw_http_send(raw, GET_STREAM);
    REQUIRE(raw_http_wait(raw, "retry:"), "%s", raw->text);
    REQUIRE(!is_served("192.0.2.9"), "it counts for the client it names");
    raw_http_destroy(raw);
    REQUIRE(scrape_rejected(rig.gateway, "proxy-header") == 0);
}

/* Header and ClientHello in one segment: TLS finds its first byte all the same. */
Test(proxy, a_header_before_tls)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *out = BIO_new(BIO_s_mem()), *in = BIO_new(BIO_s_mem());
    struct raw_http *raw;
    uint8_t first[2048];
    size_t len;
    char text[2048] = "";

    start(KEYS, "connections_per_address: 1");
    SSL_set_bio(ssl, in, out);
    REQUIRE(SSL_connect(ssl) == -1);
    len = make_header(first, "192.0.2.7", 4711, 64);
    len += (size_t)BIO_read(out, first + len, (int)(sizeof(first) - len));
    raw = raw_http_connect(gateway_port(rig.gateway, 2));
    raw_http_send_bytes(raw, first, len);
    BIO_up_ref(out);
    SSL_set_fd(ssl, raw->fd);
    REQUIRE(SSL_connect(ssl) == 1);
    REQUIRE(SSL_write(ssl, GET_STREAM, sizeof(GET_STREAM) - 1) > 0);
    for (size_t have = 0; strstr(text, "retry:") == NULL;) {
        int got = SSL_read(ssl, text + have, (int)(sizeof(text) - 1 - have));
        REQUIRE(got > 0, "%s", text);
        have += (size_t)got;
    }
    REQUIRE(!is_served("192.0.2.7"), "the same client over the other listener");
    SSL_free(ssl);
    BIO_free(out);
    SSL_CTX_free(context);
    raw_http_destroy(raw);
}

Test(proxy, who_has_to_begin_with_a_header_and_does_not_is_refused)
{
    static const char no_header[] = GET_STREAM "                        ";
    static const char version_1[] = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n" GET_STREAM;
    static const char *const wrong[] = {no_header, version_1, "\x16\x03\x01\x02"};
    struct raw_http *raw;
    struct http_client *direct;

    start(KEYS, "replays: 16");
    for (size_t i = 0; i != 3; i++) {
        raw = raw_http_connect(rig.gateway->clear_port);
        raw_http_send(raw, wrong[i]);
        REQUIRE(raw_http_wait_close(raw) && raw->len == 0, "%zu: %s", i, raw->text);
        raw_http_destroy(raw);
    }
    raw = raw_http_connect(rig.gateway->clear_port);
    raw_http_send_bytes(raw, SIGNATURE, 12);
    shutdown(raw->fd, SHUT_WR);
    REQUIRE(raw_http_wait_close(raw));
    raw_http_destroy(raw);
    raw_http_destroy(raw_http_connect(rig.gateway->clear_port)); /* a look whether the port is open */
    REQUIRE(gateway_wait_log(rig.gateway, "reason=\"PROXY protocol version 1; only version 2 is understood\"", 5000));
    REQUIRE(scrape_wait_rejected(rig.gateway, "proxy-header", 4));
    REQUIRE(scrape_rejected(rig.gateway, "proxy-header") == 4);
    direct = http_client_create(rig.gateway, HTTP_H2);
    REQUIRE(http_open_ready(direct, "/x", NULL) != NULL, "a listener without the key");
    http_client_destroy(direct);
}

Test(proxy, a_header_from_anybody_else_is_nonsense)
{
    struct raw_http *raw;
    uint8_t header[512];

    start(KEYS, "connections_per_address: 1");
    raw = raw_http_connect_from("127.0.0.2", rig.gateway->clear_port);
    raw_http_send_bytes(raw, header, make_header(header, "192.0.2.7", 4711, 0));
    raw_http_send(raw, GET_STREAM);
    raw_http_wait_close(raw);
    REQUIRE(strstr(raw->text, " 200 ") == NULL, "%s", raw->text);
    raw_http_destroy(raw);
    raw = raw_http_connect_from("127.0.0.2", gateway_port(rig.gateway, 2));
    raw_http_send_bytes(raw, header, sizeof(header));
    REQUIRE(raw_http_wait_close(raw));
    raw_http_destroy(raw);
    for (int64_t deadline = deadline_in(10000); scrape(rig.gateway, "freshet_connections") > 1;)
        REQUIRE(now_ms() < deadline, "both are gone, and only we look");
    raw = raw_http_connect_from("127.0.0.2", rig.gateway->clear_port);
    raw_http_send(raw, GET_STREAM);
    REQUIRE(raw_http_wait(raw, "retry:"), "%s", raw->text);
    REQUIRE(is_served("192.0.2.7"), "which is whose name was used");
    raw_http_destroy(raw);
}

/* A header that never ends holds a place among those that are opening, but not for ever. */
Test(proxy, half_a_header_has_its_deadline)
{
    struct raw_http *half[4];
    struct raw_http *other;

    start(KEYS, "handshakes: 4");
    for (size_t i = 0; i != 4; i++) {
        half[i] = raw_http_connect(rig.gateway->clear_port);
        raw_http_send_bytes(half[i], SIGNATURE "\x21", 13);
    }
    REQUIRE(is_open(other = connect_for("192.0.2.7")));
    REQUIRE(scrape_wait_rejected(rig.gateway, "proxy-header", 1));
    REQUIRE(gateway_wait_log(rig.gateway, "proxy-header-refused peer=127.0.0.1:", 5000));
    for (size_t i = 0; i != 4; i++)
        raw_http_destroy(half[i]);
    raw_http_destroy(other);
}

/* ---- x-forwarded-for ---- */

static int status_of(uint16_t port, const char *source, const char *headers)
{
    struct raw_http *raw = raw_http_connect_from(source, port);
    int status;

    raw_http_send(raw, "GET /nope HTTP/1.1\r\nHost: a\r\n");
    raw_http_send(raw, headers);
    raw_http_send(raw, "Connection: close\r\n\r\n");
    REQUIRE(raw_http_wait_close(raw));
    status = raw->len > 12 ? (int)strtol(raw->text + 9, NULL, 10) : 0;
    raw_http_destroy(raw);
    return status;
}

static void use_up(const char *source, const char *headers)
{
    for (int i = 0; i != 8; i++)
        REQUIRE(status_of(rig.gateway->clear_port, source, headers) == 404, "%s: request %d", headers, i);
    REQUIRE(status_of(rig.gateway->clear_port, source, headers) == 429, "%s", headers);
}

#define FORWARDED "    forwarded: [\"127.0.0.1\", \"10.0.0.0/8\"]\n"

Test(proxy, a_believed_proxy_names_the_client)
{
    start(FORWARDED, "new_streams_per_address: 2, connections_per_address: 1");
    struct raw_http *idle[3];
    for (size_t i = 0; i != 3; i++)
        idle[i] = raw_http_connect(rig.gateway->clear_port);
    use_up("127.0.0.1", "X-Forwarded-For: 192.0.2.7\r\n");
    REQUIRE(gateway_wait_log(rig.gateway, "limit=address-streams client=192.0.2.7 peer=127.0.0.1:", 5000));
    /* what the client wrote itself, what proxies behind ours added, and both in several lines */
    REQUIRE(status_of(rig.gateway->clear_port, "127.0.0.1", "X-Forwarded-For: 203.0.113.1, 192.0.2.7\r\n") == 429);
    REQUIRE(status_of(rig.gateway->clear_port, "127.0.0.1", "X-Forwarded-For: 192.0.2.7, 10.1.2.3\r\n") == 429);
    REQUIRE(status_of(rig.gateway->clear_port, "127.0.0.1",
                      "X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: [::ffff:192.0.2.7]:5,10.1.2.3\r\n"
                      "X-Forwarded-For: 10.9.9.9:80\r\n") == 429);
    REQUIRE(status_of(rig.gateway->clear_port, "127.0.0.1", "X-Forwarded-For: 192.0.2.7, 203.0.113.2\r\n") == 404);
    use_up("127.0.0.1", "X-Forwarded-For: 2001:db8:0:7::1\r\n");
    REQUIRE(status_of(rig.gateway->clear_port, "127.0.0.1", "X-Forwarded-For: 2001:db8:0:7::2\r\n") == 429);
    REQUIRE(status_of(rig.gateway->clear_port, "127.0.0.1", "X-Forwarded-For: 2001:db8:0:8::1\r\n") == 404);
    use_up("127.0.0.1", "X-Forwarded-For: 192.0.2.9, unknown\r\n");
    REQUIRE(gateway_wait_log(rig.gateway, "limit=address-streams client=127.0.0.1 peer=127.0.0.1:", 5000));
    for (size_t i = 0; i != 3; i++)
        raw_http_destroy(idle[i]);
}

Test(proxy, nobody_else_is_believed)
{
    char header[64];

    start(FORWARDED, "new_streams_per_address: 2");
    for (int i = 0; i != 8; i++) {
        snprintf(header, sizeof(header), "X-Forwarded-For: 192.0.2.%d\r\n", i);
        REQUIRE(status_of(rig.gateway->clear_port, "127.0.0.2", header) == 404);
    }
    REQUIRE(status_of(rig.gateway->clear_port, "127.0.0.2", "X-Forwarded-For: 192.0.2.99\r\n") == 429);
    REQUIRE(gateway_wait_log(rig.gateway, "limit=address-streams client=127.0.0.2", 5000));
    REQUIRE(status_of(rig.gateway->clear_port, "127.0.0.1", "X-Forwarded-For: 192.0.2.99\r\n") == 404);
}
