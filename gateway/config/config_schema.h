/* config_schema.h - the configuration as it stands in the file: its keys, and their values still as text */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_SCHEMA_H
#define GATEWAY_CONFIG_CONFIG_SCHEMA_H

#include <stdbool.h>

#include "gateway/config/config.h"

/* What is not in the file is NULL or 0. All of it belongs to libcyaml; see config_raw_load. */
struct raw_listen {
    const char *address, *certificate, *key, *client_ca;
    const char **proxy_protocol;
    unsigned proxy_protocol_count;
    const char **forwarded;
    unsigned forwarded_count;
};

struct raw_admin {
    const char *address, *token;
    bool console;
};

struct raw_nats {
    const char *url, *user, *password, *token, *credentials, *name;
    struct {
        const char *ca, *certificate, *key;
    } * tls;
};

struct raw_limits {
    const char *connections, *write_timeout, *replays;
    const char *connections_per_address, *new_streams_per_address, *streams_per_address, *memory_per_address;
    const char *streams_total, *new_streams_total, *streams_per_token, *history_bytes;
    const char *handshakes, *streams, *new_streams, *header_bytes, *header_fields, *idle, *connection_age;
};

struct raw_drain {
    const char *window, *timeout;
};

struct raw_log {
    enum log_level *level;
    enum log_format *format;
    bool *access;
};

struct raw_cors {
    const char **origins;
    unsigned origins_count;
    bool credentials;
};

struct raw_auth {
    bool public;
    struct {
        const char *keys, *issuer, *audience, *leeway;
    } * jwt;
    const char **from;
    unsigned from_count;
    const char *cookie, *query, *request, *timeout;
    const char **headers;
    unsigned headers_count;
};

/* The keys that `defaults` and a route have in common. */
struct raw_policy {
    const char *retry, *heartbeat;
    struct {
        enum policy_store *store;
        const char *events, *bytes, *linger, *stream;
        enum config_live *live;
    } history;
    enum policy_slow *slow;
    enum policy_event *event;
    enum policy_format *format;
    struct raw_cors *cors;
    struct raw_auth *auth;
    const char *presence;
};

struct raw_defaults {
    struct raw_policy policy;
};

struct raw_route {
    const char *path;
    const char **subjects;
    unsigned subjects_count;
    const char **allow;
    unsigned allow_count;
    bool publish;
    const char **headers;
    unsigned headers_count;
    struct raw_policy policy;
};

struct raw_config {
    const char *name, *workers, *watchdog;
    bool info;
    struct raw_listen *listen;
    unsigned listen_count;
    struct raw_admin admin;
    struct raw_nats nats;
    struct raw_limits limits;
    struct raw_drain drain;
    struct raw_log log;
    struct raw_defaults defaults;
    struct raw_route *routes;
    unsigned routes_count;
};

/* More subjects than this on one stream are refused. */
#define CONFIG_SUBJECTS_MAX 32
/* More headers than this in one list. */
#define CONFIG_HEADERS_MAX 16

/* Describes a struct raw_config. */
extern const struct cyaml_schema_value config_schema;

#endif
