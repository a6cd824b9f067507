/* revoked.c - tokens that are not to be accepted any more */
/* SPDX-License-Identifier: MIT */
#include "gateway/auth/revoked.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "gateway/auth/token.h"
#include "gateway/base/check.h"

/* The first byte of a key: ids and holders are in one table, so that one limit holds for both. */
enum kind { KIND_ID = 'i', KIND_HOLDER = 'h' };

struct revoked_entry {
    int64_t expires_s;
    int64_t issued_until_s; /* of a holder's tokens */
    size_t place;           /* in the heap */
    UT_hash_handle hh;
    size_t key_len;
    char key[];
};

struct revoked {
    pthread_mutex_t lock;
    struct revoked_entry *table;
    struct revoked_entry **heap; /* the one that expires first is at 0 */
    size_t count, capacity;
};

struct revoked *revoked_create(void)
{
    struct revoked *revoked = check_calloc(1, sizeof(*revoked));
    CHECK(pthread_mutex_init(&revoked->lock, NULL) == 0);
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
    pthread_mutex_destroy(&revoked->lock);
    free(revoked);
}

/* ---- the heap: the lock is held ---- */

static void put(struct revoked *revoked, size_t place, struct revoked_entry *entry)
{
    revoked->heap[place] = entry;
    entry->place = place;
}

static void sift_up(struct revoked *revoked, struct revoked_entry *entry)
{
    size_t place = entry->place;
    while (place != 0 && revoked->heap[(place - 1) / 2]->expires_s > entry->expires_s) {
        put(revoked, place, revoked->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(revoked, place, entry);
}

static void sift_down(struct revoked *revoked, struct revoked_entry *entry)
{
    size_t place = entry->place, child;
    while ((child = 2 * place + 1) < revoked->count) {
        if (child + 1 < revoked->count && revoked->heap[child + 1]->expires_s < revoked->heap[child]->expires_s)
            ++child;
        if (revoked->heap[child]->expires_s >= entry->expires_s)
            break;
        put(revoked, place, revoked->heap[child]);
        place = child;
    }
    put(revoked, place, entry);
}

static void drop_first(struct revoked *revoked)
{
    struct revoked_entry *entry = revoked->heap[0], *last = revoked->heap[--revoked->count];
    HASH_DEL(revoked->table, entry);
    free(entry);
    if (revoked->count != 0) {
        put(revoked, 0, last);
        sift_down(revoked, last);
    }
}

/* ---- the table ---- */

/* Of bytes that may be NUL, too: a claim may hold anything. */
static char *make_key(enum kind kind, const char *text, size_t *len)
{
    size_t text_len = strlen(text);
    char *key = check_malloc(text_len + 1);
    key[0] = (char)kind;
    memcpy(key + 1, text, text_len);
    *len = text_len + 1;
    return key;
}

static struct revoked_entry *find(struct revoked *revoked, const char *key, size_t len)
{
    struct revoked_entry *entry;
    HASH_FIND(hh, revoked->table, key, len, entry);
    return entry;
}

static struct revoked_entry *insert(struct revoked *revoked, const char *key, size_t len, int64_t expires_s)
{
    struct revoked_entry *entry = check_malloc(sizeof(*entry) + len);
    *entry = (struct revoked_entry){.expires_s = expires_s, .key_len = len};
    memcpy(entry->key, key, len);
    if (revoked->count == revoked->capacity) {
        revoked->capacity = revoked->capacity == 0 ? 64 : revoked->capacity * 2;
        revoked->heap = check_realloc(revoked->heap, revoked->capacity * sizeof(struct revoked_entry *));
    }
    HASH_ADD_KEYPTR(hh, revoked->table, entry->key, entry->key_len, entry);
    put(revoked, revoked->count++, entry);
    sift_up(revoked, entry);
    return entry;
}

static void add(struct revoked *revoked, enum kind kind, const char *text, int64_t expires_s, int64_t now_s)
{
    size_t len;
    if (expires_s == 0)
        expires_s = now_s + REVOKED_KEPT_S;
    else if (__builtin_add_overflow(expires_s, REVOKED_LEEWAY_S, &expires_s))
        expires_s = INT64_MAX;
    if (expires_s <= now_s)
        return;
    char *key = make_key(kind, text, &len);
    pthread_mutex_lock(&revoked->lock);
    while (revoked->count != 0 && revoked->heap[0]->expires_s <= now_s)
        drop_first(revoked);
    struct revoked_entry *entry = find(revoked, key, len);
    if (entry == NULL) {
        if (revoked->count == REVOKED_MAX)
            drop_first(revoked);
        entry = insert(revoked, key, len, expires_s);
    } else if (entry->expires_s < expires_s) {
        entry->expires_s = expires_s;
        sift_down(revoked, entry);
    }
    if (entry->issued_until_s < now_s)
        entry->issued_until_s = now_s;
    pthread_mutex_unlock(&revoked->lock);
    free(key);
}

void revoked_add(struct revoked *revoked, const char *jti, int64_t expires_s, int64_t now_s)
{
    add(revoked, KIND_ID, jti, expires_s, now_s);
}

void revoked_add_holder(struct revoked *revoked, const char *sub, int64_t expires_s, int64_t now_s)
{
    add(revoked, KIND_HOLDER, sub, expires_s, now_s);
}

void revoked_add_named(struct revoked *revoked, const struct revocation *revocation, int64_t now_s)
{
    if (revocation->jti != NULL)
        revoked_add(revoked, revocation->jti, revocation->expires_s, now_s);
    else if (revocation->sub != NULL && revocation->subject == NULL && revocation->route == NULL)
        revoked_add_holder(revoked, revocation->sub, revocation->expires_s, now_s);
}

/* False: it is not there, or its time is over. */
static bool look(struct revoked *revoked, enum kind kind, const char *text, int64_t now_s, int64_t *issued_until_s)
{
    size_t len;
    char *key = make_key(kind, text, &len);
    pthread_mutex_lock(&revoked->lock);
    const struct revoked_entry *entry = find(revoked, key, len);
    bool has = entry != NULL && now_s < entry->expires_s;
    if (has)
        *issued_until_s = entry->issued_until_s;
    pthread_mutex_unlock(&revoked->lock);
    free(key);
    return has;
}

bool revoked_has(struct revoked *revoked, const char *jti, int64_t now_s)
{
    int64_t issued_until_s;
    return look(revoked, KIND_ID, jti, now_s, &issued_until_s);
}

bool revoked_has_token(struct revoked *revoked, const struct token *token, int64_t now_s)
{
    int64_t issued_until_s;
    if (token->id != NULL && revoked_has(revoked, token->id, now_s))
        return true;
    if (token->subject == NULL || !look(revoked, KIND_HOLDER, token->subject, now_s, &issued_until_s))
        return false;
    const json_t *issued = json_object_get(token->json, "iat");
    return !json_is_number(issued) || !(json_number_value(issued) > (double)issued_until_s);
}
