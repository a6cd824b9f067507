/* admission.c - the streams of the gateway as a whole, and of each bearer of a token, across all workers */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/admission.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "gateway/base/check.h"
#include "gateway/base/lock.h"
#include "gateway/config/config.h"
#include "proto/bucket.h"

/* Workers meet here whenever a bearer's stream opens or closes: a lock per shard keeps contention low. */
#define SHARDS 16

struct shard;

struct bearer {
    struct shard *shard;
    UT_hash_handle hh; /* by name */
    unsigned streams;
    char name[];
};

struct shard {
    _Alignas(64) struct lock lock;
    struct bearer *bearers;
};

struct admission {
    _Atomic uint64_t streams;
    _Atomic int64_t bucket_ns; /* of new streams */
    struct shard shards[SHARDS];
};

struct admission *admission_create(void)
{
    struct admission *admission = check_aligned(_Alignof(struct admission), sizeof(*admission));
    memset(admission, 0, sizeof(*admission));
    for (unsigned i = 0; i != SHARDS; ++i)
        lock_init(&admission->shards[i].lock);
    return admission;
}

void admission_destroy(struct admission *admission)
{
    if (admission == NULL)
        return;
    CHECK(atomic_load(&admission->streams) == 0);
    for (unsigned i = 0; i != SHARDS; ++i) {
        CHECK(admission->shards[i].bearers == NULL);
        lock_dispose(&admission->shards[i].lock);
    }
    free(admission);
}

/* Adds only if there is room: adding first and taking back would, for a moment, refuse others wrongly. */
static bool take_stream(struct admission *admission, uint64_t most)
{
    uint64_t streams = atomic_load_explicit(&admission->streams, memory_order_relaxed);
    do {
        if (most != 0 && streams >= most)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&admission->streams, &streams, streams + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static bool take_from_bucket(struct admission *admission, int64_t now_ns, unsigned rate)
{
    int64_t before_ns = atomic_load_explicit(&admission->bucket_ns, memory_order_relaxed), after_ns;
    do {
        after_ns = before_ns;
        if (!bucket_take(&after_ns, now_ns, rate))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&admission->bucket_ns, &before_ns, after_ns, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

enum admission_verdict admission_take(struct admission *admission, const struct config_limits *limits, int64_t now_ns)
{
    if (!take_stream(admission, limits->streams_total))
        return ADMISSION_OVER_STREAMS;
    if (limits->new_streams_total == 0 || take_from_bucket(admission, now_ns, limits->new_streams_total))
        return ADMISSION_OK;
    admission_give(admission); /* taken first, so that a stream over the total doesn't use up the bucket */
    return ADMISSION_OVER_RATE;
}

void admission_give(struct admission *admission)
{
    uint64_t before = atomic_fetch_sub_explicit(&admission->streams, 1, memory_order_relaxed);
    CHECK(before != 0);
}

/* ---- bearers ---- */

static struct shard *shard_of(struct admission *admission, const void *name, size_t len)
{
    unsigned hash;
    HASH_VALUE(name, len, hash);
    return &admission->shards[(hash >> 24) % SHARDS]; /* uthash's own tables begin with the low bits */
}

static struct bearer *add_bearer(struct shard *shard, const void *name, size_t len)
{
    struct bearer *bearer = check_calloc(1, sizeof(*bearer) + len);
    bearer->shard = shard;
    memcpy(bearer->name, name, len);
    HASH_ADD_KEYPTR(hh, shard->bearers, bearer->name, len, bearer);
    return bearer;
}

struct bearer *admission_take_bearer(struct admission *admission, const void *name, size_t len, unsigned most)
{
    struct shard *shard = shard_of(admission, name, len);
    struct bearer *bearer;
    lock_take(&shard->lock);
    HASH_FIND(hh, shard->bearers, name, len, bearer);
    if (bearer == NULL)
        bearer = add_bearer(shard, name, len);
    if (bearer->streams < most)
        ++bearer->streams;
    else
        bearer = NULL; /* one just added is never lost here: `most` is at least 1 */
    lock_give(&shard->lock);
    return bearer;
}

void admission_give_bearer(struct bearer *bearer)
{
    if (bearer == NULL)
        return;
    struct shard *shard = bearer->shard;
    lock_take(&shard->lock);
    CHECK(bearer->streams != 0 && shard->bearers != NULL);
    if (--bearer->streams == 0) { /* or every token ever seen would stay in the table */
        HASH_DEL(shard->bearers, bearer);
        free(bearer);
    }
    lock_give(&shard->lock);
}

size_t admission_bearers(struct admission *admission)
{
    size_t count = 0;
    for (unsigned i = 0; i != SHARDS; ++i) {
        lock_take(&admission->shards[i].lock);
        count += HASH_COUNT(admission->shards[i].bearers);
        lock_give(&admission->shards[i].lock);
    }
    return count;
}
