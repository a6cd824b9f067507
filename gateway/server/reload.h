/* reload.h - another configuration, or other certificates, while the gateway runs */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_RELOAD_H
#define GATEWAY_SERVER_RELOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct endpoints;
struct generation;
struct shared;
struct worker;

/* What a reload changes. Main thread; stop it when the workers are gone. */
struct reload {
    pthread_t thread; /* the main thread */
    const char *file; /* of the configuration; NULL: there is none */
    struct endpoints *endpoints;
    struct generation *first, *current; /* first: holds what a reload never changes, so it stays */
    struct generation *replaced;        /* the others that still have requests */
    struct worker *const *workers;
    unsigned worker_count;
    struct shared *shared;
    uint64_t certificates, seen, failed; /* the files of the certificates: as loaded, as last seen, as found bad */
};

/* The rest of it has been set. */
void reload_init(struct reload *reload);

/*
 * Reads the file and takes it over as a whole, or not at all: each thing that
 * is wrong is logged as `reload-error`, and `reload-failed` says that the
 * running configuration stays. Streams that are still allowed stay. Returns
 * when all workers have the new one. False: it has failed.
 */
bool reload_file(struct reload *reload);

/*
 * Once a second: certificates whose files have changed, and stay as they are
 * for a second, are loaded again, key files too; configurations no longer in use
 * are freed.
 */
void reload_turn(struct reload *reload);

/* Frees all configurations. */
void reload_dispose(struct reload *reload);

#endif
