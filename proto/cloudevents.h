/* cloudevents.h - one NATS message as one line of CloudEvents 1.0 JSON */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_CLOUDEVENTS_H
#define PROTO_CLOUDEVENTS_H

#include <stddef.h>
#include <stdint.h>

/*
 * CloudEvents 1.0 JSON format, structured mode. All strings are UTF-8 without
 * NUL; a string that is NULL is left out ("id", "source" and "type" are
 * required by the specification and must be given). The payload becomes
 * "data" as it is when it is JSON and datacontenttype, if given, says so too
 * (line ends between tokens turn into blanks, so that the whole stays one
 * line), "data" as a JSON string when it is other UTF-8 text, else
 * "data_base64". An empty payload has neither.
 */
struct cloudevent {
    const char *id, *source, *type, *subject, *datacontenttype;
    int64_t time_ms; /* Unix time in ms, written as RFC 3339 UTC; < 0: left out */
    const char *data;
    size_t data_len;
};

size_t cloudevent_size(const struct cloudevent *event);
/* Writes cloudevent_size(event) bytes at dst (no NUL) and returns that number. */
size_t cloudevent_write(char *dst, const struct cloudevent *event);

#endif
