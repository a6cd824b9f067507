/* server.h - the gateway as a whole: from a configuration to a clean end */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_SERVER_H
#define GATEWAY_SERVER_SERVER_H

#include <stdbool.h>

struct config;

/* Exit codes of the program. */
enum server_exit { SERVER_CLEAN = 0, SERVER_BAD_CONFIG = 1, SERVER_FAILED = 2 };

/*
 * Loads what the configuration names (certificates, keys, credentials) without
 * listening or connecting. Each problem goes to on_error. True: all is well.
 */
bool server_check(const struct config *config, void (*on_error)(void *arg, const char *message), void *arg);

/* Where --dev listens unless it is told otherwise. */
#define DEV_ADDRESS "localhost:8443"

/* What --dev adds to a configuration. */
struct server_dev {
    const char *nats_url; /* of the private broker */
    bool certificate;     /* listeners without one get a throw-away certificate */
};

/*
 * Takes the configuration over. file: where it is from, to be read again at
 * SIGHUP; NULL: SIGHUP ends it as SIGTERM does.
 *
 * Runs until SIGTERM or SIGINT (after signals_block, in a process of one
 * thread), then drains and ends cleanly. A second signal cuts what has not
 * ended yet, a third one kills. dev: NULL
 * or what --dev adds. A failure is logged with its reason.
 */
enum server_exit server_run(struct config *config, const char *file, const struct server_dev *dev);

#endif
