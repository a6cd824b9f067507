/* guard.c - what the server keeps about one client connection, beside what HTTP knows of it */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/guard.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/thread.h"
#include "gateway/core/address_limits.h"
#include "gateway/http/connection.h"
#include "gateway/server/gate/gate.h"
#include "gateway/server/listen/acceptor.h"
#include "gateway/server/listen/proxy.h"

struct guard *guard_create(struct connection *connection, struct opener *opener, const struct acceptor *acceptor)
{
    struct guard *guard = check_calloc(1, sizeof(*guard));

    CHECK(connection->guard == NULL);
    guard->connection = connection;
    guard->opener = opener;
    guard->class = acceptor->class;
    guard->acceptor = acceptor;
    list_init(&guard->deadline);
    connection->guard = guard;
    return guard;
}

void guard_destroy(struct guard *guard)
{
    CHECK_THREAD(guard->connection->registry);
    CHECK(guard->connection->guard == guard);
    list_remove(&guard->deadline);
    gate_destroy(guard->gate); /* a reader of it that is on the stack learns of it */
    proxy_destroy(guard->proxy);
    address_limits_give(guard->client, ADDRESS_CONNECTION, guard->client_bytes, clock_mono_coarse_ns());
    guard->connection->guard = NULL;
    free(guard);
}
