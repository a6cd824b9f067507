/* revocations.h - messages on freshet.control.revoke, from NATS to every stream they mean */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_REVOCATIONS_H
#define GATEWAY_SERVER_REVOCATIONS_H

#include <stddef.h>

#define REVOCATIONS_SUBJECT "freshet.control.revoke"

struct app;
struct revocations;
struct revoked;

/* revoked outlives it. Destroyed when the source is stopped and all workers are gone. */
struct revocations *revocations_create(struct revoked *revoked);
void revocations_destroy(struct revocations *revocations);

/*
 * All workers' loops turn: `apps`, one of each, which outlive it. What was
 * heard before is passed on now. Once.
 */
void revocations_open(struct revocations *revocations, struct app *const *apps, unsigned count);

/*
 * One message: for nats_source_listen, on any thread. Its tokens are blocked
 * when this returns; then each worker forgets the services' answers, denies the
 * requests that wait for one, and ends the streams that are meant. So a request
 * admitted before is denied or ended, and a later one meets the block.
 */
void revocations_hear(void *revocations, const char *data, size_t len);

#endif
