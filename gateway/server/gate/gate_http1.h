/* gate_http1.h - which bytes of an HTTP/1.1 client libh2o may be shown */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_GATE_GATE_HTTP1_H
#define GATEWAY_SERVER_GATE_GATE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The head of one request: request line and header fields up to the empty
 * line (RFC 9112). libh2o's parser takes forms that a proxy before us may
 * understand in another way, and holds whatever comes while a head is
 * incomplete; it is shown whole heads only, and none of those.
 */
enum gate_http1_verdict { GATE_HTTP1_WAIT = 0, GATE_HTTP1_SHOW, GATE_HTTP1_REFUSE };

struct gate_http1_head {
    size_t searched;    /* set by the function: no end of the head before that */
    size_t len;         /* of a head that may be shown */
    bool body, expects; /* something may follow it; it waits for 100 Continue */
    const char *reason; /* static text, of a refusal */
};

/*
 * bytes: from where a request begins. Call again with more of the same while
 * it says WAIT; the struct starts zeroed. max: the longest head.
 */
enum gate_http1_verdict gate_http1_examine(struct gate_http1_head *head, const char *bytes, size_t len, size_t max);

#endif
