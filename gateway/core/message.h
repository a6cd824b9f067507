/* message.h - one message on its way from a source into channels */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_MESSAGE_H
#define GATEWAY_CORE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/config/config.h"
#include "proto/subject.h"

/*
 * Neutral to where it came from. Everything points into memory of the source
 * that need only live for the call it is passed to. Optional strings are NULL
 * when the message has no such header; they are as the broker delivered them,
 * unchecked.
 */
struct message {
    const char *subject;
    size_t subject_len;
    const char *data;
    size_t data_len;
    int64_t received_ns;   /* wall clock at the callback, or the broker's own time stamp */
    int64_t arrived_ns;    /* monotonic, at the callback; 0: it is read from a store, and no news */
    const char *sse_event; /* header Sse-Event */
    const char *sse_retry; /* header Sse-Retry, milliseconds */
    const char *ce_id;     /* headers ce-*, percent-decoded by the reader of them */
    const char *ce_type;
    const char *ce_source;
    const char *ce_subject;
    const char *ce_time;
    const char *content_type; /* ce-datacontenttype, else Content-Type */
};

/* What operators tell all gateways: whatever a route or a token lets in, it is for no client to read or to say. */
static inline bool message_is_control(const char *subject, size_t len)
{
    static const char prefix[] = "freshet.control.";
    return len >= sizeof(prefix) - 1 && memcmp(subject, prefix, sizeof(prefix) - 1) == 0;
}

/*
 * Subjects that no stream carries, however wide its pattern, and no client
 * publishes to: questions to microservices have everybody's claims and headers
 * in them, presence has their names. A subject or a checked pattern, copied;
 * it stays hidden. One thread at a time hides, any asks. False: too many.
 */
#define MESSAGE_HIDDEN_MAX (CONFIG_QUESTIONS_MAX + CONFIG_PRESENCES_MAX)
bool message_hide(const char *pattern);
bool message_is_hidden(const char *subject, size_t len);

static inline bool message_is_for_readers(const struct message *message)
{
    return message->subject_len <= SUBJECT_MAX && !subject_is_reserved(message->subject, message->subject_len) &&
           !message_is_control(message->subject, message->subject_len) &&
           !message_is_hidden(message->subject, message->subject_len);
}

#endif
