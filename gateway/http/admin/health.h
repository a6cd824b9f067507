/* health.h - /livez and /readyz, for orchestrators */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_HEALTH_H
#define GATEWAY_HTTP_ADMIN_HEALTH_H

#include <stdbool.h>

struct exchange;

/* 200 "alive", or 503 when some worker's loop has stood still for LIVENESS_STUCK_NS. */
void health_answer_live(struct exchange *exchange, bool in_full);

/*
 * Could a new reader be served now? 200 "ready" and a line for each check, or
 * 503 with the faults as `detail` and the checks as `checks` of the problem. Not
 * in_full, for a request without the token: the status and one word.
 */
void health_answer_ready(struct exchange *exchange, bool in_full);

#endif
