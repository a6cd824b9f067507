/* settings.c - a configuration in use by the requests of one worker */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/settings.h"

#include "gateway/base/check.h"
#include "gateway/http/app.h"

static void note_over(struct settings *settings)
{
    /* the last access here: the reload that sees this frees it */
    if (settings->is_replaced && settings->requests == 0)
        atomic_store_explicit(&settings->is_over, true, memory_order_release);
}

void settings_replace(struct app *app, struct settings *settings)
{
    struct settings *before = app->settings;
    CHECK(settings != before && !settings->is_replaced && settings->config != NULL);
    app->settings = settings;
    app->config = settings->config;
    app->keys = settings->keys;
    if (before == NULL)
        return;
    before->is_replaced = true;
    note_over(before);
}

void settings_retain(struct settings *settings)
{
    if (settings == NULL)
        return;
    /* later it may already be freed */
    CHECK(!settings->is_replaced);
    ++settings->requests;
}

void settings_release(struct settings *settings)
{
    if (settings == NULL)
        return;
    CHECK(settings->requests != 0);
    --settings->requests;
    note_over(settings);
}
