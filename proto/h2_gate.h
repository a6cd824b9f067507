/* h2_gate.h - which bytes of an HTTP/2 client an HTTP/2 library of weak nerves may be shown */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_H2_GATE_H
#define PROTO_H2_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * RFC 9113 as seen by a server that answers GET and, where it says so, takes
 * request bodies. One struct h2_gate per connection; no memory of its own, no
 * clock, no globals. The connection's reader asks about the bytes at
 * hand, frame by frame, and does what the answer says:
 *
 *     struct h2_gate_verdict v = h2_gate_next(&gate, bytes, len, now_ns);
 *
 *     WAIT   these bytes are the beginning of something: ask again, from the
 *            same place, when there are more of them. Nothing was counted.
 *     SHOW   the first v.len bytes (the preface or one whole frame) may be
 *            shown. Continue after them.
 *     ASK    the same, but only if the library is in a state that can stand
 *            it: it has to have been shown all that came before, and
 *              - v.stream != 0: stream v.stream can take v.window more bytes
 *              - v.stream == 0 and v.settings: every open stream can have its
 *                window start at v.window instead of what it was
 *              - else: the connection can take v.window more bytes
 *            Else the asker drops the bytes or kills the connection. Shown
 *            or dropped, continue after them.
 *     DROP   the first v.len bytes must not be shown. Continue after them.
 *            They may end inside a frame, whose rest is then dropped as it
 *            comes.
 *     KILL   v.reason says why the connection must end. From now on every
 *            answer is this one.
 *
 * Shown are whole frames of known types with legal lengths, streams and
 * values. Never CONTINUATION, PUSH_PROMISE, PRIORITY (checked, and dropped:
 * RFC 9113, 5.3.2 has it deprecated) or unknown types; HEADERS only whole, for
 * a new stream, with a header block of a bounded number of fields, and with
 * END_STREAM where no bodies are taken; DATA only on streams whose request is
 * still coming. Each type has a rate that no honest client reaches.
 */
enum h2_gate_action { H2_GATE_WAIT = 0, H2_GATE_SHOW, H2_GATE_ASK, H2_GATE_DROP, H2_GATE_KILL };

/* FLOOD: a rate was exceeded; BAD: something that an honest client never sends. */
#define H2_GATE_REASONS(BAD, FLOOD)                                                                                    \
    BAD(NO_PREFACE, "no HTTP/2 preface")                                                                               \
    BAD(FIRST_FRAME, "the first frame is not SETTINGS")                                                                \
    BAD(FRAME_LENGTH, "a frame of an illegal length")                                                                  \
    BAD(FRAME_STREAM, "a frame on a stream it can't be on")                                                            \
    BAD(PADDING, "more padding than frame")                                                                            \
    BAD(CONTINUATION, "CONTINUATION")                                                                                  \
    BAD(PUSH_PROMISE, "PUSH_PROMISE from a client")                                                                    \
    BAD(DATA, "DATA where nothing is taken")                                                                           \
    BAD(BODY_LENGTH, "DATA without end after the body was too large")                                                  \
    BAD(HEADERS_LENGTH, "HEADERS larger than a request may be")                                                        \
    BAD(HEADERS_PART, "HEADERS without END_HEADERS")                                                                   \
    BAD(HEADERS_BODY, "HEADERS without END_STREAM where no bodies are taken")                                          \
    BAD(HEADERS_STREAM, "HEADERS for a stream that is not new")                                                        \
    BAD(HEADER_BLOCK, "a broken header block")                                                                         \
    BAD(HEADER_FIELDS, "too many header fields")                                                                       \
    BAD(HEADER_TABLE, "header table size updates out of place")                                                        \
    BAD(SELF_DEPENDENCY, "a stream that depends on itself")                                                            \
    BAD(WINDOW_ZERO, "WINDOW_UPDATE of nothing")                                                                       \
    BAD(SETTINGS_VALUE, "SETTINGS with an illegal value")                                                              \
    BAD(SETTINGS_TABLE, "SETTINGS_HEADER_TABLE_SIZE below 4096, which is not supported")                               \
    FLOOD(HEADERS_FLOOD, "too many HEADERS")                                                                           \
    FLOOD(RESET_FLOOD, "too many RST_STREAM")                                                                          \
    FLOOD(PING_FLOOD, "too many PING")                                                                                 \
    FLOOD(SETTINGS_FLOOD, "too many SETTINGS or GOAWAY")                                                               \
    FLOOD(PRIORITY_FLOOD, "too many PRIORITY")                                                                         \
    FLOOD(WINDOW_FLOOD, "too many WINDOW_UPDATE")                                                                      \
    FLOOD(DATA_FLOOD, "too many small DATA frames")                                                                    \
    FLOOD(UNKNOWN_FLOOD, "too many frames of unknown types")

enum h2_gate_reason {
    H2_GATE_NONE = 0,
#define H2_GATE_REASON(symbol, text) H2_GATE_##symbol,
    H2_GATE_REASONS(H2_GATE_REASON, H2_GATE_REASON)
#undef H2_GATE_REASON
};

const char *h2_gate_reason_text(enum h2_gate_reason reason);
bool h2_gate_is_flood(enum h2_gate_reason reason);

/* Outlive the gates made with them. */
struct h2_gate_rules {
    bool takes_bodies;
    uint32_t body_bytes;   /* what the library takes of one body; some more may be under way when it says no */
    uint32_t header_bytes; /* of one request: what a little exceeds it is shown, so that somebody can say so */
    uint32_t header_fields;
    uint32_t new_streams; /* per second: what exceeds it a few times over is a flood. 0: 100 */
};

/* The largest frame that libraries take which never said otherwise (RFC 9113, 4.2). */
#define H2_GATE_FRAME_MAX 16384
#define H2_GATE_FRAME_HEADER 9
#define H2_GATE_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_GATE_PREFACE_LEN 24
/* Requests whose body may be on its way at a time; more than the streams that may be open. */
#define H2_GATE_UPLOADS 128

enum h2_gate_bucket {
    H2_GATE_HEADERS = 0,
    H2_GATE_RESET,
    H2_GATE_PING,
    H2_GATE_SETTINGS,
    H2_GATE_PRIORITY,
    H2_GATE_WINDOW,
    H2_GATE_SMALL_DATA,
    H2_GATE_UNKNOWN,
    H2_GATE_BUCKETS
};

/* All of it is the functions' own. */
struct h2_gate {
    const struct h2_gate_rules *rules;
    int64_t due_ns[H2_GATE_BUCKETS]; /* when each bucket is full again */
    int64_t latest_ns;               /* when one was last asked */
    uint32_t skip;                   /* bytes to come of a frame that is being dropped */
    uint32_t last_stream;
    uint32_t window_credit, data_credit; /* frames that are free of charge */
    uint8_t phase, reason;
    uint8_t next_upload;
    struct {
        uint32_t stream; /* 0: free */
        uint32_t bytes;
    } uploads[H2_GATE_UPLOADS];
};

struct h2_gate_verdict {
    enum h2_gate_action action;
    size_t len;
    enum h2_gate_reason reason;
    uint32_t stream, window;
    bool settings;
    uint8_t type; /* of the frame shown, asked about or (the beginning of it) dropped; 0xff for the preface */
};

void h2_gate_init(struct h2_gate *gate, const struct h2_gate_rules *rules);
/* now_ns: monotonic; going back is as if it stood still. */
struct h2_gate_verdict h2_gate_next(struct h2_gate *gate, const uint8_t *bytes, size_t len, int64_t now_ns);
/* So many more bytes were sent to the client: it may answer with WINDOW_UPDATEs in proportion. */
void h2_gate_sent(struct h2_gate *gate, uint64_t bytes);

/*
 * Walks over a header block (RFC 7541) without decoding it: whether it is
 * well formed, has at most max_fields fields, and table size updates only at
 * its start, at most two, none above 4096. H2_GATE_NONE or what is wrong.
 */
enum h2_gate_reason h2_gate_check_block(const uint8_t *block, size_t len, uint32_t max_fields);

#endif
