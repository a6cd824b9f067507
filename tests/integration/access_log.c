/* access_log.c - a line for each stream that ends, with what happened on it and nothing secret */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/auth.h"

static void no_setup(void)
{
}

TestSuite(access_log, .init = no_setup, .fini = auth_stop, .timeout = 120);

/* The value behind " key=" up to a blank, or of "…" what is inside, with its escapes. */
static const char *value_in(const char *line, const char *name)
{
    static char values[8][1024];
    static unsigned next;
    char *value = values[next++ % 8], *wanted = text_format(" %s=", name), *to = value;
    const char *at = strstr(line, wanted);

    if (at != NULL) {
        bool quoted = at[strlen(wanted)] == '"';
        at += strlen(wanted) + quoted;
        while (*at != '\0' && *at != (quoted ? '"' : ' ') && to != value + sizeof(values[0]) - 2) {
            if (*at == '\\')
                *to++ = *at++;
            *to++ = *at++;
        }
    }
    *to = '\0';
    free(wanted);
    return value;
}

/* A field of the last stream-end line of the log; "" without. */
static const char *last_line(const char *field)
{
    char *log = gateway_log(auth.rig.gateway), *start = NULL;
    const char *value = "";

    for (char *at = log; (at = strstr(at, " stream-end ")) != NULL; ++at)
        start = at;
    if (start != NULL) {
        start[strcspn(start, "\n")] = '\0';
        value = value_in(start, field);
    }
    free(log);
    return value;
}

static bool waits_for(const char *field, const char *value)
{
    int64_t deadline = deadline_in(10000);

    while (strcmp(last_line(field), value) != 0) {
        if (now_ms() > deadline)
            return false;
        http_pump(auth.rig.client, 20);
    }
    return true;
}

static const char yaml[] = "routes:\n"
                           "  - {path: /a, subjects: [\"a.x\", \"a.y\"]}\n"
                           "  - {path: \"/o/{id}\", subjects: [\"o.{id}\"]}\n"
                           "  - {path: /t, allow: [\">\"], auth: {jwt: {keys: %K}}}\n"
                           "defaults: {history: {events: 4}}\n";

Test(access_log, says_what_happened)
{
    struct http_client *h1;
    struct http_stream *stream;
    char bytes[32];

    auth_start_as_it_is(yaml);
    REQUIRE((stream = http_open_ready(auth.rig.client, "/a?utm=s3cret", "last-event-id: gone-1", NULL)) != NULL);
    publish(auth.rig.publisher, "a.x", "1");
    publish(auth.rig.publisher, "a.y", "2");
    REQUIRE(http_wait_events(stream, 3)); /* a gap, and these */
    snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)stream->body_len);
    http_client_destroy(auth.rig.client);
    auth.rig.client = http_client_create(auth.rig.gateway, HTTP_H2);
    REQUIRE(waits_for("route", "/a"));
    REQUIRE_STR(last_line("subjects"), "a.x a.y");
    REQUIRE_STR(last_line("events"), "2");
    REQUIRE_STR(last_line("bytes"), bytes);
    REQUIRE_STR(last_line("gaps"), "1");
    REQUIRE_STR(last_line("reason"), "client");
    REQUIRE_STR(last_line("protocol"), "h2");
    REQUIRE_STR(last_line("peer"), "127.0.0.1");
    REQUIRE_STR(last_line("sub"), "");
    REQUIRE(strtod(last_line("duration"), NULL) < 100);
    h1 = http_client_create(auth.rig.gateway, HTTP_H1C);
    REQUIRE(http_wait_end(http_open(h1, "/o/17?follow=false", NULL)));
    REQUIRE(waits_for("route", "/o/{id}"));
    REQUIRE_STR(last_line("subjects"), "o.17");
    REQUIRE_STR(last_line("reason"), "done");
    REQUIRE(strspn(last_line("duration"), "0123456789") != 0, "\"%s\"", last_line("duration")); /* there, no sign */
    REQUIRE_STR(last_line("protocol"), "http/1.1");
    http_client_destroy(h1);
}

Test(access_log, names_the_bearer_and_no_token)
{
    struct http_stream *stream;
    char *token, *path, *log;

    auth_start_as_it_is(yaml);
    token = auth_token("ann a", "[\"t.>\"]", "[]");
    path = text_format("/t?subject=t.1&access_token=%s", token);
    REQUIRE((stream = http_open_ready(auth.rig.client, path, NULL)) != NULL);
    http_client_destroy(auth.rig.client);
    auth.rig.client = http_client_create(auth.rig.gateway, HTTP_H2);
    REQUIRE(waits_for("sub", "ann a"));
    log = gateway_log(auth.rig.gateway);
    REQUIRE(strstr(log, token) == NULL && strstr(log, "access_token") == NULL && strstr(log, "?") == NULL, "%s", log);
    free(log);
    free(path);
    free(token);
}

/* How many streams the log knows the end of: those with a line, and those that lines say were left out. */
static unsigned ends(unsigned *lines)
{
    char *log = gateway_log(auth.rig.gateway);
    unsigned suppressed = 0;

    *lines = 0;
    for (char *at = log, *end; (at = strstr(at, " stream-end ")) != NULL; at = end + 1) {
        end = at + strcspn(at, "\n");
        *end = '\0';
        suppressed += (unsigned)strtoul(value_in(at, "suppressed"), NULL, 10);
        ++*lines;
    }
    free(log);
    return *lines + suppressed;
}

Test(access_log, many_at_once_are_summed_up)
{
    enum { CLIENTS = 20, STREAMS = 60 };
    struct http_client *clients[CLIENTS];
    unsigned more = 0, lines;

    auth_start_as_it_is(yaml);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = http_client_create(auth.rig.gateway, HTTP_H2);
        for (int j = 0; j < STREAMS; j++)
            REQUIRE(http_open_ready(clients[i], "/a", NULL) != NULL);
    }
    for (int i = 0; i < CLIENTS; i++)
        http_client_destroy(clients[i]);
    /* one more, when a second is over, shows how many were left out */
    do {
        sleep_ms(1100);
        REQUIRE(http_wait_end(http_open(auth.rig.client, "/o/last?follow=false", NULL)));
        REQUIRE(waits_for("route", "/o/{id}"));
        REQUIRE(++more < 20);
    } while (ends(&lines) < CLIENTS * STREAMS + more);
    REQUIRE(ends(&lines) == CLIENTS * STREAMS + more, "%u of %u", ends(&lines), CLIENTS * STREAMS + more);
    REQUIRE(lines < CLIENTS * STREAMS, "%u", lines);
}

Test(access_log, can_be_switched_off)
{
    unsigned lines;

    auth_start_as_it_is("log: {access: false}\nroutes:\n  - {path: /a, subjects: [a]}\n");
    REQUIRE(http_wait_end(http_open(auth.rig.client, "/a?follow=false", NULL)));
    REQUIRE(gateway_stop(auth.rig.gateway) == 0);
    REQUIRE(ends(&lines) == 0);
}
