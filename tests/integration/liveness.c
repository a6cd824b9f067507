/* liveness.c - /livez fails while one of the loops is stuck, and says which */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/support/held_thread.h"
#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

RIG_SUITE(liveness, 120, 2,
          "watchdog: 5m\nadmin: {address: \"127.0.0.1:0\"}\n"
          "routes:\n  - {path: /s, subjects: [\"s\"]}\n");

/* On a connection of its own each time: one that the held worker has taken is never answered. */
static bool waits_for(int status, const char *word)
{
    int64_t deadline = deadline_in(20000);
    bool found = false;

    while (!found && now_ms() < deadline) {
        struct http_client *client = http_client_create_admin(rig.gateway, HTTP_H1C);
        struct http_stream *response = http_open(client, "/livez", NULL);
        for (int i = 0; i < 20 && !response->ended; i++)
            http_pump(client, 50);
        found = response->status == status && (status == 200 || is_problem(response, status, word));
        http_client_destroy(client);
    }
    return found;
}

Test(liveness, a_worker_that_stands_still_is_told_of_and_forgotten_when_it_goes_on)
{
    pid_t thread = thread_named(rig.gateway->pid, "worker-1");

    REQUIRE(waits_for(200, NULL));
    REQUIRE(thread != 0);
    REQUIRE(thread_hold(thread), "%s", strerror(errno));
    REQUIRE(waits_for(503, "worker 1 is stuck"));
    REQUIRE(thread_let_go(thread));
    REQUIRE(waits_for(200, NULL));
}
