/* endpoints.c - what the gateway listens on: sockets, and the TLS contexts that go with them */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/listen/endpoints.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/server/listen/passed.h"
#include "gateway/server/tls/devcert.h"
#include "gateway/server/tls/tls.h"
#include "gateway/server/tls/tls_clients.h"

/* Our own write timeout comes first, and counts the connection by its reason. */
#define STALL_MARGIN_MS 2000
#define ERROR_MAX 512

_Static_assert(LISTEN_SOCKETS_MAX <= ENDPOINTS_MAX, "the sockets of one address fit");

static SSL_CTX *dev_context(char *error, size_t size)
{
    X509 *certificate;
    EVP_PKEY *key;
    if (!devcert_create(&certificate, &key)) {
        snprintf(error, size, "OpenSSL cannot make a development certificate");
        return NULL;
    }
    SSL_CTX *context = tls_context_create_from(certificate, key, error, size);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

SSL_CTX *endpoints_context(const struct config_listen *listen, char *error, size_t size)
{
    SSL_CTX *context = tls_context_create(listen->certificate, listen->key, error, size);
    if (context == NULL || listen->client_ca == NULL || tls_clients_require(context, listen->client_ca, error, size))
        return context;
    tls_context_destroy(context);
    return NULL;
}

/* Of an address of the list, or (listen is NULL) the operator's. NULL and an empty error: it has none. */
static SSL_CTX *create_context(const struct endpoints *endpoints, const struct config_listen *listen,
                               char error[static ERROR_MAX])
{
    error[0] = '\0';
    if (listen == NULL || (listen->certificate == NULL && !endpoints->dev_certificate))
        return NULL;
    return listen->certificate != NULL ? endpoints_context(listen, error, ERROR_MAX) : dev_context(error, ERROR_MAX);
}

unsigned endpoints_stall_ms(const struct config_limits *limits)
{
    return (unsigned)limits->write_timeout_ms + STALL_MARGIN_MS;
}

/* The first socket of an address owns the context of them all. */
static void release_context(struct endpoints *endpoints, size_t index)
{
    if (endpoints->all[index].first == index)
        tls_context_destroy(endpoints->all[index].tls);
}

/* Takes the context over. False: error says why. */
static bool add_endpoints(struct endpoints *endpoints, const struct config *config, const char *address,
                          const struct config_listen *listen, SSL_CTX *context, char error[static ERROR_MAX])
{
    struct listen_socket sockets[LISTEN_SOCKETS_MAX];
    unsigned stall_ms = endpoints_stall_ms(&config->limits);
    size_t first = endpoints->count;
    size_t count = listen_socket_open(address, stall_ms, endpoints->passed, sockets, error, ERROR_MAX);
    /* indexes are never used again, as connections on their way between workers carry them */
    if (count == 0 || first + count > ENDPOINTS_MAX) {
        if (count != 0)
            snprintf(error, ERROR_MAX, "%s: too many listeners have come and gone", address);
        for (size_t i = 0; i != count; ++i)
            close(sockets[i].fd);
        tls_context_destroy(context);
        return false;
    }
    for (size_t i = 0; i != count; ++i) {
        struct endpoint *endpoint = &endpoints->all[endpoints->count++];
        *endpoint = (struct endpoint){
            .fd = sockets[i].fd,
            .class = listen != NULL ? ACCEPT_PUBLIC : ACCEPT_ADMIN,
            .listen = listen,
            .tls = context,
            .first = first,
            .configured = check_strdup(address),
        };
        memcpy(endpoint->address, sockets[i].text, sizeof(endpoint->address));
    }
    return true;
}

/* ---- the start ---- */

static bool open_address(struct endpoints *endpoints, const struct config *config, const char *address,
                         const struct config_listen *listen)
{
    char error[ERROR_MAX];
    SSL_CTX *context = create_context(endpoints, listen, error);
    if (error[0] != '\0') {
        log_write(LOG_ERROR, "tls-failed", log_str("address", address), log_str("reason", error));
        return false;
    }
    if (add_endpoints(endpoints, config, address, listen, context, error))
        return true;
    log_write(LOG_ERROR, "listen-failed", log_str("address", address), log_str("reason", error));
    return false;
}

static bool open_addresses(struct endpoints *endpoints, const struct config *config)
{
    char error[ERROR_MAX];
    if (!passed_take(endpoints->passed, error, sizeof(error))) {
        log_write(LOG_ERROR, "listen-failed", log_str("reason", error));
        return false;
    }
    for (unsigned i = 0; i != config->listen_count; ++i) {
        if (!open_address(endpoints, config, config->listen[i].address, &config->listen[i]))
            return false;
    }
    if (config->admin_address != NULL && !open_address(endpoints, config, config->admin_address, NULL))
        return false;
    /* A socket passed for nothing would take connections that are never served. */
    const struct passed_socket *unused = passed_unused(endpoints->passed);
    if (unused == NULL)
        return true;
    snprintf(error, sizeof(error), "%s, passed in LISTEN_FDS, matches neither listen[].address nor admin.address",
             unused->text);
    log_write(LOG_ERROR, "listen-failed", log_str("reason", error));
    return false;
}

struct endpoints *endpoints_open(const struct config *config, bool dev_certificate)
{
    struct endpoints *endpoints = check_calloc(1, sizeof(*endpoints));
    endpoints->passed = check_calloc(1, sizeof(*endpoints->passed));
    endpoints->thread = pthread_self();
    endpoints->dev_certificate = dev_certificate;
    if (open_addresses(endpoints, config))
        return endpoints;
    endpoints_close(endpoints);
    return NULL;
}

void endpoints_announce(const struct endpoints *endpoints, size_t first)
{
    for (size_t i = first; i < endpoints->count; ++i) {
        const struct endpoint *endpoint = &endpoints->all[i];
        if (endpoint->class == ACCEPT_ADMIN)
            log_write(LOG_INFO, "admin", log_str("address", endpoint->address));
        else
            log_write(LOG_INFO, "listening", log_str("address", endpoint->address),
                      log_bool("tls", endpoint->tls != NULL));
    }
}

/* ---- a change ---- */

static bool is_endpoint_at(const struct endpoint *endpoint, const char *address)
{
    return strcmp(endpoint->configured, address) == 0 || strcmp(endpoint->address, address) == 0;
}

struct plan {
    struct endpoints *next;
    size_t before; /* how many there were */
    bool is_claimed[ENDPOINTS_MAX];
};

/* The first socket of an address that is not claimed yet; plan->before: none. */
static size_t find_unclaimed(const struct plan *plan, const char *address, enum accept_class class)
{
    for (size_t i = 0; i != plan->before; ++i) {
        const struct endpoint *endpoint = &plan->next->all[i];
        /* one that is gone does not come back: its acceptors are closed */
        if (endpoint->first == i && !plan->is_claimed[i] && endpoint->fd != -1 && endpoint->class == class &&
            is_endpoint_at(endpoint, address))
            return i;
    }
    return plan->before;
}

static bool plan_address(struct plan *plan, const struct config *config, const char *address,
                         const struct config_listen *listen, char error[static ERROR_MAX])
{
    struct endpoints *next = plan->next;
    SSL_CTX *context = create_context(next, listen, error);
    if (error[0] != '\0')
        return false;
    size_t first = find_unclaimed(plan, address, listen != NULL ? ACCEPT_PUBLIC : ACCEPT_ADMIN);
    if (first == plan->before)
        return add_endpoints(next, config, address, listen, context, error);
    for (size_t i = first; i != plan->before && next->all[i].first == first; ++i) {
        plan->is_claimed[i] = true;
        next->all[i].listen = listen;
        next->all[i].tls = context;
    }
    return true;
}

static bool plan_addresses(struct plan *plan, const struct config *config,
                           void (*on_error)(void *arg, const char *message), void *arg)
{
    char error[ERROR_MAX];
    bool good = true;
    for (unsigned i = 0; i != config->listen_count; ++i) {
        if (!plan_address(plan, config, config->listen[i].address, &config->listen[i], error)) {
            on_error(arg, error); /* all problems at once, not only the first */
            good = false;
        }
    }
    if (config->admin_address != NULL && !plan_address(plan, config, config->admin_address, NULL, error)) {
        on_error(arg, error);
        good = false;
    }
    for (size_t i = 0; i != plan->before; ++i) {
        if (!plan->is_claimed[i])
            plan->next->all[i].fd = -1;
    }
    return good;
}

struct endpoints *endpoints_plan(const struct endpoints *now, const struct config *config,
                                 void (*on_error)(void *arg, const char *message), void *arg)
{
    struct plan plan = {.next = check_malloc(sizeof(*plan.next)), .before = now->count};
    CHECK_THREAD(now);
    *plan.next = *now;
    /* The old contexts stay with `now`; an endpoint that is claimed gets a new one. */
    for (size_t i = 0; i != now->count; ++i) {
        plan.next->all[i].tls = NULL;
        plan.next->all[i].listen = NULL;
    }
    if (plan_addresses(&plan, config, on_error, arg))
        return plan.next;
    endpoints_discard(now, plan.next);
    return NULL;
}

void endpoints_commit(struct endpoints *now, struct endpoints *next)
{
    CHECK_THREAD(now);
    CHECK(next->count >= now->count);
    for (size_t i = 0; i != now->count; ++i) {
        /* Connections in their handshake hold references of their own. */
        release_context(now, i);
        if (now->all[i].fd != -1 && next->all[i].fd == -1)
            close(now->all[i].fd);
    }
    free(now);
}

void endpoints_discard(const struct endpoints *now, struct endpoints *next)
{
    CHECK_THREAD(now);
    CHECK(next->count >= now->count);
    for (size_t i = 0; i != next->count; ++i)
        release_context(next, i);
    /* The sockets before these are still in use by `now`. */
    for (size_t i = now->count; i != next->count; ++i) {
        close(next->all[i].fd);
        free(next->all[i].configured);
    }
    free(next);
}

/* ---- the end ---- */

void endpoints_close(struct endpoints *endpoints)
{
    if (endpoints == NULL)
        return;
    CHECK_THREAD(endpoints);
    for (size_t i = 0; i != endpoints->count; ++i) {
        if (endpoints->all[i].fd != -1)
            close(endpoints->all[i].fd);
        release_context(endpoints, i);
        free(endpoints->all[i].configured);
    }
    passed_close(endpoints->passed);
    free(endpoints->passed);
    free(endpoints);
}
