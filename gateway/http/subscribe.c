/* subscribe.c - from a request on a route to its stream */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/subscribe.h"

#include <h2o.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/config/config.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"
#include "gateway/core/reserved.h"
#include "gateway/http/accept.h"
#include "gateway/http/access/authorize.h"
#include "gateway/http/app.h"
#include "gateway/http/exchange.h"
#include "gateway/http/limits.h"
#include "gateway/http/reply.h"
#include "gateway/http/stream.h"
#include "proto/text.h"
#include "proto/units.h"

/*
 * What the request asks for; false results have been answered. On the stack of
 * subscribe_answer; only what waits for a microservice moves to the request's
 * pool, which is kept as long as the stream.
 */
struct ask {
    struct exchange *exchange;
    const struct config_route *route; /* the exchange's */
    const struct permit *permit;      /* while the request is being read */
    const char *subjects[READER_SUBJECTS_MAX];
    size_t subject_count;
    h2o_iovec_t cursor;
    struct reader_options options;
    const char *presence; /* subject on which the stream is announced; NULL: none */
};

static bool accepts_event_stream(const struct exchange *exchange)
{
    const h2o_req_t *req = exchange->req;
    struct accept_verdict verdict = {.specificity = 0};
    bool any = false;
    for (ssize_t i = -1; (i = h2o_find_header(&req->headers, H2O_TOKEN_ACCEPT, i)) != -1;) {
        h2o_iovec_t value = req->headers.entries[i].value;
        any |= value.len != 0;
        accept_read(&verdict, value.base, value.len);
    }
    return !any || verdict.is_acceptable; /* without the field anything is acceptable: RFC 9110 12.5.1 */
}

/* Adds a checked subject, unless one covers it already; takes out those it covers. */
static void add_subject(struct ask *ask, const char *subject)
{
    size_t len = strlen(subject), kept = 0;
    /* Or the stream would follow one more channel, all of whose messages come on the other, too. */
    if (subject_any_covers(ask->subjects, ask->subject_count, subject, len))
        return;
    for (size_t i = 0; i != ask->subject_count; ++i) {
        if (!subject_covers(subject, len, ask->subjects[i], strlen(ask->subjects[i])))
            ask->subjects[kept++] = ask->subjects[i];
    }
    CHECK(kept < READER_SUBJECTS_MAX);
    /* sorted, so that the same set is the same stream, in whatever order it is asked for */
    size_t at = kept;
    while (at != 0 && strcmp(ask->subjects[at - 1], subject) > 0) {
        ask->subjects[at] = ask->subjects[at - 1];
        --at;
    }
    ask->subjects[at] = subject;
    ask->subject_count = kept + 1;
}

static bool expand_subjects(struct ask *ask)
{
    for (unsigned i = 0; i != ask->route->subjects_count; ++i) {
        char subject[SUBJECT_MAX + 1];
        size_t len;
        if (!authorize_template(ask->permit, ask->route->subjects[i], subject, &len))
            return false;
        add_subject(ask, h2o_strdup(&ask->exchange->req->pool, subject, len).base);
    }
    return true;
}

static bool choose_subject(struct ask *ask, const char *value, size_t len, unsigned number)
{
    if (number > READER_SUBJECTS_MAX) {
        metrics_add(ask->exchange->app->hub->metrics, METRIC_REJECTED_SUBJECTS, 1);
        reply_problem(ask->exchange, 400, "more than %d subjects on one stream", READER_SUBJECTS_MAX);
        return false;
    }
    enum subject_verdict verdict = subject_check_pattern(value, len);
    if (verdict != SUBJECT_OK) {
        reply_problem(ask->exchange, 400, "subject \"%.*s\" %s", (int)len, value, subject_verdict_text(verdict));
        return false;
    }
    const char *subject = h2o_strdup(&ask->exchange->req->pool, value, len).base;
    if (!subject_any_covers((const char *const *)ask->route->allow, ask->route->allow_count, subject, len)) {
        reply_problem(ask->exchange, 403, "subject \"%s\" is outside what this route allows", subject);
        return false;
    }
    if (!authorize_subject(ask->permit, subject, len))
        return false;
    add_subject(ask, subject);
    return true;
}

static bool read_since(struct ask *ask, const char *value, size_t len)
{
    int64_t ms, ns;
    if (h2o_memis(value, len, H2O_STRLIT("now"))) {
        ask->options.start = READER_FROM_NOW;
    } else if (h2o_memis(value, len, H2O_STRLIT("earliest"))) {
        ask->options.start = READER_FROM_EARLIEST;
    } else if (h2o_memis(value, len, H2O_STRLIT("last"))) {
        if (ask->route->history.store != POLICY_STORE_JETSTREAM) {
            reply_problem(ask->exchange, 400, "since=last needs a route whose history is kept by JetStream");
            return false;
        }
        ask->options.start = READER_FROM_LAST;
    } else if (units_parse_duration(value, len, &ms)) {
        ask->options.start = READER_FROM_TIME;
        ask->options.start_ns = clock_wall_ns() - ms * NS_PER_MS; /* the clock that messages are stamped by */
    } else if (units_parse_time(value, len, &ns)) {
        ask->options.start = READER_FROM_TIME;
        ask->options.start_ns = ns;
    } else {
        reply_problem(ask->exchange, 400,
                      "since=\"%.*s\" is not now, earliest, last, a duration such as 5m, or an RFC 3339 time", (int)len,
                      value);
        return false;
    }
    return true;
}

static bool read_follow(struct ask *ask, const char *value, size_t len)
{
    ask->options.follow = !h2o_memis(value, len, H2O_STRLIT("false"));
    if (!ask->options.follow || h2o_memis(value, len, H2O_STRLIT("true")))
        return true;
    reply_problem(ask->exchange, 400, "follow=\"%.*s\" is not true or false", (int)len, value);
    return false;
}

static bool is_cursor_name(const char *key, size_t len)
{
    return h2o_memis(key, len, H2O_STRLIT("lastEventId")) || h2o_memis(key, len, H2O_STRLIT("last_event_id")) ||
           h2o_memis(key, len, H2O_STRLIT("lastEventID")) || h2o_memis(key, len, H2O_STRLIT("last-id"));
}

/* One decoded pair. Unknown names (a cache buster, tracking) are ignored. */
static bool read_pair(struct ask *ask, const char *key, size_t key_len, char *value, size_t len,
                      unsigned *subject_number)
{
    /* A route with subjects of its own leaves no choice: there it is one more unknown name. */
    if (h2o_memis(key, key_len, H2O_STRLIT("subject")) && ask->route->allow_count != 0)
        return choose_subject(ask, value, len, ++*subject_number);
    if (h2o_memis(key, key_len, H2O_STRLIT("since"))) {
        /* a time has no blank, but its offset's + is easily left unencoded */
        for (char *p = value; (p = memchr(p, ' ', len - (size_t)(p - value))) != NULL;)
            *p = '+';
        return read_since(ask, value, len);
    }
    if (h2o_memis(key, key_len, H2O_STRLIT("follow")))
        return read_follow(ask, value, len);
    if (is_cursor_name(key, key_len) && len != 0)
        ask->cursor = h2o_strdup(&ask->exchange->req->pool, value, len);
    return true;
}

/* A value that can't be decoded is not repeated: it may be a token. */
static bool read_encoded_pair(struct ask *ask, const struct text_query_pair *pair, char *decoded,
                              unsigned *subject_number)
{
    size_t key_len, value_len;
    char *value = decoded + pair->key_len;
    if (!text_percent_decode(decoded, &key_len, pair->key, pair->key_len, true)) {
        reply_problem(ask->exchange, 400, "the query has a name with a bad percent-encoding");
        return false;
    }
    if (!text_percent_decode(value, &value_len, pair->value, pair->value_len, true)) {
        reply_problem(ask->exchange, 400, "the query has a bad percent-encoding in the value of \"%.*s\"",
                      (int)pair->key_len, pair->key);
        return false;
    }
    return read_pair(ask, decoded, key_len, value, value_len, subject_number);
}

static bool read_query(struct ask *ask)
{
    size_t len;
    const char *query = exchange_query(ask->exchange, &len);
    char *decoded = check_malloc(len + 1); /* not in the pool, which lives as long as the stream */
    size_t position = 0;
    unsigned subject_number = 0;
    struct text_query_pair pair;
    bool good = true;
    while (good && text_query_next(query, len, &position, &pair))
        good = read_encoded_pair(ask, &pair, decoded, &subject_number);
    free(decoded);
    return good;
}

static void read_cursor(struct ask *ask)
{
    const h2o_req_t *req = ask->exchange->req;
    /* The header wins over the query value: a browser that reconnects sends both, and its URL has the older id. */
    ssize_t index = h2o_find_header_by_str(&req->headers, H2O_STRLIT("last-event-id"), -1);
    if (index != -1 && req->headers.entries[index].value.len != 0)
        ask->cursor = req->headers.entries[index].value; /* no copy: it lives with the request, as the reader does */
    if (ask->cursor.len == 0)
        return;
    /* The id wins over since=, which a reconnecting browser repeats as well. */
    ask->options.start = READER_FROM_CURSOR;
    ask->options.cursor_text = ask->cursor.base;
    ask->options.cursor_len = ask->cursor.len;
}

/* The subject of presence: a path value must lead neither to a pattern nor to a subject of the gateways. */
static bool expand_presence(struct ask *ask)
{
    const char *presence = ask->route->presence;
    char subject[SUBJECT_MAX + 1];
    size_t len;
    struct route_expansion_error error;
    ask->presence = presence;
    if (presence == NULL || strchr(presence, '{') == NULL)
        return true;
    if (!route_expand(presence, ask->permit->params, NULL, subject, &len, &error) ||
        reserved_is_control(subject, len) || subject_check_literal(subject, len) != SUBJECT_OK) {
        reply_problem(ask->exchange, 400, "the path has a value that can't be part of a subject");
        return false;
    }
    ask->presence = h2o_strdup(&ask->exchange->req->pool, subject, len).base;
    return true;
}

static bool read_request(struct ask *ask)
{
    if (!expand_subjects(ask) || !expand_presence(ask) || !read_query(ask))
        return false;
    if (ask->subject_count == 0) {
        reply_problem(ask->exchange, 400, "no subject: ask for some with ?subject=NAME, at most %d",
                      READER_SUBJECTS_MAX);
        return false;
    }
    read_cursor(ask);
    return true;
}

static void on_allowed(const struct permit *permit, void *data)
{
    struct ask *ask = data;
    /* Answered only now, so that HEAD has the status that GET would get. */
    if (exchange_is_method(ask->exchange, "HEAD")) {
        stream_send_head(ask->exchange);
        return;
    }
    if (!limits_admit_bearer(ask->exchange, permit->identity))
        return;
    ask->options.subjects = ask->subjects;
    ask->options.subject_count = ask->subject_count;
    ask->options.expires_ns = permit->expires_ns;
    ask->options.identity = permit->identity;
    stream_start(ask->exchange, &ask->options, ask->presence);
}

void subscribe_answer(struct exchange *exchange, const struct route_params *params)
{
    const struct config_route *route = exchange->route;
    struct permit permit;
    struct ask ask = {
        .exchange = exchange,
        .route = route,
        .options = {.route = route,
                    .source = exchange->app->sources[route->history.source],
                    .start = READER_FROM_NOW,
                    .follow = true},
    };
    if (!accepts_event_stream(exchange)) {
        reply_problem(exchange, 406, "this route sends text/event-stream, which the accept header excludes");
        return;
    }
    if (!authorize_begin(&permit, exchange, params))
        return;
    ask.permit = &permit;
    if (!read_request(&ask)) {
        authorize_end(&permit);
        return;
    }
    authorize_then(&permit, ask.subjects, ask.subject_count, &ask, sizeof(ask), on_allowed);
}
