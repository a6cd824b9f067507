/* nats_publish.c - publishing into core NATS */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_publish.h"

#include <limits.h>

#include "gateway/base/check.h"
#include "gateway/base/thread.h"
#include "gateway/source/nats/nats_denial.h"
#include "gateway/source/nats/nats_message.h"
#include "gateway/source/nats/nats_state.h"

uint64_t nats_publish_count_reconnects(const struct nats_source *source)
{
    natsStatistics *statistics = NULL;
    uint64_t count = 0;
    CHECK(natsStatistics_Create(&statistics) == NATS_OK);
    if (natsConnection_GetStats(source->connection, statistics) == NATS_OK)
        natsStatistics_GetCounts(statistics, NULL, NULL, NULL, NULL, &count);
    natsStatistics_Destroy(statistics);
    return count;
}

static natsStatus send_message(struct nats_source *source, const struct publish *publish)
{
    natsMsg *msg = NULL;
    /* most have no header, and need no message of their own */
    if (publish->header_count == 0 && publish->msg_id == NULL)
        return natsConnection_Publish(source->connection, publish->subject, publish->data, (int)publish->data_len);
    natsStatus status = nats_message_create(&msg, publish, NULL);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(source->connection, msg);
    natsMsg_Destroy(msg);
    return status;
}

static enum publish_status send_publish(struct nats_source *source, const struct publish *publish)
{
    if (!source->is_up)
        return PUBLISH_UNAVAILABLE;
    if (publish->data_len > INT_MAX)
        return PUBLISH_TOO_LARGE;
    switch (send_message(source, publish)) {
    case NATS_OK:
        return PUBLISH_OK;
    case NATS_MAX_PAYLOAD:
        return PUBLISH_TOO_LARGE;
    case NATS_NOT_PERMITTED:
        return PUBLISH_DENIED;
    default:
        return PUBLISH_UNAVAILABLE;
    }
}

void nats_publish_send(struct nats_source *source, struct publish *publishes)
{
    CHECK_THREAD(source);
    for (struct publish *publish = publishes; publish != NULL; publish = publish->next)
        publish->status = send_publish(source, publish);
}

unsigned nats_publish_count_denied(const struct publish *publishes, const struct nats_refused *refused)
{
    unsigned count = 0;
    CHECK(refused->is_publish);
    for (; publishes != NULL; publishes = publishes->next)
        count += nats_denial_matches(refused, publishes->subject);
    return count;
}

void nats_publish_deny(struct publish *publishes, const struct nats_refused *refused)
{
    CHECK(refused->is_publish);
    for (struct publish *publish = publishes; publish != NULL; publish = publish->next) {
        if (publish->status == PUBLISH_OK && nats_denial_matches(refused, publish->subject))
            publish->status = PUBLISH_DENIED;
    }
}

void nats_publish_finish(struct nats_source *source, struct publish *publishes, bool confirmed)
{
    CHECK_THREAD(source);
    unsigned count = 0;
    for (struct publish *publish = publishes, *next; publish != NULL; publish = next) {
        next = publish->next;
        if (publish->status == PUBLISH_OK && !confirmed)
            publish->status = PUBLISH_UNAVAILABLE;
        ++count;
        publish->done(publish);
    }
    nats_inbox_done(&source->inbox, count, 0);
}
