/* fetch.h - stored events for one reader, piece by piece */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_FETCH_H
#define GATEWAY_CORE_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/policy.h"

struct encoding;
struct message;
struct segment;
struct source;

/* A piece is no larger, unless a single event is. */
#define FETCH_PIECE_BYTES 65536u

enum fetch_from {
    FETCH_AFTER = 0, /* all events numbered above `after` */
    FETCH_TIME,      /* all events stored at start_ns or later */
    FETCH_LAST,      /* the last event of each subject, then all that came since */
};

/*
 * Reads what a store has for a reader whose cursor is older than the rings
 * reach. Made by the core; ops->fetch asks for one piece and hands the fetch
 * to the source until `fetched`, then the core looks at the piece and asks for
 * the next one with ops->fetch again, or lets go with ops->fetch_close. Only a
 * bounded number is worked on at a time, the rest queue: a reader that asks for
 * nothing holds up no other.
 */
struct fetch {
    /* the core's; the source reads them from ops->fetch until fetched */
    struct source *source;
    enum policy_event event;
    enum policy_format format;
    char **patterns; /* 1 … 32, NUL terminated, none covers another */
    unsigned pattern_count;
    enum fetch_from from; /* set to FETCH_AFTER by the source once it continues where it was */
    int64_t start_ns;     /* FETCH_TIME: wall clock */
    /*
     * All up to here has been handed out or is not wanted. Moves on with each
     * piece. FETCH_LAST: 0 at first, and later skips what is not above it.
     */
    uint64_t after;
    /*
     * Where the rings begin. When nothing is stored between `after` and
     * `target` any more, the source sets `complete` and `after` to at least target.
     */
    uint64_t target;
    void (*fetched)(struct fetch *fetch); /* any thread */
    void (*closed)(struct fetch *fetch);  /* any thread; the source's last use */

    /* the piece: set by the source (fetch_add) before fetched */
    struct segment *segment; /* events back to back from offset 0; one reference, which is the core's; NULL: no event */
    uint32_t size, events;
    uint64_t first_sequence; /* of the piece's first event */
    uint64_t first;          /* source->first, as it was before the piece was read */
    bool complete;

    /* the source's own */
    struct fetch *next;
    void *source_data;
};

/* Before a piece is read, and after source->first was brought up to date: nothing is in it. */
void fetch_begin(struct fetch *fetch);
/*
 * Encodes a message behind what the piece has, and moves `after` to it. False:
 * no room; it belongs into the next piece. Sequences ascend. A message that no
 * pattern matches, or whose subject is not for readers, only moves `after`.
 */
bool fetch_add(struct fetch *fetch, struct encoding *encoding, uint64_t sequence, const struct message *message);

#endif
