/* source_credentials.c - a login with the user token and the seed of a credentials file */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_recorder.h"

#include <stdatomic.h>
#include <unistd.h>

#include "gateway/source/nats/nats_settings.h"
#include "tests/support/http_client.h"
#include "tests/support/nkeys.h"
#include "tests/support/rig.h"

TestSuite(source_credentials, .fini = recorder_forget, .timeout = 120);

/* A broker that lets users of one account in, and the credentials of two of them. */
static struct {
    struct nats_fixture *nats;
    struct nkey user, other;
    char *token;      /* of user */
    char *good, *bad; /* files; the bad one has the seed of the other user */
} site;

static void start_site(void)
{
    struct nkey operator, system_account, account;
    nkey_create(&operator, NKEY_OPERATOR);
    nkey_create(&system_account, NKEY_ACCOUNT); /* JetStream doesn't start without one */
    nkey_create(&account, NKEY_ACCOUNT);
    nkey_create(&site.user, NKEY_USER);
    nkey_create(&site.other, NKEY_USER);
    char *operator_token = nkey_token(&operator, & operator), *account_token = nkey_token(&operator, & account);
    char *system_token = nkey_token(&operator, & system_account);
    char *config = text_format("operator: %s\nsystem_account: %s\nresolver: MEMORY\n"
                               "resolver_preload: { %s: %s, %s: %s }\n",
                               operator_token, system_account.public_key, system_account.public_key, system_token,
                               account.public_key, account_token);
    site.nats = nats_fixture_start(config);
    cr_assert_not_null(site.nats);
    site.token = nkey_token(&account, &site.user);
    site.good = text_format("%s/good.creds", nats_fixture_directory(site.nats));
    site.bad = text_format("%s/bad.creds", nats_fixture_directory(site.nats));
    nkey_write_credentials(site.good, site.token, &site.user);
    nkey_write_credentials(site.bad, site.token, &site.other);
    free(operator_token);
    free(account_token);
    free(system_token);
    free(config);
}

static void stop_site(void)
{
    nats_fixture_stop(site.nats);
    free(site.token);
    free(site.good);
    free(site.bad);
}

static struct nats_source *start_with_credentials(char *path)
{
    struct config_nats config = {.url = (char *)(uintptr_t)nats_fixture_url(site.nats), .credentials = path};
    return start_with(&config);
}

static void on_done(struct publish *publish)
{
    atomic_store((_Atomic bool *)publish->owner, true);
}

/* Through the source: another client would need a login of its own. */
static void publish_by(struct nats_source *source, char *subject, char *text)
{
    _Atomic bool done = false;
    struct publish publish = {
        .subject = subject, .data = text, .data_len = strlen(text), .done = on_done, .owner = &done};
    struct source *base = nats_source_base(source);
    base->ops->publish(base, &publish);
    AWAIT(atomic_load(&done));
    cr_assert_eq(publish.status, PUBLISH_OK);
}

static unsigned occurrences(const char *path, const char *text)
{
    unsigned count = 0;
    char *content = sandbox_read(path);
    for (const char *at = content; (at = strstr(at, text)) != NULL; at += strlen(text))
        ++count;
    free(content);
    return count;
}

Test(source_credentials, the_user_of_the_file_subscribes_and_publishes)
{
    start_site();
    struct nats_source *source = start_with_credentials(site.good);
    AWAIT(nats_source_is_connected(source));
    struct channel *channel = open_and_await(source, "a.>");
    publish_by(source, (char[]){"a.b"}, (char[]){"first"});
    AWAIT(recorder_count(channel, EVENT) == 1);
    cr_assert_eq(recorder_count(channel, LOST), 0);

    /* a new connection is asked to sign something else */
    nats_fixture_restart(site.nats);
    AWAIT(recorder_count(channel, LOST) == 1 && nats_source_is_connected(source));
    publish_by(source, (char[]){"a.c"}, (char[]){"second"});
    AWAIT(recorder_count(channel, EVENT) == 2);
    close_channel(source, channel);
    end_source(source);
    stop_site();
}

Test(source_credentials, a_seed_of_another_user_is_refused_until_the_file_is_right)
{
    start_site();
    char *log = sandbox_path("source.log"), *broker_log = text_format("%s/log", nats_fixture_directory(site.nats));
    cr_assert_not_null(freopen(log, "ae", stderr));
    struct nats_source *source = start_with_credentials(site.bad);
    struct channel *channel = open_and_await(source, "a.>");
    AWAIT(occurrences(log, " nats-auth-failed ") >= 2);
    /* this login was refused, and it is the broker that says so */
    cr_assert_geq(occurrences(broker_log, "authentication error"), 2);
    cr_assert_not(nats_source_is_connected(source));
    cr_assert_eq(occurrences(log, site.other.seed), 0);
    cr_assert_eq(occurrences(log, site.token), 0);

    nkey_write_credentials(site.bad, site.token, &site.user);
    AWAIT(nats_source_is_connected(source));
    publish_by(source, (char[]){"a.b"}, (char[]){"at last"});
    AWAIT(recorder_count(channel, EVENT) == 1);
    close_channel(source, channel);
    end_source(source);
    stop_site();
    unlink(log);
    free(log);
    free(broker_log);
}

/* One signature in 256 begins with a zero byte, which the client library can't send; one in 65,536 logins has two. */
Test(source_credentials, any_signature_will_do)
{
    start_site();
    struct config_nats config = {.url = (char *)(uintptr_t)nats_fixture_url(site.nats), .credentials = site.good};
    struct nats_settings settings;
    char error[256];
    unsigned refused = 0;
    cr_assert(nats_settings_init(&settings, &config, error, sizeof(error)), "%s", error);
    for (unsigned i = 0; i != 1500; ++i) {
        natsConnection *connection = NULL;
        refused += nats_settings_connect(&settings, &connection) != NATS_OK;
        natsConnection_Destroy(connection);
    }
    cr_assert_leq(refused, 2);
    nats_settings_dispose(&settings);
    stop_site();
}

static struct gateway *start_gateway(const char *credentials)
{
    char *lines = text_format("  credentials: \"%s\"\n", credentials);
    struct gateway *gateway = gateway_start_listening(&(struct gateway_options){
        .nats_url = nats_fixture_url(site.nats),
        .nats = lines,
        .yaml = "routes:\n  - {path: /a, subjects: [\"a.>\"]}\n",
    });
    free(lines);
    return gateway;
}

static void expect_event(const struct gateway *gateway, struct nats_source *publisher)
{
    struct http_client *client = http_client_create(gateway, HTTP_H2);
    struct http_stream *stream = http_open_ready(client, "/a", NULL);
    REQUIRE(stream != NULL);
    publish_by(publisher, (char[]){"a.b"}, (char[]){"hello"});
    REQUIRE(http_wait_events(stream, 1));
    REQUIRE_STR(http_event(stream, 0)->data, "hello");
    http_client_destroy(client);
}

Test(source_credentials, the_gateway_takes_the_file_of_its_configuration)
{
    start_site();
    struct nats_source *publisher = start_with_credentials(site.good);
    AWAIT(nats_source_is_connected(publisher));
    struct gateway *gateway = start_gateway(site.good), *refused = start_gateway(site.bad);
    REQUIRE(gateway_wait_log(gateway, " nats-connected ", 10000));
    expect_event(gateway, publisher);

    AWAIT(occurrences(refused->log_path, " nats-auth-failed ") >= 2);
    REQUIRE(occurrences(refused->log_path, " nats-connected ") == 0);
    nkey_write_credentials(site.bad, site.token, &site.user);
    REQUIRE(gateway_wait_log(refused, " nats-connected ", 15000));
    expect_event(refused, publisher);
    REQUIRE(occurrences(gateway->log_path, " nats-auth-failed ") == 0);
    REQUIRE(gateway_stop(gateway) == 0 && gateway_stop(refused) == 0);
    gateway_destroy(gateway);
    gateway_destroy(refused);
    end_source(publisher);
    stop_site();
}
