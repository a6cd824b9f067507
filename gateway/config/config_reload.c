/* config_reload.c - from one configuration to the next without a restart */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_reload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

#define MESSAGE_MAX 512

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool are_same(char *const *a, unsigned a_count, char *const *b, unsigned b_count)
{
    if (a_count != b_count)
        return false;
    for (unsigned i = 0; i != a_count; ++i) {
        if (strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

/* ---- what needs a restart ---- */

struct refusals {
    config_error_fn on_error;
    void *arg;
    unsigned count;
};

__attribute__((format(printf, 2, 0))) static void refuse_with(struct refusals *refusals, const char *format,
                                                              va_list args)
{
    char message[MESSAGE_MAX];
    vsnprintf(message, sizeof(message), format, args);
    refusals->on_error(refusals->arg, message);
    ++refusals->count;
}

__attribute__((format(printf, 2, 3))) static void refuse(struct refusals *refusals, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse_with(refusals, format, args);
    va_end(args);
}

static void check_nats(struct refusals *refusals, const struct config_nats *a, const struct config_nats *b)
{
    const struct {
        const char *key, *a, *b;
    } keys[] = {
        {"url", a->url, b->url},
        {"user", a->user, b->user},
        {"password", a->password, b->password},
        {"token", a->token, b->token},
        {"credentials", a->credentials, b->credentials},
        {"name", a->name, b->name},
        {"tls.ca", a->tls.ca, b->tls.ca},
        {"tls.certificate", a->tls.certificate, b->tls.certificate},
        {"tls.key", a->tls.key, b->tls.key},
    };
    for (size_t i = 0; i != sizeof(keys) / sizeof(keys[0]); ++i) {
        if (!is_same(keys[i].a, keys[i].b))
            refuse(refusals, "nats.%s: has changed, which needs a restart", keys[i].key);
    }
    if (a->tls.enabled != b->tls.enabled)
        refuse(refusals, "nats.tls: has changed, which needs a restart");
}

static const struct config_stream *find_stream(const struct config *config, const char *name)
{
    for (unsigned i = 0; i != config->streams_count; ++i) {
        if (strcmp(config->streams[i].name, name) == 0)
            return &config->streams[i];
    }
    return NULL;
}

static void check_streams(struct refusals *refusals, const struct config *first, const struct config *next)
{
    for (unsigned i = 0; i != next->streams_count; ++i) {
        const struct config_stream *stream = &next->streams[i], *before = find_stream(first, stream->name);
        if (before == NULL)
            refuse(refusals, "routes[].history.stream: %s is not followed yet, which needs a restart", stream->name);
        else if (before->live != stream->live)
            refuse(refusals, "routes[].history.live: of %s has changed, which needs a restart", stream->name);
        else if (before->events == 0 && stream->events != 0)
            refuse(refusals, "routes[].history.stream: %s has only been published to, reading it needs a restart",
                   stream->name);
    }
}

static bool asks_anybody(const struct config *config)
{
    bool any = false;
    for (unsigned i = 0; i != config->routes_count; ++i)
        any |= config->routes[i].auth.required;
    return any;
}

bool config_reload_check(const struct config *first, const struct config *next, config_error_fn on_error, void *arg)
{
    struct refusals refusals = {on_error, arg, 0};
    if (first->workers != next->workers)
        refuse(&refusals, "workers: %u instead of %u needs a restart", next->workers, first->workers);
    if (first->watchdog_ms != next->watchdog_ms)
        refuse(&refusals, "watchdog: has changed, which needs a restart");
    if (first->limits.replays != next->limits.replays)
        refuse(&refusals, "limits.replays: %u instead of %u needs a restart", next->limits.replays,
               first->limits.replays);
    if (!is_same(first->name, next->name))
        refuse(&refusals, "name: has changed, which needs a restart");
    check_nats(&refusals, &first->nats, &next->nats);
    check_streams(&refusals, first, next);
    if (!asks_anybody(first) && asks_anybody(next))
        refuse(&refusals, "auth: the first route that has it needs a restart, revocations are not listened for yet");
    return refusals.count == 0;
}

static unsigned number_of(const struct config *config, const char *name)
{
    const struct config_stream *stream = find_stream(config, name);
    CHECK(stream != NULL);
    return (unsigned)(stream - config->streams) + 1;
}

void config_reload_adopt(const struct config *first, struct config *next)
{
    struct config_stream *streams = check_calloc(CONFIG_STREAMS_MAX, sizeof(*streams));
    for (unsigned i = 0; i != next->routes_count; ++i) {
        struct config_history *history = &next->routes[i].history;
        if (history->source != 0)
            history->source = number_of(first, history->stream);
    }
    for (unsigned i = 0; i != first->streams_count; ++i) {
        const struct config_stream *stream = find_stream(next, first->streams[i].name);
        streams[i] = stream != NULL ? *stream : (struct config_stream){.live = first->streams[i].live};
        streams[i].name = first->streams[i].name;
    }
    free(next->streams);
    next->streams = streams;
    next->streams_count = first->streams_count;
}

/* ---- what has changed ---- */

static bool are_same_networks(const struct ip_network *a, unsigned a_count, const struct ip_network *b,
                              unsigned b_count)
{
    if (a_count != b_count)
        return false;
    for (unsigned i = 0; i != a_count; ++i) {
        if (a[i].bits != b[i].bits || memcmp(a[i].address, b[i].address, sizeof(a[i].address)) != 0)
            return false;
    }
    return true;
}

static bool is_same_listen(const struct config_listen *a, const struct config_listen *b)
{
    return is_same(a->address, b->address) && is_same(a->certificate, b->certificate) && is_same(a->key, b->key) &&
           is_same(a->client_ca, b->client_ca) &&
           are_same_networks(a->proxy_protocol, a->proxy_protocol_count, b->proxy_protocol, b->proxy_protocol_count) &&
           are_same_networks(a->forwarded, a->forwarded_count, b->forwarded, b->forwarded_count);
}

static bool is_same_listening(const struct config *a, const struct config *b)
{
    if (a->listen_count != b->listen_count)
        return false;
    for (unsigned i = 0; i != a->listen_count; ++i) {
        if (!is_same_listen(&a->listen[i], &b->listen[i]))
            return false;
    }
    return true;
}

static bool is_same_limits(const struct config_limits *a, const struct config_limits *b)
{
    return a->connections == b->connections && a->write_timeout_ms == b->write_timeout_ms && a->replays == b->replays &&
           a->connections_per_address == b->connections_per_address &&
           a->new_streams_per_address == b->new_streams_per_address &&
           a->streams_per_address == b->streams_per_address && a->streams_total == b->streams_total &&
           a->new_streams_total == b->new_streams_total && a->streams_per_token == b->streams_per_token &&
           a->history_bytes == b->history_bytes && a->memory_per_address == b->memory_per_address &&
           a->handshakes == b->handshakes && a->streams == b->streams && a->new_streams == b->new_streams &&
           a->header_bytes == b->header_bytes && a->header_fields == b->header_fields && a->idle_ms == b->idle_ms &&
           a->connection_age_ms == b->connection_age_ms;
}

static bool is_same_history(const struct config_history *a, const struct config_history *b)
{
    return a->store == b->store && a->events == b->events && a->bytes == b->bytes && a->linger_ms == b->linger_ms &&
           is_same(a->stream, b->stream) && a->live == b->live;
}

static bool is_same_cors(const struct config_cors *a, const struct config_cors *b)
{
    return a->credentials == b->credentials && are_same(a->origins, a->origins_count, b->origins, b->origins_count);
}

static bool is_same_route(const struct config_route *a, const struct config_route *b)
{
    return strcmp(a->path, b->path) == 0 && are_same(a->subjects, a->subjects_count, b->subjects, b->subjects_count) &&
           are_same(a->allow, a->allow_count, b->allow, b->allow_count) && a->retry_ms == b->retry_ms &&
           a->heartbeat_ms == b->heartbeat_ms && is_same_history(&a->history, &b->history) && a->slow == b->slow &&
           a->event == b->event && a->format == b->format && is_same_cors(&a->cors, &b->cors) &&
           a->publish == b->publish && is_same(a->presence, b->presence) &&
           are_same(a->headers, a->headers_count, b->headers, b->headers_count) &&
           config_auth_is_same(&a->auth, &b->auth);
}

static bool is_same_routing(const struct config *a, const struct config *b)
{
    if (a->routes_count != b->routes_count)
        return false;
    for (unsigned i = 0; i != a->routes_count; ++i) {
        if (!is_same_route(&a->routes[i], &b->routes[i]))
            return false;
    }
    return true;
}

const char *config_reload_changes(const struct config *before, const struct config *after,
                                  char text[static CONFIG_CHANGES_MAX])
{
    const struct {
        const char *key;
        bool same;
    } keys[] = {
        {"listen", is_same_listening(before, after)},
        {"admin", is_same(before->admin_address, after->admin_address) &&
                      is_same(before->admin_token, after->admin_token) &&
                      before->admin_console == after->admin_console},
        {"limits", is_same_limits(&before->limits, &after->limits)},
        {"drain",
         before->drain.window_ms == after->drain.window_ms && before->drain.timeout_ms == after->drain.timeout_ms},
        {"log", before->log.level == after->log.level && before->log.format == after->log.format &&
                    before->log.access == after->log.access},
        {"routes", is_same_routing(before, after)},
    };
    size_t used = 0;
    for (size_t i = 0; i != sizeof(keys) / sizeof(keys[0]); ++i) {
        if (!keys[i].same)
            used +=
                (size_t)snprintf(text + used, CONFIG_CHANGES_MAX - used, "%s%s", used != 0 ? ", " : "", keys[i].key);
    }
    if (used == 0)
        snprintf(text, CONFIG_CHANGES_MAX, "nothing");
    return text;
}

const struct config_route *config_find_route(const struct config *config, const char *path)
{
    for (unsigned i = 0; i != config->routes_count; ++i) {
        if (strcmp(config->routes[i].path, path) == 0)
            return &config->routes[i];
    }
    return NULL;
}

bool config_auth_is_same(const struct config_auth *auth, const struct config_auth *other)
{
    return auth->required == other->required && auth->jwt == other->jwt && is_same(auth->keys_file, other->keys_file) &&
           is_same(auth->issuer, other->issuer) && is_same(auth->audience, other->audience) &&
           auth->leeway_ms == other->leeway_ms && auth->from == other->from && is_same(auth->cookie, other->cookie) &&
           is_same(auth->query, other->query) && is_same(auth->request, other->request) &&
           auth->timeout_ms == other->timeout_ms &&
           are_same(auth->headers, auth->headers_count, other->headers, other->headers_count);
}
