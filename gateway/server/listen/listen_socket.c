/* listen_socket.c - listening sockets from "host:port" text */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/listen_socket.h"

#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/address.h"
#include "gateway/server/listen/passed.h"

/* A peer that vanished is found after IDLE + COUNT * INTERVAL seconds. */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_COUNT 3

struct options {
    struct passed *passed;
    unsigned stall_ms;
    bool dual_stack; /* an IPv6 socket takes IPv4 too; only for "*", or "[::]:1" and "0.0.0.0:1" would collide */
    bool any_port;
};

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* Linux hands all of these down to accepted sockets: set once here, they cost nothing per connection. */
static bool set_options(int fd, const struct options *options)
{
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) && set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT) &&
           (options->stall_ms == 0 || set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)options->stall_ms));
}

void listen_socket_set_stall(int fd, unsigned stall_ms)
{
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)stall_ms);
}

static void set_port(struct addrinfo *info, in_port_t port)
{
    if (info->ai_family == AF_INET)
        ((struct sockaddr_in *)(void *)info->ai_addr)->sin_port = port;
    else
        ((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_port = port;
}

static void describe_socket(struct listen_socket *opened, in_port_t *port)
{
    struct sockaddr_storage bound = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(bound);
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1] = "?", service[6] = "?";

    getsockname(opened->fd, (struct sockaddr *)&bound, &len);
    getnameinfo((struct sockaddr *)&bound, len, host, sizeof(host), service, sizeof(service),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(opened->text, sizeof(opened->text), strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, service);
    *port = bound.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&bound)->sin_port
                                       : ((struct sockaddr_in6 *)(void *)&bound)->sin6_port;
}

static bool set_binding_options(int fd, int family, const struct options *options)
{
    /* Or a restart fails while connections of the last process are in TIME_WAIT. */
    return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
           (family != AF_INET6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !options->dual_stack));
}

/* 0, or an errno. */
static int open_socket(const struct addrinfo *info, const struct options *options, int *fd)
{
    int error;

    *fd = passed_find(options->passed, info->ai_addr, info->ai_addrlen);
    if (*fd != -1 && set_options(*fd, options))
        return 0;
    if (*fd != -1)
        close(*fd);
    *fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd == -1)
        return errno;
    if (set_binding_options(*fd, info->ai_family, options) && set_options(*fd, options) &&
        bind(*fd, info->ai_addr, info->ai_addrlen) == 0 && listen(*fd, SOMAXCONN) == 0)
        return 0;
    error = errno;
    close(*fd);
    return error;
}

/* An address family this machine doesn't have (IPv6 off, but "localhost" has ::1) is no reason to fail. */
static bool is_absent(int error)
{
    return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

/* The address can be served without this socket. */
static bool may_skip(int error, const struct options *options, size_t opened)
{
    return is_absent(error) || (options->any_port && opened != 0 && error == EADDRINUSE);
}

/* glibc answers twice when /etc/hosts gives "localhost" to both ::1 and 127.0.0.1. */
static bool is_repeated(const struct addrinfo *list, const struct addrinfo *info)
{
    for (; list != info; list = list->ai_next)
        if (list->ai_addrlen == info->ai_addrlen && memcmp(list->ai_addr, info->ai_addr, info->ai_addrlen) == 0)
            return true;
    return false;
}

static size_t open_sockets(struct addrinfo *list, const struct options *options, struct listen_socket *sockets,
                           int *error)
{
    size_t count = 0;
    in_port_t port = 0;

    for (struct addrinfo *info = list; info != NULL && count != LISTEN_SOCKETS_MAX; info = info->ai_next) {
        if (is_repeated(list, info))
            continue;
        if (options->any_port && port != 0)
            set_port(info, port);
        *error = open_socket(info, options, &sockets[count].fd);
        if (*error == 0) {
            describe_socket(&sockets[count++], &port);
        } else if (!may_skip(*error, options, count)) {
            while (count != 0)
                close(sockets[--count].fd);
            return 0;
        }
    }
    return count;
}

static int resolve_address(const struct address *parsed, struct addrinfo **list)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};

    if (parsed->host[0] != '\0')
        return getaddrinfo(parsed->host, parsed->port, &hints, list);
    /* One dual-stack socket; a kernel without IPv6 gets its IPv4 one. */
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    hints.ai_family = probe != -1 ? AF_INET6 : AF_INET;
    if (probe != -1)
        close(probe);
    return getaddrinfo(NULL, parsed->port, &hints, list);
}

size_t listen_socket_open(const char *address, unsigned stall_ms, struct passed *passed,
                          struct listen_socket sockets[static LISTEN_SOCKETS_MAX], char *error, size_t size)
{
    struct address parsed;
    struct addrinfo *list;
    const char *wrong = address_parse(address, &parsed);
    int failed = 0, resolved;
    size_t count;

    if (wrong != NULL) {
        snprintf(error, size, "%s: %s", address, wrong);
        return 0;
    }
    resolved = resolve_address(&parsed, &list);
    if (resolved != 0) {
        wrong = resolved == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(resolved);
        snprintf(error, size, "%s: %s", address, wrong);
        return 0;
    }
    struct options options = {
        .passed = passed,
        .stall_ms = stall_ms,
        .dual_stack = parsed.host[0] == '\0',
        .any_port = strcmp(parsed.port, "0") == 0,
    };
    count = open_sockets(list, &options, sockets, &failed);
    freeaddrinfo(list);
    if (count == 0)
        snprintf(error, size, "%s: %s", address, strerrordesc_np(failed));
    return count;
}
