/* auth.c - a gateway whose routes want tokens, and a key to sign them with */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/auth.h"

struct auth auth;

void auth_start_as_it_is(const char *yaml)
{
    char *whole = strdup(yaml);

    auth.key = tokens_key("ES256", "main");
    auth.key_file = sandbox_path("keys.json");
    tokens_write_jwks(auth.key_file, auth.key, NULL);
    whole = text_replace(whole, "%K", auth.key_file);
    rig_start(&auth.rig, whole);
    free(whole);
}

void auth_start(const char *yaml)
{
    char *whole = text_format("log: {level: debug}\n%s", yaml);

    auth_start_as_it_is(whole);
    free(whole);
}

void auth_stop(void)
{
    rig_stop(&auth.rig);
    tokens_key_free(auth.key);
    free(auth.key_file);
}

char *auth_token(const char *sub, const char *subscribe, const char *publish)
{
    char *payload = text_format("{\"sub\":\"%s\",\"exp\":%lld,\"freshet\":{\"subscribe\":%s,\"publish\":%s}}", sub,
                                (long long)time(NULL) + 60, subscribe, publish);
    char *token = tokens_sign(auth.key, NULL, payload);

    free(payload);
    return token;
}

const char *auth_bearer(const char *token)
{
    static char *header;

    free(header);
    header = text_format("authorization: Bearer %s", token);
    return header;
}

int auth_status(struct http_client *of, const char *path, const char *header, char **body)
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
