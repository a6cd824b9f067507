/* request.h - a question to a microservice, over the source's broker */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_REQUEST_H
#define GATEWAY_CORE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

enum request_status { REQUEST_OK = 0, REQUEST_TIMEOUT, REQUEST_NO_RESPONDERS, REQUEST_UNAVAILABLE };

/*
 * NATS request/reply. Made by the HTTP layer, owned by the source from
 * ops->request until done is called (once, on any thread, also on failure).
 */
struct request {
    char *subject; /* literal, checked, NUL terminated */
    char *data;
    size_t data_len;
    int64_t timeout_ms;
    enum request_status status; /* set before done */
    char *reply;                /* malloc'd, NUL terminated, set before done with REQUEST_OK; the owner frees it */
    size_t reply_len;
    void (*done)(struct request *request);
    void *owner;
    struct request *next; /* free for the holder */
};

#endif
