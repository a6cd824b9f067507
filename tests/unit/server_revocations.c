/* server_revocations.c - a revocation reaches every worker, whenever it comes */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include <string.h>

#include "gateway/auth/revoked.h"
#include "gateway/base/clock.h"
#include "gateway/core/identity.h"
#include "gateway/core/turn.h"
#include "gateway/http/app.h"
#include "gateway/http/access/service_auth.h"
#include "gateway/server/revocations.h"

static struct revoked *revoked;
static struct revocations *revocations;
static struct app app, second_app;
static struct hub second;
static struct metrics second_metrics;

static void setup(void)
{
    static char path[] = "/a";
    rig_start();
    hub_init(&second, &rig.registry, &second_metrics, rig_wake, NULL);
    registry_add_mailbox(&rig.registry, &second.mailbox);
    hub_start(&second, rig.now_ns);
    app = (struct app){.hub = &rig.hub};
    second_app = (struct app){.hub = &second};
    app.service = service_auth_create(&app);
    second_app.service = service_auth_create(&second_app);
    revoked = revoked_create();
    revocations = revocations_create(revoked);
    rig.route.path = path;
}

static void teardown(void)
{
    turn_end(&second);
    hub_dispose(&second);
    rig_stop();
    service_auth_destroy(app.service);
    service_auth_destroy(second_app.service);
    revocations_destroy(revocations);
    revoked_destroy(revoked);
}

TestSuite(server_revocations, .init = setup, .fini = teardown);

static struct rig_reader *open_for(const struct identity *identity)
{
    struct reader_options options = {
        .route = &rig.route,
        .source = &rig.source,
        .subjects = (const char *const[]){"a"},
        .subject_count = 1,
        .follow = true,
        .identity = identity,
    };
    struct rig_reader *r = rig_open_with(&options);
    rig_flush(r);
    return r;
}

static void hear(const char *text)
{
    revocations_hear(revocations, text, strlen(text));
}

static void turn(void)
{
    rig_turn();
    while (turn_run(&second, rig.now_ns))
        ;
}

static bool has(const char *jti)
{
    return revoked_has(revoked, jti, clock_wall_ns() / 1000000000);
}

Test(server_revocations, what_is_heard_early_is_blocked_at_once_and_passed_on_later)
{
    static const struct identity first = {.sub = "alice", .jti = "1"}, other = {.sub = "bob", .jti = "2"};
    struct app *const apps[] = {&app, &second_app};
    struct rig_reader *r = open_for(&first), *stays = open_for(&other);
    hear("{\"jti\":\"1\"}");
    hear("nonsense");
    hear("{\"jti\":\"3\"}");
    cr_assert(has("1") && has("3") && !has("2"));
    turn();
    cr_assert_not(r->final);
    revocations_open(revocations, apps, 2);
    turn();
    cr_assert(r->final && !stays->final);
    hear("{\"sub\":\"bob\"}");
    cr_assert_not(stays->final, "on its own thread, not on the speaker's");
    turn();
    cr_assert(stays->final);
    rig_close(r);
    rig_close(stays);
}

Test(server_revocations, what_nobody_takes_any_more_is_let_go)
{
    struct app *const apps[] = {&app, &second_app};
    hear("{\"jti\":\"1\"}");
    revocations_open(revocations, apps, 2);
    hear("{\"jti\":\"2\"}");
    rig_turn(); /* one of the two never turns again */
}

Test(server_revocations, it_may_never_open)
{
    hear("{\"jti\":\"1\"}");
    hear("{\"route\":\"/a\"}");
    cr_assert(has("1"));
}
