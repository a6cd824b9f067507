/* broker_monitor.c - asks a nats-server about itself over HTTP */
/* SPDX-License-Identifier: MIT */
#include "tests/support/broker_monitor.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/sandbox.h"

struct body {
    char *text;
    size_t len;
};

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct body *body = arg;

    body->text = realloc(body->text, body->len + size * n + 1);
    if (body->text == NULL)
        fixture_fail("out of memory");
    memcpy(body->text + body->len, data, size * n);
    body->len += size * n;
    body->text[body->len] = '\0';
    return size * n;
}

char *broker_monitor_get(int port, const char *path)
{
    char *url = text_format("http://127.0.0.1:%d%s", port, path);
    struct body body = {0};
    CURL *easy = curl_easy_init();
    long status = 0;

    if (easy == NULL)
        fixture_fail("curl");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)scaled_ms(5000));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
    if (curl_easy_perform(easy) == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    free(url);
    if (status != 200) {
        free(body.text);
        return NULL;
    }
    return body.text;
}

static json_t *get_json(int port, const char *path)
{
    char *text = broker_monitor_get(port, path);
    /* as reals: no limit is written as 2^64 - 1, which the parser doesn't take for an integer */
    json_t *json = text != NULL ? json_loads(text, JSON_DECODE_INT_AS_REAL, NULL) : NULL;

    free(text);
    return json;
}

/* The stream's part of /jsz, NULL when there is none; the caller releases *root. */
static json_t *stream_detail(int port, const char *stream, json_t **root)
{
    json_t *account, *detail;
    size_t i, k;

    *root = get_json(port, "/jsz?streams=true");
    json_array_foreach (json_object_get(*root, "account_details"), i, account) {
        json_array_foreach (json_object_get(account, "stream_detail"), k, detail) {
            const char *name = json_string_value(json_object_get(detail, "name"));
            if (name != NULL && strcmp(name, stream) == 0)
                return detail;
        }
    }
    return NULL;
}

long broker_monitor_consumers(int port, const char *stream)
{
    json_t *root, *detail = stream_detail(port, stream, &root);
    json_t *consumers = json_object_get(json_object_get(detail, "state"), "consumer_count");
    long count = consumers != NULL ? (long)json_number_value(consumers) : -1;

    json_decref(root);
    return count;
}

bool broker_monitor_behind(int port, const char *stream, char *name, size_t size)
{
    json_t *root, *detail = stream_detail(port, stream, &root), *replica;
    json_t *replicas = json_object_get(json_object_get(detail, "cluster"), "replicas");
    bool has_replicas = json_array_size(replicas) != 0;
    size_t i;

    snprintf(name, size, "%s", "");
    json_array_foreach (replicas, i, replica)
        if (!json_is_true(json_object_get(replica, "current")))
            snprintf(name, size, "%s", json_string_value(json_object_get(replica, "name")));
    json_decref(root);
    return has_replicas;
}

void broker_monitor_meta_leader(int port, char *name, size_t size)
{
    json_t *json = get_json(port, "/jsz");
    const char *leader = json_string_value(json_object_get(json_object_get(json, "meta_cluster"), "leader"));

    snprintf(name, size, "%s", leader != NULL ? leader : "");
    json_decref(json);
}
