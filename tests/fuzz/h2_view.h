/* h2_view.h - a model of what libh2o may be shown of an HTTP/2 connection */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_H2_VIEW_H
#define TESTS_FUZZ_H2_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h2_gate_rules;

/*
 * Written from RFC 9113, RFC 7541 and the known weaknesses of libh2o 2.2.5,
 * sharing no code with the gate:
 *
 * - an assertion fails on WINDOW_UPDATE, or SETTINGS that change the initial
 *   window, for a stream that is over: never without asking for its state
 * - CONTINUATION can loop for ever, and takes memory without end
 * - bodies are buffered whole; DATA on closed streams makes resets (MadeYouReset)
 * - unknown types print a line each; header fields have no limit; a small
 *   header table breaks its HPACK
 *
 * One frame at a time, in the order in which they come.
 */
struct h2_view {
    const struct h2_gate_rules *rules;
    bool open; /* the first SETTINGS have come */
    uint32_t last_stream;
    struct {
        uint32_t stream; /* 0: none */
        uint64_t bytes;
    } bodies[256]; /* still arriving; a gate that remembers the latest 128 knows none of those dropped here */
    bool crowded;  /* more of them than a gate has to remember */
    uint64_t seen[11];
};

/* What the gate may do with a frame; several where it has a choice. */
enum { H2_VIEW_SHOW = 1, H2_VIEW_ASK = 2, H2_VIEW_DROP = 4, H2_VIEW_KILL = 8 };

struct h2_view_answer {
    unsigned allowed;
    uint32_t stream, window; /* of an ASK */
    bool settings;
};

/* frame: all of it, 9 + its length bytes. It counts as shown, unless only another answer is allowed. */
struct h2_view_answer h2_view_frame(struct h2_view *view, const uint8_t *frame);
/* Whether an honest client might send that many frames of that type (any from 10 on is unknown) at once. */
bool h2_view_is_modest(const struct h2_view *view, unsigned type);
/* Whether that many frames in that many seconds, from a client that was sent that many bytes, must not get through. */
bool h2_view_is_flood(const struct h2_view *view, unsigned type, uint64_t seconds, uint64_t sent);

#endif
