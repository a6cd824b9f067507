/* h2_raw.c - a hand-made HTTP/2 client in the clear, for what a well-behaved library won't do */
/* SPDX-License-Identifier: MIT */
#include "tests/support/h2_raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/h2_frame.h"
#include "tests/support/sandbox.h"

static void send_all(struct h2_raw *h2, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0 && !h2->closed) {
        ssize_t n = send(h2->fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            h2->closed = true;
            return;
        }
        at += n;
        len -= (size_t)n;
    }
}

static void send_frame(struct h2_raw *h2, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len)
{
    uint8_t frame[H2_FRAME_HEADER + 512];

    if (len > sizeof(frame) - H2_FRAME_HEADER)
        fixture_fail("h2_raw: the frame is too long");
    h2_frame_put_header(frame, type, flags, stream, len);
    if (len != 0)
        memcpy(frame + H2_FRAME_HEADER, payload, len);
    send_all(h2, frame, H2_FRAME_HEADER + len);
}

static void send_window(struct h2_raw *h2, uint32_t stream, uint32_t increment)
{
    uint8_t payload[4];

    h2_frame_put32(payload, increment);
    send_frame(h2, H2_WINDOW, 0, stream, payload, sizeof(payload));
}

struct h2_raw *h2_raw_try_connect(uint16_t port, uint32_t initial_window, int receive_buffer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct h2_raw *h2 = calloc(1, sizeof(*h2));
    uint8_t settings[6] = {0, 4}; /* INITIAL_WINDOW_SIZE */

    if (h2 == NULL)
        fixture_fail("out of memory");
    h2->port = port;
    h2->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer != 0)
        setsockopt(h2->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(h2->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = errno;
        close(h2->fd);
        free(h2);
        errno = error;
        return NULL;
    }
    send_all(h2, H2_PREFACE, sizeof(H2_PREFACE) - 1);
    h2_frame_put32(settings + 2, initial_window);
    send_frame(h2, H2_SETTINGS, 0, 0, settings, sizeof(settings));
    send_window(h2, 0, 0x7fffffff - 65535);
    return h2;
}

struct h2_raw *h2_raw_connect(uint16_t port, uint32_t initial_window, int receive_buffer)
{
    struct h2_raw *h2 = h2_raw_try_connect(port, initial_window, receive_buffer);

    if (h2 == NULL)
        fixture_fail("h2_raw: connect: %s", strerror(errno));
    return h2;
}

void h2_raw_destroy(struct h2_raw *h2)
{
    unsigned i;

    if (h2 == NULL)
        return;
    close(h2->fd);
    for (i = 0; i < h2->count; i++)
        event_log_dispose(&h2->streams[i].log);
    free(h2->input);
    free(h2);
}

/* A literal header field without indexing, its name from the static table (RFC 7541, 6.2.2). */
static size_t put_literal(uint8_t *dst, uint8_t name_index, const char *value)
{
    size_t len = strlen(value);

    if (len > 126)
        fixture_fail("h2_raw: the header is too long");
    dst[0] = name_index;
    dst[1] = (uint8_t)len;
    memcpy(dst + 2, value, len);
    return 2 + len;
}

unsigned h2_raw_get(struct h2_raw *h2, const char *path)
{
    uint8_t block[512] = {0x82, 0x86}; /* :method: GET, :scheme: http */
    unsigned index = h2->count++;
    size_t len = 2;

    if (index == H2_RAW_STREAMS_MAX)
        fixture_fail("h2_raw: too many streams");
    event_log_init(&h2->streams[index].log);
    len += put_literal(block + len, 1, "127.0.0.1");
    len += put_literal(block + len, 4, path);
    send_frame(h2, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 2 * index + 1, block, len);
    return index;
}

void h2_raw_reset(struct h2_raw *h2, unsigned index)
{
    uint8_t payload[4];

    h2_frame_put32(payload, 8);
    send_frame(h2, H2_RST, 0, 2 * index + 1, payload, sizeof(payload));
}

void h2_raw_window(struct h2_raw *h2, unsigned index, uint32_t increment)
{
    send_window(h2, 2 * index + 1, increment);
}

static void on_frame(struct h2_raw *h2, uint8_t type, uint8_t flags, uint32_t id, const uint8_t *payload, size_t len)
{
    unsigned index = (id - 1) / 2;
    struct h2_raw_stream *stream = id % 2 == 1 && index < h2->count ? &h2->streams[index] : NULL;

    if (type == H2_SETTINGS && (flags & H2_ACK) == 0)
        send_frame(h2, H2_SETTINGS, H2_ACK, 0, NULL, 0);
    else if (type == H2_PING && (flags & H2_ACK) == 0)
        send_frame(h2, H2_PING, H2_ACK, 0, payload, len);
    else if (type == H2_GOAWAY)
        h2->goaway = true;
    if (stream == NULL)
        return;
    if (type == H2_HEADERS) {
        stream->is_200 = !stream->has_headers && len > 0 && payload[0] == 0x88;
        stream->has_headers = true;
    } else if (type == H2_DATA) {
        stream->body_len += len;
        event_log_feed(&stream->log, (const char *)payload, len);
    } else if (type == H2_RST && len == 4) {
        stream->reset = true;
        stream->error = h2_frame_get32(payload);
    }
    if ((type == H2_HEADERS || type == H2_DATA) && (flags & H2_END_STREAM) != 0)
        stream->ended = true;
}

static void handle_input(struct h2_raw *h2)
{
    struct h2_frame frame;
    size_t at = 0;

    while (h2_frame_read(&frame, h2->input + at, h2->input_len - at)) {
        on_frame(h2, frame.type, frame.flags, frame.stream, frame.payload, frame.len);
        at += H2_FRAME_HEADER + frame.len;
    }
    memmove(h2->input, h2->input + at, h2->input_len - at);
    h2->input_len -= at;
}

bool h2_raw_pump(struct h2_raw *h2, int ms)
{
    struct pollfd p = {.fd = h2->fd, .events = POLLIN};
    ssize_t n;

    if (h2->closed)
        return false;
    if (poll(&p, 1, ms) <= 0)
        return true;
    if (h2->input_capacity - h2->input_len < 65536) {
        h2->input_capacity = h2->input_capacity * 2 + 131072;
        h2->input = realloc(h2->input, h2->input_capacity);
        if (h2->input == NULL)
            fixture_fail("out of memory");
    }
    n = recv(h2->fd, h2->input + h2->input_len, h2->input_capacity - h2->input_len, 0);
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        h2->closed = true;
        return false;
    }
    h2->input_len += (size_t)n;
    handle_input(h2);
    return true;
}
