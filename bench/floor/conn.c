/* conn.c - one connection of the floor: TLS in and out of its buffers */
/* SPDX-License-Identifier: MIT */
#include "bench/floor/floor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/common/tool.h"

#define RECORD 16384
/* Beyond this a reader counts as far behind, and messages wait in the queue until it has caught up to half. */
#define HELD_ABOVE (4u << 20)

void conn_accept(struct floor *floor)
{
    int fd, on = 1;
    while ((fd = accept4(floor->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *conn = tool_calloc(1, sizeof(*conn));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        conn->fd = fd;
        conn->ssl = SSL_new(floor->tls);
        if (conn->ssl == NULL || SSL_set_fd(conn->ssl, fd) != 1 || nghttp2_hd_inflate_new(&conn->inflater) != 0)
            tool_die("out of memory");
        SSL_set_accept_state(conn->ssl);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn};
        if (epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            tool_die("epoll_ctl: %s", strerror(errno));
    }
}

void conn_release(struct conn *conn)
{
    if (--conn->members == 0 && conn->dead && !conn->dirty)
        free(conn);
}

void conn_close(struct floor *floor, struct conn *conn)
{
    if (conn->dead)
        return;
    conn->dead = true;
    floor->held -= conn->held;
    SSL_free(conn->ssl);
    nghttp2_hd_inflate_del(conn->inflater);
    close(conn->fd);
    free(conn->out);
    free(conn->in);
    conn->out = NULL;
    conn->in = NULL;
    /* Members still point here; the next message to each of their subjects finds out. */
    if (conn->members == 0 && !conn->dirty)
        free(conn);
}

static void write_out(struct floor *floor, struct conn *conn, size_t at_least)
{
    while (conn->out_len - conn->out_from >= at_least && conn->out_len != conn->out_from) {
        size_t n = conn->out_len - conn->out_from, written = 0;
        if (n > RECORD)
            n = RECORD;
        if (SSL_write_ex(conn->ssl, conn->out + conn->out_from, n, &written) != 1) {
            int error = SSL_get_error(conn->ssl, 0);
            ERR_clear_error();
            conn->blocked = true;
            /* epoll reports a broken connection too; closing it here would pull it from under the fan-out. */
            if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ)
                shutdown(conn->fd, SHUT_RDWR);
            break;
        }
        conn->out_from += written;
    }
    size_t left = conn->out_len - conn->out_from;
    if (left == 0)
        conn->out_from = conn->out_len = 0;
    bool held = left > (conn->held ? HELD_ABOVE / 2 : HELD_ABOVE);
    floor->held += (uint32_t)held - (uint32_t)conn->held;
    conn->held = held;
}

char *conn_reserve(struct floor *floor, struct conn *conn, size_t len)
{
    if (!conn->blocked && conn->out_len - conn->out_from >= RECORD)
        write_out(floor, conn, RECORD);
    if (conn->out_len + len > conn->out_cap) {
        size_t left = conn->out_len - conn->out_from;
        if (left != 0)
            memmove(conn->out, conn->out + conn->out_from, left);
        conn->out_from = 0;
        conn->out_len = left;
        if (left + len > conn->out_cap / 2) {
            conn->out_cap = (left + len) * 2 < 2 * RECORD ? 2 * RECORD : (left + len) * 2;
            conn->out = tool_realloc(conn->out, conn->out_cap);
        }
    }
    if (!conn->dirty) {
        conn->dirty = true;
        conn->next_dirty = floor->dirty;
        floor->dirty = conn;
    }
    char *at = conn->out + conn->out_len;
    conn->out_len += len;
    return at;
}

void conn_flush(struct floor *floor, struct conn *conn)
{
    if (conn->blocked)
        return;
    write_out(floor, conn, 1);
    /* An idle connection keeps no buffer; a busy one takes the same one back from the allocator. */
    if (conn->out_len == 0) {
        free(conn->out);
        conn->out = NULL;
        conn->out_cap = 0;
    }
}

static bool receive(struct floor *floor, struct conn *conn)
{
    for (;;) {
        if (conn->in_cap - conn->in_len < RECORD)
            conn->in = tool_realloc(conn->in, conn->in_cap = conn->in_len + 2 * RECORD);
        size_t n = 0;
        if (SSL_read_ex(conn->ssl, conn->in + conn->in_len, conn->in_cap - conn->in_len, &n) != 1) {
            int error = SSL_get_error(conn->ssl, 0);
            ERR_clear_error();
            if (conn->in_len == 0) {
                free(conn->in);
                conn->in = NULL;
                conn->in_cap = 0;
            }
            return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
        }
        conn->in_len += n;
        if (!h2_receive(floor, conn))
            return false;
    }
}

void conn_on_ready(struct floor *floor, struct conn *conn, uint32_t events)
{
    if (!conn->open) {
        int n = SSL_do_handshake(conn->ssl);
        if (n != 1) {
            int error = SSL_get_error(conn->ssl, n);
            ERR_clear_error();
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
                conn_close(floor, conn);
            return;
        }
        conn->open = true;
        events |= EPOLLIN;
    }
    if ((events & EPOLLOUT) != 0 && conn->blocked) {
        conn->blocked = false;
        conn_flush(floor, conn);
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && !receive(floor, conn))
        conn_close(floor, conn);
}
