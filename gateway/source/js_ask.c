/* js_ask.c - what the leader of a stream says it holds */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/js_ask.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/source/js_session.h"
#include "proto/units.h"

#define CALL_WAIT_MS 2000

static enum js_answer failed(struct js_session *session, natsStatus status, int64_t code)
{
    if (!atomic_load(&session->over))
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
        return failed(session, NATS_ERR, code);
    *sequence = (uint64_t)json_integer_value(number);
    return JS_ANSWER_OK;
}

/* Steals the request. */
static enum js_answer get_message(struct js_session *session, json_t *request, uint64_t *sequence, int64_t *stored_ns)
{
    char subject[320];
    natsMsg *reply = NULL;
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (text == NULL)
        return failed(session, NATS_INVALID_ARG, 0);
    snprintf(subject, sizeof(subject), "$JS.API.STREAM.MSG.GET.%s", session->stream);
    natsStatus status = natsConnection_RequestString(&reply, session->connection, subject, text, CALL_WAIT_MS);
    free(text);
    if (status != NATS_OK)
        return failed(session, status, 0);
    json_t *root = json_loadb(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply), JSON_ALLOW_NUL, NULL);
    enum js_answer answer = read_answer(session, root, sequence, stored_ns);
    json_decref(root);
    natsMsg_Destroy(reply);
    return answer;
}

enum js_answer js_ask_next(struct js_session *session, const char *pattern, uint64_t at_least, uint64_t *sequence)
{
    int64_t stored_ns;
    json_t *request = json_pack("{s:I,s:s}", "seq", (json_int_t)at_least, "next_by_subj", pattern);
    return get_message(session, request, sequence, &stored_ns);
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
        return failed(session, status, error);
    *last = info->State.LastSeq;
    *first = info->State.Msgs != 0 ? info->State.FirstSeq : *last + 1;
    jsStreamInfo_Destroy(info);
    return JS_ANSWER_OK;
}
