/* keys.h - the keys of a JWKS file, by which tokens are verified */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_KEYS_H
#define GATEWAY_AUTH_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * RFC 7517. Any thread may verify while another reloads: who has begun with
 * the old keys ends with them. A key has to say what it is for: `alg` (HS256,
 * RS256, PS256, ES256 or ES384), or for EC keys the curve. Keys of other kinds
 * and keys with another `use` than "sig" are left out with a log line; private
 * parts of RSA and EC keys are refused, a verifier has no business with them.
 */
struct keys;

/* NULL: error says why, and names the file and the key. */
struct keys *keys_load(const char *file, char *error, size_t size);
void keys_destroy(struct keys *keys);
/*
 * Reads the file again if it has changed (its inode, size or time); one that
 * can't be used leaves the keys as they are and is logged, once. True: changed.
 * One thread, about once a second.
 */
bool keys_refresh(struct keys *keys);

#endif
