/* encode.h - turns one message into the event its channel sends */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_ENCODE_H
#define GATEWAY_CORE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/policy.h"
#include "proto/event_id.h"
#include "proto/sse.h"

struct message;

/*
 * encode_prepare decides what the event is (name, id, retry, data) and returns
 * its exact size; encode_write writes it. Between the two the message and the
 * encoding stay as they are. Any thread, one encoding per thread: it keeps
 * scratch memory for the forms (base64, CloudEvents) that need a text of
 * their own.
 *
 * Nothing of a header reaches the wire unless it is a valid event name or
 * number: a name with CR, LF or NUL, or one that begins with "freshet.", is
 * left out. A payload that is not UTF-8
 * on a text channel becomes base64 in an event named freshet.binary.
 */
struct encoding {
    struct sse_event event;
    char id[EVENT_ID_MAX];
    char *scratch;
    size_t scratch_size;
};

void encode_init(struct encoding *encoding);
void encode_dispose(struct encoding *encoding);

/* id.incarnation 0: the event has no id. */
size_t encode_prepare(struct encoding *encoding, enum policy_event event, enum policy_format format, struct event_id id,
                      const struct message *message);
size_t encode_write(char *dst, const struct encoding *encoding);

#endif
