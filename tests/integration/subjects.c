/* subjects.c - which messages reach which stream, once and in order */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"

RIG_SUITE(subjects, 60, 1,
          "defaults:\n"
          "  event: subject\n"
          "routes:\n"
          "  - path: /orders/{id}\n"
          "    subjects: [\"orders.{id}.>\"]\n"
          "  - path: /orders/all\n"
          "    subjects: [\"everything\"]\n"
          "  - path: /pair/{a}/{b}\n"
          "    subjects: [\"x.{a}.{b}\", \"y.{b}\"]\n"
          "  - path: /pick\n"
          "    allow: [\"p.>\", \"q\"]\n");

/* The subjects (event names) the stream got, in order, with blanks between. */
static void require_subjects(struct http_stream *stream, const char *expected)
{
    char got[1024] = "";
    size_t i, len = 0, wanted = *expected != '\0';
    const char *s;

    for (s = expected; *s != '\0'; s++)
        wanted += *s == ' ';
    http_wait_events(stream, wanted);
    for (i = 0; i < stream->log.count && len < sizeof(got) - 64; i++)
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", i == 0 ? "" : " ", stream->log.events[i].name);
    REQUIRE_STR(got, expected);
}

static void publish_all(const char *const *subjects)
{
    for (; *subjects != NULL; subjects++)
        publish(rig.publisher, *subjects, *subjects);
    publisher_flush(rig.publisher);
}

static void check_one(const char *path, const char *const *published, const char *expected)
{
    struct http_stream *stream = http_open_ready(rig.client, path, NULL);

    REQUIRE(stream != NULL);
    publish_all(published);
    require_subjects(stream, expected);
}

Test(subjects, a_path_value_becomes_a_token)
{
    struct http_stream *plain = http_open_ready(rig.client, "/orders/42", NULL);
    struct http_stream *encoded = http_open_ready(rig.client, "/orders/%34%32", NULL);
    struct http_stream *utf8 = http_open_ready(rig.client, "/orders/caf%C3%A9", NULL);

    REQUIRE(plain != NULL && encoded != NULL && utf8 != NULL);
    publish_all((const char *const[]){"orders.42.created", "orders.43.created", "orders.42", "orders.421.x",
                                      "orders.café.paid", "orders.42.item.added", "orders.cafe.paid", "orders.café.end",
                                      "orders.42.end", NULL});
    require_subjects(plain, "orders.42.created orders.42.item.added orders.42.end");
    require_subjects(encoded, "orders.42.created orders.42.item.added orders.42.end");
    require_subjects(utf8, "orders.café.paid orders.café.end");
}

Test(subjects, a_literal_segment_goes_before_a_parameter)
{
    check_one("/orders/all", (const char *const[]){"orders.all.x", "everything", NULL}, "everything");
}

Test(subjects, several_parameters_and_subjects)
{
    check_one("/pair/1/2", (const char *const[]){"x.1.2", "x.2.1", "y.2", "y.1", "x.1.2.3", "x.1.2", NULL},
              "x.1.2 y.2 x.1.2");
}

Test(subjects, a_query_does_not_change_a_fixed_route)
{
    check_one("/orders/all?subject=p.a&utm_source=mail&x", (const char *const[]){"p.a", "everything", NULL},
              "everything");
}

Test(subjects, the_client_chooses_what_is_allowed)
{
    struct http_stream *two = http_open_ready(rig.client, "/pick?subject=p.a&subject=p.b.*", NULL);
    struct http_stream *encoded = http_open_ready(rig.client, "/pick?subject=p%2Eb%2E%2A", NULL);
    struct http_stream *other = http_open_ready(rig.client, "/pick?other=p.c&subject=q", NULL);

    REQUIRE(two != NULL && encoded != NULL && other != NULL);
    publish_all((const char *const[]){"p.a", "p.b", "p.b.1", "p.c", "q", "p.b.1.2", "p.b.2", "q.r", "p.a", "p.b.end",
                                      "q", NULL});
    require_subjects(two, "p.a p.b.1 p.b.2 p.a p.b.end");
    require_subjects(encoded, "p.b.1 p.b.2 p.b.end");
    require_subjects(other, "q q");
}

Test(subjects, wildcards_match_as_in_nats)
{
    struct http_stream *star = http_open_ready(rig.client, "/pick?subject=p.*.c", NULL);
    struct http_stream *rest = http_open_ready(rig.client, "/pick?subject=p.b.%3E", NULL);
    struct http_stream *all = http_open_ready(rig.client, "/pick?subject=p.>", NULL);

    REQUIRE(star != NULL && rest != NULL && all != NULL);
    publish_all((const char *const[]){"p.a.c", "p.b", "p.b.c", "p.b.c.d", "p.x.y", "p", "p.end.c", "p.b.end", NULL});
    require_subjects(star, "p.a.c p.b.c p.end.c");
    require_subjects(rest, "p.b.c p.b.c.d p.b.end");
    require_subjects(all, "p.a.c p.b p.b.c p.b.c.d p.x.y p.end.c p.b.end");
}

/* Numbered messages, round robin over the subjects: the stream must have each number once, in order. */
static void require_numbers(const char *path, const char *const *subjects, size_t count)
{
    enum { MESSAGES = 600 };
    struct http_stream *stream = http_open_ready(rig.client, path, NULL);
    const char *last_id = "";
    size_t i;

    REQUIRE(stream != NULL);
    for (i = 0; i < MESSAGES; i++)
        publish_format(rig.publisher, subjects[i % count], "%zu", i);
    publish(rig.publisher, subjects[0], "end");
    REQUIRE(http_wait_events(stream, MESSAGES + 1), "%s: %zu of %d", path, stream->log.count, MESSAGES + 1);
    for (i = 0; i < MESSAGES; i++) {
        const struct event *event = http_event(stream, i);
        REQUIRE(strtoul(event->data, NULL, 10) == i, "%s: event %zu is %s", path, i, event->data);
        REQUIRE_STR(event->name, subjects[i % count]);
        REQUIRE(strcmp(event->id, last_id) != 0, "%s: an id comes twice: %s", path, last_id);
        last_id = event->id;
    }
    REQUIRE_STR(http_event(stream, MESSAGES)->data, "end");
    http_pump_for(rig.client, 50);
    REQUIRE(stream->log.count == MESSAGES + 1, "%s: nothing comes twice", path);
}

Test(subjects, several_subjects_keep_their_common_order)
{
    require_numbers("/pick?subject=p.a&subject=p.b&subject=q", (const char *const[]){"p.a", "q", "p.b"}, 3);
}

Test(subjects, a_subject_chosen_twice_comes_once)
{
    require_numbers("/pick?subject=p.a&subject=p.a", (const char *const[]){"p.a"}, 1);
}

Test(subjects, nested_patterns_deliver_once)
{
    require_numbers("/pick?subject=p.*&subject=p.>&subject=p.a", (const char *const[]){"p.a", "p.b", "p.b.c"}, 3);
}

Test(subjects, partly_overlapping_patterns_deliver_once)
{
    require_numbers("/pick?subject=p.*.c&subject=p.b.*", (const char *const[]){"p.b.c", "p.a.c", "p.b.x"}, 3);
}

Test(subjects, three_overlapping_patterns_deliver_once)
{
    require_numbers("/pick?subject=p.*.c.>&subject=p.b.*.d&subject=p.b.c.*",
                    (const char *const[]){"p.b.c.d", "p.b.x.d", "p.b.c.x", "p.a.c.x"}, 4);
}

/* An id is the position in the history, not something of the stream that carries it. */
Test(subjects, two_streams_see_one_id)
{
    struct http_stream *narrow = http_open_ready(rig.client, "/pick?subject=p.a", NULL);
    struct http_stream *same = http_open_ready(rig.client, "/pick?subject=p.a", NULL);

    REQUIRE(narrow != NULL && same != NULL);
    publish(rig.publisher, "p.a", "x");
    REQUIRE(http_wait_events(narrow, 1) && http_wait_events(same, 1));
    REQUIRE_STR(http_event(narrow, 0)->id, http_event(same, 0)->id);
}
