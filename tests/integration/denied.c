/* denied.c - a subject that the broker refuses ends the streams concerned, and no others */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

static const char broker[] =
    "authorization {\n"
    "  users = [\n"
    "    {user: gateway, password: secret, permissions: {subscribe: [\"ok.>\", \"_INBOX.>\"]}}\n"
    "    {user: backend, password: secret}\n"
    "  ]\n"
    "}\n";

static struct rig rig;
static struct http_client *client; /* the rig's */

static void setup(void)
{
    rig_start_with_logins(&rig, broker,
                          "routes:\n"
                          "  - {path: /ok, subjects: [\"ok.a\"]}\n"
                          "  - {path: /pick, allow: [\">\"]}\n"
                          "  - {path: /none, subjects: [\"secret.none\"], history: {store: none}}\n",
                          0);
    client = rig.client;
}

static void teardown(void)
{
    rig_stop(&rig);
}

TestSuite(denied, .init = setup, .fini = teardown, .timeout = 60);

/* Either a refusal that says so, or a stream that is ended; never one that stays silent for ever. */
static void require_refused(const char *path)
{
    struct http_stream *stream = http_open(client, path, NULL);

    REQUIRE(http_wait_end(stream), "%s stays open: %s", path, stream->body);
    if (stream->status != 200)
        REQUIRE(is_problem(stream, stream->status, "broker") && (stream->status == 403 || stream->status == 503), "%s",
                path);
    REQUIRE(stream->log.count == 0 || strcmp(http_event(stream, 0)->name, "freshet.bye") == 0);
    http_close(stream);
}

Test(denied, a_refused_subject_ends_the_stream)
{
    struct http_stream *ok = http_open_ready(client, "/ok", NULL);

    REQUIRE(ok != NULL);
    require_refused("/pick?subject=secret.a");
    require_refused("/pick?subject=secret.a"); /* the second time as the first */
    require_refused("/pick?subject=secret.>");
    require_refused("/none");
    REQUIRE(gateway_wait_log(rig.gateway, "secret.a", 5000), "the log names the subject");
    publish(rig.publisher, "ok.a", "x");
    REQUIRE(http_wait_events(ok, 1), "others do not notice");
    REQUIRE(!ok->ended);
}

Test(denied, one_refused_subject_of_several_ends_the_stream)
{
    require_refused("/pick?subject=ok.a&subject=secret.b");
    struct http_stream *ok = http_open_ready(client, "/pick?subject=ok.a", NULL);
    REQUIRE(ok != NULL);
    publish(rig.publisher, "ok.a", "x");
    REQUIRE(http_wait_events(ok, 1));
}

/* A subject that the operator has allowed since works without a restart of the gateway. */
Test(denied, a_subject_that_is_allowed_later)
{
    int64_t deadline = deadline_in(20000);
    struct http_stream *stream = NULL;

    require_refused("/pick?subject=secret.c");
    nats_fixture_restart_with(rig.nats, "authorization {users = [{user: gateway, password: secret}, "
                                        "{user: backend, password: secret}]}\n");
    for (;;) {
        stream = http_open(client, "/pick?subject=secret.c", NULL);
        if (http_wait_first_block(stream) && stream->status == 200) {
            publish(rig.publisher, "secret.c", "x");
            http_pump_for(client, 200);
            if (event_log_find(&stream->log, "message", 0) != NULL)
                break;
        }
        http_close(stream);
        REQUIRE(now_ms() < deadline, "it stays refused");
        sleep_ms(50);
    }
}

Test(denied, a_wrong_password_is_tried_again_and_logged)
{
    struct gateway *gateway = gateway_start_listening(&(struct gateway_options){
        .nats_url = nats_fixture_url(rig.nats),
        .nats = "  user: gateway\n  password: later\n",
        .yaml = "routes: [{path: /ok, subjects: [\"ok.a\"]}]\n",
    });
    struct http_client *own = http_client_create(gateway, HTTP_H2);
    struct http_stream *stream;
    struct publisher *publisher;
    int64_t deadline = deadline_in(20000);

    REQUIRE(gateway_wait_log(gateway, "uthori", 10000), "the log says why: Authorization Violation");
    /* after two refusals nats.c gives its connection up for good; the gateway keeps trying */
    sleep_ms(1000);
    nats_fixture_restart_with(rig.nats, "authorization {users = [{user: gateway, password: later}, "
                                        "{user: backend, password: secret}]}\n");
    publisher = publisher_connect_as(nats_fixture_url(rig.nats), "backend", "secret");
    stream = http_open(own, "/ok", NULL);
    while (event_log_find(&stream->log, "message", 0) == NULL && now_ms() < deadline && !stream->ended) {
        publish(publisher, "ok.a", "x");
        http_pump_for(own, 50);
    }
    REQUIRE(event_log_find(&stream->log, "message", 0) != NULL, "status %d", stream->status);
    http_client_destroy(own);
    publisher_destroy(publisher);
    gateway_destroy(gateway);
}
