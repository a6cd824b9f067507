/* routes.h - takes a request on a configured route to what answers it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ROUTES_H
#define GATEWAY_HTTP_ROUTES_H

#include <stdbool.h>

struct exchange;

/*
 * The first route in the configuration's order whose path the request has; it
 * becomes the exchange's. False: there is none, nothing was answered.
 */
bool routes_answer(struct exchange *exchange);

#endif
