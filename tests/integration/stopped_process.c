/* stopped_process.c - a gateway that was stopped, as a debugger or job control does, goes on when it is continued */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

static struct rig rig;
static struct http_client *client;

static void setup(void)
{
    rig_start_workers(&rig, "routes:\n  - {path: /s, subjects: [\"s\"]}\n", 2);
    client = http_client_create(rig.gateway, HTTP_H2);
}

static void teardown(void)
{
    http_client_destroy(client);
    rig_stop(&rig);
}

TestSuite(stopped_process, .init = setup, .fini = teardown, .timeout = 60);

/* Waiting for events is what the signal interrupts. */
Test(stopped_process, goes_on_when_continued)
{
    struct http_stream *stream = http_open_ready(client, "/s", NULL);
    unsigned i;

    REQUIRE(stream != NULL);
    for (i = 1; i <= 5; i++) {
        publish_format(rig.publisher, "s", "%u", i);
        REQUIRE(http_wait_events(stream, i));
        kill(rig.gateway->pid, SIGSTOP);
        REQUIRE(waitpid(rig.gateway->pid, NULL, WUNTRACED) == rig.gateway->pid);
        kill(rig.gateway->pid, SIGCONT);
        http_pump_for(client, 20);
    }
    publish(rig.publisher, "s", "last");
    REQUIRE(http_wait_events(stream, 6), "ended: %d %s", stream->ended, curl_easy_strerror(stream->result));
    REQUIRE_STR(http_event(stream, 5)->data, "last");
}
