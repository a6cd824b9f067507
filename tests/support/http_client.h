/* http_client.h - many event streams over libcurl's multi interface, as a browser would hold them */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H
#define TESTS_SUPPORT_HTTP_CLIENT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "tests/support/event_log.h"

struct gateway;

/*
 * Everything runs on the calling thread, inside http_pump and the waits built
 * on it: a client that isn't pumped reads nothing from its sockets, which is
 * how a test plays the slow reader. On HTTP/2 over TLS all streams of one
 * client share one connection (up to the server's limit), otherwise each has
 * its own.
 * Waits give up after 10 s (times FRESHET_TIME_FACTOR) and then return false.
 */
enum http_mode {
    HTTP_H2 = 0, /* TLS, ALPN h2 */
    HTTP_H1,     /* TLS, ALPN http/1.1 */
    HTTP_H2C,    /* cleartext, prior knowledge */
    HTTP_H1C,    /* cleartext */
};
extern const char *const http_mode_names[4];

struct http_stream {
    struct http_client *client;
    struct http_stream *next;
    CURL *easy;
    int socket; /* of the connection made for it; -1: none, or it joined one */
    struct curl_slist *request_headers;
    int status;       /* 0 until the header block has arrived */
    bool has_headers; /* the whole header block is there */
    bool ended;       /* by the server or by an error; result says which */
    CURLcode result;  /* CURLE_OK: the response ended in order */
    char **headers;   /* "name: value" lines as received, names in lower case */
    size_t header_count;
    char *body; /* the first 64 KiB of it, NUL terminated */
    size_t body_kept;
    uint64_t body_len;    /* all of it */
    struct event_log log; /* the body as events */
};

struct http_client {
    CURLM *multi;
    enum http_mode mode;
    char *origin; /* https://127.0.0.1:PORT */
    struct http_stream *streams;
    sse_parser_callback *on_event; /* what new streams do with events; NULL: they keep them in their log */
    void *on_event_arg;
    int socket;          /* of its latest connection; -1: it has none */
    long receive_buffer; /* SO_RCVBUF of new connections; 0: the system's */
    const char *source;  /* local address of new connections; NULL: any */
};

struct http_client *http_client_create(const struct gateway *gateway, enum http_mode mode);
/* To its admin listener, which speaks in the clear. */
struct http_client *http_client_create_admin(const struct gateway *gateway, enum http_mode mode);
/* Cuts whatever is open and frees all its streams. NULL is fine. */
void http_client_destroy(struct http_client *client);

/* Starts a GET with accept: text/event-stream. Further arguments: request headers "name: value", then NULL. */
struct http_stream *http_open(struct http_client *client, const char *path, ...) __attribute__((sentinel));
/* The same, and waits until the stream is a 200 whose first block (retry:) is here. NULL (with a note) if not. */
struct http_stream *http_open_ready(struct http_client *client, const char *path, ...) __attribute__((sentinel));
/* Any method; waits for the end of the response. body: NULL or text. No accept header but those given. */
struct http_stream *http_request(struct http_client *client, const char *method, const char *path, const char *body,
                                 ...) __attribute__((sentinel));
/* Cuts the stream and frees it: on HTTP/1.1 its connection closes; on HTTP/2 curl 7.88 sends the RST_STREAM together
 * with the connection's next request, so that only destroying the client makes sure that the server knows. */
void http_close(struct http_stream *stream);
/* Breaks the stream's whole connection under it, as a network would. All its streams end with an error. False: it has
 * none yet. */
bool http_break_connection(struct http_stream *stream);

/* One turn: waits at most ms for something to happen, and handles it. */
void http_pump(struct http_client *client, int ms);
/* Pumps for ms, to show that something does not arrive. */
void http_pump_for(struct http_client *client, int64_t ms);
bool http_wait_headers(struct http_stream *stream);
bool http_wait_first_block(struct http_stream *stream);
bool http_wait_events(struct http_stream *stream, size_t count);
bool http_wait_event_named(struct http_stream *stream, const char *name);
bool http_wait_body(struct http_stream *stream, uint64_t len);
bool http_wait_end(struct http_stream *stream);

/* What became of it, in curl's words. */
const char *http_result(const struct http_stream *stream);
/* The value of a response header (name in lower case), or NULL. */
const char *http_header(const struct http_stream *stream, const char *name);
/* How many connections were made for the stream: 0 when it joined one. */
long http_connects(const struct http_stream *stream);
/* CURL_HTTP_VERSION_2_0, CURL_HTTP_VERSION_1_1. */
long http_version(const struct http_stream *stream);

/* The n-th event, for a test's comparison; an empty one when it isn't there. */
const struct event *http_event(const struct http_stream *stream, size_t n);

#endif
