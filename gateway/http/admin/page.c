/* page.c - the files of the console page */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/admin/page.h"

#include <h2o.h>
#include <string.h>

#include "gateway/http/admin/page_assets.h"
#include "gateway/http/reply.h"

#define PAGE_POLICY                                                                                                    \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "              \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

bool page_answer(struct app *app, h2o_req_t *req, size_t path_len)
{
    for (size_t i = 0; i != page_assets_count; ++i) {
        const struct page_asset *asset = &page_assets[i];
        if (!h2o_memis(req->path.base, path_len, asset->path, strlen(asset->path)))
            continue;
        reply_header(req, "content-security-policy", H2O_STRLIT(PAGE_POLICY));
        reply_header(req, "x-content-type-options", H2O_STRLIT("nosniff"));
        reply_header(req, "referrer-policy", H2O_STRLIT("no-referrer"));
        reply_header(req, "cross-origin-opener-policy", H2O_STRLIT("same-origin"));
        reply_header(req, "cache-control", H2O_STRLIT("no-cache"));
        reply_send(app, req, 200, asset->content_type, (const char *)asset->bytes, asset->len);
        return true;
    }
    return false;
}
