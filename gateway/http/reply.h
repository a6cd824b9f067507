/* reply.h - finite answers: problems, and small bodies */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_REPLY_H
#define GATEWAY_HTTP_REPLY_H

#include <stdarg.h>
#include <stddef.h>

struct exchange;

/*
 * Answers with application/problem+json (RFC 9457): type about:blank, the
 * status, its usual phrase as title, and the fault as detail. Response headers
 * that were added before (CORS, allow, retry-after) stay. The detail is cut at
 * some hundred bytes; bytes that are not UTF-8 are shown as '?'.
 */
void reply_problem(struct exchange *exchange, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * How much of a request's path a detail may repeat: neither what looks like a
 * query that lost its '?' nor what looks like a token, so that no answer and no
 * log of answers holds a secret.
 */
size_t reply_path_len(const char *path, size_t len);

/* 405 with `allow`: methods, as in "GET, HEAD". */
void reply_not_allowed(struct exchange *exchange, const char *methods);

/* Answers with a body of its own. content_type NULL: no body (204). body is copied. */
void reply_send(struct exchange *exchange, int status, const char *content_type, const char *body, size_t len);

/* Adds a response header; name in lower case, static storage; value is copied into the request's pool. */
void reply_header(struct exchange *exchange, const char *name, const char *value, size_t len);

/* "Bad Request" for 400. */
const char *reply_phrase(int status);

#endif
