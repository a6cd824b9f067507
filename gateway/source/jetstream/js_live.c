/* js_live.c - what has come of the stream into its channels, in order */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_live.h"

#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/source/jetstream/js_channels.h"
#include "gateway/source/jetstream/js_held.h"
#include "gateway/source/jetstream/js_missed.h"
#include "gateway/source/jetstream/js_rewind.h"
#include "gateway/source/jetstream/js_state.h"
#include "gateway/source/jetstream/js_stream.h"
#include "gateway/source/nats/nats_message.h"

void js_live_append(struct js_source *source, natsMsg *msg, uint64_t number, struct message *message)
{
    CHECK_HELD(&source->live.lock);
    struct js_live *live = &source->live;
    const char *subject = message->subject;
    size_t subject_len = message->subject_len;
    bool is_late = number <= live->horizon;
    if (is_late)
        js_missed_filter(source, number, message);
    if (live->matches.count != 0)
        nats_message_read(msg, message);
    message->subject = subject;
    message->subject_len = subject_len;
    (is_late ? ingress_append_late : ingress_append_at)(
        &source->base, number, message, (struct channel *const *)(void *)live->matches.values, live->matches.count);
    if (!is_late)
        live->horizon = number;
    js_missed_note(source, number, message);
}

void js_live_break_off(struct js_source *source, const char *reason)
{
    CHECK_HELD(&source->live.lock);
    struct js_live *live = &source->live;
    live->is_working = false;
    js_held_forget(live);
    live->broken = reason;
    js_rewind_look_back(source);
    source->republish.mode = JS_BY_CONSUMER;
    js_channels_take_in(source);
    js_inbox_wake(&source->inbox);
}

/* As far back as the longest ring reaches. */
static uint64_t window_start(const struct js_source *source, const struct js_stream *stream)
{
    uint64_t reach = stream->last >= source->events ? stream->last - source->events + 1 : 1;
    return stream->first > reach ? stream->first : reach;
}

void js_live_begin_epoch(struct js_source *source, const struct js_stream *stream)
{
    CHECK_HELD(&source->live.lock);
    struct js_live *live = &source->live;
    struct channel **channels = js_channels_list(live);
    bool is_first = !live->has_horizon;
    live->base = ingress_begin_epoch(&source->base, stream->incarnation, channels, is_first ? 0 : live->channel_count);
    live->horizon = live->base + window_start(source, stream) - 1;
    live->hole_end = 0;
    js_rewind_forget(source);
    ingress_advance(&source->base, live->horizon);
    if (is_first) {
        live->has_horizon = true;
        live->warm_at = live->base + stream->last;
        for (size_t i = 0; i != live->channel_count; ++i)
            ingress_opened_at(channels[i], live->horizon);
    }
    free(channels);
}

void js_live_lose(struct js_source *source, uint64_t up_to)
{
    CHECK_HELD(&source->live.lock);
    struct js_live *live = &source->live;
    struct channel **channels = js_channels_list(live);
    log_write_limited(LOG_WARN, "stream-events-lost", log_str("stream", source->stream),
                      log_u64("after", live->horizon - live->base), log_u64("first", up_to - live->base + 1),
                      log_str("reason", "the stream dropped them before they were delivered"));
    if (up_to < live->horizon)
        up_to = live->horizon;
    /* without channels there is no mark whose number could move the horizon */
    if (live->channel_count != 0)
        ingress_lost_at(&source->base, channels, live->channel_count, up_to);
    else
        ingress_advance(&source->base, up_to);
    live->horizon = up_to;
    free(channels);
}
