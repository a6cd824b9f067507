/* authorize.c - who a client is, and what it may do */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access/authorize.h"

#include <h2o.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "gateway/auth/revoked.h"
#include "gateway/auth/token_verify.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/config/config.h"
#include "gateway/core/hub.h"
#include "gateway/core/identity.h"
#include "gateway/http/access/certificate.h"
#include "gateway/http/access/service_auth.h"
#include "gateway/http/access/token_find.h"
#include "gateway/http/app.h"
#include "gateway/http/exchange.h"
#include "gateway/http/reply.h"

static void note_refusal(const struct exchange *exchange, const char *reason)
{
    metrics_add(exchange->app->hub->metrics, METRIC_REJECTED_AUTH, 1);
    if (log_enabled(LOG_INFO)) {
        char client[IP_TEXT_MAX];
        log_write_limited(LOG_INFO, "auth-refused", log_str("route", exchange->route->path), log_str("reason", reason),
                          log_str("client", exchange_address(exchange, client)));
    }
}

static void send_no_token(struct exchange *exchange)
{
    const struct config_auth *auth = &exchange->route->auth;
    char places[256] = "";
    size_t len = 0;
    if ((auth->from & CONFIG_FROM_HEADER) != 0)
        len += (size_t)snprintf(places, sizeof(places), ", in the header Authorization: Bearer");
    if ((auth->from & CONFIG_FROM_COOKIE) != 0)
        len += (size_t)snprintf(places + len, sizeof(places) - len, ", in the cookie %.64s", auth->cookie);
    if ((auth->from & CONFIG_FROM_QUERY) != 0)
        len += (size_t)snprintf(places + len, sizeof(places) - len, ", in the query's %.64s", auth->query);
    CHECK(len < sizeof(places));
    note_refusal(exchange, "no token");
    reply_header(exchange, "www-authenticate", H2O_STRLIT("Bearer")); /* RFC 6750 3.1: no error code here */
    reply_problem(exchange, 401, "this needs a token%s", places);
}

static void send_bad_token(struct exchange *exchange, const char *reason)
{
    note_refusal(exchange, reason);
    h2o_iovec_t challenge = h2o_concat(&exchange->req->pool,
                                       h2o_iovec_init(H2O_STRLIT("Bearer error=\"invalid_token\", "
                                                                 "error_description=\"")),
                                       h2o_iovec_init(reason, strlen(reason)), h2o_iovec_init(H2O_STRLIT("\"")));
    reply_header(exchange, "www-authenticate", challenge.base, challenge.len);
    reply_problem(exchange, 401, "%s", reason);
}

/*
 * The stream ends at exp by the clock here; one whose token was accepted only
 * because of the leeway ends with the leeway.
 */
static int64_t expiry_ns(const struct token *token, int64_t leeway_ms)
{
    if (token->expires_s == 0 || token->expires_s > INT64_MAX / NS_PER_S) /* no exp, or one after 2262 */
        return 0;
    int64_t now_ns = clock_mono_ns(), left_ns = token->expires_s * NS_PER_S - clock_wall_ns();
    if (left_ns <= 0)
        left_ns += leeway_ms * NS_PER_MS;
    /* Beyond what the clock can say: never. */
    if (left_ns > INT64_MAX - now_ns)
        return 0;
    /* 0 would be never. */
    return now_ns + left_ns > 0 ? now_ns + left_ns : 1;
}

static const char *copy_string(h2o_req_t *req, const char *s)
{
    return s != NULL ? h2o_strdup(&req->pool, s, SIZE_MAX).base : NULL;
}

static void accept_token(struct permit *permit, struct token *token)
{
    const struct exchange *exchange = permit->exchange;
    const struct config_auth *auth = &exchange->route->auth;
    h2o_req_t *req = exchange->req;
    struct identity *identity = h2o_mem_alloc_pool(&req->pool, sizeof(*identity));
    /* Copies: the token goes when the permit ends, the identity stays with the stream. */
    *identity = (struct identity){copy_string(req, token->subject), copy_string(req, token->id), token->expires_s};
    permit->token = token;
    permit->identity = identity;
    permit->expires_ns = expiry_ns(token, auth->leeway_ms);
    permit->is_limited = auth->request == NULL || json_object_get(token->json, "freshet") != NULL;
}

bool authorize_begin(struct permit *permit, struct exchange *exchange, const struct route_params *params)
{
    const struct app *app = exchange->app;
    const struct config_auth *auth = &exchange->route->auth;
    struct token *token = NULL;
    struct token_text text;
    CHECK(exchange->route != NULL);
    *permit = (struct permit){.exchange = exchange, .params = params};
    if (!auth->jwt)
        return true;
    switch (token_find(exchange, auth, &text)) {
    case TOKEN_ABSENT:
        send_no_token(exchange);
        return false;
    case TOKEN_AMBIGUOUS:
        note_refusal(exchange, "several tokens");
        reply_problem(exchange, 400, "the request has more than one token in one place");
        return false;
    case TOKEN_FOUND:
        break;
    }
    const struct token_rules rules = {app->keys[auth->keys], auth->issuer, auth->audience, auth->leeway_ms / 1000};
    int64_t now_s = clock_wall_ns() / NS_PER_S;
    enum token_verdict verdict = token_verify(&rules, text.base, text.len, now_s, &token);
    if (verdict != TOKEN_OK) {
        send_bad_token(exchange, token_verdict_text(verdict));
        return false;
    }
    if (revoked_has_token(app->revoked, token, now_s)) {
        token_destroy(token);
        send_bad_token(exchange, "the token has been revoked");
        return false;
    }
    accept_token(permit, token);
    return true;
}

void authorize_end(struct permit *permit)
{
    if (permit->token != NULL)
        token_destroy(permit->token);
    permit->token = NULL;
}

/* ---- subjects ---- */

struct personal {
    const struct exchange *exchange;
    const struct token *token;
    char number[TOKEN_CLAIM_NUMBER_MAX];
};

static const char *find_personal(void *arg, const char *name, size_t name_len, size_t *len)
{
    static const char prefix[] = "token.";
    struct personal *personal = arg;
    const char *value = NULL;
    if (name_len <= sizeof(prefix) - 1 || memcmp(name, prefix, sizeof(prefix) - 1) != 0)
        value = certificate_name(personal->exchange->connection); /* the only other name a template may have */
    else if (personal->token != NULL)
        value =
            token_claim(personal->token, name + sizeof(prefix) - 1, name_len - (sizeof(prefix) - 1), personal->number);
    *len = value != NULL ? strlen(value) : 0;
    return value;
}

/* The name of the claim or parameter, never its value, which may be private. */
static void send_expansion_error(struct exchange *exchange, const struct route_expansion_error *error)
{
    if (error->personal) {
        note_refusal(exchange, "a subject's claim or certificate name");
        reply_problem(exchange, 403, "%.*s %s", (int)error->name_len, error->name,
                      error->missing ? "is missing, and the subject depends on it"
                                     : subject_verdict_text(error->verdict));
    } else if (error->name != NULL) {
        reply_problem(exchange, 400, "path parameter {%.*s} %s", (int)error->name_len, error->name,
                      subject_verdict_text(error->verdict));
    } else {
        reply_problem(exchange, 400, "the subject %s", subject_verdict_text(error->verdict));
    }
}

bool authorize_template(const struct permit *permit, const char *subject_template, char *dst, size_t *len)
{
    struct exchange *exchange = permit->exchange;
    struct personal personal = {.exchange = exchange, .token = permit->token};
    const struct route_lookup lookup = {find_personal, &personal};
    struct route_expansion_error error;
    if (!route_expand(subject_template, permit->params, &lookup, dst, len, &error)) {
        send_expansion_error(exchange, &error);
        return false;
    }
    /* a message goes to one subject, while a stream may read a pattern */
    enum subject_verdict verdict =
        exchange->route->publish ? subject_check_literal(dst, *len) : subject_check_pattern(dst, *len);
    if (verdict != SUBJECT_OK) {
        reply_problem(exchange, 400, "the subject %s", subject_verdict_text(verdict));
        return false;
    }
    return route_is_personal(subject_template) || authorize_subject(permit, dst, *len);
}

bool authorize_subject(const struct permit *permit, const char *subject, size_t len)
{
    struct exchange *exchange = permit->exchange;
    if (!permit->is_limited)
        return true;
    const struct token *token = permit->token;
    CHECK(token != NULL);
    if (token_grants_cover(exchange->route->publish ? &token->publish : &token->subscribe, subject, len))
        return true;
    note_refusal(exchange, "a subject that the token does not grant");
    reply_header(exchange, "www-authenticate", H2O_STRLIT("Bearer error=\"insufficient_scope\""));
    reply_problem(exchange, 403, "subject \"%.*s\" is outside what the token grants", (int)len, subject);
    return false;
}

/* ---- the microservice ---- */

/* In the request's pool, as all that it points to. */
struct waiting {
    struct service_question question;
    struct permit permit;
    struct route_params params;
    void *data;
    authorize_then_fn then;
};

/* What the microservice has said, noted in the permit. False: answered, 403 or 503. */
static bool note_answer(struct permit *permit, const struct service_answer *answer)
{
    struct exchange *exchange = permit->exchange;
    switch (answer->verdict) {
    case SERVICE_ALLOWED:
        /* The earlier of the two: the service cannot lengthen what the token allows. */
        if (answer->expires_ns != 0 && (permit->expires_ns == 0 || answer->expires_ns < permit->expires_ns))
            permit->expires_ns = answer->expires_ns;
        return true;
    case SERVICE_DENIED:
        note_refusal(exchange, "the microservice denied it");
        if (answer->reason != NULL)
            reply_problem(exchange, 403, "%s", answer->reason);
        else
            reply_problem(exchange, 403, "this is not allowed");
        return false;
    case SERVICE_UNAVAILABLE:
        break;
    }
    reply_header(exchange, "retry-after", H2O_STRLIT("2"));
    reply_problem(exchange, 503, "the service that allows this does not answer at the moment");
    return false;
}

static void on_waiting_dispose(void *p)
{
    /* The client may leave before the service has answered. */
    authorize_end(&((struct waiting *)p)->permit);
}

static void on_answered(struct service_question *question)
{
    struct waiting *waiting = H2O_STRUCT_FROM_MEMBER(struct waiting, question, question);
    if (note_answer(&waiting->permit, &question->answer))
        waiting->then(&waiting->permit, waiting->data);
    /* a stream may live for hours, and needs the identity only */
    authorize_end(&waiting->permit);
}

static void *copy_to_pool(h2o_req_t *req, const void *data, size_t size)
{
    return memcpy(h2o_mem_alloc_pool(&req->pool, size), data, size);
}

static void ask_service(const struct permit *permit, const char *const *subjects, size_t subject_count,
                        const void *data, size_t size, authorize_then_fn then)
{
    h2o_req_t *req = permit->exchange->req;
    struct waiting *waiting = h2o_mem_alloc_shared(&req->pool, sizeof(*waiting), on_waiting_dispose);
    waiting->permit = *permit;
    route_params_copy(&waiting->params, permit->params);
    waiting->permit.params = &waiting->params;
    /* The caller has it on its stack, and the answer may come turns later. */
    waiting->data = copy_to_pool(req, data, size);
    waiting->then = then;
    waiting->question = (struct service_question){
        .exchange = permit->exchange,
        .params = &waiting->params,
        .subjects = copy_to_pool(req, subjects, subject_count * sizeof(*subjects)),
        .subject_count = subject_count,
        .token = permit->token,
        .answered = on_answered,
    };
    service_auth_ask(&waiting->question);
}

void authorize_then(struct permit *permit, const char *const *subjects, size_t subject_count, void *data, size_t size,
                    authorize_then_fn then)
{
    CHECK(subject_count != 0);
    if (permit->exchange->route->auth.request != NULL) {
        ask_service(permit, subjects, subject_count, data, size, then);
        permit->token = NULL; /* the copy's now */
        return;
    }
    then(permit, data);
    authorize_end(permit);
}
