/* nats_settings.h - the client library's options from the configuration */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_NATS_NATS_SETTINGS_H
#define GATEWAY_SOURCE_NATS_NATS_SETTINGS_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>

struct config_nats;

struct nats_settings {
    natsOptions *options; /* without callbacks */
    char *token;          /* for the token handler, as it goes on the wire; may be NULL */
    char *shown_url;      /* the configured URLs without anything secret, for logs */
    char **servers;       /* the configured URLs, as the client library takes them */
    int servers_count;
    bool signs; /* there are credentials, whose seed signs what the broker asks for */
};

/* False, with a reason that names the key, when something is wrong; there is nothing to dispose then. */
bool nats_settings_init(struct nats_settings *settings, const struct config_nats *config, char *error,
                        size_t error_size);
void nats_settings_dispose(struct nats_settings *settings);

/*
 * natsConnection_Connect, which blocks. The library (3.4) sends an empty
 * signature for one that begins with a zero byte, so that the broker refuses
 * one in 256 good logins: a refused one is tried once more at once, since each
 * signs something else.
 */
natsStatus nats_settings_connect(const struct nats_settings *settings, natsConnection **connection);

/* Removes user:password@ of each URL of a comma-separated list, in place. */
void nats_settings_strip_url(char *urls);

#endif
