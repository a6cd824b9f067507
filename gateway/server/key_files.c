/* key_files.c - the JWKS files of the routes, loaded and kept up to date */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/key_files.h"

#include <stdlib.h>

#include "gateway/auth/keys.h"
#include "gateway/base/check.h"
#include "gateway/config/config.h"

#define ERROR_MAX 512

bool key_files_load(struct key_files *files, const struct config *config,
                    void (*on_error)(void *arg, const char *message), void *arg)
{
    char error[ERROR_MAX];
    bool good = true;
    files->count = config->key_files_count;
    files->keys = check_calloc(files->count + 1, sizeof(struct keys *));
    for (unsigned i = 0; i != files->count; ++i) {
        files->keys[i] = keys_load(config->key_files[i], error, sizeof(error));
        if (files->keys[i] == NULL) {
            on_error(arg, error);
            good = false; /* the others are tried, so that all that is wrong is reported */
        }
    }
    return good;
}

void key_files_refresh(const struct key_files *files)
{
    for (unsigned i = 0; i != files->count; ++i)
        keys_refresh(files->keys[i]);
}

void key_files_dispose(struct key_files *files)
{
    for (unsigned i = 0; i != files->count; ++i)
        keys_destroy(files->keys[i]);
    free(files->keys);
    *files = (struct key_files){.keys = NULL};
}
