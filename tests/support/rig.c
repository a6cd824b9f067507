/* rig.c - what nearly every integration test needs: a broker, a publisher and a gateway */
/* SPDX-License-Identifier: MIT */
#include "tests/support/rig.h"

#include <stdarg.h>
#include <stdio.h>

#include "tests/support/http_client.h"
#include "tests/support/sandbox.h"

static void start_broker(struct rig *rig, const char *broker)
{
    rig->nats = nats_fixture_start(broker);
    if (rig->nats == NULL)
        fixture_fail("no broker");
}

static void start_gateway(struct rig *rig, const char *login, const char *yaml, unsigned workers)
{
    rig->gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(rig->nats),
        .nats = login,
        .yaml = yaml,
        .workers = workers,
    });
    rig->client = http_client_create(rig->gateway, HTTP_H2);
}

void rig_start_workers(struct rig *rig, const char *yaml, unsigned workers)
{
    start_broker(rig, NULL);
    rig->publisher = publisher_connect(nats_fixture_url(rig->nats));
    start_gateway(rig, NULL, yaml, workers);
}

void rig_start_with_logins(struct rig *rig, const char *broker, const char *yaml, unsigned workers)
{
    start_broker(rig, broker);
    rig->publisher = publisher_connect_as(nats_fixture_url(rig->nats), "backend", "secret");
    start_gateway(rig, "  user: gateway\n  password: secret\n", yaml, workers);
}

void rig_start(struct rig *rig, const char *yaml)
{
    rig_start_workers(rig, yaml, 1);
}

void rig_stop(struct rig *rig)
{
    http_client_destroy(rig->client);
    gateway_destroy(rig->gateway);
    publisher_destroy(rig->publisher);
    nats_fixture_stop(rig->nats);
    *rig = (struct rig){0};
}

bool rig_end(struct rig *rig)
{
    int code = gateway_stop(rig->gateway);

    if (code != 0) {
        gateway_show_logs();
        fprintf(stderr, "the gateway's exit code is %d\n", code);
    }
    rig_stop(rig);
    return code == 0;
}

const char *rig_note(const char *format, ...)
{
    static char note[4096];
    va_list ap;

    va_start(ap, format);
    vsnprintf(note, sizeof(note), format, ap);
    va_end(ap);
    return note;
}
