/* js_source.h - the source of events that a JetStream stream stores */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_JS_SOURCE_H
#define GATEWAY_SOURCE_JETSTREAM_JS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_nats;
struct config_stream;
struct js_source;
struct source;

/*
 * One JetStream stream, followed by one consumer, whatever the number of
 * channels and readers. Numbers are the stream's sequences (plus the epoch's
 * base), incarnations follow from the stream's name and creation time, so that
 * all gateways give the same event the same id.
 *
 * It has a connection and a control thread of its own. A connection that is
 * lost, that its server is about to end, or on which something is wrong is
 * given up, and another is made that resumes at the next sequence. Nothing is
 * said to readers then, unless the stream no longer holds what comes next
 * (ingress_lost_at) or isn't the same any more (ingress_begin_epoch).
 *
 * Lifetime: create, start, stop, destroy. All functions from any thread but
 * the source's own callbacks.
 */

/*
 * Takes what it needs of both. Anything wrong with the connection's settings
 * gives NULL and a reason. replays: readers of stored events at work at a time.
 */
struct js_source *js_source_create(const struct config_nats *nats, const struct config_stream *stream, unsigned replays,
                                   unsigned index, char *error, size_t error_size);

/* Starts to connect in the background and returns at once, whether there is a broker or not. */
enum js_start_status { JS_START_OK = 0, JS_START_NO_THREAD };
enum js_start_status js_source_start(struct js_source *source);

/* What the core uses. Lives as long as the js_source. */
struct source *js_source_base(struct js_source *source);

/*
 * True once the events that belong into the rings at the start are there, and
 * false again after the stream could not be followed for some seconds.
 */
bool js_source_is_connected(const struct js_source *source);

/*
 * Waits until the rings are filled, at most so long. JS_WARM_FAULT: a route
 * asks for subjects that the stream doesn't store, and `fault` says which; a
 * stream that shows up without them only later, when no thread waits here, is
 * followed all the same, with an error in the log.
 */
enum js_warm { JS_WARM = 0, JS_WARM_NOT_YET, JS_WARM_FAULT };
enum js_warm js_source_wait_warm(struct js_source *source, int64_t ms, char *fault, size_t fault_size);

/*
 * Ends the consumer and the connection and waits for the control and delivery
 * threads. After it no function of the core is called any more but
 * ingress_closed, done, looked and closed from within the ops, and what a
 * thread that reads stored events had begun to hand over; that ends with
 * js_source_destroy. False: the client library did not release it within some
 * seconds; js_source_destroy then leaks it on purpose.
 */
bool js_source_stop(struct js_source *source);

/* Stopped or never started, and each channel and fetch closed. NULL is fine. */
void js_source_destroy(struct js_source *source);

#endif
