/* worker.h - one event loop: its thread, its hub, its connections */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_WORKER_H
#define GATEWAY_SERVER_WORKER_H

#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/core/reauthorize.h"
#include "gateway/core/hub.h"
#include "gateway/server/listen/endpoints.h"

struct app;
struct settings;
struct shared;
struct watchdog_pulse;
struct worker;

/*
 * In this order, all by the main thread: create each, start each (listening
 * begins), drain each or not, shutdown each, wait for each, release each, then,
 * when no source calls anybody any more, destroy each.
 */
struct worker *worker_create(struct shared *shared, struct settings *settings, unsigned number);
/* False: out of threads or descriptors. The calls below work all the same, started or not. */
bool worker_start(struct worker *worker, const struct endpoints *endpoints);
/* What its requests are handled with. */
struct app *worker_app(struct worker *worker);
/* Beats while its loop turns. */
struct watchdog_pulse *worker_pulse(struct worker *worker);

/*
 * A new configuration, in two steps (see listeners.h): worker_prepare, and when
 * all workers have posted `done`, worker_change, which posts it again. Streams
 * that are not allowed any more, or whose listener is gone, are told to end in
 * the turns that follow; `over` is called on the worker's thread when all have
 * been looked at. Everything but the walk has to live until `done`.
 */
struct worker_change {
    struct settings *
        settings; /* NULL: only endpoints change, and there is no walk; else retained until `over`, which releases it */
    const struct endpoint *endpoints;
    size_t endpoint_count, first_new; /* from first_new on they are new … */
    int *fds;                         /* … and here are their descriptors, taken over */
    int64_t window_ns;                /* for streams whose listener is gone */
    sem_t *done;
    struct reauthorize_walk walk; /* config, walk.judge and walk.over are set */
    /* the worker's own */
    struct worker *worker;
    struct mailbox_task task;
    const void *gone[ENDPOINTS_MAX];
};
void worker_prepare(struct worker *worker, struct worker_change *change);
void worker_change(struct worker *worker, struct worker_change *change);

/*
 * Stops accepting, but on the admin listener; tells HTTP/2 clients to go
 * elsewhere; ends its streams one after the other over the window, with
 * freshet.bye; answers new requests with 503. Returns at once.
 */
void worker_drain(struct worker *worker, int64_t window_ns);
/*
 * True once a turn has passed since it was asked, and no client waits for
 * anything any more. A worker that still accepts may hand a connection over to
 * one that has found this already: ask again when all have.
 */
void worker_ask_drained(struct worker *worker);
bool worker_is_drained(const struct worker *worker);

/*
 * Ends at once every stream that is left, with a freshet.bye for which there is
 * a second, and all connections, and then its loop. Returns at once.
 */
void worker_shutdown(struct worker *worker);
void worker_wait(struct worker *worker);

/*
 * Gives the channels back. After worker_wait. False: a connection would not
 * close within seconds of its shutdown; the process should exit as it is.
 */
bool worker_release(struct worker *worker);
void worker_destroy(struct worker *worker);

#endif
