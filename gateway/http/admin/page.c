/* page.c - the files of the console page */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/page.h"

#include <h2o.h>

#include "gateway/http/admin/page_assets.h"
#include "gateway/http/exchange.h"
#include "gateway/http/reply.h"

#define PAGE_POLICY                                                                                                    \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "              \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

bool page_answer(struct exchange *exchange)
{
    for (size_t i = 0; i != page_assets_count; ++i) {
        const struct page_asset *asset = &page_assets[i];
        if (!exchange_is_path(exchange, asset->path))
            continue;
        reply_header(exchange, "content-security-policy", H2O_STRLIT(PAGE_POLICY));
        reply_header(exchange, "x-content-type-options", H2O_STRLIT("nosniff"));
        reply_header(exchange, "referrer-policy", H2O_STRLIT("no-referrer"));
        reply_header(exchange, "cross-origin-opener-policy", H2O_STRLIT("same-origin"));
        reply_header(exchange, "cache-control", H2O_STRLIT("no-cache"));
        reply_send(exchange, 200, asset->content_type, (const char *)asset->bytes, asset->len);
        return true;
    }
    return false;
}
