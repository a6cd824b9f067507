/* accept.h - does an Accept header let us answer with text/event-stream? */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCEPT_H
#define GATEWAY_HTTP_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * RFC 9110 section 12.5.1: the most specific of the ranges that match
 * (text/event-stream, text/, any) decides; a weight of 0 excludes. A
 * field that names no matching range excludes too. Fields are given one by
 * one (struct zeroed before the first); what cannot be parsed matches nothing.
 */
struct accept_verdict {
    int specificity; /* of the best range so far; 0: none matched */
    bool is_acceptable;
};
void accept_read(struct accept_verdict *verdict, const char *field, size_t len);

#endif
