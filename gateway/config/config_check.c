/* config_check.c - makes a struct config of what the file says */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_check.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/check.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_schema.h"
#include "gateway/config/config_value.h"
#include "gateway/config/options.h"

#define WORKERS_MAX 64
#define ADMIN_TOKEN_MIN 16
#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)

static char *copy(const char *s)
{
    return s != NULL ? check_strdup(s) : NULL;
}

static const char *or_builtin(const char *value, const char *path)
{
    return value != NULL ? value : options_builtin(path);
}

/* As many threads as can run at once: containers are often held to a few CPUs by affinity. */
static unsigned count_cpus(void)
{
    cpu_set_t set;
    int count;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (unsigned)count;
}

static unsigned read_workers(const struct config_scope *scope, const char *value)
{
    static const struct config_range range = {1, WORKERS_MAX, false, "auto, or 1 to 64"};
    uint64_t count = 1;

    if (strcmp(value, "auto") == 0)
        return count_cpus();
    config_read_number(scope, "workers", value, &range, &count);
    return (unsigned)count;
}

static void check_address(const struct config_scope *scope, const char *key, const char *value)
{
    struct address parsed;
    const char *wrong = address_parse(value, &parsed);

    if (wrong != NULL)
        config_scope_error(scope, key, "%s %s", config_show(value).text, wrong);
}

static bool is_printable(const char *s)
{
    while (*s > ' ' && *s < 0x7f)
        ++s;
    return *s == '\0';
}

/* Whoever reaches it sees what the gateway does. */
static void read_admin(const struct config_scope *scope, const struct raw_admin *raw, struct config *config)
{
    struct address address;

    if (raw->address == NULL)
        return;
    check_address(scope, "admin.address", raw->address);
    if (address_parse(raw->address, &address) == NULL && !address_is_loopback(address.host) && raw->token == NULL)
        config_scope_error(scope, "admin.address", "%s is not a loopback address, which goes together with a token",
                           config_show(raw->address).text);
    if (raw->token != NULL && (strlen(raw->token) < ADMIN_TOKEN_MIN || !is_printable(raw->token)))
        config_scope_error(scope, "admin.token", "has to be at least %d printable ASCII characters without blanks",
                           ADMIN_TOKEN_MIN);
    config->admin_address = copy(raw->address);
    config->admin_token = copy(raw->token);
    config->admin_console = raw->console;
}

/* Reports both halves of a pair of keys, of which only one is there. */
static void check_pair(const struct config_scope *scope, const char *a_key, const char *a, const char *b_key,
                       const char *b)
{
    if (a != NULL && b == NULL)
        config_scope_error(scope, a_key, "goes together with %s, which is missing", b_key);
    if (a == NULL && b != NULL)
        config_scope_error(scope, b_key, "goes together with %s, which is missing", a_key);
}

static void read_listen(const struct config_scope *top, const struct raw_config *raw, struct config *config)
{
    config->listen = check_calloc(raw->listen_count, sizeof(*config->listen));
    config->listen_count = raw->listen_count;
    for (unsigned i = 0; i != raw->listen_count; ++i) {
        const struct raw_listen *from = &raw->listen[i];
        struct config_listen *to = &config->listen[i];
        struct config_scope scope = *top;

        snprintf(scope.prefix, sizeof(scope.prefix), "listen[%u].", i);
        check_address(&scope, "address", from->address);
        check_pair(&scope, "certificate", from->certificate, "key", from->key);
        to->address = copy(from->address);
        to->certificate = config_read_file(&scope, "certificate", from->certificate);
        to->key = config_read_file(&scope, "key", from->key);
        if (from->client_ca != NULL && from->certificate == NULL)
            config_scope_error(&scope, "client_ca", "goes together with certificate, which is missing");
        to->client_ca = config_read_file(&scope, "client_ca", from->client_ca);
        to->proxy_protocol =
            config_read_networks(&scope, "proxy_protocol", from->proxy_protocol, from->proxy_protocol_count);
        to->proxy_protocol_count = from->proxy_protocol_count;
        to->forwarded = config_read_networks(&scope, "forwarded", from->forwarded, from->forwarded_count);
        to->forwarded_count = from->forwarded_count;
    }
}

/* Port 0 is a new one each time; everything else can be bound once. */
static bool is_taken(const char *a, const char *b)
{
    struct address parsed;

    return strcmp(a, b) == 0 && address_parse(a, &parsed) == NULL && strcmp(parsed.port, "0") != 0;
}

static void check_distinct_addresses(const struct config_scope *top, const struct config *config)
{
    for (unsigned i = 0; i != config->listen_count; ++i) {
        char key[48];

        snprintf(key, sizeof(key), "listen[%u].address", i);
        for (unsigned j = 0; j != i; ++j) {
            if (is_taken(config->listen[i].address, config->listen[j].address))
                config_scope_error(top, key, "%s is the address of listen[%u] already",
                                   config_show(config->listen[i].address).text, j);
        }
        if (config->admin_address != NULL && is_taken(config->admin_address, config->listen[i].address))
            config_scope_error(top, "admin.address", "%s is the address of listen[%u] already",
                               config_show(config->admin_address).text, i);
    }
}

static void check_login(const struct config_scope *scope, const struct raw_nats *raw)
{
    int ways = (raw->user != NULL || raw->password != NULL) + (raw->token != NULL) + (raw->credentials != NULL);

    if (raw->password != NULL && raw->user == NULL)
        config_scope_error(scope, "password", "goes together with user, which is missing");
    if (ways > 1)
        config_scope_error(scope, raw->token != NULL ? "token" : "credentials",
                           "only one of user and password, token, and credentials is possible");
}

static void read_nats(const struct config_scope *top, const struct raw_nats *raw, struct config_nats *nats)
{
    const char *url = or_builtin(raw->url, "nats.url"), *wrong;
    struct config_scope scope = *top;

    snprintf(scope.prefix, sizeof(scope.prefix), "nats.");
    wrong = config_check_nats_url(url, &nats->tls.enabled);
    if (wrong != NULL)
        config_scope_error(&scope, "url", "%s", wrong); /* without the URL: there may be a password in it */
    check_login(&scope, raw);
    nats->url = copy(url);
    nats->user = copy(raw->user);
    nats->password = copy(raw->password);
    nats->token = copy(raw->token);
    nats->credentials = config_read_file(&scope, "credentials", raw->credentials);
    nats->name = copy(or_builtin(raw->name, "nats.name"));
    if (raw->tls == NULL)
        return;
    nats->tls.enabled = true;
    check_pair(&scope, "tls.certificate", raw->tls->certificate, "tls.key", raw->tls->key);
    nats->tls.ca = config_read_file(&scope, "tls.ca", raw->tls->ca);
    nats->tls.certificate = config_read_file(&scope, "tls.certificate", raw->tls->certificate);
    nats->tls.key = config_read_file(&scope, "tls.key", raw->tls->key);
}

static void read_count(const struct config_scope *scope, const char *key, const char *value,
                       const struct config_range *range, unsigned *out)
{
    char path[64];
    uint64_t count = 1;

    snprintf(path, sizeof(path), "limits.%s", key);
    config_read_number(scope, key, or_builtin(value, path), range, &count);
    *out = (unsigned)count;
}

/* What one client may have and do. */
static void read_client_limits(const struct config_scope *scope, const struct raw_limits *raw,
                               struct config_limits *limits)
{
    static const struct config_range any = {1, 10000000, true, "1 to 10000000, or 0 for no limit"};
    static const struct config_range memory = {1 << 20, UINT64_C(1) << 40, true, "1MiB to 1024GiB, or 0 for no limit"};
    static const struct config_range some = {1, 1000000, false, "1 to 1000000"};
    static const struct config_range streams = {1, 100, false, "1 to 100"};
    static const struct config_range header = {1024, 16384, false, "1KiB to 16KiB"};
    static const struct config_range fields = {8, 1000, false, "8 to 1000"};
    static const struct config_range idle = {SECOND, HOUR, false, "1s to 1h"};
    static const struct config_range age = {10 * SECOND, 24 * HOUR, true, "10s to 24h, or 0 for any age"};
    uint64_t header_bytes = 0;

    read_count(scope, "connections_per_address", raw->connections_per_address, &any, &limits->connections_per_address);
    read_count(scope, "new_streams_per_address", raw->new_streams_per_address, &any, &limits->new_streams_per_address);
    read_count(scope, "streams_per_address", raw->streams_per_address, &any, &limits->streams_per_address);
    read_count(scope, "streams_per_token", raw->streams_per_token, &any, &limits->streams_per_token);
    config_read_size(scope, "memory_per_address", or_builtin(raw->memory_per_address, "limits.memory_per_address"),
                     &memory, &limits->memory_per_address);
    read_count(scope, "handshakes", raw->handshakes, &some, &limits->handshakes);
    read_count(scope, "streams", raw->streams, &streams, &limits->streams);
    read_count(scope, "new_streams", raw->new_streams, &some, &limits->new_streams);
    config_read_size(scope, "header_bytes", or_builtin(raw->header_bytes, "limits.header_bytes"), &header,
                     &header_bytes);
    limits->header_bytes = (unsigned)header_bytes;
    read_count(scope, "header_fields", raw->header_fields, &fields, &limits->header_fields);
    config_read_duration(scope, "idle", or_builtin(raw->idle, "limits.idle"), &idle, &limits->idle_ms);
    config_read_duration(scope, "connection_age", or_builtin(raw->connection_age, "limits.connection_age"), &age,
                         &limits->connection_age_ms);
}

/* What all clients together may have and do. */
static void read_total_limits(const struct config_scope *scope, const struct raw_limits *raw,
                              struct config_limits *limits)
{
    static const struct config_range streams = {1, 100000000, true, "1 to 100000000, or 0 for no limit"};
    static const struct config_range rate = {1, 10000000, true, "1 to 10000000, or 0 for no limit"};
    static const struct config_range memory = {1 << 20, UINT64_C(1) << 40, true, "1MiB to 1024GiB, or 0 for no limit"};

    config_read_number(scope, "streams_total", or_builtin(raw->streams_total, "limits.streams_total"), &streams,
                       &limits->streams_total);
    read_count(scope, "new_streams_total", raw->new_streams_total, &rate, &limits->new_streams_total);
    config_read_size(scope, "history_bytes", or_builtin(raw->history_bytes, "limits.history_bytes"), &memory,
                     &limits->history_bytes);
}

static void read_limits(const struct config_scope *top, const struct raw_limits *raw, struct config_limits *limits)
{
    static const struct config_range connections = {1, 10000000, true, "1 to 10000000, or 0 for as many as possible"};
    static const struct config_range write_timeout = {SECOND, HOUR, false, "1s to 1h"};
    static const struct config_range replays = {1, 64, false, "1 to 64"};
    uint64_t count = 1;
    struct config_scope scope = *top;

    snprintf(scope.prefix, sizeof(scope.prefix), "limits.");
    config_read_number(&scope, "connections", or_builtin(raw->connections, "limits.connections"), &connections,
                       &limits->connections);
    config_read_duration(&scope, "write_timeout", or_builtin(raw->write_timeout, "limits.write_timeout"),
                         &write_timeout, &limits->write_timeout_ms);
    config_read_number(&scope, "replays", or_builtin(raw->replays, "limits.replays"), &replays, &count);
    limits->replays = (unsigned)count;
    read_client_limits(&scope, raw, limits);
    read_total_limits(&scope, raw, limits);
}

static int64_t read_watchdog(const struct config_scope *top, const char *value)
{
    static const struct config_range range = {SECOND, HOUR, true, "1s to 1h, or 0 for never"};
    int64_t ms = 0;

    config_read_duration(top, "watchdog", or_builtin(value, "watchdog"), &range, &ms);
    return ms;
}

static void read_drain(const struct config_scope *top, const struct raw_drain *raw, struct config_drain *drain)
{
    static const struct config_range window = {0, HOUR, true, "0 to 1h"};
    static const struct config_range timeout = {SECOND, HOUR, false, "1s to 1h"};
    const char *timeout_text = or_builtin(raw->timeout, "drain.timeout");

    config_read_duration(top, "drain.window", or_builtin(raw->window, "drain.window"), &window, &drain->window_ms);
    config_read_duration(top, "drain.timeout", timeout_text, &timeout, &drain->timeout_ms);
    if (drain->timeout_ms != 0 && drain->timeout_ms < drain->window_ms)
        config_scope_error(top, "drain.timeout", "%s is shorter than drain.window", config_show(timeout_text).text);
}

static void read_log(const struct raw_log *raw, struct config *config)
{
    CHECK(log_parse_level(options_builtin("log.level"), &config->log.level));
    CHECK(log_parse_format(options_builtin("log.format"), &config->log.format));
    if (raw->level != NULL)
        config->log.level = *raw->level;
    if (raw->format != NULL)
        config->log.format = *raw->format;
    config->log.access = raw->access != NULL ? *raw->access : strcmp(options_builtin("log.access"), "true") == 0;
}

struct config *config_check(struct config_report *report, const char *folder, const struct raw_config *raw)
{
    const struct config_scope top = {.report = report, .folder = folder, .prefix = ""};
    struct config *config = check_calloc(1, sizeof(*config));

    config->name = config_read_gateway_name(&top, raw->name);
    config->info = raw->info;
    config->workers = read_workers(&top, or_builtin(raw->workers, "workers"));
    read_listen(&top, raw, config);
    read_admin(&top, &raw->admin, config);
    config->watchdog_ms = read_watchdog(&top, raw->watchdog);
    check_distinct_addresses(&top, config);
    read_nats(&top, &raw->nats, &config->nats);
    read_limits(&top, &raw->limits, &config->limits);
    read_drain(&top, &raw->drain, &config->drain);
    read_log(&raw->log, config);
    config_check_routes(report, folder, raw, config);
    return config;
}
