/* config.c - the configuration file, read and checked as a whole */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "gateway/base/check.h"
#include "gateway/config/config_check.h"
#include "gateway/config/config_read.h"
#include "gateway/config/config_report.h"
#include "gateway/config/config_show.h"
#include "gateway/config/config_table.h"

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
    yaml_parser_t parser;
    CHECK(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, len);
    bool ok = yaml_parser_load(&parser, document) != 0;
    if (ok && yaml_document_get_root_node(document) != NULL) { /* else config_read reports it */
        /* libyaml stops behind the first document: without a second load whatever follows would go unnoticed. */
        yaml_document_t second;
        bool is_alone = yaml_parser_load(&parser, &second) != 0;
        const yaml_node_t *root = is_alone ? yaml_document_get_root_node(&second) : NULL;
        if (root != NULL)
            config_report_at(report, root->start_mark.line + 1, "",
                             "a second YAML document begins; only one is allowed");
        if (is_alone)
            yaml_document_delete(&second);
        if (!is_alone)
            yaml_document_delete(document); /* what follows it is no YAML: then neither counts */
        ok = is_alone;
    }
    if (!ok)
        config_report_at(report, line_of_problem(&parser, yaml, len), "", "not valid YAML: %s%s%s",
                         parser.problem != NULL ? parser.problem : "out of memory", parser.context != NULL ? ", " : "",
                         parser.context != NULL ? parser.context : "");
    yaml_parser_delete(&parser);
    return ok;
}

static struct config *read_and_check(struct config_report *report, const char *folder)
{
    struct config *config = check_calloc(1, sizeof(*config));
    if (config_read(report, folder, config))
        config_check(report, config);
    /* nothing is half loaded: there is no gateway with a part of what the file says */
    if (report->count != 0) {
        config_destroy(config);
        return NULL;
    }
    config->effective = config_show(report->document); /* now: the document goes when this returns */
    return config;
}

static struct config *parse(const char *name, const char *folder, const char *yaml, size_t len,
                            config_error_fn on_error, void *arg)
{
    struct config_report report = {.name = name, .on_error = on_error, .arg = arg};
    yaml_document_t document;
    if (!parse_document(&report, yaml, len, &document))
        return NULL;
    report.document = &document;
    struct config *config = read_and_check(&report, folder);
    yaml_document_delete(&document);
    return config;
}

struct config *config_parse(const char *name, const char *yaml, size_t len, config_error_fn on_error, void *arg)
{
    return parse(name, "", yaml, len, on_error, arg);
}

/* Up to CONFIG_FILE_MAX + 1 bytes of it, for the caller to free; NULL and errno. */
static char *read_file(const char *file, size_t *len)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    /* One byte more than allowed tells a file that is too large from one that just fits. */
    char *bytes = check_malloc(CONFIG_FILE_MAX + 1);
    ssize_t n = 1;
    *len = 0;
    while (n != 0 && *len <= CONFIG_FILE_MAX) {
        n = read(fd, bytes + *len, CONFIG_FILE_MAX + 1 - *len);
        if (n < 0 && errno != EINTR)
            break;
        *len += n > 0 ? (size_t)n : 0;
    }
    if (n < 0) {
        int saved_errno = errno; /* close may change what the caller reports */
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
    size_t len;
    char *yaml = read_file(file, &len);
    if (yaml == NULL) {
        config_report_at(&report, 0, "", "cannot be read: %s", strerror(errno));
        return NULL;
    }
    const char *slash = strrchr(file, '/');
    char *folder = check_strdup(file);
    folder[slash != NULL ? slash + 1 - file : 0] = '\0';
    struct config *config = NULL;
    if (len > CONFIG_FILE_MAX)
        config_report_at(&report, 0, "", "is larger than 4 MiB");
    else
        config = parse(file, folder, yaml, len, on_error, arg);
    free(folder);
    free(yaml);
    return config;
}

const struct config_route *config_find_route(const struct config *config, const char *path)
{
    for (unsigned i = 0; i != config->routes_count; ++i) {
        if (strcmp(config->routes[i].path, path) == 0)
            return &config->routes[i];
    }
    return NULL;
}

static void dispose_stream(struct config_stream *stream)
{
    for (unsigned i = 0; i != stream->subjects_count; ++i)
        free((char *)(uintptr_t)stream->subjects[i]);
    free(stream->subjects);
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    for (unsigned i = 0; i != config->streams_count; ++i)
        dispose_stream(&config->streams[i]);
    free(config->streams);
    free(config->key_files); /* the names in it belong to the routes */
    config_table_dispose(CONFIG_TOP, config);
    free(config->effective);
    free(config);
}
