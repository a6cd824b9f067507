/* js_stream.c - what a stream is like: its life, its bounds, its configuration */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_stream.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/hash.h"
#include "gateway/source/jetstream/js_session.h"
#include "proto/subject.h"

#define INCARNATION_BITS 40
_Static_assert(INCARNATION_BITS < 64, "the mask below is one word");

/* The same on every gateway, whatever its byte order. */
static uint64_t make_incarnation(const char *name, int64_t created_ns)
{
    unsigned char bytes[sizeof(created_ns)];
    for (size_t i = 0; i != sizeof(bytes); ++i)
        bytes[i] = (unsigned char)((uint64_t)created_ns >> (8 * i));
    uint64_t hash = hash_add(HASH_START, name, strlen(name) + 1);
    hash = hash_add(hash, bytes, sizeof(bytes));
    hash = (hash ^ hash >> INCARNATION_BITS) & ((UINT64_C(1) << INCARNATION_BITS) - 1);
    return hash != 0 ? hash : 1; /* 0 is no incarnation */
}

enum js_stream_status js_stream_read(struct js_session *session, struct js_stream *stream)
{
    *stream = (struct js_stream){.info = NULL};
    stream->status = js_GetStreamInfo(&stream->info, session->js, session->stream, NULL, &stream->code);
    if (stream->status == NATS_NOT_FOUND || stream->code == JSStreamNotFoundErr)
        return JS_STREAM_MISSING;
    if (stream->status != NATS_OK)
        return JS_STREAM_FAILED;
    const jsStreamInfo *info = stream->info;
    stream->incarnation = make_incarnation(session->stream, info->Created);
    stream->created_ns = info->Created;
    stream->first = info->State.Msgs != 0 ? info->State.FirstSeq : info->State.LastSeq + 1;
    stream->last = info->State.LastSeq;
    stream->replicas = info->Config->Replicas > 1 ? (unsigned)info->Config->Replicas : 1;
    CHECK(stream->incarnation != 0);
    return JS_STREAM_OK;
}

void js_stream_dispose(struct js_stream *stream)
{
    jsStreamInfo_Destroy(stream->info);
    stream->info = NULL;
}

bool js_stream_stores(const struct js_stream *stream, const char *subject)
{
    const jsStreamConfig *config = stream->info->Config;
    return subject_any_covers(config->Subjects, (size_t)config->SubjectsLen, subject, strlen(subject));
}
