/* message.c - one message on its way from a source into channels */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/message.h"

/* Of the process: written before there are other threads. */
static const char *hidden[MESSAGE_HIDDEN_MAX];
static size_t hidden_count;

bool message_hide(const char *subject)
{
    if (message_is_hidden(subject, strlen(subject)))
        return true;
    if (hidden_count == MESSAGE_HIDDEN_MAX)
        return false;
    hidden[hidden_count++] = subject;
    return true;
}

bool message_is_hidden(const char *subject, size_t len)
{
    for (size_t i = 0; i != hidden_count; ++i) {
        if (strlen(hidden[i]) == len && memcmp(hidden[i], subject, len) == 0)
            return true;
    }
    return false;
}
