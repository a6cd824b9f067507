/* keys_set.h - the keys of one version of a JWKS file */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_KEYS_SET_H
#define GATEWAY_AUTH_KEYS_SET_H

#include <stddef.h>

#include "gateway/auth/keys_jwk.h"

struct keys;
struct token_cache;

#define KEYS_FILE_MAX (1 << 20)
#define KEYS_MAX 100

/* Never changes, but for its cache: who holds a reference verifies with it, whatever becomes of the file. */
struct keys_set {
    _Atomic unsigned references;
    struct key *keys;
    size_t count; /* at least 1 */
    struct token_cache *verified;
};

/* RFC 7517, 5. file is for messages. NULL: error says why. */
struct keys_set *keys_set_parse(const char *file, const char *text, size_t len, char *error, size_t size);
struct keys_set *keys_set_retain(struct keys_set *set);
void keys_set_release(struct keys_set *set);

/* The key a token names; kid NULL: the only one there is for the alg. NULL: none. */
const struct key *keys_set_find(const struct keys_set *set, enum key_alg alg, const char *kid);
/* One to spend the time of a verification with: of that alg, if there is one. */
const struct key *keys_set_any(const struct keys_set *set, enum key_alg alg);

/* Those that count now, retained. Any thread; holds a lock for as long as that takes. */
struct keys_set *keys_current(const struct keys *keys);

#endif
