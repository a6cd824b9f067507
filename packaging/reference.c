/* reference.c - writes docs/configuration.md with the table of all keys as options.def has it */
/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "gateway/config/config_reference.h"

/*
 * usage: freshet-reference docs/configuration.md
 * The document goes to stdout with what stands between these two lines replaced; exit code 1 and a reason when it can't
 * be read, or lacks one of them. `cmake --build build --target docs` puts the result in its place.
 */
#define BEGIN "<!-- all keys: written by `cmake --build build --target docs` from gateway/config/options.def -->\n"
#define END "<!-- end of all keys -->\n"

/* A bar would end the cell. */
static void put_cell(const char *text)
{
    for (const char *p = text; *p != '\0'; ++p) {
        if (*p == '|')
            putchar('\\');
        putchar(*p);
    }
}

static void put_row(void *arg, const struct config_reference *row)
{
    (void)arg;
    printf("| `%s` | ", row->path);
    put_cell(row->type);
    if (row->is_required)
        fputs(" | required | ", stdout);
    else if (*row->builtin == '\0')
        fputs(" | – | ", stdout);
    else
        printf(" | `%s` | ", row->builtin);
    put_cell(row->help);
    fputs(" |\n", stdout);
}

static void put_table(void)
{
    /* Blank lines: not every reader of Markdown lets a comment and a table touch. */
    fputs("\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n", stdout);
    config_reference_each(put_row, NULL);
    putchar('\n');
}

/* Copies lines up to the wanted one, and that one too; without copying them if is_old. False: it never comes. */
static bool pass_until(FILE *in, const char *wanted, bool is_old)
{
    char line[8192];
    bool begins_line = true;

    while (fgets(line, sizeof(line), in) != NULL) {
        bool found = wanted != NULL && begins_line && strcmp(line, wanted) == 0;
        begins_line = strchr(line, '\n') != NULL;
        if (!is_old || found)
            fputs(line, stdout);
        if (found)
            return true;
    }
    return wanted == NULL;
}

static const char *write_document(FILE *in)
{
    if (!pass_until(in, BEGIN, false))
        return "lacks this line: " BEGIN;
    put_table();
    if (!pass_until(in, END, true))
        return "lacks this line: " END;
    pass_until(in, NULL, false);
    return ferror(in) != 0 || fflush(stdout) != 0 || ferror(stdout) != 0 ? "read or write error\n" : NULL;
}

int main(int argc, char **argv)
{
    FILE *in = argc == 2 ? fopen(argv[1], "r") : NULL;
    const char *fault = "can't be opened\n";

    if (argc != 2) {
        fputs("usage: freshet-reference docs/configuration.md\n", stderr);
        return 1;
    }
    if (in != NULL) {
        fault = write_document(in);
        fclose(in);
    }
    if (fault != NULL)
        fprintf(stderr, "%s: %s", argv[1], fault);
    return fault != NULL;
}
