/* server_listen_socket.c - addresses become listening sockets, or an error that says why not */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/listen_socket.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct listen_socket sockets[LISTEN_SOCKETS_MAX];
static char error[256];

static uint16_t port_of(const struct listen_socket *socket)
{
    return (uint16_t)strtoul(strrchr(socket->text, ':') + 1, NULL, 10);
}

static bool connects(int family, const char *host, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int fd = socket(family, SOCK_STREAM, 0);
    bool ok;

    if (family == AF_INET)
        ok = inet_pton(family, host, &v4.sin_addr) == 1 && connect(fd, (struct sockaddr *)&v4, sizeof(v4)) == 0;
    else
        ok = inet_pton(family, host, &v6.sin6_addr) == 1 && connect(fd, (struct sockaddr *)&v6, sizeof(v6)) == 0;
    close(fd);
    return ok;
}

static bool has_ipv6(void)
{
    struct listen_socket probe[LISTEN_SOCKETS_MAX];
    size_t count = listen_socket_open("[::1]:0", 0, NULL, probe, error, sizeof(error));

    if (count != 0)
        close(probe[0].fd);
    return count != 0;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    getsockopt(fd, level, name, &value, &len);
    return value;
}

Test(server_listen_socket, port_0_is_told_as_the_real_one)
{
    cr_assert_eq(listen_socket_open("127.0.0.1:0", 0, NULL, sockets, error, sizeof(error)), 1, "%s", error);
    cr_expect_eq(strncmp(sockets[0].text, "127.0.0.1:", 10), 0);
    cr_expect(connects(AF_INET, "127.0.0.1", port_of(&sockets[0])));
    cr_expect((fcntl(sockets[0].fd, F_GETFL) & O_NONBLOCK) != 0);
    cr_expect((fcntl(sockets[0].fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(sockets[0].fd);
}

Test(server_listen_socket, the_star_takes_both_families)
{
    cr_assert_eq(listen_socket_open("*:0", 0, NULL, sockets, error, sizeof(error)), 1, "%s", error);
    cr_expect(connects(AF_INET, "127.0.0.1", port_of(&sockets[0])));
    if (has_ipv6())
        cr_expect(connects(AF_INET6, "::1", port_of(&sockets[0])));
    close(sockets[0].fd);
}

Test(server_listen_socket, all_addresses_of_a_name_share_a_port)
{
    size_t count = listen_socket_open("localhost:0", 0, NULL, sockets, error, sizeof(error));

    cr_assert_gt(count, 0, "%s", error);
    for (size_t i = 0; i != count; i++) {
        cr_expect_eq(port_of(&sockets[i]), port_of(&sockets[0]));
        close(sockets[i].fd);
    }
}

Test(server_listen_socket, accepted_sockets_inherit_the_options)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int client = socket(AF_INET, SOCK_STREAM, 0), accepted;

    cr_assert_eq(listen_socket_open("127.0.0.1:0", 12345, NULL, sockets, error, sizeof(error)), 1, "%s", error);
    getsockname(sockets[0].fd, (struct sockaddr *)&address, &len);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, len), 0);
    accepted = accept(sockets[0].fd, NULL, NULL);
    cr_assert_neq(accepted, -1);
    cr_expect_eq(option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    cr_expect_eq(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    cr_expect_eq(option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    cr_expect_eq(option(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
    close(accepted);
    close(client);
    close(sockets[0].fd);
}

static void expect_failure(const char *address, const char *reason)
{
    cr_expect_eq(listen_socket_open(address, 0, NULL, sockets, error, sizeof(error)), 0);
    cr_expect(strncmp(error, address, strlen(address)) == 0 && strstr(error, reason) != NULL, "got: %s", error);
}

Test(server_listen_socket, failures_name_the_address_and_the_reason)
{
    struct listen_socket taken[LISTEN_SOCKETS_MAX];
    char busy[LISTEN_SOCKET_TEXT_MAX];

    cr_assert_eq(listen_socket_open("127.0.0.1:0", 0, NULL, taken, error, sizeof(error)), 1, "%s", error);
    memcpy(busy, taken[0].text, sizeof(busy));
    expect_failure(busy, "Address already in use");
    close(taken[0].fd);
    /* RFC 5737: an address for documentation, which no machine has. */
    expect_failure("192.0.2.1:0", "Cannot assign requested address");
    expect_failure("127.0.0.1", "port");
    expect_failure("127.0.0.1:65536", "port");
}
