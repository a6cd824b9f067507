/* h2_gate.c - which bytes of an HTTP/2 client an HTTP/2 library of weak nerves may be shown */
/* SPDX-License-Identifier: MIT */
#include "proto/h2_gate.h"

#include <string.h>

enum {
    DATA = 0,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION,
    TYPES,
    NO_TYPE = 0xff
};
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8, FLAG_PRIORITY = 0x20 };
enum { SETTING_TABLE = 1, SETTING_PUSH = 2, SETTING_WINDOW = 4, SETTING_FRAME = 5 };
enum { PHASE_PREFACE = 0, PHASE_SETTINGS, PHASE_OPEN, PHASE_DEAD };

#define SECOND_NS INT64_C(1000000000)
#define SETTINGS_MAX 64
#define TABLE_MIN 4096
/* A body may have been refused while this much of it was on its way. */
#define BODY_SLACK (16u << 20)
/* A DATA frame of less is as much work as one of 16 kB and hardly moves a body on. */
#define SMALL_DATA 128
#define SMALL_DATA_PER_BODY 8
/* Some clients answer each DATA frame with two WINDOW_UPDATEs; an event is a frame of at least twice this. */
#define SENT_PER_WINDOW 32
#define CREDIT_MAX (1u << 20)

/*
 * Of the largest rates seen of honest clients with 100 streams, each at least
 * ten times (WINDOW_UPDATEs have their credit besides). HEADERS and resets
 * follow the configured rate of new streams, of which more are answered 429
 * long before this.
 */
static const struct rate {
    uint32_t per_second, burst;
} rates[H2_GATE_BUCKETS] = {
    [H2_GATE_PING] = {20, 100},       [H2_GATE_SETTINGS] = {5, 50},    [H2_GATE_PRIORITY] = {200, 1000},
    [H2_GATE_WINDOW] = {2000, 10000}, [H2_GATE_UNKNOWN] = {200, 1000}, [H2_GATE_SMALL_DATA] = {500, 2000},
};
/* Times the rate of new streams. A publisher's requests follow each other as fast as they are answered. */
#define HEADERS_RATE 4
#define HEADERS_BURST 10
#define PUBLISH_FACTOR 50
#define RESET_RATE 2
#define RESET_BURST 5

_Static_assert(sizeof(H2_GATE_PREFACE) - 1 == H2_GATE_PREFACE_LEN, "the preface of RFC 9113, 3.4");
_Static_assert(H2_GATE_UNKNOWN_FLOOD <= UINT8_MAX && H2_GATE_UPLOADS <= UINT8_MAX, "kept in a byte each");
_Static_assert(6 * SETTINGS_MAX <= H2_GATE_FRAME_MAX, "SETTINGS of the most entries is a legal frame");
_Static_assert(SMALL_DATA<H2_GATE_FRAME_MAX && BODY_SLACK> H2_GATE_FRAME_MAX, "a frame in flight is within the slack");
_Static_assert(UINT64_C(1000000) * HEADERS_BURST * PUBLISH_FACTOR <= UINT32_MAX, "the largest rate fits");

struct frame {
    uint32_t length, stream;
    uint8_t type, flags;
    const uint8_t *payload;
};

/* The rules for a type that its frame header alone can break. */
enum stream_rule { STREAM_ZERO, STREAM_ODD, STREAM_ANY_BUT_ZERO, STREAM_ZERO_OR_ODD };
static const struct shape {
    enum stream_rule stream;
    uint32_t min, max;
} shapes[TYPES] = {
    [DATA] = {STREAM_ODD, 0, H2_GATE_FRAME_MAX},     [HEADERS] = {STREAM_ODD, 0, H2_GATE_FRAME_MAX},
    [PRIORITY] = {STREAM_ANY_BUT_ZERO, 5, 5},        [RST_STREAM] = {STREAM_ODD, 4, 4},
    [SETTINGS] = {STREAM_ZERO, 0, 6 * SETTINGS_MAX}, [PING] = {STREAM_ZERO, 8, 8},
    [GOAWAY] = {STREAM_ZERO, 8, H2_GATE_FRAME_MAX},  [WINDOW_UPDATE] = {STREAM_ZERO_OR_ODD, 4, 4},
};

static uint32_t get32(const uint8_t *src)
{
    return (uint32_t)src[0] << 24 | (uint32_t)src[1] << 16 | (uint32_t)src[2] << 8 | src[3];
}

const char *h2_gate_reason_text(enum h2_gate_reason reason)
{
    static const char *const texts[] = {"nothing",
#define H2_GATE_REASON(symbol, text) text,
                                        H2_GATE_REASONS(H2_GATE_REASON, H2_GATE_REASON)
#undef H2_GATE_REASON
    };
    _Static_assert(sizeof(texts) / sizeof(texts[0]) == H2_GATE_UNKNOWN_FLOOD + 1, "each reason has its text");
    return texts[reason];
}

bool h2_gate_is_flood(enum h2_gate_reason reason)
{
    return reason >= H2_GATE_HEADERS_FLOOD;
}

void h2_gate_init(struct h2_gate *gate, const struct h2_gate_rules *rules)
{
    *gate = (struct h2_gate){.rules = rules};
}

void h2_gate_sent(struct h2_gate *gate, uint64_t bytes)
{
    uint64_t credit = gate->window_credit + bytes / SENT_PER_WINDOW;
    gate->window_credit = credit < CREDIT_MAX ? (uint32_t)credit : CREDIT_MAX;
}

static struct rate rate_of(const struct h2_gate_rules *rules, enum h2_gate_bucket bucket)
{
    uint32_t new_streams = rules->new_streams == 0 ? 100 : rules->new_streams < 1000000 ? rules->new_streams : 1000000;
    uint32_t factor = rules->takes_bodies ? PUBLISH_FACTOR : 1;

    if (bucket == H2_GATE_HEADERS)
        return (struct rate){new_streams * HEADERS_RATE * factor, new_streams * HEADERS_BURST * factor};
    if (bucket == H2_GATE_RESET)
        return (struct rate){new_streams * RESET_RATE, new_streams * RESET_BURST};
    return rates[bucket];
}

/* A token bucket as one number (GCRA): it is full at due_ns, and each token taken puts that off. */
static bool spend(struct h2_gate *gate, enum h2_gate_bucket bucket, int64_t now_ns)
{
    struct rate rate = rate_of(gate->rules, bucket);
    int64_t interval = SECOND_NS / rate.per_second, due;

    if (now_ns < gate->latest_ns)
        now_ns = gate->latest_ns;
    gate->latest_ns = now_ns;
    due = gate->due_ns[bucket] > now_ns ? gate->due_ns[bucket] : now_ns;
    if (due - now_ns > interval * (rate.burst - 1))
        return false;
    gate->due_ns[bucket] = due + interval;
    return true;
}

static bool spend_credit(uint32_t *credit)
{
    if (*credit == 0)
        return false;
    --*credit;
    return true;
}

static struct h2_gate_verdict kill_for(struct h2_gate *gate, enum h2_gate_reason reason)
{
    gate->phase = PHASE_DEAD;
    gate->reason = (uint8_t)reason;
    return (struct h2_gate_verdict){.action = H2_GATE_KILL, .reason = reason, .type = NO_TYPE};
}

/* Whole frames only: what is dropped piecemeal says so itself. */
static struct h2_gate_verdict verdict(enum h2_gate_action action, const struct frame *frame)
{
    return (struct h2_gate_verdict){.action = action, .len = H2_GATE_FRAME_HEADER + frame->length, .type = frame->type};
}

static bool is_stream_legal(enum stream_rule rule, uint32_t stream)
{
    switch (rule) {
    case STREAM_ZERO:
        return stream == 0;
    case STREAM_ODD:
        return stream % 2 == 1;
    case STREAM_ANY_BUT_ZERO:
        return stream != 0;
    case STREAM_ZERO_OR_ODD:
        return stream == 0 || stream % 2 == 1;
    }
    return false;
}

/* Twice what a request of header_bytes may need: up to that, the server can answer 431 instead of a dead connection. */
static uint32_t header_frame_max(const struct h2_gate_rules *rules)
{
    return rules->header_bytes < (H2_GATE_FRAME_MAX - 1024) / 2 ? 2 * rules->header_bytes + 1024 : H2_GATE_FRAME_MAX;
}

static enum h2_gate_reason check_headers_header(const struct h2_gate *gate, const struct frame *frame)
{
    if (frame->length > header_frame_max(gate->rules))
        return H2_GATE_HEADERS_LENGTH;
    if ((frame->flags & FLAG_END_HEADERS) == 0)
        return H2_GATE_HEADERS_PART;
    /* Trailers are among these: nothing needs them, and they are one more way into the library. */
    if (frame->stream <= gate->last_stream)
        return H2_GATE_HEADERS_STREAM;
    if ((frame->flags & FLAG_END_STREAM) == 0 && !gate->rules->takes_bodies)
        return H2_GATE_HEADERS_BODY;
    return H2_GATE_NONE;
}

/* Checks a frame by its header alone, so that a bad one ends the connection before the rest of it arrives. */
static enum h2_gate_reason check_header(const struct h2_gate *gate, const struct frame *frame)
{
    if (frame->length > H2_GATE_FRAME_MAX)
        return H2_GATE_FRAME_LENGTH;
    if (gate->phase == PHASE_SETTINGS && (frame->type != SETTINGS || (frame->flags & FLAG_ACK) != 0))
        return H2_GATE_FIRST_FRAME;
    if (frame->type >= TYPES)
        return H2_GATE_NONE;
    if (frame->type == CONTINUATION)
        return H2_GATE_CONTINUATION;
    if (frame->type == PUSH_PROMISE)
        return H2_GATE_PUSH_PROMISE;
    if (frame->type == DATA && !gate->rules->takes_bodies)
        return H2_GATE_DATA;
    const struct shape *shape = &shapes[frame->type];
    if (!is_stream_legal(shape->stream, frame->stream))
        return H2_GATE_FRAME_STREAM;
    if (frame->length < shape->min || frame->length > shape->max)
        return H2_GATE_FRAME_LENGTH;
    /* Nothing but HEADERS opens a stream, and a priority may come before it. */
    if (frame->type != HEADERS && frame->type != PRIORITY && frame->stream > gate->last_stream)
        return H2_GATE_FRAME_STREAM;
    return frame->type == HEADERS ? check_headers_header(gate, frame) : H2_GATE_NONE;
}

/* Takes the padding away. */
static bool strip_padding(const struct frame *frame, const uint8_t **payload, uint32_t *len)
{
    *payload = frame->payload;
    *len = frame->length;
    if ((frame->flags & FLAG_PADDED) == 0)
        return true;
    if (*len == 0 || **payload >= *len)
        return false;
    *len -= 1u + **payload;
    ++*payload;
    return true;
}

static unsigned find_upload(const struct h2_gate *gate, uint32_t stream)
{
    unsigned i = 0;
    while (i != H2_GATE_UPLOADS && gate->uploads[i].stream != stream)
        ++i;
    return i;
}

/* A stream that the other side has reset stays among them until its client knows; the oldest make room. */
static void add_upload(struct h2_gate *gate, uint32_t stream)
{
    unsigned i = find_upload(gate, 0);
    if (i == H2_GATE_UPLOADS) {
        i = gate->next_upload;
        gate->next_upload = (uint8_t)((i + 1) % H2_GATE_UPLOADS);
    }
    gate->uploads[i].stream = stream;
    gate->uploads[i].bytes = 0;
}

static void remove_upload(struct h2_gate *gate, uint32_t stream)
{
    unsigned i = find_upload(gate, stream);
    if (i != H2_GATE_UPLOADS)
        gate->uploads[i].stream = 0;
}

static struct h2_gate_verdict next_data(struct h2_gate *gate, const struct frame *frame, int64_t now_ns)
{
    bool final = (frame->flags & FLAG_END_STREAM) != 0;
    unsigned i = find_upload(gate, frame->stream);
    const uint8_t *payload;
    uint32_t len;

    if (i == H2_GATE_UPLOADS)
        return kill_for(gate, H2_GATE_DATA);
    if (!strip_padding(frame, &payload, &len))
        return kill_for(gate, H2_GATE_PADDING);
    if (len < SMALL_DATA && !final && !spend_credit(&gate->data_credit) && !spend(gate, H2_GATE_SMALL_DATA, now_ns))
        return kill_for(gate, H2_GATE_DATA_FLOOD);
    gate->uploads[i].bytes += frame->length;
    if (gate->uploads[i].bytes > (uint64_t)gate->rules->body_bytes + BODY_SLACK)
        return kill_for(gate, H2_GATE_BODY_LENGTH);
    if (final)
        gate->uploads[i].stream = 0;
    return verdict(H2_GATE_SHOW, frame);
}

static enum h2_gate_reason check_headers(const struct h2_gate *gate, const struct frame *frame)
{
    const uint8_t *payload;
    uint32_t len;

    if (!strip_padding(frame, &payload, &len))
        return H2_GATE_PADDING;
    if ((frame->flags & FLAG_PRIORITY) != 0) {
        if (len < 5)
            return H2_GATE_FRAME_LENGTH;
        if ((get32(payload) & 0x7fffffff) == frame->stream)
            return H2_GATE_SELF_DEPENDENCY;
        payload += 5;
        len -= 5;
    }
    /* As with bytes: a request that exceeds the limit a little is let through, so that the server can answer 431. */
    return h2_gate_check_block(payload, len, 2 * gate->rules->header_fields + 32);
}

static struct h2_gate_verdict next_headers(struct h2_gate *gate, const struct frame *frame, int64_t now_ns)
{
    enum h2_gate_reason reason = check_headers(gate, frame);

    if (reason != H2_GATE_NONE)
        return kill_for(gate, reason);
    if (!spend(gate, H2_GATE_HEADERS, now_ns))
        return kill_for(gate, H2_GATE_HEADERS_FLOOD);
    gate->last_stream = frame->stream;
    if ((frame->flags & FLAG_END_STREAM) == 0) {
        add_upload(gate, frame->stream);
        if (gate->data_credit < CREDIT_MAX)
            gate->data_credit += SMALL_DATA_PER_BODY;
    }
    return verdict(H2_GATE_SHOW, frame);
}

static struct h2_gate_verdict next_priority(struct h2_gate *gate, const struct frame *frame, int64_t now_ns)
{
    if ((get32(frame->payload) & 0x7fffffff) == frame->stream)
        return kill_for(gate, H2_GATE_SELF_DEPENDENCY);
    if (!spend(gate, H2_GATE_PRIORITY, now_ns))
        return kill_for(gate, H2_GATE_PRIORITY_FLOOD);
    return verdict(H2_GATE_DROP, frame);
}

static enum h2_gate_reason check_setting(unsigned id, uint32_t value)
{
    switch (id) {
    case SETTING_TABLE:
        return value >= TABLE_MIN ? H2_GATE_NONE : H2_GATE_SETTINGS_TABLE;
    case SETTING_PUSH:
        return value <= 1 ? H2_GATE_NONE : H2_GATE_SETTINGS_VALUE;
    case SETTING_WINDOW:
        return value <= INT32_MAX ? H2_GATE_NONE : H2_GATE_SETTINGS_VALUE;
    case SETTING_FRAME:
        return value >= 16384 && value <= 16777215 ? H2_GATE_NONE : H2_GATE_SETTINGS_VALUE;
    default:
        return H2_GATE_NONE;
    }
}

static struct h2_gate_verdict next_settings(struct h2_gate *gate, const struct frame *frame, int64_t now_ns)
{
    struct h2_gate_verdict result = verdict(H2_GATE_SHOW, frame);

    if (frame->length % 6 != 0 || ((frame->flags & FLAG_ACK) != 0 && frame->length != 0))
        return kill_for(gate, H2_GATE_FRAME_LENGTH);
    for (uint32_t at = 0; at != frame->length; at += 6) {
        unsigned id = (unsigned)frame->payload[at] << 8 | frame->payload[at + 1];
        uint32_t value = get32(frame->payload + at + 2);
        enum h2_gate_reason reason = check_setting(id, value);
        if (reason != H2_GATE_NONE)
            return kill_for(gate, reason);
        /* The last one counts. Where there never was a stream, no stream's window changes. */
        if (id == SETTING_WINDOW && gate->last_stream != 0) {
            result.action = H2_GATE_ASK;
            result.settings = true;
            result.window = value;
        }
    }
    if (!spend(gate, H2_GATE_SETTINGS, now_ns))
        return kill_for(gate, H2_GATE_SETTINGS_FLOOD);
    gate->phase = PHASE_OPEN;
    return result;
}

static struct h2_gate_verdict next_window(struct h2_gate *gate, const struct frame *frame, int64_t now_ns)
{
    struct h2_gate_verdict result = verdict(H2_GATE_ASK, frame);

    result.stream = frame->stream;
    result.window = get32(frame->payload) & 0x7fffffff;
    if (result.window == 0)
        return kill_for(gate, H2_GATE_WINDOW_ZERO);
    if (!spend_credit(&gate->window_credit) && !spend(gate, H2_GATE_WINDOW, now_ns))
        return kill_for(gate, H2_GATE_WINDOW_FLOOD);
    return result;
}

static struct h2_gate_verdict next_other(struct h2_gate *gate, const struct frame *frame, enum h2_gate_bucket bucket,
                                         enum h2_gate_reason reason, int64_t now_ns)
{
    return spend(gate, bucket, now_ns) ? verdict(H2_GATE_SHOW, frame) : kill_for(gate, reason);
}

static struct h2_gate_verdict next_frame(struct h2_gate *gate, const struct frame *frame, int64_t now_ns)
{
    switch (frame->type) {
    case DATA:
        return next_data(gate, frame, now_ns);
    case HEADERS:
        return next_headers(gate, frame, now_ns);
    case PRIORITY:
        return next_priority(gate, frame, now_ns);
    case RST_STREAM:
        remove_upload(gate, frame->stream);
        return next_other(gate, frame, H2_GATE_RESET, H2_GATE_RESET_FLOOD, now_ns);
    case SETTINGS:
        return next_settings(gate, frame, now_ns);
    case PING:
        return next_other(gate, frame, H2_GATE_PING, H2_GATE_PING_FLOOD, now_ns);
    case GOAWAY:
        return next_other(gate, frame, H2_GATE_SETTINGS, H2_GATE_SETTINGS_FLOOD, now_ns);
    default: /* check_header has let no other through */
        return next_window(gate, frame, now_ns);
    }
}

static struct h2_gate_verdict drop_some(struct h2_gate *gate, size_t len, uint8_t type)
{
    struct h2_gate_verdict result = {.action = H2_GATE_DROP, .len = gate->skip < len ? gate->skip : len, .type = type};

    gate->skip -= (uint32_t)result.len;
    return result;
}

static struct h2_gate_verdict next_preface(struct h2_gate *gate, const uint8_t *bytes, size_t len)
{
    if (memcmp(bytes, H2_GATE_PREFACE, len < H2_GATE_PREFACE_LEN ? len : H2_GATE_PREFACE_LEN) != 0)
        return kill_for(gate, H2_GATE_NO_PREFACE);
    if (len < H2_GATE_PREFACE_LEN)
        return (struct h2_gate_verdict){.action = H2_GATE_WAIT, .type = NO_TYPE};
    gate->phase = PHASE_SETTINGS;
    return (struct h2_gate_verdict){.action = H2_GATE_SHOW, .len = H2_GATE_PREFACE_LEN, .type = NO_TYPE};
}

struct h2_gate_verdict h2_gate_next(struct h2_gate *gate, const uint8_t *bytes, size_t len, int64_t now_ns)
{
    struct frame frame;
    enum h2_gate_reason reason;

    if (gate->phase == PHASE_DEAD)
        return kill_for(gate, (enum h2_gate_reason)gate->reason);
    if (len == 0)
        return (struct h2_gate_verdict){.action = H2_GATE_WAIT, .type = NO_TYPE};
    if (gate->skip != 0)
        return drop_some(gate, len, NO_TYPE);
    if (gate->phase == PHASE_PREFACE)
        return next_preface(gate, bytes, len);
    if (len < H2_GATE_FRAME_HEADER)
        return (struct h2_gate_verdict){.action = H2_GATE_WAIT, .type = NO_TYPE};
    frame = (struct frame){.length = get32(bytes) >> 8,
                           .type = bytes[3],
                           .flags = bytes[4],
                           .stream = get32(bytes + 5) & 0x7fffffff,
                           .payload = bytes + H2_GATE_FRAME_HEADER};
    reason = check_header(gate, &frame);
    if (reason != H2_GATE_NONE)
        return kill_for(gate, reason);
    if (frame.type >= TYPES) {
        if (!spend(gate, H2_GATE_UNKNOWN, now_ns))
            return kill_for(gate, H2_GATE_UNKNOWN_FLOOD);
        gate->skip = H2_GATE_FRAME_HEADER + frame.length;
        return drop_some(gate, len, frame.type);
    }
    if (len - H2_GATE_FRAME_HEADER < frame.length)
        return (struct h2_gate_verdict){.action = H2_GATE_WAIT, .type = frame.type};
    return next_frame(gate, &frame, now_ns);
}
