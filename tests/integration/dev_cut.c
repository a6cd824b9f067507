/* dev_cut.c - in --dev the page may cut the connection it is on, and no other */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

#define STREAM "/events?subject=demo.clock"

/* Of the fields only what a client and a look into the log need. */
static struct gateway dev;

/* Where it looks for a certificate before it makes one up: the clients trust the sandbox's. */
static void enter_folder_with_certificate(void)
{
    cr_assert(chdir(sandbox_dir()) == 0 && mkdir("certs", 0700) == 0 && mkdir("certs/dev", 0700) == 0);
    cr_assert_eq(symlink(sandbox_certificate(), "certs/dev/server.crt"), 0);
    cr_assert_eq(symlink(sandbox_key(), "certs/dev/server.key"), 0);
}

static void setup(void)
{
    static const char listening[] = "address=127.0.0.1:";
    char *log;

    enter_folder_with_certificate();
    setenv("TMPDIR", sandbox_dir(), 1);
    setenv("FRESHET_DEV_ADDRESS", "127.0.0.1:0", 1);
    dev.log_path = sandbox_path("dev.log");
    dev.pid = child_start((char *[]){(char *)gateway_binary(), (char *)"--dev", NULL}, dev.log_path, dev.log_path);
    if (!gateway_wait_log(&dev, " ready ", 20000))
        fixture_fail("freshet --dev is not ready: %s", gateway_log(&dev));
    log = gateway_log(&dev);
    dev.tls_port = (uint16_t)strtoul(strstr(log, listening) + strlen(listening), NULL, 10);
    free(log);
}

static void teardown(void)
{
    int status = -1;

    kill(dev.pid, SIGTERM);
    REQUIRE(child_wait(dev.pid, deadline_in(10000), &status) && status == 0, "it ended with %d: %s", status,
            gateway_log(&dev));
    unlink(dev.log_path);
    free(dev.log_path);
}

TestSuite(dev_cut, .init = setup, .fini = teardown, .timeout = 120);

Test(dev_cut, ends_every_stream_of_its_connection_and_no_other)
{
    struct http_client *client = http_client_create(&dev, HTTP_H2), *other = http_client_create(&dev, HTTP_H2);
    struct http_stream *streams[20], *witness = http_open_ready(other, STREAM, NULL), *cut;
    size_t seen;

    REQUIRE(witness != NULL);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++)
            REQUIRE((streams[i] = http_open_ready(client, STREAM, NULL)) != NULL);
        for (int i = 0; i < 20; i++)
            REQUIRE(http_wait_events(streams[i], 1));
        cut = http_request(client, "POST", "/dev/cut", "", NULL);
        REQUIRE(cut->status == 204 && http_connects(cut) == 0, "%d", cut->status);
        for (int i = 0; i < 20; i++)
            REQUIRE(http_wait_end(streams[i]) && streams[i]->result != CURLE_OK);
    }
    seen = witness->log.count;
    REQUIRE(http_wait_events(witness, seen + 1) && !witness->ended);
    http_client_destroy(client);
    http_client_destroy(other);
}

Test(dev_cut, resumes_where_it_was)
{
    struct http_client *client = http_client_create(&dev, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, STREAM, NULL), *resumed;
    char *cursor;

    REQUIRE(stream != NULL && http_wait_events(stream, 2));
    REQUIRE(http_request(client, "POST", "/dev/cut", "", NULL)->status == 204);
    REQUIRE(http_wait_end(stream));
    cursor = text_format("last-event-id: %s", http_event(stream, 0)->id);
    REQUIRE((resumed = http_open_ready(client, STREAM, cursor, NULL)) != NULL);
    REQUIRE(http_wait_events(resumed, 1));
    REQUIRE_STR(http_event(resumed, 0)->id, http_event(stream, 1)->id);
    REQUIRE_STR(http_event(resumed, 0)->data, http_event(stream, 1)->data);
    free(cursor);
    http_client_destroy(client);
}

Test(dev_cut, is_for_a_post_of_the_page_itself)
{
    struct http_client *client = http_client_create(&dev, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, STREAM, NULL), *response;
    size_t seen;

    REQUIRE(stream != NULL);
    response = http_request(client, "GET", "/dev/cut", NULL, NULL);
    REQUIRE(response->status == 405);
    REQUIRE_STR(http_header(response, "allow"), "POST");
    REQUIRE(http_request(client, "POST", "/dev/cut", "", "origin: https://other.example", NULL)->status == 403);
    REQUIRE(http_request(client, "POST", "/dev/cut", "", "origin: null", NULL)->status == 403);
    seen = stream->log.count;
    REQUIRE(http_wait_events(stream, seen + 1) && !stream->ended);
    http_client_destroy(client);
}

Test(dev_cut, over_http1_ends_the_connection_of_the_request)
{
    struct http_client *client = http_client_create(&dev, HTTP_H1);
    struct http_stream *stream = http_open_ready(client, STREAM, NULL);

    REQUIRE(stream != NULL);
    REQUIRE(http_request(client, "POST", "/dev/cut", "", NULL)->status == 204);
    REQUIRE(http_request(client, "POST", "/dev/cut", "", NULL)->status == 204);
    REQUIRE(http_wait_events(stream, 1) && !stream->ended);
    http_client_destroy(client);
}
