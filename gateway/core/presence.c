/* presence.c - publishes to a NATS subject which streams of a route have begun and ended */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/presence.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/list.h"
#include "gateway/base/lock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/core/channel.h"
#include "gateway/core/identity.h"
#include "gateway/core/reader.h"
#include "gateway/core/source.h"
#include "proto/units.h"

/* Messages of one call: the calling thread has other work, too. */
#define TURN_MESSAGES 64
#define TIME_SIZE 32

_Static_assert(2 * PRESENCE_LIST_BYTES < 1u << 20,
               "a message with both lists full is one that brokers take by default");
_Static_assert(PRESENCE_LIST_BYTES <= PRESENCE_BYTES, "a list may become full");

/* Under the lock. */
struct presence_subject {
    UT_hash_handle hh; /* by key: the route's path, NUL, the subject, NUL */
    struct list dirty; /* in the list of those with something to tell */
    const char *path, *subject;
    size_t key_len;
    uint64_t streams;
    uint64_t joined, left;       /* since the last message */
    struct buffer joins, leaves; /* of these, those that are named */
    bool is_incomplete;
    char key[];
};

struct presence {
    const char *gateway;
    struct source *source;
    atomic_uint flying;
    struct lock lock; /* of the rest, but for due_ns */
    struct presence_subject *subjects;
    struct list dirty; /* the first to be told first */
    size_t bytes;      /* of all lists */
    uint64_t last_number;
    int64_t due_ns; /* the flushing thread's */
};

/* One message on its way. */
struct notice {
    struct publish publish;
    struct presence *presence;
    uint64_t changes;
};

struct presence *presence_create(const char *gateway, struct source *source)
{
    struct presence *presence = check_calloc(1, sizeof(*presence));
    presence->gateway = gateway;
    presence->source = source;
    list_init(&presence->dirty);
    lock_init(&presence->lock);
    return presence;
}

static void count_lost(uint64_t changes)
{
    metrics_add_shared(METRIC_PRESENCE_LOST, (int64_t)changes);
}

/* ---- subjects ---- */

static void reset_subject(struct presence *presence, struct presence_subject *subject)
{
    CHECK_HELD(&presence->lock);
    CHECK(presence->bytes >= subject->joins.len + subject->leaves.len);
    presence->bytes -= subject->joins.len + subject->leaves.len;
    buffer_dispose(&subject->joins);
    buffer_dispose(&subject->leaves);
    subject->joined = subject->left = 0;
    subject->is_incomplete = false;
    list_remove(&subject->dirty);
}

static void destroy_subject(struct presence *presence, struct presence_subject *subject)
{
    CHECK(presence->subjects != NULL);
    HASH_DEL(presence->subjects, subject);
    count_lost(subject->joined + subject->left);
    reset_subject(presence, subject);
    free(subject);
}

void presence_destroy(struct presence *presence)
{
    struct presence_subject *subject, *next;
    if (presence == NULL)
        return;
    CHECK(atomic_load(&presence->flying) == 0);
    lock_take(&presence->lock);
    HASH_ITER (hh, presence->subjects, subject, next)
        destroy_subject(presence, subject);
    lock_give(&presence->lock);
    lock_dispose(&presence->lock);
    free(presence);
}

/* Found or made; NULL: there are too many. */
static struct presence_subject *find_subject(struct presence *presence, const char *path, const char *name)
{
    CHECK_HELD(&presence->lock);
    size_t path_size = strlen(path) + 1, name_size = strlen(name) + 1, key_len = path_size + name_size;
    struct presence_subject *subject = check_calloc(1, sizeof(*subject) + key_len), *found;
    memcpy(subject->key, path, path_size);
    memcpy(subject->key + path_size, name, name_size);
    HASH_FIND(hh, presence->subjects, subject->key, key_len, found);
    if (found != NULL || HASH_COUNT(presence->subjects) >= PRESENCE_SUBJECTS_MAX) {
        free(subject);
        return found;
    }
    subject->path = subject->key;
    subject->subject = subject->key + path_size;
    subject->key_len = key_len;
    list_init(&subject->dirty);
    HASH_ADD_KEYPTR(hh, presence->subjects, subject->key, key_len, subject);
    return subject;
}

/* ---- what they say ---- */

static void add_time(struct buffer *json)
{
    char text[TIME_SIZE] = "";
    units_write_time(text, clock_wall_ns() / NS_PER_MS);
    buffer_format(json, "\"time\":\"%s\"", text);
}

static void add_text(struct buffer *json, const char *text)
{
    if (text != NULL)
        buffer_add_json(json, text, strlen(text));
    else
        buffer_add_text(json, "null");
}

static void add_stream(struct buffer *json, const struct presence_stream *stream, const struct reader *reader)
{
    buffer_format(json, "{\"stream\":%llu,", (unsigned long long)stream->number);
    add_time(json);
    buffer_add_text(json, ",\"subjects\":[");
    for (unsigned i = 0; i != reader->cursor_count; ++i) {
        const struct channel *channel = reader->cursors[i].view->channel;
        buffer_add_text(json, i == 0 ? "" : ",");
        buffer_add_json(json, channel->pattern, channel->pattern_len);
    }
    buffer_add_text(json, "],\"sub\":");
    add_text(json, reader->identity != NULL ? reader->identity->sub : NULL);
}

/* Under the lock. Named if there is room, else only counted. */
static void note_change(struct presence *presence, struct presence_subject *subject, struct buffer *list,
                        const struct buffer *item)
{
    CHECK_HELD(&presence->lock);
    size_t more = item->len + 1;
    if (list->len + more > PRESENCE_LIST_BYTES || presence->bytes + more > PRESENCE_BYTES) {
        subject->is_incomplete = true;
    } else {
        if (list->len != 0) {
            buffer_add(list, ",", 1);
            ++presence->bytes;
        }
        buffer_add(list, item->bytes, item->len);
        presence->bytes += item->len;
    }
    if (list_is_empty(&subject->dirty))
        list_append(&presence->dirty, &subject->dirty);
}

void presence_join(struct presence *presence, struct presence_stream *stream, const char *name,
                   const struct reader *reader)
{
    struct buffer item = {.bytes = NULL};
    lock_take(&presence->lock);
    struct presence_subject *subject = find_subject(presence, reader->route->path, name);
    *stream = (struct presence_stream){subject, ++presence->last_number, clock_mono_coarse_ns()};
    if (subject != NULL) {
        add_stream(&item, stream, reader);
        buffer_add_text(&item, "}");
        ++subject->streams;
        ++subject->joined;
        note_change(presence, subject, &subject->joins, &item);
    }
    lock_give(&presence->lock);
    buffer_dispose(&item);
    if (subject != NULL)
        return;
    count_lost(1);
    log_write_limited(LOG_WARN, "presence-full", log_u64("subjects", PRESENCE_SUBJECTS_MAX));
}

void presence_leave(struct presence *presence, struct presence_stream *stream, const struct reader *reader)
{
    struct presence_subject *subject = stream->subject;
    struct buffer item = {.bytes = NULL};
    if (subject == NULL)
        return;
    add_stream(&item, stream, reader);
    buffer_format(&item, ",\"reason\":\"%s\",\"seconds\":", close_reason_label(reader->reason));
    buffer_add_seconds(&item, clock_mono_coarse_ns() - stream->joined_ns);
    buffer_add_text(&item, "}");
    lock_take(&presence->lock);
    CHECK(subject->streams != 0);
    --subject->streams;
    ++subject->left;
    note_change(presence, subject, &subject->leaves, &item);
    lock_give(&presence->lock);
    buffer_dispose(&item);
    stream->subject = NULL;
}

/* ---- telling ---- */

static const char *status_text(enum publish_status status)
{
    static const char *const texts[] = {
        [PUBLISH_OK] = "ok",
        [PUBLISH_TOO_LARGE] = "the broker takes no message of that length",
        [PUBLISH_UNAVAILABLE] = "the broker is away, or busy",
        [PUBLISH_DENIED] = "the broker does not let the gateway publish there",
    };
    return texts[status];
}

/* Any thread. */
static void on_published(struct publish *publish)
{
    struct notice *notice = publish->owner;
    if (publish->status == PUBLISH_OK) {
        metrics_add_shared(METRIC_PRESENCE_PUBLISHED, 1);
    } else {
        count_lost(notice->changes);
        log_write_limited(LOG_WARN, "presence-lost", log_str("subject", publish->subject),
                          log_u64("changes", notice->changes), log_str("reason", status_text(publish->status)));
    }
    unsigned before = atomic_fetch_sub(&notice->presence->flying, 1);
    CHECK(before != 0);
    free(publish->subject);
    free(publish->data);
    free(notice);
}

/* Under the lock. */
static void write_message(const struct presence *presence, const struct presence_subject *subject, struct buffer *json)
{
    buffer_add_text(json, "{\"gateway\":");
    add_text(json, presence->gateway);
    buffer_add_text(json, ",\"route\":");
    add_text(json, subject->path);
    buffer_add_text(json, ",");
    add_time(json);
    buffer_format(json, ",\"streams\":%llu,\"joined\":%llu,\"left\":%llu,\"complete\":%s,\"joins\":[",
                  (unsigned long long)subject->streams, (unsigned long long)subject->joined,
                  (unsigned long long)subject->left, subject->is_incomplete ? "false" : "true");
    buffer_add(json, subject->joins.bytes, subject->joins.len);
    buffer_add_text(json, "],\"leaves\":[");
    buffer_add(json, subject->leaves.bytes, subject->leaves.len);
    buffer_add_text(json, "]}");
}

/* Under the lock. The subject may be gone after it. */
static struct notice *take_notice(struct presence *presence, struct presence_subject *subject)
{
    CHECK_HELD(&presence->lock);
    CHECK(subject->joined + subject->left != 0);
    struct notice *notice = check_calloc(1, sizeof(*notice));
    struct buffer json = {.bytes = NULL};
    write_message(presence, subject, &json);
    notice->presence = presence;
    notice->changes = subject->joined + subject->left;
    notice->publish = (struct publish){
        .subject = check_strdup(subject->subject),
        .data_len = json.len,
        .done = on_published,
        .owner = notice,
    };
    notice->publish.data = buffer_take(&json);
    reset_subject(presence, subject);
    if (subject->streams == 0)
        destroy_subject(presence, subject);
    return notice;
}

static bool tell_next(struct presence *presence)
{
    struct notice *notice = NULL;
    lock_take(&presence->lock);
    if (!list_is_empty(&presence->dirty))
        notice = take_notice(presence, LIST_ENTRY(presence->dirty.next, struct presence_subject, dirty));
    lock_give(&presence->lock);
    if (notice == NULL)
        return false;
    atomic_fetch_add(&presence->flying, 1);
    presence->source->ops->publish(presence->source, &notice->publish);
    return true;
}

bool presence_flush(struct presence *presence, int64_t now_ns)
{
    if (now_ns < presence->due_ns || !presence->source->ops->is_connected(presence->source))
        return false;
    for (unsigned i = 0; i != TURN_MESSAGES; ++i) {
        if (atomic_load(&presence->flying) >= PRESENCE_FLYING_MAX)
            return false; /* the period's pace is kept by the broker then */
        if (!tell_next(presence)) {
            presence->due_ns = now_ns + PRESENCE_PERIOD_NS;
            return false;
        }
    }
    return true;
}

void presence_flush_all(struct presence *presence)
{
    while (tell_next(presence))
        ;
}
