/* stopped_process.c - a gateway stopped by a debugger or job control resumes when it is continued */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(stopped_process, 60, 2, "routes:\n  - {path: /s, subjects: [\"s\"]}\n");

/* Waiting for events is what the signal interrupts. */
Test(stopped_process, goes_on_when_continued)
{
    struct http_stream *stream = http_open_ready(rig.client, "/s", NULL);
    unsigned i;

    REQUIRE(stream != NULL);
    for (i = 1; i <= 5; i++) {
        publish_format(rig.publisher, "s", "%u", i);
        REQUIRE(http_wait_events(stream, i));
        kill(rig.gateway->pid, SIGSTOP);
        REQUIRE(waitpid(rig.gateway->pid, NULL, WUNTRACED) == rig.gateway->pid);
        kill(rig.gateway->pid, SIGCONT);
        http_pump_for(rig.client, 20);
    }
    publish(rig.publisher, "s", "last");
    REQUIRE(http_wait_events(stream, 6), "ended: %d %s", stream->ended, curl_easy_strerror(stream->result));
    REQUIRE_STR(http_event(stream, 5)->data, "last");
}
