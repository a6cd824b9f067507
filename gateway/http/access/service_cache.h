/* service_cache.h - answers of microservices, for the lifetime they give */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ACCESS_SERVICE_CACHE_H
#define GATEWAY_HTTP_ACCESS_SERVICE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/auth/digest.h"

/* Of one worker, its thread only. When it is full the least recently used answer makes room. */
struct service_cache;

struct service_verdict {
    bool is_allowed;
    int64_t until_ns; /* monotonic */
    char *reason;     /* of a denial, NULL: none */
};

struct service_cache *service_cache_create(size_t size);
void service_cache_destroy(struct service_cache *cache);
/* NULL: there is none, or it has expired. Valid until the next call. */
const struct service_verdict *service_cache_find(struct service_cache *cache, const unsigned char question[DIGEST_SIZE],
                                                 int64_t now_ns);
/* Copies the reason. Replaces an older answer. */
void service_cache_put(struct service_cache *cache, const unsigned char question[DIGEST_SIZE],
                       const struct service_verdict *verdict);
void service_cache_clear(struct service_cache *cache);
size_t service_cache_count(const struct service_cache *cache);

#endif
