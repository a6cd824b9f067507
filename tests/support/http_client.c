/* http_client.c - many event streams over libcurl's multi interface, as a browser would hold them */
/* SPDX-License-Identifier: MIT */
#include "tests/support/http_client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/gateway_fixture.h"
#include "tests/support/sandbox.h"

/*
 * curl 7.88 takes 32 KiB from a socket at once. What doesn't fit into this it sets aside, and then doesn't notice the
 * end of a stream of cleartext HTTP/2 that stands in there.
 */
#define CURL_BUFFER 65536L
#define BODY_KEPT_MAX (64 * 1024)
#define WAIT_MS 10000

const char *const http_mode_names[4] = {"h2", "h1", "h2c", "h1c"};

static const struct {
    bool tls;
    long version;
} modes[4] = {
    [HTTP_H2] = {true, CURL_HTTP_VERSION_2_0},
    [HTTP_H1] = {true, CURL_HTTP_VERSION_1_1},
    [HTTP_H2C] = {false, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE},
    [HTTP_H1C] = {false, CURL_HTTP_VERSION_1_1},
};

struct http_client *http_client_create(const struct gateway *gateway, enum http_mode mode)
{
    struct http_client *client = calloc(1, sizeof(*client));
    static bool initialised;

    if (!initialised && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        fixture_fail("curl");
    initialised = true;
    if (client == NULL || (client->multi = curl_multi_init()) == NULL)
        fixture_fail("curl");
    client->mode = mode;
    client->socket = -1;
    client->origin = text_format("%s://127.0.0.1:%u", modes[mode].tls ? "https" : "http",
                                 modes[mode].tls ? gateway->tls_port : gateway->clear_port);
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, 1000L);
    return client;
}

struct http_client *http_client_create_admin(const struct gateway *gateway, enum http_mode mode)
{
    struct gateway admin = *gateway;

    admin.clear_port = gateway->admin_port;
    return http_client_create(&admin, mode);
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct http_stream *stream = arg;
    size_t len = size * n, i;
    char *copy;

    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (len == 0) {
        long status = 0;
        curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
        stream->status = (int)status;
        stream->has_headers = status >= 200;
        return size * n;
    }
    copy = text_format("%.*s", (int)len, line);
    for (i = 0; copy[i] != '\0' && copy[i] != ':'; i++)
        copy[i] = (char)tolower((unsigned char)copy[i]);
    stream->headers = realloc(stream->headers, (stream->header_count + 1) * sizeof(*stream->headers));
    if (stream->headers == NULL)
        fixture_fail("out of memory");
    stream->headers[stream->header_count++] = copy;
    return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http_stream *stream = arg;
    size_t len = size * n, kept = len;

    if (kept > BODY_KEPT_MAX - stream->body_kept)
        kept = BODY_KEPT_MAX - stream->body_kept;
    if (kept != 0) {
        stream->body = realloc(stream->body, stream->body_kept + kept + 1);
        if (stream->body == NULL)
            fixture_fail("out of memory");
        memcpy(stream->body + stream->body_kept, data, kept);
        stream->body_kept += kept;
        stream->body[stream->body_kept] = '\0';
    }
    stream->body_len += len;
    event_log_feed(&stream->log, data, len);
    return len;
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    struct http_stream *stream = arg;
    int size = (int)stream->client->receive_buffer;

    (void)purpose;
    stream->socket = stream->client->socket = fd;
    if (size != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return CURL_SOCKOPT_OK;
}

/* The number may soon belong to another file, which must not be shut down. */
static int on_socket_closed(void *arg, curl_socket_t fd)
{
    struct http_client *client = arg;
    struct http_stream *stream;

    if (client->socket == fd)
        client->socket = -1;
    for (stream = client->streams; stream != NULL; stream = stream->next)
        if (stream->socket == fd)
            stream->socket = -1;
    return close(fd);
}

static struct http_stream *stream_create(struct http_client *client, const char *method, const char *path,
                                         const char *body)
{
    struct http_stream *stream = calloc(1, sizeof(*stream));
    char *url = text_format("%s%s", client->origin, path);
    CURL *easy = curl_easy_init();

    if (stream == NULL || easy == NULL)
        fixture_fail("out of memory");
    stream->client = client;
    stream->socket = -1;
    stream->easy = easy;
    stream->body = calloc(1, 1);
    event_log_init(&stream->log);
    stream->log.on_event = client->on_event;
    stream->log.arg = client->on_event_arg;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, stream);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, modes[client->mode].version);
    /* curl 7.88 fails with a framing error when a prior-knowledge connection takes a second request */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, client->mode == HTTP_H2C ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, CURL_BUFFER);
    curl_easy_setopt(easy, CURLOPT_CAINFO, sandbox_certificate());
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, stream);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, stream);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_closed);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
    if (client->source != NULL)
        curl_easy_setopt(easy, CURLOPT_INTERFACE, client->source);
    if (body != NULL)
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body);
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (strcmp(method, "GET") != 0 || body != NULL)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    free(url);
    return stream;
}

static void stream_send(struct http_stream *stream, const char *first, va_list headers)
{
    const char *header;

    if (first != NULL)
        stream->request_headers = curl_slist_append(stream->request_headers, first);
    while ((header = va_arg(headers, const char *)) != NULL)
        stream->request_headers = curl_slist_append(stream->request_headers, header);
    curl_easy_setopt(stream->easy, CURLOPT_HTTPHEADER, stream->request_headers);
    if (curl_multi_add_handle(stream->client->multi, stream->easy) != CURLM_OK)
        fixture_fail("curl_multi_add_handle");
    stream->next = stream->client->streams;
    stream->client->streams = stream;
    http_pump(stream->client, 0);
}

static struct http_stream *stream_open(struct http_client *client, const char *path, va_list headers)
{
    struct http_stream *stream = stream_create(client, "GET", path, NULL);

    stream_send(stream, "accept: text/event-stream", headers);
    return stream;
}

struct http_stream *http_open(struct http_client *client, const char *path, ...)
{
    va_list headers;

    va_start(headers, path);
    struct http_stream *stream = stream_open(client, path, headers);
    va_end(headers);
    return stream;
}

const char *http_result(const struct http_stream *stream)
{
    return stream->ended ? curl_easy_strerror(stream->result) : "still open";
}

struct http_stream *http_open_ready(struct http_client *client, const char *path, ...)
{
    va_list headers;

    va_start(headers, path);
    struct http_stream *stream = stream_open(client, path, headers);
    va_end(headers);
    if (http_wait_first_block(stream) && stream->status == 200)
        return stream;
    fprintf(stderr, "%s (%s) did not become a stream: status %d, %s; body: %s\n", path, http_mode_names[client->mode],
            stream->status, http_result(stream), stream->body);
    http_close(stream);
    return NULL;
}

struct http_stream *http_request(struct http_client *client, const char *method, const char *path, const char *body,
                                 ...)
{
    struct http_stream *stream = stream_create(client, method, path, body);
    va_list headers;

    va_start(headers, body);
    stream_send(stream, NULL, headers);
    va_end(headers);
    http_wait_end(stream);
    return stream;
}

void http_close(struct http_stream *stream)
{
    struct http_stream **link = &stream->client->streams;
    size_t i;

    while (*link != stream)
        link = &(*link)->next;
    *link = stream->next;
    curl_multi_remove_handle(stream->client->multi, stream->easy);
    curl_easy_cleanup(stream->easy);
    curl_slist_free_all(stream->request_headers);
    for (i = 0; i < stream->header_count; i++)
        free(stream->headers[i]);
    free(stream->headers);
    free(stream->body);
    event_log_dispose(&stream->log);
    free(stream);
}

void http_client_destroy(struct http_client *client)
{
    if (client == NULL)
        return;
    while (client->streams != NULL)
        http_close(client->streams);
    curl_multi_cleanup(client->multi);
    free(client->origin);
    free(client);
}

bool http_break_connection(struct http_stream *stream)
{
    int fd = stream->client->mode == HTTP_H2 ? stream->client->socket : stream->socket;

    return fd != -1 && shutdown(fd, SHUT_RDWR) == 0;
}

void http_pump(struct http_client *client, int ms)
{
    int running, queued;
    CURLMsg *message;

    if (ms > 0)
        curl_multi_poll(client->multi, NULL, 0, ms, NULL);
    if (curl_multi_perform(client->multi, &running) != CURLM_OK)
        fixture_fail("curl_multi_perform");
    while ((message = curl_multi_info_read(client->multi, &queued)) != NULL) {
        struct http_stream *stream;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&stream);
        stream->ended = true;
        stream->result = message->data.result;
    }
}

void http_pump_for(struct http_client *client, int64_t ms)
{
    int64_t until = now_ms() + ms, left;

    while ((left = until - now_ms()) > 0)
        http_pump(client, (int)left);
}

/* Pumps until the expression, which may use `stream`, is true, or the stream has ended, or time is up. */
#define WAIT_FOR(stream, expression)                                                                                   \
    int64_t deadline = deadline_in(WAIT_MS);                                                                           \
    while (!(expression) && !(stream)->ended && now_ms() < deadline)                                                   \
        http_pump((stream)->client, 50);                                                                               \
    return (expression)

bool http_wait_headers(struct http_stream *stream)
{
    WAIT_FOR(stream, stream->has_headers);
}

bool http_wait_first_block(struct http_stream *stream)
{
    WAIT_FOR(stream, stream->has_headers && stream->log.parser.retry_ms >= 0);
}

bool http_wait_events(struct http_stream *stream, size_t count)
{
    WAIT_FOR(stream, stream->log.count >= count);
}

bool http_wait_event_named(struct http_stream *stream, const char *name)
{
    WAIT_FOR(stream, event_log_find(&stream->log, name, 0) != NULL);
}

bool http_wait_body(struct http_stream *stream, uint64_t len)
{
    WAIT_FOR(stream, stream->body_len >= len);
}

bool http_wait_end(struct http_stream *stream)
{
    WAIT_FOR(stream, stream->ended);
}

const char *http_header(const struct http_stream *stream, const char *name)
{
    size_t len = strlen(name), i;

    for (i = 0; i < stream->header_count; i++) {
        const char *header = stream->headers[i];
        if (strncmp(header, name, len) == 0 && header[len] == ':') {
            for (header += len + 1; *header == ' ';)
                header++;
            return header;
        }
    }
    return NULL;
}

long http_connects(const struct http_stream *stream)
{
    long count = -1;

    curl_easy_getinfo(stream->easy, CURLINFO_NUM_CONNECTS, &count);
    return count;
}

long http_version(const struct http_stream *stream)
{
    long version = -1;

    curl_easy_getinfo(stream->easy, CURLINFO_HTTP_VERSION, &version);
    return version;
}

const struct event *http_event(const struct http_stream *stream, size_t n)
{
    static const struct event nothing = {.name = "(no event)", .data = "(no event)", .id = "(no event)"};

    return n < stream->log.count ? &stream->log.events[n] : &nothing;
}
