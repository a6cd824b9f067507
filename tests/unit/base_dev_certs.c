/* base_dev_certs.c - the script that makes development certificates, run for real */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/support/sandbox.h"

#define SCRIPT FRESHET_SOURCE_DIR "/certs/make-dev-certs"

static char *folder;

/* The exit code of a shell command, in which $F is the folder. */
static int run(const char *script)
{
    char *command = text_format("F='%s'; { %s; } >/dev/null 2>&1", folder, script);
    char *const argv[] = {(char *)"sh", (char *)"-c", command, NULL};
    pid_t pid = child_start(argv, NULL, NULL);
    int status = -1;

    cr_assert(child_wait(pid, deadline_in(30000), &status), "still running: %s", command);
    free(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static char *contents(const char *name)
{
    char *path = text_format("%s/%s", folder, name), *text = sandbox_read(path);

    free(path);
    cr_assert_gt(strlen(text), 0, "%s is empty or missing", name);
    return text;
}

static void expect_same(const char *name, char **before, bool same)
{
    char *now = contents(name);

    cr_expect_eq(strcmp(now, *before) == 0, same, "%s %s", name, same ? "has changed" : "is still the same");
    free(*before);
    *before = now;
}

static void start(void)
{
    folder = sandbox_path("certs");
}

static void stop(void)
{
    free(folder);
}

TestSuite(base_dev_certs, .init = start, .fini = stop);

Test(base_dev_certs, what_is_made_is_right)
{
    static const char *const keys[] = {"ca.key", "server.key"};

    cr_assert_eq(run(SCRIPT " \"$F\""), 0);
    for (size_t i = 0; i != 2; ++i) {
        char *path = text_format("%s/%s", folder, keys[i]);
        struct stat status;

        cr_assert_eq(stat(path, &status), 0);
        cr_expect_eq(status.st_mode & 0777, 0600, "%s", path);
        free(path);
    }
    cr_expect_eq(run("openssl verify -x509_strict -purpose sslserver -CAfile \"$F/ca.crt\" \"$F/server.crt\""), 0);
    cr_expect_eq(run("openssl verify -CAfile \"$F/ca.crt\" -verify_hostname localhost \"$F/server.crt\""), 0);
    cr_expect_eq(run("openssl verify -CAfile \"$F/ca.crt\" -verify_ip 127.0.0.1 \"$F/server.crt\""), 0);
    cr_expect_eq(run("openssl verify -CAfile \"$F/ca.crt\" -verify_ip ::1 \"$F/server.crt\""), 0);
    cr_expect_neq(run("openssl verify -CAfile \"$F/ca.crt\" -verify_hostname other.example \"$F/server.crt\""), 0);
    cr_expect_eq(run("openssl x509 -in \"$F/server.crt\" -noout -text | grep -q 'CA:FALSE'"), 0);
    cr_expect_eq(run("openssl x509 -in \"$F/server.crt\" -noout -checkend $((396 * 86400))"), 0);
    cr_expect_neq(run("openssl x509 -in \"$F/server.crt\" -noout -checkend $((398 * 86400))"), 0);
    cr_expect_eq(run("openssl x509 -in \"$F/ca.crt\" -noout -checkend $((3649 * 86400))"), 0);
}

Test(base_dev_certs, the_ca_vouches_for_this_machine_only)
{
    cr_assert_eq(run(SCRIPT " \"$F\""), 0);
    cr_assert_eq(run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout \"$F/x.key\" "
                     "-out \"$F/x.crt\" -subj /CN=x -addext subjectAltName=DNS:bank.example "
                     "-CA \"$F/ca.crt\" -CAkey \"$F/ca.key\""),
                 0);
    cr_expect_eq(run("openssl verify -CAfile \"$F/ca.crt\" \"$F/x.crt\" 2>&1 | grep -q 'permitted subtree violation'"),
                 0);
}

Test(base_dev_certs, only_what_is_needed_is_made_anew)
{
    char *ca, *server;

    cr_assert_eq(run(SCRIPT " \"$F\""), 0);
    ca = contents("ca.crt");
    server = contents("server.crt");

    cr_assert_eq(run(SCRIPT " \"$F\""), 0);
    expect_same("ca.crt", &ca, true);
    expect_same("server.crt", &server, true);

    cr_assert_eq(run(SCRIPT " --force \"$F\""), 0);
    expect_same("ca.crt", &ca, true);
    expect_same("server.crt", &server, false);

    cr_assert_eq(run(SCRIPT " --force --days 29 \"$F\""), 0);
    expect_same("server.crt", &server, false);
    cr_assert_eq(run(SCRIPT " \"$F\""), 0);
    expect_same("server.crt", &server, false);
    cr_expect_eq(run("openssl x509 -in \"$F/server.crt\" -noout -checkend $((396 * 86400))"), 0);

    cr_assert_eq(run("rm \"$F/ca.key\" && " SCRIPT " \"$F\""), 0);
    expect_same("ca.crt", &ca, false);
    expect_same("server.crt", &server, false);
    cr_expect_eq(run("openssl verify -CAfile \"$F/ca.crt\" \"$F/server.crt\""), 0);
    free(ca);
    free(server);
}

Test(base_dev_certs, copies_side_by_side_agree)
{
    cr_assert_eq(run(SCRIPT " --force \"$F\" & " SCRIPT " --force \"$F\" & " SCRIPT " \"$F\" & wait"), 0);
    cr_expect_eq(run("openssl verify -CAfile \"$F/ca.crt\" \"$F/server.crt\""), 0);
    cr_expect_eq(run("test \"$(openssl x509 -in \"$F/server.crt\" -noout -pubkey)\" = "
                     "\"$(openssl pkey -in \"$F/server.key\" -pubout)\""),
                 0);
    cr_expect_eq(run("test \"$(ls -A \"$F\" | tr '\\n' ' ')\" = 'ca.crt ca.key server.crt server.key '"), 0);
}

Test(base_dev_certs, usage)
{
    cr_expect_eq(run(SCRIPT " --help"), 0);
    cr_expect_eq(run(SCRIPT " --frob"), 1);
    cr_expect_eq(run(SCRIPT " --days 0 \"$F\""), 1);
    cr_expect_neq(run("test -e \"$F\""), 0);
}
