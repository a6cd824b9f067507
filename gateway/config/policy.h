/* policy.h - the choices of a route that the core acts on */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_POLICY_H
#define GATEWAY_CONFIG_POLICY_H

/* history.store: where a stream's past comes from. */
enum policy_store { POLICY_STORE_MEMORY = 0, POLICY_STORE_NONE, POLICY_STORE_JETSTREAM };
/* slow: what happens to a stream whose client reads less than is published. */
enum policy_slow { POLICY_SLOW_DISCONNECT = 0, POLICY_SLOW_SKIP, POLICY_SLOW_LATEST };
/* event: where an event's name comes from. */
enum policy_event { POLICY_EVENT_NONE = 0, POLICY_EVENT_SUBJECT, POLICY_EVENT_HEADER };
/* format: how a message's payload becomes an event's data. */
enum policy_format { POLICY_FORMAT_TEXT = 0, POLICY_FORMAT_BASE64, POLICY_FORMAT_CLOUDEVENTS };

#endif
