/* address_limits.h - what each client address holds and may still have, across all workers */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_ADDRESS_LIMITS_H
#define GATEWAY_CORE_ADDRESS_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

struct address_account;
struct address_limits;
struct config_limits;
struct ip;

/* Estimates of what holding one costs: measured, with libh2o's buffers and OpenSSL's. */
#define ADDRESS_BYTES_TLS_CONNECTION 28000u
#define ADDRESS_BYTES_CLEAR_CONNECTION 9000u
#define ADDRESS_BYTES_REQUEST 5000u

/*
 * One per process, any thread; touched when a connection or a request begins
 * and when it ends, never in between. A client is an address as ip_of_client
 * has it. It has an entry only while it holds something or its bucket fills up
 * again, and there are at most ADDRESSES_MAX of them: those that come when the
 * table is full share one entry and its limits. While no limit per address is
 * configured, the table stays empty.
 */
#define ADDRESSES_MAX (1u << 18)
struct address_limits *address_limits_create(const struct config_limits *config);
/* Applies from now on. An address that holds more than the new limits keeps it. */
void address_limits_set_limits(struct address_limits *limits, const struct config_limits *config);
/* Everything has been given back. NULL is fine. */
void address_limits_destroy(struct address_limits *limits);
/* Frees idle entries. Called periodically. */
void address_limits_sweep(struct address_limits *limits, int64_t now_ns);
/* How many entries there are. For tests. */
unsigned address_limits_count(struct address_limits *limits);

enum address_use { ADDRESS_CONNECTION = 0, ADDRESS_REQUEST };
enum address_verdict { ADDRESS_OK = 0, ADDRESS_OVER_CONNECTIONS, ADDRESS_OVER_STREAMS, ADDRESS_OVER_MEMORY };

/*
 * One more connection or request of an address, and `bytes` that it holds.
 * OK: *account, which may be NULL, is given back with address_limits_give, with the
 * same use and bytes. Otherwise nothing is held.
 */
enum address_verdict address_limits_take(struct address_limits *limits, const struct ip *ip, enum address_use use,
                                         uint64_t bytes, int64_t now_ns, struct address_account **account);
void address_limits_give(struct address_account *account, enum address_use use, uint64_t bytes, int64_t now_ns);

/*
 * For a request that is held: it becomes a stream, and stays one until
 * address_limits_end_stream, which comes before address_limits_give. False: the address has as
 * many as it may. account NULL: always true.
 */
bool address_limits_begin_stream(struct address_account *account);
void address_limits_end_stream(struct address_account *account);

#endif
