/* console.h - the console page on the admin listener, and the JSON that the page reads about the gateway */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_CONSOLE_H
#define GATEWAY_HTTP_ADMIN_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;

/*
 * With admin.console, first thing after the probes. Answers GET / and
 * /assets/… without a token, and refuses (403) what a foreign page made a
 * browser request: requests of another origin, and, where no token is required,
 * those that don't name a loopback host, as after DNS rebinding. False: nothing
 * was answered.
 */
bool console_answer_page(struct exchange *exchange);

/*
 * With admin.console, once the token has been checked, if there is one, and for
 * paths that the listener has not answered: GET /console.json, and the
 * configured routes as on the public listeners, auth included. False: nothing
 * was answered.
 */
bool console_answer(struct exchange *exchange);

/* JSON: the routes, and the paths where the page finds its numbers. */
void console_send_info(struct exchange *exchange);

#endif
