/* cloudevents.c - one NATS message as one line of CloudEvents 1.0 JSON */
/* SPDX-License-Identifier: MIT */
#include "proto/cloudevents.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "proto/text.h"
#include "proto/units.h"

/* One path for both functions, so that they cannot disagree: without dst it only counts. */
struct output {
    char *dst;
    size_t len;
};

static void put(struct output *out, const char *s)
{
    size_t len = strlen(s);

    if (out->dst != NULL)
        memcpy(out->dst + out->len, s, len);
    out->len += len;
}

static void put_json_string(struct output *out, const char *s, size_t len)
{
    put(out, "\"");
    out->len += out->dst != NULL ? text_json_write(out->dst + out->len, s, len) : text_json_size(s, len);
    put(out, "\"");
}

static void put_base64_string(struct output *out, const char *s, size_t len)
{
    put(out, "\"");
    out->len += out->dst != NULL ? text_base64_write(out->dst + out->len, s, len) : text_base64_size(len);
    put(out, "\"");
}

/* JSON as it is. A raw line end can only stand between tokens there, where a blank means the same. */
static void put_json_line(struct output *out, const char *json, size_t len)
{
    if (out->dst != NULL) {
        for (size_t i = 0; i < len; i++)
            out->dst[out->len + i] = json[i] == '\n' || json[i] == '\r' ? ' ' : json[i];
    }
    out->len += len;
}

/* prefix: the comma, the quoted name and the colon. */
static void put_attribute(struct output *out, const char *prefix, const char *value)
{
    if (value == NULL)
        return;
    put(out, prefix);
    put_json_string(out, value, strlen(value));
}

static void put_time(struct output *out, int64_t time_ms)
{
    if (time_ms < 0)
        return;
    put(out, ",\"time\":\"");
    if (out->dst != NULL)
        units_write_time(out->dst + out->len, time_ms);
    out->len += UNITS_TIME_LEN;
    put(out, "\"");
}

/*
 * CloudEvents JSON format 3.1: JSON is what has the subtype "json" or a suffix
 * "+json", or no type at all. Text of another type that happens to read as
 * JSON (a number, a quoted word) must stay the string that it is.
 */
static bool type_allows_json(const char *type)
{
    const char *subtype = type != NULL ? strchr(type, '/') : NULL;

    if (subtype == NULL)
        return type == NULL;
    subtype++;
    size_t len = strcspn(subtype, "; \t");
    return (len == 4 && strncasecmp(subtype, "json", 4) == 0) ||
           (len >= 5 && strncasecmp(subtype + len - 5, "+json", 5) == 0);
}

static void put_data(struct output *out, const struct cloudevent *event)
{
    if (event->data_len == 0)
        return;
    if (type_allows_json(event->datacontenttype) && text_is_json(event->data, event->data_len)) {
        put(out, ",\"data\":");
        put_json_line(out, event->data, event->data_len);
    } else if (text_is_utf8(event->data, event->data_len)) {
        put(out, ",\"data\":");
        put_json_string(out, event->data, event->data_len);
    } else {
        put(out, ",\"data_base64\":");
        put_base64_string(out, event->data, event->data_len);
    }
}

static size_t put_event(struct output out, const struct cloudevent *event)
{
    put(&out, "{\"specversion\":\"1.0\"");
    put_attribute(&out, ",\"id\":", event->id);
    put_attribute(&out, ",\"source\":", event->source);
    put_attribute(&out, ",\"type\":", event->type);
    put_attribute(&out, ",\"subject\":", event->subject);
    put_time(&out, event->time_ms);
    put_attribute(&out, ",\"datacontenttype\":", event->datacontenttype);
    put_data(&out, event);
    put(&out, "}");
    return out.len;
}

size_t cloudevent_size(const struct cloudevent *event)
{
    return put_event((struct output){.dst = NULL}, event);
}

size_t cloudevent_write(char *dst, const struct cloudevent *event)
{
    return put_event((struct output){.dst = dst}, event);
}
