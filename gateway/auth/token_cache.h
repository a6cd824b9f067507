/* token_cache.h - tokens whose signature is known to be correct, by the digest of their text */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_TOKEN_CACHE_H
#define GATEWAY_AUTH_TOKEN_CACHE_H

#include <stdint.h>

#include "gateway/auth/digest.h"

struct token;

/*
 * A browser opens its streams with one cookie, all at once, and verifying a
 * signature costs more than all other work of opening a stream. Only correctly
 * signed tokens get in, so a client without a key can't fill it. Expiry and
 * audience are checked at each use. Belongs to one set of keys and is destroyed
 * with it.
 *
 * Any thread; the lock is held for a few comparisons of digests.
 */
struct token_cache;

/* Set-associative: this many sets, of so many tokens each. */
#define TOKEN_CACHE_SETS 256
#define TOKEN_CACHE_WAYS 4

struct token_cache *token_cache_create(void);
void token_cache_destroy(struct token_cache *cache);

/* Retained for the caller; NULL: not there. */
struct token *token_cache_find(struct token_cache *cache, const unsigned char digest[DIGEST_SIZE]);
/* Replaces an expired token of the same set, or else the one unused for longest. Takes a reference of its own. */
void token_cache_put(struct token_cache *cache, const unsigned char digest[DIGEST_SIZE], struct token *token,
                     int64_t now_s);

#endif
