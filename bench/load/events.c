/* events.c - reads text/event-stream out of DATA frames and verifies every event */
/* SPDX-License-Identifier: MIT */
#include "bench/load/load.h"

#include <stdlib.h>
#include <string.h>

#include "bench/common/stamp.h"

#define DATA_FIELD "data:"
#define ID_FIELD "id: "
#define EVENT_FIELD "event: "

static void note_hole(struct engine *engine, const uint32_t *slot, uint32_t from, uint32_t to)
{
    engine->counters[COUNTER_lost] += to - from;
    if (engine->hole_count < HOLES_MAX)
        engine->holes[engine->hole_count++] = (struct hole){slot, from, to};
}

/* A number below the expected one is late if it was missed before; otherwise it is a repetition. */
static void note_old(struct engine *engine, const uint32_t *slot, uint32_t sequence)
{
    for (uint32_t i = 0; i < engine->hole_count; ++i) {
        const struct hole *hole = &engine->holes[i];
        if (hole->slot == slot && sequence >= hole->from && sequence < hole->to) {
            ++engine->counters[COUNTER_out_of_order];
            --engine->counters[COUNTER_lost];
            return;
        }
    }
    ++engine->counters[COUNTER_repeated];
}

static void __attribute__((noinline)) unexpected(struct conn *conn, uint32_t stream, uint32_t *slot, uint32_t sequence)
{
    if (*slot == 0) { /* a stream may start anywhere */
        *slot = sequence + 1;
    } else if (sequence > *slot) {
        engine_warn(conn->engine, "connection %u stream %u: expected %u, got %u", conn->index, stream, *slot, sequence);
        note_hole(conn->engine, slot, *slot, sequence);
        *slot = sequence + 1;
    } else {
        engine_warn(conn->engine, "connection %u stream %u: expected %u, got %u", conn->index, stream, *slot, sequence);
        note_old(conn->engine, slot, sequence);
    }
}

static uint32_t *slot_of(struct conn *conn, uint32_t stream, uint32_t subject)
{
    const struct options *o = conn->engine->options;
    uint32_t first = options_first_subject(o, (uint64_t)conn->index * o->streams + stream);
    uint32_t slot = subject >= first ? subject - first : subject + o->subjects - first;
    if (subject >= o->subjects || slot >= o->subjects_per_stream)
        return NULL;
    return &conn->next[(size_t)stream * o->subjects_per_stream + slot];
}

static inline void take_stamp(struct conn *conn, uint32_t stream, const char *payload, size_t len)
{
    struct engine *engine = conn->engine;
    struct stamp stamp;
    if (len < STAMP_SIZE || !stamp_read(payload, &stamp)) {
        ++engine->counters[COUNTER_malformed];
        engine_warn(engine, "malformed payload '%.*s'", (int)(len < 40 ? len : 40), payload);
        return;
    }
    uint32_t *slot = engine->options->subjects == 1 ? &conn->next[stream] : slot_of(conn, stream, stamp.subject);
    if (slot == NULL) {
        ++engine->counters[COUNTER_misrouted];
        return;
    }
    if (*slot == stamp.sequence)
        *slot = stamp.sequence + 1;
    else
        unexpected(conn, stream, slot, stamp.sequence);
    ++engine->counters[COUNTER_events];
    if (engine->measuring) {
        uint64_t age = ((uint64_t)engine->now_ns - stamp.sent_ns) & STAMP_TIME_MASK;
        histogram_add(&engine->latency, age <= STAMP_TIME_MASK / 2 ? age : 0);
    }
}

static void set_pending_id(struct id_slot *slot, const char *id, size_t len)
{
    if (len <= ID_MAX) {
        memcpy(slot->pending, id, len);
        slot->pending_len = (uint8_t)len;
    }
}

/* Where the browser would commit at the blank line, we do at the data line: our events have only one. */
static void commit_id(struct id_slot *slot)
{
    memcpy(slot->id, slot->pending, slot->pending_len);
    slot->len = slot->pending_len;
}

static void named_event(struct conn *conn, struct stream *s, const char *name, size_t len)
{
    static const char gap[] = "freshet.gap", bye[] = "freshet.bye";
    enum counter counter = COUNTER_COUNT;
    if (len == sizeof(gap) - 1 && memcmp(name, gap, len) == 0)
        counter = COUNTER_gaps;
    else if (len == sizeof(bye) - 1 && memcmp(name, bye, len) == 0)
        counter = COUNTER_byes;
    if (counter != COUNTER_COUNT) {
        s->skip_event = true;
        ++conn->engine->counters[counter];
    }
}

static void other_line(struct conn *conn, uint32_t stream, const char *p, size_t len)
{
    struct stream *s = &conn->streams[stream];
    if (len == 0) {
        s->skip_event = false;
    } else if (p[0] == ':') {
        ++conn->engine->counters[COUNTER_heartbeats];
    } else if (conn->ids != NULL && len > sizeof(ID_FIELD) - 1 && memcmp(p, ID_FIELD, sizeof(ID_FIELD) - 1) == 0) {
        set_pending_id(&conn->ids[stream], p + sizeof(ID_FIELD) - 1, len - (sizeof(ID_FIELD) - 1));
    } else if (len >= sizeof(EVENT_FIELD) - 1 && memcmp(p, EVENT_FIELD, sizeof(EVENT_FIELD) - 1) == 0) {
        named_event(conn, s, p + sizeof(EVENT_FIELD) - 1, len - (sizeof(EVENT_FIELD) - 1));
    }
}

/* p: the line's first len bytes, which are all of it unless it is longer than a carry. */
static inline void take_line(struct conn *conn, uint32_t stream, const char *p, size_t len)
{
    if (len < sizeof(DATA_FIELD) - 1 || memcmp(p, DATA_FIELD, sizeof(DATA_FIELD) - 1) != 0) {
        other_line(conn, stream, p, len);
        return;
    }
    if (conn->streams[stream].skip_event)
        return;
    size_t skip = sizeof(DATA_FIELD) - 1;
    skip += len > skip && p[skip] == ' ';
    take_stamp(conn, stream, p + skip, len - skip);
    if (conn->ids != NULL)
        commit_id(&conn->ids[stream]);
}

static void carry_on(struct stream *s, const char *p, size_t len)
{
    if (s->carry == NULL) {
        s->carry = tool_malloc(sizeof(*s->carry));
        s->carry->len = 0;
    }
    size_t room = CARRY_MAX - s->carry->len, take = len < room ? len : room;
    memcpy(s->carry->bytes + s->carry->len, p, take);
    s->carry->len = (uint8_t)(s->carry->len + take);
}

void events_reset(struct stream *s)
{
    free(s->carry);
    s->carry = NULL;
    s->skip_event = false;
}

void events_feed(struct conn *conn, uint32_t stream, const char *p, size_t len)
{
    struct stream *s = &conn->streams[stream];
    const char *end = p + len, *lf;
    if (s->carry != NULL && p != end) {
        lf = memchr(p, '\n', len);
        carry_on(s, p, (size_t)((lf == NULL ? end : lf) - p));
        if (lf == NULL)
            return;
        take_line(conn, stream, s->carry->bytes, s->carry->len);
        free(s->carry);
        s->carry = NULL;
        p = lf + 1;
    }
    while (p != end) {
        if (*p == '\n') { /* the end of an event, half of all lines: no call for it */
            s->skip_event = false;
            ++p;
            continue;
        }
        lf = memchr(p, '\n', (size_t)(end - p));
        if (lf == NULL) {
            carry_on(s, p, (size_t)(end - p));
            return;
        }
        take_line(conn, stream, p, (size_t)(lf - p));
        p = lf + 1;
    }
}

uint32_t events_behind(const struct conn *conn, uint32_t sequence)
{
    const struct options *o = conn->engine->options;
    uint32_t behind = 0, per_stream = o->subjects_per_stream;
    for (uint32_t i = 0; i < o->streams; ++i) {
        const uint32_t *slots = &conn->next[(size_t)i * per_stream];
        uint32_t reached = 0;
        while (reached < per_stream && slots[reached] > sequence)
            ++reached;
        behind += reached != per_stream;
    }
    return behind;
}
