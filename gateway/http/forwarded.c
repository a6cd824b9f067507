/* forwarded.c - the client behind trusted proxies */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/forwarded.h"

#include <h2o.h>

#include "gateway/base/ip.h"
#include "gateway/config/config.h"

/* More proxies in a row than any deployment has; each costs a search in the list of networks. */
#define HOPS_MAX 16

struct walk {
    const struct config_listen *listen;
    struct ip *ip;
    unsigned hops;
};

static bool is_trusted(const struct walk *walk)
{
    return ip_in_networks(walk->ip, walk->listen->forwarded, walk->listen->forwarded_count);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* True: the entry is a trusted proxy, so the one before it counts. */
static bool take_entry(struct walk *walk, const char *entry, size_t len)
{
    while (len != 0 && is_blank(entry[len - 1]))
        --len;
    for (; len != 0 && is_blank(*entry); --len)
        ++entry;
    if (len == 0) /* RFC 9110 5.6.1: empty elements of a list are ignored */
        return true;
    struct ip next;
    if (++walk->hops > HOPS_MAX || !ip_parse(entry, len, &next))
        return false;
    *walk->ip = next;
    return is_trusted(walk);
}

static bool take_list(struct walk *walk, h2o_iovec_t value)
{
    for (size_t end = value.len;;) {
        size_t start = end;
        while (start != 0 && value.base[start - 1] != ',')
            --start;
        if (!take_entry(walk, value.base + start, end - start))
            return false;
        if (start == 0)
            return true;
        end = start - 1;
    }
}

void forwarded_resolve(const struct config_listen *listen, const struct st_h2o_req_t *req, struct ip *ip)
{
    struct walk walk = {.listen = listen, .ip = ip};
    if (listen == NULL || !is_trusted(&walk))
        return;
    /* Several lines are one list in their order (RFC 9110 5.3): the nearest proxy wrote the last one. */
    for (size_t i = req->headers.size; i != 0; --i) {
        const h2o_header_t *header = &req->headers.entries[i - 1];
        if (header->name == &H2O_TOKEN_X_FORWARDED_FOR->buf && !take_list(&walk, header->value))
            return;
    }
}
