/* dev_stream.c - the JetStream stream of --dev */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/dev_stream.h"

#include <nats/nats.h>
#include <stdint.h>
#include <stdio.h>

/* A demo's store is a temporary directory: it must not fill the disk. */
#define BYTES_MAX (64 << 20)

static natsStatus add_stream(natsConnection *connection, const char *name, const char *pattern)
{
    jsStreamConfig config;
    jsCtx *js = NULL;
    natsStatus status = jsStreamConfig_Init(&config);
    config.Name = name;
    config.Subjects = &pattern;
    config.SubjectsLen = 1;
    config.MaxBytes = BYTES_MAX;
    if (status == NATS_OK)
        status = natsConnection_JetStream(&js, connection, NULL);
    if (status == NATS_OK)
        status = js_AddStream(NULL, js, &config, NULL, NULL);
    jsCtx_Destroy(js);
    return status;
}

bool dev_stream_create(const char *url, const char *name, const char *pattern, char *error, size_t error_size)
{
    natsConnection *connection = NULL;
    natsStatus status = natsConnection_ConnectTo(&connection, url);
    if (status == NATS_OK)
        status = add_stream(connection, name, pattern);
    natsConnection_Destroy(connection);
    if (status != NATS_OK)
        snprintf(error, error_size, "the broker makes no stream %s: %s", name, natsStatus_GetText(status));
    return status == NATS_OK;
}
