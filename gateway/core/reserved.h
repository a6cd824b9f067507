/* reserved.h - subjects that no stream carries and no client publishes to */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_RESERVED_H
#define GATEWAY_CORE_RESERVED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Three kinds: those that begin with '$' or '_', which are the broker's; those
 * by which operators tell all gateways something; and those that were declared,
 * for they carry claims, headers or names. Any thread, unless it says otherwise.
 */

/*
 * From now on this subject is reserved, or all that a checked pattern matches.
 * Copied, and never taken back. One thread at a time. False: there are too many.
 */
#define RESERVED_MAX 96u
bool reserved_declare(const char *pattern);

bool reserved_is_declared(const char *subject, size_t len);
/* What operators tell all gateways: freshet.control. and more. */
bool reserved_is_control(const char *subject, size_t len);
/* Any of the three. */
bool reserved_has(const char *subject, size_t len);

/*
 * Can the pattern match a reserved subject? Most can't, and what they match
 * needs no judgement of its own. *judged keeps the answer, 0 at first, for as
 * long as nothing more is declared: asking again costs two loads then.
 */
bool reserved_may_match(const char *pattern, size_t len, _Atomic uint32_t *judged);

#endif
