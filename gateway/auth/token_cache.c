/* token_cache.c - tokens whose signature is known to be correct, by the digest of their text */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token_cache.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/token.h"
#include "gateway/base/check.h"
#include "gateway/base/lock.h"

struct slot {
    unsigned char digest[DIGEST_SIZE];
    struct token *token; /* NULL: free */
    uint64_t used;       /* the cache's `turn` when it was last found or put */
};
/* The digest's first byte chooses the set, evenly: it is a part of a SHA-256. */
_Static_assert(TOKEN_CACHE_SETS == 256, "one byte of the digest reaches every set");

struct token_cache {
    struct lock lock;
    uint64_t turn;
    struct slot slots[TOKEN_CACHE_SETS][TOKEN_CACHE_WAYS];
};

struct token_cache *token_cache_create(void)
{
    struct token_cache *cache = check_calloc(1, sizeof(*cache));
    lock_init(&cache->lock);
    return cache;
}

void token_cache_destroy(struct token_cache *cache)
{
    for (unsigned i = 0; i != TOKEN_CACHE_SETS; ++i) {
        for (unsigned k = 0; k != TOKEN_CACHE_WAYS; ++k)
            token_destroy(cache->slots[i][k].token);
    }
    lock_dispose(&cache->lock);
    free(cache);
}

static struct slot *set_of(struct token_cache *cache, const unsigned char *digest)
{
    CHECK_HELD(&cache->lock);
    return cache->slots[digest[0] % TOKEN_CACHE_SETS];
}

static struct slot *find_slot(struct slot *set, const unsigned char *digest)
{
    for (unsigned i = 0; i != TOKEN_CACHE_WAYS; ++i) {
        if (set[i].token != NULL && memcmp(set[i].digest, digest, DIGEST_SIZE) == 0)
            return &set[i];
    }
    return NULL;
}

static struct slot *pick_slot(struct slot *set, int64_t now_s)
{
    struct slot *oldest = set;
    for (struct slot *slot = set; slot != set + TOKEN_CACHE_WAYS; ++slot) {
        if (slot->token == NULL || (slot->token->expires_s != 0 && slot->token->expires_s <= now_s))
            return slot;
        if (slot->used < oldest->used)
            oldest = slot;
    }
    return oldest;
}

struct token *token_cache_find(struct token_cache *cache, const unsigned char digest[DIGEST_SIZE])
{
    struct token *token = NULL;
    lock_take(&cache->lock);
    struct slot *slot = find_slot(set_of(cache, digest), digest);
    if (slot != NULL) {
        slot->used = ++cache->turn;
        token = token_retain(slot->token);
    }
    lock_give(&cache->lock);
    return token;
}

void token_cache_put(struct token_cache *cache, const unsigned char digest[DIGEST_SIZE], struct token *token,
                     int64_t now_s)
{
    struct token *dropped = NULL;
    lock_take(&cache->lock);
    struct slot *set = set_of(cache, digest);
    /* Another thread may have verified the same text in the meantime. */
    if (find_slot(set, digest) == NULL) {
        struct slot *slot = pick_slot(set, now_s);
        dropped = slot->token;
        memcpy(slot->digest, digest, DIGEST_SIZE);
        slot->token = token_retain(token);
        slot->used = ++cache->turn;
    }
    lock_give(&cache->lock);
    token_destroy(dropped);
}
