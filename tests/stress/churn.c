/* churn.c - streams that come and go leave nothing behind */
/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/stress_options.h"

/*
 * usage: churn [--quick] [--seed N]
 *
 * 50,000 streams are opened and closed in every way there is: before and after
 * the response, by stream and by connection, over HTTP/2 and HTTP/1.1, on
 * shared subjects and on subjects of their own. Afterwards the gateway has as
 * many descriptors as before and exits with 0, and there was a period in which
 * its memory did not grow, not counting the first, in which its allocator finds
 * its size. A single period may grow (by a few megabytes, then not at all for
 * 200,000 streams); memory that streams leave behind shows in every one.
 */
#define BATCH 50
#define PERIODS 5
#define LEFT_BEHIND_MAX 64 /* bytes of a stream */

static const char yaml[] = "defaults:\n"
                           "  history: {events: 64, linger: 1s}\n"
                           "  heartbeat: 1s\n"
                           "limits: {new_streams: 1000000}\n"
                           "routes:\n"
                           "  - {path: \"/s/{id}\", subjects: [\"s.{id}\"]}\n"
                           "  - {path: \"/none/{id}\", subjects: [\"s.{id}\"], history: {store: none}}\n"
                           "  - {path: /pick, allow: [\"s.>\"]}\n";

static struct rig rig;
static unsigned seed;
static unsigned long cycles, unique;
static bool quick;

static void fail(const char *what)
{
    gateway_show_logs();
    fprintf(stderr, "churn: %s (seed %u, %lu cycles)\n", what, seed, cycles);
    rig_stop(&rig);
    exit(1);
}

static void make_path(char *path, size_t size)
{
    switch (rand_r(&seed) % 10) {
    case 0: /* a channel of its own, made and dropped */
        snprintf(path, size, "/s/unique-%lu", ++unique);
        break;
    case 1:
        snprintf(path, size, "/none/%d", rand_r(&seed) % 20);
        break;
    case 2:
        snprintf(path, size, "/pick?subject=s.%d&subject=s.*.x&subject=s.>", rand_r(&seed) % 20);
        break;
    case 3:
        snprintf(path, size, "/s/%d?since=earliest", rand_r(&seed) % 20);
        break;
    case 4:
        snprintf(path, size, "/s/%d?lastEventId=1-1", rand_r(&seed) % 20);
        break;
    case 5:
        snprintf(path, size, "/s/%d?since=earliest&follow=false", rand_r(&seed) % 20);
        break;
    case 6:
        snprintf(path, size, rand_r(&seed) % 2 ? "/nope" : "/s/a.b");
        break;
    default:
        snprintf(path, size, "/s/%d", rand_r(&seed) % 20);
        break;
    }
}

/* BATCH streams on a client: opened, perhaps waited for, perhaps written to, closed. */
static void batch(struct http_client *client)
{
    struct http_stream *streams[BATCH];
    unsigned how = (unsigned)rand_r(&seed) % 4;
    char path[128];
    size_t i;

    for (i = 0; i < BATCH; i++, cycles++) {
        make_path(path, sizeof(path));
        streams[i] = http_open(client, path, NULL);
    }
    if (how == 0) {
        http_pump(client, 1); /* closed before they have an answer */
    } else {
        for (i = 0; i < BATCH; i++)
            if (!http_wait_headers(streams[i]))
                fail("a stream got no answer");
    }
    if (how == 2) {
        for (i = 0; i < 20; i++)
            publish_format(rig.publisher, i % 2 ? "s.1" : "s.2", "%0500lu", cycles);
        http_pump(client, 5);
    }
    if (how == 3)
        http_break_connection(streams[(unsigned)rand_r(&seed) % BATCH]);
    for (i = 0; i < BATCH; i++)
        http_close(streams[i]);
    http_pump(client, 0);
}

static void run(unsigned long until)
{
    struct http_client *h2 = NULL, *h2_other = http_client_create(rig.gateway, HTTP_H2);

    while (cycles < until) {
        unsigned turn = (unsigned)rand_r(&seed) % 20;
        struct http_client *own = NULL;
        if (h2 == NULL || turn == 0) { /* leaves with its streams open */
            http_client_destroy(h2);
            h2 = http_client_create(rig.gateway, HTTP_H2);
        }
        if (turn == 1 || turn == 2)
            own = http_client_create(rig.gateway, turn == 1 ? HTTP_H1 : HTTP_H1C);
        batch(own != NULL ? own : turn % 2 ? h2 : h2_other);
        http_client_destroy(own);
    }
    http_client_destroy(h2);
    http_client_destroy(h2_other);
}

/* Waits until all connections are gone and the last channels have lingered. Returns the gateway's memory. */
static size_t settle(unsigned descriptors)
{
    int64_t deadline = deadline_in(20000), until;

    while (gateway_fd_count(rig.gateway) > descriptors) {
        if (now_ms() > deadline) {
            gateway_show_fds(rig.gateway);
            fprintf(stderr, "churn: %u descriptors, %u before\n", gateway_fd_count(rig.gateway), descriptors);
            fail("descriptors stay open");
        }
        sleep_ms(20);
    }
    for (until = now_ms() + 5000; now_ms() < until;)
        sleep_ms(100);
    return gateway_rss_bytes(rig.gateway);
}

int main(int argc, char **argv)
{
    unsigned long wanted = 50000;
    unsigned descriptors;
    size_t before, after, least = SIZE_MAX;

    seed = (unsigned)now_ms();
    quick = stress_options_read(argc, argv, &seed);
    if (quick)
        wanted = 5000;
    rig_start_workers(&rig, yaml, 2);
    if (!gateway_wait_log(rig.gateway, "nats-connected", 10000))
        fail("no connection to the broker");
    descriptors = gateway_fd_count_at_rest(rig.gateway);
    run(wanted / 2);
    before = settle(descriptors);
    for (int i = 0; i < PERIODS; i++, before = after) {
        run(cycles + wanted / PERIODS);
        after = settle(descriptors);
        printf("churn: %lu streams, %u descriptors, %zu KB, %zu KB one period before\n", cycles, descriptors,
               after / 1024, before / 1024);
        least = after < before ? 0 : after - before < least ? after - before : least;
    }
    /* a short run is over before the allocator has found its size, and a sanitizer keeps freed blocks */
    if (!quick && least > wanted / PERIODS * LEFT_BEHIND_MAX)
        fail("the memory grows");
    return rig_end(&rig) ? 0 : 1;
}
