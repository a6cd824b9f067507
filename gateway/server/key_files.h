/* key_files.h - the JWKS files of the routes, loaded and kept up to date */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_KEY_FILES_H
#define GATEWAY_SERVER_KEY_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct keys;

/* config.key_files in their order. Main thread. */
struct key_files {
    struct keys **keys; /* what has been loaded; the rest is NULL */
    unsigned count;
};

/* Each file that can't be used is reported, one call each; false: there was one. To be disposed of in any case. */
bool key_files_load(struct key_files *files, const struct config *config,
                    void (*on_error)(void *arg, const char *message), void *arg);
/* About once a second. */
void key_files_refresh(const struct key_files *files);
void key_files_dispose(struct key_files *files);

#endif
