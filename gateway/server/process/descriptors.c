/* descriptors.c - as many descriptors as the system lets the process have, and whether they do */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/process/descriptors.h"

#include <sys/resource.h>

#include "gateway/config/config.h"
#include "gateway/base/log.h"
#include "gateway/server/listen/accept_pool.h"

void descriptors_prepare(const struct config *config)
{
    uint64_t wanted = config->limits.connections;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    /* The soft limit is kept low for programs that use select(2), which this one does not. */
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    size_t fit = accept_pool_limit(wanted, config->workers);
    if (fit < wanted)
        log_write(LOG_WARN, "descriptors-short", log_u64("have", limit.rlim_cur),
                  log_u64("need", accept_pool_descriptors(wanted, config->workers)), log_u64("connections", wanted),
                  log_u64("fit", fit));
}
