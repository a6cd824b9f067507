/* metric_routes.h - the routes on which tests move the metrics */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_METRIC_ROUTES_H
#define TESTS_SUPPORT_METRIC_ROUTES_H

#define METRIC_ROUTES                                                                                                  \
    "  - {path: /m, subjects: [\"m.a\"]}\n"                                                                            \
    "  - {path: /pick, allow: [\"m.>\"]}\n"                                                                            \
    "  - {path: /strict, subjects: [\"m.slow\"]}\n"                                                                    \
    "  - {path: /skip, subjects: [\"m.slow\"], slow: skip}\n"                                                          \
    "  - {path: /post, subjects: [\"m.post\"], publish: true}\n"

#endif
