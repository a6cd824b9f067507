/* nats_message.c - a message of the client library as the core takes it */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_message.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/core/message.h"

struct header {
    const char *name;
    size_t offset;
};

#define HEADER(name, member)                                                                                           \
    {                                                                                                                  \
        name, offsetof(struct message, member)                                                                         \
    }
static const struct header headers[] = {
    HEADER("Sse-Event", sse_event), HEADER("Sse-Retry", sse_retry),       HEADER("ce-id", ce_id),
    HEADER("ce-type", ce_type),     HEADER("ce-source", ce_source),       HEADER("ce-subject", ce_subject),
    HEADER("ce-time", ce_time),     HEADER("Content-Type", content_type),
};

static const char *header_value(natsMsg *msg, const char *key)
{
    const char *value;
    return natsMsgHeader_Get(msg, key, &value) == NATS_OK ? value : NULL;
}

/* The library's lookup minds the case, publishers don't: hence the walk over what is there. */
static void read_headers(natsMsg *msg, struct message *message)
{
    const char **keys, *data_content_type = NULL;
    int count;
    if (natsMsgHeader_Keys(msg, &keys, &count) != NATS_OK)
        return;
    for (int i = 0; i < count; ++i) {
        for (size_t j = 0; j < sizeof(headers) / sizeof(headers[0]); ++j) {
            if (strcasecmp(keys[i], headers[j].name) == 0) {
                const char *value = header_value(msg, keys[i]);
                memcpy((char *)message + headers[j].offset, &value, sizeof(value));
            }
        }
        if (strcasecmp(keys[i], "ce-datacontenttype") == 0)
            data_content_type = header_value(msg, keys[i]);
    }
    if (data_content_type != NULL)
        message->content_type = data_content_type;
    free(keys);
}

void nats_message_read(natsMsg *msg, struct message *message)
{
    const char *subject = natsMsg_GetSubject(msg);
    int64_t received_ns = message->received_ns, arrived_ns = message->arrived_ns;
    *message = (struct message){
        .subject = subject,
        .subject_len = strlen(subject),
        .data = natsMsg_GetData(msg),
        .data_len = (size_t)natsMsg_GetDataLength(msg),
        .received_ns = received_ns,
        .arrived_ns = arrived_ns,
    };
    read_headers(msg, message);
}

/* ---- replies of deliveries ---- */

#define ACK_PREFIX "$JS.ACK."
#define SHORT_TOKENS 7 /* stream, consumer, times delivered, two sequences, time, pending */
#define LONG_TOKENS 9  /* domain and account in front; some servers add one more at the end */

/* Decimal digits and nothing else, up to the '.' or the end. */
static bool read_number(const char *token, uint64_t *number)
{
    size_t len = strcspn(token, ".");
    uint64_t value = 0;
    for (size_t i = 0; i < len; ++i) {
        unsigned digit = (unsigned)(unsigned char)token[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *number = value;
    return len != 0;
}

bool js_delivery_read(const char *reply, struct js_delivery *delivery)
{
    const char *tokens[LONG_TOKENS + 1];
    size_t count = 0;
    if (reply == NULL || strncmp(reply, ACK_PREFIX, sizeof(ACK_PREFIX) - 1) != 0)
        return false;
    for (const char *token = reply + sizeof(ACK_PREFIX) - 1; token != NULL; ++count) {
        if (count == LONG_TOKENS + 1)
            return false;
        tokens[count] = token;
        token = strchr(token, '.');
        token = token != NULL ? token + 1 : NULL;
    }
    if (count != SHORT_TOKENS && count != LONG_TOKENS && count != LONG_TOKENS + 1)
        return false;
    const char **numbers = tokens + (count == SHORT_TOKENS ? 3 : 5);
    uint64_t stored_ns;
    if (!read_number(numbers[0], &delivery->stream_sequence) ||
        !read_number(numbers[1], &delivery->consumer_sequence) || !read_number(numbers[2], &stored_ns) ||
        !read_number(numbers[3], &delivery->pending) || stored_ns > INT64_MAX)
        return false;
    delivery->stored_ns = (int64_t)stored_ns;
    return true;
}
