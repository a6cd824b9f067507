/* address_limits.c - what each client address holds and may still have, across all workers */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/address_limits.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/base/check.h"
#include "gateway/base/lock.h"
#include "gateway/config/config.h"
#include "gateway/base/ip.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "proto/bucket.h"

/* Workers meet in the table at every open and close; so many locks keep them apart. */
#define SHARDS 64
#define SHARD_SLOTS 1024u
#define SHARD_CLIENTS_MAX (ADDRESSES_MAX / SHARDS)
/* How many that have become idle go when one comes: more than one, so that they can't pile up. */
#define SWEEP_STEP 2

struct address_account {
    struct shard *shard;
    struct address_account *next; /* of its slot */
    struct ip ip;
    struct list idle;   /* in its shard's list, when it holds nothing */
    uint64_t bytes;     /* held */
    int64_t streams_ns; /* bucket of new streams */
    uint32_t connections;
    uint32_t uses;    /* connections and requests */
    uint32_t streams; /* of the requests */
};

struct shard {
    _Alignas(64) struct lock lock;
    struct address_limits *clients;
    struct address_account **slots;
    unsigned count;
    struct list idle; /* the longest idle first */
    struct address_account overflow;
};

/* Each may change while it is read: one that is asked about has the old or the new one. */
struct client_limits {
    _Atomic unsigned connections, new_streams, streams;
    _Atomic uint64_t memory;
};

struct address_limits {
    struct client_limits limits;
    _Atomic bool off;
    uint64_t secret[2]; /* or somebody with many addresses would choose those that share a slot */
    struct shard shards[SHARDS];
};

void address_limits_set_limits(struct address_limits *clients, const struct config_limits *limits)
{
    clients->limits.connections = limits->connections_per_address;
    clients->limits.new_streams = limits->new_streams_per_address;
    clients->limits.streams = limits->streams_per_address;
    clients->limits.memory = limits->memory_per_address;
    bool off = limits->connections_per_address == 0 && limits->new_streams_per_address == 0 &&
               limits->streams_per_address == 0 && limits->memory_per_address == 0;
    for (unsigned i = 0; i != SHARDS && !off; ++i) {
        if (clients->shards[i].slots == NULL) /* nobody looks there before `off` says that they may */
            clients->shards[i].slots = check_calloc(SHARD_SLOTS, sizeof(struct address_account *));
    }
    clients->off = off;
}

struct address_limits *address_limits_create(const struct config_limits *limits)
{
    struct address_limits *clients = check_aligned(_Alignof(struct address_limits), sizeof(*clients));

    memset(clients, 0, sizeof(*clients));
    while (getrandom(clients->secret, sizeof(clients->secret), 0) != (ssize_t)sizeof(clients->secret))
        CHECK(errno == EINTR);
    for (unsigned i = 0; i != SHARDS; ++i) {
        struct shard *shard = &clients->shards[i];
        lock_init(&shard->lock);
        list_init(&shard->idle);
        list_init(&shard->overflow.idle);
        shard->clients = clients;
        shard->overflow.shard = shard;
    }
    clients->off = true;
    address_limits_set_limits(clients, limits);
    return clients;
}

/* A 64x64 bit product, folded: half of what makes wyhash, and enough with a secret in it. */
static uint64_t hash(const struct address_limits *clients, const struct ip *ip)
{
    uint64_t words[2];
    unsigned __int128 product;

    memcpy(words, ip->bytes, sizeof(words));
    product = (unsigned __int128)(words[0] ^ clients->secret[0]) * (words[1] ^ clients->secret[1]);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static struct address_account **slot_of(struct shard *shard, uint64_t hashed)
{
    return &shard->slots[hashed % SHARD_SLOTS];
}

static void forget(struct address_account *client)
{
    struct shard *shard = client->shard;
    struct address_account **link = slot_of(shard, hash(shard->clients, &client->ip));

    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    list_remove(&client->idle);
    --shard->count;
    free(client);
}

/* At most `most` of those whose bucket is full again: they are as good as new. */
static void sweep(struct shard *shard, int64_t now_ns, unsigned most)
{
    while (most-- != 0 && !list_is_empty(&shard->idle)) {
        struct address_account *client = LIST_ENTRY(shard->idle.next, struct address_account, idle);
        if (client->streams_ns > now_ns)
            return;
        forget(client);
    }
}

static struct address_account *find(struct shard *shard, uint64_t hashed, const struct ip *ip, int64_t now_ns)
{
    struct address_account **slot = slot_of(shard, hashed), *client = *slot;

    while (client != NULL && memcmp(&client->ip, ip, sizeof(*ip)) != 0)
        client = client->next;
    if (client != NULL)
        return client;
    sweep(shard, now_ns, SWEEP_STEP);
    if (shard->count == SHARD_CLIENTS_MAX) {
        log_write_limited(LOG_WARN, "client-table-full", log_u64("clients", ADDRESSES_MAX));
        return &shard->overflow;
    }
    client = check_calloc(1, sizeof(*client));
    client->shard = shard;
    client->ip = *ip;
    list_init(&client->idle);
    client->next = *slot;
    *slot = client;
    ++shard->count;
    return client;
}

static bool is_over(uint64_t held, uint64_t more, uint64_t limit)
{
    return limit != 0 && held + more > limit;
}

static enum address_verdict admit(const struct client_limits *limits, struct address_account *client,
                                  enum address_use use, uint64_t bytes, int64_t now_ns)
{
    unsigned new_streams = limits->new_streams;

    if (use == ADDRESS_CONNECTION && is_over(client->connections, 1, limits->connections))
        return ADDRESS_OVER_CONNECTIONS;
    if (is_over(client->bytes, bytes, limits->memory))
        return ADDRESS_OVER_MEMORY;
    /* Last: a stream refused for another reason must not use up the bucket. */
    if (use == ADDRESS_REQUEST && new_streams != 0 && !bucket_take(&client->streams_ns, now_ns, new_streams))
        return ADDRESS_OVER_STREAMS;
    return ADDRESS_OK;
}

/* It holds nothing: gone, unless its bucket still has to be remembered. */
static void put_aside(struct address_account *client, int64_t now_ns)
{
    if (client == &client->shard->overflow)
        return;
    list_remove(&client->idle);
    list_append(&client->shard->idle, &client->idle);
    if (client->streams_ns <= now_ns)
        forget(client);
}

enum address_verdict address_limits_take(struct address_limits *clients, const struct ip *ip, enum address_use use,
                                         uint64_t bytes, int64_t now_ns, struct address_account **client)
{
    struct ip key = ip_of_client(ip);
    enum address_verdict verdict;
    struct shard *shard;
    struct address_account *found;
    uint64_t hashed;

    *client = NULL;
    if (clients->off)
        return ADDRESS_OK;
    hashed = hash(clients, &key);
    shard = &clients->shards[hashed >> 58];
    lock_take(&shard->lock);
    found = find(shard, hashed, &key, now_ns);
    verdict = admit(&clients->limits, found, use, bytes, now_ns);
    if (verdict == ADDRESS_OK) {
        list_remove(&found->idle);
        found->bytes += bytes;
        found->connections += use == ADDRESS_CONNECTION;
        ++found->uses;
        *client = found;
    } else if (found->uses == 0) {
        put_aside(found, now_ns);
    }
    lock_give(&shard->lock);
    return verdict;
}

void address_limits_give(struct address_account *client, enum address_use use, uint64_t bytes, int64_t now_ns)
{
    if (client == NULL)
        return;
    struct lock *lock = &client->shard->lock;
    lock_take(lock);
    client->bytes -= bytes;
    client->connections -= use == ADDRESS_CONNECTION;
    if (--client->uses == 0)
        put_aside(client, now_ns);
    lock_give(lock);
}

bool address_limits_begin_stream(struct address_account *client)
{
    if (client == NULL)
        return true;
    struct shard *shard = client->shard;
    lock_take(&shard->lock);
    bool fits = !is_over(client->streams, 1, shard->clients->limits.streams);
    client->streams += fits;
    lock_give(&shard->lock);
    return fits;
}

void address_limits_end_stream(struct address_account *client)
{
    if (client == NULL)
        return;
    struct lock *lock = &client->shard->lock;
    lock_take(lock);
    CHECK(client->streams != 0);
    --client->streams;
    lock_give(lock);
}

void address_limits_sweep(struct address_limits *clients, int64_t now_ns)
{
    for (unsigned i = 0; i != SHARDS && !clients->off; ++i) {
        lock_take(&clients->shards[i].lock);
        sweep(&clients->shards[i], now_ns, SHARD_SLOTS);
        lock_give(&clients->shards[i].lock);
    }
}

unsigned address_limits_count(struct address_limits *clients)
{
    unsigned count = 0;

    for (unsigned i = 0; i != SHARDS; ++i) {
        lock_take(&clients->shards[i].lock);
        count += clients->shards[i].count;
        lock_give(&clients->shards[i].lock);
    }
    return count;
}

void address_limits_destroy(struct address_limits *clients)
{
    if (clients == NULL)
        return;
    for (unsigned i = 0; i != SHARDS; ++i) {
        struct shard *shard = &clients->shards[i];
        sweep(shard, INT64_MAX, UINT32_MAX);
        CHECK(shard->count == 0 && shard->overflow.uses == 0);
        free(shard->slots);
        lock_dispose(&shard->lock);
    }
    free(clients);
}
