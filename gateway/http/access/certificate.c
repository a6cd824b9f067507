/* certificate.c - the name in the certificate of a client */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access/certificate.h"

#include "gateway/http/connection.h"

const char *certificate_name(const struct connection *connection)
{
    return connection->certificate_name;
}
