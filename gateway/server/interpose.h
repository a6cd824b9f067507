/* interpose.h - finds the function of a library that one of the program's own stands in front of */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_INTERPOSE_H
#define GATEWAY_SERVER_INTERPOSE_H

#include <stdatomic.h>

/*
 * libh2o calls the functions it exports through its symbol table, so one of
 * the same name in the program is called instead, by libh2o too. Returns the
 * library's own, which the program's calls in turn; never NULL. `cache` starts
 * as NULL and belongs to the caller's function. Any thread.
 */
void *interpose_next(_Atomic(void *) *cache, const char *name);

#endif
