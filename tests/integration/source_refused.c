/* source_refused.c - subjects the broker doesn't permit, and what becomes of published messages */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_recorder.h"

TestSuite(source_refused, .fini = recorder_forget);

static const char permissions[] = "authorization { users: [ {user: admin, password: x}, {user: u, password: p,\n"
                                  "permissions: { subscribe: [\"public.>\"], publish: [\"public.>\"] } } ] }";

static struct nats_source *start_restricted(struct nats_fixture *nats)
{
    struct config_nats config = {.url = (char *)(uintptr_t)nats_fixture_url(nats), .user = "u", .password = "p"};
    struct nats_source *source = start_with(&config);
    AWAIT(nats_source_is_connected(source));
    return source;
}

Test(source_refused, a_subject_that_is_not_permitted_is_denied_and_never_opened)
{
    enum { COUNT = 40 };
    struct nats_fixture *nats = nats_fixture_start(permissions);
    struct nats_source *source = start_restricted(nats);
    struct channel *channels[COUNT], *twin;
    for (int i = 0; i < COUNT; ++i) {
        char subject[32];
        snprintf(subject, sizeof(subject), i % 2 == 0 ? "public.%d" : "secret.%d.>", i);
        channels[i] = open_channel(source, subject);
    }
    twin = open_channel(source, "secret.1.>");
    for (int i = 0; i < COUNT; ++i) {
        AWAIT(recorder_count(channels[i], i % 2 == 0 ? OPENED : DENIED) == 1);
        cr_assert_eq(recorder_count(channels[i], i % 2 == 0 ? DENIED : OPENED), 0);
    }
    AWAIT(recorder_count(twin, DENIED) == 1);
    cr_assert_eq(metrics_sum(METRIC_NATS_DENIED), COUNT / 2 + 1);
    close_channel(source, twin);

    /* again after it was refused once, and over a reconnect */
    twin = open_channel(source, "secret.1.>");
    AWAIT(recorder_count(twin, DENIED) == 1);
    cr_assert_eq(recorder_count(twin, OPENED), 0);
    nats_fixture_restart(nats);
    AWAIT(recorder_count(channels[0], LOST) == 1);
    cr_assert_eq(recorder_count(twin, DENIED), 1);
    cr_assert_eq(recorder_count(twin, LOST), 0);
    struct publisher *publisher = publisher_connect_as(nats_fixture_url(nats), "admin", "x");
    publish(publisher, "secret.1.x", "hidden");
    publish(publisher, "public.0", "seen");
    AWAIT(recorder_count(channels[0], EVENT) == 1);
    cr_assert_eq(recorder_count(channels[1], EVENT), 0);

    close_channel(source, twin);
    for (int i = 0; i < COUNT; ++i)
        close_channel(source, channels[i]);
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

Test(source_refused, permissions_that_are_taken_away_end_the_channel)
{
    struct nats_fixture *nats = nats_fixture_start("authorization { user: u, password: p }");
    struct nats_source *source = start_restricted(nats);
    struct channel *secret = open_and_await(source, "secret"), *open = open_and_await(source, "public.a");
    nats_fixture_restart_with(nats, permissions);
    AWAIT(recorder_count(secret, DENIED) == 1);
    AWAIT(recorder_count(open, LOST) == 1);
    cr_assert_eq(recorder_count(open, DENIED), 0);
    close_channel(source, secret);
    close_channel(source, open);
    end_source(source);
    nats_fixture_stop(nats);
}

/* ---- publish ---- */

struct posted {
    struct publish publish;
    _Atomic int done;
};

static void on_done(struct publish *publish)
{
    struct posted *posted = publish->owner;
    atomic_fetch_add(&posted->done, 1);
}

static struct posted *post(struct nats_source *source, const char *subject, const char *data, size_t len)
{
    struct posted *posted = calloc(1, sizeof(*posted));
    posted->publish = (struct publish){.subject = strdup(subject), .data_len = len, .done = on_done, .owner = posted};
    posted->publish.data = malloc(len + 1);
    if (data != NULL)
        memcpy(posted->publish.data, data, len);
    else
        memset(posted->publish.data, 'x', len);
    struct source *base = nats_source_base(source);
    base->ops->publish(base, &posted->publish);
    return posted;
}

static enum publish_status result_of(struct posted *posted)
{
    AWAIT(atomic_load(&posted->done) != 0);
    cr_assert_eq(atomic_load(&posted->done), 1);
    enum publish_status status = posted->publish.status;
    free(posted->publish.subject);
    free(posted->publish.data);
    free(posted);
    return status;
}

Test(source_refused, published_messages_arrive_or_say_why_not)
{
    struct nats_fixture *nats = nats_fixture_start(permissions);
    struct nats_source *source = start_restricted(nats);
    struct channel *channel = open_and_await(source, "public.a");
    cr_assert_eq(result_of(post(source, "public.a", "mine", 4)), PUBLISH_OK);
    AWAIT(recorder_count(channel, EVENT) == 1);
    cr_assert_eq(result_of(post(source, "public.a", NULL, 2 << 20)), PUBLISH_TOO_LARGE);
    cr_assert_eq(result_of(post(source, "public.a", "", 0)), PUBLISH_OK);
    for (int i = 0; i < 3; ++i)
        cr_assert_eq(result_of(post(source, "secret.b", "y", 1)), PUBLISH_DENIED);
    struct posted *good = post(source, "public.a", "z", 1), *bad = post(source, "secret.c", "z", 1);
    cr_assert_eq(result_of(bad), PUBLISH_DENIED);
    cr_assert_eq(result_of(good), PUBLISH_OK);
    nats_fixture_kill(nats);
    AWAIT(!nats_source_is_connected(source));
    cr_assert_eq(result_of(post(source, "public.a", "q", 1)), PUBLISH_UNAVAILABLE);
    cr_assert(nats_source_stop(source));
    cr_assert_eq(result_of(post(source, "public.a", "q", 1)), PUBLISH_UNAVAILABLE);
    close_channel(source, channel);
    end_source(source);
    nats_fixture_stop(nats);
}

Test(source_refused, the_queue_of_a_broker_that_does_not_answer_is_bounded)
{
    enum { COUNT = 100000, QUEUED = 1024 };
    static struct posted *posted[COUNT];
    int made = 0, waiting = 0, ok = 0;
    bool refused = false;
    struct nats_rig rig = nats_rig_start();
    nats_fixture_pause(rig.nats);
    /* some may still be answered: the broker stops when the kernel gets to it */
    while (made < COUNT && !refused) {
        struct posted *last = posted[made++] = post(rig.source, "q", "x", 1);
        refused = atomic_load(&last->done) && last->publish.status == PUBLISH_UNAVAILABLE;
    }
    cr_assert(refused);
    for (int i = 0; i < made; ++i)
        waiting += !atomic_load(&posted[i]->done);
    cr_assert_leq(waiting, 2 * QUEUED, "one queue full, and one on its way to the broker");
    nats_fixture_resume(rig.nats);
    for (int i = 0; i < made; ++i)
        ok += result_of(posted[i]) == PUBLISH_OK;
    cr_assert_gt(ok, 0);
    nats_rig_stop(&rig);
}
