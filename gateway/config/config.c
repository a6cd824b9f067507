/* config.c - the configuration file, read and checked as a whole */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "gateway/base/check.h"
#include "gateway/config/config_check.h"
#include "gateway/config/config_effective.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_schema.h"
#include "gateway/config/config_walk.h"

/* Far beyond any configuration; what is larger was meant for something else. */
#define FILE_MAX_BYTES (4u << 20)

/* The first line number in what libcyaml says: the innermost of its backtrace. */
__attribute__((format(printf, 3, 0))) static void on_cyaml_log(cyaml_log_t level, void *arg, const char *format,
                                                               va_list args)
{
    char message[512];
    const char *found;
    size_t *line = arg;

    (void)level;
    vsnprintf(message, sizeof(message), format, args);
    found = strstr(message, "(line: ");
    if (*line == 0 && found != NULL)
        *line = strtoul(found + strlen("(line: "), NULL, 10);
}

static void *cyaml_memory(void *unused, void *p, size_t size)
{
    (void)unused;
    if (size != 0)
        return check_realloc(p, size);
    free(p);
    return NULL;
}

/* Reader errors (bytes that are not UTF-8) come with an offset only. */
static size_t line_of_problem(const yaml_parser_t *parser, const char *yaml, size_t len)
{
    size_t line = 1;

    if (parser->error != YAML_READER_ERROR)
        return parser->problem_mark.line + 1;
    for (size_t i = 0; i < len && i < parser->problem_offset; ++i)
        line += yaml[i] == '\n';
    return line;
}

/* The one document of the text; false, and a report, when it is not YAML or there are several. */
static bool parse_document(struct config_report *report, const char *yaml, size_t len, yaml_document_t *document)
{
    yaml_document_t second;
    yaml_parser_t parser;
    const yaml_node_t *root;
    bool ok, is_alone;

    CHECK(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, len);
    ok = yaml_parser_load(&parser, document) != 0;
    if (ok && yaml_document_get_root_node(document) != NULL) {
        is_alone = yaml_parser_load(&parser, &second) != 0;
        root = is_alone ? yaml_document_get_root_node(&second) : NULL;
        if (root != NULL)
            config_report_at(report, root->start_mark.line + 1, "", "a second YAML document begins; one is wanted");
        if (is_alone)
            yaml_document_delete(&second);
        if (!is_alone)
            yaml_document_delete(document);
        ok = is_alone;
    }
    if (!ok)
        config_report_at(report, line_of_problem(&parser, yaml, len), "", "not valid YAML: %s%s%s",
                         parser.problem != NULL ? parser.problem : "out of memory", parser.context != NULL ? ", " : "",
                         parser.context != NULL ? parser.context : "");
    yaml_parser_delete(&parser);
    return ok;
}

static struct config *load_and_check(struct config_report *report, const char *folder, const char *yaml, size_t len)
{
    size_t line = 0;
    const cyaml_config_t cyaml = {
        .log_fn = on_cyaml_log, .log_ctx = &line, .mem_fn = cyaml_memory, .log_level = CYAML_LOG_ERROR};
    cyaml_data_t *raw = NULL;
    struct config *config;
    cyaml_err_t err;

    config_walk(report, &config_schema);
    if (report->count != 0)
        return NULL;
    err = cyaml_load_data((const uint8_t *)yaml, len, &cyaml, &config_schema, &raw, NULL);
    if (err != CYAML_OK) {
        /* Not what libcyaml says in detail: there may be a password in it. */
        config_report_at(report, line, "", "cannot be loaded: %s", cyaml_strerror(err));
        return NULL;
    }
    config = config_check(report, folder, raw);
    config->effective = config_effective(raw);
    cyaml_free(&cyaml, &config_schema, raw, 0);
    return config;
}

static struct config *parse(const char *name, const char *folder, const char *yaml, size_t len,
                            config_error_fn on_error, void *arg)
{
    struct config_report report = {.name = name, .on_error = on_error, .arg = arg};
    yaml_document_t document;
    struct config *config;

    if (!parse_document(&report, yaml, len, &document))
        return NULL;
    report.document = &document;
    config = load_and_check(&report, folder, yaml, len);
    yaml_document_delete(&document);
    if (report.count != 0) {
        config_destroy(config);
        return NULL;
    }
    return config;
}

struct config *config_parse(const char *name, const char *yaml, size_t len, config_error_fn on_error, void *arg)
{
    return parse(name, "", yaml, len, on_error, arg);
}

/* Up to FILE_MAX_BYTES + 1 bytes of it, for the caller to free; NULL and errno. */
static char *read_file(const char *file, size_t *len)
{
    char *bytes;
    ssize_t n = 1;
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return NULL;
    bytes = check_malloc(FILE_MAX_BYTES + 1);
    *len = 0;
    while (n != 0 && *len <= FILE_MAX_BYTES) {
        n = read(fd, bytes + *len, FILE_MAX_BYTES + 1 - *len);
        if (n < 0 && errno != EINTR)
            break;
        *len += n > 0 ? (size_t)n : 0;
    }
    if (n < 0) {
        int saved_errno = errno;

        free(bytes);
        bytes = NULL;
        errno = saved_errno;
    }
    close(fd);
    return bytes;
}

struct config *config_load(const char *file, config_error_fn on_error, void *arg)
{
    struct config_report report = {.name = file, .on_error = on_error, .arg = arg};
    const char *slash = strrchr(file, '/');
    struct config *config = NULL;
    char *folder, *yaml;
    size_t len;

    yaml = read_file(file, &len);
    if (yaml == NULL) {
        config_report(&report, "", "cannot be read: %s", strerror(errno));
        return NULL;
    }
    folder = check_strdup(file);
    folder[slash != NULL ? slash + 1 - file : 0] = '\0';
    if (len > FILE_MAX_BYTES)
        config_report(&report, "", "is larger than 4 MiB");
    else
        config = parse(file, folder, yaml, len, on_error, arg);
    free(folder);
    free(yaml);
    return config;
}

static void free_strings(char **strings, unsigned count)
{
    for (unsigned i = 0; i != count; ++i)
        free(strings[i]);
    free(strings);
}

static void dispose_route(struct config_route *route)
{
    free(route->path);
    free_strings(route->subjects, route->subjects_count);
    free_strings(route->allow, route->allow_count);
    free_strings(route->cors.origins, route->cors.origins_count);
    free(route->history.stream);
    free_strings(route->headers, route->headers_count);
    config_auth_dispose(&route->auth);
    free(route->presence);
}

static void dispose_stream(struct config_stream *stream)
{
    for (unsigned i = 0; i != stream->subjects_count; ++i)
        free((char *)(uintptr_t)stream->subjects[i]);
    free(stream->subjects);
}

static void dispose_nats(struct config_nats *nats)
{
    free(nats->url);
    free(nats->user);
    free(nats->password);
    free(nats->token);
    free(nats->credentials);
    free(nats->name);
    free(nats->tls.ca);
    free(nats->tls.certificate);
    free(nats->tls.key);
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    for (unsigned i = 0; i != config->listen_count; ++i) {
        free(config->listen[i].address);
        free(config->listen[i].certificate);
        free(config->listen[i].key);
        free(config->listen[i].client_ca);
        free(config->listen[i].proxy_protocol);
        free(config->listen[i].forwarded);
    }
    free(config->listen);
    free(config->name);
    free(config->admin_address);
    free(config->admin_token);
    free_strings(config->key_files, config->key_files_count);
    dispose_nats(&config->nats);
    for (unsigned i = 0; i != config->routes_count; ++i)
        dispose_route(&config->routes[i]);
    free(config->routes);
    for (unsigned i = 0; i != config->streams_count; ++i)
        dispose_stream(&config->streams[i]);
    free(config->streams);
    free(config->effective);
    free(config);
}
