/* slow_readers_account.h - what one reader has received, and whether its next event may follow */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_STRESS_SLOW_READERS_ACCOUNT_H
#define TESTS_STRESS_SLOW_READERS_ACCOUNT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/json_text.h"
#include "tests/support/sse_parser.h"

/* The payload of a message is "NUMBER …", and its id has the same number, shifted by a constant. */
struct account_ids {
    char prefix[48]; /* with the dash; "" until the first event has shown it */
    unsigned long offset;
    size_t size; /* of a payload */
};

struct account {
    unsigned long next;         /* number; 0: any */
    char cursor[64], last[192]; /* the id to resume from; the latest event, for a message */
    bool may_skip;              /* a gap is allowed */
    bool has_gap;               /* one has come, and no message since */
    char announced[64];         /* the id that the gap named, or "" */
};

static void account_id(const struct account_ids *ids, unsigned long number, char *id, size_t size)
{
    snprintf(id, size, "%s%lu", ids->prefix, number + ids->offset);
}

static const char *account_gap(struct account *account, const struct sse_parsed_event *event)
{
    const char *last = json_field(event->data, "last"), *next = json_field(event->data, "next");

    if (!account->may_skip)
        return "a gap";
    if (last == NULL || next == NULL)
        return "a gap that says nothing";
    if (account->cursor[0] != '\0' && strcmp(last, account->cursor) != 0)
        return "a gap after another id than the reader's";
    snprintf(account->announced, sizeof(account->announced), "%s", strcmp(next, "null") != 0 ? next : "");
    account->has_gap = true;
    return NULL;
}

static void account_learn_ids(struct account_ids *ids, unsigned long number, const char *id)
{
    const char *dash = strchr(id, '-');

    if (dash == NULL)
        return;
    snprintf(ids->prefix, sizeof(ids->prefix), "%.*s", (int)(dash - id + 1), id);
    ids->offset = strtoul(dash + 1, NULL, 10) - number;
}

static const char *account_message(struct account *account, struct account_ids *ids,
                                   const struct sse_parsed_event *event)
{
    unsigned long number = strtoul(event->data, NULL, 10), expected = account->next;
    char id[96];

    if (ids->prefix[0] == '\0')
        account_learn_ids(ids, number, event->id);
    account_id(ids, number, id, sizeof(id));
    if (strcmp(event->id, id) != 0)
        return "not the id of that number";
    if (event->data_len != ids->size)
        return "not the size that was published";
    if (number < expected)
        return "again";
    if (number > expected && expected != 0 && !account->has_gap)
        return "lost before";
    if (number == expected && account->has_gap)
        return "a gap, and nothing is missing";
    if (account->announced[0] != '\0' && strcmp(event->id, account->announced) != 0)
        return "not what the gap has announced";
    account->next = number + 1;
    account->has_gap = false;
    account->announced[0] = '\0';
    return NULL;
}

/* NULL, or what is wrong with the event. */
static const char *account_event(struct account *account, struct account_ids *ids, const struct sse_parsed_event *event)
{
    const char *fault = "not a message";

    snprintf(account->last, sizeof(account->last), "%.7s %.20s… with id %.40s", event->name, event->data, event->id);
    if (strcmp(event->name, "freshet.gap") == 0)
        fault = account_gap(account, event);
    else if (strcmp(event->name, "message") == 0)
        fault = account_message(account, ids, event);
    snprintf(account->cursor, sizeof(account->cursor), "%.*s", (int)sizeof(account->cursor) - 1, event->id);
    return fault;
}

#endif
