/* raw_http.c - HTTP/1.1 by hand: bytes out, bytes in */
/* SPDX-License-Identifier: MIT */
#include "tests/support/raw_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/sandbox.h"

#define WAIT_MS 10000

struct raw_http *raw_http_connect(uint16_t port)
{
    return raw_http_connect_from(NULL, port);
}

struct raw_http *raw_http_connect_from(const char *source, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)}, local = {.sin_family = AF_INET};
    struct raw_http *raw = calloc(1, sizeof(*raw));

    if (raw == NULL || (raw->text = calloc(1, 1)) == NULL)
        fixture_fail("out of memory");
    raw->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (source != NULL && (inet_pton(AF_INET, source, &local.sin_addr) != 1 ||
                           bind(raw->fd, (struct sockaddr *)&local, sizeof(local)) != 0))
        fixture_fail("raw_http: %s: %s", source, strerror(errno));
    if (connect(raw->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        fixture_fail("raw_http: connect: %s", strerror(errno));
    return raw;
}

int raw_http_socket(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = scaled_ms(20000) / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        fixture_fail("raw_http: connect: %s", strerror(errno));
    return fd;
}

void raw_http_destroy(struct raw_http *raw)
{
    close(raw->fd);
    free(raw->text);
    free(raw);
}

void raw_http_send(struct raw_http *raw, const char *text)
{
    raw_http_send_bytes(raw, text, strlen(text));
}

void raw_http_send_bytes(struct raw_http *raw, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(raw->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* closed: the reader will see it */
        at += n;
        len -= (size_t)n;
    }
}

static void read_more(struct raw_http *raw)
{
    struct pollfd p = {.fd = raw->fd, .events = POLLIN};
    ssize_t n;

    if (poll(&p, 1, 50) <= 0)
        return;
    if (raw->capacity - raw->len < 4096) {
        raw->capacity = raw->capacity * 2 + 8192;
        raw->text = realloc(raw->text, raw->capacity);
        if (raw->text == NULL)
            fixture_fail("out of memory");
    }
    n = recv(raw->fd, raw->text + raw->len, raw->capacity - raw->len - 1, 0);
    if (n <= 0)
        raw->closed = true;
    else
        raw->len += (size_t)n;
    raw->text[raw->len] = '\0';
}

bool raw_http_wait(struct raw_http *raw, const char *text)
{
    int64_t deadline = deadline_in(WAIT_MS);

    while (strstr(raw->text, text) == NULL && !raw->closed && now_ms() < deadline)
        read_more(raw);
    return strstr(raw->text, text) != NULL;
}

bool raw_http_wait_close(struct raw_http *raw)
{
    int64_t deadline = deadline_in(WAIT_MS);

    while (!raw->closed && now_ms() < deadline)
        read_more(raw);
    return raw->closed;
}

void raw_http_forget(struct raw_http *raw)
{
    raw->len = 0;
    raw->text[0] = '\0';
}
