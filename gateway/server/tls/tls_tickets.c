/* tls_tickets.c - the keys session tickets are sealed with, and their rotation */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/tls/tls_tickets.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"

#define PERIOD_NS (NS_PER_S * TLS_TICKETS_PERIOD_S)

_Static_assert(sizeof(((struct tls_ticket_key *)0)->name) == TLS_TICKETS_NAME_LEN,
               "OpenSSL keeps room for 16 bytes of name");
_Static_assert(TLS_TICKETS_NAME_LEN == 16, "SSL_CTX_set_tlsext_ticket_key_evp_cb(3)");

static bool make_key(struct tls_ticket_key *key, int64_t now_ns)
{
    key->valid = RAND_bytes(key->name, sizeof(key->name)) == 1 && RAND_bytes(key->aes, sizeof(key->aes)) == 1 &&
                 RAND_bytes(key->mac, sizeof(key->mac)) == 1;
    key->created_ns = now_ns;
    return key->valid;
}

static void drop_key(struct tls_ticket_key *key)
{
    OPENSSL_cleanse(key, sizeof(*key));
}

static void retire_keys(struct tls_tickets *tickets, int64_t now_ns)
{
    CHECK_HELD(&tickets->lock);
    /* The current one first: after a long pause it is too old to become the previous one. */
    if (tickets->current.valid && now_ns - tickets->current.created_ns >= PERIOD_NS) {
        tickets->previous = tickets->current;
        drop_key(&tickets->current);
    }
    if (tickets->previous.valid && now_ns - tickets->previous.created_ns >= 2 * PERIOD_NS)
        drop_key(&tickets->previous);
}

bool tls_tickets_seal(struct tls_tickets *tickets, int64_t now_ns, struct tls_ticket_key *key)
{
    lock_take(&tickets->lock);
    retire_keys(tickets, now_ns);
    bool ok = tickets->current.valid || make_key(&tickets->current, now_ns);
    if (ok)
        *key = tickets->current;
    lock_give(&tickets->lock);
    return ok;
}

static bool has_name(const struct tls_ticket_key *key, const unsigned char *name)
{
    return key->valid && memcmp(key->name, name, sizeof(key->name)) == 0; /* each ticket shows it: nothing to protect */
}

enum tls_tickets_found tls_tickets_open(struct tls_tickets *tickets, int64_t now_ns,
                                        const unsigned char name[static TLS_TICKETS_NAME_LEN],
                                        struct tls_ticket_key *key)
{
    enum tls_tickets_found found = TLS_TICKETS_UNKNOWN;

    lock_take(&tickets->lock);
    retire_keys(tickets, now_ns);
    if (has_name(&tickets->current, name)) {
        *key = tickets->current;
        found = TLS_TICKETS_CURRENT;
    } else if (has_name(&tickets->previous, name)) {
        *key = tickets->previous;
        found = TLS_TICKETS_PREVIOUS;
    }
    lock_give(&tickets->lock);
    return found;
}
