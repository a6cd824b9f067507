/* endpoints.h - what the gateway listens on: sockets, and the TLS contexts that go with them */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_LISTEN_ENDPOINTS_H
#define GATEWAY_SERVER_LISTEN_ENDPOINTS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>
#include <pthread.h>

#include "gateway/server/listen/accept_pool.h"
#include "gateway/server/listen/listen_socket.h"

struct config;
struct config_limits;
struct config_listen;
struct passed;

/* In all of a process's life, those that are gone included. */
#define ENDPOINTS_MAX 256

/* One listening socket. */
struct endpoint {
    int fd; /* -1: gone */
    enum accept_class class;
    const struct config_listen *listen;   /* of the configuration's list; NULL: admin.address, or gone */
    SSL_CTX *tls;                         /* NULL: cleartext. Owned by the first of its address */
    size_t first;                         /* index of the first socket of the same address */
    char *configured;                     /* the address as the configuration has it */
    char address[LISTEN_SOCKET_TEXT_MAX]; /* what it is bound to */
};

/*
 * All that there have been: at the start in the order of the configuration's
 * listen, then the admin listener's; later ones follow. An address may have
 * several, one after the other. Main thread.
 */
struct endpoints {
    pthread_t thread;
    struct endpoint all[ENDPOINTS_MAX];
    size_t count;
    struct passed *passed; /* kept as long as the process lives */
    bool dev_certificate;
};

/* The context of a listener with a certificate. NULL: error says why, naming the file. */
SSL_CTX *endpoints_context(const struct config_listen *listen, char *error, size_t size);

/* For listen_socket_open: when the kernel drops a connection that takes nothing, should the gateway not have done so before. */
unsigned endpoints_stall_ms(const struct config_limits *limits);

/*
 * Opens all that the configuration names, which outlives it, or takes what has
 * been passed to the process: each of those has to be one of them. dev_certificate:
 * listeners without a certificate get a throw-away one. NULL: said why in the log.
 */
struct endpoints *endpoints_open(const struct config *config, bool dev_certificate);
/* A line in the log for each from `first` on. */
void endpoints_announce(const struct endpoints *endpoints, size_t first);
/* NULL is ignored. */
void endpoints_close(struct endpoints *endpoints);

/*
 * What they are to be under another configuration, made beside them: new
 * contexts, new sockets at the end (next->count > now->count), and those that
 * are gone with a descriptor of -1. NULL: nothing has happened, each reason has
 * been reported. Then, when the workers have changed, either
 *   endpoints_commit: next takes the place of now, which is freed with what it
 *   has alone, or
 *   endpoints_discard: the other way round.
 */
struct endpoints *endpoints_plan(const struct endpoints *now, const struct config *config,
                                 void (*on_error)(void *arg, const char *message), void *arg);
void endpoints_commit(struct endpoints *now, struct endpoints *next);
void endpoints_discard(const struct endpoints *now, struct endpoints *next);

#endif
