/* metrics_page.h - /metrics: all that is counted, as Prometheus reads it */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_METRICS_PAGE_H
#define GATEWAY_HTTP_ADMIN_METRICS_PAGE_H

struct app;
struct st_h2o_req_t;

/* Prometheus text format 0.0.4. */
void metrics_page_answer(struct app *app, struct st_h2o_req_t *req);

#endif
