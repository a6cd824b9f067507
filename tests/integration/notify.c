/* notify.c - what the gateway reports to a service manager on NOTIFY_SOCKET */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

static struct rig rig;
static struct http_client *client;
static int manager = -1; /* the socket in its place */
static char *heard;      /* all that it received, one message after the other */

static const char yaml[] = "drain: {window: 1s, timeout: 20s}\n"
                           "routes:\n"
                           "  - {path: \"/s/{id}\", subjects: [\"s.{id}\"]}\n";

/* name: as in NOTIFY_SOCKET. */
static void listen_as(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);

    memcpy(address.sun_path, name, len + 1);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (manager == -1 || bind(manager, (struct sockaddr *)&address,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'))) != 0)
        fixture_fail("%s can't be bound", name);
    setenv("NOTIFY_SOCKET", name, 1);
    heard = text_format("%s", "");
}

static bool hear(int ms)
{
    struct pollfd poller = {.fd = manager, .events = POLLIN};
    char message[1024];
    ssize_t n;

    if (poll(&poller, 1, ms) != 1 || (n = recv(manager, message, sizeof(message) - 1, 0)) < 0)
        return false;
    message[n] = '\0';
    char *all = text_format("%s%s\n\n", heard, message);
    free(heard);
    heard = all;
    return true;
}

static unsigned count_heard(const char *what)
{
    unsigned count = 0;

    for (const char *at = heard; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

static void require_hears(const char *what, unsigned times)
{
    int64_t deadline = deadline_in(10000);

    while (count_heard(what) < times && now_ms() < deadline)
        hear(50);
    REQUIRE(count_heard(what) >= times, "no %u times \"%s\" in: %s", times, what, heard);
}

static void start(const char *name)
{
    listen_as(name);
    rig_start_workers(&rig, yaml, 2);
    client = http_client_create(rig.gateway, HTTP_H2);
}

static void teardown(void)
{
    http_client_destroy(client);
    rig_stop(&rig);
    close(manager);
    free(heard);
}

TestSuite(notify, .fini = teardown, .timeout = 120);

static void check_life(void)
{
    struct http_stream *stream;

    require_hears("READY=1\n", 1);
    REQUIRE(count_heard("WATCHDOG") == 0, "not asked for: %s", heard);
    stream = http_open_ready(client, "/s/1", NULL);
    REQUIRE(stream != NULL);
    kill(rig.gateway->pid, SIGTERM);
    require_hears("STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000\n", 1);
    require_hears("STATUS=draining, 1 streams left\n", 1);
    REQUIRE(http_wait_end(stream));
    REQUIRE(gateway_wait_exit(rig.gateway) == 0);
    while (hear(0))
        ;
    REQUIRE(count_heard("READY=1") == 1, "%s", heard);
    REQUIRE(strstr(strstr(heard, "READY=1"), "STOPPING=1") != NULL, "in this order: %s", heard);
}

Test(notify, a_life_over_a_path)
{
    char *path = sandbox_path("notify");

    start(path);
    check_life();
    unlink(path);
    free(path);
}

Test(notify, a_life_over_an_abstract_name)
{
    char *name = text_format("@freshet-test-%d", (int)getpid());

    start(name);
    check_life();
    free(name);
}

Test(notify, the_watchdog_is_fed_while_the_loops_turn)
{
    char *name = text_format("@freshet-test-%d", (int)getpid());
    unsigned fed;

    setenv("WATCHDOG_USEC", "2000000", 1);
    start(name);
    require_hears("WATCHDOG=1\n", 3);
    kill(rig.gateway->pid, SIGSTOP);
    while (hear(300))
        ;
    fed = count_heard("WATCHDOG=1\n");
    hear((int)scaled_ms(1500));
    REQUIRE(count_heard("WATCHDOG=1\n") == fed, "a stopped process says nothing");
    kill(rig.gateway->pid, SIGCONT);
    require_hears("WATCHDOG=1\n", fed + 2);
    kill(rig.gateway->pid, SIGTERM);
    REQUIRE(gateway_wait_exit(rig.gateway) == 0);
    free(name);
}

Test(notify, a_watchdog_for_somebody_else_is_not_fed)
{
    char *name = text_format("@freshet-test-%d", (int)getpid());

    setenv("WATCHDOG_USEC", "400000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    start(name);
    require_hears("READY=1\n", 1);
    for (int64_t end = now_ms() + 500; now_ms() < end;)
        hear(50);
    REQUIRE(count_heard("WATCHDOG") == 0, "%s", heard);
    free(name);
}

Test(notify, a_reload_is_announced_and_over)
{
    char *name = text_format("@freshet-test-%d", (int)getpid());
    const char *at;

    start(name);
    require_hears("READY=1\n", 1);
    REQUIRE(gateway_reload(rig.gateway, NULL, yaml));
    require_hears("READY=1\n", 2);
    at = strstr(heard, "RELOADING=1\nMONOTONIC_USEC=");
    REQUIRE(at != NULL && strtoull(strchr(strchr(at, '=') + 1, '=') + 1, NULL, 10) > 0, "%s", heard);
    require_hears("STATUS=serving 1 routes\n", 2);
    REQUIRE(!gateway_reload(rig.gateway, NULL, "routes: []\n"));
    require_hears("READY=1\n", 3);
    require_hears("the last reload has failed", 1);
    free(name);
}

Test(notify, a_manager_that_is_gone_is_no_reason_to_fail)
{
    struct http_stream *stream;

    listen_as("@freshet-test-gone");
    close(manager);
    rig_start_workers(&rig, yaml, 1);
    client = http_client_create(rig.gateway, HTTP_H2);
    stream = http_open_ready(client, "/s/1", NULL);
    REQUIRE(stream != NULL);
    publish(rig.publisher, "s.1", "x");
    REQUIRE(http_wait_events(stream, 1));
    kill(rig.gateway->pid, SIGTERM);
    REQUIRE(http_wait_end(stream));
    REQUIRE(gateway_wait_exit(rig.gateway) == 0);
}
