/* metrics_page.h - /metrics: all counters and gauges in the text format of Prometheus */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_METRICS_PAGE_H
#define GATEWAY_HTTP_ADMIN_METRICS_PAGE_H

struct exchange;

/* Prometheus text format 0.0.4. */
void metrics_page_answer(struct exchange *exchange);

#endif
