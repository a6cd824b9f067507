/* js_session.c - one connection of a JetStream source, shared by its threads */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_session.h"

#include <stdlib.h>

#include "gateway/base/check.h"

void js_session_retain(struct js_session *session)
{
    CHECK(atomic_fetch_add(&session->refs, 1) != 0);
}

void js_session_release(struct js_session *session)
{
    unsigned refs = atomic_fetch_sub(&session->refs, 1);
    CHECK(refs != 0);
    if (refs != 1)
        return;
    if (session->dispose != NULL)
        session->dispose(session);
    jsCtx_Destroy(session->js);
    natsConnection_Destroy(session->connection);
    free(session);
}
