/* nats_publish.c - what the HTTP layer publishes as a message of the client library */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_publish.h"

#include "gateway/core/source.h"

natsStatus nats_publish_create(natsMsg **msg, const struct publish *publish, const char *reply)
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
