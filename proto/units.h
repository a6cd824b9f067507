/* units.h - durations, sizes, numbers and RFC 3339 times from text */
/* SPDX-License-Identifier: MIT */
#ifndef PROTO_UNITS_H
#define PROTO_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All parsers are strict: the whole of s, no blanks, no sign, no overflow. False leaves *out untouched. */
bool units_parse_u64(const char *s, size_t len, uint64_t *out);

/* A whole number and one of ms, s, m, h, d: "250ms", "15s". In milliseconds; at most 10 years. "0" alone is valid. */
bool units_parse_duration(const char *s, size_t len, int64_t *ms);

/* A whole number and one of B, KiB, MiB, GiB: "64KiB"; "0" alone is valid. In bytes; at most 1 TiB. */
bool units_parse_size(const char *s, size_t len, uint64_t *bytes);

/* RFC 3339 date-time with 'Z' or an offset, fraction of a second optional. Unix time in nanoseconds, 1970..2262. */
bool units_parse_time(const char *s, size_t len, int64_t *ns);

/* RFC 3339 UTC with milliseconds, "2026-11-22T13:41:26.123Z": exactly UNITS_TIME_LEN bytes, no NUL. Years 1 to 9999. */
#define UNITS_TIME_LEN 24
void units_write_time(char *dst, int64_t unix_ms);

/* Decimal digits of v, no NUL; returns how many (at most 20). */
size_t units_write_u64(char *dst, uint64_t v);
size_t units_u64_size(uint64_t v);

#endif
