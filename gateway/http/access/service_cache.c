/* service_cache.c - answers of microservices, for the lifetime they give */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access/service_cache.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "gateway/base/check.h"
#include "gateway/base/list.h"

struct known {
    unsigned char question[DIGEST_SIZE];
    struct service_verdict verdict;
    struct list age;
    UT_hash_handle hh;
};

struct service_cache {
    struct known *table;
    struct list by_age; /* the least recently used first */
    size_t size, count;
};

struct service_cache *service_cache_create(size_t size)
{
    struct service_cache *cache = check_calloc(1, sizeof(*cache));
    CHECK(size != 0);
    cache->size = size;
    list_init(&cache->by_age);
    return cache;
}

static void forget_known(struct service_cache *cache, struct known *known)
{
    CHECK(cache->count != 0);
    HASH_DEL(cache->table, known);
    list_remove(&known->age);
    free(known->verdict.reason);
    free(known);
    --cache->count;
}

void service_cache_clear(struct service_cache *cache)
{
    while (!list_is_empty(&cache->by_age))
        forget_known(cache, LIST_ENTRY(cache->by_age.next, struct known, age));
}

void service_cache_destroy(struct service_cache *cache)
{
    service_cache_clear(cache);
    CHECK(cache->count == 0 && cache->table == NULL);
    free(cache);
}

static struct known *find_known(struct service_cache *cache, const unsigned char question[DIGEST_SIZE])
{
    struct known *known;
    HASH_FIND(hh, cache->table, question, DIGEST_SIZE, known);
    return known;
}

const struct service_verdict *service_cache_find(struct service_cache *cache, const unsigned char question[DIGEST_SIZE],
                                                 int64_t now_ns)
{
    struct known *known = find_known(cache, question);
    if (known == NULL)
        return NULL;
    if (now_ns >= known->verdict.until_ns) {
        forget_known(cache, known);
        return NULL;
    }
    /* Used: now others make room before it does. */
    list_remove(&known->age);
    list_append(&cache->by_age, &known->age);
    return &known->verdict;
}

void service_cache_put(struct service_cache *cache, const unsigned char question[DIGEST_SIZE],
                       const struct service_verdict *verdict)
{
    struct known *known = find_known(cache, question);
    if (known != NULL)
        forget_known(cache, known);
    else if (cache->count == cache->size)
        forget_known(cache, LIST_ENTRY(cache->by_age.next, struct known, age));
    known = check_calloc(1, sizeof(*known));
    memcpy(known->question, question, DIGEST_SIZE);
    known->verdict = *verdict;
    if (verdict->reason != NULL)
        known->verdict.reason = check_strdup(verdict->reason);
    HASH_ADD(hh, cache->table, question, DIGEST_SIZE, known);
    list_append(&cache->by_age, &known->age);
    ++cache->count;
    CHECK(cache->count <= cache->size);
}

size_t service_cache_count(const struct service_cache *cache)
{
    return cache->count;
}
