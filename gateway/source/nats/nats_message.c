/* nats_message.c - messages of the client library from and for the core */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_message.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/core/message.h"
#include "gateway/core/source.h"

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

/* The library's lookup is case sensitive, publishers are not careful: hence the walk over all headers. */
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

natsStatus nats_message_create(natsMsg **msg, const struct publish *publish, const char *reply)
{
    natsStatus status = natsMsg_Create(msg, publish->subject, reply, publish->data, (int)publish->data_len);
    for (size_t i = 0; status == NATS_OK && i != publish->header_count; ++i)
        status = natsMsgHeader_Add(*msg, publish->headers[i].name, publish->headers[i].value);
    if (status == NATS_OK && publish->msg_id != NULL)
        status = natsMsgHeader_Set(*msg, "Nats-Msg-Id", publish->msg_id);
    if (status != NATS_OK) {
        natsMsg_Destroy(*msg);
        *msg = NULL;
    }
    return status;
}
