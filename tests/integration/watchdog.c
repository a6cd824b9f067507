/* watchdog.c - a gateway with a stuck worker aborts; one that was stopped as a whole resumes */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/http_client.h"
#include "tests/support/held_thread.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(watchdog, 120, 2, "watchdog: 1s\nroutes:\n  - {path: /s, subjects: [\"s\"]}\n");

Test(watchdog, a_worker_that_is_held_ends_the_process)
{
    pid_t thread = thread_named(rig.gateway->pid, "worker-1");
    int status;

    REQUIRE(thread != 0);
    REQUIRE(thread_hold(thread), "%s", strerror(errno));
    REQUIRE(gateway_wait_log(rig.gateway, " worker-stuck worker=1 ", 20000));
    REQUIRE(gateway_wait_log(rig.gateway, "unavailable, thread state t", 1000));
    /* A process ends when its last thread is reaped, and this thread is ours to reap, since we hold it. */
    REQUIRE(waitpid(thread, &status, __WALL) == thread);
    REQUIRE(gateway_wait_exit(rig.gateway) == 128 + SIGABRT);
}

/* Stopped for longer than its period, then idle for longer than that: loops turn by their timer alone. */
Test(watchdog, a_process_that_was_stopped_or_is_idle_goes_on)
{
    struct http_stream *stream = http_open_ready(rig.client, "/s", NULL);

    REQUIRE(stream != NULL);
    kill(rig.gateway->pid, SIGSTOP);
    REQUIRE(waitpid(rig.gateway->pid, NULL, WUNTRACED) == rig.gateway->pid);
    sleep_ms(1500);
    kill(rig.gateway->pid, SIGCONT);
    http_pump_for(rig.client, 1500);
    publish(rig.publisher, "s", "still here");
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE(gateway_stop(rig.gateway) == 0);
}
