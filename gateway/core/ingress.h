/* ingress.h - what a source tells the core */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_INGRESS_H
#define GATEWAY_CORE_INGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel;
struct message;
struct source;

/*
 * Any thread, with no lock of the core's held. What arrives gets its number
 * under the source's lock, is in all of its channels before the horizon moves
 * past it, and wakes the hubs that follow them.
 */

/* The subscription stands (or the broker is away and the wait is over): readers may start. Idempotent. */
void ingress_opened(struct channel *channel);
/* The broker refuses the subject: readers are ended, new ones refused, until the channel is dropped. */
void ingress_denied(struct channel *channel);
/* Numbers, encodes and appends one message, and wakes the hubs concerned. Drops what is not for readers. */
void ingress_append(struct channel *channel, const struct message *message);
/*
 * Events may be missing from here on: appends one mark with one common number
 * to all of the channels given; each reader that passes it sends one
 * freshet.gap "broker-lost".
 */
void ingress_lost(struct source *source, struct channel *const *channels, size_t count);

/* ---- what a source with a store tells instead of ingress_opened, ingress_append and ingress_lost ---- */

/*
 * The first epoch, or the store was created again: what comes next is numbered from
 * the returned base on (its sequence 0; the first epoch's base is 0). Each of
 * the channels gets one mark with the number of the base.
 */
uint64_t ingress_begin_epoch(struct source *source, uint64_t incarnation, struct channel *const *channels,
                             size_t count);
/*
 * The message goes, under one number greater than the horizon, into all of the
 * channels (distinct, perhaps none), and the horizon moves there. One thread at a time.
 */
void ingress_append_at(struct source *source, uint64_t sequence, const struct message *message,
                       struct channel *const *channels, size_t count);
/*
 * One that was missed, found later: its number may be below the horizon, but
 * none of the channels has one that is greater. A reader of several channels
 * that is past it already gets a gap event.
 */
void ingress_append_late(struct source *source, uint64_t sequence, const struct message *message,
                         struct channel *const *channels, size_t count);
/*
 * Is that event there, or may it have been there and gone by now? False: the
 * channel keeps older and newer ones, and not this one.
 */
bool ingress_has(struct channel *channel, uint64_t sequence);
/* Nothing up to here is missing: the horizon moves there, unless it is further already. */
void ingress_advance(struct source *source, uint64_t sequence);
/*
 * As ingress_opened, for a channel that will get everything numbered above
 * `floor`; what it has got before is left to the store. True: it was not open.
 */
bool ingress_opened_at(struct channel *channel, uint64_t floor);
/*
 * As ingress_lost, with a number not below the horizon (it may be that of the
 * message that comes next), which moves there.
 */
void ingress_lost_at(struct source *source, struct channel *const *channels, size_t count, uint64_t sequence);

/* The source has let go of the channel: nothing of the source refers to it any more. */
void ingress_closed(struct channel *channel);

/* ---- what a source keeps in a channel, and reads of it ---- */

/* NUL-terminated pattern, immutable. */
const char *ingress_pattern(const struct channel *channel);
/* One pointer that belongs to the source (its subscription). */
void ingress_set_source_data(struct channel *channel, void *data);
void *ingress_source_data(const struct channel *channel);

#endif
