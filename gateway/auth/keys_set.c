/* keys_set.c - the keys of one version of a JWKS file */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/keys_set.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/token_cache.h"
#include "gateway/base/check.h"
#include "gateway/base/log.h"

static bool is_same_kid(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

const struct key *keys_set_find(const struct keys_set *set, enum key_alg alg, const char *kid)
{
    const struct key *found = NULL;
    for (size_t i = 0; i != set->count; ++i) {
        const struct key *key = &set->keys[i];
        if (key->alg != alg || (kid != NULL && !is_same_kid(key->kid, kid)))
            continue;
        if (found != NULL)
            return NULL;
        found = key;
    }
    return found;
}

const struct key *keys_set_any(const struct keys_set *set, enum key_alg alg)
{
    for (size_t i = 0; i != set->count; ++i) {
        if (set->keys[i].alg == alg)
            return &set->keys[i];
    }
    CHECK(set->count != 0);
    return set->keys;
}

struct keys_set *keys_set_retain(struct keys_set *set)
{
    unsigned before = atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    CHECK(before != 0);
    return set;
}

void keys_set_release(struct keys_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i != set->count; ++i)
        key_dispose(&set->keys[i]);
    free(set->keys);
    token_cache_destroy(set->verified);
    free(set);
}

/* Why a token could not tell the key from one of the set; NULL: it can. */
static const char *find_clash(const struct keys_set *set, const struct key *key)
{
    for (size_t i = 0; i != set->count; ++i) {
        if (is_same_kid(set->keys[i].kid, key->kid))
            return "another key has the same \"kid\"";
        if (key->kid == NULL && set->keys[i].kid == NULL && set->keys[i].alg == key->alg)
            return "another key for the same \"alg\" has no \"kid\" either";
    }
    return NULL;
}

static bool add_key(struct keys_set *set, const char *file, size_t index, const json_t *jwk, char *error, size_t size)
{
    const char *reason;
    struct key key;
    enum key_verdict verdict = key_init(&key, jwk, &reason);
    if (verdict == KEY_LEFT_OUT) {
        const char *kid = json_string_value(json_object_get(jwk, "kid"));
        log_write(LOG_WARN, "key-ignored", log_str("file", file), log_u64("key", index), log_str("kid", kid),
                  log_str("reason", reason));
        return true;
    }
    if (verdict == KEY_USABLE) {
        reason = find_clash(set, &key);
        if (reason == NULL) {
            set->keys[set->count++] = key;
            return true;
        }
        key_dispose(&key);
    }
    snprintf(error, size, "%s: keys[%zu]: %s", file, index, reason);
    return false;
}

static bool add_keys(struct keys_set *set, const char *file, const json_t *list, char *error, size_t size)
{
    size_t count = json_array_size(list), i;
    const json_t *jwk;
    if (!json_is_array(list) || count > KEYS_MAX) {
        snprintf(error, size, "%s: \"keys\" must be a list of at most %d keys", file, KEYS_MAX);
        return false;
    }
    set->keys = check_calloc(count + 1, sizeof(*set->keys));
    json_array_foreach (list, i, jwk) {
        if (!add_key(set, file, i, jwk, error, size))
            return false;
    }
    if (set->count == 0)
        snprintf(error, size, "%s: it has no key that can verify tokens", file);
    return set->count != 0;
}

struct keys_set *keys_set_parse(const char *file, const char *text, size_t len, char *error, size_t size)
{
    json_error_t where;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL) {
        /* Not where.text, which quotes the file, and so perhaps a secret. */
        bool is_twice = json_error_code(&where) == json_error_duplicate_key;
        snprintf(error, size, "%s:%d: %s", file, where.line, is_twice ? "a member appears twice" : "is not JSON");
        return NULL;
    }
    struct keys_set *set = check_calloc(1, sizeof(*set));
    set->references = 1;
    set->verified = token_cache_create();
    if (!add_keys(set, file, json_object_get(json, "keys"), error, size)) {
        keys_set_release(set);
        set = NULL;
    }
    json_decref(json);
    return set;
}
