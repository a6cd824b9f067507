/* accept_pool.h - caps the connections of the process and shares them out among its workers */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LISTEN_ACCEPT_POOL_H
#define GATEWAY_SERVER_LISTEN_ACCEPT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct accept_pool;
struct accept_slot;

/*
 * One pool per process, one slot per worker; any thread. A connection counts
 * from accept_pool_reserve until accept_pool_release, so the sum never passes
 * the limit whichever worker accepts. Of the public ones only so many may be
 * opening (until accept_pool_opened). Those of the admin listener count apart,
 * so that an operator gets into a gateway that is full.
 *
 * Workers all listen to the same sockets, and which of them the kernel wakes
 * first is chance: ten connections of a hundred streams each fall seven to
 * three as easily as five to five, and so do the hashes of SO_REUSEPORT (which
 * besides lets a second process share the port unnoticed). So the worker that
 * accepts gives the descriptor to the one that has the fewest.
 */
enum accept_class { ACCEPT_PUBLIC = 0, ACCEPT_ADMIN, ACCEPT_CLASSES };
enum accept_verdict { ACCEPT_OK = 0, ACCEPT_FULL, ACCEPT_OPENING };

/* Admin connections at a time; accept_pool_limit leaves room for them. */
#define ACCEPT_ADMIN_MAX 16

/* opening: how many public connections may be in their handshake; 0: any number. */
struct accept_pool *accept_pool_create(size_t limit, size_t opening);
/* From now on. Open connections stay, even if there are more. */
void accept_pool_set_limits(struct accept_pool *pool, size_t limit, size_t opening);
/* All slots have left. */
void accept_pool_destroy(struct accept_pool *pool);

/*
 * How many connections the process may have: `configured` (0: as many as
 * possible), but no more than RLIMIT_NOFILE allows beside what the process
 * itself needs. At least 1.
 */
size_t accept_pool_limit(uint64_t configured, unsigned workers);
/* Descriptors that so many connections take, with what the process itself needs. */
uint64_t accept_pool_descriptors(uint64_t connections, unsigned workers);

/* deliver: posts to this worker a connection that another has accepted. Called on any thread, under a lock. */
struct accept_slot *accept_pool_join(struct accept_pool *pool, void (*deliver)(void *worker, void *accepted),
                                     void *worker);
/* Nothing is handed over to this worker any more; what was already is still to arrive. */
void accept_pool_close(struct accept_slot *slot);
/* After accept_pool_close. The slot itself lives until its last connection is released. */
void accept_pool_leave(struct accept_slot *slot);

/* Anything but ACCEPT_OK: a limit is reached. */
enum accept_verdict accept_pool_reserve(struct accept_pool *pool, enum accept_class class);
/* A reservation that came to nothing. */
void accept_pool_cancel(struct accept_pool *pool, enum accept_class class);
/* What accept_pool_reserve would say. */
enum accept_verdict accept_pool_look(struct accept_pool *pool, enum accept_class class);

/*
 * Assigns one reserved connection to a worker. True: to another than self, to
 * whom it has been delivered. False: to self.
 */
bool accept_pool_hand_over(struct accept_slot *self, void *accepted);
/* One connection of this worker is no longer opening. */
void accept_pool_opened(struct accept_slot *slot, enum accept_class class);
/* One has ended; opening: before accept_pool_opened. */
void accept_pool_release(struct accept_slot *slot, enum accept_class class, bool opening);

/* Whether this worker is among the few that should watch the listening sockets at all. */
bool accept_pool_is_watcher(const struct accept_slot *slot);

#endif
