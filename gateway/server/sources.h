/* sources.h - where the gateway's messages come from: core NATS, and each JetStream stream */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_SOURCES_H
#define GATEWAY_SERVER_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"

struct js_source;
struct nats_source;
struct source;

/* One thread's, in this order: create, start, stop, destroy. */
struct sources {
    const struct config *config;
    struct nats_source *nats;
    struct js_source *streams[CONFIG_STREAMS_MAX]; /* in the order of config.streams */
    struct source *bases[1 + CONFIG_STREAMS_MAX];  /* by history.source of a route */
    unsigned count;                                /* of bases */
};

/* False, with a reason: the settings are wrong. Neither connects nor makes a thread. Then, too: destroy. */
bool sources_create(struct sources *sources, const struct config *config, const struct config_nats *nats, char *error,
                    size_t error_size);
/* Connects in the background. False: no thread. */
bool sources_start(struct sources *sources);

/*
 * Where the streams are. WARM: each gives its routes their events, with what
 * happened lately at hand. COLD: one doesn't yet. FAULT: one never will as it
 * is configured. `stream` and `reason` are about the first such one.
 */
enum sources_state { SOURCES_WARM = 0, SOURCES_COLD, SOURCES_FAULT };
struct sources_report {
    enum sources_state state;
    const char *stream;
    char reason[512];
};
/* Waits for at most so long for them to be anything but cold. */
void sources_wait(struct sources *sources, int64_t ms, struct sources_report *report);

/* After registry_close_all. False: a source's threads would not end; the process should exit as it is. */
bool sources_stop(struct sources *sources);
void sources_destroy(struct sources *sources);

#endif
