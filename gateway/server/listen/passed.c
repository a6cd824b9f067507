/* passed.c - listening sockets that the starter of the process has opened: sd_listen_fds(3) */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/passed.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first of them; the others follow. */
#define FIRST_FD 3

/* The i-th of the names between colons, "" where there is none. */
static void copy_name(const char *names, size_t i, char *dst, size_t size)
{
    for (; names != NULL && i != 0; --i) {
        names = strchr(names, ':');
        names += names != NULL;
    }
    snprintf(dst, size, "%.*s", names != NULL ? (int)strcspn(names, ":") : 0, names != NULL ? names : "");
}

static bool is_listening(int fd)
{
    int listening = 0, type = 0;
    socklen_t len = sizeof(listening);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0;
}

static void describe_socket(struct passed_socket *passed, const char *name)
{
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1] = "no address", service[8] = "";
    getnameinfo((struct sockaddr *)&passed->address, sizeof(passed->address), host, sizeof(host), service,
                sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(passed->text, sizeof(passed->text),
             strchr(host, ':') != NULL ? "descriptor %d (\"%s\", [%s]:%s)" : "descriptor %d (\"%s\", %s:%s)",
             passed->fd, name, host, service);
}

static bool take_socket(struct passed *passed, int fd, const char *name, char *error, size_t size)
{
    struct passed_socket *socket = &passed->sockets[passed->count++];
    socklen_t len = sizeof(socket->address);
    *socket = (struct passed_socket){.fd = fd};
    fcntl(fd, F_SETFD, FD_CLOEXEC); /* a child that kept it would keep the port */
    getsockname(fd, (struct sockaddr *)&socket->address, &len);
    describe_socket(socket, name);
    /* Non-blocking: accept4 must not wait when another watcher was quicker. */
    if ((socket->address.ss_family == AF_INET || socket->address.ss_family == AF_INET6) && is_listening(fd) &&
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0)
        return true;
    snprintf(error, size, "%s, passed in LISTEN_FDS, is not a listening TCP socket", socket->text);
    return false;
}

static bool take_sockets(struct passed *passed, const char *fds, const char *names, char *error, size_t size)
{
    char *end;
    unsigned long count = strtoul(fds, &end, 10);
    if (*fds == '\0' || *end != '\0' || count > PASSED_MAX) {
        snprintf(error, size, "LISTEN_FDS is \"%s\", not a number up to %d", fds, PASSED_MAX);
        return false;
    }
    for (size_t i = 0; i != count; ++i) {
        char name[64];
        copy_name(names, i, name, sizeof(name));
        if (!take_socket(passed, FIRST_FD + (int)i, name, error, size))
            return false;
    }
    return true;
}

bool passed_take(struct passed *passed, char *error, size_t size)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    bool ok = true;
    passed->count = 0;
    /* another process's variables may have been inherited */
    if (pid != NULL && fds != NULL && strtol(pid, NULL, 10) == (long)getpid())
        ok = take_sockets(passed, fds, getenv("LISTEN_FDNAMES"), error, size);
    /* No child may take them for its own. */
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return ok;
}

static bool is_same_address(const struct sockaddr_storage *bound, const struct sockaddr *address, socklen_t len)
{
    if (bound->ss_family != address->sa_family)
        return false;
    /* Member by member: padding and the flow label say nothing about what is bound. */
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *a = (const void *)bound, *b = (const void *)address;
        return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *a = (const void *)bound, *b = (const void *)address;
        return a->sin6_port == b->sin6_port && a->sin6_scope_id == b->sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->sin6_addr, &b->sin6_addr);
    }
    return false;
}

int passed_find(struct passed *passed, const struct sockaddr *address, socklen_t len)
{
    for (size_t i = 0; passed != NULL && i != passed->count; ++i) {
        if (!is_same_address(&passed->sockets[i].address, address, len))
            continue;
        passed->sockets[i].used = true;
        return fcntl(passed->sockets[i].fd, F_DUPFD_CLOEXEC, 0); /* a reload may close it and ask again */
    }
    return -1;
}

const struct passed_socket *passed_unused(const struct passed *passed)
{
    for (size_t i = 0; i != passed->count; ++i) {
        if (!passed->sockets[i].used)
            return &passed->sockets[i];
    }
    return NULL;
}

void passed_close(struct passed *passed)
{
    for (size_t i = 0; i != passed->count; ++i)
        close(passed->sockets[i].fd);
    passed->count = 0;
}
