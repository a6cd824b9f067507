/* js_ask.c - what the leader of a stream says it holds */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_ask.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/source/jetstream/js_answers.h"
#include "gateway/source/jetstream/js_session.h"
#include "proto/units.h"

#define CALL_WAIT_MS 2000
/* Questions under way at a time, of one thread: newer servers drop all that wait for them when there are 10,000. */
#define WINDOW 64
#define SUBJECT_SIZE 320

static enum js_answer fail_call(struct js_session *session, natsStatus status, int64_t code)
{
    if (!atomic_load(&session->is_over))
        log_write_limited(LOG_WARN, "jetstream-call-failed", log_str("stream", session->stream),
                          log_str("call", "message-get"), log_str("reason", natsStatus_GetText(status)),
                          log_i64("code", code));
    return status == NATS_TIMEOUT ? JS_ANSWER_TIMEOUT : JS_ANSWER_FAILED;
}

static enum js_answer read_answer(struct js_session *session, json_t *root, uint64_t *sequence, int64_t *stored_ns)
{
    json_t *error = json_object_get(root, "error"), *message = json_object_get(root, "message");
    json_int_t code = json_integer_value(json_object_get(error, "err_code"));
    /* A stream that isn't there answers with the same HTTP-like 404. */
    if (code == JSNoMessageFoundErr)
        return JS_ANSWER_NONE;
    json_t *number = json_object_get(message, "seq");
    const char *time = json_string_value(json_object_get(message, "time"));
    if (!json_is_integer(number) || time == NULL || !units_parse_time(time, strlen(time), stored_ns))
        return fail_call(session, NATS_ERR, code);
    *sequence = (uint64_t)json_integer_value(number);
    return JS_ANSWER_OK;
}

static enum js_answer read_reply(struct js_session *session, natsMsg *reply, uint64_t *sequence, int64_t *stored_ns)
{
    json_t *root = json_loadb(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply), JSON_ALLOW_NUL, NULL);
    enum js_answer answer = read_answer(session, root, sequence, stored_ns);
    json_decref(root);
    natsMsg_Destroy(reply);
    return answer;
}

static void name_call(const struct js_session *session, char subject[SUBJECT_SIZE])
{
    snprintf(subject, SUBJECT_SIZE, "$JS.API.STREAM.MSG.GET.%s", session->stream);
}

/* Steals the request. NULL: it can't be written. The caller frees. */
static char *write_request(json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return text;
}

static json_t *make_next_request(const char *pattern, uint64_t at_least)
{
    return json_pack("{s:I,s:s}", "seq", (json_int_t)at_least, "next_by_subj", pattern);
}

/* Steals the request. */
static enum js_answer get_message(struct js_session *session, json_t *request, uint64_t *sequence, int64_t *stored_ns)
{
    char subject[SUBJECT_SIZE], *text = write_request(request);
    natsMsg *reply = NULL;
    if (text == NULL)
        return fail_call(session, NATS_INVALID_ARG, 0);
    name_call(session, subject);
    natsStatus status = natsConnection_RequestString(&reply, session->connection, subject, text, CALL_WAIT_MS);
    free(text);
    return status == NATS_OK ? read_reply(session, reply, sequence, stored_ns) : fail_call(session, status, 0);
}

enum js_answer js_ask_next(struct js_session *session, const char *pattern, uint64_t at_least, uint64_t *sequence)
{
    int64_t stored_ns;
    return get_message(session, make_next_request(pattern, at_least), sequence, &stored_ns);
}

/* ---- many at once ---- */

bool js_ask_open(struct js_answers *answers, struct js_session *session)
{
    /* an answer carries a message, as text that is a third longer */
    return js_answers_open(answers, session, 2 * WINDOW,
                           2 * WINDOW * natsConnection_GetMaxPayload(session->connection));
}

static natsStatus send_question(struct js_session *session, struct js_answers *answers, const char *pattern,
                                uint64_t at_least)
{
    char subject[SUBJECT_SIZE], reply[sizeof(answers->prefix) + 24], *text;
    text = write_request(make_next_request(pattern, at_least));
    if (text == NULL)
        return NATS_INVALID_ARG;
    name_call(session, subject);
    snprintf(reply, sizeof(reply), "%s%" PRIu64, answers->prefix, answers->asked++);
    natsStatus status = natsConnection_PublishRequestString(session->connection, subject, reply, text);
    free(text);
    return status;
}

/* NATS_OK: *index is the question that it answers, above those under way for one that came too late. */
static natsStatus take_reply(struct js_answers *answers, uint64_t first, natsMsg **reply, uint64_t *index)
{
    natsStatus status = natsSubscription_NextMsg(reply, answers->subscription, CALL_WAIT_MS);
    if (status == NATS_OK)
        *index = strtoull(natsMsg_GetSubject(*reply) + strlen(answers->prefix), NULL, 10) - first;
    return status;
}

enum js_answer js_ask_each(struct js_session *session, struct js_answers *answers, const atomic_bool *interrupt,
                           const char *pattern, struct js_question *questions, size_t count)
{
    uint64_t first = answers->asked, index;
    size_t asked = 0, answered = 0;
    int64_t stored_ns;
    while (answered != count) {
        natsMsg *reply = NULL;
        if (atomic_load(interrupt))
            return JS_ANSWER_FAILED;
        natsStatus status = NATS_OK;
        for (; status == NATS_OK && asked != count && asked - answered < WINDOW; asked += status == NATS_OK)
            status = send_question(session, answers, pattern, questions[asked].at_least);
        if (status == NATS_OK)
            status = take_reply(answers, first, &reply, &index);
        if (status != NATS_OK)
            return fail_call(session, status, 0);
        if (index >= asked) {
            natsMsg_Destroy(reply);
            continue;
        }
        enum js_answer answer = read_reply(session, reply, &questions[index].found, &stored_ns);
        if (answer == JS_ANSWER_NONE)
            questions[index].found = UINT64_MAX;
        else if (answer != JS_ANSWER_OK)
            return answer;
        ++answered;
    }
    return JS_ANSWER_OK;
}

void js_ask_report_skip(const char *stream, uint64_t stored, uint64_t came)
{
    metrics_add_shared(METRIC_STORE_SKIPS, 1);
    log_write_limited(LOG_INFO, "consumer-skipped", log_str("stream", stream), log_u64("stored", stored),
                      log_u64("came", came),
                      log_str("reason", "the broker's consumer passed over messages that the stream holds"),
                      log_str("instead", "the gateway reads them from the stream"));
}

enum js_answer js_ask_last(struct js_session *session, const char *pattern, uint64_t *sequence, int64_t *stored_ns)
{
    return get_message(session, json_pack("{s:s}", "last_by_subj", pattern), sequence, stored_ns);
}

enum js_answer js_ask_range(struct js_session *session, uint64_t *first, uint64_t *last)
{
    jsOptions options;
    jsStreamInfo *info = NULL;
    jsErrCode error = 0;
    jsOptions_Init(&options);
    options.Wait = CALL_WAIT_MS;
    natsStatus status = js_GetStreamInfo(&info, session->js, session->stream, &options, &error);
    if (status != NATS_OK)
        return fail_call(session, status, error);
    *last = info->State.LastSeq;
    *first = info->State.Msgs != 0 ? info->State.FirstSeq : *last + 1;
    jsStreamInfo_Destroy(info);
    return JS_ANSWER_OK;
}
