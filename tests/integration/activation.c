/* activation.c - listening sockets that are passed in: a restart refuses no connection */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>

#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

static struct nats_fixture *nats;
static int sockets[2]; /* of the TLS and the cleartext listener, in the place of systemd */

static const char yaml[] = "drain: {window: 300ms, timeout: 20s}\n"
                           "routes:\n"
                           "  - {path: \"/s/{id}\", subjects: [\"s.{id}\"]}\n";

static int open_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 4096) != 0)
        fixture_fail("no socket");
    return fd;
}

static void setup(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are threads */
    nats = nats_fixture_start(NULL);
    sockets[0] = open_socket();
    sockets[1] = open_socket();
}

static void teardown(void)
{
    close(sockets[0]);
    close(sockets[1]);
    nats_fixture_stop(nats);
}

TestSuite(activation, .init = setup, .fini = teardown, .timeout = 120);

static struct gateway *start_gateway(unsigned workers)
{
    return gateway_start(&(struct gateway_options){
        .nats_url = nats_fixture_url(nats), .yaml = yaml, .workers = workers, .sockets = sockets});
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in address = {.sin_port = 0};
    socklen_t len = sizeof(address);

    getsockname(fd, (struct sockaddr *)&address, &len);
    return ntohs(address.sin_port);
}

Test(activation, passed_sockets_are_served)
{
    struct gateway *gateway = start_gateway(2);
    struct publisher *publisher = publisher_connect(nats_fixture_url(nats));

    REQUIRE(gateway->tls_port == port_of(sockets[0]) && gateway->clear_port == port_of(sockets[1]));
    for (enum http_mode mode = HTTP_H2; mode <= HTTP_H1C; mode++) {
        struct http_client *client = http_client_create(gateway, mode);
        struct http_stream *stream = http_open_ready(client, "/s/1", NULL);
        REQUIRE(stream != NULL);
        publish(publisher, "s.1", "x");
        REQUIRE(http_wait_events(stream, 1));
        http_client_destroy(client);
    }
    publisher_destroy(publisher);
    gateway_destroy(gateway);
}

/* ---- a restart under clients that never stop connecting ---- */

static atomic_bool stopping;
static atomic_ulong answers[2], refused; /* 200 and 503 */
static char first_failure[CURL_ERROR_SIZE + 64];

static size_t discard(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    return size * n;
}

/* A new connection each time, to an answer that ends. */
static void *connect_over_and_over(void *url)
{
    char error[CURL_ERROR_SIZE];
    CURL *easy = curl_easy_init();

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    while (!stopping) {
        long status = 0;
        CURLcode result = curl_easy_perform(easy);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (result != CURLE_OK && atomic_fetch_add(&refused, 1) == 0)
            snprintf(first_failure, sizeof(first_failure), "%d, status %ld: %s", (int)result, status, error);
        atomic_fetch_add(&answers[status == 503], 1);
    }
    curl_easy_cleanup(easy);
    return NULL;
}

static void wait_for_answers(unsigned long more)
{
    unsigned long begin = answers[0];
    int64_t deadline = deadline_in(10000);

    while (answers[0] < begin + more && now_ms() < deadline)
        sleep_ms(5);
    REQUIRE(answers[0] >= begin + more, "%lu answers", (unsigned long)answers[0]);
}

enum { THREADS = 8, RESTARTS = 4 };

/* overlap: the next one runs before the last one gets its signal; otherwise clients wait in between, but are not refused. */
static void check_restarts(bool overlap)
{
    pthread_t threads[THREADS];
    char *urls[2];
    struct gateway *gateway = start_gateway(2);

    urls[0] = text_format("https://127.0.0.1:%u/s/1?follow=false", port_of(sockets[0]));
    urls[1] = text_format("http://127.0.0.1:%u/s/1?follow=false", port_of(sockets[1]));
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, connect_over_and_over, urls[i % 2]);
    wait_for_answers(50);
    for (int i = 0; i < RESTARTS; i++) {
        struct gateway *next = overlap ? start_gateway(2) : NULL;
        int code = gateway_stop(gateway);
        REQUIRE(code == 0, "exit code %d", code);
        gateway_destroy(gateway);
        gateway = overlap ? next : start_gateway(2);
        wait_for_answers(50);
    }
    stopping = true;
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    REQUIRE(refused == 0, "%lu of %lu got no answer, the first: %s", (unsigned long)refused,
            (unsigned long)(answers[0] + answers[1]), first_failure);
    printf("activation: %d restarts, %lu connections served, %lu asked to retry, none refused\n", RESTARTS,
           (unsigned long)answers[0], (unsigned long)answers[1]);
    gateway_destroy(gateway);
    free(urls[0]);
    free(urls[1]);
}

Test(activation, a_restart_refuses_no_connection)
{
    check_restarts(false);
}

Test(activation, nor_does_a_replacement)
{
    check_restarts(true);
}

/* ---- what does not fit ---- */

static void require_failure(const int *passed, size_t count, const char *text)
{
    char *config = sandbox_path("freshet.yaml"), *log = sandbox_path("passed.log"), *said;
    char *argv[] = {(char *)(uintptr_t)gateway_binary(), "--config", config, NULL};
    int status = 0;

    sandbox_write(config, "listen: [{address: \"127.0.0.1:0\"}]\nnats: {url: \"nats://127.0.0.1:1\"}\n"
                          "routes: [{path: /e, allow: [\"e.>\"]}]\n");
    REQUIRE(child_wait(child_start_with(argv, log, log, passed, count), deadline_in(10000), &status));
    said = sandbox_read(log);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 2 && strstr(said, text) != NULL, "%d: %s", status, said);
    unlink(log);
    unlink(config);
    free(said);
    free(log);
    free(config);
}

Test(activation, a_socket_that_nobody_asked_for_is_named)
{
    char *text = text_format("127.0.0.1:%u", port_of(sockets[1]));

    setenv("LISTEN_FDNAMES", "web:plain", 1);
    require_failure(&sockets[1], 1, text);
    require_failure(&sockets[1], 1, "web");
    require_failure(&sockets[1], 1, "admin.address");
    free(text);
}

Test(activation, what_is_no_listening_socket_is_named)
{
    int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    require_failure(&plain, 1, "not a listening TCP socket");
    close(plain);
}

Test(activation, sockets_for_another_process_are_not_touched)
{
    struct gateway *gateway;

    setenv("LISTEN_FDS", "7", 1);
    setenv("LISTEN_PID", "1", 1);
    gateway = gateway_start(&(struct gateway_options){.nats_url = nats_fixture_url(nats), .yaml = yaml});
    gateway_destroy(gateway);
}
