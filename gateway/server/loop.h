/* loop.h - libh2o's event loop, with a turn of the worker's own inside it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LOOP_H
#define GATEWAY_SERVER_LOOP_H

#include <h2o.h>
#include <pthread.h>
#include <stdbool.h>

/*
 * libh2o (2.2.5) expects that sockets are written to and closed in its
 * callbacks only: each time it has called one it runs what has become pending,
 * before it looks at the state of its sockets again. A write made between two
 * runs of the loop that completes at once is still pending when libh2o looks:
 * the socket stays registered for writing, its callback is gone, and the next
 * readiness aborts the process (evloop.c.h, write_pending). So everything
 * the worker does is a turn, a timeout's callback, and nothing is left pending
 * when a run returns. Debug and sanitizer builds abort at any write or close
 * that this thread makes outside.
 *
 * Belongs to the thread that has called loop_init; one loop a thread.
 */
struct loop {
    pthread_t thread;
    h2o_context_t *context;
    h2o_socket_t *timer;
    h2o_timeout_t turns;
    h2o_timeout_entry_t entry;
    bool (*turn)(void *arg); /* true: there is more to do */
    void *arg;
    bool has_more;
};

/*
 * After h2o_context_init; the context outlives the loop. A turn comes every
 * tick_ns (below a second) at the latest, by the monotonic clock: libh2o's own
 * timers follow the wall clock, and freeze when that is set back.
 */
void loop_init(struct loop *loop, h2o_context_t *context, long tick_ns, bool (*turn)(void *arg), void *arg);
/* From here on the thread may write and close outside a run, to tear down. */
void loop_dispose(struct loop *loop);

/*
 * Waits for events (waits false: takes those that are there), runs their
 * callbacks, then one turn, then the writes it has caused. True: call again
 * at once with waits false, because the turn has more to do, or callbacks have
 * run since it ended. Errors: none; a failing epoll_wait(2) other than by a
 * signal aborts.
 */
bool loop_run(struct loop *loop, bool waits);

#endif
