/* keys_set.h - the keys of one version of a JWKS file */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_KEYS_SET_H
#define GATEWAY_AUTH_KEYS_SET_H

#include <stddef.h>

#include "gateway/auth/key.h"

struct token_cache;

#define KEYS_FILE_MAX (1 << 20)
#define KEYS_MAX 100

/* Immutable but for its cache. A holder of a reference can verify with it even after the file has been replaced. */
struct keys_set {
    _Atomic unsigned references;
    struct key *keys;
    size_t count; /* at least 1 */
    struct token_cache *verified;
};

/* RFC 7517, 5. `file` is for error messages only. NULL: error says why. */
struct keys_set *keys_set_parse(const char *file, const char *text, size_t len, char *error, size_t size);
struct keys_set *keys_set_retain(struct keys_set *set);
void keys_set_release(struct keys_set *set);

/* The key that a token names; kid NULL: the only key for the alg. NULL: there is none, or more than one. */
const struct key *keys_set_find(const struct keys_set *set, enum key_alg alg, const char *kid);
/* A key to spend the time of a verification with: one for the alg, if there is one. Never NULL. */
const struct key *keys_set_any(const struct keys_set *set, enum key_alg alg);

#endif
