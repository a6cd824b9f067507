/* rig.c - what nearly every integration test stands on: a broker, a publisher and a gateway */
/* SPDX-License-Identifier: MIT */
#include "tests/support/rig.h"

#include <stdarg.h>
#include <stdio.h>

#include "tests/support/http_client.h"
#include "tests/support/sandbox.h"

void rig_start_workers(struct rig *rig, const char *yaml, unsigned workers)
{
    rig->nats = nats_fixture_start(NULL);
    if (rig->nats == NULL)
        fixture_fail("no broker");
    rig->publisher = publisher_connect(nats_fixture_url(rig->nats));
    rig->gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(rig->nats),
        .yaml = yaml,
        .workers = workers,
    });
    rig->client = http_client_create(rig->gateway, HTTP_H2);
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

const char *rig_note(const char *format, ...)
{
    static char note[4096];
    va_list ap;

    va_start(ap, format);
    vsnprintf(note, sizeof(note), format, ap);
    va_end(ap);
    return note;
}
