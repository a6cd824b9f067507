/* page_assets.h - the files of the console page, embedded in the binary */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HTTP_ADMIN_PAGE_ASSETS_H
#define GATEWAY_HTTP_ADMIN_PAGE_ASSETS_H

#include <stddef.h>

/*
 * One entry per file of gateway/http/admin/page/, made by that folder's build step.
 * Static storage, immutable, any thread. len counts the file's bytes; a NUL
 * that is not counted follows them.
 */
struct page_asset {
    const char *path; /* "/" for index.html, "/assets/NAME" for every other */
    const char *content_type;
    const unsigned char *bytes;
    size_t len;
};

extern const struct page_asset page_assets[];
extern const size_t page_assets_count;

#endif
