/* service_auth.c - asks a microservice whether a request is allowed */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access/service_auth.h"

#include <h2o.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "gateway/auth/digest.h"
#include "gateway/auth/token.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/config/config.h"
#include "gateway/core/errand.h"
#include "gateway/core/evict.h"
#include "gateway/core/hub.h"
#include "gateway/core/identity.h"
#include "gateway/core/reader.h"
#include "gateway/core/request.h"
#include "gateway/core/source.h"
#include "gateway/http/access/service_cache.h"
#include "gateway/http/access/service_question.h"
#include "gateway/http/access/service_reply.h"
#include "gateway/http/app.h"
#include "gateway/http/exchange.h"

/* Answers in the cache of one worker. */
#define KEPT_MAX 10000
/* A denial is not kept longer than this, whatever the service says: permission may be granted any time. */
#define DENIED_MAX_NS (30 * NS_PER_S)

/* One question in flight, for all requests that ask the same. Their tickets may all be gone before the answer. */
struct call {
    struct request request;
    struct errand errand;
    struct service_auth *service;
    unsigned char question[DIGEST_SIZE];
    bool is_shared; /* in `calls`: requests with the same question join */
    struct list tickets;
    struct list link;
    UT_hash_handle hh;
};

/* In the request's pool. */
struct ticket {
    struct list link;
    struct service_question *question;
};

/* Its hub's thread only. */
struct service_auth {
    struct app *app;
    struct service_cache *cache;
    struct call *calls;    /* uthash by question */
    struct list in_flight; /* all of them */
    bool is_stopped;
};

struct service_auth *service_auth_create(struct app *app)
{
    struct service_auth *service = check_calloc(1, sizeof(*service));
    service->app = app;
    service->cache = service_cache_create(KEPT_MAX);
    list_init(&service->in_flight);
    return service;
}

void service_auth_destroy(struct service_auth *service)
{
    CHECK(list_is_empty(&service->in_flight) && service->calls == NULL);
    service_cache_destroy(service->cache);
    free(service);
}

/* The last use of the question: the callback may end its request. */
static void answer_question(struct service_question *question, const struct service_reply *reply, int64_t expires_ns)
{
    question->answer = (struct service_answer){.verdict = reply->is_allowed ? SERVICE_ALLOWED : SERVICE_DENIED,
                                               .expires_ns = expires_ns};
    if (!reply->is_allowed && reply->reason[0] != '\0')
        question->answer.reason = h2o_strdup(&question->exchange->req->pool, reply->reason, SIZE_MAX).base;
    question->answered(question);
}

static void answer_denied(struct service_question *question, const char *reason)
{
    question->answer = (struct service_answer){.verdict = SERVICE_DENIED, .reason = reason};
    question->answered(question);
}

static void answer_unavailable(struct service_question *question)
{
    metrics_add(question->exchange->app->hub->metrics, METRIC_REJECTED_AUTH_SERVICE, 1);
    question->answer = (struct service_answer){.verdict = SERVICE_UNAVAILABLE};
    question->answered(question);
}

/* The first of those that are left: an answer may end other requests, too, and so remove their tickets. */
static struct service_question *take_ticket(struct list *tickets)
{
    CHECK(!list_is_empty(tickets));
    struct ticket *ticket = LIST_ENTRY(tickets->next, struct ticket, link);
    list_remove(&ticket->link);
    return ticket->question;
}

static void on_ticket_dispose(void *p)
{
    list_remove(&((struct ticket *)p)->link);
}

static void join_call(struct call *call, struct service_question *question)
{
    struct ticket *ticket = h2o_mem_alloc_shared(&question->exchange->req->pool, sizeof(*ticket), on_ticket_dispose);
    ticket->question = question;
    list_init(&ticket->link);
    list_append(&call->tickets, &ticket->link);
}

/* ---- answers ---- */

static void log_failure(const struct call *call, const char *reason)
{
    log_write_limited(LOG_WARN, "auth-service-failed", log_str("subject", call->request.subject),
                      log_str("reason", reason));
}

/* False: there is no answer. */
static bool read_reply(const struct call *call, struct service_reply *reply)
{
    static const char *const reasons[] = {
        [REQUEST_TIMEOUT] = "no answer in time",
        [REQUEST_NO_RESPONDERS] = "no service is subscribed",
        [REQUEST_UNAVAILABLE] = "the message broker is not connected, or too many questions are open",
    };
    char error[256];
    if (call->request.status != REQUEST_OK) {
        log_failure(call, reasons[call->request.status]);
        return false;
    }
    /* Any of them will do: they asked the same. */
    const struct service_question *question = LIST_ENTRY(call->tickets.next, struct ticket, link)->question;
    if (service_reply_read(call->request.reply, call->request.reply_len, question->subjects, question->subject_count,
                           reply, error, sizeof(error)))
        return true;
    log_failure(call, error);
    return false;
}

/* Monotonic; 0: never. */
static int64_t expiry_ns(const struct service_auth *service, const struct service_reply *reply)
{
    return reply->lifetime_ms != 0 ? service->app->hub->now_ns + reply->lifetime_ms * NS_PER_MS : 0;
}

_Static_assert(READER_SUBJECTS_MAX <= SERVICE_SUBJECTS_MAX, "an answer can name each subject of a question");

static void keep_reply(struct service_auth *service, const struct call *call, const struct service_reply *reply)
{
    int64_t now_ns = service->app->hub->now_ns, until_ns = expiry_ns(service, reply);
    /* Not shared: something was revoked since it was asked, perhaps what the answer allows. */
    if (until_ns == 0 || !call->is_shared)
        return;
    if (!reply->is_allowed && until_ns > now_ns + DENIED_MAX_NS)
        until_ns = now_ns + DENIED_MAX_NS;
    const struct service_verdict verdict = {
        .is_allowed = reply->is_allowed,
        .until_ns = until_ns,
        .reason = reply->reason[0] != '\0' ? (char *)(uintptr_t)reply->reason : NULL,
    };
    service_cache_put(service->cache, call->question, &verdict);
}

static void withdraw_call(struct call *call)
{
    if (call->is_shared)
        HASH_DEL(call->service->calls, call);
    call->is_shared = false;
}

static void on_back(struct errand *errand)
{
    struct call *call = LIST_ENTRY(errand, struct call, errand);
    struct service_auth *service = call->service;
    struct service_reply reply;
    CHECK_THREAD(service->app->hub);
    if (!list_is_empty(&call->tickets)) {
        bool known = read_reply(call, &reply);
        if (known)
            keep_reply(service, call, &reply);
        withdraw_call(call); /* later requests find the cached answer, or start a new call */
        while (!list_is_empty(&call->tickets)) {
            struct service_question *question = take_ticket(&call->tickets);
            if (known)
                answer_question(question, &reply, expiry_ns(service, &reply));
            else
                answer_unavailable(question);
        }
    }
    withdraw_call(call); /* a call whose requests have all gone was not withdrawn above */
    CHECK(list_is_empty(&call->tickets));
    list_remove(&call->link);
    free(call->request.reply);
    free(call->request.subject);
    free(call->request.data);
    free(call);
}

/* ---- questions ---- */

static void start_call(struct service_auth *service, struct service_question *question, char *text, size_t len,
                       const unsigned char digest[DIGEST_SIZE])
{
    const struct config_auth *auth = &question->exchange->route->auth;
    struct source *source = service->app->sources[0];
    struct call *call = check_calloc(1, sizeof(*call));
    call->service = service;
    call->request = (struct request){
        .subject = check_strdup(auth->request),
        .data = text,
        .data_len = len,
        .timeout_ms = auth->timeout_ms,
    };
    memcpy(call->question, digest, DIGEST_SIZE);
    list_init(&call->tickets);
    list_init(&call->link);
    list_append(&service->in_flight, &call->link);
    HASH_ADD(hh, service->calls, question, DIGEST_SIZE, call);
    call->is_shared = true;
    join_call(call, question);
    errand_init(&call->errand, service->app->hub, on_back);
    errand_request(&call->errand, source, &call->request);
}

static void answer_from_cache(struct service_question *question, const struct service_verdict *verdict)
{
    struct service_reply reply = {.is_allowed = verdict->is_allowed};
    if (verdict->reason != NULL)
        memcpy(reply.reason, verdict->reason, strlen(verdict->reason) + 1);
    answer_question(question, &reply, verdict->until_ns);
}

/* The service's subject is part of the digest: two services may answer one question differently. */
static void digest_question(const struct config_auth *auth, const char *text, size_t len,
                            unsigned char digest[static DIGEST_SIZE])
{
    size_t subject_len = strlen(auth->request) + 1;
    char *whole = check_malloc(subject_len + len);
    memcpy(whole, auth->request, subject_len);
    memcpy(whole + subject_len, text, len);
    digest_of(whole, subject_len + len, digest);
    free(whole);
}

void service_auth_ask(struct service_question *question)
{
    struct service_auth *service = question->exchange->app->service;
    unsigned char digest[DIGEST_SIZE];
    const char *wrong;
    struct call *call;
    size_t len;
    CHECK_THREAD(service->app->hub);
    CHECK(question->exchange->route->auth.request != NULL && question->subject_count != 0);
    if (service->is_stopped) { /* a new call might come back after the end */
        answer_unavailable(question);
        return;
    }
    char *text = service_question_write(question, &len, &wrong);
    if (text == NULL) {
        answer_denied(question, wrong); /* a service that is not asked allows nothing */
        return;
    }
    digest_question(&question->exchange->route->auth, text, len, digest);
    const struct service_verdict *verdict = service_cache_find(service->cache, digest, service->app->hub->now_ns);
    HASH_FIND(hh, service->calls, digest, DIGEST_SIZE, call);
    if (verdict == NULL && call == NULL) {
        start_call(service, question, text, len, digest);
        return;
    }
    free(text);
    if (verdict != NULL)
        answer_from_cache(question, verdict);
    else
        join_call(call, question);
}

/* ---- revocations and the end ---- */

static bool is_meant(const struct eviction *eviction, const struct service_question *question)
{
    struct identity identity = {.sub = NULL};
    if (question->token != NULL)
        identity = (struct identity){.sub = question->token->subject, .jti = question->token->id};
    return evict_matches(eviction, &identity, question->exchange->route->path, question->subjects,
                         question->subject_count);
}

/* The calls in flight were made before the revocation: their answers are for the requests that wait already. */
static void withdraw_calls(struct service_auth *service)
{
    for (struct list *node = service->in_flight.next; node != &service->in_flight; node = node->next)
        withdraw_call(LIST_ENTRY(node, struct call, link));
}

void service_auth_revoke(struct service_auth *service, const struct eviction *eviction)
{
    struct list meant;
    CHECK_THREAD(service->app->hub);
    list_init(&meant);
    service_cache_clear(service->cache);
    withdraw_calls(service);
    for (struct list *node = service->in_flight.next; node != &service->in_flight; node = node->next) {
        struct call *call = LIST_ENTRY(node, struct call, link);
        for (struct list *at = call->tickets.next, *next; at != &call->tickets; at = next) {
            next = at->next;
            if (is_meant(eviction, LIST_ENTRY(at, struct ticket, link)->question)) {
                list_remove(at);
                list_append(&meant, at);
            }
        }
    }
    /* After the walk: an answer may end requests whose tickets it would visit next. */
    while (!list_is_empty(&meant))
        answer_denied(take_ticket(&meant), "the permission for this has been revoked");
}

void service_auth_stop(struct service_auth *service)
{
    struct list all;
    CHECK_THREAD(service->app->hub);
    list_init(&all);
    service->is_stopped = true;
    withdraw_calls(service);
    for (struct list *node = service->in_flight.next; node != &service->in_flight; node = node->next)
        list_concat(&all, &LIST_ENTRY(node, struct call, link)->tickets);
    while (!list_is_empty(&all))
        answer_unavailable(take_ticket(&all));
}
