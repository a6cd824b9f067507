/* nats_confirm.c - a round trip to the broker, and what it has refused */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/nats/nats_confirm.h"

#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/source/nats/nats_channels.h"
#include "gateway/source/nats/nats_denial.h"
#include "gateway/source/nats/nats_feed.h"
#include "gateway/source/nats/nats_own.h"
#include "gateway/source/nats/nats_publish.h"
#include "gateway/source/nats/nats_questions.h"
#include "gateway/source/nats/nats_state.h"

/* Only the last refusal is noted; reports keep their order, so with its report all others are there. */
static void await_denials(struct nats_source *source, const struct publish *publishes)
{
    char text[NATS_ERROR_TEXT_MAX];
    struct nats_refused refused;
    if (!nats_denial_noted(source->connection, text) || !nats_denial_parse(text, &refused))
        return;
    unsigned expected = refused.is_publish ? nats_publish_count_denied(publishes, &refused)
                                           : nats_channels_count_denied(source, &refused);
    nats_inbox_await_denials(&source->inbox, text, expected, clock_mono_ns() + OPEN_WAIT_MS * NS_PER_MS);
}

static void handle_denial(struct nats_source *source, const char *text, struct publish *publishes)
{
    struct nats_refused refused;
    bool is_known = nats_denial_parse(text, &refused);
    if (!is_known || refused.is_publish)
        log_write_limited(LOG_WARN, "nats-refused", log_str("reason", text));
    if (!is_known)
        return;
    if (refused.is_publish) {
        nats_publish_deny(publishes, &refused);
        nats_questions_fail(source, &refused);
    } else {
        nats_own_denied(source, &refused);
        nats_channels_deny(source, &refused);
    }
}

void nats_confirm_denials(struct nats_source *source, struct nats_denial *denials, struct publish *publishes)
{
    CHECK_THREAD(source);
    for (struct nats_denial *denial = denials, *next; denial != NULL; denial = next) {
        next = denial->next;
        handle_denial(source, denial->text, publishes);
        free(denial);
    }
}

bool nats_confirm(struct nats_source *source, struct publish *publishes, int64_t ms)
{
    CHECK_THREAD(source);
    bool confirmed = natsConnection_FlushTimeout(source->connection, ms) == NATS_OK;
    if (confirmed) {
        nats_feed_free_retired(source);
        await_denials(source, publishes);
    }
    nats_confirm_denials(source, nats_inbox_take_denials(&source->inbox), publishes);
    return confirmed;
}
