/* js_follow.c - following the stream, from one session to the next */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_follow.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/source/jetstream/js_consumer.h"
#include "gateway/source/jetstream/js_inspect.h"
#include "gateway/source/jetstream/js_live.h"
#include "gateway/source/jetstream/js_state.h"

#define HOLE_CHECK_MS 100
#define REGRESSION_MS 10000 /* a new leader may be behind its predecessor for so long */

/* ---- where to resume: live.lock is held ---- */

/* The same life of the stream, but less of it than there was: true only if that lasts. */
static bool has_regressed(struct js_source *source, const struct js_stream *stream)
{
    struct js_live *live = &source->live;
    int64_t now_ns = clock_mono_ns();
    if (live->base + stream->last >= live->horizon) {
        source->regression_ns = 0;
        return false;
    }
    if (source->regression_ns == 0)
        source->regression_ns = now_ns;
    return stream->replicas == 1 || now_ns - source->regression_ns >= REGRESSION_MS * NS_PER_MS;
}

static enum js_follow_status adopt_stream(struct js_source *source, struct js_link *link,
                                          const struct js_stream *stream)
{
    struct js_live *live = &source->live;
    bool is_other = live->has_horizon && stream->incarnation != source->incarnation;
    bool has_shrunk = live->has_horizon && !is_other && has_regressed(source, stream);
    if (live->has_horizon && !is_other && !has_shrunk && source->regression_ns != 0) {
        ++source->failures;
        return JS_FOLLOW_LATER;
    }
    if ((is_other || has_shrunk) && link->was_current)
        return JS_FOLLOW_STALE;
    if (is_other || has_shrunk) {
        log_write(LOG_WARN, "stream-recreated", log_str("stream", source->stream), log_u64("first", stream->first),
                  log_u64("last", stream->last), log_bool("same_creation_time", has_shrunk));
        source->has_checked_subjects = source->has_checked_subjects && has_shrunk;
        source->regression_ns = 0;
    }
    if (!live->has_horizon || is_other || has_shrunk) {
        source->incarnation = stream->incarnation;
        js_live_begin_epoch(source, stream);
    } else if (live->base + stream->first > live->horizon + 1) {
        js_live_lose(source, live->base + stream->first - 1);
    }
    if (source->republish.rewind != 0 && live->base + stream->first > source->republish.rewind) {
        source->republish.rewind = 0;
        js_live_lose(source, live->horizon);
    }
    js_session_raise_first(&source->base, live->base + stream->first);
    if (!link->was_current) { /* the pool reads them from then on, and the base can't change any more */
        link->session.base = live->base;
        link->session.replicas = stream->replicas;
    }
    return JS_FOLLOW_OK;
}

/* ---- the consumer ---- */

enum js_follow_status js_follow_start(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    struct js_stream stream;
    jsErrCode code;
    js_consumer_ignore(source);
    switch (js_inspect_stream(source, link, &stream)) {
    case JS_STREAM_MISSING:
        return JS_FOLLOW_MISSING;
    case JS_STREAM_FAILED:
        return JS_FOLLOW_LATER;
    case JS_STREAM_OK:
        break;
    }
    lock_take(&source->live.lock);
    enum js_follow_status status = adopt_stream(source, link, &stream);
    if (status == JS_FOLLOW_OK && source->is_publish_only)
        source->republish.mode = JS_BY_REPUBLISH; /* nothing has to come */
    lock_give(&source->live.lock);
    if (status != JS_FOLLOW_OK || source->is_publish_only)
        return status;
    /* That of the session before, or one that was lost sight of: there is one for each gateway. */
    js_consumer_delete(source, link);
    js_consumer_delete_strays(source, link);
    natsStatus created = js_consumer_create(source, link, &code);
    if (created != NATS_OK) {
        js_inspect_log_failure(source, link, "consumer", created, code);
        js_consumer_ignore(source);
        return JS_FOLLOW_LATER;
    }
    return JS_FOLLOW_OK;
}

void js_follow_end(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    js_consumer_ignore(source);
    if (!atomic_load(&link->session.is_over))
        js_consumer_delete(source, link);
}

const char *js_follow_trouble(struct js_source *source, int64_t now_ns)
{
    CHECK_THREAD(source);
    struct js_live *live = &source->live;
    lock_take(&live->lock);
    const char *reason = live->broken;
    bool working = live->is_working, rests = source->republish.mode == JS_BY_REPUBLISH;
    lock_give(&live->lock);
    if (rests)
        return NULL;
    if (reason != NULL || !working)
        return reason != NULL ? reason : "there is no consumer";
    return now_ns - atomic_load(&live->heard_ns) >= JS_SILENCE_MS * NS_PER_MS ? "nothing is heard of the consumer"
                                                                              : NULL;
}

/*
 * Sequences that were deleted one by one are no gap, but a purge that
 * overtook the consumer is: then the stream begins behind the hole. Asked at
 * once and not too often, because the longer it takes the likelier it is that
 * the stream's limits have moved its beginning meanwhile.
 */
void js_follow_check_hole(struct js_source *source, struct js_link *link)
{
    CHECK_THREAD(source);
    struct js_live *live = &source->live;
    struct js_stream stream;
    int64_t now_ns = clock_mono_ns();
    lock_take(&live->lock);
    uint64_t hole_end = live->hole_end;
    live->hole_end = 0;
    lock_give(&live->lock);
    if (hole_end == 0 || now_ns - source->hole_checked_ns < HOLE_CHECK_MS * NS_PER_MS)
        return;
    source->hole_checked_ns = now_ns;
    if (js_inspect_stream(source, link, &stream) != JS_STREAM_OK || stream.incarnation != source->incarnation)
        return;
    lock_take(&live->lock);
    js_session_raise_first(&source->base, live->base + stream.first);
    if (live->base + stream.first >= hole_end)
        js_live_lose(source, live->horizon);
    lock_give(&live->lock);
}
