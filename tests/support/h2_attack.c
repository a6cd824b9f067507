/* h2_attack.c - bytes and frames as an attacker sends them: over TLS or in the clear, right or wrong */
/* SPDX-License-Identifier: MIT */
#include "tests/support/h2_attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/sandbox.h"

#define HANDSHAKE_MS 5000

static void grow(uint8_t **buffer, size_t *capacity, size_t needed)
{
    if (needed <= *capacity)
        return;
    *capacity = needed * 2;
    *buffer = realloc(*buffer, *capacity);
    if (*buffer == NULL)
        fixture_fail("out of memory");
}

static bool wait_for(int fd, short events, int ms)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, ms) == 1;
}

int attack_connect(const struct attack_target *target, int ms)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(target->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, error = 0;
    socklen_t len = sizeof(error);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (target->receive_buffer != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &target->receive_buffer, sizeof(target->receive_buffer));
    if (target->segment != 0)
        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &target->segment, sizeof(target->segment));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS)
        goto Failed;
    if (!wait_for(fd, POLLOUT, ms) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
        goto Failed;
    return fd;

Failed:
    close(fd);
    return -1;
}

static SSL_CTX *tls_context(void)
{
    static SSL_CTX *context;

    if (context != NULL)
        return context;
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        fixture_fail("no TLS");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    return context;
}

static bool set_alpn(SSL *ssl, const char *alpn)
{
    unsigned char wire[32] = {(unsigned char)strlen(alpn)};

    memcpy(wire + 1, alpn, wire[0]);
    return SSL_set_alpn_protos(ssl, wire, 1u + wire[0]) == 0;
}

/* Waits until the socket has what OpenSSL needs; true: try again. */
static bool tls_wait(struct attack_peer *peer, int result, int ms)
{
    int error = SSL_get_error(peer->ssl, result);

    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        return wait_for(peer->fd, POLLIN, ms);
    if (error == SSL_ERROR_WANT_WRITE)
        return wait_for(peer->fd, POLLOUT, ms);
    peer->closed = true;
    return false;
}

static bool shake_hands(struct attack_peer *peer, const struct attack_target *target)
{
    int64_t deadline = now_ms() + HANDSHAKE_MS;
    int result;

    peer->ssl = SSL_new(tls_context());
    if (peer->ssl == NULL || SSL_set_fd(peer->ssl, peer->fd) != 1 ||
        (target->alpn != NULL && !set_alpn(peer->ssl, target->alpn)) ||
        (target->tls_version != 0 && SSL_set_max_proto_version(peer->ssl, target->tls_version) != 1))
        fixture_fail("TLS can't be set up");
    while ((result = SSL_connect(peer->ssl)) != 1)
        if (now_ms() > deadline || !tls_wait(peer, result, HANDSHAKE_MS))
            return false;
    return true;
}

struct attack_peer *attack_open(const struct attack_target *target)
{
    struct attack_peer *peer;
    int fd = attack_connect(target, HANDSHAKE_MS);

    if (fd < 0)
        return NULL;
    peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        fixture_fail("out of memory");
    peer->fd = fd;
    if (target->tls && !shake_hands(peer, target)) {
        attack_close(peer);
        return NULL;
    }
    peer->opened_ms = now_ms();
    return peer;
}

void attack_close(struct attack_peer *peer)
{
    if (peer == NULL)
        return;
    SSL_free(peer->ssl);
    close(peer->fd);
    free(peer->out);
    free(peer->in);
    free(peer);
}

void attack_put(struct attack_peer *peer, const void *data, size_t len)
{
    grow(&peer->out, &peer->out_capacity, peer->out_len + len);
    if (len != 0)
        memcpy(peer->out + peer->out_len, data, len);
    peer->out_len += len;
}

/* Bytes written; 0: none now, and the peer may be closed. */
static size_t write_some(struct attack_peer *peer, const uint8_t *data, size_t len, int ms)
{
    if (peer->ssl != NULL) {
        int n = SSL_write(peer->ssl, data, (int)(len < 65536 ? len : 65536));
        if (n > 0)
            return (size_t)n;
        if (!tls_wait(peer, n, ms) && !peer->closed)
            peer->stuck = true;
        return 0;
    }
    ssize_t n = send(peer->fd, data, len, MSG_NOSIGNAL);
    if (n > 0)
        return (size_t)n;
    if (errno != EAGAIN && errno != EINTR)
        peer->closed = true;
    else if (!wait_for(peer->fd, POLLOUT, ms))
        peer->stuck = true;
    return 0;
}

bool attack_flush(struct attack_peer *peer, int ms)
{
    size_t at = 0;
    int64_t progress = now_ms();

    peer->stuck = false;
    while (at < peer->out_len && !peer->closed && !peer->stuck) {
        size_t n = write_some(peer, peer->out + at, peer->out_len - at, ms);
        if (n != 0)
            progress = now_ms();
        else if (now_ms() - progress > ms)
            peer->stuck = true;
        at += n;
    }
    peer->sent += at;
    peer->out_len = 0;
    return !peer->closed && !peer->stuck;
}

size_t attack_read(struct attack_peer *peer, void *dst, size_t size, int ms)
{
    int64_t deadline = now_ms() + ms;
    ssize_t n;

    while (!peer->closed) {
        if (peer->ssl != NULL) {
            n = SSL_read(peer->ssl, dst, (int)size);
            if (n <= 0 && tls_wait(peer, (int)n, 0))
                continue;
        } else {
            n = recv(peer->fd, dst, size, 0);
            if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                peer->closed = true;
        }
        if (n > 0) {
            peer->received += (uint64_t)n;
            return (size_t)n;
        }
        int64_t left = deadline - now_ms();
        if (peer->closed || left <= 0 || !wait_for(peer->fd, POLLIN, (int)left))
            break;
    }
    return 0;
}

void attack_drain(struct attack_peer *peer)
{
    static uint8_t buffer[65536];

    for (int i = 0; i < 16 && attack_read(peer, buffer, sizeof(buffer), 0) != 0; i++)
        ;
}

bool attack_wait_closed(struct attack_peer *peer, int ms)
{
    static uint8_t buffer[65536];
    int64_t deadline = now_ms() + ms;

    while (!peer->closed && now_ms() < deadline)
        attack_read(peer, buffer, sizeof(buffer), (int)(deadline - now_ms()));
    return peer->closed;
}

bool attack_wait_full(struct attack_peer *peer, int quiet_ms, int ms)
{
    int64_t deadline = now_ms() + ms, since = now_ms();
    int before = -1, unread = 0;

    while (now_ms() < deadline) {
        if (ioctl(peer->fd, FIONREAD, &unread) != 0)
            return false;
        if (unread != before)
            since = now_ms();
        before = unread;
        if (unread != 0 && now_ms() - since >= quiet_ms)
            return true;
        sleep_ms(5);
    }
    return false;
}

void h2_put(struct attack_peer *peer, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len)
{
    uint8_t head[H2_FRAME_HEADER];

    h2_frame_put_header(head, type, flags, stream, len);
    attack_put(peer, head, sizeof(head));
    attack_put(peer, payload, len);
    peer->frames++;
}

void h2_put_window(struct attack_peer *peer, uint32_t stream, uint32_t increment)
{
    uint8_t payload[4];

    h2_frame_put32(payload, increment);
    h2_put(peer, H2_WINDOW, 0, stream, payload, sizeof(payload));
}

void h2_put_reset(struct attack_peer *peer, uint32_t stream)
{
    static const uint8_t cancel[4] = {0, 0, 0, 8};

    h2_put(peer, H2_RST, 0, stream, cancel, sizeof(cancel));
}

void h2_put_setting(struct attack_peer *peer, uint16_t id, uint32_t value)
{
    uint8_t payload[6] = {(uint8_t)(id >> 8), (uint8_t)id};

    h2_frame_put32(payload + 2, value);
    h2_put(peer, H2_SETTINGS, 0, 0, payload, sizeof(payload));
}

void h2_put_hello(struct attack_peer *peer, uint32_t initial_window)
{
    attack_put(peer, H2_PREFACE, sizeof(H2_PREFACE) - 1);
    h2_put_setting(peer, H2_SET_INITIAL_WINDOW, initial_window);
    h2_put_window(peer, 0, H2_WINDOW_MAX - 65535);
}

void h2_put_get(struct attack_peer *peer, uint32_t stream, const char *path)
{
    uint8_t block[512];

    h2_put(peer, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, block, hpack_put_request(block, path));
}

size_t hpack_put_integer(uint8_t *dst, uint8_t first, unsigned prefix_bits, uint64_t value)
{
    uint64_t limit = (UINT64_C(1) << prefix_bits) - 1;
    size_t at = 1;

    if (value < limit) {
        dst[0] = (uint8_t)(first | value);
        return 1;
    }
    dst[0] = (uint8_t)(first | limit);
    for (value -= limit; value >= 128; value >>= 7)
        dst[at++] = (uint8_t)(0x80 | (value & 0x7f));
    dst[at++] = (uint8_t)value;
    return at;
}

static size_t put_string(uint8_t *dst, const void *text, size_t len)
{
    size_t at = hpack_put_integer(dst, 0, 7, len);

    memcpy(dst + at, text, len);
    return at + len;
}

size_t hpack_put_literal(uint8_t *dst, uint8_t first, const char *name, const void *value, size_t len)
{
    size_t at = 1;

    dst[0] = first;
    at += put_string(dst + at, name, strlen(name));
    return at + put_string(dst + at, value, len);
}

size_t hpack_put_request(uint8_t *dst, const char *path)
{
    static const char authority[] = "127.0.0.1";
    size_t at = 2;

    dst[0] = 0x82; /* :method: GET */
    dst[1] = 0x87; /* :scheme: https */
    dst[at++] = 1; /* :authority, not indexed */
    at += put_string(dst + at, authority, sizeof(authority) - 1);
    dst[at++] = 4; /* :path, not indexed */
    return at + put_string(dst + at, path, strlen(path));
}

static bool take_frame(struct attack_peer *peer, size_t *taken, struct h2_frame *frame)
{
    if (!h2_frame_read(frame, peer->in + *taken, peer->in_len - *taken))
        return false;
    *taken += H2_FRAME_HEADER + frame->len;
    return true;
}

bool h2_next_frame(struct attack_peer *peer, struct h2_frame *frame, int ms)
{
    int64_t deadline = now_ms() + ms;

    while (!take_frame(peer, &peer->in_taken, frame)) {
        int64_t left = deadline - now_ms();
        /* only here, so that the frame returned last stays valid until this call */
        if (peer->in_taken != 0)
            memmove(peer->in, peer->in + peer->in_taken, peer->in_len - peer->in_taken);
        peer->in_len -= peer->in_taken;
        peer->in_taken = 0;
        grow(&peer->in, &peer->in_capacity, peer->in_len + 65536);
        size_t n = attack_read(peer, peer->in + peer->in_len, 65536, left > 0 ? (int)left : 0);
        peer->in_len += n;
        if (n == 0)
            return false;
    }
    return true;
}
