/* nats_settings.c - the client library's options from the configuration */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "proto/text.h"

#define URLS_MAX 32
#define IO_BUFFER_BYTES (256 * 1024)
#define CONNECT_TIMEOUT_MS 2000
#define PING_INTERVAL_MS 10000
#define PINGS_OUT_MAX 2
#define WRITE_DEADLINE_MS 5000

struct problem {
    char *text;
    size_t size;
};

static bool fail_key(struct problem *problem, const char *key, const char *what, const char *detail)
{
    snprintf(problem->text, problem->size, "nats.%s: %s%s%s", key, what, detail != NULL ? ": " : "",
             detail != NULL ? detail : "");
    return false;
}

static bool check_status(struct problem *problem, natsStatus status, const char *key, const char *what)
{
    if (status == NATS_OK)
        return true;
    const char *detail = nats_GetLastError(NULL);
    return fail_key(problem, key, what, detail != NULL ? detail : natsStatus_GetText(status));
}

void nats_settings_strip_url(char *urls)
{
    char *to = urls;
    for (char *from = urls; *from != '\0';) {
        size_t len = strcspn(from, ",");
        char *scheme_end = memmem(from, len, "://", 3);
        char *at = memrchr(from, '@', len);
        if (at != NULL) {
            size_t keep = scheme_end != NULL && scheme_end < at ? (size_t)(scheme_end + 3 - from) : 0;
            memmove(to, from, keep);
            to += keep;
            len -= (size_t)(at + 1 - from);
            from = at + 1;
        }
        memmove(to, from, len);
        to += len;
        from += len;
        if (*from == ',')
            *to++ = *from++;
    }
    *to = '\0';
}

/* The client library writes names and secrets into its CONNECT as they are, which has to be JSON. */
static char *json_escaped(const char *s)
{
    size_t len = strlen(s), size = text_json_size(s, len);
    char *escaped = check_malloc(size + 1);
    text_json_write(escaped, s, len);
    escaped[size] = '\0';
    return escaped;
}

static bool is_secret_usable(const char *s)
{
    return text_is_utf8(s, strlen(s));
}

/* The library finds out about a bad URL only when it connects, and takes a lot for a host. */
static bool check_host(struct problem *problem, const char *host, const char *shown)
{
    const char *bracket = strrchr(host, ']');
    const char *colon = strrchr(bracket != NULL ? bracket : host, ':');
    size_t len = colon != NULL ? (size_t)(colon - host) : strlen(host);
    if (len == 0 || (host[0] == '[') != (bracket != NULL) || strpbrk(host, " \t/?#") != NULL)
        return fail_key(problem, "url", "not a host or host:port", shown);
    if (colon == NULL)
        return true;
    char *end;
    long port = isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : 0;
    if (port < 1 || port > 65535 || *end != '\0')
        return fail_key(problem, "url", "not a port from 1 to 65535", shown);
    return true;
}

/*
 * A token in a URL (nats://TOKEN@host) moves to the settings, because the
 * client library refuses a token handler beside it.
 */
static bool take_userinfo(struct nats_settings *settings, struct problem *problem, char *authority)
{
    char *at = strrchr(authority, '@');
    if (at == NULL)
        return true;
    *at = '\0';
    bool is_token = strchr(authority, ':') == NULL;
    if (strpbrk(authority, "\"\\") != NULL || !is_secret_usable(authority))
        return fail_key(problem, "url", "these characters need the keys user and password, or token", NULL);
    if (!is_token) {
        *at = '@';
        return true;
    }
    if (settings->token != NULL && strcmp(settings->token, authority) != 0)
        return fail_key(problem, "url", "different tokens", NULL);
    if (settings->token == NULL)
        settings->token = check_strdup(authority);
    memmove(authority, at + 1, strlen(at + 1) + 1);
    return true;
}

static bool take_url(struct nats_settings *settings, struct problem *problem, char *url, bool *tls)
{
    char *shown = check_strdup(url);
    nats_settings_strip_url(shown);
    char *authority = strstr(url, "://");
    bool ok = true;
    if (authority != NULL) {
        *tls = *tls || strncmp(url, "tls://", 6) == 0;
        if (strncmp(url, "tls://", 6) != 0 && strncmp(url, "nats://", 7) != 0)
            ok = fail_key(problem, "url", "neither nats:// nor tls://", shown);
        authority += 3;
    } else {
        authority = url;
    }
    size_t len = strlen(authority);
    if (len != 0 && authority[len - 1] == '/')
        authority[len - 1] = '\0';
    char *at = strrchr(authority, '@');
    ok = ok && check_host(problem, at != NULL ? at + 1 : authority, shown);
    ok = ok && take_userinfo(settings, problem, authority);
    free(shown);
    return ok;
}

static bool set_servers(struct nats_settings *settings, struct problem *problem, const char *urls, bool *tls)
{
    bool ok = true;
    settings->servers = check_calloc(URLS_MAX, sizeof(char *));
    char *copy = check_strdup(urls), *next = copy, *url;
    while (ok && (url = strsep(&next, ",")) != NULL) {
        while (isspace((unsigned char)*url))
            ++url;
        size_t len = strlen(url);
        while (len != 0 && isspace((unsigned char)url[len - 1]))
            url[--len] = '\0';
        if (settings->servers_count == URLS_MAX)
            ok = fail_key(problem, "url", "too many servers", NULL);
        else if (len == 0)
            ok = fail_key(problem, "url", "an empty URL", NULL);
        else
            ok = take_url(settings, problem, url, tls);
        if (ok)
            settings->servers[settings->servers_count++] = check_strdup(url);
    }
    const char **servers = (const char **)(void *)settings->servers;
    ok = ok && check_status(problem, natsOptions_SetServers(settings->options, servers, settings->servers_count), "url",
                            "not usable");
    free(copy);
    return ok;
}

/* The library reads the file when it connects; an operator wants to know now. */
static bool check_credentials(struct problem *problem, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return fail_key(problem, "credentials", path, strerror(errno));
    char *line = NULL;
    size_t size = 0;
    bool jwt = false, seed = false;
    while (getline(&line, &size, file) >= 0) {
        jwt = jwt || strstr(line, "BEGIN NATS USER JWT") != NULL;
        seed = seed || strstr(line, "BEGIN USER NKEY SEED") != NULL;
    }
    if (line != NULL)
        explicit_bzero(line, size);
    free(line);
    fclose(file);
    return jwt && seed ? true : fail_key(problem, "credentials", path, "has no user JWT with its NKEY seed");
}

static bool set_identity(struct nats_settings *settings, struct problem *problem, const struct config_nats *config)
{
    natsOptions *options = settings->options;
    const char *all[] = {config->name, config->user, config->password, config->token};
    const char *keys[] = {"name", "user", "password", "token"};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); ++i) {
        if (all[i] != NULL && !is_secret_usable(all[i]))
            return fail_key(problem, keys[i], "not UTF-8", NULL);
    }
    char *name = json_escaped(config->name != NULL ? config->name : "freshet");
    bool ok = check_status(problem, natsOptions_SetName(options, name), "name", "not usable");
    free(name);
    if (ok && config->user != NULL) {
        char *user = json_escaped(config->user);
        char *password = json_escaped(config->password != NULL ? config->password : "");
        ok = check_status(problem, natsOptions_SetUserInfo(options, user, password), "user", "not usable");
        explicit_bzero(password, strlen(password));
        free(password);
        free(user);
    }
    if (ok && config->token != NULL) {
        free(settings->token);
        settings->token = json_escaped(config->token);
    }
    if (ok && config->credentials != NULL) {
        settings->signs = true;
        ok = check_credentials(problem, config->credentials) &&
             check_status(problem, natsOptions_SetUserCredentialsFromFiles(options, config->credentials, NULL),
                          "credentials", config->credentials);
    }
    return ok;
}

static bool set_tls(struct nats_settings *settings, struct problem *problem, const struct config_nats *config)
{
    natsOptions *options = settings->options;
    if ((config->tls.certificate == NULL) != (config->tls.key == NULL))
        return fail_key(problem, config->tls.key == NULL ? "tls.key" : "tls.certificate", "missing", NULL);
    /* Before the certificates: it makes the TLS context they are loaded into. */
    if (!check_status(problem, natsOptions_SetSecure(options, true), "tls", "not usable"))
        return false;
    if (config->tls.ca != NULL &&
        !check_status(problem, natsOptions_LoadCATrustedCertificates(options, config->tls.ca), "tls.ca", "not usable"))
        return false;
    return config->tls.certificate == NULL ||
           check_status(problem, natsOptions_LoadCertificatesChain(options, config->tls.certificate, config->tls.key),
                        "tls.certificate", "not usable");
}

static natsStatus set_behaviour(natsOptions *options)
{
    natsStatus status = natsOptions_UseGlobalMessageDelivery(options, true);
    if (status == NATS_OK)
        status = natsOptions_SetMaxReconnect(options, -1);
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(options, CONNECT_TIMEOUT_MS);
    if (status == NATS_OK)
        status = natsOptions_SetIOBufSize(options, IO_BUFFER_BYTES);
    /* A publish in an outage is refused, and must not be sent later, after the publisher was told that it failed. */
    if (status == NATS_OK)
        status = natsOptions_SetReconnectBufSize(options, 0);
    /* Without one, a broker that doesn't read blocks every publish and subscribe for ever. */
    if (status == NATS_OK)
        status = natsOptions_SetWriteDeadline(options, WRITE_DEADLINE_MS);
    /* The defaults notice a broker that vanished without a word after six minutes. */
    if (status == NATS_OK)
        status = natsOptions_SetPingInterval(options, PING_INTERVAL_MS);
    if (status == NATS_OK)
        status = natsOptions_SetMaxPingsOut(options, PINGS_OUT_MAX);
    return status;
}

static void remove_blanks(char *s)
{
    char *to = s;
    for (; *s != '\0'; ++s) {
        if (!isspace((unsigned char)*s))
            *to++ = *s;
    }
    *to = '\0';
}

bool nats_settings_init(struct nats_settings *settings, const struct config_nats *config, char *error,
                        size_t error_size)
{
    struct problem problem = {error, error_size};
    bool tls = config->tls.enabled;
    *settings = (struct nats_settings){.options = NULL};
    CHECK(nats_Open(-1) == NATS_OK);
    /* Order over all subscriptions needs one delivery thread; a pool that already is larger can't shrink. */
    CHECK(nats_SetMessageDeliveryPoolSize(1) == NATS_OK);
    CHECK(natsOptions_Create(&settings->options) == NATS_OK);
    settings->shown_url = check_strdup(config->url);
    nats_settings_strip_url(settings->shown_url);
    remove_blanks(settings->shown_url);
    bool ok = check_status(&problem, set_behaviour(settings->options), "url", "not usable") &&
              set_servers(settings, &problem, config->url, &tls) && set_identity(settings, &problem, config) &&
              (!tls || set_tls(settings, &problem, config));
    if (!ok)
        nats_settings_dispose(settings);
    return ok;
}

natsStatus nats_settings_connect(const struct nats_settings *settings, natsConnection **connection)
{
    natsStatus status = natsConnection_Connect(connection, settings->options);
    if (status == NATS_CONNECTION_AUTH_FAILED && settings->signs)
        status = natsConnection_Connect(connection, settings->options);
    return status;
}

void nats_settings_dispose(struct nats_settings *settings)
{
    natsOptions_Destroy(settings->options);
    if (settings->token != NULL)
        explicit_bzero(settings->token, strlen(settings->token));
    free(settings->token);
    free(settings->shown_url);
    for (int i = 0; i < settings->servers_count; ++i) {
        explicit_bzero(settings->servers[i], strlen(settings->servers[i]));
        free(settings->servers[i]);
    }
    free(settings->servers);
    *settings = (struct nats_settings){.options = NULL};
}
