/* tls_clients.c - client certificates: whose are accepted, and what they say */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/tls/tls_clients.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/thread.h"
#include "gateway/http/access/certificate.h"
#include "gateway/http/connection.h"
#include "gateway/server/tls/tls_failure.h"
#include "proto/text.h"

/* A chain of four RSA-4096 certificates takes 8 kB; OpenSSL would buffer 100 kB for anyone. */
#define CHAIN_BYTES_MAX (32 * 1024)
_Static_assert(CERTIFICATE_NAME_MAX > 4 * 64, "the longest common name, and its NUL");

/*
 * OpenSSL opens a ticket only where the context is the one it was sealed in.
 * Made of the CAs themselves, so that neither a listener without client_ca
 * nor one with other CAs can be the way into this one.
 */
static bool set_session_context(SSL_CTX *context, X509_STORE *cas)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(cas);
    EVP_MD_CTX *sum = EVP_MD_CTX_new();
    unsigned char one[EVP_MAX_MD_SIZE], all[EVP_MAX_MD_SIZE];
    unsigned len;
    bool ok = sum != NULL && EVP_DigestInit_ex2(sum, EVP_sha256(), NULL) == 1;

    for (int i = 0; ok && i < sk_X509_OBJECT_num(objects); ++i) {
        X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (ca != NULL)
            ok = X509_digest(ca, EVP_sha256(), one, &len) == 1 && EVP_DigestUpdate(sum, one, len) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(sum, all, &len) == 1 && SSL_CTX_set_session_id_context(context, all, len) == 1;
    EVP_MD_CTX_free(sum);
    return ok;
}

static bool is_valid_now(const SSL_SESSION *session)
{
    const X509 *certificate = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)session);

    return certificate != NULL && X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

/*
 * Each resumption under TLS 1.3 brings new tickets, so that without a look at
 * the certificate it would be good for ever. A session that is not resumed
 * becomes a full handshake, which refuses it with the right alert.
 */
static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_len,
                                          SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl;
    (void)name;
    (void)name_len;
    (void)arg;
    switch (status) {
    case SSL_TICKET_SUCCESS:
        return is_valid_now(session) ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_IGNORE_RENEW;
    case SSL_TICKET_SUCCESS_RENEW:
        return is_valid_now(session) ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_IGNORE_RENEW;
    default:
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
}

/* A store of its own: from the context's general one OpenSSL would complete the server's own chain. */
static X509_STORE *load_cas(const char *ca_file)
{
    X509_STORE *cas = X509_STORE_new();

    if (cas == NULL || X509_STORE_load_file(cas, ca_file) == 1)
        return cas;
    X509_STORE_free(cas);
    return NULL;
}

bool tls_clients_require(SSL_CTX *context, const char *ca_file, char *error, size_t size)
{
    X509_STORE *cas;
    STACK_OF(X509_NAME) * names;

    ERR_clear_error();
    cas = load_cas(ca_file);
    names = cas != NULL ? SSL_load_client_CA_file(ca_file) : NULL;
    if (names == NULL || !set_session_context(context, cas)) {
        snprintf(error, size, "client_ca %s: %s", ca_file, tls_failure_take());
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        X509_STORE_free(cas);
        return false;
    }
    SSL_CTX_set0_verify_cert_store(context, cas);
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
    SSL_CTX_set_session_ticket_cb(context, NULL, on_ticket_opened, NULL);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

static bool is_name(const unsigned char *text, int len)
{
    if (len <= 0 || len >= CERTIFICATE_NAME_MAX || !text_is_utf8((const char *)text, (size_t)len))
        return false;
    for (int i = 0; i != len; ++i) {
        if (text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    return true;
}

/* Two names would leave it to chance which of them is looked at. */
static char *read_name(const X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1), len;
    unsigned char *text = NULL;
    char *name = NULL;

    if (index < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, index) >= 0)
        return NULL;
    len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    if (is_name(text, len)) {
        name = check_calloc(1, (size_t)len + 1);
        memcpy(name, text, (size_t)len);
    }
    if (len >= 0)
        OPENSSL_free(text);
    return name;
}

void tls_clients_keep_name(const SSL *ssl, struct connection *connection)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);

    if ((SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) == 0 || certificate == NULL ||
        SSL_get_verify_result(ssl) != X509_V_OK || connection->certificate_name != NULL)
        return;
    CHECK_THREAD(connection->registry);
    connection->certificate_name = read_name(certificate);
    ERR_clear_error(); /* what is left in the queue would be reported for another connection */
}
