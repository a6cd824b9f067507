/* main.c - freshet-floor: the least work any gateway can do, as a yardstick */
/* SPDX-License-Identifier: MIT */
#include "bench/floor/floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <nats/nats.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/common/tool.h"

static const char help[] =
    "usage: freshet-floor --certificate FILE --key FILE --nats URL [--port N] [--subject PATTERN]\n"
    "Serves GET /…?subject=NAME over HTTP/2 on 127.0.0.1 with ready-made frames. Prints \"listening PORT\".\n";

#define EPOLL_BATCH 256
#define TAKE_MAX 256 /* messages of one turn: sockets must be looked at, too */

/* Messages between the NATS thread and the loop, in order. */
static struct {
    pthread_mutex_t lock;
    natsMsg **list;
    size_t from, to, cap;
    int wake;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)nc;
    (void)sub;
    (void)closure;
    pthread_mutex_lock(&queue.lock);
    bool was_empty = queue.from == queue.to;
    if (was_empty)
        queue.from = queue.to = 0;
    if (queue.to == queue.cap) {
        queue.cap = queue.cap == 0 ? 1024 : queue.cap * 2;
        queue.list = tool_realloc(queue.list, queue.cap * sizeof(natsMsg *));
    }
    queue.list[queue.to++] = msg;
    pthread_mutex_unlock(&queue.lock);
    if (was_empty)
        eventfd_write(queue.wake, 1);
}

static size_t take(natsMsg **into)
{
    pthread_mutex_lock(&queue.lock);
    size_t n = queue.to - queue.from;
    if (n > TAKE_MAX)
        n = TAKE_MAX;
    if (n != 0)
        memcpy(into, queue.list + queue.from, n * sizeof(natsMsg *));
    queue.from += n;
    pthread_mutex_unlock(&queue.lock);
    return n;
}

/* True when there may be more to take. */
static bool fan_out(struct floor *floor)
{
    natsMsg *taken[TAKE_MAX];
    if (floor->held != 0)
        return false;
    size_t n = take(taken);
    for (size_t i = 0; i < n; ++i) {
        fanout_message(floor, natsMsg_GetSubject(taken[i]), natsMsg_GetData(taken[i]),
                       (size_t)natsMsg_GetDataLength(taken[i]));
        natsMsg_Destroy(taken[i]);
    }
    return n == TAKE_MAX;
}

static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned len,
                     void *arg)
{
    static const unsigned char h2[] = "\2h2";
    (void)ssl;
    (void)arg;
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, h2, 3, in, len) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void setup_tls(struct floor *floor, const char *certificate, const char *key)
{
    floor->tls = SSL_CTX_new(TLS_server_method());
    if (floor->tls == NULL || SSL_CTX_use_certificate_chain_file(floor->tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(floor->tls, key, SSL_FILETYPE_PEM) != 1)
        tool_die("can't load %s and %s", certificate, key);
    SSL_CTX_set_alpn_select_cb(floor->tls, select_h2, NULL);
    SSL_CTX_set_mode(floor->tls,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void setup_listener(struct floor *floor, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof(at);
    int on = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    floor->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(floor->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(floor->listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(floor->listener, 4096) != 0 ||
        getsockname(floor->listener, (struct sockaddr *)&at, &len) != 0)
        tool_die("port %u: %s", port, strerror(errno));
    printf("listening %u\n", ntohs(at.sin_port));
    fflush(stdout);
}

static natsConnection *setup_nats(const char *url, const char *subject)
{
    natsConnection *connection;
    natsSubscription *subscription;
    natsStatus s = natsConnection_ConnectTo(&connection, url);
    if (s == NATS_OK)
        s = natsConnection_Subscribe(&subscription, connection, subject, on_message, NULL);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(subscription, -1, -1);
    if (s == NATS_OK)
        s = natsConnection_Flush(connection);
    if (s != NATS_OK)
        tool_die("%s: %s", url, natsStatus_GetText(s));
    return connection;
}

static void watch(struct floor *floor, int fd, void *marker)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = marker};
    if (epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        tool_die("epoll_ctl: %s", strerror(errno));
}

static void loop(struct floor *floor)
{
    bool more = false;
    watch(floor, floor->listener, &floor->listener);
    watch(floor, floor->wake, &floor->wake);
    while (!interrupted) {
        struct epoll_event ready[EPOLL_BATCH];
        /* While a reader is far behind the queue is looked at again when its socket takes more. */
        int n = epoll_wait(floor->epoll, ready, EPOLL_BATCH, more ? 0 : 1000);
        bool look = more || n == 0;
        for (int i = 0; i < n; ++i) {
            eventfd_t ignored;
            if (ready[i].data.ptr == &floor->listener) {
                conn_accept(floor);
            } else if (ready[i].data.ptr == &floor->wake) {
                eventfd_read(floor->wake, &ignored);
                look = true;
            } else {
                look |= floor->held != 0;
                conn_on_ready(floor, ready[i].data.ptr, ready[i].events);
            }
        }
        if (look) {
            bool waiting = floor->held != 0;
            more = fan_out(floor) && !waiting;
        }
        fanout_flush(floor);
    }
}

int main(int argc, char **argv)
{
    static const struct option longopts[] = {
        {"certificate", 1, NULL, 'c'}, {"key", 1, NULL, 'k'},  {"nats", 1, NULL, 'n'}, {"port", 1, NULL, 'p'},
        {"subject", 1, NULL, 's'},     {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *certificate = NULL, *key = NULL, *nats = NULL, *subject = "bench.>";
    uint16_t port = 0;
    for (int c; (c = getopt_long(argc, argv, "", longopts, NULL)) != -1;) {
        switch (c) {
        case 'c':
            certificate = optarg;
            break;
        case 'k':
            key = optarg;
            break;
        case 'n':
            nats = optarg;
            break;
        case 'p':
            port = (uint16_t)tool_number("--port", optarg, 0, 65535);
            break;
        case 's':
            subject = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return 1;
        }
    }
    if (certificate == NULL || key == NULL || nats == NULL || optind != argc)
        tool_usage_error("--certificate, --key and --nats are needed");
    struct floor floor = {.epoll = epoll_create1(EPOLL_CLOEXEC), .wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    queue.wake = floor.wake;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    tool_need_files(1024);
    setup_tls(&floor, certificate, key);
    natsConnection *connection = setup_nats(nats, subject);
    setup_listener(&floor, port);
    loop(&floor);
    natsConnection_Destroy(connection);
    return 0;
}
