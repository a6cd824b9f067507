/* scrape.h - one number of the gateway's metrics */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SCRAPE_H
#define TESTS_SUPPORT_SCRAPE_H

#include <stdbool.h>
#include <stdint.h>

struct gateway;

/* The value of "name" or `name{label="value"}`, over the admin listener, which has to be configured. */
uint64_t scrape(const struct gateway *gateway, const char *series);
/* freshet_rejected_total of that reason. */
uint64_t scrape_rejected(const struct gateway *gateway, const char *reason);
/* Waits until it is at least that much. */
bool scrape_wait_rejected(const struct gateway *gateway, const char *reason, uint64_t least);

#endif
