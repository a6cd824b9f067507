/* limits.c - a gateway with limits, and checks of its answers at a limit */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/limits.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/sandbox.h"

void limits_start(struct rig *rig, const char *limits, enum http_mode mode, unsigned workers)
{
    char *yaml = text_format("limits: {%s}\n" LIMITS_REST, limits);

    rig_start_workers(rig, yaml, workers);
    http_client_destroy(rig->client);
    rig->client = http_client_create(rig->gateway, mode);
    free(yaml);
}

const char *limits_require_problem(struct http_stream *stream, int status, const char *part)
{
    REQUIRE(http_wait_end(stream));
    REQUIRE(stream->status == status, "%d: %s", stream->status, stream->body);
    REQUIRE_STR(http_header(stream, "content-type"), "application/problem+json");
    REQUIRE(strstr(stream->body, part) != NULL, "%s", stream->body);
    return http_header(stream, "retry-after");
}

void limits_require_retry(struct http_stream *stream)
{
    REQUIRE(http_wait_end(stream));
    REQUIRE(stream->status == 200 && stream->result == CURLE_OK, "%d: %s", stream->status, stream->body);
    REQUIRE_STR(http_header(stream, "content-type"), "text/event-stream; charset=utf-8");
    REQUIRE(stream->log.parser.retry_ms >= 3750 && stream->log.parser.retry_ms <= 6250, "%s", stream->body);
    REQUIRE(stream->log.count == 0, "%s", stream->body);
}
