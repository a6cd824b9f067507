/* main.c - command line, and the exit code */
/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "gateway/base/log.h"
#include "gateway/server/dev/dev_broker.h"
#include "gateway/server/server.h"
#include "gateway/server/process/signals.h"
#include "gateway/source/jetstream/dev_stream.h"

#define DEV_CERTIFICATE "certs/dev/server.crt"
#define DEV_KEY "certs/dev/server.key"
#define DEV_STREAM "DEMO"
#define DEV_STREAM_SUBJECTS "demo.durable.>"

static const char help[] = "freshet " FRESHET_VERSION " - NATS subjects as Server-Sent Events over TLS HTTP/2\n"
                           "\n"
                           "usage: freshet --config FILE     run the gateway\n"
                           "       freshet --dev             try it: a private broker, a throw-away certificate,\n"
                           "                                 demo subjects and a page at https://localhost:8443/\n"
                           "       freshet --check --config FILE\n"
                           "                                 check FILE, print each problem, and exit 0 or 1\n"
                           "       freshet --version | --help\n"
                           "\n"
                           "  -c, --config FILE   the configuration (YAML), see docs/configuration.md\n"
                           "  -t, --check         only check it: files, certificates, templates, conflicts\n"
                           "      --dev           no file needed; for this machine only\n"
                           "  -V, --version       print the version\n"
                           "  -h, --help          print this\n"
                           "\n"
                           "environment: FRESHET_DEV_ADDRESS   where --dev listens (default " DEV_ADDRESS ")\n"
                           "\n"
                           "SIGTERM or SIGINT ends all streams, evenly over drain.window, then the process;\n"
                           "a second one ends them at once. SIGHUP reloads the configuration and the certificates.\n"
                           "Exit codes: 0 clean, 1 bad configuration or usage, 2 failed at run time.\n";

struct options {
    const char *config;
    bool check, dev;
};

static void on_config_error(void *arg, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s\n", message);
}

static int refuse_usage(const char *problem)
{
    fprintf(stderr, "freshet: %s\nTry 'freshet --help'.\n", problem);
    return SERVER_BAD_CONFIG;
}

/* >= 0: the exit code; -1: run with *options. */
static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 't'}, {"dev", no_argument, NULL, 'd'},
        {"version", no_argument, NULL, 'V'},      {"help", no_argument, NULL, 'h'},  {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "c:tVh", names, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 't':
            options->check = true;
            break;
        case 'd':
            options->dev = true;
            break;
        case 'V':
            puts("freshet " FRESHET_VERSION);
            return SERVER_CLEAN;
        case 'h':
            fputs(help, stdout);
            return SERVER_CLEAN;
        default:
            fputs("Try 'freshet --help'.\n", stderr);
            return SERVER_BAD_CONFIG;
        }
    }
    if (optind != argc)
        return refuse_usage("unexpected argument: everything is an option");
    if (options->dev && (options->config != NULL || options->check))
        return refuse_usage("--dev cannot be combined with --config or --check");
    if (!options->dev && options->config == NULL)
        return refuse_usage("--config FILE is required (or --dev, to try it)");
    return -1;
}

static int check_config(const char *file)
{
    struct config *config = config_load(file, on_config_error, NULL);
    bool ok = config != NULL && server_check(config, on_config_error, NULL);
    config_destroy(config);
    if (ok)
        printf("%s: ok\n", file);
    return ok ? SERVER_CLEAN : SERVER_BAD_CONFIG;
}

static int run_config(const char *file)
{
    struct config *config = config_load(file, on_config_error, NULL);
    /* Problems go to the terminal as they are: the log's format is not known yet. */
    if (config == NULL || !server_check(config, on_config_error, NULL)) {
        config_destroy(config);
        return SERVER_BAD_CONFIG;
    }
    log_configure(config->log.level, config->log.format);
    return server_run(config, file, NULL);
}

static struct config *dev_config(bool own_certificate)
{
    char yaml[1024];
    const char *address = getenv("FRESHET_DEV_ADDRESS");
    int len = snprintf(yaml, sizeof(yaml),
                       "drain: {window: 0}\nlisten:\n  - address: \"%s\"\n%s"
                       "routes:\n  - path: /events\n    allow: [\"demo.>\"]\n"
                       "  - path: /dev/events\n    allow: [\"demo.>\"]\n    format: cloudevents\n    retry: 1s\n"
                       "  - path: /durable/{name}\n    subjects: [\"demo.durable.{name}\"]\n"
                       "    history: {store: jetstream, stream: " DEV_STREAM "}\n",
                       address != NULL ? address : DEV_ADDRESS,
                       own_certificate ? "    certificate: " DEV_CERTIFICATE "\n    key: " DEV_KEY "\n" : "");
    if (len < 0 || (size_t)len >= sizeof(yaml))
        return NULL;
    return config_parse("--dev", yaml, (size_t)len, on_config_error, NULL);
}

static int run_dev(void)
{
    char error[512];
    /* made by certs/make-dev-certs, so that a browser may trust it already; else a throw-away one */
    bool own_certificate = access(DEV_CERTIFICATE, R_OK) == 0 && access(DEV_KEY, R_OK) == 0;
    struct config *config = dev_config(own_certificate);
    if (config == NULL)
        return SERVER_BAD_CONFIG;
    log_configure(config->log.level, config->log.format);
    struct dev_broker *broker = dev_broker_start(error, sizeof(error));
    if (broker == NULL ||
        !dev_stream_create(dev_broker_url(broker), DEV_STREAM, DEV_STREAM_SUBJECTS, error, sizeof(error))) {
        fprintf(stderr, "freshet: %s\n", error);
        dev_broker_stop(broker);
        config_destroy(config);
        return SERVER_FAILED;
    }
    struct server_dev dev = {.nats_url = dev_broker_url(broker), .certificate = !own_certificate};
    int result = server_run(config, NULL, &dev);
    dev_broker_stop(broker);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = {.config = NULL};
    int result = read_options(argc, argv, &options);
    if (result >= 0)
        return result;
    signals_block(); /* before any thread, the broker's of --dev included */
    if (options.check)
        return check_config(options.config);
    return options.dev ? run_dev() : run_config(options.config);
}
