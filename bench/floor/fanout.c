/* fanout.c - one message to every stream of its subject */
/* SPDX-License-Identifier: MIT */
#include "bench/floor/floor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "bench/common/tool.h"

struct member {
    struct conn *conn;
    uint32_t stream;
};

struct channel {
    struct member *members;
    size_t count, cap;
    UT_hash_handle hh;
    char subject[];
};

void fanout_join(struct floor *floor, struct conn *conn, uint32_t stream, const char *subject, size_t len)
{
    struct channel *channel;
    HASH_FIND(hh, floor->channels, subject, len, channel);
    if (channel == NULL) {
        channel = tool_calloc(1, sizeof(*channel) + len + 1);
        memcpy(channel->subject, subject, len);
        HASH_ADD_KEYPTR(hh, floor->channels, channel->subject, len, channel);
    }
    if (channel->count == channel->cap) {
        channel->cap = channel->cap == 0 ? 4 : channel->cap * 2;
        channel->members = tool_realloc(channel->members, channel->cap * sizeof(*channel->members));
    }
    channel->members[channel->count++] = (struct member){conn, stream};
    ++conn->members;
}

static void append(struct floor *floor, struct conn *conn, uint32_t stream, const char *event, size_t len)
{
    do {
        size_t part = len < H2_FRAME_MAX ? len : H2_FRAME_MAX;
        char *dst = conn_reserve(floor, conn, H2_HEAD + part);
        h2_write_head(dst, part, 0, 0, stream);
        memcpy(dst + H2_HEAD, event, part);
        event += part;
        len -= part;
    } while (len != 0);
}

void fanout_message(struct floor *floor, const char *subject, const char *data, size_t len)
{
    static char *event;
    static size_t cap;
    struct channel *channel;
    HASH_FIND(hh, floor->channels, subject, strlen(subject), channel);
    if (channel == NULL)
        return;
    if (event == NULL || len + 64 > cap)
        event = tool_realloc(event, cap = (len + 64) * 2);
    size_t at = (size_t)snprintf(event, cap, "id: f100f100f1-%" PRIu64 "\ndata: ", ++floor->sequence);
    memcpy(event + at, data, len);
    memcpy(event + at + len, "\n\n", 2);
    for (size_t i = 0; i < channel->count;) {
        struct conn *conn = channel->members[i].conn;
        if (conn->dead) {
            channel->members[i] = channel->members[--channel->count];
            conn_release(conn);
            continue;
        }
        append(floor, conn, channel->members[i].stream, event, at + len + 2);
        ++i;
    }
}

void fanout_flush(struct floor *floor)
{
    while (floor->dirty != NULL) {
        struct conn *conn = floor->dirty;
        floor->dirty = conn->next_dirty;
        conn->dirty = false;
        if (!conn->dead)
            conn_flush(floor, conn);
        else if (conn->members == 0)
            free(conn);
    }
}
