/* service_question.c - a question to a microservice, as JSON */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access/service_question.h"

#include <h2o.h>
#include <jansson.h>
#include <string.h>

#include "gateway/auth/token.h"
#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/http/access/certificate.h"
#include "gateway/http/access/service_auth.h"
#include "gateway/http/exchange.h"

/* False: it is not UTF-8. */
static bool add_text(json_t *object, const char *name, size_t name_len, const char *value, size_t len)
{
    json_t *text = json_stringn(value, len);
    return text != NULL && json_object_setn_new(object, name, name_len, text) == 0;
}

static bool add_parameters(json_t *root, const struct route_params *params)
{
    json_t *parameters = json_object();
    json_object_set_new(root, "parameters", parameters);
    for (size_t i = 0; i != params->count; ++i) {
        if (!add_text(parameters, params->entries[i].name, params->entries[i].name_len, params->entries[i].value,
                      params->entries[i].len))
            return false;
    }
    return true;
}

static void add_subjects(json_t *root, const char *const *subjects, size_t count)
{
    json_t *array = json_array();
    json_object_set_new(root, "subjects", array);
    for (size_t i = 0; i != count; ++i)
        CHECK(json_array_append_new(array, json_string(subjects[i])) == 0);
}

static bool is_header(const h2o_header_t *header, const char *name)
{
    /* a folded line has no name here */
    return header->name != NULL && header->name->base != NULL &&
           h2o_memis(header->name->base, header->name->len, name, strlen(name));
}

/* Several lines of one name are one value, joined as RFC 9110 section 5.3 says; cookies as RFC 9113 section 8.2.3. */
static bool add_header(json_t *headers, h2o_req_t *req, const char *name)
{
    const char *between = strcmp(name, "cookie") == 0 ? "; " : ", ";
    size_t len = 0;
    bool any = false;
    for (size_t i = 0; i != req->headers.size; ++i)
        len += is_header(&req->headers.entries[i], name) ? req->headers.entries[i].value.len + 2 : 0;
    char *value = check_malloc(len + 1), *end = value;
    for (size_t i = 0; i != req->headers.size; ++i) {
        if (!is_header(&req->headers.entries[i], name))
            continue;
        if (any)
            end = mempcpy(end, between, 2);
        any = true;
        end = mempcpy(end, req->headers.entries[i].value.base, req->headers.entries[i].value.len);
    }
    bool good = !any || add_text(headers, name, strlen(name), value, (size_t)(end - value));
    free(value);
    return good;
}

static bool add_headers(json_t *root, h2o_req_t *req, const struct config_auth *auth)
{
    json_t *headers = json_object();
    json_object_set_new(root, "headers", headers);
    for (unsigned i = 0; i != auth->headers_count; ++i) {
        if (!add_header(headers, req, auth->headers[i]))
            return false;
    }
    return true;
}

static const char *fill_question(json_t *root, const struct service_question *question)
{
    const struct exchange *exchange = question->exchange;
    const char *path = exchange->route->path, *name = certificate_name(exchange->connection);
    char peer[IP_TEXT_MAX];
    json_object_set_new(root, "action", json_string(exchange->route->publish ? "publish" : "subscribe"));
    json_object_set_new(root, "peer", json_string(exchange_address(exchange, peer)));
    json_object_set_new(root, "certificate", name != NULL ? json_string(name) : json_null());
    if (question->token != NULL)
        json_object_set(root, "claims", question->token->json); /* the token keeps its own reference */
    else
        json_object_set_new(root, "claims", json_null());
    add_subjects(root, question->subjects, question->subject_count);
    if (!add_text(root, "route", strlen("route"), path, strlen(path)) || !add_parameters(root, question->params))
        return "the path is not UTF-8";
    if (!add_headers(root, exchange->req, &exchange->route->auth))
        return "a request header that the decision depends on is not UTF-8";
    return NULL;
}

char *service_question_write(const struct service_question *question, size_t *len, const char **wrong)
{
    json_t *root = json_object();
    char *text = NULL;
    *wrong = fill_question(root, question);
    if (*wrong == NULL) {
        /* Sorted, so that equal questions are equal texts: their digest is the key of the cache. */
        text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
        CHECK(text != NULL);
        *len = strlen(text); /* a NUL is written as an escape */
    }
    json_decref(root);
    return text;
}
