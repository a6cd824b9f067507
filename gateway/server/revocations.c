/* revocations.c - messages on freshet.control.revoke, from NATS to every stream they mean */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/revocations.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/auth/revocation.h"
#include "gateway/auth/revoked.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/list.h"
#include "gateway/base/lock.h"
#include "gateway/base/log.h"
#include "gateway/core/evict.h"
#include "gateway/core/hub.h"
#include "gateway/http/app.h"
#include "gateway/http/access/service_auth.h"

struct revoking;

/* One worker's part. */
struct round {
    struct mailbox_task task;
    struct eviction_walk walk;
    struct app *app;
    struct revoking *revoking;
};

/* One message on its way through all workers. */
struct revoking {
    struct revocation *revocation;
    struct eviction eviction; /* the same names */
    struct revoking *next;
    int64_t heard_ns;
    atomic_uint rounds_left;
    atomic_ullong ended;
    struct round rounds[];
};

struct revocations {
    struct revoked *revoked;
    struct lock lock;
    struct app *const *apps; /* NULL: not open yet */
    unsigned count;
    struct revocation **early; /* heard before */
    size_t early_count;
};

struct revocations *revocations_create(struct revoked *revoked)
{
    struct revocations *revocations = check_calloc(1, sizeof(*revocations));
    revocations->revoked = revoked;
    lock_init(&revocations->lock);
    return revocations;
}

void revocations_destroy(struct revocations *revocations)
{
    for (size_t i = 0; i != revocations->early_count; ++i)
        revocation_destroy(revocations->early[i]);
    free(revocations->early);
    lock_dispose(&revocations->lock);
    free(revocations);
}

static void log_revoked(const struct revoking *revoking)
{
    static struct log_limit limit = {.burst = 20};
    const struct revocation *revocation = revoking->revocation;
    struct log_field fields[8];
    uint64_t suppressed;
    size_t n = 0;
    if (!log_enabled(LOG_INFO) || !log_limit_admit(&limit, &suppressed))
        return;
    if (revocation->sub != NULL)
        fields[n++] = log_str("sub", revocation->sub);
    if (revocation->jti != NULL)
        fields[n++] = log_str("jti", revocation->jti);
    if (revocation->subject != NULL)
        fields[n++] = log_str("subject", revocation->subject);
    if (revocation->route != NULL)
        fields[n++] = log_str("route", revocation->route);
    fields[n++] = log_u64("streams", atomic_load(&revoking->ended));
    fields[n++] = log_i64("ms", (clock_mono_ns() - revoking->heard_ns) / NS_PER_MS);
    if (suppressed != 0)
        fields[n++] = log_u64("suppressed", suppressed);
    fields[n] = (struct log_field){.key = NULL};
    log_write_fields(LOG_INFO, "revoked", fields);
}

static void on_walk_over(struct eviction_walk *walk)
{
    struct revoking *revoking = LIST_ENTRY(walk, struct round, walk)->revoking;
    atomic_fetch_add(&revoking->ended, walk->ended);
    if (atomic_fetch_sub(&revoking->rounds_left, 1) != 1)
        return;
    log_revoked(revoking);
    revocation_destroy(revoking->revocation);
    free(revoking);
}

static void on_turn(struct mailbox_task *task)
{
    struct round *round = LIST_ENTRY(task, struct round, task);
    /* First: an allowed request would open its stream behind the walk, which would miss it. */
    service_auth_revoke(round->app->service, round->walk.eviction);
    evict_start(round->app->hub, &round->walk);
}

/* Takes the revocation over. */
static void pass_to_workers(struct revocations *revocations, struct revocation *revocation)
{
    unsigned count = revocations->count;
    struct revoking *revoking = check_calloc(1, sizeof(*revoking) + count * sizeof(struct round));
    revoking->revocation = revocation;
    revoking->eviction = (struct eviction){revocation->sub, revocation->jti, revocation->subject, revocation->route};
    revoking->heard_ns = clock_mono_ns();
    atomic_init(&revoking->rounds_left, count);
    for (unsigned i = 0; i != count; ++i) {
        revoking->rounds[i] = (struct round){
            .task.run = on_turn,
            .walk = {.eviction = &revoking->eviction, .over = on_walk_over},
            .app = revocations->apps[i],
            .revoking = revoking,
        };
    }
    /* with the last of them it may be gone */
    for (unsigned i = 0; i != count; ++i)
        mailbox_post(&revocations->apps[i]->hub->mailbox, &revoking->rounds[i].task);
}

void revocations_open(struct revocations *revocations, struct app *const *apps, unsigned count)
{
    lock_take(&revocations->lock);
    CHECK(revocations->apps == NULL && count != 0);
    revocations->apps = apps;
    revocations->count = count;
    for (size_t i = 0; i != revocations->early_count; ++i)
        pass_to_workers(revocations, revocations->early[i]);
    revocations->early_count = 0; /* the walks free them */
    lock_give(&revocations->lock);
}

void revocations_hear(void *arg, const char *data, size_t len)
{
    struct revocations *revocations = arg;
    char error[256];
    struct revocation *revocation = revocation_parse(data, len, error, sizeof(error));
    if (revocation == NULL) {
        log_write_limited(LOG_WARN, "revocation-unusable", log_str("reason", error));
        return;
    }
    /* Before any walk begins: a request that comes meanwhile meets the block. */
    revoked_add_named(revocations->revoked, revocation, clock_wall_ns() / NS_PER_S);
    /* Until the lock is given it is either early or passed on, and never missed in between. */
    lock_take(&revocations->lock);
    if (revocations->apps != NULL) {
        pass_to_workers(revocations, revocation);
    } else {
        size_t size = (revocations->early_count + 1) * sizeof(struct revocation *);
        revocations->early = check_realloc(revocations->early, size);
        revocations->early[revocations->early_count++] = revocation;
    }
    lock_give(&revocations->lock);
}
