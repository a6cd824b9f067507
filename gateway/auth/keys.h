/* keys.h - the keys of a JWKS file, by which tokens are verified */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_AUTH_KEYS_H
#define GATEWAY_AUTH_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * RFC 7517. Any thread may verify while another reloads: a verification that
 * began with the old keys finishes with them. A key must state its purpose:
 * `alg` (HS256, RS256, PS256, ES256 or ES384), or for EC keys the curve. Keys
 * of other types and keys whose `use` isn't "sig" are skipped with a log line;
 * RSA and EC keys with private parts are refused, because a verifier should
 * never hold them.
 */
struct keys;
struct keys_set;

/* NULL: error says why, and names the file and the key. */
struct keys *keys_load(const char *file, char *error, size_t size);
void keys_destroy(struct keys *keys);
/*
 * Reads the file again if it has changed (its inode, size or time). A file that
 * can't be used is logged once, and the keys stay. True: the keys have changed.
 * Always from the same thread, about once a second.
 */
bool keys_refresh(struct keys *keys);
/* The keys of the file's newest usable version, retained for the caller. Any thread; takes a lock for a moment. */
struct keys_set *keys_current(const struct keys *keys);

#endif
