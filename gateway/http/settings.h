/* settings.h - a configuration as the requests of one worker use it, for as long as one of them does */
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
 * A stream keeps the route that it was opened with, though the configuration
 * has changed since; so a configuration lives until the last request that was
 * made under it is over. Requests are counted by their worker alone, when they
 * begin and when they end. Worker's thread, but for `is_over`.
 */
struct settings {
    const struct config *config;
    struct keys *const *keys; /* by route->auth.keys */
    size_t requests;
    bool is_replaced;
    _Atomic bool is_over; /* any thread: is_replaced, and no request of it is left */
};

/* From here on the app's requests are handled with these; both live until they are over. */
void settings_replace(struct app *app, struct settings *settings);
/* NULL is ignored by both. */
void settings_retain(struct settings *settings);
void settings_release(struct settings *settings);

#endif
