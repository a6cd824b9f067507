/* js_answers.c - one thread's subscription on a session, for the answers to what it asks */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_answers.h"

#include <limits.h>
#include <stdio.h>

#include "gateway/base/check.h"
#include "gateway/source/jetstream/js_session.h"

#define FLUSH_WAIT_MS 2000

/* Random, so that no two threads, gateways or sessions have the same. */
static bool choose_prefix(struct js_answers *answers)
{
    natsInbox *inbox;
    if (natsInbox_Create(&inbox) != NATS_OK)
        return false;
    snprintf(answers->prefix, sizeof(answers->prefix), "%s.", inbox);
    natsInbox_Destroy(inbox);
    return true;
}

bool js_answers_open(struct js_answers *answers, struct js_session *session, int messages, int64_t bytes)
{
    char subject[sizeof(answers->prefix) + 2];
    CHECK(answers->subscription == NULL);
    js_answers_dispose(answers);
    if (!choose_prefix(answers))
        return false;
    snprintf(subject, sizeof(subject), "%s*", answers->prefix);
    if (natsConnection_SubscribeSync(&answers->subscription, session->connection, subject) != NATS_OK)
        return false;
    natsSubscription_SetPendingLimits(answers->subscription, messages, bytes < INT_MAX ? (int)bytes : INT_MAX);
    return true;
}

void js_answers_close(struct js_answers *answers, struct js_session *session)
{
    natsSubscription *subscription = answers->subscription;
    answers->subscription = NULL;
    if (subscription == NULL)
        return;
    /* While the session lasts, the answer to a flush says that the reader of the socket is past the subscription. */
    if (natsSubscription_Unsubscribe(subscription) == NATS_OK &&
        natsConnection_FlushTimeout(session->connection, FLUSH_WAIT_MS) == NATS_OK)
        natsSubscription_Destroy(subscription);
    else
        answers->retired = subscription;
}

void js_answers_dispose(struct js_answers *answers)
{
    natsSubscription_Destroy(answers->retired);
    answers->retired = NULL;
}
