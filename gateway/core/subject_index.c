/* subject_index.c - finds every NATS pattern that stands for a given subject */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/subject_index.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/check.h"
#include "proto/subject.h"

/* As elsewhere: out of memory is said in the log, not by uthash's exit(-1). */
#define uthash_malloc(size) check_malloc(size)
#include <uthash.h>

#define VALUES_MIN 16

/* Almost always one: channels of different profiles on the same pattern. */
struct values {
    void **items;
    unsigned count, capacity;
};

/* A pattern without wildcards, whole. The common case, and often the only one, so it stays out of the trie. */
struct literal {
    UT_hash_handle hh;
    struct values values;
    char subject[];
};

/* What patterns with a wildcard have in common up to some token. */
struct node {
    UT_hash_handle hh; /* in edges, unless it is the root or a '*' */
    struct node *parent;
    struct node *star;     /* the child for '*' */
    unsigned literals;     /* children in edges */
    struct values here;    /* patterns that end with this token */
    struct values further; /* patterns that continue with '>' */
    size_t key_len;        /* 0: not in edges */
    char key[];
};

struct subject_index {
    struct literal *literals;
    /*
     * One table for the edges of all nodes, by parent and token: a table in
     * each node costs half a kilobyte even for one child, and `orders.N.new.>`
     * has as many such nodes as there are orders.
     */
    struct node *edges;
    struct node root; /* here, so that an empty index is one piece of memory */
};

/* The key of an edge: the parent's address, then the token. */
struct edge_key {
    char bytes[sizeof(uintptr_t) + SUBJECT_MAX];
    size_t len;
};

static void edge_key_set(struct edge_key *key, const struct node *parent, const char *token, size_t len)
{
    uintptr_t address = (uintptr_t)parent;
    CHECK(len <= SUBJECT_MAX);
    memcpy(key->bytes, &address, sizeof(address));
    memcpy(key->bytes + sizeof(address), token, len);
    key->len = sizeof(address) + len;
}

static void values_add(struct values *values, void *value)
{
    if (values->count == values->capacity) {
        values->capacity = values->capacity == 0 ? 1 : values->capacity * 2;
        values->items = check_realloc(values->items, values->capacity * sizeof(*values->items));
    }
    values->items[values->count++] = value;
}

static void values_remove(struct values *values, const void *value)
{
    unsigned i = 0;
    while (i < values->count && values->items[i] != value)
        ++i;
    CHECK(i < values->count);
    values->items[i] = values->items[--values->count];
    if (values->count == 0) {
        free(values->items);
        *values = (struct values){.items = NULL};
    }
}

static void values_append(const struct values *values, struct subject_index_matches *matches)
{
    if (values->count == 0)
        return;
    size_t count = matches->count + values->count;
    if (count > matches->capacity) {
        matches->capacity = count < VALUES_MIN ? VALUES_MIN : count * 2;
        matches->values = check_realloc(matches->values, matches->capacity * sizeof(*matches->values));
    }
    memcpy(matches->values + matches->count, values->items, values->count * sizeof(*values->items));
    matches->count = count;
}

static struct node *node_create(struct node *parent, const struct edge_key *key)
{
    size_t key_len = key != NULL ? key->len : 0;
    struct node *node = check_calloc(1, sizeof(*node) + key_len);
    node->parent = parent;
    node->key_len = key_len;
    if (key != NULL)
        memcpy(node->key, key->bytes, key_len);
    return node;
}

static void node_destroy(struct node *node)
{
    free(node->here.items);
    free(node->further.items);
    free(node);
}

/* The first token of s, which is shortened to what follows it; *more says whether anything does ("a." has two). */
static size_t take_token(const char **s, size_t *len, const char **token, bool *more)
{
    const char *dot = memchr(*s, '.', *len);
    size_t token_len = dot != NULL ? (size_t)(dot - *s) : *len;
    *token = *s;
    *more = dot != NULL;
    if (dot != NULL) {
        *s += token_len + 1;
        *len -= token_len + 1;
    }
    return token_len;
}

static bool token_is(const char *token, size_t len, char wildcard)
{
    return len == 1 && token[0] == wildcard;
}

static struct node *find_child(const struct subject_index *index, const struct node *parent, const char *token,
                               size_t len)
{
    struct node *child = NULL;
    struct edge_key key;
    if (parent->literals == 0 || len > SUBJECT_MAX)
        return NULL;
    edge_key_set(&key, parent, token, len);
    HASH_FIND(hh, index->edges, key.bytes, key.len, child);
    return child;
}

static struct node *add_child(struct subject_index *index, struct node *parent, const char *token, size_t len)
{
    struct edge_key key;
    edge_key_set(&key, parent, token, len);
    struct node *child = node_create(parent, &key);
    HASH_ADD_KEYPTR(hh, index->edges, child->key, child->key_len, child);
    ++parent->literals;
    return child;
}

/* Where a pattern with wildcards keeps its values. Nodes that are missing are made, or break the promise if !make. */
static struct values *walk_tokens(struct subject_index *index, const char *s, size_t len, bool make, struct node **last)
{
    struct node *node = &index->root, *child;
    bool more = true;
    while (more) {
        const char *token;
        size_t token_len = take_token(&s, &len, &token, &more);
        *last = node;
        if (token_is(token, token_len, '>'))
            return &node->further;
        if (token_is(token, token_len, '*')) {
            if (node->star == NULL && make)
                node->star = node_create(node, NULL);
            child = node->star;
        } else {
            child = find_child(index, node, token, token_len);
            if (child == NULL && make)
                child = add_child(index, node, token, token_len);
        }
        CHECK(child != NULL);
        node = child;
    }
    *last = node;
    return &node->here;
}

/* Frees the node and those above it that are there for no pattern any more; the root stays. */
static void prune_nodes(struct subject_index *index, struct node *node)
{
    while (node->parent != NULL && node->star == NULL && node->literals == 0 && node->here.count == 0 &&
           node->further.count == 0) {
        struct node *parent = node->parent;
        if (node->key_len != 0) {
            CHECK(index->edges != NULL);
            HASH_DEL(index->edges, node);
            --parent->literals;
        } else {
            parent->star = NULL;
        }
        node_destroy(node);
        node = parent;
    }
}

struct subject_index *subject_index_create(void)
{
    return check_calloc(1, sizeof(struct subject_index));
}

/* A '*' is in no table: it goes with its parent, and the edges below it are in the table like all others. */
static void destroy_stars(struct node *star)
{
    while (star != NULL) {
        struct node *next = star->star;
        node_destroy(star);
        star = next;
    }
}

void subject_index_destroy(struct subject_index *index)
{
    if (index == NULL)
        return;
    struct literal *literal, *next_literal;
    HASH_ITER (hh, index->literals, literal, next_literal) {
        HASH_DEL(index->literals, literal);
        free(literal->values.items);
        free(literal);
    }
    struct node *node, *next_node;
    HASH_ITER (hh, index->edges, node, next_node) {
        HASH_DEL(index->edges, node);
        destroy_stars(node->star);
        node_destroy(node);
    }
    destroy_stars(index->root.star);
    free(index->root.further.items);
    free(index);
}

void subject_index_add(struct subject_index *index, const char *pattern, size_t len, void *value)
{
    if (subject_has_wildcard(pattern, len)) {
        struct node *last;
        values_add(walk_tokens(index, pattern, len, true, &last), value);
        return;
    }
    struct literal *literal;
    HASH_FIND(hh, index->literals, pattern, len, literal);
    if (literal == NULL) {
        literal = check_calloc(1, sizeof(*literal) + len);
        memcpy(literal->subject, pattern, len);
        HASH_ADD_KEYPTR(hh, index->literals, literal->subject, len, literal);
    }
    values_add(&literal->values, value);
}

void subject_index_remove(struct subject_index *index, const char *pattern, size_t len, void *value)
{
    if (subject_has_wildcard(pattern, len)) {
        struct node *last;
        values_remove(walk_tokens(index, pattern, len, false, &last), value);
        prune_nodes(index, last);
        return;
    }
    struct literal *literal;
    HASH_FIND(hh, index->literals, pattern, len, literal);
    CHECK(literal != NULL);
    values_remove(&literal->values, value);
    if (literal->values.count == 0) {
        HASH_DEL(index->literals, literal);
        free(literal);
    }
}

/*
 * Both ways at each token, the literal and '*': at most as deep as the deepest
 * pattern, which has SUBJECT_TOKENS_MAX tokens, and never off the nodes that
 * are there.
 */
static void collect_values(const struct subject_index *index, const struct node *node, const char *s, size_t len,
                           struct subject_index_matches *matches)
{
    const char *token;
    bool more;
    size_t token_len = take_token(&s, &len, &token, &more);
    const struct node *children[] = {find_child(index, node, token, token_len), node->star};

    values_append(&node->further, matches);
    for (size_t i = 0; i < 2; i++) {
        if (children[i] == NULL)
            continue;
        if (more)
            collect_values(index, children[i], s, len, matches);
        else
            values_append(&children[i]->here, matches);
    }
}

size_t subject_index_find(const struct subject_index *index, const char *subject, size_t len,
                          struct subject_index_matches *matches)
{
    size_t before = matches->count;
    struct literal *literal = NULL;
    /* No longer one has been added, and a publisher could make hashing it arbitrarily slow. */
    if (len <= SUBJECT_MAX)
        HASH_FIND(hh, index->literals, subject, len, literal);
    if (literal != NULL)
        values_append(&literal->values, matches);
    collect_values(index, &index->root, subject, len, matches);
    return matches->count - before;
}

void subject_index_dispose_matches(struct subject_index_matches *matches)
{
    free(matches->values);
    *matches = (struct subject_index_matches){.values = NULL};
}
