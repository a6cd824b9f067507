/* message.h - one message on its way from a source into channels */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_MESSAGE_H
#define GATEWAY_CORE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

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

#endif
