/* tls.c - handshakes and records that cost the gateway more than their sender */
/* SPDX-License-Identifier: MIT */
#include <openssl/err.h>
#include <string.h>

#include "tests/attack/attack.h"
#include "tests/support/sandbox.h"

#define KILL_MS 3000

/* Renegotiation on TLS 1.2: each would be a handshake. */
static void renegotiation(struct attack_run *run)
{
    struct attack_target target = target_of(run, "h2");

    target.tls_version = TLS1_2_VERSION;
    while (more(run) && run->tally->connections < (run->full ? 100 : 10)) {
        struct attack_peer *peer = begin(run, &target);
        int done = 0;
        if (peer == NULL)
            continue;
        h2_put_hello(peer, 65535);
        attack_flush(peer, 500);
        for (int i = 0; i < 100 && !peer->closed && more(run); i++) {
            SSL_renegotiate(peer->ssl);
            for (int n = 0; n < 20 && SSL_do_handshake(peer->ssl) != 1; n++)
                sleep_ms(2);
            done += SSL_renegotiate_pending(peer->ssl) == 0;
            ERR_clear_error();
            attack_drain(peer);
        }
        if (done != 0)
            failed(run, "the gateway renegotiates");
        finish(run, peer, LIMIT_IDLE_MS + KILL_MS);
    }
}

/* Connection after connection: each says hello, and is finished. */
static void each_h2(struct attack_run *run, void (*spend)(struct attack_run *run, struct attack_peer *peer))
{
    struct attack_target target = target_of(run, "h2");

    while (more(run) && run->tally->connections < (run->full ? 300 : 20)) {
        struct attack_peer *peer = begin(run, &target);
        if (peer == NULL)
            continue;
        h2_put_hello(peer, 65535);
        spend(run, peer);
        finish(run, peer, KILL_MS);
    }
}

/* KeyUpdate, asking for one in return: 5 bytes and a few hashes, over and over. */
static void spend_key_update(struct attack_run *run, struct attack_peer *peer)
{
    h2_put_get(peer, 1, QUIET_PATH);
    attack_flush(peer, 500);
    for (int i = 0; !peer->closed && more(run); i++) {
        if (SSL_key_update(peer->ssl, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_do_handshake(peer->ssl) != 1)
            ERR_clear_error();
        run->tally->bytes += 27;
        if (i % 50 == 0)
            attack_drain(peer);
    }
}

static void key_update(struct attack_run *run)
{
    each_h2(run, spend_key_update);
}

/* The smallest records there are: 22 bytes and a decryption for a byte of HTTP. */
static void spend_small_records(struct attack_run *run, struct attack_peer *peer)
{
    attack_flush(peer, 500);
    /* a frame of an unknown type, which is as long as a frame may be */
    h2_put(peer, 0xbe, 0, 0, NULL, 0);
    peer->out[1] = 0x40;
    for (int i = 0; !peer->closed && i < 16384 && more(run); i++) {
        attack_put(peer, "x", 1);
        attack_flush(peer, 200);
    }
}

static void small_records(struct attack_run *run)
{
    each_h2(run, spend_small_records);
}

/* Full handshakes as fast as one processor makes them, each connection closed at once. */
static void handshakes(struct attack_run *run)
{
    struct attack_target target = target_of(run, "h2");

    while (more(run) && run->tally->connections + run->tally->refused < (run->full ? 10000 : 500))
        attack_close(begin(run, &target));
}

/* A ClientHello and no more: the gateway has signed for nothing. */
static void first_flights(struct attack_run *run)
{
    struct attack_target target = target_of(run, NULL);
    static uint8_t hello[4096];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    int len;

    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    len = BIO_read(out, hello, sizeof(hello));
    SSL_free(ssl);
    SSL_CTX_free(context);
    target.tls = false;
    while (more(run) && run->tally->connections < (run->full ? 10000 : 500)) {
        struct attack_peer *peer = begin(run, &target);
        if (peer == NULL)
            continue;
        attack_put(peer, hello, (size_t)len);
        attack_flush(peer, 200);
        run->tally->bytes += peer->sent;
        attack_close(peer);
    }
}

const struct attack tls_attacks[] = {
    {"tls-renegotiation", "tls", ATTACK_TLS, renegotiation, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {"tls-key-update", "tls", ATTACK_TLS, key_update, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {"tls-small-records", "tls", ATTACK_TLS, small_records, ATTACK_KILLED, 1000, 3000, false, ATTACK_ALWAYS},
    {"tls-handshakes", "tls", ATTACK_TLS, handshakes, ATTACK_EITHER, 1000, 3000, false, ATTACK_ALWAYS},
    {"tls-first-flights", "tls", ATTACK_TLS, first_flights, ATTACK_EITHER, 1000, 3000, false, ATTACK_ALWAYS},
    {.name = NULL},
};
