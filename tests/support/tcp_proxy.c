/* tcp_proxy.c - a loopback connection that a test can cut under both its ends, and heal */
/* SPDX-License-Identifier: MIT */
#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/sandbox.h"

#define PAIRS_MAX 16

/* One connection: [0] is the client, [1] the target. */
struct pair {
    int sockets[2];
    pthread_t threads[2];
    atomic_int running;
    bool used;
};

struct direction {
    struct pair *pair;
    int from;
};

struct tcp_proxy {
    int listener, port, target_port;
    pthread_t acceptor;
    pthread_mutex_t lock; /* guards what follows */
    bool is_cut, stops;
    struct pair pairs[PAIRS_MAX];
};

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static bool send_all(int to, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(to, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* The end of one direction is the end of both: neither side of a route ever half-closes it. */
static void *forward(void *arg)
{
    struct direction *direction = arg;
    struct pair *pair = direction->pair;
    int from = pair->sockets[direction->from], to = pair->sockets[1 - direction->from];
    char data[65536];
    ssize_t len;

    free(direction);
    while ((len = recv(from, data, sizeof(data), 0)) > 0 && send_all(to, data, (size_t)len))
        ;
    shutdown(from, SHUT_RDWR);
    shutdown(to, SHUT_RDWR);
    atomic_fetch_sub(&pair->running, 1);
    return NULL;
}

static void end_pair(struct pair *pair)
{
    int i;

    for (i = 0; i < 2; i++)
        shutdown(pair->sockets[i], SHUT_RDWR);
    for (i = 0; i < 2; i++)
        pthread_join(pair->threads[i], NULL);
    for (i = 0; i < 2; i++)
        close(pair->sockets[i]);
    pair->used = false;
}

static void start_pair(struct pair *pair, int incoming, int outgoing)
{
    int i;

    pair->sockets[0] = incoming;
    pair->sockets[1] = outgoing;
    pair->used = true;
    atomic_store(&pair->running, 2);
    for (i = 0; i < 2; i++) {
        struct direction *direction = malloc(sizeof(*direction));
        if (direction == NULL)
            fixture_fail("out of memory");
        *direction = (struct direction){pair, i};
        if (pthread_create(&pair->threads[i], NULL, forward, direction) != 0)
            fixture_fail("no thread for a proxy");
    }
}

/* The lock is held. */
static bool take(struct tcp_proxy *proxy, int incoming)
{
    struct sockaddr_in address = loopback(proxy->target_port);
    struct pair *pair = NULL;
    int i, outgoing;

    for (i = 0; i < PAIRS_MAX; i++) {
        if (proxy->pairs[i].used && atomic_load(&proxy->pairs[i].running) == 0)
            end_pair(&proxy->pairs[i]);
        if (!proxy->pairs[i].used)
            pair = &proxy->pairs[i];
    }
    if (proxy->is_cut || pair == NULL)
        return false;
    outgoing = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(outgoing, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(outgoing);
        return false;
    }
    start_pair(pair, incoming, outgoing);
    return true;
}

static void *accept_all(void *arg)
{
    struct tcp_proxy *proxy = arg;

    for (;;) {
        int incoming = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
        bool stops;
        pthread_mutex_lock(&proxy->lock);
        stops = proxy->stops;
        if (incoming >= 0 && (stops || !take(proxy, incoming)))
            close(incoming);
        pthread_mutex_unlock(&proxy->lock);
        if (stops)
            return NULL;
    }
}

struct tcp_proxy *tcp_proxy_start(int target_port)
{
    struct tcp_proxy *proxy = calloc(1, sizeof(*proxy));
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof(address);

    if (proxy == NULL)
        fixture_fail("out of memory");
    proxy->target_port = target_port;
    pthread_mutex_init(&proxy->lock, NULL);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(proxy->listener, 16) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &len) != 0)
        fixture_fail("no free port");
    proxy->port = ntohs(address.sin_port);
    if (pthread_create(&proxy->acceptor, NULL, accept_all, proxy) != 0)
        fixture_fail("no thread for a proxy");
    return proxy;
}

int tcp_proxy_port(const struct tcp_proxy *proxy)
{
    return proxy->port;
}

void tcp_proxy_cut(struct tcp_proxy *proxy)
{
    int i;

    pthread_mutex_lock(&proxy->lock);
    proxy->is_cut = true;
    for (i = 0; i < PAIRS_MAX; i++)
        if (proxy->pairs[i].used)
            end_pair(&proxy->pairs[i]);
    pthread_mutex_unlock(&proxy->lock);
}

void tcp_proxy_heal(struct tcp_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_cut = false;
    pthread_mutex_unlock(&proxy->lock);
}

void tcp_proxy_stop(struct tcp_proxy *proxy)
{
    if (proxy == NULL)
        return;
    tcp_proxy_cut(proxy);
    pthread_mutex_lock(&proxy->lock);
    proxy->stops = true;
    pthread_mutex_unlock(&proxy->lock);
    shutdown(proxy->listener, SHUT_RDWR); /* wakes accept */
    pthread_join(proxy->acceptor, NULL);
    close(proxy->listener);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}
