/* settings.h - a configuration in use by the requests of one worker */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_SETTINGS_H
#define GATEWAY_HTTP_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct app;
struct config;
struct keys;

/*
 * A stream keeps the route that it was opened with, even after the
 * configuration has changed; so a configuration lives until the last request
 * that was made under it has ended. Each worker counts its own requests, when
 * they begin and when they end. Worker thread, except `is_over`.
 */
struct settings {
    const struct config *config;
    struct keys *const *keys; /* by route->auth.keys */
    size_t requests;
    bool is_replaced;
    _Atomic bool is_over; /* any thread: replaced, and no request is left */
};

/* The app's next requests use these. The caller keeps each settings until it is_over. */
void settings_replace(struct app *app, struct settings *settings);
/* NULL is ignored by both. */
void settings_retain(struct settings *settings);
void settings_release(struct settings *settings);

#endif
