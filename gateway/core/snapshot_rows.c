/* snapshot_rows.c - the rows of a snapshot: which there are, and what they say */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/snapshot_rows.h"

#include <string.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/lock.h"
#include "gateway/base/thread.h"
#include "gateway/core/channel.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"
#include "gateway/core/registry.h"
#include "gateway/core/topk.h"
#include "gateway/core/view.h"
#include "proto/subject.h"

/* A write that has been under way for so long is slow, whether there is more to send or not. */
#define STUCK_NS NS_PER_S

void snapshot_rows_init_filter(struct snapshot_filter *filter, const char *text, size_t len)
{
    *filter = (struct snapshot_filter){.len = len};
    if (text == NULL || len == 0)
        return;
    filter->text = check_malloc(len + 1);
    memcpy(filter->text, text, len);
    filter->text[len] = '\0';
    filter->is_pattern = subject_has_wildcard(text, len);
}

static bool passes_filter(const struct snapshot_filter *filter, const struct channel *channel)
{
    if (filter->text == NULL)
        return true;
    if (filter->is_pattern)
        return subject_covers(filter->text, filter->len, channel->pattern, channel->pattern_len);
    return memmem(channel->pattern, channel->pattern_len, filter->text, filter->len) != NULL;
}

/* ---- channels ---- */

struct channel_row {
    uint64_t streams, events, bytes;
    struct event_id head; /* incarnation 0: none */
};

/* The newest event that is kept, behind which there may be marks; NULL: there is none. The lock is held. */
static const struct entry *newest_entry(const struct ring *ring)
{
    uint64_t position = ring->head;
    while (position != ring->tail && ring_entry(ring, position - 1)->segment == NULL)
        --position;
    return position != ring->tail ? ring_entry(ring, position - 1) : NULL;
}

/* The lock is held. */
static struct channel_row read_channel(const struct channel *channel)
{
    CHECK_HELD(&channel->lock);
    const struct ring *ring = &channel->ring;
    struct channel_row row = {.events = ring->head - ring->tail - ring->marks, .bytes = ring->bytes};
    const struct entry *entry = newest_entry(ring);
    for (unsigned i = 0; i != channel->registry->mailbox_count; ++i) {
        if (channel->followers[i] != NULL)
            row.streams += channel->followers[i]->readers;
    }
    if (entry != NULL && channel->profile.store != POLICY_STORE_NONE)
        row.head = source_id(channel->profile.source, entry->sequence);
    return row;
}

static void write_string(struct buffer *json, const char *key, const char *value, size_t len)
{
    buffer_format(json, "\"%s\":", key);
    buffer_add_json(json, value, len);
}

static const char *store_name(enum policy_store store)
{
    static const char *const names[] = {
        [POLICY_STORE_MEMORY] = "memory",
        [POLICY_STORE_NONE] = "none",
        [POLICY_STORE_JETSTREAM] = "jetstream",
    };
    return names[store];
}

static char *write_channel(const struct channel *channel, const struct channel_row *row)
{
    struct buffer json = {.bytes = NULL};
    char id[EVENT_ID_MAX];
    buffer_add_text(&json, "{");
    write_string(&json, "pattern", channel->pattern, channel->pattern_len);
    buffer_format(&json, ",\"store\":\"%s\",\"streams\":%llu,\"head\":", store_name(channel->profile.store),
                  (unsigned long long)row->streams);
    if (row->head.incarnation != 0)
        buffer_add_json(&json, id, event_id_write(id, row->head));
    else
        buffer_add_text(&json, "null");
    buffer_format(&json, ",\"events\":%llu,\"bytes\":%llu}", (unsigned long long)row->events,
                  (unsigned long long)row->bytes);
    return buffer_take(&json);
}

void snapshot_rows_add_channel(struct topk *top, const struct snapshot_filter *filter, struct channel *channel)
{
    if (!passes_filter(filter, channel))
        return;
    lock_take(&channel->lock);
    struct channel_row row = read_channel(channel);
    lock_give(&channel->lock);
    uint64_t key = row.streams << 32 | (row.events < UINT32_MAX ? row.events : UINT32_MAX);
    if (topk_wants(top, key))
        topk_add(top, key, write_channel(channel, &row));
}

/* ---- readers ---- */

/* The events that wait for the reader behind those in flight. */
static uint64_t events_behind(const struct hub *hub, const struct reader *reader)
{
    uint64_t behind = 0, horizon = hub->horizon[reader->source->index];
    if (!reader->is_placed)
        return 0;
    if (reader->history != NULL)
        return horizon > reader->last_sequence ? horizon - reader->last_sequence : 0;
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct cursor *cursor = &reader->cursors[i];
        if (cursor->position < cursor->view->head)
            behind += cursor->view->head - cursor->position;
    }
    return behind;
}

static bool any_passes_filter(const struct snapshot_filter *filter, const struct reader *reader)
{
    bool any = false;
    for (unsigned i = 0; i != reader->cursor_count && !any; ++i)
        any = passes_filter(filter, reader->cursors[i].view->channel);
    return any;
}

static char *write_slow(const struct reader *reader, uint64_t behind, int64_t stuck_ns, int64_t age_ns)
{
    struct buffer json = {.bytes = NULL};
    char peer[READER_PEER_MAX] = "";
    if (reader->ops->peer != NULL)
        reader->ops->peer(reader, peer);
    buffer_add_text(&json, "{");
    write_string(&json, "route", reader->route->path, strlen(reader->route->path));
    buffer_add_text(&json, ",");
    write_string(&json, "peer", peer, strlen(peer));
    buffer_add_text(&json, ",\"subjects\":[");
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct channel *channel = reader->cursors[i].view->channel;
        buffer_add(&json, ",", i != 0);
        buffer_add_json(&json, channel->pattern, channel->pattern_len);
    }
    buffer_format(&json, "],\"behind_events\":%llu,\"stuck_seconds\":", (unsigned long long)behind);
    buffer_add_seconds(&json, stuck_ns);
    buffer_add_text(&json, ",\"age_seconds\":");
    buffer_add_seconds(&json, age_ns);
    buffer_add_text(&json, "}");
    return buffer_take(&json);
}

void snapshot_rows_add_slow(struct topk *top, const struct snapshot_filter *filter, const struct hub *hub,
                            const struct reader *reader)
{
    CHECK_THREAD(hub);
    if (reader->state != READER_FLYING)
        return;
    uint64_t behind = events_behind(hub, reader);
    int64_t stuck_ns = hub->now_ns - reader->last_sent_ns;
    if ((behind == 0 && stuck_ns < STUCK_NS) || !any_passes_filter(filter, reader))
        return;
    uint64_t stuck_s = stuck_ns > 0 ? (uint64_t)(stuck_ns / NS_PER_S) : 0, most = (UINT64_C(1) << 40) - 1;
    uint64_t key = (behind < most ? behind : most) << 20 | (stuck_s < 0xfffff ? stuck_s : 0xfffff);
    if (topk_wants(top, key))
        topk_add(top, key, write_slow(reader, behind, stuck_ns, hub->now_ns - reader->opened_ns));
}
