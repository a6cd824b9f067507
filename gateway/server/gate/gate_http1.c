/* gate_http1.c - which bytes of an HTTP/1.1 client libh2o may be shown */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/gate/gate_http1.h"

#include <string.h>
#include <strings.h>

struct seen {
    unsigned lengths, encodings, hosts;
};

static bool is_name(const char *name, size_t len, const char *expected)
{
    return len == strlen(expected) && strncasecmp(name, expected, len) == 0;
}

static void trim_value(const char **value, size_t *len)
{
    while (*len != 0 && (**value == ' ' || **value == '\t')) {
        ++*value;
        --*len;
    }
    while (*len != 0 && ((*value)[*len - 1] == ' ' || (*value)[*len - 1] == '\t'))
        --*len;
}

static bool is_number(const char *value, size_t len)
{
    if (len == 0 || len > 18) /* 19 digits may overflow, each parser in its own way */
        return false;
    for (size_t i = 0; i != len; ++i)
        if (value[i] < '0' || value[i] > '9')
            return false;
    return true;
}

/* The fault of one header field; NULL: none. */
static const char *check_field(struct gate_http1_head *head, struct seen *seen, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon != NULL ? (size_t)(colon - line) : 0;

    if (line[0] == ' ' || line[0] == '\t') /* RFC 9112 5.2; libh2o makes a field without a name of it */
        return "a folded header field";
    if (name_len == 0)
        return "a header field without a name";
    if (line[name_len - 1] == ' ' || line[name_len - 1] == '\t') /* RFC 9112 5.1: proxies drop or keep it */
        return "a blank before a colon";
    const char *value = colon + 1;
    size_t value_len = len - name_len - 1;
    trim_value(&value, &value_len);
    if (is_name(line, name_len, "content-length")) {
        head->body = true;
        /* RFC 9112 6.3: of two lengths a proxy may take the other one, and forward a second request as a body. */
        if (++seen->lengths > 1 || !is_number(value, value_len))
            return "no single content-length";
    } else if (is_name(line, name_len, "transfer-encoding")) {
        head->body = true;
        if (++seen->encodings > 1 || !is_name(value, value_len, "chunked"))
            return "a transfer-encoding that is not chunked";
    } else if (is_name(line, name_len, "expect")) {
        head->expects = true;
    } else if (is_name(line, name_len, "host") && ++seen->hosts > 1) { /* RFC 9112 3.2 */
        return "more than one host";
    }
    return seen->lengths != 0 && seen->encodings != 0 ? "content-length with transfer-encoding" : NULL;
}

/* Line ends first: a bare one of either kind is where parsers disagree. */
static const char *check_lines(struct gate_http1_head *head, const char *bytes, size_t len)
{
    struct seen seen = {0};
    const char *at = bytes, *end = bytes + len;
    bool is_request_line = true;

    head->body = head->expects = false;
    while (at != end) {
        const char *lf = memchr(at, '\n', (size_t)(end - at)), *cr = memchr(at, '\r', (size_t)(end - at));
        if (lf == NULL || cr != lf - 1)
            return "a line that does not end in CRLF";
        if (memchr(at, '\0', (size_t)(lf - at)) != NULL) /* where C strings end for some parsers */
            return "a NUL";
        if (cr == at)
            return is_request_line ? "an empty request line" : NULL;
        const char *wrong = is_request_line ? NULL : check_field(head, &seen, at, (size_t)(cr - at));
        if (wrong != NULL)
            return wrong;
        is_request_line = false;
        at = lf + 1;
    }
    return NULL;
}

/* Where the empty line ends that ends a head: 0 if it hasn't come. An LF alone ends lines too, to be refused then. */
static size_t find_end(const char *bytes, size_t len, size_t from)
{
    while (from < len) {
        const char *lf = memchr(bytes + from, '\n', len - from);
        if (lf == NULL)
            return 0;
        size_t next = (size_t)(lf - bytes) + 1;
        if (next < len && bytes[next] == '\n')
            return next + 1;
        if (next + 1 < len && bytes[next] == '\r' && bytes[next + 1] == '\n')
            return next + 2;
        from = next;
    }
    return 0;
}

static enum gate_http1_verdict refuse_head(struct gate_http1_head *head, const char *reason)
{
    head->reason = reason;
    return GATE_HTTP1_REFUSE;
}

enum gate_http1_verdict gate_http1_examine(struct gate_http1_head *head, const char *bytes, size_t len, size_t max)
{
    /* One empty line before the request is tolerated, as libh2o does (RFC 9112, 2.2). */
    size_t start = len >= 2 && memcmp(bytes, "\r\n", 2) == 0 ? 2 : 0;
    size_t from = head->searched > start ? head->searched : start;

    if (len == 0)
        return GATE_HTTP1_WAIT;
    /* No request begins with less than a letter: a TLS hello on a port in the clear need not wait for a timeout. */
    if ((unsigned char)bytes[0] < 'A' && bytes[0] != '\r')
        return refuse_head(head, "no HTTP");
    if (start == 2 && len >= 4 && memcmp(bytes + 2, "\r\n", 2) == 0)
        return refuse_head(head, "an empty request line");
    head->len = find_end(bytes, len, from);
    if (head->len > max || (head->len == 0 && len > max))
        return refuse_head(head, "a request head that is too long");
    if (head->len == 0) {
        head->searched = len > 3 ? len - 3 : 0; /* the last three bytes may begin the end */
        return GATE_HTTP1_WAIT;
    }
    const char *wrong = check_lines(head, bytes + start, head->len - start);
    return wrong != NULL ? refuse_head(head, wrong) : GATE_HTTP1_SHOW;
}
