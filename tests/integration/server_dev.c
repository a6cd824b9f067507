/* server_dev.c - the private broker and the demo messages of --dev */
/* SPDX-License-Identifier: MIT */
#include "tests/integration/source_recorder.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/server/dev/dev_broker.h"
#include "gateway/server/dev/dev_feed.h"

/* Brokers make their directories in the sandbox, which shows what they leave behind. */
static void use_sandbox(void)
{
    setenv("TMPDIR", sandbox_dir(), 1);
}

TestSuite(server_dev, .init = use_sandbox, .fini = recorder_forget);

static unsigned count_directories(void)
{
    unsigned count = 0;
    DIR *directory = opendir(sandbox_dir());
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strncmp(entry->d_name, "freshet-dev-", 12) == 0;
    closedir(directory);
    return count;
}

Test(server_dev, broker_comes_back_on_the_same_port_and_leaves_nothing)
{
    char error[512];
    struct dev_broker *broker = dev_broker_start(error, sizeof(error));
    cr_assert_not_null(broker, "%s", error);
    cr_assert_eq(count_directories(), 1);
    char *url = strdup(dev_broker_url(broker));
    struct nats_source *source = start_connected(url);
    struct channel *channel = open_and_await(source, "x");
    for (unsigned outage = 1; outage <= 2; ++outage) {
        pid_t pid = dev_broker_pid(broker);
        cr_assert_gt(pid, 0);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        AWAIT(recorder_count(channel, LOST) == outage);
        cr_assert_neq(dev_broker_pid(broker), pid);
        cr_assert_str_eq(dev_broker_url(broker), url);
    }
    close_channel(source, channel);
    end_source(source);
    pid_t pid = dev_broker_pid(broker);
    dev_broker_stop(broker);
    cr_assert(kill(pid, 0) != 0 && errno == ESRCH);
    cr_assert_eq(count_directories(), 0);
    free(url);
}

Test(server_dev, broker_is_not_in_the_terminals_process_group)
{
    char error[512];
    struct dev_broker *broker = dev_broker_start(error, sizeof(error));
    cr_assert_not_null(broker, "%s", error);
    cr_assert_eq(getpgid(dev_broker_pid(broker)), dev_broker_pid(broker));
    dev_broker_stop(broker);
}

Test(server_dev, broker_dies_with_a_killed_parent)
{
    char error[512];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct dev_broker *broker = dev_broker_start(error, sizeof(error));
        pid_t pid = broker != NULL ? dev_broker_pid(broker) : -1;
        if (write(ends[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
            _exit(1);
        for (;;)
            pause();
    }
    pid_t pid = -1;
    cr_assert_eq(read(ends[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
    cr_assert_gt(pid, 0);
    cr_assert_eq(kill(pid, 0), 0);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    /* It has no parent but init then, which may take its time to reap: a zombie is dead, too. */
    char *stat_path = text_format("/proc/%d/stat", (int)pid);
    char *stat = NULL;
    AWAIT((free(stat), stat = sandbox_read(stat_path), stat[0] == '\0' || strstr(stat, ") Z") != NULL));
    free(stat);
    free(stat_path);
    close(ends[0]);
    close(ends[1]);
    char *command = text_format("rm -rf '%s'/freshet-dev-*", sandbox_dir());
    cr_assert_eq(system(command), 0);
    free(command);
}

Test(server_dev, a_broker_that_cannot_start_says_why)
{
    char error[512] = "";
    const char *folder = sandbox_dir();
    char *fake = text_format("%s/nats-server", folder), *path = text_format("%s:%s", folder, getenv("PATH"));
    sandbox_write(fake, "#!/bin/sh\necho 'no luck today' >&2\nexit 1\n");
    char *command = text_format("chmod +x '%s'", fake);
    cr_assert_eq(system(command), 0);
    setenv("PATH", path, 1);
    cr_assert_null(dev_broker_start(error, sizeof(error)));
    cr_assert_not_null(strstr(error, "no luck today"), "%s", error);
    unlink(fake);
    cr_assert_eq(count_directories(), 0);
    free(command);
    free(fake);
    free(path);
}

static void expect_json(const struct record *record)
{
    json_t *json = json_loads(record->data, 0, NULL);
    cr_assert_not_null(json, "%s", record->data);
    if (strcmp(record->subject, "demo.clock") == 0)
        cr_assert(json_is_integer(json_object_get(json, "n")) && json_is_string(json_object_get(json, "time")));
    else
        cr_assert(json_is_number(json_object_get(json, "price")) && json_is_string(json_object_get(json, "symbol")));
    json_decref(json);
}

Test(server_dev, feed_ticks)
{
    struct nats_fixture *nats = nats_fixture_start(NULL);
    struct nats_source *source = start_connected(nats_fixture_url(nats));
    struct channel *clock = open_and_await(source, "demo.clock"), *ticker = open_and_await(source, "demo.ticker.*");
    struct dev_feed *feed = dev_feed_start(nats_source_base(source));
    cr_assert_not_null(feed);
    AWAIT(recorder_count(clock, EVENT) >= 2 && recorder_count(ticker, EVENT) >= 4);
    int64_t began = now_ms();
    dev_feed_stop(feed);
    cr_assert_lt(now_ms() - began, scaled_ms(150));
    close_channel(source, clock);
    close_channel(source, ticker);
    cr_assert(nats_source_stop(source));
    for (size_t i = 0; i < recorder.count; ++i) {
        if (recorder.records[i].kind == EVENT)
            expect_json(&recorder.records[i]);
    }
    nats_source_destroy(source);
    nats_fixture_stop(nats);
}
