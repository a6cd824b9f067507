/* scrape.c - one number of the gateway's metrics */
/* SPDX-License-Identifier: MIT */
#include "tests/support/scrape.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/gateway_fixture.h"
#include "tests/support/raw_http.h"
#include "tests/support/sandbox.h"

uint64_t scrape(const struct gateway *gateway, const char *series)
{
    struct raw_http *raw = raw_http_connect(gateway->admin_port);
    char *line = text_format("\n%s ", series);
    const char *at;
    uint64_t value;

    raw_http_send(raw, "GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    if (!raw_http_wait_close(raw) || (at = strstr(raw->text, line)) == NULL)
        fixture_fail("no %s in the metrics: %s", series, raw->text);
    value = strtoull(at + strlen(line), NULL, 10);
    free(line);
    raw_http_destroy(raw);
    return value;
}

uint64_t scrape_rejected(const struct gateway *gateway, const char *reason)
{
    char *series = text_format("freshet_rejected_total{reason=\"%s\"}", reason);
    uint64_t value = scrape(gateway, series);

    free(series);
    return value;
}

bool scrape_wait_rejected(const struct gateway *gateway, const char *reason, uint64_t least)
{
    int64_t deadline = deadline_in(10000);

    while (scrape_rejected(gateway, reason) < least) {
        if (now_ms() > deadline)
            return false;
        sleep_ms(20);
    }
    return true;
}
