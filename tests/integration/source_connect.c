/* source_connect.c - the NATS source finds its broker and delivers what the broker has, in order */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_recorder.h"

TestSuite(source_connect, .fini = recorder_forget);

Test(source_connect, waits_for_a_server_that_does_not_exist_yet)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    cr_assert_not_null(nats);
    nats_fixture_kill(nats);

    int64_t began = now_ms();
    struct nats_source *source = start_source(nats_fixture_url(nats));
    struct channel *channel = open_channel(source, "early");
    cr_assert_lt(now_ms() - began, scaled_ms(200), "neither may wait for the broker");
    AWAIT(recorder_count(channel, OPENED) == 1);
    cr_assert_not(nats_source_is_connected(source));
    cr_assert_eq(recorder_count(channel, LOST), 0);

    nats_fixture_restart(nats);
    AWAIT(nats_source_is_connected(source));
    AWAIT(recorder_count(channel, LOST) == 1);
    struct publisher *publisher = publisher_connect(nats_fixture_url(nats));
    publish(publisher, "early", "now");
    AWAIT(recorder_count(channel, EVENT) == 1);
    cr_assert_eq(recorder_count(channel, LOST), 1);
    cr_assert_eq(recorder_count(channel, OPENED), 1);

    close_channel(source, channel);
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

Test(source_connect, opening_while_connected_says_nothing_of_a_loss)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_source(nats_fixture_url(nats));
    struct channel *at_once = open_channel(source, "a"); /* before the connection is up */
    AWAIT(nats_source_is_connected(source));
    AWAIT(recorder_count(at_once, OPENED) == 1);
    struct channel *later = open_and_await(source, "b");
    struct publisher *publisher = publisher_connect(nats_fixture_url(nats));
    publish(publisher, "a", "1");
    publish(publisher, "b", "2");
    AWAIT(recorder_count(at_once, EVENT) == 1 && recorder_count(later, EVENT) == 1);
    cr_assert_eq(recorder_count(at_once, LOST) + recorder_count(later, LOST), 0);
    cr_assert_eq(metrics_sum(METRIC_NATS_CONNECTED), 1);
    close_channel(source, at_once);
    close_channel(source, later);
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

Test(source_connect, order_is_total_over_all_subjects)
{
    enum { COUNT = 30000 };
    static const char *const subjects[] = {"order.a", "order.b", "order.c"};
    struct nats_rig rig = nats_rig_start();
    struct channel *channels[3];
    for (int i = 0; i < 3; ++i)
        channels[i] = open_and_await(rig.source, subjects[i]);
    size_t first = recorder.count;
    nats_rig_connect_publisher(&rig);
    for (int i = 0; i < COUNT; ++i)
        publish_format(rig.publisher, subjects[i * 7 % 3], "%d", i);
    AWAIT(recorder_count(channels[0], EVENT) + recorder_count(channels[1], EVENT) +
              recorder_count(channels[2], EVENT) ==
          COUNT);
    for (int i = 0; i < COUNT; ++i) {
        const struct record *seen = &recorder.records[first + (size_t)i];
        cr_assert_eq(strtol(seen->data, NULL, 10), i);
        cr_assert_str_eq(seen->subject, subjects[i * 7 % 3]);
        cr_assert_eq(seen->channel, channels[i * 7 % 3]);
    }
    for (int i = 0; i < 3; ++i)
        close_channel(rig.source, channels[i]);
    nats_rig_stop(&rig);
}

Test(source_connect, wildcards_carry_the_literal_subject)
{
    struct nats_rig rig = nats_rig_start();
    struct channel *star = open_and_await(rig.source, "w.*.x"), *tail = open_and_await(rig.source, "w.>");
    nats_rig_connect_publisher(&rig);
    publish(rig.publisher, "w.1.x", "a");
    publish(rig.publisher, "w.1.y", "b");
    publish(rig.publisher, "v.1.x", "c");
    publish(rig.publisher, "w.1.x", "");
    AWAIT(recorder_count(tail, EVENT) == 3 && recorder_count(star, EVENT) == 2);
    for (size_t i = 0; i < recorder.count; ++i) {
        if (recorder.records[i].kind == EVENT && recorder.records[i].channel == star)
            cr_assert_str_eq(recorder.records[i].subject, "w.1.x");
    }
    close_channel(rig.source, star);
    publish(rig.publisher, "w.1.x", "d");
    AWAIT(recorder_count(tail, EVENT) == 4);
    close_channel(rig.source, tail);
    nats_rig_stop(&rig);
}

static struct message seen_headers;

static const char *copy_of(const char *s)
{
    return s != NULL ? strdup(s) : NULL;
}

static void keep_headers(const struct message *message)
{
    seen_headers = *message;
    const char **const strings[] = {&seen_headers.sse_event, &seen_headers.sse_retry,   &seen_headers.ce_id,
                                    &seen_headers.ce_type,   &seen_headers.ce_source,   &seen_headers.ce_subject,
                                    &seen_headers.ce_time,   &seen_headers.content_type};
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); ++i)
        *strings[i] = copy_of(*strings[i]);
}

Test(source_connect, headers_are_found_whatever_their_case)
{
    static const char *const headers[] = {"sse-event",
                                          "tick",
                                          "SSE-RETRY",
                                          "1500",
                                          "ce-id",
                                          "7",
                                          "Ce-Type",
                                          "t.y",
                                          "CE-SOURCE",
                                          "/s",
                                          "ce-subject",
                                          "sub",
                                          "ce-time",
                                          "2026-01-01",
                                          "Content-Type",
                                          "text/plain",
                                          "X-Other",
                                          "o",
                                          "Ce-DataContentType",
                                          "application/json",
                                          NULL};
    struct nats_rig rig = nats_rig_start();
    struct channel *channel = open_and_await(rig.source, "h");
    nats_rig_connect_publisher(&rig);
    recorder.on_message = keep_headers;
    publish(rig.publisher, "h", "none");
    AWAIT(recorder_count(channel, EVENT) == 1);
    cr_assert_null(seen_headers.sse_event);
    cr_assert_null(seen_headers.content_type);
    cr_assert_gt(seen_headers.received_ns, INT64_C(1600000000) * 1000000000);
    publish_with_headers(rig.publisher, "h", "all", headers);
    AWAIT(recorder_count(channel, EVENT) == 2);
    cr_assert_str_eq(seen_headers.sse_event, "tick");
    cr_assert_str_eq(seen_headers.sse_retry, "1500");
    cr_assert_str_eq(seen_headers.ce_id, "7");
    cr_assert_str_eq(seen_headers.ce_type, "t.y");
    cr_assert_str_eq(seen_headers.ce_source, "/s");
    cr_assert_str_eq(seen_headers.ce_subject, "sub");
    cr_assert_str_eq(seen_headers.ce_time, "2026-01-01");
    cr_assert_str_eq(seen_headers.content_type, "application/json");
    close_channel(rig.source, channel);
    nats_rig_stop(&rig);
}

Test(source_connect, moves_to_the_next_server_of_the_list)
{
    struct nats_fixture *one = nats_fixture_start(NULL), *two = nats_fixture_start(NULL);
    char *urls = text_format(" %s , %s", nats_fixture_url(one), nats_fixture_url(two));
    nats_fixture_kill(two);
    struct nats_source *source = start_connected(urls);
    struct channel *channel = open_and_await(source, "f");
    nats_fixture_restart(two);
    nats_fixture_kill(one);
    AWAIT(recorder_count(channel, LOST) == 1);
    struct publisher *publisher = publisher_connect(nats_fixture_url(two));
    publish(publisher, "f", "from two");
    AWAIT(recorder_count(channel, EVENT) == 1);
    cr_assert_eq(recorder_count(channel, LOST), 1);
    close_channel(source, channel);
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(one);
    nats_fixture_stop(two);
    free(urls);
}
