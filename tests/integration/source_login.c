/* source_login.c - passwords, tokens, certificates, refusals, and configurations that can't work */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_recorder.h"

#include <unistd.h>

TestSuite(source_login, .fini = recorder_forget);

static void expect_delivery(struct nats_source *source, struct publisher *publisher, const char *subject)
{
    struct channel *channel = open_and_await(source, subject);
    publish(publisher, subject, "x");
    AWAIT(recorder_count(channel, EVENT) == 1);
    cr_assert_eq(recorder_count(channel, LOST), 0);
    close_channel(source, channel);
}

static void expect_login(struct nats_source *source, struct publisher *publisher, const char *subject)
{
    AWAIT(nats_source_is_connected(source));
    expect_delivery(source, publisher, subject);
    end_source(source);
}

Test(source_login, user_and_password_of_the_configuration_or_the_url)
{
    struct nats_fixture *nats =
        nats_fixture_start("authorization { users: [{user: \"u\", password: \"p\\\"w\"}, {user: v, password: w}] }");
    struct publisher *publisher = publisher_connect_as(nats_fixture_url(nats), "v", "w");
    /* a quote in a password must not end the JSON it travels in */
    struct config_nats config = {.url = (char *)(uintptr_t)nats_fixture_url(nats), .user = "u", .password = "p\"w"};
    expect_login(start_with(&config), publisher, "login.options");

    char *url = text_format("nats://v:w@127.0.0.1:%d/", nats_fixture_port(nats));
    expect_login(start_source(url), publisher, "login.url");
    free(url);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

Test(source_login, token_of_the_configuration_or_the_url)
{
    struct nats_fixture *nats = nats_fixture_start("authorization { token: \"s3cret\" }");
    char *url = text_format("nats://s3cret@127.0.0.1:%d", nats_fixture_port(nats));
    struct publisher *publisher = publisher_connect(url);
    struct config_nats config = {.url = (char *)(uintptr_t)nats_fixture_url(nats), .token = "s3cret"};
    expect_login(start_with(&config), publisher, "login.options");
    expect_login(start_source(url), publisher, "login.url");
    free(url);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

/* The client library gives a connection up after the second refusal; the source must not. */
Test(source_login, a_refused_login_is_tried_again_for_ever)
{
    static const char config_text[] = "authorization { user: u, password: p }";
    struct nats_fixture *nats = nats_fixture_start("authorization { user: u, password: other }");
    struct config_nats config = {.url = (char *)(uintptr_t)nats_fixture_url(nats), .user = "u", .password = "p"};
    struct nats_source *source = start_with(&config);
    struct channel *channel = open_and_await(source, "x");
    sleep_ms(scaled_ms(600)); /* nothing to wait for: both refusals come in the first 100 ms */
    cr_assert_not(nats_source_is_connected(source));
    nats_fixture_restart_with(nats, config_text);
    AWAIT(nats_source_is_connected(source));
    cr_assert_eq(recorder_count(channel, LOST), 1);

    /* and the same to a connection that was up */
    nats_fixture_restart_with(nats, "authorization { user: u, password: changed }");
    AWAIT(!nats_source_is_connected(source));
    sleep_ms(scaled_ms(600));
    struct channel *during = open_and_await(source, "x");
    cr_assert_eq(recorder_count(channel, LOST), 1);
    nats_fixture_restart_with(nats, config_text);
    AWAIT(nats_source_is_connected(source));
    cr_assert_eq(recorder_count(channel, LOST), 2);
    cr_assert_eq(recorder_count(during, LOST), 1);
    struct publisher *publisher = publisher_connect_as(nats_fixture_url(nats), "u", "p");
    publish(publisher, "x", "back");
    AWAIT(recorder_count(channel, EVENT) == 1 && recorder_count(during, EVENT) == 1);
    close_channel(source, channel);
    close_channel(source, during);
    end_source(source);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

static void run(const char *directory, const char *command)
{
    char *line = text_format("cd '%s' && exec >/dev/null 2>&1 && %s", directory, command);
    cr_assert_eq(system(line), 0, "%s", command);
    free(line);
}

static void make_certificates(const char *directory)
{
    static const char *const commands[] = {
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt "
        "-subj '/CN=test ca' -days 2 -addext basicConstraints=critical,CA:TRUE",
        "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >san.ext",
        "for n in server client; do openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $n.key "
        "-out $n.csr -subj /CN=$n && openssl x509 -req -in $n.csr -CA ca.crt -CAkey ca.key -CAcreateserial "
        "-out $n.crt -days 2 -extfile san.ext || exit 1; done",
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); ++i)
        run(directory, commands[i]);
}

Test(source_login, tls_with_a_ca_and_a_client_certificate)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    const char *directory = nats_fixture_directory(nats);
    make_certificates(directory);
    char *tls = text_format("tls { cert_file: '%s/server.crt', key_file: '%s/server.key', ca_file: '%s/ca.crt', "
                            "verify: true }",
                            directory, directory, directory);
    nats_fixture_restart_with(nats, tls);
    char *url = text_format("tls://localhost:%d", nats_fixture_port(nats));
    char *ca = text_format("%s/ca.crt", directory), *certificate = text_format("%s/client.crt", directory);
    char *key = text_format("%s/client.key", directory);

    struct config_nats config = {.url = url, .tls = {.ca = ca, .certificate = certificate, .key = key}};
    struct nats_source *source = start_with(&config);
    AWAIT(nats_source_is_connected(source));
    struct channel *channel = open_and_await(source, "s");
    nats_fixture_restart(nats);
    AWAIT(recorder_count(channel, LOST) == 1);

    /* without the CA the server isn't trusted, without a certificate we aren't */
    struct config_nats no_ca = {.url = url, .tls = {.certificate = certificate, .key = key}};
    struct config_nats no_certificate = {.url = url, .tls = {.ca = ca}};
    struct nats_source *refused[] = {start_with(&no_ca), start_with(&no_certificate)};
    AWAIT(nats_source_is_connected(source));
    struct source *base = nats_source_base(source);
    cr_assert(base->ops->is_connected(base));
    sleep_ms(scaled_ms(300));
    for (int i = 0; i < 2; ++i) {
        cr_assert_not(nats_source_is_connected(refused[i]));
        cr_assert(nats_source_stop(refused[i]));
        nats_source_destroy(refused[i]);
    }
    close_channel(source, channel);
    end_source(source);
    nats_fixture_stop(nats);
    free(tls);
    free(url);
    free(ca);
    free(certificate);
    free(key);
}

static void expect_refusal(const struct config_nats *config, const char *text)
{
    char error[256] = "";
    struct nats_source *source = nats_source_create(config, 0, 1, error, sizeof(error));
    cr_assert_null(source, "%s", text);
    cr_assert_not_null(strstr(error, text), "\"%s\" says nothing of \"%s\"", error, text);
    cr_assert_null(strstr(error, "s3cret"), "%s", error);
}

Test(source_login, what_cannot_work_is_an_error_at_once)
{
    char path[] = "/tmp/freshet-test-creds-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    expect_refusal(&(struct config_nats){.url = ""}, "nats.url");
    expect_refusal(&(struct config_nats){.url = "nats://a:4222,,nats://b"}, "nats.url: an empty URL");
    expect_refusal(&(struct config_nats){.url = "http://u:s3cret@host:4222"}, "http://host:4222");
    expect_refusal(&(struct config_nats){.url = "nats://u:s3cret@host:99999"}, "not a port");
    expect_refusal(&(struct config_nats){.url = "nats://host:4222x"}, "not a port");
    expect_refusal(&(struct config_nats){.url = "nats://:4222"}, "not a host");
    expect_refusal(&(struct config_nats){.url = "nats://s3cret@a,nats://other@b"}, "different tokens");
    expect_refusal(&(struct config_nats){.url = "nats://a", .credentials = "/nonexistent/x.creds"}, "nats.credentials");
    expect_refusal(&(struct config_nats){.url = "nats://a", .credentials = path}, "has no user JWT");
    expect_refusal(&(struct config_nats){.url = "tls://a", .tls = {.ca = path}}, "nats.tls.ca");
    expect_refusal(&(struct config_nats){.url = "nats://a", .tls = {.enabled = true, .ca = "/nonexistent"}}, "tls.ca");
    expect_refusal(&(struct config_nats){.url = "tls://a", .tls = {.certificate = path}}, "nats.tls.key: missing");
    expect_refusal(&(struct config_nats){.url = "tls://a", .tls = {.certificate = path, .key = path}},
                   "nats.tls.certificate");
    expect_refusal(&(struct config_nats){.url = "nats://a", .user = "\xff"}, "nats.user: not UTF-8");
    unlink(path);
}
