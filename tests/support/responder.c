/* responder.c - a microservice that answers questions over NATS as the test says */
/* SPDX-License-Identifier: MIT */
#include "tests/support/responder.h"

#include <nats/nats.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/sandbox.h"

#define HELD_MAX 4096

struct responder {
    natsConnection *connection;
    natsSubscription *subscription;
    pthread_mutex_t lock; /* guards all below */
    char *say, *question;
    bool holds;
    bool ended; /* on_question will not be called any more */
    unsigned count, held_count;
    char *held[HELD_MAX]; /* subjects of replies */
};

static void require(natsStatus status, const char *what)
{
    if (status != NATS_OK)
        fixture_fail("responder: %s: %s", what, natsStatus_GetText(status));
}

static void on_question(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *arg)
{
    struct responder *responder = arg;
    (void)subscription;
    pthread_mutex_lock(&responder->lock);
    free(responder->question);
    responder->question = text_format("%.*s", natsMsg_GetDataLength(msg), natsMsg_GetData(msg));
    if (responder->holds && responder->held_count != HELD_MAX)
        responder->held[responder->held_count++] = text_format("%s", natsMsg_GetReply(msg));
    else if (responder->say != NULL)
        natsConnection_PublishString(connection, natsMsg_GetReply(msg), responder->say);
    ++responder->count; /* last: a test that sees the new count may rely on the rest */
    pthread_mutex_unlock(&responder->lock);
    natsMsg_Destroy(msg);
}

static void on_end(void *arg)
{
    struct responder *responder = arg;
    pthread_mutex_lock(&responder->lock);
    responder->ended = true;
    pthread_mutex_unlock(&responder->lock);
}

static bool has_ended(struct responder *responder)
{
    pthread_mutex_lock(&responder->lock);
    bool ended = responder->ended;
    pthread_mutex_unlock(&responder->lock);
    return ended;
}

struct responder *responder_start(const char *url, const char *subject)
{
    struct responder *responder = calloc(1, sizeof(*responder));
    natsOptions *options = NULL;

    if (responder == NULL)
        fixture_fail("out of memory");
    pthread_mutex_init(&responder->lock, NULL);
    responder->question = text_format("%s", "");
    require(natsOptions_Create(&options), "options");
    require(natsOptions_SetURL(options, url), url);
    require(natsOptions_SetMaxReconnect(options, -1), "reconnect");
    require(natsOptions_SetReconnectWait(options, 20), "reconnect");
    require(natsConnection_Connect(&responder->connection, options), "connect");
    natsOptions_Destroy(options);
    require(natsConnection_Subscribe(&responder->subscription, responder->connection, subject, on_question, responder),
            subject);
    require(natsSubscription_SetOnCompleteCB(responder->subscription, on_end, responder), "end");
    require(natsConnection_FlushTimeout(responder->connection, scaled_ms(10000)), "flush");
    return responder;
}

void responder_stop(struct responder *responder)
{
    if (responder == NULL)
        return;
    natsConnection_Close(responder->connection);
    for (int64_t give_up = deadline_in(10000); !has_ended(responder);) {
        if (now_ms() >= give_up)
            fixture_fail("responder: it does not end");
        sleep_ms(1);
    }
    natsSubscription_Destroy(responder->subscription);
    natsConnection_Destroy(responder->connection);
    for (unsigned i = 0; i != responder->held_count; ++i)
        free(responder->held[i]);
    free(responder->say);
    free(responder->question);
    pthread_mutex_destroy(&responder->lock);
    free(responder);
}

void responder_say(struct responder *responder, const char *text)
{
    pthread_mutex_lock(&responder->lock);
    free(responder->say);
    responder->say = text != NULL ? text_format("%s", text) : NULL;
    pthread_mutex_unlock(&responder->lock);
}

void responder_hold(struct responder *responder)
{
    pthread_mutex_lock(&responder->lock);
    responder->holds = true;
    pthread_mutex_unlock(&responder->lock);
}

void responder_release(struct responder *responder)
{
    pthread_mutex_lock(&responder->lock);
    responder->holds = false;
    for (unsigned i = 0; i != responder->held_count; ++i) {
        if (responder->say != NULL)
            natsConnection_PublishString(responder->connection, responder->held[i], responder->say);
        free(responder->held[i]);
    }
    responder->held_count = 0;
    pthread_mutex_unlock(&responder->lock);
}

unsigned responder_count(struct responder *responder)
{
    pthread_mutex_lock(&responder->lock);
    unsigned count = responder->count;
    pthread_mutex_unlock(&responder->lock);
    return count;
}

bool responder_wait(struct responder *responder, unsigned count)
{
    int64_t give_up = deadline_in(10000);
    while (responder_count(responder) < count) {
        if (now_ms() >= give_up)
            return false;
        sleep_ms(2);
    }
    return true;
}

char *responder_question(struct responder *responder)
{
    pthread_mutex_lock(&responder->lock);
    char *question = text_format("%s", responder->question);
    pthread_mutex_unlock(&responder->lock);
    return question;
}
