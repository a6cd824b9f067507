/* revoked.c - tokens that are no longer accepted */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/revoked.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "gateway/auth/revocation.h"
#include "gateway/auth/token.h"
#include "gateway/base/check.h"
#include "gateway/base/lock.h"

/* The first byte of a key: ids and holders share one table, so that one limit covers both. */
enum kind { KIND_ID = 'i', KIND_HOLDER = 'h' };

struct revoked_entry {
    int64_t expires_s;
    int64_t issued_until_s; /* a holder's tokens issued later are accepted */
    size_t place;           /* in the heap */
    UT_hash_handle hh;
    size_t key_len;
    char key[];
};

struct revoked {
    struct lock lock;
    struct revoked_entry *table;
    struct revoked_entry **heap; /* the one that expires first is at 0 */
    size_t count, capacity;
};

struct revoked *revoked_create(void)
{
    struct revoked *revoked = check_calloc(1, sizeof(*revoked));
    lock_init(&revoked->lock);
    return revoked;
}

void revoked_destroy(struct revoked *revoked)
{
    if (revoked == NULL)
        return;
    HASH_CLEAR(hh, revoked->table);
    for (size_t i = 0; i != revoked->count; ++i)
        free(revoked->heap[i]);
    free(revoked->heap);
    lock_dispose(&revoked->lock);
    free(revoked);
}

/* ---- the heap: the lock is held ---- */

static void put_entry(struct revoked *revoked, size_t place, struct revoked_entry *entry)
{
    CHECK(place < revoked->count);
    revoked->heap[place] = entry;
    entry->place = place;
}

static void sift_up(struct revoked *revoked, struct revoked_entry *entry)
{
    size_t place = entry->place;
    while (place != 0 && revoked->heap[(place - 1) / 2]->expires_s > entry->expires_s) {
        put_entry(revoked, place, revoked->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put_entry(revoked, place, entry);
}

static void sift_down(struct revoked *revoked, struct revoked_entry *entry)
{
    size_t place = entry->place, child;
    while ((child = 2 * place + 1) < revoked->count) {
        if (child + 1 < revoked->count && revoked->heap[child + 1]->expires_s < revoked->heap[child]->expires_s)
            ++child;
        if (revoked->heap[child]->expires_s >= entry->expires_s)
            break;
        put_entry(revoked, place, revoked->heap[child]);
        place = child;
    }
    put_entry(revoked, place, entry);
}

static void drop_first(struct revoked *revoked)
{
    CHECK_HELD(&revoked->lock);
    CHECK(revoked->count != 0);
    struct revoked_entry *entry = revoked->heap[0], *last = revoked->heap[--revoked->count];
    HASH_DEL(revoked->table, entry);
    free(entry);
    if (revoked->count != 0) {
        put_entry(revoked, 0, last);
        sift_down(revoked, last);
    }
}

/* ---- the table ---- */

static char *make_key(enum kind kind, const char *text, size_t *len)
{
    size_t text_len = strlen(text);
    char *key = check_malloc(text_len + 1);
    key[0] = (char)kind;
    memcpy(key + 1, text, text_len);
    *len = text_len + 1;
    return key;
}

static struct revoked_entry *find_entry(struct revoked *revoked, const char *key, size_t len)
{
    CHECK_HELD(&revoked->lock);
    struct revoked_entry *entry;
    HASH_FIND(hh, revoked->table, key, len, entry);
    return entry;
}

static struct revoked_entry *insert_entry(struct revoked *revoked, const char *key, size_t len, int64_t expires_s)
{
    CHECK_HELD(&revoked->lock);
    CHECK(revoked->count < REVOKED_MAX);
    struct revoked_entry *entry = check_malloc(sizeof(*entry) + len);
    *entry = (struct revoked_entry){.expires_s = expires_s, .key_len = len};
    memcpy(entry->key, key, len);
    if (revoked->count == revoked->capacity) {
        revoked->capacity = revoked->capacity == 0 ? 64 : revoked->capacity * 2;
        revoked->heap = check_realloc(revoked->heap, revoked->capacity * sizeof(struct revoked_entry *));
    }
    HASH_ADD_KEYPTR(hh, revoked->table, entry->key, entry->key_len, entry);
    ++revoked->count;
    put_entry(revoked, revoked->count - 1, entry);
    sift_up(revoked, entry);
    return entry;
}

static void add_key(struct revoked *revoked, enum kind kind, const char *text, int64_t expires_s, int64_t now_s)
{
    size_t len;
    if (expires_s == 0)
        expires_s = now_s + REVOKED_KEPT_S;
    else if (__builtin_add_overflow(expires_s, REVOKED_LEEWAY_S, &expires_s))
        expires_s = INT64_MAX;
    if (expires_s <= now_s)
        return; /* it is refused as expired, with or without an entry */
    char *key = make_key(kind, text, &len);
    lock_take(&revoked->lock);
    while (revoked->count != 0 && revoked->heap[0]->expires_s <= now_s)
        drop_first(revoked);
    struct revoked_entry *entry = find_entry(revoked, key, len);
    if (entry == NULL) {
        if (revoked->count == REVOKED_MAX)
            drop_first(revoked);
        entry = insert_entry(revoked, key, len, expires_s);
    } else if (entry->expires_s < expires_s) {
        entry->expires_s = expires_s;
        sift_down(revoked, entry);
    }
    if (entry->issued_until_s < now_s)
        entry->issued_until_s = now_s;
    lock_give(&revoked->lock);
    free(key);
}

void revoked_add(struct revoked *revoked, const char *jti, int64_t expires_s, int64_t now_s)
{
    add_key(revoked, KIND_ID, jti, expires_s, now_s);
}

void revoked_add_holder(struct revoked *revoked, const char *sub, int64_t expires_s, int64_t now_s)
{
    add_key(revoked, KIND_HOLDER, sub, expires_s, now_s);
}

void revoked_add_named(struct revoked *revoked, const struct revocation *revocation, int64_t now_s)
{
    if (revocation->jti != NULL)
        revoked_add(revoked, revocation->jti, revocation->expires_s, now_s);
    else if (revocation->sub != NULL && revocation->subject == NULL && revocation->route == NULL)
        revoked_add_holder(revoked, revocation->sub, revocation->expires_s, now_s);
}

/* False: not revoked, or expired since. */
static bool has_key(struct revoked *revoked, enum kind kind, const char *text, int64_t now_s, int64_t *issued_until_s)
{
    size_t len;
    char *key = make_key(kind, text, &len);
    lock_take(&revoked->lock);
    const struct revoked_entry *entry = find_entry(revoked, key, len);
    bool is_revoked = entry != NULL && now_s < entry->expires_s;
    if (is_revoked)
        *issued_until_s = entry->issued_until_s;
    lock_give(&revoked->lock);
    free(key);
    return is_revoked;
}

bool revoked_has(struct revoked *revoked, const char *jti, int64_t now_s)
{
    int64_t issued_until_s;
    return has_key(revoked, KIND_ID, jti, now_s, &issued_until_s);
}

bool revoked_has_token(struct revoked *revoked, const struct token *token, int64_t now_s)
{
    int64_t issued_until_s;
    if (token->id != NULL && revoked_has(revoked, token->id, now_s))
        return true;
    if (token->subject == NULL || !has_key(revoked, KIND_HOLDER, token->subject, now_s, &issued_until_s))
        return false;
    const json_t *issued = json_object_get(token->json, "iat");
    return !json_is_number(issued) || !(json_number_value(issued) > (double)issued_until_s);
}
