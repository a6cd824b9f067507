/* address_limits.c - what each client address holds and may still have, across all workers */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/address_limits.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/base/check.h"
#include "gateway/base/ip.h"
#include "gateway/base/list.h"
#include "gateway/base/lock.h"
#include "gateway/base/log.h"
#include "gateway/config/config.h"
#include "proto/bucket.h"

/* Workers use the table at every open and close: a lock per shard keeps contention low. */
#define SHARDS 64
#define SHARD_SLOTS 1024u
#define SHARD_ACCOUNTS_MAX (ADDRESSES_MAX / SHARDS)
/* Idle accounts freed for each new one: more than one, so that they can't pile up. */
#define SWEEP_STEP 2

struct address_account {
    struct shard *shard;
    struct address_account *next; /* of its slot */
    struct ip ip;
    struct list idle;   /* in its shard's list while it holds nothing */
    uint64_t bytes;     /* held */
    int64_t streams_ns; /* bucket of new streams */
    uint32_t connections;
    uint32_t uses;    /* connections and requests */
    uint32_t streams; /* of the requests */
};

struct shard {
    _Alignas(64) struct lock lock;
    struct address_limits *limits;
    struct address_account **slots;
    unsigned count;
    struct list idle; /* the longest idle first */
    struct address_account overflow;
};

/* A reload may change each at any time: a reader sees the old value or the new one. */
struct account_limits {
    _Atomic unsigned connections, new_streams, streams;
    _Atomic uint64_t memory;
};

struct address_limits {
    struct account_limits account; /* of each */
    _Atomic bool off;
    uint64_t secret[2]; /* without it a client with many addresses could choose ones that share a slot */
    struct shard shards[SHARDS];
};

void address_limits_set_limits(struct address_limits *limits, const struct config_limits *config)
{
    limits->account.connections = config->connections_per_address;
    limits->account.new_streams = config->new_streams_per_address;
    limits->account.streams = config->streams_per_address;
    limits->account.memory = config->memory_per_address;
    bool off = config->connections_per_address == 0 && config->new_streams_per_address == 0 &&
               config->streams_per_address == 0 && config->memory_per_address == 0;
    for (unsigned i = 0; i != SHARDS && !off; ++i) {
        if (limits->shards[i].slots == NULL) /* no lock: no thread reads slots until `off` is false */
            limits->shards[i].slots = check_calloc(SHARD_SLOTS, sizeof(struct address_account *));
    }
    limits->off = off;
}

struct address_limits *address_limits_create(const struct config_limits *config)
{
    struct address_limits *limits = check_aligned(_Alignof(struct address_limits), sizeof(*limits));
    memset(limits, 0, sizeof(*limits));
    while (getrandom(limits->secret, sizeof(limits->secret), 0) != (ssize_t)sizeof(limits->secret))
        CHECK(errno == EINTR);
    for (unsigned i = 0; i != SHARDS; ++i) {
        struct shard *shard = &limits->shards[i];
        lock_init(&shard->lock);
        list_init(&shard->idle);
        list_init(&shard->overflow.idle);
        shard->limits = limits;
        shard->overflow.shard = shard;
    }
    limits->off = true;
    address_limits_set_limits(limits, config);
    return limits;
}

/* A 64x64 bit product, folded: half of what makes wyhash, and enough with a secret in it. */
static uint64_t hash_ip(const struct address_limits *limits, const struct ip *ip)
{
    uint64_t words[2];
    memcpy(words, ip->bytes, sizeof(words));
    unsigned __int128 product = (unsigned __int128)(words[0] ^ limits->secret[0]) * (words[1] ^ limits->secret[1]);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static struct address_account **slot_of(struct shard *shard, uint64_t hashed)
{
    return &shard->slots[hashed % SHARD_SLOTS];
}

static void forget_account(struct address_account *account)
{
    struct shard *shard = account->shard;
    struct address_account **link = slot_of(shard, hash_ip(shard->limits, &account->ip));
    while (*link != account)
        link = &(*link)->next;
    *link = account->next;
    list_remove(&account->idle);
    --shard->count;
    free(account);
}

/* Frees at most `most` accounts whose bucket is full again: nothing in them has to be remembered. */
static void sweep_shard(struct shard *shard, int64_t now_ns, unsigned most)
{
    while (most-- != 0 && !list_is_empty(&shard->idle)) {
        struct address_account *account = LIST_ENTRY(shard->idle.next, struct address_account, idle);
        if (account->streams_ns > now_ns) /* the others are idle for less long, and mostly refill too */
            return;
        forget_account(account);
    }
}

static struct address_account *find_account(struct shard *shard, uint64_t hashed, const struct ip *ip, int64_t now_ns)
{
    struct address_account **slot = slot_of(shard, hashed), *account = *slot;
    while (account != NULL && memcmp(&account->ip, ip, sizeof(*ip)) != 0)
        account = account->next;
    if (account != NULL)
        return account;
    sweep_shard(shard, now_ns, SWEEP_STEP);
    /* a full table must neither grow nor refuse clients: those that find no place share one account */
    if (shard->count == SHARD_ACCOUNTS_MAX) {
        log_write_limited(LOG_WARN, "client-table-full", log_u64("clients", ADDRESSES_MAX));
        return &shard->overflow;
    }
    account = check_calloc(1, sizeof(*account));
    account->shard = shard;
    account->ip = *ip;
    list_init(&account->idle);
    account->next = *slot;
    *slot = account;
    ++shard->count;
    return account;
}

static bool is_over_limit(uint64_t held, uint64_t more, uint64_t limit)
{
    return limit != 0 && held + more > limit;
}

static enum address_verdict admit_use(const struct account_limits *limits, struct address_account *account,
                                      enum address_use use, uint64_t bytes, int64_t now_ns)
{
    if (use == ADDRESS_CONNECTION && is_over_limit(account->connections, 1, limits->connections))
        return ADDRESS_OVER_CONNECTIONS;
    if (is_over_limit(account->bytes, bytes, limits->memory))
        return ADDRESS_OVER_MEMORY;
    /* read once: a reload may set it to 0 between the test and the use */
    unsigned new_streams = limits->new_streams;
    /* last: a request refused for another reason doesn't use up the bucket */
    if (use == ADDRESS_REQUEST && new_streams != 0 && !bucket_take(&account->streams_ns, now_ns, new_streams))
        return ADDRESS_OVER_STREAMS;
    return ADDRESS_OK;
}

/* It holds nothing: freed, unless its bucket still refills, or a client could reset it by disconnecting. */
static void put_account_aside(struct address_account *account, int64_t now_ns)
{
    if (account == &account->shard->overflow) /* part of the shard: never listed or freed */
        return;
    list_remove(&account->idle);
    list_append(&account->shard->idle, &account->idle);
    if (account->streams_ns <= now_ns)
        forget_account(account);
}

enum address_verdict address_limits_take(struct address_limits *limits, const struct ip *ip, enum address_use use,
                                         uint64_t bytes, int64_t now_ns, struct address_account **account)
{
    *account = NULL;
    if (limits->off) /* the usual case takes no lock */
        return ADDRESS_OK;
    struct ip key = ip_of_client(ip);
    uint64_t hashed = hash_ip(limits, &key);
    struct shard *shard = &limits->shards[hashed >> 58];
    lock_take(&shard->lock);
    struct address_account *found = find_account(shard, hashed, &key, now_ns);
    enum address_verdict verdict = admit_use(&limits->account, found, use, bytes, now_ns);
    if (verdict == ADDRESS_OK) {
        list_remove(&found->idle);
        found->bytes += bytes;
        found->connections += use == ADDRESS_CONNECTION;
        ++found->uses;
        *account = found;
    } else if (found->uses == 0) { /* perhaps made for this refusal: no give would free it */
        put_account_aside(found, now_ns);
    }
    lock_give(&shard->lock);
    return verdict;
}

void address_limits_give(struct address_account *account, enum address_use use, uint64_t bytes, int64_t now_ns)
{
    if (account == NULL)
        return;
    struct lock *lock = &account->shard->lock;
    lock_take(lock);
    account->bytes -= bytes;
    account->connections -= use == ADDRESS_CONNECTION;
    if (--account->uses == 0)
        put_account_aside(account, now_ns);
    lock_give(lock);
}

bool address_limits_begin_stream(struct address_account *account)
{
    if (account == NULL)
        return true;
    struct shard *shard = account->shard;
    lock_take(&shard->lock);
    bool fits = !is_over_limit(account->streams, 1, shard->limits->account.streams);
    account->streams += fits;
    lock_give(&shard->lock);
    return fits;
}

void address_limits_end_stream(struct address_account *account)
{
    if (account == NULL)
        return;
    struct lock *lock = &account->shard->lock;
    lock_take(lock);
    CHECK(account->streams != 0);
    --account->streams;
    lock_give(lock);
}

void address_limits_sweep(struct address_limits *limits, int64_t now_ns)
{
    for (unsigned i = 0; i != SHARDS && !limits->off; ++i) {
        lock_take(&limits->shards[i].lock);
        sweep_shard(&limits->shards[i], now_ns, SHARD_SLOTS);
        lock_give(&limits->shards[i].lock);
    }
}

unsigned address_limits_count(struct address_limits *limits)
{
    unsigned count = 0;
    for (unsigned i = 0; i != SHARDS; ++i) {
        lock_take(&limits->shards[i].lock);
        count += limits->shards[i].count;
        lock_give(&limits->shards[i].lock);
    }
    return count;
}

void address_limits_destroy(struct address_limits *limits)
{
    if (limits == NULL)
        return;
    for (unsigned i = 0; i != SHARDS; ++i) {
        struct shard *shard = &limits->shards[i];
        sweep_shard(shard, INT64_MAX, UINT32_MAX);
        CHECK(shard->count == 0 && shard->overflow.uses == 0);
        free(shard->slots);
        lock_dispose(&shard->lock);
    }
    free(limits);
}
