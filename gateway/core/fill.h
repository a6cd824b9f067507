/* fill.h - older events on their way into a channel's ring */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_FILL_H
#define GATEWAY_CORE_FILL_H

#include <stdint.h>

struct channel;
struct encoding;
struct fill;
struct message;

/* ---- what a reader asks ---- */

/* Does the ring reach back so far that a reader which has all up to `after` can follow it? */
enum fill_reach {
    FILL_REACHES = 0,
    FILL_WAITS, /* not yet: the source was asked for it, and the views get a mark when it has come */
    FILL_TOO_SHORT,
};
enum fill_reach fill_reach(struct channel *channel, uint64_t after);

/* ---- what a source with a store answers ops->fill with ---- */

/*
 * A fill: encoded older events of one channel, added in ascending order of
 * sequences by one thread, of which the newest that the channel has room for
 * are kept. fill_finish consumes it; all that the pattern matches above
 * `after` and up to fill_end was added, and source->first is up to date.
 * `encoding` is the caller's scratch.
 */
struct fill *fill_create(struct channel *channel);
/* The number up to which (inclusive) the fill has to go. */
uint64_t fill_end(const struct fill *fill);
/* How many events the channel keeps at most: there is no need to add many more. */
uint32_t fill_capacity(const struct fill *fill);
void fill_add(struct fill *fill, struct encoding *encoding, uint64_t sequence, const struct message *message);
void fill_destroy(struct fill *fill);
void fill_finish(struct fill *fill, uint64_t after);

#endif
