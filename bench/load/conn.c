/* conn.c - one connection of freshet-load: socket, TLS, reading and writing */
/* SPDX-License-Identifier: MIT */
#include "bench/load/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* So that one busy connection doesn't keep the others waiting: 16 full TLS records. */
#define READS_PER_TURN 16

static bool is_loopback4(const struct options *o)
{
    const struct sockaddr_in *sin = (const struct sockaddr_in *)&o->address;
    return sin->sin_family == AF_INET && ntohl(sin->sin_addr.s_addr) >> 24 == 127;
}

/* One source address has 28,000 ports to one destination; more connections need more addresses. */
static void spread_source(const struct conn *conn)
{
    const struct options *o = conn->engine->options;
    struct sockaddr_in from = {.sin_family = AF_INET};
    int on = 1;
    if (o->source_addresses < 2 || !is_loopback4(o))
        return;
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + conn->index % o->source_addresses);
    setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(conn->fd, (const struct sockaddr *)&from, sizeof(from)) != 0)
        tool_die("bind: %s", strerror(errno));
}

static void broken(struct conn *conn, const char *what)
{
    struct engine *engine = conn->engine;
    if (conn->state == CONN_STALLED) {
        ++engine->counters[COUNTER_stalled_closed];
    } else {
        ++engine->counters[COUNTER_connections_lost];
        engine_warn(engine, "connection %u: %s", conn->index, what);
    }
    uint64_t failed = 0;
    for (uint32_t i = 0; i < engine->options->streams; ++i)
        failed += !conn->streams[i].was_ready;
    atomic_fetch_add_explicit(&engine->control->failed, failed, memory_order_relaxed);
    conn_close(conn, CONN_DEAD);
}

void conn_connect(struct conn *conn)
{
    const struct options *o = conn->engine->options;
    int on = 1;
    conn->started_ns = tool_now_ns();
    conn->fd = socket(o->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        tool_die("socket: %s", strerror(errno));
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    spread_source(conn);
    conn->state = CONN_CONNECTING;
    ++conn->engine->connecting;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = conn};
    if (epoll_ctl(conn->engine->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        tool_die("epoll_ctl: %s", strerror(errno));
    conn->wants_write = true;
    if (connect(conn->fd, (const struct sockaddr *)&o->address, o->address_len) != 0 && errno != EINPROGRESS)
        broken(conn, strerror(errno));
}

void conn_close(struct conn *conn, enum conn_state state)
{
    if (conn->state == CONN_CONNECTING || conn->state == CONN_HANDSHAKE)
        --conn->engine->connecting;
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    if (conn->inflater != NULL)
        nghttp2_hd_inflate_del(conn->inflater);
    conn->inflater = NULL;
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    conn->out_len = 0;
    conn->frame_head_len = 0;
    for (uint32_t i = 0; i < conn->engine->options->streams; ++i) {
        events_reset(&conn->streams[i]);
        conn->streams[i].state = STREAM_IDLE;
    }
    conn->state = (uint8_t)state;
}

void conn_watch(struct conn *conn)
{
    struct epoll_event event = {.events = 0, .data.ptr = conn};
    if (conn->state != CONN_STALLED)
        event.events = EPOLLIN | (conn->out_len != 0 ? EPOLLOUT : 0u);
    conn->wants_write = conn->out_len != 0;
    if (epoll_ctl(conn->engine->epoll, EPOLL_CTL_MOD, conn->fd, &event) != 0)
        tool_die("epoll_ctl: %s", strerror(errno));
}

void conn_send(struct conn *conn, const void *bytes, size_t len)
{
    if (conn->out_len + len > conn->out_cap) {
        conn->out_cap = (conn->out_len + len) * 2;
        conn->out = tool_realloc(conn->out, conn->out_cap);
    }
    memcpy(conn->out + conn->out_len, bytes, len);
    conn->out_len += len;
}

/* Bytes written, 0 when the socket is full, -1 when the connection is broken. */
static ssize_t write_some(struct conn *conn)
{
    if (conn->ssl == NULL) {
        ssize_t n = send(conn->fd, conn->out, conn->out_len, MSG_NOSIGNAL);
        return n >= 0 ? n : (errno == EAGAIN ? 0 : -1);
    }
    size_t written = 0;
    if (SSL_write_ex(conn->ssl, conn->out, conn->out_len, &written) == 1)
        return (ssize_t)written;
    int error = SSL_get_error(conn->ssl, 0);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? 0 : -1;
}

bool conn_flush(struct conn *conn)
{
    while (conn->out_len != 0) {
        ssize_t n = write_some(conn);
        if (n < 0) {
            broken(conn, "write failed");
            return false;
        }
        if (n == 0)
            break;
        conn->out_len -= (size_t)n;
        memmove(conn->out, conn->out + n, conn->out_len);
    }
    if (conn->out_len == 0) { /* requests are long and rare: 10,000 connections needn't keep room for them */
        free(conn->out);
        conn->out = NULL;
        conn->out_cap = 0;
    }
    if ((conn->out_len != 0) != conn->wants_write)
        conn_watch(conn);
    return true;
}

static void opened(struct conn *conn)
{
    struct engine *engine = conn->engine;
    if (nghttp2_hd_inflate_new(&conn->inflater) != 0)
        tool_die("out of memory");
    --engine->connecting;
    conn->state = CONN_OPEN;
    histogram_add(&engine->connect, (uint64_t)(tool_now_ns() - conn->started_ns));
    if (conn->ssl != NULL && engine->tls_name[0] == '\0')
        snprintf(engine->tls_name, sizeof(engine->tls_name), "%s %s", SSL_get_version(conn->ssl),
                 SSL_get_cipher_name(conn->ssl));
    h2_request_all(conn);
    conn_flush(conn);
}

static void handshake(struct conn *conn)
{
    int n = SSL_do_handshake(conn->ssl);
    if (n == 1) {
        const unsigned char *alpn;
        unsigned alpn_len;
        SSL_get0_alpn_selected(conn->ssl, &alpn, &alpn_len);
        if (alpn_len != 2 || memcmp(alpn, "h2", 2) != 0)
            broken(conn, "the server does not speak h2");
        else
            opened(conn);
        return;
    }
    int error = SSL_get_error(conn->ssl, n);
    bool wait_write = error == SSL_ERROR_WANT_WRITE;
    if (!wait_write && error != SSL_ERROR_WANT_READ) {
        char text[160] = "closed during the handshake";
        unsigned long code = ERR_get_error();
        if (code != 0)
            ERR_error_string_n(code, text, sizeof(text));
        ERR_clear_error();
        broken(conn, text);
        return;
    }
    if (conn->wants_write != wait_write) {
        struct epoll_event event = {.events = EPOLLIN | (wait_write ? EPOLLOUT : 0u), .data.ptr = conn};
        epoll_ctl(conn->engine->epoll, EPOLL_CTL_MOD, conn->fd, &event);
        conn->wants_write = wait_write;
    }
}

static void connected(struct conn *conn)
{
    int error = 0;
    socklen_t len = sizeof(error);
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        broken(conn, strerror(error));
        return;
    }
    conn->state = CONN_HANDSHAKE;
    if (conn->engine->tls == NULL) {
        opened(conn);
        return;
    }
    conn->ssl = SSL_new(conn->engine->tls);
    if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1)
        tool_die("out of memory");
    SSL_set_tlsext_host_name(conn->ssl, conn->engine->options->host);
    SSL_set_connect_state(conn->ssl);
    handshake(conn);
}

/* Bytes read, 0 when there is nothing now, -1 at the end or on an error. */
static ssize_t read_some(struct conn *conn)
{
    struct engine *engine = conn->engine;
    if (conn->ssl == NULL) {
        ssize_t n = recv(conn->fd, engine->buffer, READ_BUFFER, 0);
        return n > 0 ? n : (n < 0 && errno == EAGAIN ? 0 : -1);
    }
    size_t n = 0;
    if (SSL_read_ex(conn->ssl, engine->buffer, READ_BUFFER, &n) == 1)
        return (ssize_t)n;
    int error = SSL_get_error(conn->ssl, 0);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void readable(struct conn *conn)
{
    struct engine *engine = conn->engine;
    int left = READS_PER_TURN;
    for (; left != 0; --left) {
        ssize_t n = read_some(conn);
        if (n == 0)
            break;
        if (n < 0) {
            broken(conn, "closed by the server");
            return;
        }
        uint64_t events = engine->counters[COUNTER_events];
        engine->now_ns = tool_now_ns();
        engine->counters[COUNTER_bytes] += (uint64_t)n;
        ++engine->counters[COUNTER_reads];
        if (!h2_feed(conn, engine->buffer, (size_t)n)) {
            broken(conn, "given up");
            return;
        }
        if (engine->counters[COUNTER_events] != events)
            engine->last_event_ns = engine->now_ns;
        /* Nothing left inside TLS: a further read would only be a system call that says so. */
        if (conn->ssl != NULL && SSL_has_pending(conn->ssl) == 0)
            break;
    }
    if (left == 0 && !conn->again) {
        conn->again = true;
        conn->next_again = engine->again;
        engine->again = conn;
    }
    if (conn->out_len != 0)
        conn_flush(conn);
}

void conn_on_ready(struct conn *conn, uint32_t events)
{
    if (conn->state == CONN_CONNECTING) {
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
            connected(conn);
    } else if (conn->state == CONN_HANDSHAKE) {
        handshake(conn);
    } else if (conn->state == CONN_STALLED) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0)
            broken(conn, "closed by the server");
    } else if (conn->state == CONN_OPEN) {
        if ((events & EPOLLOUT) != 0 && !conn_flush(conn))
            return;
        if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
            readable(conn);
    }
}
