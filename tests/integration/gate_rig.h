/* gate_rig.h - a gateway with an honest stream, and attacks beside it */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_INTEGRATION_GATE_RIG_H
#define TESTS_INTEGRATION_GATE_RIG_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/h2_attack.h"
#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

static struct rig rig;
static struct http_client *client;
static struct http_stream *honest;
static unsigned told;

static void start(const char *more)
{
    char *yaml = text_format("defaults:\n"
                             "  heartbeat: 60s\n"
                             "  history: {store: memory, events: 100000, bytes: 64MiB}\n"
                             "routes:\n"
                             "  - {path: /q, subjects: [\"q.>\"]}\n"
                             "  - {path: /bulk, subjects: [\"bulk.>\"]}\n"
                             "%s",
                             more);
    rig_start(&rig, yaml);
    free(yaml);
    client = http_client_create(rig.gateway, HTTP_H2);
    honest = http_open_ready(client, "/q", NULL);
    REQUIRE(honest != NULL);
    told = 0;
}

static void teardown(void)
{
    http_client_destroy(client);
    rig_stop(&rig);
}

/* The gateway lives, and the stream that was there before is still the same one. */
static void require_unharmed(const char *after)
{
    publish(rig.publisher, "q.a", "still here");
    REQUIRE(http_wait_events(honest, ++told), "%s: the honest stream got nothing", after);
    REQUIRE(!honest->ended, "%s", after);
}

static inline struct attack_peer *open_peer(bool tls, const char *alpn)
{
    struct attack_target target = {
        .port = tls ? rig.gateway->tls_port : rig.gateway->clear_port, .tls = tls, .alpn = alpn};
    struct attack_peer *peer = attack_open(&target);
    REQUIRE(peer != NULL);
    return peer;
}

static inline struct attack_peer *open_h2(bool tls)
{
    struct attack_peer *peer = open_peer(tls, "h2");
    h2_put_hello(peer, 65535);
    return peer;
}

struct attack {
    const char *name;
    void (*put)(struct attack_peer *peer);
    const char *reason;
};

static void require_closed(struct attack_peer *peer, const char *name)
{
    attack_flush(peer, 1000);
    REQUIRE(attack_wait_closed(peer, (int)scaled_ms(5000)), "%s: the connection lives", name);
    attack_close(peer);
}

/* Again until the log says why: it has room for ten in a second. */
static void require_refused(const struct attack *attack, bool tls)
{
    int64_t deadline = deadline_in(5000);

    do {
        struct attack_peer *peer = open_h2(tls);
        attack->put(peer);
        require_closed(peer, attack->name);
        REQUIRE(now_ms() < deadline, "%s: not for \"%s\"", attack->name, attack->reason);
    } while (!gateway_wait_log(rig.gateway, attack->reason, 100));
    require_unharmed(attack->name);
}

static void put_headers(struct attack_peer *peer, uint8_t flags, uint32_t stream)
{
    uint8_t block[256];
    h2_put(peer, H2_HEADERS, flags, stream, block, hpack_put_request(block, "/q"));
}

#define MANY 20000
static inline void rapid_reset(struct attack_peer *peer)
{
    for (uint32_t i = 0; i < MANY; i++) {
        h2_put_get(peer, 2 * i + 1, "/q");
        h2_put_reset(peer, 2 * i + 1);
    }
}

#endif
