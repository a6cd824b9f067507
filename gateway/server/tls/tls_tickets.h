/* tls_tickets.h - the keys session tickets are sealed with, and their rotation */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_TLS_TLS_TICKETS_H
#define GATEWAY_SERVER_TLS_TLS_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/lock.h"

/*
 * RFC 5077 section 4 and RFC 8446 section 4.6.1. With a stolen ticket key one
 * can read what TLS 1.2 sessions resumed with it said, so keys are random,
 * live in memory only and are thrown away: a key seals for one period and
 * opens for two, which lets every ticket be used for a period at least.
 * Rotation happens on use, by the time passed in; any thread.
 */
#define TLS_TICKETS_PERIOD_S 3600
#define TLS_TICKETS_NAME_LEN 16

struct tls_ticket_key {
    unsigned char name[TLS_TICKETS_NAME_LEN];
    unsigned char aes[32]; /* AES-256-CBC */
    unsigned char mac[32]; /* HMAC-SHA256 */
    int64_t created_ns;
    bool valid;
};

struct tls_tickets {
    struct lock lock;
    struct tls_ticket_key current, previous;
};

#define TLS_TICKETS_INITIALIZER                                                                                        \
    {                                                                                                                  \
        .lock = LOCK_INITIALIZER                                                                                       \
    }

/* A copy of the key to seal with, which the caller cleanses. False: no randomness to be had. */
bool tls_tickets_seal(struct tls_tickets *tickets, int64_t now_ns, struct tls_ticket_key *key);

/* A copy of the key of that name, which the caller cleanses. */
enum tls_tickets_found { TLS_TICKETS_UNKNOWN = 0, TLS_TICKETS_CURRENT, TLS_TICKETS_PREVIOUS };
enum tls_tickets_found tls_tickets_open(struct tls_tickets *tickets, int64_t now_ns,
                                        const unsigned char name[static TLS_TICKETS_NAME_LEN],
                                        struct tls_ticket_key *key);

#endif
