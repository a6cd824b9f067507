/* raw_http.h - HTTP/1.1 by hand: bytes out, bytes in */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_RAW_HTTP_H
#define TESTS_SUPPORT_RAW_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A cleartext connection. What has been read stays in `text`, NUL terminated, until raw_http_forget. */
struct raw_http {
    int fd;
    bool closed; /* by the server */
    char *text;
    size_t len, capacity;
};

struct raw_http *raw_http_connect(uint16_t port);
/* The same from another local IPv4 address, "127.0.0.2"; NULL: any. */
struct raw_http *raw_http_connect_from(const char *source, uint16_t port);
/* A connected socket for bytes of another kind, whose reads give up after 20 s. */
int raw_http_socket(uint16_t port);
void raw_http_destroy(struct raw_http *raw);
void raw_http_send(struct raw_http *raw, const char *text);
void raw_http_send_bytes(struct raw_http *raw, const void *data, size_t len);
/* Reads until the text is there, the server closes or 10 s have passed; true if the text is there. */
bool raw_http_wait(struct raw_http *raw, const char *text);
/* Reads until the server closes. */
bool raw_http_wait_close(struct raw_http *raw);
void raw_http_forget(struct raw_http *raw);

#endif
