/* generation.c - a configuration that runs or has run, with its keys, for as long as requests use it */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/generation.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/http/settings.h"

struct generation *generation_create(struct config *config, unsigned workers,
                                     void (*on_error)(void *arg, const char *message), void *arg)
{
    struct generation *generation = check_calloc(1, sizeof(*generation));
    generation->config = config;
    if (!key_files_load(&generation->key_files, config, on_error, arg)) {
        generation_destroy(generation);
        return NULL;
    }
    generation->workers = workers; /* from here on there are settings to free */
    generation->settings = check_calloc(workers, sizeof(struct settings *));
    for (unsigned i = 0; i != workers; ++i) {
        struct settings *settings = check_calloc(1, sizeof(*settings));
        settings->config = config;
        settings->keys = generation->key_files.keys;
        generation->settings[i] = settings;
    }
    return generation;
}

bool generation_is_over(const struct generation *generation)
{
    for (unsigned i = 0; i != generation->workers; ++i) {
        /* Acquire: all that the worker did under these settings comes before the free. */
        if (!atomic_load_explicit(&generation->settings[i]->is_over, memory_order_acquire))
            return false;
    }
    return true;
}

void generation_destroy(struct generation *generation)
{
    if (generation == NULL)
        return;
    for (unsigned i = 0; i != generation->workers; ++i)
        free(generation->settings[i]);
    free(generation->settings);
    key_files_dispose(&generation->key_files);
    config_destroy(generation->config);
    free(generation);
}
