/* js_inspect.c - looks at the stream, and acts on what it finds */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_inspect.h"

#include <stdio.h>

#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/source/jetstream/js_republish.h"
#include "gateway/source/jetstream/js_state.h"
#include "gateway/source/nats/nats_retry.h"

#define SUBJECTS_TEXT_MAX 200

/* ---- what goes wrong ---- */

static const char *failure_text(struct js_link *link, natsStatus status, char text[JS_REASON_MAX])
{
    if (js_inbox_take_denial(&link->source->inbox, &link->news, text))
        return text;
    if (status == NATS_NO_RESPONDERS)
        return "JetStream is not enabled for this account";
    if (status == NATS_TIMEOUT)
        return "no answer from JetStream (a leader is being elected, or the permissions don't allow it)";
    const char *last = nats_GetLastError(NULL);
    return nats_retry_reason(status, last);
}

void js_inspect_log_failure(struct js_source *source, struct js_link *link, const char *what, natsStatus status,
                            jsErrCode code)
{
    CHECK_THREAD(source);
    char text[JS_REASON_MAX];
    const char *reason = failure_text(link, status, text);
    ++source->failures;
    link->silences = status == NATS_TIMEOUT ? link->silences + 1 : 0;
    /* The session's end is news of its own. */
    if (atomic_load(&link->session.is_over) || !nats_retry_logs(source->failures))
        return;
    log_write(LOG_WARN, "stream-unavailable", log_str("stream", source->stream), log_str("request", what),
              log_str("reason", reason), log_u64("code", code), log_u64("attempts", source->failures));
}

static void log_missing(struct js_source *source)
{
    ++source->failures;
    if (nats_retry_logs(source->failures))
        log_write(LOG_ERROR, "stream-missing", log_str("stream", source->stream),
                  log_str("reason", "there is no such stream; it has to be created"),
                  log_u64("attempts", source->failures));
}

/* ---- its configuration ---- */

static void list_subjects(const jsStreamConfig *config, char text[SUBJECTS_TEXT_MAX])
{
    size_t len = 0;
    text[0] = '\0';
    for (int i = 0; i < config->SubjectsLen && len < SUBJECTS_TEXT_MAX; ++i)
        len += (size_t)snprintf(text + len, SUBJECTS_TEXT_MAX - len, "%s%s", i != 0 ? ", " : "", config->Subjects[i]);
}

/* Where it copies from others, its own subjects (if any) say nothing about what it holds. */
static void check_subjects(struct js_source *source, const struct js_stream *stream)
{
    char subjects[SUBJECTS_TEXT_MAX], fault[JS_FAULT_MAX];
    const jsStreamConfig *config = stream->info->Config;
    if (config->Mirror != NULL || config->SourcesLen != 0)
        return;
    list_subjects(config, subjects);
    for (unsigned i = 0; i != source->subjects_count; ++i) {
        if (js_stream_stores(stream, source->subjects[i]))
            continue;
        log_write(LOG_ERROR, "stream-subjects", log_str("stream", source->stream),
                  log_str("route_subject", source->subjects[i]), log_str("stream_subjects", subjects),
                  log_str("reason", "the stream does not store what a route asks for"));
        snprintf(fault, sizeof(fault), "the subject \"%s\" of a route lies outside the stream %s, which stores: %s",
                 source->subjects[i], source->stream, subjects);
        js_inbox_set_fault(&source->inbox, fault);
    }
}

/* Reading takes messages out of a stream that keeps them for its consumers only. */
static bool may_be_read(struct js_source *source, const jsStreamInfo *info)
{
    char fault[JS_FAULT_MAX];
    if (source->is_publish_only || info->Config->Retention == js_LimitsPolicy)
        return true;
    snprintf(fault, sizeof(fault), "the stream %s is %s: to read it would take its messages from those they are for",
             source->stream, info->Config->Retention == js_WorkQueuePolicy ? "a work queue" : "kept by interest");
    js_inbox_set_fault(&source->inbox, fault);
    ++source->failures;
    if (nats_retry_logs(source->failures))
        log_write(LOG_ERROR, "stream-unusable", log_str("stream", source->stream), log_str("reason", fault));
    return false;
}

/* What its configuration means for us. False: it can't be used. */
static bool take_configuration(struct js_source *source, const struct js_stream *stream)
{
    const jsRePublish *republish = stream->info->Config->RePublish;
    if (!may_be_read(source, stream->info))
        return false;
    if (!source->has_checked_subjects) {
        source->has_checked_subjects = true;
        check_subjects(source, stream);
    }
    js_republish_adopt(source, republish != NULL ? republish->Source : NULL,
                       republish != NULL ? republish->Destination : NULL, republish != NULL && republish->HeadersOnly);
    return true;
}

enum js_stream_status js_inspect_stream(struct js_source *source, struct js_link *link, struct js_stream *stream)
{
    CHECK_THREAD(source);
    enum js_stream_status status = js_stream_read(&link->session, stream);
    /* that there is no such stream is an answer, too */
    if (status == JS_STREAM_FAILED)
        js_inspect_log_failure(source, link, "info", stream->status, stream->code);
    else
        link->silences = 0;
    if (status == JS_STREAM_MISSING)
        log_missing(source);
    if (status == JS_STREAM_OK && !take_configuration(source, stream))
        status = JS_STREAM_MISSING; /* one that can't be read may be recreated, too */
    js_stream_dispose(stream);
    return status;
}
