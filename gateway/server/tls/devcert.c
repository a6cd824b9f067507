/* devcert.c - a throw-away certificate for --dev */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/tls/devcert.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stddef.h>

#define DAYS 30
#define DAY_S (24L * 60 * 60)

static const struct {
    int nid;
    const char *value;
} extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"},
    {NID_subject_key_identifier, "hash"},
};

/* Random, so that a browser never meets two certificates of one issuer with the same number. */
static bool set_serial(X509 *certificate)
{
    BIGNUM *serial = BN_new();
    bool ok = serial != NULL && BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL;

    BN_free(serial);
    return ok;
}

static bool set_names(X509 *certificate)
{
    X509_NAME *name = X509_get_subject_name(certificate);

    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Freshet development", -1, -1,
                                      0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"localhost", -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

static bool add_extensions(X509 *certificate)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    for (size_t i = 0; i != sizeof(extensions) / sizeof(extensions[0]); i++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, extensions[i].nid, extensions[i].value);
        bool ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!ok)
            return false;
    }
    return true;
}

static bool fill_and_sign(X509 *certificate, EVP_PKEY *key)
{
    /* Valid since an hour ago: clocks of containers and phones on the same desk differ. */
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) && set_names(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -60L * 60) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), DAYS * DAY_S) != NULL &&
           X509_set_pubkey(certificate, key) == 1 && add_extensions(certificate) &&
           X509_sign(certificate, key, EVP_sha256()) != 0;
}

bool devcert_create(X509 **certificate, EVP_PKEY **key)
{
    EVP_PKEY *new_key = EVP_EC_gen("P-256");
    X509 *new_certificate = X509_new();

    if (new_key == NULL || new_certificate == NULL || !fill_and_sign(new_certificate, new_key)) {
        X509_free(new_certificate);
        EVP_PKEY_free(new_key);
        return false;
    }
    *certificate = new_certificate;
    *key = new_key;
    return true;
}
