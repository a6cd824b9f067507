/* man.c - writes the man pages: freshet(1) around the program's --help, freshet.yaml(5) from the table of options */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "gateway/config/config_reference.h"

/* What roff would take for its own: a backslash anywhere, a dot or quote at a line's begin, a minus for a hyphen. */
static void put_text(const char *text)
{
    for (const char *p = text; *p != '\0'; ++p) {
        if (p == text && (*p == '.' || *p == '\''))
            fputs("\\&", stdout);
        if (*p == '\\')
            fputs("\\e", stdout);
        else if (*p == '-')
            fputs("\\-", stdout);
        else
            putchar(*p);
    }
}

static void put_head(const char *name, const char *section, const char *what)
{
    printf(".TH %s %s \"\" \"freshet " FRESHET_VERSION "\"\n.SH NAME\n%s \\- %s\n", name, section, name, what);
}

static int write_command(void)
{
    char line[512];
    put_head("freshet", "1", "NATS subjects as Server\\-Sent Events over TLS HTTP/2");
    puts(".SH SYNOPSIS\n.B freshet\n.B \\-\\-config\n.I FILE\n.br\n.B freshet \\-\\-dev\n.br\n.B freshet \\-\\-check "
         "\\-\\-config\n.I FILE\n.SH DESCRIPTION\n.nf");
    while (fgets(line, sizeof(line), stdin) != NULL)
        put_text(line);
    puts(
        ".fi\n.SH SIGNALS\n.TP\n.BR SIGTERM \", \" SIGINT\nThe streams end one after the other over drain.window, each "
        "with a freshet.bye event and a retry: of its own, then the process. A second one, or drain.timeout, cuts that "
        "short; a third one kills.\n.TP\n.B SIGHUP\nThe configuration and all certificates are "
        "read again. Streams that are still allowed go on; a file with an error in it changes nothing.\n.SH "
        "FILES\n.TP\n.I "
        "/etc/freshet/freshet.yaml\nThe configuration of the packaged service.\n.SH SEE ALSO\n.BR freshet.yaml (5)");
    return ferror(stdin) != 0 || ferror(stdout) != 0;
}

static void put_option(void *arg, const struct config_reference *row)
{
    (void)arg;
    fputs(".TP\n.B ", stdout);
    put_text(row->path);
    fputs("\n.RI ( ", stdout);
    putchar('"');
    put_text(row->type);
    putchar('"');
    if (row->is_required) {
        fputs(" \", required)\"\n.br\n", stdout);
    } else if (*row->builtin == '\0') {
        fputs(" )\n.br\n", stdout);
    } else {
        fputs(" \", default ", stdout);
        put_text(row->builtin);
        fputs(")\"\n.br\n", stdout);
    }
    put_text(row->help);
    putchar('\n');
}

static int write_options(void)
{
    put_head("freshet.yaml", "5", "configuration of the freshet gateway");
    puts(
        ".SH DESCRIPTION\nOne YAML document. An unknown key, a bad value or a repeated key is an error that names it;\n"
        ".B freshet \\-\\-check \\-\\-config\n.I FILE\nsays what is wrong without starting anything. Durations are "
        "250ms, 15s, 5m, 1h; sizes 64KiB, 4MiB. Paths of files are relative to the file's folder.\n.SH KEYS");
    config_reference_each(put_option, NULL);
    puts(".SH SEE ALSO\n.BR freshet (1)");
    return ferror(stdout) != 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "1") == 0)
        return write_command();
    if (argc == 2 && strcmp(argv[1], "5") == 0)
        return write_options();
    fputs("usage: freshet --help | freshet-man 1, or freshet-man 5\n", stderr);
    return 1;
}
