/* nats_source.h - the source of messages that come over core NATS subscriptions */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_SOURCE_H
#define GATEWAY_SOURCE_NATS_NATS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_nats;
struct nats_source;
struct source;

/*
 * One connection to NATS, one subscription per channel, and a `struct source`
 * for the core to talk to. Messages of all channels are delivered on one
 * thread, in the order in which they arrived. The connection is kept up for
 * ever: it is retried with growing, spread-out pauses, and rebuilt after
 * the client library has given it up.
 *
 * Around an outage each channel whose readers may have missed something gets
 * one mark (ingress_lost), after its subscription stands again and before the
 * first message that came after the outage. The same is said of a channel
 * whose messages had to be dropped because this process was too slow.
 *
 * A channel that is closed while the connection is down is released (ingress_closed)
 * when the broker is back, or by the stop.
 *
 * Lifetime: create, start, stop, destroy. All functions from any thread but
 * the source's own callbacks.
 */

/*
 * Takes what it needs of config. Anything wrong with it (a URL, a file that
 * can't be read or isn't what it should be) gives NULL and a reason.
 * index and incarnation are those of source_init.
 */
struct nats_source *nats_source_create(const struct config_nats *config, unsigned index, uint64_t incarnation,
                                       char *error, size_t error_size);

/*
 * How many undelivered messages a subscription may have before further ones
 * are dropped (1,048,576). Before the start.
 */
void nats_source_set_pending_limit(struct nats_source *source, int messages);

/*
 * Every message of that literal subject, on the delivery thread, while there is
 * a connection: what is published during an outage is not heard. Three
 * subjects in all, before the start; they and arg outlive the source.
 */
void nats_source_listen(struct nats_source *source, const char *subject,
                        void (*heard)(void *arg, const char *data, size_t len), void *arg);
/* The same for questions. reply: where the answer is to be published; NULL: none is wanted. */
void nats_source_answer(struct nats_source *source, const char *subject,
                        void (*asked)(void *arg, const char *data, size_t len, const char *reply), void *arg);

/* Starts to connect in the background and returns at once, whether there is a broker or not. */
enum nats_start_status { NATS_START_OK = 0, NATS_START_NO_THREAD };
enum nats_start_status nats_source_start(struct nats_source *source);

/* What the core uses. Lives as long as the nats_source. */
struct source *nats_source_base(struct nats_source *source);

/* True from when the subscriptions stand until the connection is lost. */
bool nats_source_is_connected(const struct nats_source *source);

/*
 * Sends what has been published (for half a second at most), ends all
 * subscriptions and the connection and waits for its threads. After it no
 * function of the core is called any more but ingress_closed and done, from
 * within ops->close, ops->publish and ops->request. False: the client library did not
 * release it within some seconds; nats_source_destroy then leaks it on purpose.
 */
bool nats_source_stop(struct nats_source *source);

/* Stopped or never started, and each channel closed. NULL is fine. */
void nats_source_destroy(struct nats_source *source);

#endif
