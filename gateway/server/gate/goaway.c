/* goaway.c - tells an HTTP/2 client to open its next streams elsewhere */
/* SPDX-License-Identifier: MIT */
#include "gateway/server/gate/goaway.h"

#include <h2o.h>
#include <h2o/http2.h>
#include <h2o/http2_internal.h>

#include "gateway/base/check.h"
#include "gateway/base/thread.h"
#include "gateway/http/connection.h"

void goaway_send(struct connection *connection)
{
    h2o_http2_conn_t *conn;

    CHECK_THREAD(connection->registry);
    if (connection->protocol != CONNECTION_HTTP2 || connection->is_killed)
        return;
    conn = connection->sock->data;
    CHECK(conn->sock == connection->sock);
    if (conn->state != H2O_HTTP2_CONN_STATE_OPEN) /* libh2o has sent one of its own, or is closing */
        return;
    h2o_http2_encode_goaway_frame(&conn->_write.buf, INT32_MAX, H2O_HTTP2_ERROR_NONE,
                                  h2o_iovec_init(H2O_STRLIT("draining")));
    h2o_http2_conn_request_write(conn);
}
