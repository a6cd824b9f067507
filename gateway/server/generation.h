/* generation.h - a configuration that runs or has run, with its keys, for as long as requests use it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_GENERATION_H
#define GATEWAY_SERVER_GENERATION_H

#include <stdbool.h>

#include "gateway/server/key_files.h"

struct config;
struct settings;

/* Main thread; its settings are the workers'. */
struct generation {
    struct config *config;
    struct key_files key_files;
    struct settings **settings; /* of each worker */
    unsigned workers;
    struct generation *next; /* for the holder */
};

/* Takes the configuration over, also when it fails: NULL, and each key file that can't be used has been reported. */
struct generation *generation_create(struct config *config, unsigned workers,
                                     void (*on_error)(void *arg, const char *message), void *arg);
/* It has been replaced, and no request of it is left. */
bool generation_is_over(const struct generation *generation);
/* NULL is ignored. */
void generation_destroy(struct generation *generation);

#endif
