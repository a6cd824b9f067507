/* h2_gate.c - fuzzes the frame gate against a model of what libh2o may be shown */
/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "proto/h2_gate.h"
#include "tests/fuzz/h2_view.h"

/*
 * An input is a little program that writes what a client sends. Random bytes
 * alone would hardly ever get beyond the first frame.
 */
enum { SENT_MAX = 192 * 1024, MARKS_MAX = 64 };

struct client {
    uint8_t *bytes;
    size_t len;
    size_t last; /* where the last frame begins */
    uint32_t next_stream;
    struct {
        size_t at; /* before these bytes … */
        int64_t pass_ns;
        uint64_t sent;
    } marks[MARKS_MAX];
    size_t mark_count;
};

static void put(struct client *client, const void *bytes, size_t len)
{
    if (len > SENT_MAX - client->len)
        len = SENT_MAX - client->len;
    if (len != 0)
        memcpy(client->bytes + client->len, bytes, len);
    client->len += len;
}

static void put_header(struct client *client, size_t len, uint8_t type, uint8_t flags, uint32_t stream)
{
    const uint8_t header[9] = {
        (uint8_t)(len >> 16),    (uint8_t)(len >> 8),     (uint8_t)len,           type,           flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};

    client->last = client->len;
    put(client, header, sizeof(header));
}

/* 0: the connection; 1: a new stream; 2: the newest; 4, 6 … those before it; 3, 5 …: no client's, since they are even. */
static uint32_t pick_stream(struct client *client, uint8_t choice)
{
    if (choice == 0)
        return 0;
    if (choice == 1) {
        client->next_stream += 2;
        return client->next_stream - 2;
    }
    if (choice == 255)
        return 0x7fffffff;
    return client->next_stream - choice;
}

static void put_frame(struct client *client, struct fuzz_input *input)
{
    uint8_t type = fuzz_byte(input), flags = fuzz_byte(input);
    uint32_t stream = pick_stream(client, fuzz_byte(input));
    struct fuzz_text payload = fuzz_short_text(input);

    put_header(client, payload.len, type, flags, stream);
    put(client, payload.s, payload.len);
    free(payload.s);
}

/* One whose payload is long and dull: a header block of one-byte fields, a body. */
static void put_long_frame(struct client *client, struct fuzz_input *input)
{
    uint8_t type = fuzz_byte(input), flags = fuzz_byte(input);
    uint32_t stream = pick_stream(client, fuzz_byte(input));
    size_t len = (size_t)fuzz_byte(input) << 8;
    uint8_t filler[256];

    len |= fuzz_byte(input);
    memset(filler, fuzz_byte(input), sizeof(filler));
    put_header(client, len, type, flags, stream);
    for (size_t left = len; left != 0;) {
        size_t some = left < sizeof(filler) ? left : sizeof(filler);
        put(client, filler, some);
        left -= some;
    }
}

/* The last frame again and again; HEADERS each on a stream of its own. */
static void repeat(struct client *client, size_t times)
{
    size_t at = client->last, len = client->len - at;

    if (len < 9)
        return;
    for (size_t i = 0; i != times && client->len + len <= SENT_MAX; ++i) {
        memmove(client->bytes + client->len, client->bytes + at, len);
        if (client->bytes[at + 3] == 1) {
            uint32_t stream = pick_stream(client, 1);
            uint8_t *id = client->bytes + client->len + 5;
            for (int n = 0; n != 4; ++n)
                id[n] = (uint8_t)(stream >> (24 - 8 * n));
        }
        client->last = client->len;
        client->len += len;
    }
}

static void put_mark(struct client *client, int64_t pass_ns, uint64_t sent)
{
    if (client->mark_count == MARKS_MAX)
        return;
    client->marks[client->mark_count].at = client->len;
    client->marks[client->mark_count].pass_ns = pass_ns;
    client->marks[client->mark_count++].sent = sent;
}

static void write_all(struct client *client, struct fuzz_input *input)
{
    struct fuzz_text raw;

    while (input->left != 0) {
        switch (fuzz_byte(input) % 6) {
        case 0:
            put_frame(client, input);
            break;
        case 1:
            put_long_frame(client, input);
            break;
        case 2:
            repeat(client, (size_t)fuzz_byte(input) * 8 + 1);
            break;
        case 3:
            put_mark(client, (int64_t)fuzz_byte(input) * 50000000, 0);
            break;
        case 4:
            put_mark(client, 0, (uint64_t)fuzz_byte(input) * 1024);
            break;
        default:
            raw = fuzz_short_text(input);
            put(client, raw.s, raw.len);
            free(raw.s);
            break;
        }
    }
}

/* ---- one connection ---- */

struct run {
    struct h2_gate gate;
    struct h2_view view;
    const struct client *client;
    int64_t now_ns;
    uint64_t sent;
    size_t at;        /* decided up to here */
    size_t mark;      /* passed */
    size_t drop_left; /* of a frame that is dropped piece by piece */
    enum h2_gate_reason killed;
    uint64_t digest; /* of what was shown and asked */
};

static void digest(struct run *run, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i != len; ++i)
        run->digest = (run->digest ^ p[i]) * UINT64_C(1099511628211);
}

static size_t frame_size(const uint8_t *frame)
{
    return 9 + ((size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2]);
}

/* A frame that never arrives whole is judged by its header alone. */
static void check_partial(struct run *run, const struct h2_gate_verdict *verdict, size_t left)
{
    const uint8_t *frame = run->client->bytes + run->at;

    FUZZ_CHECK(verdict->action != H2_GATE_SHOW && verdict->action != H2_GATE_ASK);
    if (verdict->action != H2_GATE_DROP)
        return;
    FUZZ_CHECK(left >= 9 && frame[3] >= 10 && run->view.open && frame_size(frame) <= 9 + 16384);
    run->drop_left = frame_size(frame) - verdict->len;
}

static void check_frame(struct run *run, const struct h2_gate_verdict *verdict, size_t available)
{
    const uint8_t *frame = run->client->bytes + run->at;
    size_t left = run->client->len - run->at, size = left >= 9 ? frame_size(frame) : SIZE_MAX;

    if (left < size) {
        check_partial(run, verdict, left);
        return;
    }
    if (verdict->action == H2_GATE_WAIT) {
        FUZZ_CHECK(available < size);
        return;
    }
    struct h2_view_answer answer = h2_view_frame(&run->view, frame);
    unsigned type = frame[3];
    switch (verdict->action) {
    case H2_GATE_SHOW:
        FUZZ_CHECK((answer.allowed & H2_VIEW_SHOW) != 0 && available >= size && verdict->len == size);
        break;
    case H2_GATE_ASK:
        FUZZ_CHECK((answer.allowed & H2_VIEW_ASK) != 0 && available >= size && verdict->len == size);
        FUZZ_CHECK(verdict->stream == answer.stream && verdict->window == answer.window);
        FUZZ_CHECK(verdict->settings == answer.settings);
        break;
    case H2_GATE_DROP:
        FUZZ_CHECK((answer.allowed & H2_VIEW_DROP) != 0 && verdict->len <= size && verdict->len <= available);
        run->drop_left = size - verdict->len;
        break;
    default:
        FUZZ_CHECK((answer.allowed & H2_VIEW_KILL) != 0 || h2_gate_is_flood(verdict->reason));
        FUZZ_CHECK(!h2_gate_is_flood(verdict->reason) || !h2_view_is_modest(&run->view, type));
        return;
    }
    FUZZ_CHECK(verdict->type == type);
    FUZZ_CHECK(!h2_view_is_flood(&run->view, type, (uint64_t)run->now_ns / 1000000000 + 1, run->sent));
}

static void check_preface(const struct run *run, const struct h2_gate_verdict *verdict, size_t available)
{
    size_t len = available < H2_GATE_PREFACE_LEN ? available : H2_GATE_PREFACE_LEN;
    bool fits = memcmp(run->client->bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", len) == 0;

    if (!fits)
        FUZZ_CHECK(verdict->action == H2_GATE_KILL);
    else if (available < 24)
        FUZZ_CHECK(verdict->action == H2_GATE_WAIT);
    else
        FUZZ_CHECK(verdict->action == H2_GATE_SHOW && verdict->len == 24);
}

/* Short input is copied into a block of its exact size, so that a read beyond it is found. */
static struct h2_gate_verdict ask_gate(struct run *run, size_t available)
{
    const uint8_t *at = run->client->bytes + run->at;

    if (available >= 64 && available >= frame_size(at))
        return h2_gate_next(&run->gate, at, available, run->now_ns);
    uint8_t *bytes = malloc(available != 0 ? available : 1);
    if (bytes == NULL)
        abort();
    memcpy(bytes, at, available);
    struct h2_gate_verdict verdict = h2_gate_next(&run->gate, bytes, available, run->now_ns);
    free(bytes);
    return verdict;
}

/* Offers the bytes that have arrived until the gate wants more. False: the connection is to be killed. */
static bool offer(struct run *run, size_t until)
{
    for (;;) {
        size_t available = until - run->at;
        struct h2_gate_verdict verdict = ask_gate(run, available);
        if (available == 0) {
            FUZZ_CHECK(verdict.action == H2_GATE_WAIT);
            return true;
        }
        if (run->drop_left != 0) {
            FUZZ_CHECK(verdict.action == H2_GATE_DROP && verdict.len != 0 && verdict.len <= run->drop_left);
            run->drop_left -= verdict.len;
        } else if (run->at == 0) {
            check_preface(run, &verdict, available);
        } else {
            check_frame(run, &verdict, available);
        }
        if (verdict.action == H2_GATE_WAIT)
            return true;
        if (verdict.action == H2_GATE_KILL) {
            run->killed = verdict.reason;
            FUZZ_CHECK(verdict.reason != H2_GATE_NONE && h2_gate_reason_text(verdict.reason)[0] != '\0');
            return false;
        }
        if (verdict.action != H2_GATE_DROP)
            digest(run, run->client->bytes + run->at, verdict.len);
        FUZZ_CHECK(verdict.len != 0 && verdict.len <= available);
        run->at += verdict.len;
    }
}

/* chunk 0: as much at a time as there is. */
static void run_connection(struct run *run, const struct client *client, const struct h2_gate_rules *rules,
                           size_t chunk)
{
    size_t come = 0;

    memset(run, 0, sizeof(*run));
    run->client = client;
    run->view.rules = rules;
    h2_gate_init(&run->gate, rules);
    while (come != client->len || run->mark != client->mark_count) {
        while (run->mark != client->mark_count && client->marks[run->mark].at == come) {
            run->now_ns += client->marks[run->mark].pass_ns;
            run->sent += client->marks[run->mark].sent;
            h2_gate_sent(&run->gate, client->marks[run->mark++].sent);
        }
        size_t until = run->mark != client->mark_count ? client->marks[run->mark].at : client->len;
        come = chunk != 0 && until - come > chunk ? come + chunk : until;
        if (!offer(run, come))
            break;
    }
    if (run->killed == H2_GATE_NONE)
        return;
    for (int i = 0; i != 2; ++i) {
        struct h2_gate_verdict verdict = h2_gate_next(&run->gate, (const uint8_t *)"x", 1, run->now_ns + i);
        FUZZ_CHECK(verdict.action == H2_GATE_KILL && verdict.reason == run->killed);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Not from the heap: a sanitizer would never use so large a piece again. */
    static uint8_t sent[SENT_MAX];
    static struct run whole, cut;
    struct fuzz_input input = {data, size};
    struct client client = {.bytes = sent, .next_stream = 1};
    uint8_t options = fuzz_byte(&input);
    const struct h2_gate_rules rules = {.takes_bodies = (options & 1) != 0,
                                        .body_bytes = 65536,
                                        .header_bytes = (options & 2) != 0 ? 1024 : 8192,
                                        .header_fields = (options & 4) != 0 ? 8 : 64,
                                        .new_streams = (options & 8) != 0 ? 1 : 100};

    if ((options & 16) == 0)
        put(&client, H2_GATE_PREFACE, H2_GATE_PREFACE_LEN);
    if ((options & 32) == 0)
        put_header(&client, 0, 4, 0, 0);
    write_all(&client, &input);
    run_connection(&whole, &client, &rules, 0);
    /* However the bytes are cut, the same ones get through. */
    run_connection(&cut, &client, &rules, (size_t)(options >> 6) * 7 + 1 + client.len / 512);
    FUZZ_CHECK(whole.digest == cut.digest && whole.killed == cut.killed);
    return 0;
}
