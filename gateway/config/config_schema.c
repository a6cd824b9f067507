/* config_schema.c - the keys of the configuration file, for libcyaml and for the walk that explains errors */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_schema.h"

#include <cyaml/cyaml.h>

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define REQUIRED CYAML_FLAG_POINTER
#define STRICT (OPTIONAL | CYAML_FLAG_STRICT)

/* Numbers, durations and sizes are text here: their units and ranges are beyond a schema. */
#define TEXT(key, flags, structure, member) CYAML_FIELD_STRING_PTR(key, flags, structure, member, 1, CYAML_UNLIMITED)
#define CHOICE(key, structure, member, strings)                                                                        \
    CYAML_FIELD_ENUM_PTR(key, STRICT, structure, member, strings, CYAML_ARRAY_LEN(strings))
#define LIST(key, flags, structure, member, entry, min, max)                                                           \
    CYAML_FIELD_SEQUENCE(key, flags, structure, member, &(entry), min, max)

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, const char *, 1, CYAML_UNLIMITED)};

static const cyaml_strval_t levels[] = {
    {"error", LOG_ERROR},
    {"warn", LOG_WARN},
    {"info", LOG_INFO},
    {"debug", LOG_DEBUG},
};
static const cyaml_strval_t log_formats[] = {{"text", LOG_TEXT}, {"json", LOG_JSON}};
static const cyaml_strval_t stores[] = {
    {"memory", POLICY_STORE_MEMORY},
    {"none", POLICY_STORE_NONE},
    {"jetstream", POLICY_STORE_JETSTREAM},
};
static const cyaml_strval_t lives[] = {
    {"consumer", CONFIG_LIVE_CONSUMER},
    {"republish", CONFIG_LIVE_REPUBLISH},
};
static const cyaml_strval_t slows[] = {
    {"disconnect", POLICY_SLOW_DISCONNECT},
    {"skip", POLICY_SLOW_SKIP},
    {"latest", POLICY_SLOW_LATEST},
};
static const cyaml_strval_t events[] = {
    {"none", POLICY_EVENT_NONE},
    {"subject", POLICY_EVENT_SUBJECT},
    {"header", POLICY_EVENT_HEADER},
};
static const cyaml_strval_t formats[] = {
    {"text", POLICY_FORMAT_TEXT},
    {"base64", POLICY_FORMAT_BASE64},
    {"cloudevents", POLICY_FORMAT_CLOUDEVENTS},
};

static const cyaml_schema_field_t listen_fields[] = {
    TEXT("address", REQUIRED, struct raw_listen, address),
    TEXT("certificate", OPTIONAL, struct raw_listen, certificate),
    TEXT("key", OPTIONAL, struct raw_listen, key),
    TEXT("client_ca", OPTIONAL, struct raw_listen, client_ca),
    LIST("proxy_protocol", OPTIONAL, struct raw_listen, proxy_protocol, text_entry, 1, CYAML_UNLIMITED),
    LIST("forwarded", OPTIONAL, struct raw_listen, forwarded, text_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t listen_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_listen, listen_fields),
};

static const cyaml_schema_field_t admin_fields[] = {
    TEXT("address", REQUIRED, struct raw_admin, address),
    TEXT("token", OPTIONAL, struct raw_admin, token),
    CYAML_FIELD_BOOL("console", CYAML_FLAG_OPTIONAL, struct raw_admin, console),
    CYAML_FIELD_END,
};

/* The struct of a pointer member, whatever it is called. */
#define POINTED(structure, member) __typeof__(*((structure *)0)->member)
#define TLS POINTED(struct raw_nats, tls)

static const cyaml_schema_field_t tls_fields[] = {
    TEXT("ca", OPTIONAL, TLS, ca),
    TEXT("certificate", OPTIONAL, TLS, certificate),
    TEXT("key", OPTIONAL, TLS, key),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t nats_fields[] = {
    TEXT("url", OPTIONAL, struct raw_nats, url),
    TEXT("user", OPTIONAL, struct raw_nats, user),
    TEXT("password", OPTIONAL, struct raw_nats, password),
    TEXT("token", OPTIONAL, struct raw_nats, token),
    TEXT("credentials", OPTIONAL, struct raw_nats, credentials),
    TEXT("name", OPTIONAL, struct raw_nats, name),
    CYAML_FIELD_MAPPING_PTR("tls", OPTIONAL, struct raw_nats, tls, tls_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
    TEXT("connections", OPTIONAL, struct raw_limits, connections),
    TEXT("write_timeout", OPTIONAL, struct raw_limits, write_timeout),
    TEXT("replays", OPTIONAL, struct raw_limits, replays),
    TEXT("connections_per_address", OPTIONAL, struct raw_limits, connections_per_address),
    TEXT("new_streams_per_address", OPTIONAL, struct raw_limits, new_streams_per_address),
    TEXT("streams_per_address", OPTIONAL, struct raw_limits, streams_per_address),
    TEXT("memory_per_address", OPTIONAL, struct raw_limits, memory_per_address),
    TEXT("streams_total", OPTIONAL, struct raw_limits, streams_total),
    TEXT("new_streams_total", OPTIONAL, struct raw_limits, new_streams_total),
    TEXT("streams_per_token", OPTIONAL, struct raw_limits, streams_per_token),
    TEXT("history_bytes", OPTIONAL, struct raw_limits, history_bytes),
    TEXT("handshakes", OPTIONAL, struct raw_limits, handshakes),
    TEXT("streams", OPTIONAL, struct raw_limits, streams),
    TEXT("new_streams", OPTIONAL, struct raw_limits, new_streams),
    TEXT("header_bytes", OPTIONAL, struct raw_limits, header_bytes),
    TEXT("header_fields", OPTIONAL, struct raw_limits, header_fields),
    TEXT("idle", OPTIONAL, struct raw_limits, idle),
    TEXT("connection_age", OPTIONAL, struct raw_limits, connection_age),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t drain_fields[] = {
    TEXT("window", OPTIONAL, struct raw_drain, window),
    TEXT("timeout", OPTIONAL, struct raw_drain, timeout),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t log_fields[] = {
    CHOICE("level", struct raw_log, level, levels),
    CHOICE("format", struct raw_log, format, log_formats),
    CYAML_FIELD_BOOL_PTR("access", OPTIONAL, struct raw_log, access),
    CYAML_FIELD_END,
};

#define HISTORY __typeof__(((struct raw_policy *)0)->history)

static const cyaml_schema_field_t history_fields[] = {
    CHOICE("store", HISTORY, store, stores),
    TEXT("events", OPTIONAL, HISTORY, events),
    TEXT("bytes", OPTIONAL, HISTORY, bytes),
    TEXT("linger", OPTIONAL, HISTORY, linger),
    TEXT("stream", OPTIONAL, HISTORY, stream),
    CHOICE("live", HISTORY, live, lives),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t cors_fields[] = {
    LIST("origins", REQUIRED, struct raw_cors, origins, text_entry, 0, CYAML_UNLIMITED),
    CYAML_FIELD_BOOL("credentials", CYAML_FLAG_OPTIONAL, struct raw_cors, credentials),
    CYAML_FIELD_END,
};

#define JWT POINTED(struct raw_auth, jwt)

static const cyaml_schema_field_t jwt_fields[] = {
    TEXT("keys", REQUIRED, JWT, keys),
    TEXT("issuer", OPTIONAL, JWT, issuer),
    TEXT("audience", OPTIONAL, JWT, audience),
    TEXT("leeway", OPTIONAL, JWT, leeway),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t auth_fields[] = {
    CYAML_FIELD_BOOL("public", CYAML_FLAG_OPTIONAL, struct raw_auth, public),
    CYAML_FIELD_MAPPING_PTR("jwt", OPTIONAL, struct raw_auth, jwt, jwt_fields),
    LIST("from", OPTIONAL, struct raw_auth, from, text_entry, 1, 3),
    TEXT("cookie", OPTIONAL, struct raw_auth, cookie),
    TEXT("query", OPTIONAL, struct raw_auth, query),
    TEXT("request", OPTIONAL, struct raw_auth, request),
    TEXT("timeout", OPTIONAL, struct raw_auth, timeout),
    LIST("headers", OPTIONAL, struct raw_auth, headers, text_entry, 1, CONFIG_HEADERS_MAX),
    CYAML_FIELD_END,
};

#define POLICY_FIELDS(structure)                                                                                       \
    TEXT("retry", OPTIONAL, structure, policy.retry), TEXT("heartbeat", OPTIONAL, structure, policy.heartbeat),        \
        CYAML_FIELD_MAPPING("history", CYAML_FLAG_OPTIONAL, structure, policy.history, history_fields),                \
        CHOICE("slow", structure, policy.slow, slows), CHOICE("event", structure, policy.event, events),               \
        CHOICE("format", structure, policy.format, formats),                                                           \
        CYAML_FIELD_MAPPING_PTR("cors", OPTIONAL, structure, policy.cors, cors_fields),                                \
        CYAML_FIELD_MAPPING_PTR("auth", OPTIONAL, structure, policy.auth, auth_fields),                                \
        TEXT("presence", OPTIONAL, structure, policy.presence)

static const cyaml_schema_field_t defaults_fields[] = {
    POLICY_FIELDS(struct raw_defaults),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t route_fields[] = {
    TEXT("path", REQUIRED, struct raw_route, path),
    LIST("subjects", OPTIONAL, struct raw_route, subjects, text_entry, 1, CONFIG_SUBJECTS_MAX),
    LIST("allow", OPTIONAL, struct raw_route, allow, text_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_BOOL("publish", CYAML_FLAG_OPTIONAL, struct raw_route, publish),
    LIST("headers", OPTIONAL, struct raw_route, headers, text_entry, 1, CONFIG_HEADERS_MAX),
    POLICY_FIELDS(struct raw_route),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t route_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_route, route_fields),
};

static const cyaml_schema_field_t config_fields[] = {
    TEXT("name", OPTIONAL, struct raw_config, name),
    CYAML_FIELD_BOOL("info", CYAML_FLAG_OPTIONAL, struct raw_config, info),
    TEXT("workers", OPTIONAL, struct raw_config, workers),
    TEXT("watchdog", OPTIONAL, struct raw_config, watchdog),
    LIST("listen", REQUIRED, struct raw_config, listen, listen_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING("admin", CYAML_FLAG_OPTIONAL, struct raw_config, admin, admin_fields),
    CYAML_FIELD_MAPPING("nats", CYAML_FLAG_OPTIONAL, struct raw_config, nats, nats_fields),
    CYAML_FIELD_MAPPING("limits", CYAML_FLAG_OPTIONAL, struct raw_config, limits, limits_fields),
    CYAML_FIELD_MAPPING("drain", CYAML_FLAG_OPTIONAL, struct raw_config, drain, drain_fields),
    CYAML_FIELD_MAPPING("log", CYAML_FLAG_OPTIONAL, struct raw_config, log, log_fields),
    CYAML_FIELD_MAPPING("defaults", CYAML_FLAG_OPTIONAL, struct raw_config, defaults, defaults_fields),
    LIST("routes", REQUIRED, struct raw_config, routes, route_entry, 1, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t config_schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, config_fields)};
