/* hidden.h - which subjects of the configuration are for no client */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_HIDDEN_H
#define GATEWAY_SERVER_HIDDEN_H

#include <stdbool.h>

struct config;

/*
 * Questions to microservices have everybody's claims and headers in them, and
 * presence has names: from here on no stream carries them and no client
 * publishes there. One thread at a time. False: there have been too many, by
 * HIDDEN_TOO_MANY.
 */
#define HIDDEN_TOO_MANY "too many different subjects of auth.request and presence"
bool hidden_declare(const struct config *config);

#endif
