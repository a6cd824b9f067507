/* config_check.c - what several keys of a configuration mean together */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_check.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/check.h"
#include "gateway/config/config.h"
#include "gateway/config/config_number.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_routes.h"
#include "gateway/config/config_text.h"
#include "proto/subject.h"

#define NAME_MAX 64
#define ADMIN_TOKEN_MIN 16
_Static_assert(NAME_MAX < SUBJECT_MAX, "a name is one token of a longer subject");

/* As many threads as can run at once: containers are often held to a few CPUs by affinity. */
static unsigned count_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) /* a kernel for more CPUs than the set has bits */
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : (unsigned)count;
}

static void check_name(const struct config_scope *top, const char *name)
{
    if (name == NULL)
        return;
    enum subject_verdict verdict = subject_check_literal(name, strlen(name));
    if (verdict != SUBJECT_OK)
        config_report_key(top, "name", "%s %s; the name must be one subject token", config_report_quote(name).text,
                          subject_verdict_text(verdict));
    else if (strchr(name, '.') != NULL)
        config_report_key(top, "name", "%s has a '.'; the name must be one subject token",
                          config_report_quote(name).text);
    else if (strlen(name) > NAME_MAX)
        config_report_key(top, "name", "%s is longer than %d bytes", config_report_quote(name).text, NAME_MAX);
}

/* RFC 9110 5.5: a header's value has no control bytes, and loses blanks around it. */
static bool is_printable(const char *s)
{
    while (*s > ' ' && *s < 0x7f)
        ++s;
    return *s == '\0';
}

/* The admin listener shows what the gateway does to everyone who reaches it. */
static void check_admin(const struct config_scope *top, const struct config *config)
{
    const char *token = config->admin_token;
    struct address address;
    if (config->admin_address == NULL)
        return;
    /* An address that does not parse has been reported already. */
    if (address_parse(config->admin_address, &address) == NULL && !address_is_loopback(address.host) && token == NULL)
        config_report_key(top, "admin.address", "a non-loopback admin address requires admin.token");
    if (token != NULL && (strlen(token) < ADMIN_TOKEN_MIN || !is_printable(token)))
        config_report_key(top, "admin.token", "has to be at least %d printable ASCII characters without blanks",
                          ADMIN_TOKEN_MIN);
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
        const char *address = config->listen[i].address;
        char key[48];
        snprintf(key, sizeof(key), "listen[%u].address", i);
        for (unsigned j = 0; j != i; ++j) {
            if (is_taken(address, config->listen[j].address))
                config_report_key(top, key, "%s is already the address of listen[%u]",
                                  config_report_quote(address).text, j);
        }
        if (config->admin_address != NULL && is_taken(config->admin_address, address))
            config_report_key(top, "admin.address", "%s is already the address of listen[%u]",
                              config_report_quote(address).text, i);
    }
}

static void check_nats(const struct config_scope *top, struct config_nats *nats)
{
    int ways = (nats->user != NULL || nats->password != NULL) + (nats->token != NULL) + (nats->credentials != NULL);
    if (ways > 1)
        config_report_key(top, nats->token != NULL ? "nats.token" : "nats.credentials",
                          "set only one of user/password, token and credentials");
    CHECK(nats->url != NULL);
    /* an empty tls mapping turns it on, too */
    nats->tls.enabled |= config_text_uses_tls(nats->url);
}

static void check_drain(const struct config_scope *top, const struct config_drain *drain)
{
    char timeout[CONFIG_AMOUNT_MAX];
    /* 0 is no timeout that the table lets pass: it was wrong, and has been reported */
    if (drain->timeout_ms != 0 && drain->timeout_ms < drain->window_ms)
        config_report_key(top, "drain.timeout", "\"%s\" is shorter than drain.window",
                          config_number_write(CONFIG_TYPE_DURATION, (uint64_t)drain->timeout_ms, timeout));
}

void config_check(struct config_report *report, struct config *config)
{
    const struct config_scope top = {.report = report, .prefix = ""};
    CHECK(report->document != NULL && config->listen_count != 0 && config->routes_count != 0);
    if (config->workers == 0)
        config->workers = count_cpus();
    CHECK(config->workers >= 1 && config->workers <= CONFIG_WORKERS_MAX);
    check_name(&top, config->name);
    check_admin(&top, config);
    check_distinct_addresses(&top, config);
    check_nats(&top, &config->nats);
    check_drain(&top, &config->drain);
    config_routes_check(report, config);
}
