/* js_missed.c - republish mode: what has come to which channel, and what should have */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_missed.h"

#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/core/ingress.h"
#include "gateway/core/message.h"
#include "gateway/core/reserved.h"
#include "gateway/source/jetstream/js_state.h"

void js_missed_note(struct js_source *source, uint64_t number, const struct message *message)
{
    CHECK_HELD(&source->live.lock);
    struct js_live *live = &source->live;
    if (!source->republish.is_wanted)
        return;
    for (size_t i = 0; i != live->matches.count; ++i)
        ((struct js_channel *)ingress_source_data(live->matches.values[i]))->known = number;
    /* A subject that no channel wants must not take the place of one that is followed. */
    if (live->matches.count != 0) {
        uint64_t hash = hash_keyed(message->subject, message->subject_len);
        source->republish.seen[hash % JS_SEEN_MAX] = (struct js_seen){hash, number};
    }
}

/* Readers are past the lost message already: all they can still get is a gap. */
static void tell_lost(struct js_source *source, struct js_channel *channel)
{
    log_write_limited(LOG_WARN, "stream-events-lost", log_str("stream", source->stream),
                      log_str("subject", ingress_pattern(channel->channel)),
                      log_str("reason", "a republished message was lost on the way, and found missing too late"));
    channel->known = channel->told = source->live.horizon;
    ingress_lost_at(&source->base, &channel->channel, 1, channel->known);
}

/* The channel has newer messages, should have had this one, and its readers have had no gap event for it. */
static bool is_missing(const struct js_channel *channel, uint64_t number)
{
    return number > channel->floor && number > channel->told && !ingress_has(channel->channel, number);
}

void js_missed_filter(struct js_source *source, uint64_t number, const struct message *message)
{
    CHECK_HELD(&source->live.lock);
    struct subject_index_matches *matches = &source->live.matches;
    size_t count = 0;
    if (!source->republish.is_wanted || reserved_has(message->subject, message->subject_len))
        matches->count = 0;
    for (size_t i = 0; i != matches->count; ++i) {
        struct js_channel *channel = ingress_source_data(matches->values[i]);
        if (channel->known < number && channel->floor < number)
            matches->values[count++] = matches->values[i];
        else if (source->republish.mode == JS_BY_CONSUMER && is_missing(channel, number))
            tell_lost(source, channel);
    }
    matches->count = count;
}

uint64_t js_missed_before(struct js_source *source, const char *subject, size_t subject_len, uint64_t last)
{
    struct js_live *live = &source->live;
    CHECK_HELD(&live->lock);
    if (last == 0)
        return 0;
    uint64_t hash = hash_keyed(subject, subject_len), rewind = 0;
    const struct js_seen *seen = &source->republish.seen[hash % JS_SEEN_MAX];
    if (seen->hash == hash && seen->number >= last)
        return 0; /* by far the most common case */
    for (size_t i = 0; i != live->matches.count; ++i) {
        struct js_channel *channel = ingress_source_data(live->matches.values[i]);
        if (!channel->is_confirmed || last <= channel->floor)
            continue;
        if (last > channel->known)
            rewind = rewind == 0 || channel->known < rewind ? channel->known + 1 : rewind;
        else if (is_missing(channel, last))
            tell_lost(source, channel);
    }
    return rewind;
}
