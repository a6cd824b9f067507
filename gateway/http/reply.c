/* reply.c - finite answers: problems, and small bodies */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/reply.h"

#include <h2o.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/metrics.h"
#include "gateway/core/hub.h"
#include "gateway/http/app.h"
#include "gateway/http/exchange.h"
#include "proto/text.h"

#define DETAIL_MAX 400
#define JSON_BYTE_MAX 6 /* what text_json_write makes of one byte at most */

const char *reply_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {413, "Content Too Large"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i != sizeof(phrases) / sizeof(phrases[0]); ++i) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    return "Error";
}

void reply_header(struct exchange *exchange, const char *name, const char *value, size_t len)
{
    h2o_req_t *req = exchange->req;
    h2o_iovec_t copy = h2o_strdup(&req->pool, value, len);
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 1, NULL, copy.base, copy.len);
}

void reply_send(struct exchange *exchange, int status, const char *content_type, const char *body, size_t len)
{
    h2o_req_t *req = exchange->req;
    CHECK(content_type != NULL || len == 0);
    metrics_add(exchange->app->hub->metrics, metrics_status(status), 1);
    req->res.status = status;
    req->res.reason = reply_phrase(status);
    if (content_type != NULL) {
        req->res.content_length = len;
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, content_type, strlen(content_type));
    } else if (status != 204) { /* RFC 9110 section 8.6: 204 has no content-length */
        req->res.content_length = 0;
    }
    exchange_answered(exchange);
    h2o_send_inline(req, body, len);
}

void reply_not_allowed(struct exchange *exchange, const char *methods)
{
    const h2o_req_t *req = exchange->req;
    reply_header(exchange, "allow", methods, strlen(methods)); /* RFC 9110 15.5.6 demands it */
    reply_problem(exchange, 405, "%.*s is not allowed here (allowed: %s)", (int)req->method.len, req->method.base,
                  methods);
}

size_t reply_path_len(const char *path, size_t len)
{
    static const char token_start[] = "eyJ"; /* {" in base64 */
    for (size_t i = 0; i != len; ++i) {
        if (memchr(";&=?%", path[i], 5) != NULL ||
            (len - i >= 3 && memcmp(path + i, token_start, sizeof(token_start) - 1) == 0))
            return i;
    }
    return len;
}

void reply_problem(struct exchange *exchange, int status, const char *format, ...)
{
    char detail[DETAIL_MAX], body[DETAIL_MAX * JSON_BYTE_MAX + 128];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    size_t detail_len = len < 0 ? 0 : (size_t)len < sizeof(detail) ? (size_t)len : sizeof(detail) - 1;
    /* details repeat what the client sent, and a cut may halve a character: JSON has to be UTF-8 */
    if (!text_is_utf8(detail, detail_len)) {
        for (size_t i = 0; i != detail_len; ++i) {
            if ((detail[i] & 0x80) != 0)
                detail[i] = '?';
        }
    }
    int head = snprintf(body, sizeof(body), "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"",
                        reply_phrase(status), status);
    CHECK(status >= 400 && head > 0 && (size_t)head + DETAIL_MAX * JSON_BYTE_MAX + 2 <= sizeof(body));
    size_t size = (size_t)head;
    size += text_json_write(body + size, detail, detail_len);
    body[size++] = '"';
    body[size++] = '}';
    reply_send(exchange, status, "application/problem+json", body, size);
}
