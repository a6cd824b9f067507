/* tls.c - makes the TLS contexts of the listeners */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/tls/tls.h"

#include <errno.h>
#include <h2o.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/http/connection.h"
#include "gateway/server/gate/gate_meter.h"
#include "gateway/server/tls/tls_alerts.h"
#include "gateway/server/tls/tls_clients.h"
#include "gateway/server/tls/tls_failure.h"
#include "gateway/server/tls/tls_tickets.h"

/*
 * AES-128 first: it is the fastest with AES-NI, and phones without it put
 * ChaCha first themselves. Under TLS 1.2 AEAD only: CBC has LUCKY13.
 */
#define SUITES_TLS13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_TLS12                                                                                                   \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                         \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"

static struct tls_tickets tickets = TLS_TICKETS_INITIALIZER;

__attribute__((format(printf, 3, 4))) static bool fail_with(char *error, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, size, format, args);
    va_end(args);
    ERR_clear_error();
    return false;
}

static int on_alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                          unsigned in_len, void *arg)
{
    static const unsigned char offered[] = "\x02h2\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    /* Despite its names SSL_select_next_proto serves both sides: the first list is the one whose order counts. */
    if (SSL_select_next_proto(&chosen, out_len, offered, sizeof(offered) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2: no_application_protocol */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_ticket_key(const struct tls_ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                           EVP_MAC_CTX *mac, bool seal)
{
    char digest[] = "SHA256";
    unsigned char mac_key[sizeof(key->mac)];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, sizeof(mac_key)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    bool ok;

    /* OSSL_PARAM takes nothing const: a copy, which is cleansed. */
    memcpy(mac_key, key->mac, sizeof(mac_key));
    ok = EVP_MAC_CTX_set_params(mac, params) == 1 &&
         EVP_CipherInit_ex2(cipher, EVP_aes_256_cbc(), key->aes, iv, seal, NULL) == 1;
    OPENSSL_cleanse(mac_key, sizeof(mac_key));
    return ok;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3) defines the numbers returned. */
static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                         int seal)
{
    enum tls_tickets_found found = TLS_TICKETS_CURRENT;
    struct tls_ticket_key key;
    bool ok;

    (void)ssl;
    if (seal) {
        if (!tls_tickets_seal(&tickets, clock_mono_coarse_ns(), &key))
            return -1;
        memcpy(name, key.name, sizeof(key.name));
        ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1;
    } else {
        found = tls_tickets_open(&tickets, clock_mono_coarse_ns(), name, &key);
        if (found == TLS_TICKETS_UNKNOWN) /* expired, or of another process: a full handshake */
            return 0;
        ok = true;
    }
    ok = ok && set_ticket_key(&key, iv, cipher, mac, seal);
    OPENSSL_cleanse(&key, sizeof(key));
    if (!ok)
        return -1;
    return found == TLS_TICKETS_PREVIOUS ? 2 : 1; /* 2: the client gets a ticket of the current key */
}

static void on_tls_info(const SSL *const_ssl, int where, int value)
{
    SSL *ssl = (SSL *)(uintptr_t)const_ssl;
    bool knows_clients = (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0;

    if ((where & SSL_CB_HANDSHAKE_START) != 0) {
        gate_meter_tls(ssl);
        if (knows_clients)
            tls_alerts_keep(ssl);
    } else if (where == SSL_CB_ACCEPT_LOOP) { /* of a KeyUpdate, too */
        gate_meter_handshake(ssl);
    } else if (where == SSL_CB_WRITE_ALERT) {
        tls_alerts_send(ssl, value);
    } else if ((where & SSL_CB_HANDSHAKE_DONE) != 0 && knows_clients) {
        h2o_socket_t *sock = tls_alerts_socket(ssl);
        tls_alerts_end(ssl);
        if (sock != NULL)
            tls_clients_keep_name(ssl, connection_of_socket(sock));
    }
}

/* Without this OpenSSL would ask for an encrypted key's password on the terminal. */
static int on_password(char *buf, int size, int writing, void *was_asked)
{
    (void)buf;
    (void)size;
    (void)writing;
    if (was_asked != NULL)
        *(bool *)was_asked = true;
    return -1;
}

static bool configure_context(SSL_CTX *context)
{
    /* Renegotiation is handshakes that no limit of connections counts; compression is CRIME. */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    /* An idle connection then holds no record buffers: 33 kB less for each. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, TLS_TICKETS_PERIOD_S); /* for which every key surely opens */
    SSL_CTX_set_alpn_select_cb(context, on_alpn_select, NULL);
    SSL_CTX_set_info_callback(context, on_tls_info);
    SSL_CTX_set_default_passwd_cb(context, on_password);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(context, SUITES_TLS13) == 1 &&
           SSL_CTX_set_cipher_list(context, SUITES_TLS12) == 1 && SSL_CTX_set1_groups_list(context, GROUPS) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key) == 1;
}

static SSL_CTX *create_context(char *error, size_t size)
{
    SSL_CTX *context;

    ERR_clear_error();
    /* The queue is empty now: tls_failure_take reports its first error as the cause. */
    context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || !configure_context(context)) {
        fail_with(error, size, "cannot set up TLS: %s", tls_failure_take());
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static bool load_key(SSL_CTX *context, const char *certificate_file, const char *key_file, char *error, size_t size)
{
    bool was_asked = false;
    int loaded;

    SSL_CTX_set_default_passwd_cb_userdata(context, &was_asked);
    loaded = SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL); /* was_asked ends with this function */
    if (loaded == 1)
        return true;
    if (was_asked)
        return fail_with(error, size, "key %s: is protected by a password", key_file);
    unsigned long error_code = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error_code);
    /* Each of OpenSSL's libraries numbers its reasons from the start. */
    if (ERR_GET_LIB(error_code) == ERR_LIB_X509 &&
        (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH))
        return fail_with(error, size, "key %s: does not belong to the certificate %s", key_file, certificate_file);
    return fail_with(error, size, "key %s: %s", key_file, tls_failure_take());
}

static bool load_files(SSL_CTX *context, const char *certificate_file, const char *key_file, char *error, size_t size)
{
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1)
        return fail_with(error, size, "certificate %s: %s", certificate_file, tls_failure_take());
    return load_key(context, certificate_file, key_file, error, size);
}

SSL_CTX *tls_context_create(const char *certificate_file, const char *key_file, char *error, size_t size)
{
    SSL_CTX *context = create_context(error, size);

    if (context != NULL && !load_files(context, certificate_file, key_file, error, size)) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

SSL_CTX *tls_context_create_from(X509 *certificate, EVP_PKEY *key, char *error, size_t size)
{
    SSL_CTX *context = create_context(error, size);

    if (context == NULL)
        return NULL;
    if (SSL_CTX_use_certificate(context, certificate) != 1 || SSL_CTX_use_PrivateKey(context, key) != 1) {
        fail_with(error, size, "certificate in memory: %s", tls_failure_take());
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

void tls_context_destroy(SSL_CTX *context)
{
    SSL_CTX_free(context);
}
