/* token_cache.h - tokens whose signature has been found right, by the hash of their text */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_TOKEN_CACHE_H
#define GATEWAY_AUTH_TOKEN_CACHE_H

#include <stdint.h>

#include "gateway/auth/digest.h"

struct token;

/*
 * A browser opens its streams with one cookie, at once; a verification costs
 * more than all else of opening a stream. Only what somebody with a key has
 * signed gets in. Whether such a token is expired, or for somebody else, is
 * asked anew each time. Belongs to one set of keys and dies with it.
 *
 * Any thread; the lock is held for a comparison of hashes.
 */
struct token_cache;

/* Of one set of keys, in all. */
#define TOKEN_CACHE_SETS 256
#define TOKEN_CACHE_WAYS 4

struct token_cache *token_cache_create(void);
void token_cache_destroy(struct token_cache *cache);

/* Retained for the caller; NULL: not there. */
struct token *token_cache_find(struct token_cache *cache, const unsigned char digest[DIGEST_SIZE]);
/* Instead of one that has expired, else of the one of its set that nobody has asked for longest. */
void token_cache_put(struct token_cache *cache, const unsigned char digest[DIGEST_SIZE], struct token *token,
                     int64_t now_s);

#endif
