/* auth_rig.h - a gateway whose routes want tokens, and a key to sign them with */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_INTEGRATION_AUTH_RIG_H
#define TESTS_INTEGRATION_AUTH_RIG_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/http_client.h"
#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"
#include "tests/support/tokens.h"

static struct rig rig;
static struct http_client *client;
static struct tokens_key *key;
static char *key_file;

/* yaml: the configuration from the routes on; each %K in it becomes the path of the key file. */
static void auth_start(const char *yaml)
{
    char *whole = text_format("log: {level: debug}\n%s", yaml);

    key = tokens_key("ES256", "main");
    key_file = sandbox_path("keys.json");
    tokens_write_jwks(key_file, key, NULL);
    whole = text_replace(whole, "%K", key_file);
    rig_start(&rig, whole);
    free(whole);
    client = http_client_create(rig.gateway, HTTP_H2);
}

static void auth_stop(void)
{
    http_client_destroy(client);
    client = NULL;
    rig_stop(&rig);
    tokens_key_free(key);
    free(key_file);
}

/* A good token with these grants, as JSON lists; good for a minute. */
static char *token_for(const char *sub, const char *subscribe, const char *publish)
{
    char *payload = text_format("{\"sub\":\"%s\",\"exp\":%lld,\"freshet\":{\"subscribe\":%s,\"publish\":%s}}", sub,
                                (long long)time(NULL) + 60, subscribe, publish);
    char *token = tokens_sign(key, NULL, payload);

    free(payload);
    return token;
}

/* "authorization: Bearer TOKEN", until the next call. */
static const char *bearer(const char *token)
{
    static char *header;

    free(header);
    header = text_format("authorization: Bearer %s", token);
    return header;
}

/* The status of a GET's answer; a stream is left then. body: what a finite answer says, freed by the caller; or NULL. */
static int status_of(struct http_client *of, const char *path, const char *header, char **body)
{
    struct http_stream *stream = http_open(of, path, header, NULL);

    REQUIRE(http_wait_headers(stream), "%s", path);
    int status = stream->status;
    if (status != 200)
        REQUIRE(http_wait_end(stream), "%s", path);
    if (body != NULL)
        *body = strdup(stream->body != NULL ? stream->body : "");
    http_close(stream);
    return status;
}

static inline void auth_rig_unused(void)
{
    (void)auth_start;
    (void)auth_stop;
    (void)token_for;
    (void)bearer;
    (void)status_of;
}

#endif
