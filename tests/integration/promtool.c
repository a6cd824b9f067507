/* promtool.c - Prometheus' own tool accepts our metrics and alert rules */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

TestSuite(promtool, .timeout = 60);

static char said[8192];

/* Its exit code; what it prints is in `said`. promtool is in Debian's package prometheus. */
static int promtool(const char *arguments)
{
    char *command = text_format("promtool %s 2>&1", arguments);
    FILE *pipe = popen(command, "r");
    size_t len = fread(said, 1, sizeof(said) - 1, pipe);

    said[len] = '\0';
    free(command);
    return pclose(pipe);
}

Test(promtool, metrics)
{
    char *path = text_format("%s/metrics", sandbox_dir()), *arguments = text_format("check metrics <'%s'", path);
    struct rig rig;
    struct http_client *scraper;
    struct http_stream *stream, *metrics;

    rig_start(&rig, "admin: {address: \"127.0.0.1:0\"}\nroutes:\n  - {path: /s, subjects: [\"s\"]}\n");
    scraper = http_client_create_admin(rig.gateway, HTTP_H1C);
    REQUIRE((stream = http_open_ready(rig.client, "/s", NULL)) != NULL);
    publish(rig.publisher, "s", "x");
    REQUIRE(http_wait_events(stream, 1));
    metrics = http_request(scraper, "GET", "/metrics", NULL, NULL);
    REQUIRE(metrics->status == 200 && metrics->body_kept == metrics->body_len);
    sandbox_write(path, metrics->body);
    REQUIRE(promtool(arguments) == 0 && said[0] == '\0', "%s", said);
    http_client_destroy(scraper);
    rig_stop(&rig);
    free(arguments);
    free(path);
}

Test(promtool, rules)
{
    cr_assert_eq(promtool("check rules '" FRESHET_SOURCE_DIR "/packaging/prometheus/freshet.rules.yml'"), 0, "%s",
                 said);
}
