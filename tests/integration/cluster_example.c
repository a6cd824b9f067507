/* cluster_example.c - the example fleet of docs/cluster: readers miss nothing, whichever part of it is killed */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/broker_monitor.h"
#include "tests/support/http_client.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

#define ORDER "/orders/7?since=earliest"
#define SAY "/publish/orders/7"
#define PARTS 6

static const char *const parts[PARTS] = {"nats-1", "nats-2", "nats-3", "gateway-1", "gateway-2", "balancer"};

/* Two gateways, three servers, each with its kinds of ports, and the balancer. */
enum { BALANCER, GATEWAY_1, GATEWAY_2, ADMIN_1, ADMIN_2, NATS_1, ROUTE_1 = NATS_1 + 3, MONITOR_1 = ROUTE_1 + 3 };
#define PORTS (MONITOR_1 + 3)

static unsigned ports[PORTS];
static char *folder, *script_log;
static pid_t script;         /* 0: not running */
static struct gateway front; /* the balancer, as far as a client is concerned */

static bool is_free(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    bool free;

    /* Connections that have ended don't count. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return free;
}

/* Below those that connections get: a part that is killed has to find its port free when it restarts. */
static void find_ports(void)
{
    unsigned port = 10000 + (unsigned)getpid() * 32 % 20000, found = 0;

    for (; found < PORTS; port++) {
        REQUIRE(port < 32000, "no free ports");
        if (is_free(port))
            ports[found++] = port;
    }
    front.tls_port = (uint16_t)ports[BALANCER];
}

static void set_ports(const char *name, unsigned first, unsigned count)
{
    char text[64];
    int len = 0;

    for (unsigned i = first; i < first + count; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, i == first ? "%u" : " %u", ports[i]);
    setenv(name, text, 1);
}

static char *part_path(const char *part, const char *suffix)
{
    return text_format("%s/%s%s", folder, part, suffix);
}

/* As written by the script; 0 while the part is not there. */
static pid_t part_pid(const char *part)
{
    char *path = part_path(part, ".pid"), *text = sandbox_read(path);
    pid_t pid = (pid_t)strtol(text, NULL, 10);

    free(path);
    free(text);
    return pid;
}

static void await_ready(void)
{
    int64_t deadline = deadline_in(60000);
    bool ready = false;
    int status;

    while (!ready && now_ms() < deadline && !child_wait(script, 0, &status)) {
        char *text = sandbox_read(script_log);
        ready = strstr(text, "ready: ") != NULL;
        free(text);
        sleep_ms(20);
    }
    REQUIRE(ready, "the fleet did not start");
}

static void setup(void)
{
    char *argv[] = {FRESHET_SOURCE_DIR "/docs/cluster/start", NULL};

    find_ports();
    set_ports("BALANCER_PORT", BALANCER, 1);
    set_ports("GATEWAY_PORTS", GATEWAY_1, 2);
    set_ports("ADMIN_PORTS", ADMIN_1, 2);
    set_ports("NATS_PORTS", NATS_1, 3);
    set_ports("ROUTE_PORTS", ROUTE_1, 3);
    set_ports("MONITOR_PORTS", MONITOR_1, 3);
    folder = sandbox_path("cluster");
    script_log = sandbox_path("script.log");
    setenv("CLUSTER_DIR", folder, 1);
    setenv("FRESHET_BINARY", gateway_binary(), 1);
    sandbox_certificate(); /* server.crt and server.key are there now */
    setenv("CERTIFICATES", sandbox_dir(), 1);
    /* Tests that run in the background ignore it, and what is ignored at the start of a script stays so. */
    signal(SIGINT, SIG_DFL);
    script = child_start(argv, script_log, script_log);
    await_ready();
}

/* Its exit code, -1 if it still runs. */
static int end_script(int signal)
{
    int status = -1;

    kill(script, signal);
    if (!child_wait(script, deadline_in(30000), &status))
        return -1;
    script = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void teardown(void)
{
    if (script != 0)
        end_script(SIGTERM);
    free(folder);
    free(script_log);
}

TestSuite(cluster_example, .init = setup, .fini = teardown, .timeout = 170);

static void remove_logs(void)
{
    for (unsigned i = 0; i < PARTS; i++) {
        char *log = part_path(parts[i], ".log");
        unlink(log);
        free(log);
    }
    unlink(script_log);
}

/* A browser: it has a connection of its own, and comes back with the last id. */
struct reader {
    struct http_client *client;
    struct http_stream *stream;
    size_t checked; /* events of this stream */
    unsigned next;  /* the number expected */
    unsigned reconnects;
    char last_id[64];
};

static void reader_connect(struct reader *reader)
{
    char *header = text_format("last-event-id: %s", reader->last_id);

    http_client_destroy(reader->client);
    reader->client = http_client_create(&front, HTTP_H2);
    reader->stream = http_open(reader->client, ORDER, reader->last_id[0] != '\0' ? header : NULL, NULL);
    reader->checked = 0;
    free(header);
}

static struct reader *reader_create(void)
{
    struct reader *reader = calloc(1, sizeof(*reader));

    reader->next = 1;
    reader_connect(reader);
    return reader;
}

static void reader_destroy(struct reader *reader)
{
    http_client_destroy(reader->client);
    free(reader);
}

/* Numbers in their order, each once; the gateway's own events but for its farewell would be a loss. */
static void reader_check(struct reader *reader)
{
    struct http_stream *stream = reader->stream;

    for (; reader->checked < stream->log.count; reader->checked++) {
        const struct event *event = http_event(stream, reader->checked);
        if (strcmp(event->name, "freshet.bye") == 0)
            continue;
        REQUIRE(strcmp(event->name, "message") == 0 && strtoul(event->data, NULL, 10) == reader->next,
                "%s \"%s\" with id %s, not %u", event->name, event->data, event->id, reader->next);
        reader->next++;
    }
    /* A refused connection has none, and forgets nothing. */
    if (event_log_last_id(&stream->log)[0] != '\0')
        snprintf(reader->last_id, sizeof(reader->last_id), "%s", event_log_last_id(&stream->log));
}

static void reader_pump(struct reader *reader)
{
    http_pump(reader->client, 10);
    reader_check(reader);
    if (reader->stream->ended || (reader->stream->has_headers && reader->stream->status != 200)) {
        sleep_ms(50);
        reader_connect(reader);
        reader->reconnects++;
    }
}

/* All readers have all numbers up to last. */
static void await_numbers(struct reader *const *readers, unsigned last)
{
    int64_t deadline = deadline_in(60000);

    for (unsigned i = 0; i < 2; i++) {
        while (readers[i]->next <= last && now_ms() < deadline) {
            reader_pump(readers[0]);
            reader_pump(readers[1]);
        }
        REQUIRE(readers[i]->next == last + 1, "reader %u waits for %u of %u", i, readers[i]->next, last);
    }
}

/* Each number until it is known to be stored, under one id, so that a repetition is stored once. */
static void store_numbers(unsigned first, unsigned last)
{
    struct http_client *client = http_client_create(&front, HTTP_H2);
    int64_t deadline = deadline_in(60000);
    int status = 0;

    for (unsigned n = first; n <= last; n += status == 201) {
        char *id = text_format("nats-msg-id: %u", n), *body = text_format("%u", n);
        struct http_stream *response = http_request(client, "POST", SAY, body, id, NULL);
        status = response->status;
        REQUIRE(status == 201 || now_ms() < deadline, "%u: %d %s", n, status, response->body);
        http_close(response);
        free(id);
        free(body);
        if (status != 201) {
            sleep_ms(100);
            http_client_destroy(client);
            client = http_client_create(&front, HTTP_H2);
        }
    }
    http_client_destroy(client);
}

/* The part that a server names as the "leader" of ORDERS. */
static const char *stream_leader(void)
{
    int64_t deadline = deadline_in(30000);
    const char *leader = NULL;

    while (leader == NULL && now_ms() < deadline) {
        for (unsigned i = 0; i < 3 && leader == NULL; i++) {
            char *text = broker_monitor_get((int)ports[MONITOR_1 + i], "/jsz?streams=1");
            const char *at = text != NULL ? strstr(text, "\"name\": \"ORDERS\"") : NULL;
            at = at != NULL ? strstr(at, "\"leader\": \"nats-") : NULL;
            unsigned long number = at != NULL ? strtoul(at + strlen("\"leader\": \"nats-"), NULL, 10) : 0;
            if (number >= 1 && number <= 3)
                leader = parts[number - 1];
            free(text);
        }
        sleep_ms(20);
    }
    REQUIRE(leader != NULL, "no server names the stream's leader");
    return leader;
}

static pid_t kill_part(const char *part)
{
    pid_t pid = part_pid(part);

    REQUIRE(pid > 0 && kill(pid, SIGKILL) == 0, "%s", part);
    return pid;
}

/* The script has started it again. */
static void await_part(const char *part, pid_t before, unsigned port)
{
    int64_t deadline = deadline_in(30000);

    while ((part_pid(part) == 0 || part_pid(part) == before || is_free(port)) && now_ms() < deadline)
        sleep_ms(20);
    REQUIRE(part_pid(part) > 0 && part_pid(part) != before && !is_free(port), "%s did not come back", part);
}

static void require_nothing_left(const pid_t *pids)
{
    for (unsigned i = 0; i < PARTS; i++)
        REQUIRE(pids[i] > 0 && kill(pids[i], 0) != 0 && errno == ESRCH, "%s still runs", parts[i]);
    for (unsigned i = 0; i < PORTS; i++)
        REQUIRE(is_free(ports[i]), "something listens on %u", ports[i]);
}

Test(cluster_example, readers_go_on_whatever_is_killed)
{
    struct reader *readers[2];
    pid_t before, pids[PARTS];

    store_numbers(1, 20);
    readers[0] = reader_create();
    readers[1] = reader_create();
    await_numbers(readers, 20);
    store_numbers(21, 40);
    await_numbers(readers, 40);

    before = kill_part("gateway-1");
    store_numbers(41, 60);
    await_numbers(readers, 60);
    REQUIRE(readers[0]->reconnects == 0 || readers[1]->reconnects == 0, "the balancer spreads connections");
    REQUIRE(readers[0]->reconnects + readers[1]->reconnects > 0);
    await_part("gateway-1", before, ports[GATEWAY_1]);

    kill_part(stream_leader());
    store_numbers(61, 80);
    await_numbers(readers, 80);

    /* Now the gateway that has seen everything is killed, and readers move to one that has started since. */
    kill_part("gateway-2");
    store_numbers(81, 100);
    await_numbers(readers, 100);
    REQUIRE(readers[0]->reconnects > 0 && readers[1]->reconnects > 0);

    for (unsigned i = 0; i < 2; i++)
        reader_destroy(readers[i]);
    for (unsigned i = 0; i < PARTS; i++) {
        int64_t deadline = deadline_in(30000);
        while (kill(part_pid(parts[i]), 0) != 0 && now_ms() < deadline)
            sleep_ms(20);
        pids[i] = part_pid(parts[i]);
    }
    REQUIRE(end_script(SIGINT) == 0);
    require_nothing_left(pids);
    remove_logs();
}
