/* publish.c - a POST on a route with `publish` is a NATS message, or a problem that says why not */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/publish.h"

#include <stdio.h>

#define MIB ((size_t)1 << 20)

static void setup(void)
{
    rig_start(&publish_rig.rig, publish_yaml);
    publish_listen(nats_fixture_url(publish_rig.rig.nats));
}

TestSuite(publish, .init = setup, .fini = publish_stop, .timeout = 120);

/* The broker keeps the order of one publisher, here the gateway: anything sent before would have arrived by now. */
static void require_nothing_else(void)
{
    struct http_client *client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    struct http_stream *response = http_request(client, "POST", "/say?subject=chat.mark", "mark", NULL);

    REQUIRE(response->status == 202, "%d %s", response->status, response->body);
    http_client_destroy(client);
    publish_require_heard("chat.mark", "mark", 4);
}

/* http_request takes text; this takes NUL bytes, too. */
static void post_bytes(enum http_mode mode, const char *path, const void *data, size_t len)
{
    struct http_client *client = http_client_create(publish_rig.rig.gateway, mode);
    char *url = text_format("%s%s", client->origin, path);
    CURL *easy = curl_easy_init();
    FILE *nowhere = fopen("/dev/null", "w");
    long status = 0;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CAINFO, sandbox_certificate());
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     mode == HTTP_H2    ? CURL_HTTP_VERSION_2_0
                     : mode == HTTP_H2C ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                        : CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, nowhere);
    REQUIRE(curl_easy_perform(easy) == CURLE_OK, "%s", http_mode_names[mode]);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    REQUIRE(status == 202, "%s: %ld", http_mode_names[mode], status);
    curl_easy_cleanup(easy);
    fclose(nowhere);
    free(url);
    http_client_destroy(client);
}

Test(publish, streams_and_subscribers_get_it)
{
    struct http_client *reader = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    struct http_stream *stream = http_open_ready(reader, "/events?subject=orders.>&subject=chat.*", NULL);
    size_t events = 0;

    REQUIRE(stream != NULL);
    for (enum http_mode mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *client = http_client_create(publish_rig.rig.gateway, mode);
        char *text = text_format("{\"from\":\"%s\"}", http_mode_names[mode]);
        publish_require_accepted(
            http_request(client, "POST", "/orders/17", text, "content-type: application/json", NULL));
        publish_require_heard("orders.17.note", text, strlen(text));
        publish_require_accepted(http_request(client, "POST", "/say?subject=chat.room%31", text, NULL));
        publish_require_heard("chat.room1", text, strlen(text));
        REQUIRE(http_wait_events(stream, events += 2));
        REQUIRE_STR(http_event(stream, events - 2)->data, text);
        REQUIRE_STR(http_event(stream, events - 1)->data, text);
        free(text);
        http_client_destroy(client);
    }
    http_client_destroy(reader);
}

Test(publish, an_empty_body_is_an_empty_message)
{
    for (enum http_mode mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *client = http_client_create(publish_rig.rig.gateway, mode);
        publish_require_accepted(http_request(client, "POST", "/orders/1", NULL, NULL));
        publish_require_accepted(http_request(client, "POST", "/orders/2", "", NULL));
        publish_require_heard("orders.1.note", "", 0);
        publish_require_heard("orders.2.note", "", 0);
        http_client_destroy(client);
    }
}

Test(publish, bytes_stay_what_they_are)
{
    unsigned char bytes[1024];
    size_t i;

    for (i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i < 512 ? i : i * 7);
    for (enum http_mode mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        post_bytes(mode, "/orders/raw", bytes, sizeof(bytes));
        publish_require_heard("orders.raw.note", (const char *)bytes, sizeof(bytes));
    }
}

Test(publish, many_on_one_connection)
{
    struct http_client *client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, "/events?subject=orders.*.note", NULL);
    int i;

    REQUIRE(stream != NULL);
    for (i = 0; i < 200; i++) {
        char text[32], path[32], subject[32];
        struct http_stream *response;
        snprintf(text, sizeof(text), "number %d", i);
        snprintf(path, sizeof(path), "/orders/%d", i % 10);
        snprintf(subject, sizeof(subject), "orders.%d.note", i % 10);
        response = http_request(client, "POST", path, text, NULL);
        publish_require_accepted(response);
        REQUIRE(http_connects(response) == 0, "post %d needed a connection of its own", i);
        http_close(response);
        publish_require_heard(subject, text, strlen(text));
    }
    REQUIRE(http_wait_events(stream, 200));
    for (i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof(text), "number %d", i);
        REQUIRE_STR(http_event(stream, (size_t)i)->data, text);
    }
    http_client_destroy(client);
}

/* After a body, HTTP/1.1 says that it closes, and does: libh2o is too lenient about where bodies end. */
Test(publish, http1_closes_after_a_body)
{
    struct http_client *client = http_client_create(publish_rig.rig.gateway, HTTP_H1C);
    struct http_stream *response = http_request(client, "POST", "/orders/1", "x", NULL);

    publish_require_accepted(response);
    REQUIRE_STR(http_header(response, "connection"), "close");
    publish_require_heard("orders.1.note", "x", 1);
    http_client_destroy(client);
}

Test(publish, chunked_bodies_are_put_together)
{
    struct raw_http *raw = raw_http_connect(publish_rig.rig.gateway->clear_port);

    raw_http_send(raw, "POST /orders/9 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    raw_http_send(raw, "8;name=value\r\n, chunks\r\n");
    REQUIRE(raw->len == 0, "answered before the end: %s", raw->text);
    raw_http_send(raw, "0\r\n\r\n");
    REQUIRE(raw_http_wait(raw, "\r\n\r\n{}"), "%s", raw->text);
    REQUIRE(strncmp(raw->text, "HTTP/1.1 202 Accepted\r\n", 23) == 0, "%s", raw->text);
    REQUIRE(raw_http_wait_close(raw));
    raw_http_destroy(raw);
    publish_require_heard("orders.9.note", "hello, chunks", 13);

    raw = raw_http_connect(publish_rig.rig.gateway->clear_port);
    raw_http_send(raw, "POST /orders/9 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n");
    REQUIRE(raw_http_wait(raw, "HTTP/1.1 400 "), "%s", raw->text);
    REQUIRE(raw_http_wait_close(raw));
    raw_http_destroy(raw);
    require_nothing_else();
}

Test(publish, refusals_name_what_is_wrong)
{
    static const struct {
        const char *path;
        int status;
        const char *word;
    } cases[] = {
        {"/orders/a.b", 400, "id"},
        {"/orders/*", 400, "id"},
        {"/orders/%3E", 400, "id"},
        {"/orders/a%20b", 400, "id"},
        {"/orders/a%00", 400, "id"},
        {"/orders/", 400, "id"},
        {"/first/$SYS", 400, "{token} begins with '$'"},
        {"/first/_INBOX", 400, "{token} begins with"},
        {"/say", 400, "?subject="},
        {"/say?", 400, "?subject="},
        {"/say?topic=chat.a", 400, "?subject="},
        {"/say?subject=", 400, "subject"},
        {"/say?subject=chat.a&subject=chat.b", 400, "one subject"},
        {"/say?subject=chat.a&subject=chat.a", 400, "one subject"},
        {"/say?subject=chat.*", 400, "chat.*"},
        {"/say?subject=chat.%3E", 400, "chat.>"},
        {"/say?subject=chat..a", 400, "chat..a"},
        {"/say?subject=chat.a+b", 400, "chat.a b"},
        {"/say?subject=chat.a%00b", 400, "subject"},
        {"/say?subject=chat.a%0d%0aPUB", 400, "subject"},
        {"/say?subject=chat.%ff", 400, "subject"},
        {"/say?subject=chat.%zz", 400, "subject"},
        {"/say?subject=$SYS.REQ", 400, "$SYS.REQ"},
        {"/say?subject=private.a", 403, "private.a"},
        {"/say?subject=chat", 403, "chat"},
        {"/say?subject=news.a.b", 403, "news.a.b"},
        {"/nope", 404, "/nope"},
        {"/events?subject=chat.a", 405, "POST"},
    };
    size_t i;

    for (enum http_mode mode = HTTP_H2; mode <= HTTP_H1C; mode += HTTP_H1C) {
        struct http_client *client = http_client_create(publish_rig.rig.gateway, mode);
        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct http_stream *response = http_request(client, "POST", cases[i].path, "never", NULL);
            REQUIRE(is_problem(response, cases[i].status, cases[i].word), "%s (%s)", cases[i].path,
                    http_mode_names[mode]);
            http_close(response);
        }
        http_client_destroy(client);
    }
    require_nothing_else();
}

/* 256 bytes are a subject, 257 are not, however they are written. */
Test(publish, subjects_have_a_length)
{
    struct http_client *client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    char *text = publish_letters(252), *subject = text_format("chat%%2E%s", text + 1), *path;

    path = text_format("/say?subject=%s", subject);
    publish_require_accepted(http_request(client, "POST", path, "fits", NULL));
    free(path);
    free(subject);
    subject = text_format("chat.%s", text + 1);
    publish_require_heard(subject, "fits", 4);
    path = text_format("/say?subject=%sz", subject);
    REQUIRE(is_problem(http_request(client, "POST", path, "too long", NULL), 400, "256"));
    free(path);
    free(subject);
    free(text);
    http_client_destroy(client);
    require_nothing_else();
}

Test(publish, only_post_is_taken)
{
    static const char *const methods[] = {"GET", "PUT", "PATCH", "DELETE", "FOO"};
    struct http_client *client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    struct http_stream *response;
    size_t i;

    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        response = http_request(client, methods[i], "/orders/1", NULL, NULL);
        REQUIRE(is_problem(response, 405, methods[i]), "%s", methods[i]);
        REQUIRE_STR(http_header(response, "allow"), "POST, OPTIONS");
    }
    response = http_request(client, "HEAD", "/orders/1", NULL, NULL);
    REQUIRE(response->status == 405 && response->body_len == 0, "%d", response->status);
    response = http_request(client, "OPTIONS", "/say", NULL, NULL);
    REQUIRE(response->status == 204 && response->body_len == 0, "%d", response->status);
    REQUIRE_STR(http_header(response, "allow"), "POST, OPTIONS");
    /* and a route that does not publish says so, too */
    response = http_request(client, "OPTIONS", "/events", NULL, NULL);
    REQUIRE_STR(http_header(response, "allow"), "GET, HEAD, OPTIONS");
    http_client_destroy(client);
    require_nothing_else();
}

Test(publish, a_preflight_says_post)
{
    struct http_client *client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    struct http_stream *response =
        http_request(client, "OPTIONS", "/shared", NULL, "origin: https://app.example",
                     "access-control-request-method: POST", "access-control-request-headers: content-type", NULL);

    REQUIRE(response->status == 204, "%d", response->status);
    REQUIRE_STR(http_header(response, "access-control-allow-origin"), "https://app.example");
    REQUIRE_STR(http_header(response, "access-control-allow-methods"), "POST, OPTIONS");
    REQUIRE(strstr(http_header(response, "access-control-allow-headers"), "content-type") != NULL);
    response = http_request(client, "POST", "/shared", "hello", "origin: https://app.example", NULL);
    publish_require_accepted(response);
    REQUIRE_STR(http_header(response, "access-control-allow-origin"), "https://app.example");
    publish_require_heard("chat.shared", "hello", 5);
    http_client_destroy(client);
}

/* A browser sends a page's plain POST without a preflight; what the page may read of the answer is too late. */
Test(publish, pages_of_other_origins_may_not)
{
    struct http_client *client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    char *own = text_format("origin: %s", client->origin), *longer = text_format("origin: https://evil%s", own + 16);
    const char *const refused[] = {"origin: https://evil.example", "origin: null", longer};

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        REQUIRE(is_problem(http_request(client, "POST", "/orders/1", "x", refused[i], NULL), 403, "origin"), "%s",
                refused[i]);
        REQUIRE(is_problem(http_request(client, "POST", "/shared", "x", refused[i], NULL), 403, "origin"), "%s",
                refused[i]);
    }
    publish_require_accepted(http_request(client, "POST", "/orders/1", "own", own, NULL));
    publish_require_heard("orders.1.note", "own", 3);
    free(own);
    free(longer);
    http_client_destroy(client);
    require_nothing_else();
}

Test(publish, a_mebibyte_is_the_most)
{
    char *most = publish_letters(MIB), *more = publish_letters(MIB + 1);

    for (enum http_mode mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *client = http_client_create(publish_rig.rig.gateway, mode);
        struct http_stream *stream = http_open_ready(client, "/events?subject=other", NULL);
        REQUIRE(stream != NULL);
        publish_require_accepted(http_request(client, "POST", "/orders/big", most, NULL));
        publish_require_heard("orders.big.note", most, MIB);
        REQUIRE(is_problem(http_request(client, "POST", "/orders/big", more, NULL), 413, "1048577"), "%s",
                http_mode_names[mode]);
        REQUIRE(!stream->ended, "%s", http_mode_names[mode]);
        http_client_destroy(client);
    }
    require_nothing_else();
    free(most);
    free(more);
}

/* Nothing is buffered without end: HTTP/1.1 is told why, an HTTP/2 stream is reset and its connection stays. */
Test(publish, three_mebibytes_are_cut_off)
{
    char *much = publish_letters(3 * MIB);
    struct http_client *client = http_client_create(publish_rig.rig.gateway, HTTP_H1C);
    struct http_stream *response = http_request(client, "POST", "/orders/big", much, NULL), *stream;

    REQUIRE(response->ended && response->status == 413, "%d, %s", response->status,
            curl_easy_strerror(response->result));
    http_client_destroy(client);
    client = http_client_create(publish_rig.rig.gateway, HTTP_H2);
    stream = http_open_ready(client, "/events?subject=chat.*", NULL);
    REQUIRE(stream != NULL);
    response = http_request(client, "POST", "/orders/big", much, NULL);
    REQUIRE(response->ended && response->result != CURLE_OK && response->status == 0, "%d, %s", response->status,
            curl_easy_strerror(response->result));
    require_nothing_else();
    REQUIRE(http_wait_events(stream, 1) && !stream->ended);
    http_client_destroy(client);
    free(much);
}
