/* server_tls_tickets.c - ticket keys come, seal for one period, open for two, and go */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/tls/tls_tickets.h"

#include <criterion/criterion.h>
#include <string.h>

#define PERIOD (INT64_C(1000000000) * TLS_TICKETS_PERIOD_S)
#define START INT64_C(5000000000)

static struct tls_tickets tickets = TLS_TICKETS_INITIALIZER;

static struct tls_ticket_key seal(int64_t now_ns)
{
    struct tls_ticket_key key;

    cr_assert(tls_tickets_seal(&tickets, now_ns, &key));
    return key;
}

static enum tls_tickets_found open_with(int64_t now_ns, const struct tls_ticket_key *sealed)
{
    struct tls_ticket_key key;
    enum tls_tickets_found found = tls_tickets_open(&tickets, now_ns, sealed->name, &key);

    if (found != TLS_TICKETS_UNKNOWN) {
        cr_assert_arr_eq(key.aes, sealed->aes, sizeof(key.aes));
        cr_assert_arr_eq(key.mac, sealed->mac, sizeof(key.mac));
    }
    return found;
}

static bool is_same(const struct tls_ticket_key *a, const struct tls_ticket_key *b)
{
    return memcmp(a->name, b->name, sizeof(a->name)) == 0;
}

Test(server_tls_tickets, one_key_seals_for_a_period)
{
    struct tls_ticket_key first = seal(START), later = seal(START + PERIOD - 1);

    cr_assert(is_same(&first, &later));
    cr_assert_eq(open_with(START + PERIOD - 1, &first), TLS_TICKETS_CURRENT);
}

Test(server_tls_tickets, then_a_new_one_does_and_the_old_still_opens)
{
    struct tls_ticket_key old = seal(START), new = seal(START + PERIOD);

    cr_assert_not(is_same(&old, &new));
    cr_assert_neq(memcmp(old.aes, new.aes, sizeof(old.aes)), 0);
    cr_assert_neq(memcmp(old.mac, new.mac, sizeof(old.mac)), 0);
    cr_assert_eq(open_with(START + PERIOD, &old), TLS_TICKETS_PREVIOUS);
    cr_assert_eq(open_with(START + PERIOD, &new), TLS_TICKETS_CURRENT);
    cr_assert_eq(open_with(START + 2 * PERIOD - 1, &old), TLS_TICKETS_PREVIOUS);
}

Test(server_tls_tickets, after_two_periods_a_key_opens_nothing)
{
    struct tls_ticket_key old = seal(START), new = seal(START + PERIOD + PERIOD / 2);

    cr_assert_eq(open_with(START + 2 * PERIOD, &old), TLS_TICKETS_UNKNOWN);
    cr_assert_eq(open_with(START + 2 * PERIOD, &new), TLS_TICKETS_CURRENT);
}

Test(server_tls_tickets, a_long_silence_leaves_no_key_behind)
{
    struct tls_ticket_key old = seal(START);

    cr_assert_eq(open_with(START + 10 * PERIOD, &old), TLS_TICKETS_UNKNOWN);
    cr_assert_not(tickets.current.valid);
    cr_assert_not(tickets.previous.valid);
}

Test(server_tls_tickets, a_strange_name_is_unknown)
{
    struct tls_ticket_key key = seal(START);

    key.name[TLS_TICKETS_NAME_LEN - 1] ^= 1;
    cr_assert_eq(open_with(START, &key), TLS_TICKETS_UNKNOWN);
    /* Nor does the name of a key that doesn't exist yet, all zeroes, open anything. */
    memset(key.name, 0, sizeof(key.name));
    cr_assert_eq(open_with(START, &key), TLS_TICKETS_UNKNOWN);
}
