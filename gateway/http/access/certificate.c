/* certificate.c - who a client is by its certificate */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access/certificate.h"

#include <stdio.h>

#include "gateway/http/connection.h"

const char *certificate_name(struct st_h2o_req_t *req, char dst[static CERTIFICATE_NAME_MAX])
{
    const struct connection *connection = connection_of(req);

    if (connection->certificate_name == NULL)
        return NULL;
    snprintf(dst, CERTIFICATE_NAME_MAX, "%s", connection->certificate_name);
    return dst;
}
