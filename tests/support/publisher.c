/* publisher.c - an ordinary NATS client that publishes the messages of tests */
/* SPDX-License-Identifier: MIT */
#include "tests/support/publisher.h"

#include <nats/nats.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/sandbox.h"

struct publisher {
    natsConnection *connection;
};

static unsigned connected; /* the library is closed with the last one, for the leak checker */

static void require(natsStatus status, const char *what)
{
    if (status != NATS_OK)
        fixture_fail("publisher: %s: %s", what, natsStatus_GetText(status));
}

/* One url, or several with commas between. */
static natsStatus set_urls(natsOptions *options, const char *text)
{
    const char *urls[8];
    char *copy = text_format("%s", text), *at = copy;
    natsStatus status;
    int count = 0;

    for (; at != NULL && count < 8; count++) {
        urls[count] = at;
        at = strchr(at, ',');
        if (at != NULL)
            *at++ = '\0';
    }
    status = natsOptions_SetServers(options, urls, count);
    free(copy);
    return status;
}

struct publisher *publisher_connect_as(const char *url, const char *user, const char *password)
{
    struct publisher *publisher = calloc(1, sizeof(*publisher));
    natsOptions *options = NULL;

    if (publisher == NULL)
        fixture_fail("out of memory");
    require(natsOptions_Create(&options), "options");
    require(set_urls(options, url), url);
    if (user != NULL)
        require(natsOptions_SetUserInfo(options, user, password), "user");
    require(natsOptions_SetMaxReconnect(options, -1), "reconnect");
    require(natsOptions_SetReconnectWait(options, 20), "reconnect");
    require(natsOptions_SetReconnectJitter(options, 1, 1), "reconnect");
    require(natsConnection_Connect(&publisher->connection, options), "connect");
    natsOptions_Destroy(options);
    connected++;
    return publisher;
}

struct publisher *publisher_connect(const char *url)
{
    return publisher_connect_as(url, NULL, NULL);
}

void publisher_destroy(struct publisher *publisher)
{
    if (publisher == NULL)
        return;
    natsConnection_Close(publisher->connection);
    natsConnection_Destroy(publisher->connection);
    if (--connected == 0)
        nats_CloseAndWait(scaled_ms(5000));
    free(publisher);
}

struct __natsConnection *publisher_connection(const struct publisher *publisher)
{
    return publisher->connection;
}

void publish_bytes(struct publisher *publisher, const char *subject, const void *data, size_t len)
{
    require(natsConnection_Publish(publisher->connection, subject, data, (int)len), subject);
}

void publish(struct publisher *publisher, const char *subject, const char *text)
{
    publish_bytes(publisher, subject, text, strlen(text));
}

void publish_format(struct publisher *publisher, const char *subject, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    char *text = text_format_list(format, ap);
    va_end(ap);
    publish(publisher, subject, text);
    free(text);
}

void publish_with_headers(struct publisher *publisher, const char *subject, const char *text,
                          const char *const *headers)
{
    natsMsg *message = NULL;

    require(natsMsg_Create(&message, subject, NULL, text, (int)strlen(text)), "message");
    for (; headers[0] != NULL; headers += 2)
        require(natsMsgHeader_Add(message, headers[0], headers[1]), headers[0]);
    require(natsConnection_PublishMsg(publisher->connection, message), subject);
    natsMsg_Destroy(message);
}

void publisher_flush(struct publisher *publisher)
{
    require(natsConnection_FlushTimeout(publisher->connection, scaled_ms(10000)), "flush");
}
