/* tls.c - what the listeners agree to, what they refuse and how, and what they survive */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

/* OpenSSL reports a received alert as this much more than its number in RFC 8446 section 6.2. */
#define ALERT(number) (SSL_AD_REASON_OFFSET + (number))
#define HANDSHAKE_FAILURE 40
#define PROTOCOL_VERSION 70
#define NO_APPLICATION_PROTOCOL 120

RIG_SUITE(tls, 60, 2,
          "routes:\n"
          "  - {path: /t, subjects: [\"t\"]}\n");

struct tls_client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    int failure; /* reason code of a failed handshake; 0: it succeeded */
};

struct tls_wish {
    int version;        /* 0: any */
    const char *suites; /* of TLS 1.2 and older; NULL: OpenSSL's */
    const char *alpn;   /* in wire format; NULL: none */
    SSL_SESSION *session;
};

static struct tls_client tls_connect(struct tls_wish wish)
{
    struct tls_client client = {.context = SSL_CTX_new(TLS_client_method()),
                                .fd = raw_http_socket(rig.gateway->tls_port)};

    SSL_CTX_set_security_level(client.context, 0);
    client.ssl = SSL_new(client.context);
    SSL_set_fd(client.ssl, client.fd);
    if (wish.version != 0) {
        SSL_set_min_proto_version(client.ssl, wish.version);
        SSL_set_max_proto_version(client.ssl, wish.version);
    }
    if (wish.suites != NULL)
        REQUIRE(SSL_set_cipher_list(client.ssl, wish.suites) == 1);
    if (wish.alpn != NULL)
        SSL_set_alpn_protos(client.ssl, (const unsigned char *)wish.alpn, (unsigned)strlen(wish.alpn));
    if (wish.session != NULL)
        SSL_set_session(client.ssl, wish.session);
    ERR_clear_error();
    if (SSL_connect(client.ssl) != 1)
        client.failure = ERR_peek_error() != 0 ? ERR_GET_REASON(ERR_peek_error()) : -1;
    return client;
}

static void tls_close(struct tls_client *client)
{
    if (client->failure == 0)
        SSL_shutdown(client->ssl);
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    close(client->fd);
    ERR_clear_error();
}

static int failure_of(struct tls_wish wish)
{
    struct tls_client client = tls_connect(wish);
    int failure = client.failure;

    tls_close(&client);
    return failure;
}

static void require_alpn(const char *offered, const char *expected)
{
    struct tls_client client = tls_connect((struct tls_wish){.alpn = offered});
    const unsigned char *name;
    unsigned len;

    REQUIRE(client.failure == 0);
    SSL_get0_alpn_selected(client.ssl, &name, &len);
    REQUIRE(len == strlen(expected) && (len == 0 || memcmp(name, expected, len) == 0), "got \"%.*s\"", (int)len,
            (const char *)name);
    tls_close(&client);
}

Test(tls, alpn_prefers_h2)
{
    require_alpn("\x08http/1.1\x02h2", "h2");
    require_alpn("\x08http/1.1", "http/1.1");
    require_alpn(NULL, "");
}

Test(tls, refusals_say_why)
{
    REQUIRE(failure_of((struct tls_wish){.alpn = "\x08http/1.0"}) == ALERT(NO_APPLICATION_PROTOCOL));
    REQUIRE(failure_of((struct tls_wish){.version = TLS1_1_VERSION, .suites = "ALL"}) == ALERT(PROTOCOL_VERSION));
    REQUIRE(failure_of((struct tls_wish){.version = TLS1_2_VERSION, .suites = "ECDHE-ECDSA-AES128-SHA"}) ==
            ALERT(HANDSHAKE_FAILURE));
    REQUIRE(failure_of((struct tls_wish){.version = TLS1_2_VERSION, .suites = "ECDHE-ECDSA-AES128-GCM-SHA256"}) == 0);
    REQUIRE(failure_of((struct tls_wish){.version = TLS1_3_VERSION}) == 0);
}

/* Sends a request over HTTP/1.1 and reads the beginning of the answer; TLS 1.3 brings its tickets on the way. */
static void exchange(struct tls_client *client, const char *request, char answer[static 64])
{
    int got;

    REQUIRE(client->failure == 0);
    REQUIRE(SSL_write(client->ssl, request, (int)strlen(request)) > 0);
    got = SSL_read(client->ssl, answer, 63);
    REQUIRE(got > 0);
    answer[got] = '\0';
}

/* The connections stay open, so that they fall on both workers: a ticket of one has to be good at the other. */
static void check_resumption(int version)
{
    struct tls_client clients[6];
    SSL_SESSION *session = NULL;
    char answer[64];

    for (size_t i = 0; i != 6; i++) {
        clients[i] = tls_connect((struct tls_wish){.version = version, .session = session});
        exchange(&clients[i], "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n", answer);
        REQUIRE(strncmp(answer, "HTTP/1.1 404", 12) == 0, "got %s", answer);
        REQUIRE(SSL_session_reused(clients[i].ssl) == (i != 0), "connection %zu", i);
        SSL_SESSION_free(session);
        session = SSL_get1_session(clients[i].ssl);
    }
    SSL_SESSION_free(session);
    for (size_t i = 0; i != 6; i++)
        tls_close(&clients[i]);
}

Test(tls, sessions_are_resumed_at_any_worker)
{
    check_resumption(TLS1_2_VERSION);
    check_resumption(TLS1_3_VERSION);
}

Test(tls, only_alpn_may_choose_http2)
{
    struct tls_client client = tls_connect((struct tls_wish){.alpn = "\x08http/1.1"});
    char answer[64];

    exchange(&client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", answer);
    REQUIRE(strncmp(answer, "HTTP/1.1 400", 12) == 0, "got %s", answer);
    tls_close(&client);
}

static void require_served(enum http_mode mode)
{
    struct http_client *client = http_client_create(rig.gateway, mode);
    struct http_stream *stream = http_open_ready(client, "/t", NULL);

    REQUIRE(stream != NULL, "%s", http_mode_names[mode]);
    publish(rig.publisher, "t", "hello");
    REQUIRE(http_wait_events(stream, 1), "%s", http_mode_names[mode]);
    http_client_destroy(client);
}

Test(tls, all_four_ways_in)
{
    for (int mode = HTTP_H2; mode <= HTTP_H1C; mode++)
        require_served((enum http_mode)mode);
}

static void send_slowly(int fd, const char *bytes, size_t len)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (size_t i = 0; i != len; i++) {
        REQUIRE(send(fd, bytes + i, 1, MSG_NOSIGNAL) == 1);
        sleep_ms(1);
    }
}

/* In cleartext the first bytes tell the protocol, however they arrive. */
Test(tls, a_preface_byte_by_byte)
{
    static const char h2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", settings[] = "\0\0\0\4\1";
    static const char h1[] = "PRI /nowhere HTTP/1.1\r\nhost: x\r\n\r\n";
    char answer[512];
    int fd = raw_http_socket(rig.gateway->clear_port);
    ssize_t got;

    send_slowly(fd, h2, sizeof(h2) - 1);
    got = recv(fd, answer, sizeof(answer), 0);
    REQUIRE(got >= 9 && answer[3] == 4, "no SETTINGS first, but %zd bytes", got);
    /* The acknowledgement of ours may come in the same read or in the next. */
    while (memmem(answer, (size_t)got, settings, sizeof(settings) - 1) == NULL) {
        ssize_t more = recv(fd, answer + got, sizeof(answer) - (size_t)got, 0);
        REQUIRE(more > 0);
        got += more;
    }
    close(fd);

    fd = raw_http_socket(rig.gateway->clear_port);
    send_slowly(fd, h1, sizeof(h1) - 1);
    got = recv(fd, answer, sizeof(answer), 0);
    REQUIRE(got > 12 && memcmp(answer, "HTTP/1.1 4", 10) == 0);
    close(fd);
}

static void require_descriptors(unsigned count)
{
    int64_t deadline = deadline_in(10000);

    while (gateway_fd_count(rig.gateway) > count && now_ms() < deadline)
        sleep_ms(10);
    REQUIRE(gateway_fd_count(rig.gateway) <= count, "%u open, %u before", gateway_fd_count(rig.gateway), count);
}

Test(tls, noise_leaves_nothing_behind)
{
    static const char *const noise[] = {
        "",
        "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01",
        "\x16\x03\x01\x02\x02garbage that is no hello at all",
        "\x80\x80\x80",
    };
    const struct linger reset = {.l_onoff = 1};
    unsigned before;

    require_served(HTTP_H2);
    before = gateway_fd_count_at_rest(rig.gateway);
    for (size_t i = 0; i != 200; i++) {
        const char *text = noise[i % 5];
        int fd = raw_http_socket(i % 3 == 0 ? rig.gateway->clear_port : rig.gateway->tls_port);
        if (*text != '\0')
            send(fd, text, strlen(text), MSG_NOSIGNAL);
        if (i % 2 == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
    require_descriptors(before);
    require_served(HTTP_H2);
}

/* No client may hold a connection and stay silent: not in a handshake, not before the first byte. */
Test(tls, silence_is_ended)
{
    const struct {
        bool tls;
        const char *first;
    } cases[] = {{true, ""}, {true, "\x16\x03\x01\x02"}, {false, ""}, {false, "PRI * HT"}};
    int fds[4];
    char byte;

    for (size_t i = 0; i != 4; i++) {
        fds[i] = raw_http_socket(cases[i].tls ? rig.gateway->tls_port : rig.gateway->clear_port);
        send(fds[i], cases[i].first, strlen(cases[i].first), MSG_NOSIGNAL);
    }
    for (size_t i = 0; i != 4; i++) {
        REQUIRE(recv(fds[i], &byte, 1, 0) <= 0, "case %zu", i);
        REQUIRE(errno != EAGAIN, "case %zu is still open", i);
        close(fds[i]);
    }
}

/* Connections in every state, on both workers, when the end comes. */
Test(tls, a_stop_amid_handshakes_is_clean)
{
    static const char *const first[] = {"", "\x16\x03\x01\x02", "PRI * HT", "GET /t HTTP/1.1\r\nhost: x\r\n\r\n"};
    struct tls_client clients[4];
    int fds[40];
    char answer[64];
    int code;

    for (size_t i = 0; i != 40; i++) {
        fds[i] = raw_http_socket(i % 4 < 2 ? rig.gateway->tls_port : rig.gateway->clear_port);
        send(fds[i], first[i % 4], strlen(first[i % 4]), MSG_NOSIGNAL);
    }
    for (size_t i = 0; i != 4; i++) {
        clients[i] = tls_connect((struct tls_wish){.version = 0});
        exchange(&clients[i], "GET /t HTTP/1.1\r\nhost: x\r\n\r\n", answer);
    }
    code = gateway_stop(rig.gateway);
    REQUIRE(code == 0, "exit code %d", code);
    for (size_t i = 0; i != 4; i++)
        tls_close(&clients[i]);
    for (size_t i = 0; i != 40; i++)
        close(fds[i]);
}
