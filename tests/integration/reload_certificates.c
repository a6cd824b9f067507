/* reload_certificates.c - another certificate for the next connection, by SIGHUP or when its files change */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

#define YAML "routes:\n  - {path: \"/s/{id}\", subjects: [\"s.{id}\"]}\n"

static struct rig rig;
static char *certificate, *key, *listen_lines;

/* A fresh pair of files for CN=name, renamed over those that the gateway reads, as certbot does: one or both. */
static void renew(const char *name, bool with_certificate, bool with_key)
{
    char *new_certificate = sandbox_path("new.crt"), *new_key = sandbox_path("new.key");
    char *subject = text_format("/CN=%s", name), *log = sandbox_path("openssl.log");
    char *argv[] = {"openssl", "req",           "-x509", "-newkey", "ec",    "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes",  "-days",         "2",     "-subj",   subject, "-keyout",  new_key,
                    "-out",    new_certificate, NULL};
    int status = -1;

    if (!child_wait(child_start(argv, log, log), deadline_in(20000), &status) || status != 0)
        fixture_fail("openssl could not make a certificate");
    if (with_key)
        rename(new_key, key);
    if (with_certificate)
        rename(new_certificate, certificate);
    unlink(new_key);
    unlink(new_certificate);
    unlink(log);
    free(new_certificate);
    free(new_key);
    free(subject);
    free(log);
}

static void copy(const char *from, const char *to)
{
    char *text = sandbox_read(from);

    sandbox_write(to, text);
    free(text);
}

/* It begins with the one that the clients here trust, of localhost. */
static void setup(void)
{
    certificate = sandbox_path("server.crt");
    key = sandbox_path("server.key");
    copy(sandbox_certificate(), certificate);
    copy(sandbox_key(), key);
    listen_lines = text_format("  - address: \"127.0.0.1:0\"\n    certificate: %s\n    key: %s\n", certificate, key);
    rig.nats = nats_fixture_start(NULL);
    rig.publisher = publisher_connect(nats_fixture_url(rig.nats));
    rig.gateway = gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(rig.nats), .yaml = YAML, .listen = listen_lines, .workers = 2});
}

static void teardown(void)
{
    rig_stop(&rig);
    unlink(certificate);
    unlink(key);
    free(certificate);
    free(key);
    free(listen_lines);
}

TestSuite(reload_certificates, .init = setup, .fini = teardown, .timeout = 120);

static int connect_silently(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(gateway_port(rig.gateway, 2)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The name in the certificate that a connection is given, which is closed then; "" if it doesn't get that far. */
static const char *name_on(int fd)
{
    static char name[64];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);

    name[0] = '\0';
    SSL_set_fd(ssl, fd);
    if (fd != -1 && SSL_connect(ssl) == 1)
        X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl)), NID_commonName, name,
                                  sizeof(name));
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    return name;
}

static const char *served_name(void)
{
    return name_on(connect_silently());
}

static bool wait_for_name(const char *name)
{
    int64_t deadline = deadline_in(10000);

    while (strcmp(served_name(), name) != 0) {
        if (now_ms() > deadline)
            return false;
        sleep_ms(50);
    }
    return true;
}

static struct http_stream *open_stream(struct http_client **client)
{
    struct gateway other = *rig.gateway;
    struct http_stream *stream;

    other.tls_port = gateway_port(rig.gateway, 2);
    *client = http_client_create(&other, HTTP_H2);
    stream = http_open_ready(*client, "/s/1", NULL);
    REQUIRE(stream != NULL);
    return stream;
}

Test(reload_certificates, sighup_serves_the_new_one_to_the_next_connection)
{
    struct http_client *client;
    struct http_stream *stream = open_stream(&client), *joined;

    REQUIRE_STR(served_name(), "localhost");
    renew("second", true, true);
    REQUIRE(gateway_reload(rig.gateway, NULL, YAML));
    REQUIRE_STR(served_name(), "second");
    joined = http_open_ready(client, "/s/2", NULL);
    REQUIRE(joined != NULL && http_connects(joined) == 0, "the old connection stays in use");
    publish(rig.publisher, "s.1", "x");
    REQUIRE(http_wait_events(stream, 1));
    http_client_destroy(client);
}

/* libh2o looks at the context of a connection only when its first bytes come. */
Test(reload_certificates, a_client_that_has_said_nothing_yet_keeps_the_old_one)
{
    int silent[8];

    for (size_t i = 0; i < 8; i++)
        silent[i] = connect_silently();
    REQUIRE_STR(served_name(), "localhost"); /* those before it have been accepted, too */
    renew("second", true, true);
    REQUIRE(gateway_reload(rig.gateway, NULL, YAML));
    renew("third", true, true);
    REQUIRE(gateway_reload(rig.gateway, NULL, YAML));
    for (size_t i = 0; i < 8; i++)
        REQUIRE_STR(name_on(silent[i]), "localhost");
    REQUIRE_STR(served_name(), "third");
}

Test(reload_certificates, changed_files_are_enough)
{
    struct http_client *client;
    struct http_stream *stream = open_stream(&client);

    renew("second", true, true);
    REQUIRE(wait_for_name("second"));
    REQUIRE(gateway_wait_log(rig.gateway, "reloaded changed=certificates", 5000));
    publish(rig.publisher, "s.1", "x");
    REQUIRE(http_wait_events(stream, 1));
    http_client_destroy(client);
}

Test(reload_certificates, a_key_that_does_not_fit_yet_waits_for_its_other_half)
{
    renew("second", true, false);
    REQUIRE(gateway_wait_log(rig.gateway, "reload-failed", 10000));
    REQUIRE(gateway_wait_log(rig.gateway, "does not belong to the certificate", 0));
    REQUIRE_STR(served_name(), "localhost");
    renew("third", true, true);
    REQUIRE(wait_for_name("third"));
}

Test(reload_certificates, a_bad_file_leaves_the_old_one)
{
    sandbox_write(certificate, "no certificate\n");
    REQUIRE(!gateway_reload(rig.gateway, NULL, YAML));
    REQUIRE(gateway_wait_log(rig.gateway, certificate, 0), "the file is named");
    REQUIRE_STR(served_name(), "localhost");
    unlink(certificate);
    REQUIRE(!gateway_reload(rig.gateway, NULL, YAML));
    REQUIRE_STR(served_name(), "localhost");
    renew("second", true, true);
    REQUIRE(gateway_reload(rig.gateway, NULL, YAML));
    REQUIRE_STR(served_name(), "second");
}

/* Under TLS 1.3 a client learns of it with its first read. */
static bool gets_an_answer(void)
{
    struct gateway other = *rig.gateway;
    struct http_client *client;
    struct http_stream *stream;
    bool answered;

    other.tls_port = gateway_port(rig.gateway, 2);
    client = http_client_create(&other, HTTP_H2);
    stream = http_request(client, "GET", "/nowhere", NULL, NULL);
    answered = stream->status == 404;
    http_client_destroy(client);
    return answered;
}

Test(reload_certificates, clients_are_asked_for_theirs_from_then_on)
{
    char *asking = text_format("%s    client_ca: %s\n", listen_lines, certificate);

    REQUIRE(gets_an_answer());
    REQUIRE(gateway_reload(rig.gateway, asking, YAML));
    REQUIRE(!gets_an_answer());
    REQUIRE(gateway_reload(rig.gateway, listen_lines, YAML));
    REQUIRE(gets_an_answer());
    free(asking);
}
