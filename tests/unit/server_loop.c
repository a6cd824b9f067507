/* server_loop.c - what a turn writes is settled before the loop looks at its sockets, and nothing writes outside */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/loop.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static h2o_globalconf_t config;
static h2o_context_t context;
static struct loop loop;
static h2o_socket_t *sock;
static int peer;
static unsigned turns, written, timeouts;
static bool wants_write, wants_timeout, wants_turn;
static h2o_timeout_entry_t timeout_entry;

static void on_written(h2o_socket_t *of, const char *err)
{
    cr_assert(of == sock && err == NULL);
    written++;
}

static void write_some(const char *text)
{
    h2o_iovec_t bytes = h2o_iovec_init(text, strlen(text));

    h2o_socket_write(sock, &bytes, 1, on_written);
}

static void on_timeout(h2o_timeout_entry_t *entry)
{
    cr_assert(entry == &timeout_entry);
    timeouts++;
}

static bool take_turn(void *arg)
{
    cr_assert(arg == &turns);
    turns++;
    if (wants_write)
        write_some("turn");
    if (wants_timeout) {
        h2o_timeout_link(context.loop, &context.zero_timeout, &timeout_entry);
        timeout_entry.registered_at += 3600000; /* as if the clock were set back now */
    }
    wants_write = wants_timeout = false;
    return wants_turn;
}

static void set_up(void)
{
    int fds[2];

    h2o_config_init(&config);
    h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_context_init(&context, h2o_evloop_create(), &config);
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    sock = h2o_evloop_socket_create(context.loop, fds[0], 0);
    peer = fds[1];
    timeout_entry.cb = on_timeout;
    loop_init(&loop, &context, 100000000, take_turn, &turns);
}

static void tear_down(void)
{
    loop_dispose(&loop);
    h2o_socket_close(sock);
    close(peer);
}

TestSuite(server_loop, .init = set_up, .fini = tear_down);

Test(server_loop, what_a_turn_writes_is_settled_when_the_run_returns)
{
    char text[8] = "";

    wants_write = true;
    cr_assert(loop_run(&loop, false), "a callback has run since the turn: another turn is due");
    cr_assert(turns == 1 && written == 1);
    cr_assert(read(peer, text, sizeof(text)) == 4 && memcmp(text, "turn", 4) == 0);
    cr_assert_not(loop_run(&loop, false));
    cr_assert(turns == 2 && written == 1);
}

/* HTTP/2 writes from such a timeout, and libh2o measures timeouts by the wall clock. */
Test(server_loop, what_waits_for_no_time_runs_in_the_same_run_though_the_clock_is_set_back)
{
    wants_timeout = true;
    cr_assert(loop_run(&loop, false));
    cr_assert(turns == 1 && timeouts == 1);
    cr_assert_not(loop_run(&loop, false));
}

Test(server_loop, a_turn_that_has_more_to_do_is_followed_by_another)
{
    wants_turn = true;
    cr_assert(loop_run(&loop, false));
    wants_turn = false;
    cr_assert_not(loop_run(&loop, false));
    cr_assert_eq(turns, 2);
}

Test(server_loop, a_turn_comes_with_the_tick_where_nothing_happens)
{
    cr_assert_not(loop_run(&loop, true));
    cr_assert_not(loop_run(&loop, true));
    cr_assert_eq(turns, 2);
}

#ifdef FRESHET_DEBUG
Test(server_loop, a_write_outside_the_loop_fails_at_once, .signal = SIGABRT)
{
    write_some("outside");
}

Test(server_loop, a_close_outside_the_loop_fails_at_once, .signal = SIGABRT)
{
    h2o_socket_close(sock);
}
#endif

/* Also where the functions above are libh2o's own: what such a write leaves behind is noticed by the next run. */
Test(server_loop, a_write_outside_the_loop_does_not_go_unnoticed, .signal = SIGABRT)
{
    write_some("outside");
    loop_run(&loop, false);
}
