/* console.h - the console page on the admin listener, and what the page is told of the gateway */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_CONSOLE_H
#define GATEWAY_HTTP_ADMIN_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;

/*
 * With admin.console, first thing after the probes. Answers GET / and
 * /assets/…, to anybody, and refuses (403) what a page of somebody else made a
 * browser ask: requests of another origin, and, where no token stands in the
 * way, those that do not name a loopback host, as after DNS rebinding. False:
 * nothing was answered.
 */
bool console_answer_page(struct exchange *exchange);

/*
 * With admin.console, to whoever has shown the token, if there is one, and what
 * is none of the listener's own paths: GET /console.json, and the configured
 * routes just as on the public listeners, auth included. False: nothing was
 * answered.
 */
bool console_answer(struct exchange *exchange);

/* JSON: where the page finds what it shows, and the routes. */
void console_send_info(struct exchange *exchange);

#endif
