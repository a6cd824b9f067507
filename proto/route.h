/* route.h - path templates of routes and the subjects they expand to */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_ROUTE_H
#define PROTO_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/subject.h"

/*
 * A template is a path of literal segments and {name} segments, each name
 * standing for exactly one path segment: "/events/orders/{id}". A subject
 * template is a NATS pattern in which a token may be {name}: "orders.{id}.>",
 * or the name of something that is not in the path: {token.CLAIM}, a claim of
 * the request's token (1 to ROUTE_CLAIM_MAX letters, digits and "_-.:/~"), or
 * {certificate.cn}, the common name of its connection's certificate.
 */
#define ROUTE_PATH_MAX 1024
#define ROUTE_SEGMENTS_MAX 16
#define ROUTE_PARAMS_MAX 8
#define ROUTE_NAME_MAX 32
#define ROUTE_CLAIM_MAX 64

struct route_segment {
    const char *text; /* literal text, or the parameter's name; points into the compiled path */
    size_t len;
    bool is_param;
};

struct route {
    struct route_segment segments[ROUTE_SEGMENTS_MAX];
    size_t segment_count;
    size_t param_count;
};

/*
 * Compiles path, which must outlive the route. NULL on success, else what is
 * wrong, for an error message (static storage): does not begin with '/',
 * contains '?', '#' or '%', an empty segment, a brace that is not a whole
 * segment, a bad or repeated name (letters, digits, '_', no digit first), too
 * many segments or parameters, over ROUTE_PATH_MAX. "/" is a valid path without
 * segments; a trailing '/' is an empty segment.
 */
const char *route_compile(struct route *route, const char *path);

struct route_params {
    size_t count;
    struct {
        const char *name; /* points into the route */
        size_t name_len;
        const char *value; /* percent-decoded; points into buf */
        size_t len;
    } entries[ROUTE_PARAMS_MAX];
    char buf[ROUTE_PATH_MAX];
};

enum route_match {
    ROUTE_MATCH = 0,
    ROUTE_NO_MATCH,
    ROUTE_BAD_ENCODING, /* the path fits but for a bad %XX in a parameter */
    ROUTE_TOO_LONG,     /* over ROUTE_PATH_MAX */
};

/*
 * Matches a request path (raw, without its query) and decodes its parameters.
 * Literal segments are compared after decoding. %2F in a parameter stays part
 * of that one segment. Parameters are not yet checked as NATS tokens: see
 * route_expand.
 */
enum route_match route_match(const struct route *route, const char *path, size_t len, struct route_params *params);

/* A plain assignment would not do: the values point into buf. */
void route_params_copy(struct route_params *dst, const struct route_params *src);

/*
 * Two templates conflict when they differ in nothing but parameter names, so
 * that neither is more specific. Otherwise route_compare orders them: < 0 when
 * a must be tried before b (at the first segment that differs in kind a
 * literal comes before a parameter).
 */
bool route_conflicts(const struct route *a, const struct route *b);
int route_compare(const struct route *a, const struct route *b);

/*
 * Checks that a subject template is a NATS pattern whose {name} tokens are all
 * parameters of the route, or one of the names above. NULL on success, else
 * what is wrong; *detail points into the template at the offending token (never
 * NULL then).
 */
const char *route_check_subject(const struct route *route, const char *subject_template, const char **detail);

/* Whether what a checked subject template expands to depends on who asks: it has a claim or a certificate's name. */
bool route_is_personal(const char *subject_template);

/* find: the value of "token.CLAIM" or "certificate.cn", valid until the next call; NULL: there is none. */
struct route_lookup {
    const char *(*find)(void *arg, const char *name, size_t name_len, size_t *len);
    void *arg;
};

struct route_expansion_error {
    const char *name; /* the parameter, points into params; or the name with a dot, points into the template */
    size_t name_len;
    enum subject_verdict verdict;
    bool personal; /* it is a name with a dot */
    bool missing;  /* … which has no value at all; verdict is then SUBJECT_EMPTY */
};

/*
 * Expands a checked subject template into dst (SUBJECT_MAX + 1 bytes, NUL
 * terminated). lookup gives the values of names with a dot; NULL: they have
 * none. False: a value is not exactly one NATS token, or the whole is too long
 * (name is then NULL and verdict SUBJECT_TOO_LONG); *error says which.
 */
bool route_expand(const char *subject_template, const struct route_params *params, const struct route_lookup *lookup,
                  char *dst, size_t *dst_len, struct route_expansion_error *error);

#endif
