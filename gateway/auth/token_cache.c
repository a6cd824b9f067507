/* token_cache.c - tokens whose signature has been found right, by the hash of their text */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/token_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/token_claims.h"
#include "gateway/base/check.h"

struct slot {
    unsigned char digest[DIGEST_SIZE];
    struct token *token; /* NULL: free */
    uint64_t used;       /* the cache's turn then */
};

struct token_cache {
    pthread_mutex_t lock;
    uint64_t turn;
    struct slot slots[TOKEN_CACHE_SETS][TOKEN_CACHE_WAYS];
};

struct token_cache *token_cache_create(void)
{
    struct token_cache *cache = check_calloc(1, sizeof(*cache));
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void token_cache_destroy(struct token_cache *cache)
{
    for (unsigned i = 0; i != TOKEN_CACHE_SETS; ++i) {
        for (unsigned k = 0; k != TOKEN_CACHE_WAYS; ++k)
            token_destroy(cache->slots[i][k].token);
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static struct slot *set_of(struct token_cache *cache, const unsigned char *digest)
{
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

static struct slot *slot_to_give_up(struct slot *set, int64_t now_s)
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
    pthread_mutex_lock(&cache->lock);
    struct slot *slot = find_slot(set_of(cache, digest), digest);
    if (slot != NULL) {
        slot->used = ++cache->turn;
        token = token_retain(slot->token);
    }
    pthread_mutex_unlock(&cache->lock);
    return token;
}

void token_cache_put(struct token_cache *cache, const unsigned char digest[DIGEST_SIZE], struct token *token,
                     int64_t now_s)
{
    struct token *dropped = NULL;
    pthread_mutex_lock(&cache->lock);
    struct slot *set = set_of(cache, digest);
    /* Two threads may have verified the same text meanwhile. */
    if (find_slot(set, digest) == NULL) {
        struct slot *slot = slot_to_give_up(set, now_s);
        dropped = slot->token;
        memcpy(slot->digest, digest, DIGEST_SIZE);
        slot->token = token_retain(token);
        slot->used = ++cache->turn;
    }
    pthread_mutex_unlock(&cache->lock);
    token_destroy(dropped);
}
