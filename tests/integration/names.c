/* names.c - event names and retry times come from NATS headers, and nothing else does */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(names, 60, 1,
          "routes:\n"
          "  - {path: /none, subjects: [\"n.>\"]}\n"
          "  - {path: /subject, subjects: [\"n.>\"], event: subject}\n"
          "  - {path: /header, subjects: [\"n.>\"], event: header}\n");

Test(names, come_from_where_the_route_says)
{
    struct http_stream *none = http_open_ready(rig.client, "/none", NULL);
    struct http_stream *subject = http_open_ready(rig.client, "/subject", NULL);
    struct http_stream *header = http_open_ready(rig.client, "/header", NULL);

    REQUIRE(none != NULL && subject != NULL && header != NULL);
    publish(rig.publisher, "n.a", "0");
    publish_with_headers(rig.publisher, "n.b", "1", (const char *const[]){"Sse-Event", "created", NULL});
    publish_with_headers(rig.publisher, "n.c", "2", (const char *const[]){"ce-type", "order.paid", NULL});
    publish_with_headers(rig.publisher, "n.d", "3",
                         (const char *const[]){"ce-type", "order.paid", "Sse-Event", "both", NULL});
    publish_with_headers(rig.publisher, "n.e", "4", (const char *const[]){"Sse-Event", "größer", NULL});
    REQUIRE(http_wait_events(none, 5) && http_wait_events(subject, 5) && http_wait_events(header, 5));
    static const char *const by_subject[] = {"n.a", "n.b", "n.c", "n.d", "n.e"};
    static const char *const by_header[] = {"message", "created", "order.paid", "both", "größer"};
    for (size_t i = 0; i < 5; i++) {
        REQUIRE_STR(http_event(none, i)->name, "message");
        REQUIRE_STR(http_event(subject, i)->name, by_subject[i]);
        REQUIRE_STR(http_event(header, i)->name, by_header[i]);
    }
}

Test(names, sse_retry_adds_a_retry_line)
{
    static const char *const bad[] = {"12abc", "-5", "1e3", "", " ", "99999999999999999999999", "1.5"};
    struct http_stream *stream = http_open_ready(rig.client, "/none", NULL);
    size_t i;

    REQUIRE(stream != NULL);
    publish_with_headers(rig.publisher, "n.a", "x", (const char *const[]){"Sse-Retry", "12345", NULL});
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE(stream->log.parser.retry_ms == 12345);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        publish_with_headers(rig.publisher, "n.a", "y", (const char *const[]){"Sse-Retry", bad[i], NULL});
    REQUIRE(http_wait_events(stream, 1 + i));
    REQUIRE(stream->log.parser.retry_ms == 12345, "%ld", (long)stream->log.parser.retry_ms);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        REQUIRE_STR(http_event(stream, 1 + i)->data, "y");
}

/* nats.c cleans the headers it sends, an attacker does not: the protocol by hand. */
static void publish_raw(const char *header_block, size_t header_len, const char *payload)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char buf[1024] = "";
    size_t len;

    address.sin_port = htons((uint16_t)nats_fixture_port(rig.nats));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    len = (size_t)snprintf(buf, sizeof(buf), "CONNECT {\"verbose\":false,\"headers\":true}\r\nHPUB n.raw %zu %zu\r\n",
                           header_len, header_len + strlen(payload));
    memcpy(buf + len, header_block, header_len);
    len += header_len;
    len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s\r\nPING\r\n", payload);
    cr_assert_eq(write(fd, buf, len), (ssize_t)len);
    for (len = 0; len < sizeof(buf) - 1 && memmem(buf, len, "PONG", 4) == NULL;) {
        ssize_t n = read(fd, buf + len, sizeof(buf) - 1 - len);
        cr_assert_gt(n, 0);
        len += (size_t)n;
    }
    cr_assert_null(memmem(buf, len, "-ERR", 4), "the broker took it");
    close(fd);
}

#define PUBLISH_RAW(block, payload) publish_raw(block, sizeof(block) - 1, payload)

Test(names, header_values_cannot_forge_lines)
{
    struct http_stream *stream = http_open_ready(rig.client, "/header", NULL);
    size_t i;

    REQUIRE(stream != NULL);
    PUBLISH_RAW("NATS/1.0\r\nSse-Event: a\rdata: forged\r\n\r\n", "p");
    PUBLISH_RAW("NATS/1.0\r\nSse-Event: a\ndata: forged\r\n\r\n", "p");
    PUBLISH_RAW("NATS/1.0\r\nSse-Event: a\n\ndata: forged\n\n\r\n\r\n", "p");
    PUBLISH_RAW("NATS/1.0\r\nSse-Event: a\0b\r\n\r\n", "p");
    PUBLISH_RAW("NATS/1.0\r\nSse-Event: \xff\xfe\r\n\r\n", "p");
    PUBLISH_RAW("NATS/1.0\r\nSse-Retry: 1\rdata: forged\r\n\r\n", "p");
    PUBLISH_RAW("NATS/1.0\r\nSse-Retry: 1\nid: forged\r\n\r\n", "p");
    PUBLISH_RAW("NATS/1.0\r\nce-type: t\rid: forged\r\n\r\n", "p");
    publish(rig.publisher, "n.end", "end");
    /* A broken header block may cost the message, never its neighbours nor the stream. */
    REQUIRE(http_wait_body(stream, 1));
    int64_t deadline = deadline_in(10000);
    while (now_ms() < deadline && strcmp(http_event(stream, stream->log.count - 1)->data, "end") != 0)
        http_pump(rig.client, 50);
    REQUIRE_STR(http_event(stream, stream->log.count - 1)->data, "end");
    for (i = 0; i + 1 < stream->log.count; i++) {
        REQUIRE_STR(http_event(stream, i)->data, "p");
        REQUIRE(strstr(http_event(stream, i)->id, "forged") == NULL);
    }
    REQUIRE(strchr(stream->body, '\r') == NULL && memchr(stream->body, 0, stream->body_kept) == NULL);
    REQUIRE(strstr(stream->body, "\ndata: forged") == NULL && strstr(stream->body, "\nid: forged") == NULL, "%s",
            stream->body);
}

Test(names, a_name_that_is_too_long_is_left_out)
{
    char name[2000];
    struct http_stream *stream = http_open_ready(rig.client, "/header", NULL);

    REQUIRE(stream != NULL);
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    publish_with_headers(rig.publisher, "n.a", "x", (const char *const[]){"Sse-Event", name, NULL});
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE_STR(http_event(stream, 0)->name, "message");
    REQUIRE_STR(http_event(stream, 0)->data, "x");
}
