/* sources.c - where the gateway's messages come from: core NATS, and each JetStream stream */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/sources.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/random.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/js_source.h"
#include "gateway/source/nats/nats_source.h"

/* Ids stay short on the wire, and those of two runs of a gateway differ. */
#define INCARNATION_BITS 40

_Static_assert(INCARNATION_BITS < 64, "make_incarnation shifts by it");
_Static_assert(CONFIG_STREAMS_MAX + 1 <= SOURCES_MAX, "every hub has room for all of them");

static uint64_t make_incarnation(void)
{
    uint64_t incarnation = random_seed() & (((uint64_t)1 << INCARNATION_BITS) - 1);
    return incarnation != 0 ? incarnation : 1; /* 0 stands for none */
}

bool sources_create(struct sources *sources, const struct config *config, const struct config_nats *nats, char *error,
                    size_t error_size)
{
    memset(sources, 0, sizeof(*sources));
    sources->config = config;
    sources->nats = nats_source_create(nats, 0, make_incarnation(), error, error_size);
    if (sources->nats == NULL)
        return false;
    sources->bases[sources->count++] = nats_source_base(sources->nats);
    for (unsigned i = 0; i != config->streams_count; ++i) {
        sources->streams[i] =
            js_source_create(nats, &config->streams[i], config->limits.replays, i + 1, error, error_size);
        if (sources->streams[i] == NULL)
            return false;
        sources->bases[sources->count++] = js_source_base(sources->streams[i]);
    }
    return true;
}

bool sources_start(struct sources *sources)
{
    CHECK(sources->count == 1 + sources->config->streams_count);
    bool ok = nats_source_start(sources->nats) == NATS_START_OK;
    for (unsigned i = 0; ok && i != sources->config->streams_count; ++i)
        ok = js_source_start(sources->streams[i]) == JS_START_OK;
    return ok;
}

/* The first that is cold is reported, or one with a fault. False: no need to look further. */
static bool look_at_stream(struct sources *sources, unsigned i, int64_t ms, struct sources_report *report)
{
    char fault[sizeof(report->reason)] = "";
    const char *name = sources->config->streams[i].name;
    switch (js_source_wait_warm(sources->streams[i], ms, fault, sizeof(fault))) {
    case JS_WARM:
        break;
    case JS_WARM_NOT_YET:
        if (report->state == SOURCES_WARM)
            *report = (struct sources_report){SOURCES_COLD, name, "not reached yet; its clients wait"};
        break;
    case JS_WARM_FAULT:
        *report = (struct sources_report){.state = SOURCES_FAULT, .stream = name};
        memcpy(report->reason, fault, sizeof(fault));
        break;
    }
    return report->state != SOURCES_FAULT;
}

/* The first that isn't warm is waited for, the others are only looked at: a fault of any is reported soon. */
void sources_wait(struct sources *sources, int64_t ms, struct sources_report *report)
{
    *report = (struct sources_report){.state = SOURCES_WARM};
    for (unsigned i = 0; i != sources->config->streams_count; ++i) {
        if (!look_at_stream(sources, i, report->state == SOURCES_WARM ? ms : 0, report))
            return;
    }
}

bool sources_stop(struct sources *sources)
{
    bool clean = true;
    for (unsigned i = 0; i != sources->config->streams_count; ++i)
        clean &= js_source_stop(sources->streams[i]);
    return nats_source_stop(sources->nats) && clean;
}

void sources_destroy(struct sources *sources)
{
    for (unsigned i = 0; i != CONFIG_STREAMS_MAX; ++i)
        js_source_destroy(sources->streams[i]);
    nats_source_destroy(sources->nats);
}
