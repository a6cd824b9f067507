/* batch.c - what one send of a reader refers to, and how it is filled */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/random.h"
#include "gateway/base/thread.h"
#include "gateway/core/hub.h"
#include "gateway/core/reader.h"
#include "gateway/core/run.h"
#include "gateway/core/segment.h"
#include "proto/sse.h"
#include "proto/text.h"

/* What one text of a reader's own takes at most: a gap whose cursor is all escapes. */
#define TEXT_MAX 480
#define CURSOR_SHOWN_MAX 40

_Static_assert(offsetof(struct batch, pieces[1]) == 64, "a send of one piece touches one cache line");
_Static_assert(BATCH_SCRATCH >= 2 * TEXT_MAX, "a preamble and a gap fit into one batch");

struct batch *batch_take(struct batch_pool *pool)
{
    struct batch *batch = pool->free;
    if (batch != NULL)
        pool->free = batch->next_free;
    else
        batch = check_aligned(_Alignof(struct batch), sizeof(*batch));
    batch->count = batch->scratch_used = 0;
    batch->bytes = batch->events = 0;
    batch->arrived_ns = 0;
    return batch;
}

void batch_give(struct batch_pool *pool, struct run_pool *runs, struct batch *batch)
{
    for (unsigned i = 0; i != batch->count; ++i) {
        if (batch->pieces[i].run != NULL)
            run_release(runs, batch->pieces[i].run);
    }
    batch->next_free = pool->free;
    pool->free = batch;
}

void batch_pool_dispose(struct batch_pool *pool)
{
    while (pool->free != NULL) {
        struct batch *batch = pool->free;
        pool->free = batch->next_free;
        free(batch);
    }
}

bool batch_has_room(const struct batch *batch)
{
    return batch->count + 2 <= BATCH_PIECES && batch->bytes < BATCH_BYTES &&
           BATCH_SCRATCH - batch->scratch_used >= TEXT_MAX;
}

void batch_add_run(struct reader *reader, struct run *run, uint32_t offset, uint32_t size, uint64_t events)
{
    CHECK_THREAD(reader->hub);
    struct batch *batch = reader->batch;
    const char *base = run->segment->bytes + offset;
    struct piece *last = batch->count != 0 ? &batch->pieces[batch->count - 1] : NULL;

    batch->bytes += size;
    batch->events += events;
    if (last != NULL && last->run == run && last->base + last->len == base) {
        last->len += size;
        return;
    }
    CHECK(batch->count < BATCH_PIECES);
    ++run->refs;
    batch->pieces[batch->count++] = (struct piece){base, size, run};
}

static void add_event(struct reader *reader, const struct sse_event *event)
{
    struct batch *batch = reader->batch;
    size_t size = sse_size(event);
    CHECK(batch->count < BATCH_PIECES && size <= BATCH_SCRATCH - batch->scratch_used);
    char *dst = batch->scratch + batch->scratch_used;
    sse_write(dst, event);
    batch->scratch_used += (uint32_t)size;
    batch->bytes += size;
    batch->pieces[batch->count++] = (struct piece){dst, size, NULL};
}

static bool has_ids(const struct reader *reader)
{
    return reader->route->history.store != POLICY_STORE_NONE;
}

static size_t write_id(const struct reader *reader, char *dst, uint64_t sequence)
{
    return event_id_write(dst, source_id(reader->source, sequence));
}

void batch_add_preamble(struct reader *reader, bool with_id)
{
    CHECK_THREAD(reader->hub);
    char id[EVENT_ID_MAX];
    struct sse_event event = {.retry_ms = random_spread(&reader->hub->random, reader->route->retry_ms)};
    if (with_id && has_ids(reader)) {
        event.id = id;
        event.id_len = write_id(reader, id, reader->last_sequence);
    }
    add_event(reader, &event);
}

static const char *gap_label(enum gap_reason reason)
{
    static const char *const labels[] = {
        [GAP_EVICTED] = "evicted",
        [GAP_UNKNOWN_ID] = "unknown-id",
        [GAP_BROKER_LOST] = "broker-lost",
        [GAP_SLOW] = "slow",
    };
    return labels[reason];
}

/* A JSON string of s, or null; what is not ours to repeat at length is cut, what is no text is left out. */
static size_t write_json_string(char *dst, const char *s, size_t len)
{
    if (len > CURSOR_SHOWN_MAX)
        len = CURSOR_SHOWN_MAX;
    if (len == 0 || !text_is_utf8(s, len)) {
        memcpy(dst, "null", 4);
        return 4;
    }
    size_t size = text_json_write(dst + 1, s, len);
    dst[0] = dst[1 + size] = '"';
    return size + 2;
}

void batch_add_gap(struct reader *reader, enum gap_reason reason, const char *last, size_t last_len,
                   uint64_t next_sequence)
{
    CHECK_THREAD(reader->hub);
    char id[EVENT_ID_MAX], next[EVENT_ID_MAX];
    char last_json[CURSOR_SHOWN_MAX * 6 + 3], next_json[EVENT_ID_MAX + 3], data[TEXT_MAX - 100];
    struct sse_event event = {.name = "freshet.gap", .name_len = 11, .retry_ms = -1, .data = data, .has_data = true};

    bool with_ids = has_ids(reader);
    size_t last_size = write_json_string(last_json, last, last_len);
    size_t next_len = with_ids && next_sequence != 0 ? write_id(reader, next, next_sequence) : 0;
    size_t next_size = write_json_string(next_json, next, next_len);
    int len = snprintf(data, sizeof(data), "{\"reason\":\"%s\",\"last\":%.*s,\"next\":%.*s}", gap_label(reason),
                       (int)last_size, last_json, (int)next_size, next_json);
    CHECK(len > 0 && (size_t)len < sizeof(data));
    event.data_len = (size_t)len;
    if (next_sequence != 0)
        reader->last_sequence = next_sequence - 1;
    if (with_ids) {
        event.id = id; /* a client that resumes from here does not get this gap again */
        event.id_len = write_id(reader, id, reader->last_sequence);
    }
    add_event(reader, &event);
    ++reader->gaps;
    metrics_add(reader->hub->metrics, METRIC_GAPS_EVICTED + (enum metric)reason, 1);
}

void batch_add_bye(struct reader *reader, enum close_reason reason)
{
    CHECK_THREAD(reader->hub);
    char data[64];
    struct sse_event event = {.name = "freshet.bye", .name_len = 11, .data = data, .has_data = true};
    int len = snprintf(data, sizeof(data), "{\"reason\":\"%s\"}", close_reason_label(reason));
    CHECK(len > 0 && (size_t)len < sizeof(data));
    event.data_len = (size_t)len;
    /* a revoked client is not asked back, unless it is to be judged again */
    event.retry_ms = reason != CLOSE_REVOKED || reader->is_asked_back
                         ? random_spread(&reader->hub->random, reader->route->retry_ms)
                         : -1;
    add_event(reader, &event);
}

void batch_add_heartbeat(struct reader *reader)
{
    CHECK_THREAD(reader->hub);
    struct batch *batch = reader->batch;
    char *dst = batch->scratch + batch->scratch_used;
    size_t size = sse_comment_size(0);
    sse_comment_write(dst, "", 0);
    batch->scratch_used += (uint32_t)size;
    batch->bytes += size;
    batch->pieces[batch->count++] = (struct piece){dst, size, NULL};
}
