/* shared.c - what all workers of the process share */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/shared.h"

#include <stdint.h>

#include "gateway/auth/revoked.h"
#include "gateway/config/config.h"
#include "gateway/core/address_limits.h"
#include "gateway/core/admission.h"
#include "gateway/core/presence.h"
#include "gateway/server/listen/accept_pool.h"

static bool create_sources(struct shared *shared, char *error, size_t error_size)
{
    struct config_nats nats = shared->config->nats;
    if (shared->dev_nats_url != NULL)
        nats.url = (char *)(uintptr_t)shared->dev_nats_url; /* --dev's private broker */
    if (sources_create(&shared->sources, shared->config, &nats, error, error_size))
        return true;
    sources_destroy(&shared->sources);
    return false;
}

bool shared_init(struct shared *shared, const struct config *config, const char *dev_nats_url, char *error,
                 size_t error_size)
{
    *shared = (struct shared){.config = config, .dev_nats_url = dev_nats_url};
    if (!create_sources(shared, error, error_size))
        return false;
    gateway_name_make(config->name, shared->name);
    registry_init(&shared->registry);
    registry_limit_bytes(&shared->registry, config->limits.history_bytes);
    shared->pool =
        accept_pool_create(accept_pool_limit(config->limits.connections, config->workers), config->limits.handshakes);
    shared->clients = address_limits_create(&config->limits);
    shared->admission = admission_create();
    shared->presence = presence_create(shared->name, shared->sources.bases[0]);
    shared->revoked = revoked_create();
    return true;
}

void shared_dispose(struct shared *shared)
{
    registry_dispose(&shared->registry);
    accept_pool_destroy(shared->pool);
    address_limits_destroy(shared->clients);
    admission_destroy(shared->admission);
    presence_destroy(shared->presence);
    revoked_destroy(shared->revoked);
    sources_destroy(&shared->sources);
}
