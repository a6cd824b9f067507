/* http_way.c - publishes by POST over one HTTP/1.1 connection, pipelined */
/* SPDX-License-Identifier: MIT */
#include "bench/publish/publish.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/common/tool.h"

/*
 * For peers that are published to over HTTP. One connection keeps the order
 * of messages, which several would not; pipelining keeps it from being bound
 * by the round trip.
 */
#define HOLE "{subject}"
#define RESPONSE_MAX 65536

struct http_way {
    struct way way;
    int fd;
    char authority[256];
    const char *target;
    uint32_t window, unanswered;
    uint64_t refused;
    char *out;
    size_t out_len, out_cap;
    char in[RESPONSE_MAX];
    size_t in_len;
};

static void flush_out(struct http_way *w)
{
    size_t done = 0;
    while (done < w->out_len) {
        ssize_t n = send(w->fd, w->out + done, w->out_len - done, MSG_NOSIGNAL);
        if (n < 0)
            tool_die("%s: %s", w->authority, strerror(errno));
        done += (size_t)n;
    }
    w->out_len = 0;
}

/* Length of the first whole response in the buffer, 0 when it isn't whole yet. */
static size_t whole_response(struct http_way *w, int *status)
{
    w->in[w->in_len] = '\0';
    char *end = strstr(w->in, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t body = 0;
    for (char *line = w->in; line < end; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, "content-length:", 15) == 0)
            body = strtoul(line + 15, NULL, 10);
        else if (strncasecmp(line, "transfer-encoding:", 18) == 0)
            tool_die("%s answers in chunks, which this client doesn't read", w->authority);
    }
    size_t len = (size_t)(end + 4 - w->in) + body;
    *status = (int)strtol(w->in + strcspn(w->in, " "), NULL, 10);
    return len <= w->in_len ? len : 0;
}

static void read_responses(struct http_way *w, uint32_t leave)
{
    while (w->unanswered > leave) {
        int status;
        size_t len = whole_response(w, &status);
        if (len != 0) {
            if ((status < 200 || status > 299) && w->refused++ == 0)
                tool_warn("%s answers %d", w->authority, status);
            --w->unanswered;
            w->in_len -= len;
            memmove(w->in, w->in + len, w->in_len);
            continue;
        }
        if (w->in_len >= RESPONSE_MAX - 1)
            tool_die("%s: a response is too long", w->authority);
        ssize_t n = recv(w->fd, w->in + w->in_len, RESPONSE_MAX - 1 - w->in_len, 0);
        if (n <= 0)
            tool_die("%s closed the connection", w->authority);
        w->in_len += (size_t)n;
    }
}

static void send_http(struct way *way, const char *subject, const char *payload, size_t len, bool last_for_now)
{
    struct http_way *w = (struct http_way *)way;
    const char *hole = strstr(w->target, HOLE);
    size_t need = w->out_len + strlen(w->target) + strlen(subject) + len + 512;
    if (need > w->out_cap)
        w->out = tool_realloc(w->out, w->out_cap = need * 2);
    int n = snprintf(w->out + w->out_len, w->out_cap - w->out_len,
                     "POST %.*s%s%s HTTP/1.1\r\nhost: %s\r\ncontent-type: text/plain\r\ncontent-length: %zu\r\n\r\n",
                     (int)(hole == NULL ? strlen(w->target) : (size_t)(hole - w->target)), w->target,
                     hole == NULL ? "" : subject, hole == NULL ? "" : hole + sizeof(HOLE) - 1, w->authority, len);
    w->out_len += (size_t)n;
    memcpy(w->out + w->out_len, payload, len);
    w->out_len += len;
    ++w->unanswered;
    if (last_for_now || w->unanswered >= w->window)
        flush_out(w);
    if (w->unanswered >= w->window)
        read_responses(w, w->window - 1);
}

static uint64_t settle_http(struct way *way)
{
    struct http_way *w = (struct http_way *)way;
    flush_out(w);
    read_responses(w, 0);
    return w->refused;
}

static void close_http(struct way *way)
{
    struct http_way *w = (struct http_way *)way;
    close(w->fd);
    free(w->out);
    free(w);
}

struct way *way_http(const struct publish_options *o)
{
    static const char scheme[] = "http://";
    struct http_way *w = tool_calloc(1, sizeof(*w));
    const char *host = o->http + sizeof(scheme) - 1;
    w->way = (struct way){.send = send_http, .settle = settle_http, .close = close_http};
    w->window = o->window;
    if (strncmp(o->http, scheme, sizeof(scheme) - 1) != 0 || strchr(host, '/') == NULL ||
        strcspn(host, "/") >= sizeof(w->authority))
        tool_usage_error("--http: '%s' is not http://HOST:PORT/PATH", o->http);
    w->target = strchr(host, '/');
    memcpy(w->authority, host, (size_t)(w->target - host));

    char name[256];
    memcpy(name, w->authority, sizeof(name));
    char *colon = strrchr(name, ':');
    if (colon != NULL)
        *colon = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(name, colon == NULL ? "80" : colon + 1, &hints, &found), on = 1;
    if (error != 0)
        tool_die("%s: %s", w->authority, gai_strerror(error));
    w->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (w->fd < 0 || connect(w->fd, found->ai_addr, found->ai_addrlen) != 0)
        tool_die("%s: %s", w->authority, strerror(errno));
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    freeaddrinfo(found);
    return &w->way;
}
