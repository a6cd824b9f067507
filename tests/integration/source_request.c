/* source_request.c - questions over the broker: replies, silence, outages, and many at a time */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_recorder.h"

#include <stdatomic.h>

#include "gateway/core/request.h"
#include "tests/support/responder.h"

TestSuite(source_request, .fini = recorder_forget, .timeout = 120);

struct asked {
    struct request request;
    int64_t asked_ms, answered_ms;
    atomic_uint answers;
};

static void on_done(struct request *request)
{
    struct asked *asked = request->owner;
    asked->answered_ms = now_ms();
    atomic_fetch_add(&asked->answers, 1);
}

static void ask(struct nats_source *source, struct asked *asked, const char *subject, const char *data, int64_t ms)
{
    struct source *base = nats_source_base(source);
    *asked = (struct asked){.request = {.subject = (char *)(uintptr_t)subject,
                                        .data = (char *)(uintptr_t)data,
                                        .data_len = strlen(data),
                                        .timeout_ms = ms,
                                        .done = on_done,
                                        .owner = asked},
                            .asked_ms = now_ms()};
    base->ops->request(base, &asked->request);
}

#define ANSWERED(asked) (atomic_load(&(asked)->answers) == 1)

Test(source_request, a_reply_comes_back_to_who_asked)
{
    enum { COUNT = 200 };
    static struct asked asked[COUNT];
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    struct responder *first = responder_start(nats_fixture_url(nats), "ask.first");
    struct responder *second = responder_start(nats_fixture_url(nats), "ask.second");
    responder_say(first, "one");
    responder_say(second, "");
    for (int i = 0; i < COUNT; ++i)
        ask(source, &asked[i], i % 2 == 0 ? "ask.first" : "ask.second", "what?", 10000);
    for (int i = 0; i < COUNT; ++i) {
        AWAIT(ANSWERED(&asked[i]));
        cr_assert_eq(asked[i].request.status, REQUEST_OK);
        cr_assert_str_eq(asked[i].request.reply, i % 2 == 0 ? "one" : "");
        cr_assert_eq(asked[i].request.reply_len, i % 2 == 0 ? 3 : 0);
        free(asked[i].request.reply);
    }
    char *question = responder_question(first);
    cr_assert_str_eq(question, "what?");
    cr_assert_eq(responder_count(first), COUNT / 2);
    free(question);
    end_source(source);
    responder_stop(first);
    responder_stop(second);
    nats_fixture_stop(nats);
}

Test(source_request, nobody_there_and_nobody_answering_are_told_apart)
{
    struct asked nobody, silent, late;
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    struct responder *responder = responder_start(nats_fixture_url(nats), "ask");
    responder_hold(responder);
    ask(source, &silent, "ask", "?", 300);
    ask(source, &nobody, "nobody", "?", 10000);
    AWAIT(ANSWERED(&nobody));
    cr_assert_eq(nobody.request.status, REQUEST_NO_RESPONDERS);
    AWAIT(ANSWERED(&silent));
    cr_assert_eq(silent.request.status, REQUEST_TIMEOUT);
    cr_assert_null(silent.request.reply);
    cr_assert_geq(silent.answered_ms - silent.asked_ms, 299);
    cr_assert_lt(silent.answered_ms - silent.asked_ms, scaled_ms(3000));

    /* a late reply is not taken for the reply to another request */
    responder_say(responder, "too late");
    ask(source, &late, "ask", "?", 10000);
    cr_assert(responder_wait(responder, 2));
    responder_release(responder);
    AWAIT(ANSWERED(&late));
    cr_assert_eq(late.request.status, REQUEST_OK);
    cr_assert_str_eq(late.request.reply, "too late");
    free(late.request.reply);
    cr_assert_eq(atomic_load(&silent.answers), 1);
    end_source(source);
    responder_stop(responder);
    nats_fixture_stop(nats);
}

Test(source_request, an_outage_answers_at_once_and_ends)
{
    struct asked before, during, after, unstarted;
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    struct responder *responder = responder_start(nats_fixture_url(nats), "ask");
    ask(source, &before, "ask", "?", 60000);
    cr_assert(responder_wait(responder, 1));
    nats_fixture_kill(nats);
    AWAIT(ANSWERED(&before));
    cr_assert_eq(before.request.status, REQUEST_UNAVAILABLE);
    ask(source, &during, "ask", "?", 60000);
    cr_assert(ANSWERED(&during), "at once");
    cr_assert_eq(during.request.status, REQUEST_UNAVAILABLE);
    nats_fixture_restart(nats);
    AWAIT(nats_source_is_connected(source));
    responder_say(responder, "back");
    do {
        ask(source, &after, "ask", "?", 10000);
        AWAIT(ANSWERED(&after));
    } while (after.request.status == REQUEST_NO_RESPONDERS); /* until the responder is back, too */
    cr_assert_eq(after.request.status, REQUEST_OK);
    cr_assert_str_eq(after.request.reply, "back");
    free(after.request.reply);
    end_source(source);
    responder_stop(responder);
    nats_fixture_stop(nats);

    source = start_source("nats://127.0.0.1:1");
    ask(source, &unstarted, "ask", "?", 60000);
    cr_assert(ANSWERED(&unstarted));
    cr_assert_eq(unstarted.request.status, REQUEST_UNAVAILABLE);
    end_source(source);
}

/* A bounded number may be pending; a stop answers all of them, and those asked later. */
Test(source_request, there_is_a_limit_and_an_end)
{
    enum { LIMIT = 4096, COUNT = LIMIT + 100 };
    static struct asked asked[COUNT], last;
    unsigned refused = 0;
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    struct responder *responder = responder_start(nats_fixture_url(nats), "ask");
    responder_hold(responder);
    for (int i = 0; i < COUNT; ++i)
        ask(source, &asked[i], "ask", "?", 600000);
    cr_assert(responder_wait(responder, LIMIT));
    for (int i = 0; i < COUNT; ++i)
        refused += ANSWERED(&asked[i]) && asked[i].request.status == REQUEST_UNAVAILABLE;
    cr_assert_eq(refused, COUNT - LIMIT);
    cr_assert(nats_source_stop(source));
    ask(source, &last, "ask", "?", 600000);
    cr_assert(ANSWERED(&last));
    for (int i = 0; i < COUNT; ++i) {
        cr_assert(ANSWERED(&asked[i]));
        cr_assert_eq(asked[i].request.status, REQUEST_UNAVAILABLE);
    }
    nats_source_destroy(source);
    responder_stop(responder);
    nats_fixture_stop(nats);
}

Test(source_request, a_subject_that_may_not_be_asked_is_no_wait)
{
    struct asked asked;
    struct nats_fixture *nats =
        nats_fixture_start("authorization { users: [ {user: u, password: p,\n"
                           "permissions: { subscribe: [\"_INBOX.>\"], publish: [\"public.>\"] } } ] }");
    struct config_nats config = {.url = (char *)(uintptr_t)nats_fixture_url(nats), .user = "u", .password = "p"};
    struct nats_source *source = start_with(&config);
    AWAIT(nats_source_is_connected(source));
    ask(source, &asked, "secret.ask", "?", 600000);
    AWAIT(ANSWERED(&asked));
    cr_assert_eq(asked.request.status, REQUEST_UNAVAILABLE);
    end_source(source);
    nats_fixture_stop(nats);
}

/* ---- what the source listens to ---- */

static atomic_uint heard;
static char heard_last[64];

static void on_heard(void *arg, const char *data, size_t len)
{
    cr_assert_eq(arg, &heard);
    snprintf(heard_last, sizeof(heard_last), "%.*s", (int)len, data);
    atomic_fetch_add(&heard, 1);
}

Test(source_request, it_listens_over_reconnects_and_new_connections)
{
    static const char before[] = "authorization { users: [ {user: u, password: p}, {user: admin, password: x} ] }";
    static const char closed[] = "authorization { users: [ {user: admin, password: x} ] }";
    struct nats_fixture *nats = nats_fixture_start(before);
    struct config_nats config = {.url = (char *)(uintptr_t)nats_fixture_url(nats), .user = "u", .password = "p"};
    struct publisher *publisher = publisher_connect_as(nats_fixture_url(nats), "admin", "x");
    char error[256];
    struct nats_source *source = nats_source_create(&config, 0, 1, error, sizeof(error));
    nats_source_listen(source, "control.x", on_heard, &heard);
    cr_assert_eq(nats_source_start(source), NATS_START_OK);
    AWAIT(nats_source_is_connected(source));
    publish(publisher, "control.y", "no");
    publish(publisher, "control.x", "first");
    AWAIT(atomic_load(&heard) == 1);
    cr_assert_str_eq(heard_last, "first");

    nats_fixture_kill(nats);
    AWAIT(!nats_source_is_connected(source));
    nats_fixture_restart(nats);
    AWAIT(nats_source_is_connected(source));
    publish(publisher, "control.x", "second");
    AWAIT(atomic_load(&heard) == 2);

    /* refused twice, the library gives the connection up; the next one is another */
    nats_fixture_restart_with(nats, closed);
    AWAIT(!nats_source_is_connected(source));
    sleep_ms(scaled_ms(600)); /* nothing to wait for: both refusals come in the first 100 ms */
    nats_fixture_restart_with(nats, before);
    AWAIT(nats_source_is_connected(source));
    publish(publisher, "control.x", "third");
    AWAIT(atomic_load(&heard) == 3);
    cr_assert_str_eq(heard_last, "third");
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}
