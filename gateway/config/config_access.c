/* config_access.c - the parts of a configuration that say who may do what */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_schema.h"
#include "gateway/config/config_value.h"
#include "gateway/config/options.h"
#include "proto/subject.h"

#define SECOND UINT64_C(1000)
#define NAME_MAX 64

static const char token_characters[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static const char *or_builtin(const char *value, const char *path)
{
    return value != NULL ? value : options_builtin(path);
}

/* ---- networks ---- */

static bool parse_address(const char *text, uint8_t address[16], unsigned *bits)
{
    *bits = 128;
    if (inet_pton(AF_INET6, text, address) == 1)
        return true;
    memset(address, 0, 10);
    memset(address + 10, 0xff, 2);
    *bits = 32;
    return inet_pton(AF_INET, text, address + 12) == 1;
}

/* NULL when it is one, else what is wrong. */
static const char *parse_network(const char *text, struct ip_network *network)
{
    char host[INET6_ADDRSTRLEN + 1];
    size_t len = strcspn(text, "/");
    unsigned most;

    if (len >= sizeof(host))
        return "is no address";
    memcpy(host, text, len);
    host[len] = '\0';
    if (!parse_address(host, network->address, &most))
        return "is no address or network (such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32)";
    network->bits = 128;
    if (text[len] == '/') {
        const char *digits = text + len + 1;
        unsigned long bits = strtoul(digits, NULL, 10);

        if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0' || strlen(digits) > 3 || bits > most)
            return most == 32 ? "has a bad prefix length (0 to 32)" : "has a bad prefix length (0 to 128)";
        network->bits = (unsigned)bits + 128 - most;
    }
    for (unsigned i = network->bits; i != 128; ++i) {
        if ((network->address[i / 8] & (0x80 >> i % 8)) != 0)
            return "has bits set behind its prefix";
    }
    return NULL;
}

struct ip_network *config_read_networks(const struct config_scope *scope, const char *key, const char *const *texts,
                                        unsigned count)
{
    struct ip_network *networks = check_calloc(count, sizeof(*networks));

    for (unsigned i = 0; i != count; ++i) {
        const char *wrong = parse_network(texts[i], &networks[i]);
        char path[48];

        snprintf(path, sizeof(path), "%s[%u]", key, i);
        if (wrong != NULL)
            config_scope_error(scope, path, "%s %s", config_show(texts[i]).text, wrong);
    }
    return networks;
}

/* ---- header names ---- */

/* NULL when it is one, else what is wrong. RFC 9110 section 5.1. */
static const char *check_header(const char *name, bool for_message)
{
    size_t len = strlen(name);

    if (len == 0 || len > NAME_MAX || name[strspn(name, token_characters)] != '\0')
        return "is no name of a header";
    if (for_message && strncasecmp(name, "nats-", 5) == 0)
        return "is the broker's; Nats-Msg-Id needs no mention, and no other may come from outside";
    if (for_message && (strcasecmp(name, "authorization") == 0 || strcasecmp(name, "cookie") == 0))
        return "is a secret, which every subscriber of the subject would get to see";
    return NULL;
}

char **config_read_headers(const struct config_scope *scope, const char *key, const char *const *names, unsigned count,
                           bool for_message)
{
    char **headers = check_calloc(count, sizeof(*headers));

    for (unsigned i = 0; i != count; ++i) {
        const char *wrong = check_header(names[i], for_message);
        char path[48];

        headers[i] = check_strdup(names[i]);
        for (char *p = headers[i]; *p != '\0'; ++p)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
        snprintf(path, sizeof(path), "%s[%u]", key, i);
        if (wrong != NULL)
            config_scope_error(scope, path, "%s %s", config_show(names[i]).text, wrong);
        for (unsigned j = 0; j != i; ++j) {
            if (strcmp(headers[i], headers[j]) == 0)
                config_scope_error(scope, path, "%s is listed already", config_show(names[i]).text);
        }
    }
    return headers;
}

/* ---- auth ---- */

static unsigned add_key_file(struct config *config, char *file)
{
    for (unsigned i = 0; i != config->key_files_count; ++i) {
        if (strcmp(config->key_files[i], file) == 0) {
            free(file);
            return i;
        }
    }
    config->key_files = check_realloc(config->key_files, (config->key_files_count + 1) * sizeof(*config->key_files));
    config->key_files[config->key_files_count] = file;
    return config->key_files_count++;
}

static void read_from(const struct config_scope *scope, const struct raw_auth *raw, struct config_auth *auth)
{
    static const char *const words[] = {"header", "cookie", "query"};

    if (raw->from_count == 0)
        auth->from = CONFIG_FROM_HEADER | CONFIG_FROM_COOKIE | CONFIG_FROM_QUERY;
    for (unsigned i = 0; i != raw->from_count; ++i) {
        unsigned bit = 0;
        char path[32];

        for (unsigned j = 0; j != 3; ++j)
            bit |= strcmp(raw->from[i], words[j]) == 0 ? 1U << j : 0;
        snprintf(path, sizeof(path), "auth.from[%u]", i);
        if (bit == 0)
            config_scope_error(scope, path, "%s is none of header, cookie, query", config_show(raw->from[i]).text);
        auth->from |= bit;
    }
}

/* What a client may put into a query without its being a token. */
static bool is_taken_name(const char *name)
{
    static const char *const taken[] = {"subject",       "since",       "follow", "lastEventId",
                                        "last_event_id", "lastEventID", "last-id"};

    for (size_t i = 0; i != sizeof(taken) / sizeof(taken[0]); ++i) {
        if (strcmp(name, taken[i]) == 0)
            return true;
    }
    return false;
}

static char *read_name(const struct config_scope *scope, const char *key, const char *value)
{
    size_t len = strlen(value);

    if (len == 0 || len > NAME_MAX || value[strspn(value, token_characters)] != '\0' || strpbrk(value, "&=+%") != NULL)
        config_scope_error(scope, key, "%s is no name (1 to %d letters, digits, '-', '_', '.')",
                           config_show(value).text, NAME_MAX);
    else if (is_taken_name(value))
        config_scope_error(scope, key, "%s means something else in a query", config_show(value).text);
    return check_strdup(value);
}

static void read_jwt(const struct config_scope *scope, const struct raw_auth *raw, struct config *config,
                     struct config_auth *auth)
{
    static const struct config_range leeway = {0, 300 * SECOND, true, "0 to 5m"};
    char *file = config_read_file(scope, "auth.jwt.keys", raw->jwt->keys);

    auth->jwt = true;
    if (file != NULL) {
        auth->keys = add_key_file(config, file);
        auth->keys_file = config->key_files[auth->keys];
    }
    auth->issuer = raw->jwt->issuer != NULL ? check_strdup(raw->jwt->issuer) : NULL;
    auth->audience = raw->jwt->audience != NULL ? check_strdup(raw->jwt->audience) : NULL;
    config_read_duration(scope, "auth.jwt.leeway", or_builtin(raw->jwt->leeway, "defaults.auth.jwt.leeway"), &leeway,
                         &auth->leeway_ms);
    read_from(scope, raw, auth);
    auth->cookie = read_name(scope, "auth.cookie", or_builtin(raw->cookie, "defaults.auth.cookie"));
    auth->query = read_name(scope, "auth.query", or_builtin(raw->query, "defaults.auth.query"));
}

bool config_is_control_subject(const char *pattern)
{
    static const char prefix[] = "freshet.control.";

    return strncmp(pattern, prefix, sizeof(prefix) - 1) == 0;
}

static void read_request(const struct config_scope *scope, const struct raw_auth *raw, struct config_auth *auth)
{
    static const struct config_range timeout = {SECOND / 10, 30 * SECOND, false, "100ms to 30s"};
    enum subject_verdict verdict = subject_check_literal(raw->request, strlen(raw->request));

    if (verdict != SUBJECT_OK)
        config_scope_error(scope, "auth.request", "%s %s", config_show(raw->request).text,
                           subject_verdict_text(verdict));
    else if (config_is_control_subject(raw->request))
        config_scope_error(scope, "auth.request", "%s is the gateways' own", config_show(raw->request).text);
    auth->request = check_strdup(raw->request);
    config_read_duration(scope, "auth.timeout", or_builtin(raw->timeout, "defaults.auth.timeout"), &timeout,
                         &auth->timeout_ms);
    auth->headers = config_read_headers(scope, "auth.headers", raw->headers, raw->headers_count, false);
    auth->headers_count = raw->headers_count;
}

static void check_belongs(const struct config_scope *scope, const char *key, bool is_there, bool needed,
                          const char *with)
{
    if (is_there && !needed)
        config_scope_error(scope, key, "goes together with %s, which is missing", with);
}

void config_read_auth(const struct config_scope *scope, const struct raw_auth *raw, struct config *config,
                      struct config_auth *auth)
{
    bool jwt = raw->jwt != NULL, request = raw->request != NULL;
    bool other = jwt || request || raw->from_count != 0 || raw->cookie != NULL || raw->query != NULL ||
                 raw->timeout != NULL || raw->headers_count != 0;

    if (raw->public) {
        if (other)
            config_scope_error(scope, "auth.public", "true stands alone: anybody may");
        return;
    }
    if (!jwt && !request)
        config_scope_error(scope, "auth", "has neither jwt nor request; it takes one of them, or public: true");
    check_belongs(scope, "auth.from", raw->from_count != 0, jwt, "auth.jwt");
    check_belongs(scope, "auth.cookie", raw->cookie != NULL, jwt, "auth.jwt");
    check_belongs(scope, "auth.query", raw->query != NULL, jwt, "auth.jwt");
    check_belongs(scope, "auth.timeout", raw->timeout != NULL, request, "auth.request");
    check_belongs(scope, "auth.headers", raw->headers_count != 0, request, "auth.request");
    auth->required = true;
    if (jwt)
        read_jwt(scope, raw, config, auth);
    if (request)
        read_request(scope, raw, auth);
}

void config_check_claims(const struct config_scope *scope, const char *key, const char *subject,
                         const struct config_auth *auth, bool any_client_ca)
{
    if (strstr(subject, "{token.") != NULL && !auth->jwt)
        config_scope_error(scope, key, "%s has a claim of a token, and the route's auth has no jwt",
                           config_show(subject).text);
    if (strstr(subject, "{certificate.") != NULL && !any_client_ca)
        config_scope_error(scope, key, "%s has a name of a certificate, and no listener has a client_ca",
                           config_show(subject).text);
}

/* What is asked must reach no stream, which is looked at for each message: so there are few. */
void config_check_questions(const struct config_scope *top, const struct config *config)
{
    unsigned distinct = 0;

    for (unsigned i = 0; i != config->routes_count; ++i) {
        const char *request = config->routes[i].auth.request;
        bool is_known = request == NULL;
        char key[48];

        for (unsigned j = 0; j != i && !is_known; ++j)
            is_known = config->routes[j].auth.request != NULL && strcmp(config->routes[j].auth.request, request) == 0;
        distinct += !is_known;
        snprintf(key, sizeof(key), "routes[%u].auth.request", i);
        if (!is_known && distinct == CONFIG_QUESTIONS_MAX + 1)
            config_scope_error(top, key, "%s is one subject too many; at most %d are possible",
                               config_show(request).text, CONFIG_QUESTIONS_MAX);
    }
}

void config_auth_dispose(struct config_auth *auth)
{
    free(auth->issuer);
    free(auth->audience);
    free(auth->cookie);
    free(auth->query);
    free(auth->request);
    for (unsigned i = 0; i != auth->headers_count; ++i)
        free(auth->headers[i]);
    free(auth->headers);
}
