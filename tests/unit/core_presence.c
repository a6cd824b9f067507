/* core_presence.c - joins and leaves: gathered, bounded, and published once */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/presence.h"

#include "gateway/core/identity.h"
#include "tests/support/json_text.h"
#include "tests/unit/core_rig.h"

#define PERIOD PRESENCE_PERIOD_NS

/* Publishes that wait for their confirmation; a broker that is up or not. */
static struct source broker;
static struct publish *waiting[1024];
static size_t waiting_count, published;
static bool away;
static char *last; /* message */
static struct presence *presence;
static int64_t now_ns;

static void do_publish(struct source *source, struct publish *publish)
{
    cr_assert_eq(source, &broker);
    free(last);
    last = check_malloc(publish->data_len + 1);
    memcpy(last, publish->data, publish->data_len);
    last[publish->data_len] = '\0';
    waiting[waiting_count++] = publish;
    ++published;
}

static bool do_is_connected(struct source *source)
{
    (void)source;
    return !away;
}

static void confirm(enum publish_status status)
{
    while (waiting_count != 0) {
        struct publish *publish = waiting[--waiting_count];
        publish->status = status;
        publish->done(publish);
    }
}

static void setup(void)
{
    static const struct source_ops ops = {.publish = do_publish, .is_connected = do_is_connected};
    rig_start();
    broker.ops = &ops;
    presence = presence_create("gw", &broker);
    rig.route.path = (char *)(uintptr_t) "/rooms/{id}";
    now_ns = 1;
}

static void teardown(void)
{
    confirm(PUBLISH_OK);
    presence_destroy(presence);
    rig_stop();
    free(last);
}

TestSuite(core_presence, .init = setup, .fini = teardown);

static struct rig_reader *open_one(const char *subject)
{
    struct rig_reader *r = rig_open_now(subject);
    return r;
}

/* Publishes all that is due now. */
static void flush(void)
{
    while (presence_flush(presence, now_ns))
        confirm(PUBLISH_OK);
    confirm(PUBLISH_OK);
    now_ns += PERIOD;
}

static void require(const char *key, const char *value)
{
    const char *actual = json_field(last, key);
    cr_assert(actual != NULL && strcmp(actual, value) == 0, "%s is %s, not %s: %s", key,
              actual != NULL ? actual : "(nothing)", value, last);
}

Test(core_presence, a_stream_comes_and_goes)
{
    static const struct identity ann = {.sub = "ann \"a\""};
    struct presence_stream stream = {.subject = NULL};
    struct rig_reader *r = open_one("rooms.7");
    r->reader.identity = &ann;
    presence_join(presence, &stream, "presence.7", &r->reader);
    flush();
    cr_assert_eq(published, 1);
    require("gateway", "gw");
    require("route", "/rooms/{id}");
    require("streams", "1");
    require("joined", "1");
    require("left", "0");
    require("complete", "true");
    require("leaves", "[]");
    cr_assert_not_null(strstr(last, "\"joins\":[{\"stream\":1,\"time\":\"20"), "%s", last);
    cr_assert_not_null(strstr(last, "\"subjects\":[\"rooms.7\"],\"sub\":\"ann \\\"a\\\"\"}]"), "%s", last);
    flush();
    cr_assert_eq(published, 1, "there is nothing to tell");
    r->reader.reason = CLOSE_SLOW;
    presence_leave(presence, &stream, &r->reader);
    flush();
    require("streams", "0");
    require("left", "1");
    require("joins", "[]");
    cr_assert_not_null(strstr(last, "\"reason\":\"slow\",\"seconds\":0.0"), "%s", last);
    presence_leave(presence, &stream, &r->reader);
    flush();
    cr_assert_eq(published, 2, "it is gone already");
    rig_close(r);
}

Test(core_presence, many_are_one_message)
{
    enum { MANY = 500 };
    struct presence_stream streams[MANY];
    struct rig_reader *r = open_one("rooms.7");
    for (size_t i = 0; i != MANY; ++i)
        presence_join(presence, &streams[i], "p", &r->reader);
    for (size_t i = 0; i != 100; ++i)
        presence_leave(presence, &streams[i], &r->reader);
    flush();
    cr_assert_eq(published, 1);
    require("streams", "400");
    require("joined", "500");
    require("left", "100");
    require("complete", "true");
    for (size_t i = 100; i != MANY; ++i)
        presence_leave(presence, &streams[i], &r->reader);
    flush();
    require("streams", "0");
    rig_close(r);
}

Test(core_presence, what_is_too_much_is_counted)
{
    enum { MANY = 5000 };
    static struct presence_stream streams[MANY];
    struct rig_reader *r = open_one("rooms.7");
    for (size_t i = 0; i != MANY; ++i)
        presence_join(presence, &streams[i], "p", &r->reader);
    flush();
    require("joined", "5000");
    require("complete", "false");
    cr_assert_lt(strlen(last), PRESENCE_LIST_BYTES + 1000);
    cr_assert_gt(strlen(last), PRESENCE_LIST_BYTES - 1000);
    for (size_t i = 0; i != MANY; ++i)
        presence_leave(presence, &streams[i], &r->reader);
    flush();
    require("left", "5000");
    cr_assert_eq(metrics_sum(METRIC_PRESENCE_LOST), 0);
    rig_close(r);
}

Test(core_presence, subjects_and_routes_are_told_apart)
{
    struct presence_stream a, b, c;
    struct rig_reader *r = open_one("x"), *other = open_one("y");
    struct config_route second = rig.route;
    second.path = (char *)(uintptr_t) "/other";
    other->reader.route = &second;
    presence_join(presence, &a, "p", &r->reader);
    presence_join(presence, &b, "q", &r->reader);
    presence_join(presence, &c, "p", &other->reader);
    flush();
    cr_assert_eq(published, 3);
    require("route", "/other");
    require("streams", "1");
    presence_leave(presence, &a, &r->reader);
    presence_leave(presence, &b, &r->reader);
    presence_leave(presence, &c, &other->reader);
    flush();
    cr_assert_eq(published, 6);
    rig_close(r);
    rig_close(other);
}

Test(core_presence, each_period_tells_once)
{
    struct presence_stream a, b;
    struct rig_reader *r = open_one("x");
    presence_join(presence, &a, "p", &r->reader);
    cr_assert_not(presence_flush(presence, now_ns));
    presence_join(presence, &b, "p", &r->reader);
    cr_assert_not(presence_flush(presence, now_ns + PERIOD - 1));
    cr_assert_eq(published, 1);
    presence_flush(presence, now_ns + PERIOD);
    cr_assert_eq(published, 2);
    presence_leave(presence, &a, &r->reader);
    presence_leave(presence, &b, &r->reader);
    presence_flush_all(presence);
    cr_assert_eq(published, 3);
    rig_close(r);
}

Test(core_presence, an_outage_is_waited_for)
{
    struct presence_stream a, b;
    struct rig_reader *r = open_one("x");
    away = true;
    presence_join(presence, &a, "p", &r->reader);
    flush();
    presence_join(presence, &b, "p", &r->reader);
    presence_leave(presence, &a, &r->reader);
    flush();
    cr_assert_eq(published, 0);
    away = false;
    flush();
    cr_assert_eq(published, 1);
    require("joined", "2");
    require("left", "1");
    require("streams", "1");
    presence_leave(presence, &b, &r->reader);
    presence_flush(presence, now_ns);
    confirm(PUBLISH_DENIED);
    cr_assert_eq(metrics_sum(METRIC_PRESENCE_LOST), 1);
    cr_assert_eq(metrics_sum(METRIC_PRESENCE_PUBLISHED), 1);
    rig_close(r);
}

/* A broker that is slow to confirm gets no more than so many at a time. */
Test(core_presence, messages_in_flight_are_bounded)
{
    enum { MANY = 1000 };
    static struct presence_stream streams[MANY];
    struct rig_reader *r = open_one("x");
    for (size_t i = 0; i != MANY; ++i) {
        char name[16];
        snprintf(name, sizeof(name), "p.%zu", i);
        presence_join(presence, &streams[i], name, &r->reader);
    }
    while (presence_flush(presence, now_ns))
        ;
    cr_assert_eq(waiting_count, PRESENCE_FLYING_MAX);
    while (published != MANY) {
        size_t before = published;
        confirm(PUBLISH_OK);
        while (presence_flush(presence, now_ns))
            ;
        cr_assert_gt(published, before);
    }
    for (size_t i = 0; i != MANY; ++i)
        presence_leave(presence, &streams[i], &r->reader);
    confirm(PUBLISH_OK);
    presence_flush_all(presence);
    cr_assert_eq(published, 2 * MANY);
    rig_close(r);
}

/* During an outage streams to ever new subjects leave something behind each; there is an end to it. */
Test(core_presence, the_table_is_bounded)
{
    struct presence_stream stream;
    struct rig_reader *r = open_one("x");
    away = true;
    for (unsigned i = 0; i != PRESENCE_SUBJECTS_MAX + 1000; ++i) {
        char name[16];
        snprintf(name, sizeof(name), "p.%u", i);
        presence_join(presence, &stream, name, &r->reader);
        presence_leave(presence, &stream, &r->reader);
    }
    cr_assert_eq(metrics_sum(METRIC_PRESENCE_LOST), 1000);
    rig_close(r);
}
