/* mtls.c - a listener with client_ca: which clients it lets in and by what name, and what it tells the others */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/nats_fixture.h"
#include "tests/support/publisher.h"
#include "tests/support/raw_http.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

/* RFC 8446 section 6.2; OpenSSL reports a received alert as this much more. */
#define ALERT(number) (SSL_AD_REASON_OFFSET + (number))
enum { HANDSHAKE_FAILURE = 40, UNSUPPORTED = 43, EXPIRED = 45, UNKNOWN_CA = 48, REQUIRED = 116 };
/* The listeners: two with a CA each, and one that asks for nothing. */
enum { OURS, THEIRS, OPEN, LISTENERS };

struct party {
    X509 *certificate;
    EVP_PKEY *key;
};

static struct nats_fixture *nats;
static struct publisher *publisher;
static struct party authorities[2];
static pid_t gateway;
static char *log_path;
static uint16_t ports[LISTENERS];

struct wish {
    const char *cn, *second_cn;
    const struct party *issuer; /* NULL: itself */
    const char *purpose;        /* extended key usage; NULL: a CA */
    long from_s, until_s;       /* from now */
};

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    REQUIRE(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void add_name(X509 *certificate, const char *cn)
{
    REQUIRE(X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                                       (const unsigned char *)(uintptr_t)cn, -1, -1, 0) == 1);
}

static struct party make_party(struct wish wish)
{
    static long serial = 1;
    struct party party = {X509_new(), EVP_EC_gen("P-256")};
    const struct party *issuer = wish.issuer != NULL ? wish.issuer : &party;

    X509_set_version(party.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(party.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(party.certificate), wish.from_s);
    X509_gmtime_adj(X509_getm_notAfter(party.certificate), wish.until_s);
    if (wish.cn != NULL)
        add_name(party.certificate, wish.cn);
    if (wish.second_cn != NULL)
        add_name(party.certificate, wish.second_cn);
    X509_set_issuer_name(party.certificate, X509_get_subject_name(issuer->certificate));
    X509_set_pubkey(party.certificate, party.key);
    if (wish.purpose != NULL)
        add_extension(party.certificate, NID_ext_key_usage, wish.purpose);
    else
        add_extension(party.certificate, NID_basic_constraints, "critical,CA:TRUE");
    REQUIRE(X509_sign(party.certificate, issuer->key, EVP_sha256()) != 0);
    return party;
}

static struct party make_client(const char *cn)
{
    return make_party((struct wish){cn, NULL, &authorities[OURS], "clientAuth", -60, 3600});
}

static void drop(struct party *party)
{
    X509_free(party->certificate);
    EVP_PKEY_free(party->key);
}

static char *write_ca(const struct party *party)
{
    char *path = sandbox_path("ca.pem");
    FILE *file = fopen(path, "w");

    REQUIRE(file != NULL && PEM_write_X509(file, party->certificate) == 1 && fclose(file) == 0);
    return path;
}

static char *make_config(const char *ours, const char *theirs)
{
    return text_format("workers: 2\nlog: {level: debug}\ndrain: {window: 0}\nnats: {url: \"%s\"}\nlisten:\n"
                       "  - {address: \"127.0.0.1:0\", certificate: %s, key: %s, client_ca: %s}\n"
                       "  - {address: \"127.0.0.1:0\", certificate: %s, key: %s, client_ca: %s}\n"
                       "  - {address: \"127.0.0.1:0\", certificate: %s, key: %s}\n"
                       "routes:\n"
                       "  - {path: /s, subjects: [\"s\"]}\n"
                       "  - {path: /me, subjects: [\"user.{certificate.cn}\"]}\n",
                       nats_fixture_url(nats), sandbox_certificate(), sandbox_key(), ours, sandbox_certificate(),
                       sandbox_key(), theirs, sandbox_certificate(), sandbox_key());
}

/* In the order in which they are configured; false until all are there. */
static bool read_ports(const char *text)
{
    static const char mark[] = " listening address=127.0.0.1:";
    int count = 0;

    for (const char *at = text; count != LISTENERS && (at = strstr(at, mark)) != NULL; count++) {
        at += strlen(mark);
        ports[count] = (uint16_t)strtoul(at, NULL, 10);
    }
    return count == LISTENERS && strstr(text, " ready ") != NULL && strstr(text, " nats-connected ") != NULL;
}

static bool log_has(const char *text)
{
    int64_t deadline = deadline_in(10000);
    bool found;

    do {
        char *log = sandbox_read(log_path);
        found = text != NULL ? strstr(log, text) != NULL : read_ports(log);
        free(log);
        if (!found)
            sleep_ms(5);
    } while (!found && now_ms() < deadline);
    return found;
}

static void setup(void)
{
    char *config = sandbox_path("mtls.yaml"), *text, *paths[2];
    char *argv[] = {(char *)(uintptr_t)gateway_binary(), "--config", config, NULL};

    nats = nats_fixture_start(NULL);
    publisher = publisher_connect(nats_fixture_url(nats));
    for (int i = 0; i != 2; i++) {
        authorities[i] = make_party((struct wish){i == OURS ? "Our CA" : "Their CA", NULL, NULL, NULL, -60, 3600});
        paths[i] = write_ca(&authorities[i]);
    }
    text = make_config(paths[OURS], paths[THEIRS]);
    sandbox_write(config, text);
    log_path = sandbox_path("mtls.log");
    gateway = child_start(argv, log_path, log_path);
    REQUIRE(log_has(NULL), "not ready");
    free(text);
    free(config);
    free(paths[0]);
    free(paths[1]);
}

static void teardown(void)
{
    int status;

    kill(gateway, SIGTERM);
    REQUIRE(child_wait(gateway, deadline_in(10000), &status));
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x", (unsigned)status);
    unlink(log_path);
    free(log_path);
    drop(&authorities[0]);
    drop(&authorities[1]);
    publisher_destroy(publisher);
    nats_fixture_stop(nats);
}

TestSuite(mtls, .init = setup, .fini = teardown, .timeout = 60);

struct client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    int failure;       /* reason code of what has failed; 0: it is open */
    char answer[2048]; /* so far */
    size_t len;
};

static int failure(void)
{
    int reason = ERR_peek_error() != 0 ? ERR_GET_REASON(ERR_peek_error()) : -1;

    ERR_clear_error();
    return reason;
}

/* Under TLS 1.3 the client's handshake ends before the server has seen the certificate: only a read shows the result. */
static bool read_more(struct client *client)
{
    int got = SSL_read(client->ssl, client->answer + client->len, (int)(sizeof(client->answer) - 1 - client->len));

    if (got <= 0)
        client->failure = failure();
    else
        client->len += (size_t)got;
    client->answer[client->len] = '\0';
    return got > 0;
}

static struct client connect_as(int listener, int version, const struct party *party, SSL_SESSION *session)
{
    struct client client = {.context = SSL_CTX_new(TLS_client_method()), .fd = raw_http_socket(ports[listener])};

    client.ssl = SSL_new(client.context);
    SSL_set_fd(client.ssl, client.fd);
    SSL_set_min_proto_version(client.ssl, version);
    SSL_set_max_proto_version(client.ssl, version);
    if (party != NULL)
        REQUIRE(SSL_use_certificate(client.ssl, party->certificate) == 1 &&
                SSL_use_PrivateKey(client.ssl, party->key) == 1);
    if (session != NULL)
        REQUIRE(SSL_set_session(client.ssl, session) == 1);
    ERR_clear_error();
    if (SSL_connect(client.ssl) != 1)
        client.failure = failure();
    return client;
}

static void hang_up(struct client *client)
{
    SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    close(client->fd);
    ERR_clear_error();
}

static bool request(struct client *client, const char *path, const char *expected)
{
    char *text = text_format("GET %s HTTP/1.1\r\nhost: x\r\n\r\n", path);

    if (client->failure == 0 && SSL_write(client->ssl, text, (int)strlen(text)) <= 0)
        client->failure = failure();
    free(text);
    while (client->failure == 0 && strstr(client->answer, expected) == NULL && read_more(client))
        ;
    return strstr(client->answer, expected) != NULL;
}

/* The alert that refuses it, or 0. */
static int refusal(int listener, int version, const struct party *party, SSL_SESSION *session)
{
    struct client client = connect_as(listener, version, party, session);
    int reason;

    /* Nothing is sent: what lies unread when a socket closes takes the alert with it. */
    if (client.failure == 0 && version == TLS1_3_VERSION && listener != OPEN) {
        struct timeval soon = {.tv_sec = scaled_ms(5000) / 1000}; /* every caller expects an alert */
        setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
        read_more(&client);
        if (client.failure == -1 && SSL_get_shutdown(client.ssl) == 0)
            client.failure = 0;
    }
    reason = client.failure;
    hang_up(&client);
    return reason;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

Test(mtls, who_has_a_certificate_comes_in)
{
    struct party alice = make_client("alice");

    for (int i = 0; i != 2; i++) {
        struct client client = connect_as(OURS, versions[i], &alice, NULL);
        const STACK_OF(X509_NAME) *asked = SSL_get0_peer_CA_list(client.ssl);
        REQUIRE(request(&client, "/s", "retry:"), "failure %d: %s", client.failure, client.answer);
        REQUIRE(sk_X509_NAME_num(asked) == 1 &&
                X509_NAME_cmp(sk_X509_NAME_value(asked, 0), X509_get_subject_name(authorities[OURS].certificate)) == 0);
        hang_up(&client);
    }
    drop(&alice);
}

Test(mtls, who_has_none_is_told_so)
{
    REQUIRE(refusal(OURS, TLS1_2_VERSION, NULL, NULL) == ALERT(HANDSHAKE_FAILURE));
    REQUIRE(refusal(OURS, TLS1_3_VERSION, NULL, NULL) == ALERT(REQUIRED));
    REQUIRE(log_has("reason=\"peer did not return a certificate\""));
    REQUIRE(refusal(OPEN, TLS1_3_VERSION, NULL, NULL) == 0);
}

Test(mtls, who_has_a_wrong_one_is_told_so)
{
    const struct {
        struct wish wish;
        int alert;
        const char *logged;
    } cases[] = {
        {{"alice", NULL, &authorities[THEIRS], "clientAuth", -60, 3600}, UNKNOWN_CA, "unable to get local issuer"},
        {{"alice", NULL, &authorities[OURS], "clientAuth", -60, -30}, EXPIRED, "certificate has expired"},
        {{"alice", NULL, &authorities[OURS], "clientAuth", 60, 3600}, 42, "certificate is not yet valid"},
        {{"alice", NULL, &authorities[OURS], "serverAuth", -60, 3600}, UNSUPPORTED, "unsuitable certificate purpose"},
        {{"alice", NULL, NULL, "clientAuth", -60, 3600}, UNKNOWN_CA, "self-signed certificate"},
    };

    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); i++) {
        struct party party = make_party(cases[i].wish);
        for (int v = 0; v != 2; v++) {
            int got = refusal(OURS, versions[v], &party, NULL);
            REQUIRE(got == ALERT(cases[i].alert), "case %zu: %d", i, got - SSL_AD_REASON_OFFSET);
        }
        REQUIRE(log_has(cases[i].logged), "%s", cases[i].logged);
        drop(&party);
    }
}

/* A handshake that failed must not be taken for the failure of another connection on the same worker. */
Test(mtls, refusals_leave_others_alone)
{
    struct party alice = make_client("alice");
    struct client clients[4];

    for (int i = 0; i != 4; i++) {
        clients[i] = connect_as(OURS, TLS1_3_VERSION, &alice, NULL);
        REQUIRE(request(&clients[i], "/s", "retry:"));
    }
    for (int i = 0; i != 20; i++)
        REQUIRE(refusal(OURS, versions[i % 2], NULL, NULL) != 0);
    publish(publisher, "s", "undisturbed");
    for (int i = 0; i != 4; i++) {
        while (strstr(clients[i].answer, "undisturbed") == NULL)
            REQUIRE(read_more(&clients[i]), "client %d: %d", i, clients[i].failure);
        hang_up(&clients[i]);
    }
    drop(&alice);
}

static SSL_SESSION *take_session(int listener, int version, const struct party *party)
{
    struct client client = connect_as(listener, version, party, NULL);
    SSL_SESSION *session;

    REQUIRE(request(&client, "/s", "retry:"), "failure %d", client.failure);
    session = SSL_get1_session(client.ssl);
    hang_up(&client);
    return session;
}

/* Asks for the events of the user that the certificate names, and gets one. */
static void require_known_as(struct client *client, const char *cn)
{
    char *subject = text_format("user.%s", cn);

    REQUIRE(request(client, "/me", "retry:"), "%d: %s", client->failure, client->answer);
    publish(publisher, subject, "for you");
    while (strstr(client->answer, "for you") == NULL)
        REQUIRE(read_more(client), "%d: %s", client->failure, client->answer);
    free(subject);
}

Test(mtls, a_resumed_session_is_still_somebody)
{
    struct party alice = make_client("alice");

    for (int i = 0; i != 2; i++) {
        SSL_SESSION *session = take_session(OURS, versions[i], &alice);
        /* Without the certificate at hand: what is known of it now comes from the ticket. */
        struct client client = connect_as(OURS, versions[i], NULL, session);
        REQUIRE(client.failure == 0 && SSL_session_reused(client.ssl) == 1);
        require_known_as(&client, "alice");
        hang_up(&client);
        SSL_SESSION_free(session);
    }
    drop(&alice);
}

Test(mtls, a_ticket_opens_only_the_listener_it_is_from)
{
    struct party alice = make_client("alice");

    for (int i = 0; i != 2; i++) {
        SSL_SESSION *open = take_session(OPEN, versions[i], NULL), *ours = take_session(OURS, versions[i], &alice);
        struct client client;
        REQUIRE(refusal(OURS, versions[i], NULL, open) > SSL_AD_REASON_OFFSET, "the way in is a ticket of another");
        REQUIRE(refusal(THEIRS, versions[i], NULL, ours) > SSL_AD_REASON_OFFSET);
        REQUIRE(refusal(THEIRS, versions[i], &alice, ours) == ALERT(UNKNOWN_CA));
        client = connect_as(OPEN, versions[i], &alice, ours);
        REQUIRE(client.failure == 0 && SSL_session_reused(client.ssl) == 0);
        hang_up(&client);
        SSL_SESSION_free(open);
        SSL_SESSION_free(ours);
    }
    drop(&alice);
}

/* Valid until its end, which comes within the test; more seconds each time that a slow machine took too long. */
static void take_brief_sessions(struct party *brief, SSL_SESSION *sessions[2])
{
    for (long seconds = 2;; seconds *= 2) {
        int taken = 0;
        *brief = make_party((struct wish){"brief", NULL, &authorities[OURS], "clientAuth", -60, seconds});
        while (taken != 2) {
            struct client client = connect_as(OURS, versions[taken], brief, NULL);
            bool is_in = request(&client, "/s", "retry:");
            if (is_in)
                sessions[taken++] = SSL_get1_session(client.ssl);
            hang_up(&client);
            if (!is_in)
                break;
        }
        if (taken == 2)
            return;
        REQUIRE(seconds < 60);
        if (taken == 1)
            SSL_SESSION_free(sessions[0]);
        drop(brief);
    }
}

Test(mtls, a_ticket_does_not_outlive_its_certificate)
{
    struct party brief;
    SSL_SESSION *sessions[2];

    take_brief_sessions(&brief, sessions);
    while (X509_cmp_current_time(X509_get0_notAfter(brief.certificate)) > 0)
        sleep_ms(50);
    for (int i = 0; i != 2; i++) {
        int refused = refusal(OURS, versions[i], &brief, sessions[i]);
        REQUIRE(refused == ALERT(EXPIRED), "TLS %d: %d", i, refused);
        SSL_SESSION_free(sessions[i]);
    }
    drop(&brief);
}

Test(mtls, names_that_are_no_token_or_not_one_get_nothing)
{
    const struct {
        const char *cn, *second;
        int status;
    } cases[] = {
        {"alice", NULL, 200}, {"j\xc3\xb6rg", NULL, 200}, {"a.b", NULL, 403}, {"*", NULL, 403},    {">", NULL, 403},
        {"a b", NULL, 403},   {"alice", "bob", 403},      {NULL, NULL, 403},  {"a\tb", NULL, 403},
    };

    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); i++) {
        struct party party =
            make_party((struct wish){cases[i].cn, cases[i].second, &authorities[OURS], "clientAuth", -60, 3600});
        struct client client = connect_as(OURS, TLS1_3_VERSION, &party, NULL);
        char *expected = text_format("HTTP/1.1 %d", cases[i].status);
        REQUIRE(request(&client, "/me", "\r\n\r\n"), "%d", client.failure);
        REQUIRE(strncmp(client.answer, expected, strlen(expected)) == 0, "case %zu: %s", i, client.answer);
        free(expected);
        hang_up(&client);
        drop(&party);
    }
    /* A listener that doesn't ask for certificates knows no client. */
    struct client client = connect_as(OPEN, TLS1_3_VERSION, NULL, NULL);
    REQUIRE(request(&client, "/me", "HTTP/1.1 403"), "%s", client.answer);
    hang_up(&client);
}

Test(mtls, check_loads_the_authorities)
{
    char *config = sandbox_path("check.yaml"), *text = make_config(sandbox_key(), sandbox_certificate());
    struct run_result result;

    sandbox_write(config, text);
    result = gateway_run((const char *const[]){"--check", "--config", config, NULL});
    REQUIRE(result.code == 1 && strstr(result.err, "client_ca") != NULL && strstr(result.err, sandbox_key()) != NULL,
            "%d: %s", result.code, result.err);
    run_result_dispose(&result);
    unlink(config);
    free(config);
    free(text);
}
