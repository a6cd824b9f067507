/* subject.h - NATS subjects: validation, matching and cover */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_SUBJECT_H
#define PROTO_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * NATS docs, "Subject-Based Messaging": tokens separated by '.', '*' stands
 * for exactly one token, '>' as the last token for one or more. Freshet is
 * stricter than the server: at most SUBJECT_MAX bytes and SUBJECT_TOKENS_MAX
 * tokens, valid UTF-8, no blank or control byte, and nothing that begins with
 * '$' or '_' (server, JetStream and inbox subjects).
 */
#define SUBJECT_MAX 256
#define SUBJECT_TOKENS_MAX 32

enum subject_verdict {
    SUBJECT_OK = 0,
    SUBJECT_EMPTY,
    SUBJECT_TOO_LONG,
    SUBJECT_TOO_MANY_TOKENS,
    SUBJECT_EMPTY_TOKEN,
    SUBJECT_BLANK,
    SUBJECT_CONTROL,
    SUBJECT_NOT_UTF8,
    SUBJECT_RESERVED,
    SUBJECT_WILDCARD,           /* a wildcard where a literal is wanted */
    SUBJECT_MISPLACED_WILDCARD, /* '>' not last, or a wildcard glued to other characters */
};

/* What a verdict means, for an error message: "has an empty token". Static storage. */
const char *subject_verdict_text(enum subject_verdict verdict);

enum subject_verdict subject_check_literal(const char *s, size_t len);
enum subject_verdict subject_check_pattern(const char *s, size_t len);
/* Exactly one literal token: what a path parameter may expand to. '$' and '_' may begin it: it may not be the first. */
enum subject_verdict subject_check_token(const char *s, size_t len);

bool subject_is_reserved(const char *s, size_t len); /* begins with '$' or '_' */
bool subject_has_wildcard(const char *s, size_t len);

/*
 * The following take subjects and patterns that passed a check above.
 * matches: the literal subject is one of those the pattern stands for.
 * covers: every subject that b stands for, a stands for too (the access check).
 * overlaps: at least one subject is matched by both.
 */
bool subject_matches(const char *pattern, size_t pattern_len, const char *subject, size_t subject_len);
bool subject_covers(const char *a, size_t a_len, const char *b, size_t b_len);
bool subject_overlaps(const char *a, size_t a_len, const char *b, size_t b_len);
/* One of the patterns, NUL terminated, covers b. */
bool subject_any_covers(const char *const *patterns, size_t count, const char *b, size_t b_len);

#endif
