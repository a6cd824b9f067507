/* config_presence.h - the subjects on which the routes of a configuration say who is there */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_PRESENCE_H
#define GATEWAY_CONFIG_CONFIG_PRESENCE_H

struct config_route;
struct config_scope;

/*
 * The route's path is compiled, its presence as the file has it, own or
 * inherited. Afterwards it is a template of the path's parameters, or NULL
 * where nothing is published.
 */
void config_presence_check(const struct config_scope *scope, struct config_route *route);

#endif
