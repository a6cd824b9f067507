/* nats_questions.c - questions to microservices, and their replies */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_questions.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/thread.h"
#include "gateway/core/request.h"
#include "gateway/source/nats/nats_denial.h"
#include "gateway/source/nats/nats_state.h"
#include "proto/units.h"

void nats_questions_init(struct nats_source *source)
{
    lock_init(&source->questions.lock);
}

void nats_questions_dispose(struct nats_source *source)
{
    CHECK(source->questions.table == NULL);
    free(source->questions.reply_prefix);
    lock_dispose(&source->questions.lock);
}

void nats_questions_ask(struct source *base, struct request *request)
{
    struct nats_source *source = LIST_ENTRY(base, struct nats_source, base);
    struct nats_question *question = check_calloc(1, sizeof(*question));
    question->request = request;
    question->deadline_ns = clock_mono_ns() + request->timeout_ms * NS_PER_MS;
    /* Refused here, on the caller's thread, when it can't be sent now. */
    if (atomic_load(&source->is_connected) && nats_inbox_ask(&source->inbox, question))
        return;
    free(question);
    request->status = REQUEST_UNAVAILABLE;
    request->done(request);
}

/* It is in the table no more. */
static void finish_question(struct nats_source *source, struct nats_question *question, enum request_status status)
{
    struct request *request = question->request;
    free(question);
    request->status = status;
    nats_inbox_done(&source->inbox, 0, 1);
    request->done(request);
}

static struct nats_question *take_question(struct nats_source *source, uint64_t id)
{
    struct nats_question *question;
    lock_take(&source->questions.lock);
    HASH_FIND(hh, source->questions.table, &id, sizeof(id), question);
    if (question != NULL)
        HASH_DEL(source->questions.table, question);
    lock_give(&source->questions.lock);
    return question;
}

static void send_question(struct nats_source *source, struct nats_question *question)
{
    struct nats_questions *questions = &source->questions;
    const struct request *request = question->request;
    char reply[256];
    uint64_t id = question->id = ++questions->last_id;
    int len = snprintf(reply, sizeof(reply), "%s%llu", questions->reply_prefix, (unsigned long long)id);
    if (len < 0 || (size_t)len >= sizeof(reply) || request->data_len > INT_MAX) {
        finish_question(source, question, REQUEST_UNAVAILABLE);
        return;
    }
    if (questions->due_ns == 0 || question->deadline_ns < questions->due_ns)
        questions->due_ns = question->deadline_ns;
    /* In the table first: the reply may be quicker than the return of the call that asks. */
    lock_take(&questions->lock);
    HASH_ADD(hh, questions->table, id, sizeof(question->id), question);
    lock_give(&questions->lock);
    natsStatus status = natsConnection_PublishRequest(source->connection, request->subject, reply, request->data,
                                                      (int)request->data_len);
    /* unless a reply has taken it meanwhile */
    if (status != NATS_OK && (question = take_question(source, id)) != NULL)
        finish_question(source, question, REQUEST_UNAVAILABLE);
}

void nats_questions_send(struct nats_source *source, struct nats_question *questions, bool can_send)
{
    CHECK_THREAD(source);
    for (struct nats_question *question = questions, *next; question != NULL; question = next) {
        next = question->next;
        if (can_send)
            send_question(source, question);
        else
            finish_question(source, question, REQUEST_UNAVAILABLE);
    }
}

int64_t nats_questions_tick(struct nats_source *source, int64_t now_ns)
{
    CHECK_THREAD(source);
    struct nats_questions *questions = &source->questions;
    struct nats_question *question, *next, *late = NULL;
    if (questions->due_ns == 0 || now_ns < questions->due_ns)
        return questions->due_ns;
    questions->due_ns = 0;
    lock_take(&questions->lock);
    HASH_ITER (hh, questions->table, question, next) {
        if (question->deadline_ns <= now_ns) {
            HASH_DEL(questions->table, question);
            question->next = late;
            late = question;
        } else if (questions->due_ns == 0 || question->deadline_ns < questions->due_ns) {
            questions->due_ns = question->deadline_ns;
        }
    }
    lock_give(&questions->lock);
    for (question = late; question != NULL; question = next) {
        next = question->next;
        finish_question(source, question, REQUEST_TIMEOUT);
    }
    return questions->due_ns;
}

void nats_questions_fail(struct nats_source *source, const struct nats_refused *refused)
{
    CHECK_THREAD(source);
    struct nats_question *question, *next, *lost = NULL;
    lock_take(&source->questions.lock);
    HASH_ITER (hh, source->questions.table, question, next) {
        /* their subjects are only read, and not written while the question is here */
        if (refused == NULL || nats_denial_matches(refused, question->request->subject)) {
            HASH_DEL(source->questions.table, question);
            question->next = lost;
            lost = question;
        }
    }
    lock_give(&source->questions.lock);
    for (question = lost; question != NULL; question = next) {
        next = question->next;
        finish_question(source, question, REQUEST_UNAVAILABLE);
    }
}

static void copy_reply(natsMsg *msg, struct request *request)
{
    size_t len = (size_t)natsMsg_GetDataLength(msg);
    request->reply = check_malloc(len + 1);
    if (len != 0)
        memcpy(request->reply, natsMsg_GetData(msg), len);
    request->reply[len] = '\0';
    request->reply_len = len;
}

/* A reply to what was answered already (late, or a second one) finds no question. */
void nats_questions_on_reply(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *arg)
{
    const struct nats_feed *feed = arg;
    struct nats_source *source = feed->source;
    const char *id_text = strrchr(natsMsg_GetSubject(msg), '.');
    struct nats_question *question = NULL;
    uint64_t id;
    (void)connection;
    (void)subscription;
    if (id_text != NULL && units_parse_u64(id_text + 1, strlen(id_text + 1), &id))
        question = take_question(source, id);
    if (question != NULL && natsMsg_IsNoResponders(msg)) {
        finish_question(source, question, REQUEST_NO_RESPONDERS);
    } else if (question != NULL) {
        copy_reply(msg, question->request);
        finish_question(source, question, REQUEST_OK);
    }
    natsMsg_Destroy(msg);
}
