/* gate.c - a gateway with an honest stream, and attacks beside it */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/gate.h"

struct gate gate;

void gate_start(const char *more)
{
    char *yaml = text_format("defaults:\n"
                             "  heartbeat: 60s\n"
                             "  history: {store: memory, events: 100000, bytes: 64MiB}\n"
                             "routes:\n"
                             "  - {path: /q, subjects: [\"q.>\"]}\n"
                             "  - {path: /bulk, subjects: [\"bulk.>\"]}\n"
                             "%s",
                             more);
    rig_start(&gate.rig, yaml);
    free(yaml);
    gate.honest = http_open_ready(gate.rig.client, "/q", NULL);
    REQUIRE(gate.honest != NULL);
    gate.told = 0;
}

void gate_stop(void)
{
    rig_stop(&gate.rig);
}

void gate_require_unharmed(const char *after)
{
    publish(gate.rig.publisher, "q.a", "still here");
    REQUIRE(http_wait_events(gate.honest, ++gate.told), "%s: the honest stream got nothing", after);
    REQUIRE(!gate.honest->ended, "%s", after);
}

struct attack_peer *gate_open(bool tls, const char *alpn)
{
    struct attack_target target = {
        .port = tls ? gate.rig.gateway->tls_port : gate.rig.gateway->clear_port, .tls = tls, .alpn = alpn};
    struct attack_peer *peer = attack_open(&target);
    REQUIRE(peer != NULL);
    return peer;
}

struct attack_peer *gate_open_h2(bool tls)
{
    struct attack_peer *peer = gate_open(tls, "h2");
    h2_put_hello(peer, 65535);
    return peer;
}

void gate_require_closed(struct attack_peer *peer, const char *name)
{
    attack_flush(peer, 1000);
    REQUIRE(attack_wait_closed(peer, (int)scaled_ms(5000)), "%s: the connection lives", name);
    attack_close(peer);
}

void gate_require_refused(const struct attack *attack, bool tls)
{
    int64_t deadline = deadline_in(5000);

    do {
        struct attack_peer *peer = gate_open_h2(tls);
        attack->put(peer);
        gate_require_closed(peer, attack->name);
        REQUIRE(now_ms() < deadline, "%s: not for \"%s\"", attack->name, attack->reason);
    } while (!gateway_wait_log(gate.rig.gateway, attack->reason, 100));
    gate_require_unharmed(attack->name);
}

void gate_put_headers(struct attack_peer *peer, uint8_t flags, uint32_t stream)
{
    uint8_t block[256];
    h2_put(peer, H2_HEADERS, flags, stream, block, hpack_put_request(block, "/q"));
}

void gate_rapid_reset(struct attack_peer *peer)
{
    for (uint32_t i = 0; i < MANY; i++) {
        h2_put_get(peer, 2 * i + 1, "/q");
        h2_put_reset(peer, 2 * i + 1);
    }
}
