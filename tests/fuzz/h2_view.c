/* h2_view.c - a model of what libh2o may be shown of an HTTP/2 connection */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/h2_view.h"

#include "proto/h2_gate.h"

enum { BODIES = 256, UNKNOWN = 10, REMEMBERED = 128 };

static uint64_t number(const uint8_t *bytes, int count)
{
    uint64_t value = 0;

    for (int i = 0; i != count; ++i)
        value = value << 8 | bytes[i];
    return value;
}

static bool flag(const uint8_t *frame, unsigned bit)
{
    return (frame[4] & bit) != 0;
}

static struct h2_view_answer only(unsigned allowed)
{
    return (struct h2_view_answer){.allowed = allowed};
}

/* ---- RFC 7541, as far as it goes without the tables ---- */

struct block {
    const uint8_t *bytes;
    size_t at, len;
    bool broken;
    bool lavish; /* an integer in more bytes than it needs: it may be refused */
};

/* 5.1. More than a frame holds is broken, whatever it stands for. */
static uint64_t integer(struct block *block, unsigned prefix)
{
    uint64_t low = (1u << prefix) - 1, value;
    unsigned bytes = 0;

    if (block->at >= block->len) {
        block->broken = true;
        return 0;
    }
    value = block->bytes[block->at++] & low;
    if (value != low)
        return value;
    for (unsigned shift = 0;; shift += 7) {
        if (block->at >= block->len || ++bytes > 9) {
            block->broken = true;
            return 0;
        }
        uint8_t byte = block->bytes[block->at++];
        value += (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    block->lavish |= bytes > 4;
    return value;
}

static void string(struct block *block)
{
    uint64_t len = integer(block, 7);

    if (block->broken || len > block->len - block->at)
        block->broken = true;
    else
        block->at += len;
}

/* 6. Returns what the gate may do with HEADERS that carry this. */
static unsigned judge_block(const uint8_t *bytes, size_t len, uint32_t most_fields)
{
    struct block block = {.bytes = bytes, .len = len};
    uint64_t fields = 0, updates = 0;

    while (!block.broken && block.at != len) {
        uint8_t first = bytes[block.at];
        if (first >= 0x80) {
            block.broken |= integer(&block, 7) == 0;
            ++fields;
        } else if (first >= 0x20 && first < 0x40) {
            /* 4.2: at the beginning, and no more than two of what we have allowed. */
            if (integer(&block, 5) > 4096 || fields != 0 || ++updates > 2)
                return H2_VIEW_KILL;
        } else {
            if (integer(&block, first >= 0x40 ? 6 : 4) == 0)
                string(&block);
            string(&block);
            ++fields;
        }
    }
    if (block.broken)
        return H2_VIEW_KILL;
    /* As with bytes: some room above the limit, so that the request can be answered with 431. */
    if (fields > 2 * (uint64_t)most_fields + 32)
        return H2_VIEW_KILL;
    return fields > most_fields || block.lavish ? H2_VIEW_SHOW | H2_VIEW_KILL : H2_VIEW_SHOW;
}

/* ---- RFC 9113, section 6 ---- */

/* 6.1, 6.2: what is left of a payload without its padding. False: more padding than payload. */
static bool unpad(const uint8_t *frame, const uint8_t **payload, size_t *len)
{
    size_t padding = 0;

    *payload = frame + 9;
    *len = (size_t)number(frame, 3);
    if (!flag(frame, 8))
        return true;
    if (*len == 0)
        return false;
    padding = **payload;
    ++*payload;
    --*len;
    if (padding > *len)
        return false;
    *len -= padding;
    return true;
}

static size_t find_body(const struct h2_view *view, uint32_t stream)
{
    size_t i = 0;

    while (i != BODIES && view->bodies[i].stream != stream)
        ++i;
    return i;
}

static void end_body(struct h2_view *view, uint32_t stream)
{
    size_t i = find_body(view, stream);

    if (i != BODIES)
        view->bodies[i].stream = 0;
}

static void begin_body(struct h2_view *view, uint32_t stream)
{
    size_t count = 0, oldest = 0;

    for (size_t n = 0; n != BODIES; ++n) {
        count += view->bodies[n].stream != 0;
        oldest = view->bodies[n].stream < view->bodies[oldest].stream ? n : oldest;
    }
    view->crowded |= count >= REMEMBERED;
    /* Free ones are the oldest. */
    size_t i = oldest;
    view->bodies[i].stream = stream;
    view->bodies[i].bytes = 0;
}

static struct h2_view_answer judge_headers(struct h2_view *view, const uint8_t *frame, uint32_t stream)
{
    const struct h2_gate_rules *rules = view->rules;
    uint64_t frame_len = number(frame, 3);
    const uint8_t *payload;
    size_t len;

    if (!flag(frame, 4) || (!flag(frame, 1) && !rules->takes_bodies) || stream <= view->last_stream ||
        !unpad(frame, &payload, &len) || frame_len > 2 * (uint64_t)rules->header_bytes + 1024)
        return only(H2_VIEW_KILL);
    if (flag(frame, 0x20)) {
        if (len < 5 || (number(payload, 4) & 0x7fffffff) == stream)
            return only(H2_VIEW_KILL);
        payload += 5;
        len -= 5;
    }
    unsigned allowed = judge_block(payload, len, rules->header_fields);
    if (allowed == H2_VIEW_KILL)
        return only(allowed);
    view->last_stream = stream;
    if (!flag(frame, 1))
        begin_body(view, stream);
    return only(frame_len > rules->header_bytes ? allowed | H2_VIEW_KILL : allowed);
}

static struct h2_view_answer judge_data(struct h2_view *view, const uint8_t *frame, uint32_t stream)
{
    size_t i = find_body(view, stream), len;
    const uint8_t *payload;

    if (!view->rules->takes_bodies || stream == 0 || i == BODIES || !unpad(frame, &payload, &len))
        return only(H2_VIEW_KILL);
    view->bodies[i].bytes += number(frame, 3);
    uint64_t bytes = view->bodies[i].bytes, most = view->rules->body_bytes;
    if (flag(frame, 1))
        end_body(view, stream);
    /* Up to 16 MiB may still be in flight when 413 is sent: that is no offence. */
    if (bytes > most + (16u << 20))
        return only(H2_VIEW_KILL);
    return only(view->crowded || bytes > most ? H2_VIEW_SHOW | H2_VIEW_KILL : H2_VIEW_SHOW);
}

static struct h2_view_answer judge_settings(struct h2_view *view, const uint8_t *frame, uint32_t stream)
{
    struct h2_view_answer answer = only(H2_VIEW_SHOW);
    uint64_t len = number(frame, 3);

    if (stream != 0 || len % 6 != 0 || (flag(frame, 1) && len != 0) || (!view->open && flag(frame, 1)))
        return only(H2_VIEW_KILL);
    for (const uint8_t *at = frame + 9; at != frame + 9 + len; at += 6) {
        uint64_t id = number(at, 2), value = number(at + 2, 4);
        if ((id == 1 && value < 4096) || (id == 2 && value > 1) || (id == 4 && value > 0x7fffffff) ||
            (id == 5 && (value < 16384 || value > 0xffffff)))
            return only(H2_VIEW_KILL);
        if (id == 4 && view->last_stream != 0)
            answer = (struct h2_view_answer){.allowed = H2_VIEW_ASK, .window = (uint32_t)value, .settings = true};
    }
    view->open = true;
    /* No client has this many settings. */
    if (len > 384)
        return only(H2_VIEW_KILL);
    return answer;
}

/* The rest of the types that are shown: of one length, on the connection or on a stream that there was. */
static struct h2_view_answer judge_other(struct h2_view *view, const uint8_t *frame, uint32_t stream)
{
    uint64_t len = number(frame, 3);
    bool was_open = stream != 0 && stream % 2 == 1 && stream <= view->last_stream;

    switch (frame[3]) {
    case 2: /* PRIORITY is legal on any stream; libh2o has no need of it */
        return only(len == 5 && stream != 0 && (number(frame + 9, 4) & 0x7fffffff) != stream ? H2_VIEW_DROP
                                                                                             : H2_VIEW_KILL);
    case 3:
        if (len != 4 || !was_open)
            return only(H2_VIEW_KILL);
        end_body(view, stream);
        return only(H2_VIEW_SHOW);
    case 6:
        return only(len == 8 && stream == 0 ? H2_VIEW_SHOW : H2_VIEW_KILL);
    case 7:
        return only(len >= 8 && stream == 0 ? H2_VIEW_SHOW : H2_VIEW_KILL);
    case 8:
        if (len != 4 || (stream != 0 && !was_open) || (number(frame + 9, 4) & 0x7fffffff) == 0)
            return only(H2_VIEW_KILL);
        return (struct h2_view_answer){
            .allowed = H2_VIEW_ASK, .stream = stream, .window = (uint32_t)number(frame + 9, 4) & 0x7fffffff};
    default: /* PUSH_PROMISE, CONTINUATION */
        return only(H2_VIEW_KILL);
    }
}

struct h2_view_answer h2_view_frame(struct h2_view *view, const uint8_t *frame)
{
    uint32_t stream = (uint32_t)number(frame + 5, 4) & 0x7fffffff;
    unsigned type = frame[3];

    ++view->seen[type < UNKNOWN ? type : UNKNOWN];
    if (number(frame, 3) > 16384 || (!view->open && type != 4))
        return only(H2_VIEW_KILL);
    if (type >= UNKNOWN)
        return only(H2_VIEW_DROP);
    /* RFC 9113, 5.1.1: a client's streams are odd. */
    if (type <= 1 && stream % 2 == 0)
        return only(H2_VIEW_KILL);
    if (type == 1)
        return judge_headers(view, frame, stream);
    if (type == 0)
        return judge_data(view, frame, stream);
    return type == 4 ? judge_settings(view, frame, stream) : judge_other(view, frame, stream);
}

/* ---- how many are too many ---- */

static uint64_t streams_per_second(const struct h2_view *view)
{
    return view->rules->new_streams != 0 ? view->rules->new_streams : 100;
}

bool h2_view_is_modest(const struct h2_view *view, unsigned type)
{
    uint64_t streams = streams_per_second(view);
    /* Honest clients may open four seconds' worth of streams at once, and close them all. */
    const uint64_t modest[] = {[0] = 500, [1] = 4 * streams, [2] = 500,  [3] = 4 * streams, [4] = 20,
                               [6] = 50,  [7] = 20,          [8] = 5000, [10] = 500};

    if (type == 4 || type == 7)
        return view->seen[4] + view->seen[7] <= modest[4];
    return view->seen[type < UNKNOWN ? type : UNKNOWN] <= modest[type < UNKNOWN ? type : UNKNOWN];
}

bool h2_view_is_flood(const struct h2_view *view, unsigned type, uint64_t seconds, uint64_t sent)
{
    uint64_t streams = streams_per_second(view) * (view->rules->takes_bodies && type == 1 ? 50 : 1);
    /* DATA is bounded by the bodies it belongs to. */
    static const uint64_t once[] = {[2] = 2000, [4] = 100, [6] = 200, [7] = 100, [8] = 20000, [10] = 2000};
    uint64_t most = once[type < UNKNOWN ? type : UNKNOWN];

    if (type == 0)
        return false;
    if (type == 1 || type == 3)
        most = 16 * streams;
    return view->seen[type < UNKNOWN ? type : UNKNOWN] > most + seconds * most + (type == 8 ? sent / 16 : 0);
}
