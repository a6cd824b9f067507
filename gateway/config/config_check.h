/* config_check.h - makes a struct config of what the file says */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_CHECK_H
#define GATEWAY_CONFIG_CONFIG_CHECK_H

#include <stdbool.h>

struct config;
struct config_auth;
struct ip_network;
struct config_report;
struct config_route;
struct config_scope;
struct raw_auth;
struct raw_config;

/*
 * Reads units, fills in built-in values and defaults, checks what a schema
 * cannot say, and reports everything that is wrong. The result, for
 * config_destroy, is complete only when the report has counted no problem.
 * Nothing of raw is kept. folder: what relative paths of files start from.
 */
struct config *config_check(struct config_report *report, const char *folder, const struct raw_config *raw);

/* The part of it that does config->routes, in config_routes.c. */
void config_check_routes(struct config_report *report, const char *folder, const struct raw_config *raw,
                         struct config *config);
/* The part of that which does config->streams, in config_streams.c; routes are still in the file's order. */
void config_check_streams(struct config_report *report, struct config *config);

/* ---- config_access.c: what they return is for the caller to free ---- */
struct ip_network *config_read_networks(const struct config_scope *scope, const char *key, const char *const *texts,
                                        unsigned count);
/* In lower case. for_message: they become headers of messages, where some are out of place. */
char **config_read_headers(const struct config_scope *scope, const char *key, const char *const *names, unsigned count,
                           bool for_message);
/* auth is zeroed; its key file goes into the configuration's list. */
void config_read_auth(const struct config_scope *scope, const struct raw_auth *raw, struct config *config,
                      struct config_auth *auth);
/* Has the route what its subject template takes values from? */
void config_check_claims(const struct config_scope *scope, const char *key, const char *subject,
                         const struct config_auth *auth, bool any_client_ca);
/* Are there too many distinct auth.request? */
void config_check_questions(const struct config_scope *top, const struct config *config);
/* What gateways say to each other; no stream carries it, and nobody may publish there. */
bool config_is_control_subject(const char *pattern);
void config_auth_dispose(struct config_auth *auth);

/* ---- config_presence.c ---- */
/* own: what the route says; inherited: what defaults do; NULL where they say nothing. Its path is compiled. */
void config_read_presence(const struct config_scope *scope, const char *own, const char *inherited,
                          struct config_route *route);
/* Are there too many distinct ones? */
void config_check_presences(const struct config_scope *top, const struct config *config);
/* For the caller to free; NULL: there is none. */
char *config_read_gateway_name(const struct config_scope *scope, const char *name);

#endif
