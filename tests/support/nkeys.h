/* nkeys.h - key pairs and tokens of NATS's decentralized login, made on the spot */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_NKEYS_H
#define TESTS_SUPPORT_NKEYS_H

/*
 * An operator vouches for accounts, an account for users, each with an Ed25519
 * key. As text a public key begins with O, A or U and a seed with SO, SA or SU
 * (docs.nats.io, "NKeys"). The server knows the operator and the account, a
 * client shows its token and signs with its seed: a credentials file has both.
 * An error of OpenSSL ends the process by fixture_fail.
 */
enum nkey_kind { NKEY_ACCOUNT = 0, NKEY_OPERATOR = 14 << 3, NKEY_USER = 20 << 3 };

struct nkey {
    enum nkey_kind kind;
    unsigned char secret[32];
    char public_key[57];
    char seed[59];
};

void nkey_create(struct nkey *key, enum nkey_kind kind);
/* The issuer's token for the subject, with all the rights of its kind, valid for ever. The caller frees. */
char *nkey_token(const struct nkey *issuer, const struct nkey *subject);
/* Writes a .creds file atomically. The seed of a user other than the token's makes a bad one. */
void nkey_write_credentials(const char *path, const char *token, const struct nkey *user);

#endif
