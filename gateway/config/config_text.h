/* config_text.h - values of the configuration that are kept as text: is it what its type says */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_TEXT_H
#define GATEWAY_CONFIG_CONFIG_TEXT_H

#include <stdbool.h>

#include "gateway/config/config_table.h"

struct ip_network;

/* No message shows a value of that type. */
bool config_text_is_secret(enum config_type type);

/* NULL when it is one, else what is wrong, to be said after the value. Static. */
const char *config_text_check(enum config_type type, const char *text);
/* The same, and which network it is. */
const char *config_text_network(const char *text, struct ip_network *network);

/* One of a list of NATS URLs, which has been checked, says tls://. */
bool config_text_uses_tls(const char *urls);
/* A subject on which gateways talk to each other: no stream carries it, and clients never publish there. */
bool config_text_is_control(const char *subject);

#endif
