/* connection_limit.c - at its limit the gateway keeps clients waiting without spinning, and serves them later */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

/* By its heartbeat the gateway learns that a stream of HTTP/1.1 has no reader any more. */
#define ROUTES                                                                                                         \
    "routes:\n"                                                                                                        \
    "  - {path: /l, subjects: [\"l\"], heartbeat: 1s}\n"

static struct rig rig;

static void teardown(void)
{
    rig_stop(&rig);
}

TestSuite(connection_limit, .fini = teardown, .timeout = 60);

static struct raw_http *open_stream(void)
{
    struct raw_http *raw = raw_http_connect(rig.gateway->clear_port);

    raw_http_send(raw, "GET /l HTTP/1.1\r\nhost: x\r\n\r\n");
    return raw;
}

/* `limit` streams are served, as many again wait until the first have gone. */
static void check_limit(size_t limit)
{
    struct raw_http *served[64], *waiting[64];
    double cpu;
    char byte;

    for (size_t i = 0; i != limit; i++) {
        served[i] = open_stream();
        REQUIRE(raw_http_wait(served[i], "retry:"), "stream %zu", i);
    }
    for (size_t i = 0; i != limit; i++)
        waiting[i] = open_stream();
    REQUIRE(gateway_wait_log(rig.gateway, "accept-paused", 5000));
    cpu = gateway_cpu_seconds(rig.gateway);
    sleep_ms(500);
    cpu = gateway_cpu_seconds(rig.gateway) - cpu;
    REQUIRE(cpu < 0.25, "%.2f s of CPU while nothing could be done", cpu);
    for (size_t i = 0; i != limit; i++)
        REQUIRE(recv(waiting[i]->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 && errno == EAGAIN, "stream %zu", i);

    for (size_t i = 0; i != limit; i++)
        raw_http_destroy(served[i]);
    for (size_t i = 0; i != limit; i++) {
        REQUIRE(raw_http_wait(waiting[i], "retry:"), "stream %zu", i);
        raw_http_destroy(waiting[i]);
    }
}

Test(connection_limit, the_configured_one)
{
    rig_start_workers(&rig, "limits: {connections: 6}\n" ROUTES, 2);
    check_limit(6);
}

/* One more than the highest descriptor the gateway has open. */
static unsigned descriptor_end(void)
{
    char path[64];
    unsigned long end = 0;
    const struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)rig.gateway->pid);
    dir = opendir(path);
    REQUIRE(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        unsigned long fd = strtoul(entry->d_name, NULL, 10);
        end = fd >= end ? fd + 1 : end;
    }
    closedir(dir);
    return (unsigned)end;
}

/* What the gateway can't foresee: the kernel says EMFILE although its own count says there is room. */
Test(connection_limit, the_one_of_the_kernel)
{
    struct rlimit files;
    unsigned end, open;

    rig_start_workers(&rig, ROUTES, 2);
    REQUIRE(gateway_wait_log(rig.gateway, "nats-connected", 10000));
    open = gateway_fd_count_at_rest(rig.gateway);
    end = descriptor_end();
    files = (struct rlimit){.rlim_cur = end + 6, .rlim_max = end + 6};
    REQUIRE(prlimit(rig.gateway->pid, RLIMIT_NOFILE, &files, NULL) == 0);
    check_limit(end - open + 6);
}
