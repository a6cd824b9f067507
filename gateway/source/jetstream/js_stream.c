/* js_stream.c - what the stream is like: its life, its bounds, its subjects */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_internal.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/source/nats/nats_retry.h"
#include "proto/subject.h"

#define SUBJECTS_TEXT_MAX 200
#define INCARNATION_BITS 40

static uint64_t fnv1a(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; ++i)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The same on every gateway, whatever its byte order. */
static uint64_t incarnation_of(const char *name, int64_t created_ns)
{
    unsigned char bytes[sizeof(created_ns)];
    for (size_t i = 0; i < sizeof(bytes); ++i)
        bytes[i] = (unsigned char)((uint64_t)created_ns >> (8 * i));
    uint64_t hash = fnv1a(UINT64_C(0xcbf29ce484222325), name, strlen(name) + 1);
    hash = fnv1a(hash, bytes, sizeof(bytes));
    hash = (hash ^ hash >> INCARNATION_BITS) & ((UINT64_C(1) << INCARNATION_BITS) - 1);
    return hash != 0 ? hash : 1;
}

/* ---- what goes wrong ---- */

static const char *failure_text(struct js_link *link, natsStatus status, char text[JS_REASON_MAX])
{
    lock_take(&link->source->inbox.lock);
    bool was_denied = link->denial[0] != '\0';
    snprintf(text, JS_REASON_MAX, "%s", link->denial);
    link->denial[0] = '\0';
    lock_give(&link->source->inbox.lock);
    if (was_denied)
        return text;
    if (status == NATS_NO_RESPONDERS)
        return "JetStream is not enabled for this account";
    if (status == NATS_TIMEOUT)
        return "no answer from JetStream (a leader is being elected, or the permissions don't allow it)";
    const char *last = nats_GetLastError(NULL);
    return nats_retry_reason(status, last);
}

void js_stream_log_failure(struct js_source *source, struct js_link *link, const char *what, natsStatus status,
                           jsErrCode code)
{
    char text[JS_REASON_MAX];
    const char *reason = failure_text(link, status, text);
    ++source->failures;
    link->silences = status == NATS_TIMEOUT ? link->silences + 1 : 0;
    /* The session's end is news of its own. */
    if (atomic_load(&link->session.over) || !nats_retry_logs(source->failures))
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

/* ---- subjects ---- */

static bool is_covered(const jsStreamConfig *config, const char *subject)
{
    return subject_any_covers(config->Subjects, (size_t)config->SubjectsLen, subject, strlen(subject));
}

static void list_subjects(const jsStreamConfig *config, char text[SUBJECTS_TEXT_MAX])
{
    size_t len = 0;
    text[0] = '\0';
    for (int i = 0; i < config->SubjectsLen && len < SUBJECTS_TEXT_MAX; ++i)
        len += (size_t)snprintf(text + len, SUBJECTS_TEXT_MAX - len, "%s%s", i != 0 ? ", " : "", config->Subjects[i]);
}

/* Says it to whoever waits for the first session: it is the configuration that has to change. */
static void set_fault(struct js_source *source, const char *text)
{
    lock_take(&source->inbox.lock);
    if (source->inbox.fault[0] == '\0')
        snprintf(source->inbox.fault, sizeof(source->inbox.fault), "%s", text);
    condition_broadcast(&source->inbox.settled);
    lock_give(&source->inbox.lock);
}

/* Where it copies from others, its own subjects (if any) say nothing about what it holds. */
static void check_subjects(struct js_source *source, const jsStreamConfig *config)
{
    char subjects[SUBJECTS_TEXT_MAX];
    if (config->Mirror != NULL || config->SourcesLen != 0)
        return;
    list_subjects(config, subjects);
    for (unsigned i = 0; i < source->subjects_count; ++i) {
        if (is_covered(config, source->subjects[i]))
            continue;
        log_write(LOG_ERROR, "stream-subjects", log_str("stream", source->stream),
                  log_str("route_subject", source->subjects[i]), log_str("stream_subjects", subjects),
                  log_str("reason", "the stream does not store what a route asks for"));
        char fault[sizeof(source->inbox.fault)];
        snprintf(fault, sizeof(fault), "the subject \"%s\" of a route lies outside the stream %s, which stores: %s",
                 source->subjects[i], source->stream, subjects);
        set_fault(source, fault);
    }
}

/* Reading takes messages out of a stream that keeps them for its consumers only. */
static bool may_be_read(struct js_source *source, const jsStreamInfo *info)
{
    char fault[sizeof(source->inbox.fault)];
    if (source->publish_only || info->Config->Retention == js_LimitsPolicy)
        return true;
    snprintf(fault, sizeof(fault), "the stream %s is %s: to read it would take its messages from those they are for",
             source->stream, info->Config->Retention == js_WorkQueuePolicy ? "a work queue" : "kept by interest");
    set_fault(source, fault);
    ++source->failures;
    if (nats_retry_logs(source->failures))
        log_write(LOG_ERROR, "stream-unusable", log_str("stream", source->stream), log_str("reason", fault));
    return false;
}

enum js_stream_status js_stream_read(struct js_source *source, struct js_link *link, struct js_stream *stream)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus status = js_GetStreamInfo(&info, link->session.js, source->stream, NULL, &code);
    if (status == NATS_NOT_FOUND || code == JSStreamNotFoundErr) {
        link->silences = 0;
        log_missing(source);
        return JS_STREAM_MISSING;
    }
    if (status != NATS_OK) {
        js_stream_log_failure(source, link, "info", status, code);
        return JS_STREAM_FAILED;
    }
    link->silences = 0;
    if (!may_be_read(source, info)) {
        jsStreamInfo_Destroy(info);
        return JS_STREAM_MISSING;
    }
    *stream = (struct js_stream){
        .incarnation = incarnation_of(source->stream, info->Created),
        .created_ns = info->Created,
        .first = info->State.Msgs != 0 ? info->State.FirstSeq : info->State.LastSeq + 1,
        .last = info->State.LastSeq,
        .replicas = info->Config->Replicas > 1 ? (unsigned)info->Config->Replicas : 1,
    };
    if (!source->checked_subjects) {
        source->checked_subjects = true;
        check_subjects(source, info->Config);
    }
    const jsRePublish *republish = info->Config->RePublish;
    js_republish_adopt(source, republish != NULL ? republish->Source : NULL,
                       republish != NULL ? republish->Destination : NULL, republish != NULL && republish->HeadersOnly);
    jsStreamInfo_Destroy(info);
    return JS_STREAM_OK;
}
