/* server_tls.c - contexts: what they refuse to load, and what they agree to in a handshake */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/tls/tls.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "gateway/server/tls/devcert.h"
#include "tests/support/sandbox.h"

#define MUST(condition) cr_assert(condition)

static X509 *certificate;
static EVP_PKEY *key;
static SSL_CTX *server_context;

static void setup(void)
{
    char error[256] = "";

    MUST(devcert_create(&certificate, &key));
    server_context = tls_context_create_from(certificate, key, error, sizeof(error));
    cr_assert(server_context != NULL, "%s", error);
}

static void teardown(void)
{
    tls_context_destroy(server_context);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

TestSuite(server_tls, .init = setup, .fini = teardown);

/* A client and a server of one context, joined in memory. */
struct pair {
    SSL_CTX *context;
    SSL *client, *server;
};

static void pair_init(struct pair *pair, SSL_CTX *context)
{
    BIO *client_end, *server_end;

    pair->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(pair->context, 0);
    pair->client = SSL_new(pair->context);
    pair->server = SSL_new(context);
    MUST(BIO_new_bio_pair(&client_end, 0, &server_end, 0) == 1);
    SSL_set_bio(pair->client, client_end, client_end);
    SSL_set_bio(pair->server, server_end, server_end);
}

static void pair_dispose(struct pair *pair)
{
    /* A connection that ends without a close_notify takes its session with it. */
    SSL_set_shutdown(pair->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(pair->client);
    SSL_free(pair->server);
    SSL_CTX_free(pair->context);
    ERR_clear_error();
}

/* Both sides in turn until neither gets further. The read lets the client take the tickets of TLS 1.3. */
static bool pair_shake(struct pair *pair)
{
    char byte;
    int client = 0, server = 0;

    for (int i = 0; i != 10 && (client != 1 || server != 1); i++) {
        client = SSL_connect(pair->client);
        server = SSL_accept(pair->server);
    }
    if (client == 1)
        SSL_read(pair->client, &byte, 1);
    return client == 1 && server == 1;
}

static bool shake(int version, const char *suites)
{
    struct pair pair;
    bool ok;

    pair_init(&pair, server_context);
    SSL_set_min_proto_version(pair.client, version);
    SSL_set_max_proto_version(pair.client, version);
    if (suites != NULL)
        MUST(SSL_set_cipher_list(pair.client, suites) == 1);
    ok = pair_shake(&pair);
    pair_dispose(&pair);
    return ok;
}

Test(server_tls, speaks_1_2_and_1_3_and_nothing_older)
{
    cr_expect(shake(TLS1_3_VERSION, NULL));
    cr_expect(shake(TLS1_2_VERSION, NULL));
    cr_expect_not(shake(TLS1_1_VERSION, "ALL:@SECLEVEL=0"));
    cr_expect_not(shake(TLS1_VERSION, "ALL:@SECLEVEL=0"));
}

Test(server_tls, under_1_2_only_forward_secret_aead)
{
    cr_expect(shake(TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"));
    cr_expect(shake(TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"));
    cr_expect_not(shake(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256"));
    cr_expect_not(shake(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA"));
}

static const char *alpn_of(const char *offered, char chosen[static 256])
{
    struct pair pair;
    const unsigned char *name;
    unsigned len;
    bool ok;

    pair_init(&pair, server_context);
    if (offered != NULL)
        MUST(SSL_set_alpn_protos(pair.client, (const unsigned char *)offered, (unsigned)strlen(offered)) == 0);
    ok = pair_shake(&pair);
    SSL_get0_alpn_selected(pair.client, &name, &len);
    snprintf(chosen, 256, "%.*s", (int)len, (const char *)name);
    pair_dispose(&pair);
    return ok ? chosen : "refused";
}

Test(server_tls, alpn_in_the_servers_order)
{
    char chosen[256];

    cr_expect_str_eq(alpn_of("\x08http/1.1\x02h2", chosen), "h2");
    cr_expect_str_eq(alpn_of("\x08http/1.1", chosen), "http/1.1");
    cr_expect_str_eq(alpn_of("\x06spdy/1\x08http/1.1", chosen), "http/1.1");
    cr_expect_str_eq(alpn_of(NULL, chosen), "");
    cr_expect_str_eq(alpn_of("\x08http/1.0", chosen), "refused");
}

static bool is_resumed(int version, SSL_CTX *first, SSL_CTX *second)
{
    struct pair pair;
    SSL_SESSION *session;
    bool resumed;

    pair_init(&pair, first);
    SSL_set_max_proto_version(pair.client, version);
    MUST(pair_shake(&pair));
    cr_assert_not(SSL_session_reused(pair.client));
    session = SSL_get1_session(pair.client);
    pair_dispose(&pair);

    pair_init(&pair, second);
    SSL_set_max_proto_version(pair.client, version);
    MUST(SSL_set_session(pair.client, session) == 1);
    MUST(pair_shake(&pair));
    resumed = SSL_session_reused(pair.client) == 1;
    SSL_SESSION_free(session);
    pair_dispose(&pair);
    return resumed;
}

Test(server_tls, tickets_resume_at_any_context_of_the_process)
{
    char error[256];
    SSL_CTX *other = tls_context_create_from(certificate, key, error, sizeof(error));

    cr_expect(is_resumed(TLS1_3_VERSION, server_context, server_context));
    cr_expect(is_resumed(TLS1_2_VERSION, server_context, server_context));
    cr_expect(is_resumed(TLS1_3_VERSION, server_context, other));
    cr_expect(is_resumed(TLS1_2_VERSION, server_context, other));
    tls_context_destroy(other);
}

Test(server_tls, renegotiation_is_refused)
{
    struct pair pair;
    char byte;
    bool renegotiated = false;

    pair_init(&pair, server_context);
    SSL_set_max_proto_version(pair.client, TLS1_2_VERSION);
    MUST(pair_shake(&pair));
    MUST(SSL_renegotiate(pair.client) == 1);
    for (int i = 0; i != 10 && !renegotiated; i++) {
        renegotiated = SSL_do_handshake(pair.client) == 1;
        SSL_read(pair.server, &byte, 1);
    }
    cr_expect_not(renegotiated);
    pair_dispose(&pair);
}

static void expect_load_error(const char *certificate_file, const char *key_file, const char *named, const char *reason)
{
    char error[512] = "";
    SSL_CTX *context = tls_context_create(certificate_file, key_file, error, sizeof(error));

    cr_expect_null(context);
    cr_expect(strstr(error, named) != NULL && strstr(error, reason) != NULL, "got: %s", error);
    cr_expect_eq(ERR_peek_error(), 0, "errors are left behind for the next caller");
}

static char *write_key(const EVP_CIPHER *cipher)
{
    char *path = sandbox_path("key.pem"), password[] = "password";
    FILE *file = fopen(path, "w");

    MUST(file != NULL && PEM_write_PrivateKey(file, key, cipher, (unsigned char *)password, 8, NULL, NULL) == 1);
    fclose(file);
    return path;
}

Test(server_tls, what_cannot_be_loaded_is_named_with_its_reason)
{
    char *garbage = sandbox_path("garbage.pem"), *other_key = write_key(NULL), *locked = write_key(EVP_aes_128_cbc());

    sandbox_write(garbage, "this is no PEM\n");
    expect_load_error("/nowhere/a.crt", sandbox_key(), "certificate /nowhere/a.crt", "No such file");
    expect_load_error(sandbox_certificate(), "/nowhere/a.key", "key /nowhere/a.key", "No such file");
    expect_load_error(garbage, sandbox_key(), garbage, "no start line");
    expect_load_error(sandbox_certificate(), garbage, garbage, "key");
    expect_load_error(sandbox_certificate(), other_key, other_key, "does not belong to the certificate");
    expect_load_error(sandbox_certificate(), locked, locked, "password");
    free(garbage);
    free(other_key);
    free(locked);
}

Test(server_tls, loads_files)
{
    char error[512] = "";
    SSL_CTX *context = tls_context_create(sandbox_certificate(), sandbox_key(), error, sizeof(error));

    cr_assert(context != NULL, "%s", error);
    tls_context_destroy(context);
}

Test(server_tls, the_development_certificate_is_for_this_machine_only)
{
    cr_expect_eq(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
    cr_expect_eq(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
    cr_expect_eq(X509_check_ip_asc(certificate, "::1", 0), 1);
    cr_expect_eq(X509_check_host(certificate, "example.org", 0, 0, NULL), 0);
    cr_expect_eq(X509_check_ca(certificate), 0);
    cr_expect_eq(X509_verify(certificate, key), 1);
    cr_expect_lt(X509_cmp_current_time(X509_get0_notBefore(certificate)), 0);
    cr_expect_gt(X509_cmp_current_time(X509_get0_notAfter(certificate)), 0);
}
