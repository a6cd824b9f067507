/* proto_h2_gate.c - which frames may be shown, which are dropped, and what ends a connection */
/* SPDX-License-Identifier: MIT */
#include "proto/h2_gate.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND INT64_C(1000000000)

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION, UNKNOWN = 0x40 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, HAS_PRIORITY = 32 };
#define WHOLE (END_STREAM | END_HEADERS)

static const struct h2_gate_rules readers = {.header_bytes = 8192, .header_fields = 64, .new_streams = 100};
static const struct h2_gate_rules publishers = {
    .takes_bodies = true, .body_bytes = 1 << 20, .header_bytes = 8192, .header_fields = 64, .new_streams = 100};

static uint8_t frame[H2_GATE_FRAME_HEADER + 70000];

static size_t build(uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len)
{
    const uint8_t header[] = {
        (uint8_t)(len >> 16),    (uint8_t)(len >> 8),     (uint8_t)len,           type,           flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    memcpy(frame, header, sizeof(header));
    if (payload != NULL)
        memcpy(frame + sizeof(header), payload, len);
    else
        memset(frame + sizeof(header), 0, len);
    return sizeof(header) + len;
}

static struct h2_gate_verdict at(struct h2_gate *gate, int64_t now, uint8_t type, uint8_t flags, uint32_t stream,
                                 const void *payload, size_t len)
{
    size_t size = build(type, flags, stream, payload, len);
    return h2_gate_next(gate, frame, size, now);
}

static struct h2_gate_verdict put(struct h2_gate *gate, uint8_t type, uint8_t flags, uint32_t stream,
                                  const void *payload, size_t len)
{
    return at(gate, SECOND, type, flags, stream, payload, len);
}

static void begin(struct h2_gate *gate, const struct h2_gate_rules *rules)
{
    h2_gate_init(gate, rules);
    cr_assert(h2_gate_next(gate, (const uint8_t *)H2_GATE_PREFACE, H2_GATE_PREFACE_LEN, SECOND).action == H2_GATE_SHOW);
    cr_assert(put(gate, SETTINGS, 0, 0, NULL, 0).action == H2_GATE_SHOW);
}

/* :method GET, :scheme https, :path / */
static const uint8_t block[] = {0x82, 0x87, 0x84};

static struct h2_gate_verdict get(struct h2_gate *gate, uint32_t stream)
{
    return put(gate, HEADERS, WHOLE, stream, block, sizeof(block));
}

static void expect(struct h2_gate_verdict verdict, enum h2_gate_action action, enum h2_gate_reason reason,
                   const char *what)
{
    cr_assert(verdict.action == action && verdict.reason == reason, "%s: action %d, \"%s\"", what, (int)verdict.action,
              h2_gate_reason_text(verdict.reason));
}

Test(h2_gate, the_preface_comes_first)
{
    struct h2_gate gate;
    const uint8_t *preface = (const uint8_t *)H2_GATE_PREFACE;

    for (size_t len = 0; len < H2_GATE_PREFACE_LEN; len++) {
        h2_gate_init(&gate, &readers);
        expect(h2_gate_next(&gate, preface, len, 0), H2_GATE_WAIT, H2_GATE_NONE, "part of it");
    }
    h2_gate_init(&gate, &readers);
    expect(h2_gate_next(&gate, (const uint8_t *)"GET /", 5, 0), H2_GATE_KILL, H2_GATE_NO_PREFACE, "a request");
    expect(h2_gate_next(&gate, preface, H2_GATE_PREFACE_LEN, 0), H2_GATE_KILL, H2_GATE_NO_PREFACE, "dead is dead");
    h2_gate_init(&gate, &readers);
    cr_assert(h2_gate_next(&gate, preface, H2_GATE_PREFACE_LEN, 0).len == H2_GATE_PREFACE_LEN);
    expect(put(&gate, PING, 0, 0, NULL, 8), H2_GATE_KILL, H2_GATE_FIRST_FRAME, "a ping");
}

/* Only the end of a frame changes the verdict on it, or what is counted. */
Test(h2_gate, frames_wait_until_they_are_whole)
{
    struct h2_gate gate, before;

    begin(&gate, &readers);
    for (int type = 0; type < 2; type++) {
        size_t size = type == 0 ? build(PING, 0, 0, NULL, 8) : build(HEADERS, WHOLE, 1, block, sizeof(block));
        for (size_t len = 0; len < size; len++) {
            before = gate;
            expect(h2_gate_next(&gate, frame, len, SECOND), H2_GATE_WAIT, H2_GATE_NONE, "part of it");
            cr_assert_arr_eq(before.due_ns, gate.due_ns, sizeof(gate.due_ns));
            cr_assert(before.last_stream == gate.last_stream && before.skip == gate.skip && before.phase == gate.phase);
        }
        struct h2_gate_verdict verdict = h2_gate_next(&gate, frame, size + 5, SECOND);
        cr_assert(verdict.action == H2_GATE_SHOW && verdict.len == size);
    }
}

Test(h2_gate, what_is_dropped)
{
    struct h2_gate gate;
    struct h2_gate_verdict verdict;

    begin(&gate, &readers);
    verdict = put(&gate, PRIORITY, 0, 3, "\0\0\0\0\20", 5);
    cr_assert(verdict.action == H2_GATE_DROP && verdict.len == 14);
    size_t size = build(UNKNOWN, 0xff, 5, NULL, 100);
    verdict = h2_gate_next(&gate, frame, 9, SECOND);
    cr_assert(verdict.action == H2_GATE_DROP && verdict.len == 9);
    verdict = h2_gate_next(&gate, frame + 9, 60, SECOND);
    cr_assert(verdict.action == H2_GATE_DROP && verdict.len == 60);
    verdict = h2_gate_next(&gate, frame + 69, 500, SECOND);
    cr_assert(verdict.action == H2_GATE_DROP && verdict.len == size - 69);
    expect(get(&gate, 1), H2_GATE_SHOW, H2_GATE_NONE, "a request behind it");
}

/* Each after a stream 1 that is open and has all of its request. */
static const struct {
    const char *what;
    uint8_t type, flags;
    uint32_t stream;
    const char *payload;
    size_t len;
    enum h2_gate_reason reason; /* H2_GATE_NONE: shown */
} frames[] = {
    {"an acknowledgement", SETTINGS, ACK, 0, "", 0, H2_GATE_NONE},
    {"settings", SETTINGS, 0, 0, "\0\3\0\0\0\1", 6, H2_GATE_NONE},
    {"a larger table", SETTINGS, 0, 0, "\0\1\0\1\0\0", 6, H2_GATE_NONE},
    {"unknown settings", SETTINGS, 0, 0, "\x1a\x1a\0\0\0\1", 6, H2_GATE_NONE},
    {"a ping", PING, 0, 0, "12345678", 8, H2_GATE_NONE},
    {"a ping's answer", PING, ACK, 0, "12345678", 8, H2_GATE_NONE},
    {"a reset", RST, 0, 1, "\0\0\0\10", 4, H2_GATE_NONE},
    {"a reset of a stream long gone", RST, 0, 1, "\0\0\0\10", 4, H2_GATE_NONE},
    {"good bye", GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8, H2_GATE_NONE},
    {"a reserved bit", RST, 0, 0x80000001, "\0\0\0\10", 4, H2_GATE_NONE},
    {"padded headers", HEADERS, WHOLE | PADDED, 3, "\2\x82\x87\x84\0\0", 6, H2_GATE_NONE},
    {"headers with priority", HEADERS, WHOLE | HAS_PRIORITY, 3, "\0\0\0\1\20\x82", 6, H2_GATE_NONE},
    {"continuation", CONTINUATION, END_HEADERS, 1, "", 0, H2_GATE_CONTINUATION},
    {"a promise", PUSH, END_HEADERS, 1, "\0\0\0\2", 4, H2_GATE_PUSH_PROMISE},
    {"data", DATA, END_STREAM, 1, "x", 1, H2_GATE_DATA},
    {"part of headers", HEADERS, END_STREAM, 3, "\x82", 1, H2_GATE_HEADERS_PART},
    {"a body to come", HEADERS, END_HEADERS, 3, "\x82", 1, H2_GATE_HEADERS_BODY},
    {"the same stream", HEADERS, WHOLE, 1, "\x82", 1, H2_GATE_HEADERS_STREAM},
    {"an even stream", HEADERS, WHOLE, 2, "\x82", 1, H2_GATE_FRAME_STREAM},
    {"headers of no stream", HEADERS, WHOLE, 0, "\x82", 1, H2_GATE_FRAME_STREAM},
    {"all padding", HEADERS, WHOLE | PADDED, 3, "\3\0\0", 3, H2_GATE_PADDING},
    {"no length of padding", HEADERS, WHOLE | PADDED, 3, "", 0, H2_GATE_PADDING},
    {"no room for a priority", HEADERS, WHOLE | HAS_PRIORITY, 3, "\0\0\0\0", 4, H2_GATE_FRAME_LENGTH},
    {"headers that depend on themselves", HEADERS, WHOLE | HAS_PRIORITY, 3, "\0\0\0\3\20", 5, H2_GATE_SELF_DEPENDENCY},
    {"a broken block", HEADERS, WHOLE, 3, "\x40\x7f", 2, H2_GATE_HEADER_BLOCK},
    {"priority of nothing", PRIORITY, 0, 0, "\0\0\0\0\20", 5, H2_GATE_FRAME_STREAM},
    {"a short priority", PRIORITY, 0, 3, "\0\0\0\0", 4, H2_GATE_FRAME_LENGTH},
    {"priority on itself", PRIORITY, 0, 3, "\x80\0\0\3\20", 5, H2_GATE_SELF_DEPENDENCY},
    {"a reset of no stream", RST, 0, 0, "\0\0\0\10", 4, H2_GATE_FRAME_STREAM},
    {"a reset of an idle stream", RST, 0, 3, "\0\0\0\10", 4, H2_GATE_FRAME_STREAM},
    {"a reset of a pushed stream", RST, 0, 2, "\0\0\0\10", 4, H2_GATE_FRAME_STREAM},
    {"a short reset", RST, 0, 1, "\0\0\0", 3, H2_GATE_FRAME_LENGTH},
    {"settings of a stream", SETTINGS, 0, 1, "", 0, H2_GATE_FRAME_STREAM},
    {"odd settings", SETTINGS, 0, 0, "\0\3\0\0\0", 5, H2_GATE_FRAME_LENGTH},
    {"an acknowledgement of something", SETTINGS, ACK, 0, "\0\3\0\0\0\1", 6, H2_GATE_FRAME_LENGTH},
    {"a small table", SETTINGS, 0, 0, "\0\1\0\0\x0f\xff", 6, H2_GATE_SETTINGS_TABLE},
    {"push of two", SETTINGS, 0, 0, "\0\2\0\0\0\2", 6, H2_GATE_SETTINGS_VALUE},
    {"too large a window", SETTINGS, 0, 0, "\0\4\x80\0\0\0", 6, H2_GATE_SETTINGS_VALUE},
    {"too small a frame", SETTINGS, 0, 0, "\0\5\0\0\x3f\xff", 6, H2_GATE_SETTINGS_VALUE},
    {"too large a frame", SETTINGS, 0, 0, "\0\5\1\0\0\0", 6, H2_GATE_SETTINGS_VALUE},
    {"a ping of a stream", PING, 0, 1, "12345678", 8, H2_GATE_FRAME_STREAM},
    {"a long ping", PING, 0, 0, "123456789", 9, H2_GATE_FRAME_LENGTH},
    {"a short good bye", GOAWAY, 0, 0, "\0\0\0\0", 4, H2_GATE_FRAME_LENGTH},
    {"a window of nothing", WINDOW, 0, 1, "\0\0\0\0", 4, H2_GATE_WINDOW_ZERO},
    {"a window of a reserved bit", WINDOW, 0, 0, "\x80\0\0\0", 4, H2_GATE_WINDOW_ZERO},
    {"a window of an idle stream", WINDOW, 0, 3, "\0\0\0\1", 4, H2_GATE_FRAME_STREAM},
    {"a window of a pushed stream", WINDOW, 0, 2, "\0\0\0\1", 4, H2_GATE_FRAME_STREAM},
    {"a long window", WINDOW, 0, 1, "\0\0\0\1\0", 5, H2_GATE_FRAME_LENGTH},
    {"an unknown frame that is too long", UNKNOWN, 0, 0, NULL, 16385, H2_GATE_FRAME_LENGTH},
    {"a ping that is far too long", PING, 0, 0, NULL, 65536, H2_GATE_FRAME_LENGTH},
};

Test(h2_gate, single_frames)
{
    for (size_t i = 0; i < COUNT(frames); i++) {
        struct h2_gate gate;
        begin(&gate, &readers);
        expect(get(&gate, 1), H2_GATE_SHOW, H2_GATE_NONE, "the request");
        struct h2_gate_verdict verdict =
            put(&gate, frames[i].type, frames[i].flags, frames[i].stream, frames[i].payload, frames[i].len);
        expect(verdict, frames[i].reason == H2_GATE_NONE ? H2_GATE_SHOW : H2_GATE_KILL, frames[i].reason,
               frames[i].what);
        cr_assert(!h2_gate_is_flood(verdict.reason));
    }
}

/* A bad frame need not be whole to be known as one. */
Test(h2_gate, bad_frames_are_known_by_their_header)
{
    struct h2_gate gate;

    begin(&gate, &readers);
    build(CONTINUATION, 0, 1, NULL, 16384);
    expect(h2_gate_next(&gate, frame, 9, SECOND), H2_GATE_KILL, H2_GATE_CONTINUATION, "nine bytes");
}

Test(h2_gate, windows_are_asked_about)
{
    struct h2_gate gate;
    struct h2_gate_verdict verdict;

    begin(&gate, &readers);
    verdict = put(&gate, SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    cr_assert(verdict.action == H2_GATE_SHOW, "where there was no stream");
    get(&gate, 1);
    verdict = put(&gate, WINDOW, 0, 0, "\0\0\1\0", 4);
    cr_assert(verdict.action == H2_GATE_ASK && !verdict.settings && verdict.stream == 0 && verdict.window == 256);
    verdict = put(&gate, WINDOW, 0, 1, "\x7f\xff\xff\xff", 4);
    cr_assert(verdict.action == H2_GATE_ASK && verdict.stream == 1 && verdict.window == 0x7fffffff);
    verdict = put(&gate, SETTINGS, 0, 0, "\0\4\0\0\0\7\0\4\0\0\0\x9", 12);
    cr_assert(verdict.action == H2_GATE_ASK && verdict.settings && verdict.window == 9 && verdict.len == 21);
}

Test(h2_gate, bodies)
{
    struct h2_gate gate;

    begin(&gate, &publishers);
    expect(put(&gate, HEADERS, END_HEADERS, 1, block, 3), H2_GATE_SHOW, H2_GATE_NONE, "a request");
    expect(get(&gate, 3), H2_GATE_SHOW, H2_GATE_NONE, "one without a body");
    expect(put(&gate, DATA, 0, 1, "hello", 5), H2_GATE_SHOW, H2_GATE_NONE, "its body");
    expect(put(&gate, DATA, PADDED | END_STREAM, 1, "\1x\0", 3), H2_GATE_SHOW, H2_GATE_NONE, "the end of it");
    struct h2_gate fork = gate;
    expect(put(&fork, DATA, 0, 1, "x", 1), H2_GATE_KILL, H2_GATE_DATA, "more of it");
    fork = gate;
    expect(put(&fork, DATA, 0, 3, "x", 1), H2_GATE_KILL, H2_GATE_DATA, "where none was announced");
    put(&gate, HEADERS, END_HEADERS, 5, block, 3);
    fork = gate;
    expect(put(&fork, DATA, PADDED, 5, "\1", 1), H2_GATE_KILL, H2_GATE_PADDING, "all padding");
    fork = gate;
    expect(put(&fork, HEADERS, WHOLE, 5, block, 3), H2_GATE_KILL, H2_GATE_HEADERS_STREAM, "trailers");
    fork = gate;
    put(&fork, RST, 0, 5, NULL, 4);
    expect(put(&fork, DATA, 0, 5, "x", 1), H2_GATE_KILL, H2_GATE_DATA, "after its reset");
    size_t shown = 0;
    while (put(&gate, DATA, 0, 5, NULL, 16384).action == H2_GATE_SHOW)
        shown += 16384;
    cr_assert(shown > publishers.body_bytes && shown < 20u << 20 && gate.reason == H2_GATE_BODY_LENGTH, "%zu", shown);
}

/* More than the streams that may be open, of which the oldest is given up. */
Test(h2_gate, bodies_that_never_end)
{
    struct h2_gate gate;
    uint32_t stream = 1;

    begin(&gate, &publishers);
    for (; stream < 2 * (H2_GATE_UPLOADS + 1); stream += 2)
        expect(put(&gate, HEADERS, END_HEADERS, stream, block, 3), H2_GATE_SHOW, H2_GATE_NONE, "a request");
    expect(put(&gate, DATA, 0, 3, "x", 1), H2_GATE_SHOW, H2_GATE_NONE, "the second");
    expect(put(&gate, DATA, 0, 1, "x", 1), H2_GATE_KILL, H2_GATE_DATA, "the first");
}

static unsigned flood(struct h2_gate *gate, uint8_t type, int64_t interval, unsigned max)
{
    static const uint8_t one[8] = {[3] = 1};
    uint32_t stream = 1;
    unsigned n = 0;

    get(gate, stream);
    while (n < max) {
        bool opens = type == HEADERS;
        uint32_t on = opens                                           ? stream += 2
                      : type == RST || type == WINDOW || type == DATA ? 1
                      : type == PRIORITY                              ? 3
                                                                      : 0;
        size_t len = type == PRIORITY ? 5 : type == RST || type == WINDOW ? 4 : type == PING ? 8 : 0;
        struct h2_gate_verdict verdict =
            at(gate, SECOND + n * interval, type, opens ? WHOLE : 0, on, opens ? NULL : one, len);
        if (verdict.action == H2_GATE_KILL) {
            cr_assert(h2_gate_is_flood(verdict.reason), "%u: %s", type, h2_gate_reason_text(verdict.reason));
            return n;
        }
        n++;
    }
    return n;
}

/* How many frames are allowed at once, and that a permitted rate is allowed indefinitely. */
Test(h2_gate, rates)
{
    static const struct {
        uint8_t type;
        unsigned burst, per_second;
    } cases[] = {
        {HEADERS, 1000, 400},  {RST, 500, 200},       {PING, 100, 20},      {SETTINGS, 50, 5},
        {PRIORITY, 1000, 200}, {WINDOW, 10000, 2000}, {UNKNOWN, 1000, 200},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct h2_gate gate;
        unsigned burst = cases[i].burst, n;
        begin(&gate, &readers);
        n = flood(&gate, cases[i].type, 0, 100000);
        cr_assert(n >= burst - 2 && n <= burst, "type %d: %u at once", cases[i].type, n);
        begin(&gate, &readers);
        n = flood(&gate, cases[i].type, SECOND / cases[i].per_second, 4 * burst);
        cr_assert(n == 4 * burst, "type %d: %u at its rate", cases[i].type, n);
        begin(&gate, &readers);
        n = flood(&gate, cases[i].type, SECOND / (2 * cases[i].per_second), 4 * burst);
        cr_assert(n < 2 * burst + 10, "type %d: %u at twice its rate", cases[i].type, n);
    }
}

Test(h2_gate, windows_follow_what_was_sent)
{
    struct h2_gate gate;

    begin(&gate, &readers);
    h2_gate_sent(&gate, 32 * 50000);
    unsigned n = flood(&gate, WINDOW, 0, 1000000);
    cr_assert(n == 60000, "%u", n);
    begin(&gate, &readers);
    for (int i = 0; i < 1000; i++)
        h2_gate_sent(&gate, UINT64_C(1) << 40);
    n = flood(&gate, WINDOW, 0, 3000000);
    cr_assert(n < 2000000, "%u", n);
}

/* A clock that stands still or goes back refills nothing and breaks nothing. */
Test(h2_gate, time_going_back)
{
    struct h2_gate gate;
    unsigned n = 0;

    begin(&gate, &readers);
    while (at(&gate, SECOND - n * 1000, PING, 0, 0, NULL, 8).action == H2_GATE_SHOW)
        cr_assert(n++ < 101);
    cr_assert(n == 100);
}

Test(h2_gate, blocks)
{
    static const struct {
        const char *block;
        size_t len;
        enum h2_gate_reason reason;
    } cases[] = {
        {"", 0, H2_GATE_NONE},
        {"\x82\x86\x84", 3, H2_GATE_NONE},
        {"\x40\1a\1b", 5, H2_GATE_NONE},
        {"\x44\1/", 3, H2_GATE_NONE},
        {"\x04\x81\x60", 3, H2_GATE_NONE},
        {"\x14\1/", 3, H2_GATE_NONE},
        {"\x0f\0\1x", 4, H2_GATE_NONE},
        {"\x20\x3f\xe1\x1f\x82", 5, H2_GATE_NONE}, /* to 0 and back to 4096 */
        {"\x20\x20\x20\x82", 4, H2_GATE_HEADER_TABLE},
        {"\x3f\xe2\x1f\x82", 4, H2_GATE_HEADER_TABLE}, /* 4097 */
        {"\x82\x20", 2, H2_GATE_HEADER_TABLE},
        {"\x80", 1, H2_GATE_HEADER_BLOCK},
        {"\x40", 1, H2_GATE_HEADER_BLOCK},
        {"\x40\2a", 3, H2_GATE_HEADER_BLOCK},
        {"\x44\2/", 3, H2_GATE_HEADER_BLOCK},
        {"\xff", 1, H2_GATE_HEADER_BLOCK},
        {"\xff\xff\xff\xff\xff\xff\1", 7, H2_GATE_HEADER_BLOCK},
        {"\x82\x82\x82\x82\x82\x82\x82\x82\x82\x82", 10, H2_GATE_NONE},
        {"\x82\x82\x82\x82\x82\x82\x82\x82\x82\x82\x82", 11, H2_GATE_HEADER_FIELDS},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        cr_assert(h2_gate_check_block((const uint8_t *)cases[i].block, cases[i].len, 10) == cases[i].reason, "%zu", i);
}

Test(h2_gate, every_reason_has_a_text)
{
    for (int reason = H2_GATE_NONE + 1; reason <= H2_GATE_UNKNOWN_FLOOD; reason++)
        cr_assert(strlen(h2_gate_reason_text((enum h2_gate_reason)reason)) > 3);
    cr_assert(!h2_gate_is_flood(H2_GATE_SETTINGS_TABLE) && h2_gate_is_flood(H2_GATE_HEADERS_FLOOD));
}
