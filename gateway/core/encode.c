/* encode.c - turns one message into the event its channel sends */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/encode.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/core/message.h"
#include "proto/cloudevents.h"
#include "proto/subject.h"
#include "proto/text.h"
#include "proto/units.h"

#define OWN_EVENTS "freshet."
#define BINARY_EVENT OWN_EVENTS "binary"
/* Longer than any sane reconnection time; EventSource takes any number. */
#define RETRY_MAX_MS (24 * 60 * 60 * MS_PER_S)

void encode_init(struct encoding *encoding)
{
    *encoding = (struct encoding){.scratch = NULL};
}

void encode_dispose(struct encoding *encoding)
{
    free(encoding->scratch);
    encoding->scratch = NULL;
}

static char *scratch_reserve(struct encoding *encoding, size_t size)
{
    if (encoding->scratch_size < size) {
        encoding->scratch = check_realloc(encoding->scratch, size * 2);
        encoding->scratch_size = size * 2;
    }
    return encoding->scratch;
}

/* The gateway's own events are its own: no publisher gets to say that there was a gap. */
static bool is_own_name(const char *name, size_t len)
{
    return len >= sizeof(OWN_EVENTS) - 1 && memcmp(name, OWN_EVENTS, sizeof(OWN_EVENTS) - 1) == 0;
}

static void set_name(struct sse_event *event, const char *name, size_t len)
{
    if (name != NULL && sse_name_is_valid(name, len) && !is_own_name(name, len)) {
        event->name = name;
        event->name_len = len;
    }
}

static void choose_name(struct sse_event *event, enum policy_event kind, const struct message *message)
{
    switch (kind) {
    case POLICY_EVENT_NONE:
        break;
    case POLICY_EVENT_SUBJECT:
        set_name(event, message->subject, message->subject_len);
        break;
    case POLICY_EVENT_HEADER:
        if (message->sse_event != NULL)
            set_name(event, message->sse_event, strlen(message->sse_event));
        if (event->name_len == 0 && message->ce_type != NULL)
            set_name(event, message->ce_type, strlen(message->ce_type));
        break;
    }
}

static void use_base64(struct encoding *encoding, const struct message *message)
{
    size_t size = text_base64_size(message->data_len);
    char *text = scratch_reserve(encoding, size);
    text_base64_write(text, message->data, message->data_len);
    encoding->event.data = text;
    encoding->event.data_len = size;
}

/* CloudEvents has no empty attributes: an empty header is a missing one. */
static const char *valid_text(const char *s)
{
    return s != NULL && *s != '\0' && text_is_utf8(s, strlen(s)) ? s : NULL;
}

/* The bound NATS subject and the id make an event from a message that says nothing of itself. */
static void use_cloudevent(struct encoding *encoding, const struct message *message)
{
    char subject[SUBJECT_MAX + 1], id[EVENT_ID_MAX + 1];
    size_t subject_len = message->subject_len < SUBJECT_MAX ? message->subject_len : SUBJECT_MAX;
    memcpy(subject, message->subject, subject_len);
    subject[subject_len] = '\0';
    /* without history there is no event id: the time of arrival is as unique as it gets */
    size_t id_len = encoding->event.id_len;
    if (id_len != 0)
        memcpy(id, encoding->id, id_len);
    else
        id_len = units_write_u64(id, (uint64_t)message->received_ns);
    id[id_len] = '\0';

    struct cloudevent event = {
        .id = valid_text(message->ce_id),
        .source = valid_text(message->ce_source),
        .type = valid_text(message->ce_type),
        .subject = valid_text(message->ce_subject),
        .datacontenttype = valid_text(message->content_type),
        .time_ms = message->received_ns / NS_PER_MS,
        .data = message->data,
        .data_len = message->data_len,
    };
    int64_t time_ns;
    if (message->ce_time != NULL && units_parse_time(message->ce_time, strlen(message->ce_time), &time_ns))
        event.time_ms = time_ns / NS_PER_MS;
    if (event.id == NULL)
        event.id = id;
    if (event.source == NULL)
        event.source = "/nats";
    if (event.type == NULL)
        event.type = "freshet.message";
    if (event.subject == NULL)
        event.subject = valid_text(subject);

    size_t size = cloudevent_size(&event);
    char *text = scratch_reserve(encoding, size);
    cloudevent_write(text, &event);
    encoding->event.data = text;
    encoding->event.data_len = size;
}

static void use_text(struct encoding *encoding, const struct message *message)
{
    if (text_is_utf8(message->data, message->data_len)) {
        encoding->event.data = message->data;
        encoding->event.data_len = message->data_len;
        return;
    }
    encoding->event.name = BINARY_EVENT;
    encoding->event.name_len = sizeof(BINARY_EVENT) - 1;
    use_base64(encoding, message);
}

size_t encode_prepare(struct encoding *encoding, enum policy_event event, enum policy_format format, struct event_id id,
                      const struct message *message)
{
    encoding->event = (struct sse_event){.retry_ms = -1, .has_data = true};
    if (id.incarnation != 0) {
        encoding->event.id = encoding->id;
        encoding->event.id_len = event_id_write(encoding->id, id);
    }
    uint64_t retry;
    if (message->sse_retry != NULL && units_parse_u64(message->sse_retry, strlen(message->sse_retry), &retry) &&
        retry <= RETRY_MAX_MS)
        encoding->event.retry_ms = (int64_t)retry;
    choose_name(&encoding->event, event, message);
    switch (format) {
    case POLICY_FORMAT_TEXT:
        use_text(encoding, message);
        break;
    case POLICY_FORMAT_BASE64:
        use_base64(encoding, message);
        break;
    case POLICY_FORMAT_CLOUDEVENTS:
        use_cloudevent(encoding, message);
        break;
    }
    return sse_size(&encoding->event);
}

size_t encode_write(char *dst, const struct encoding *encoding)
{
    return sse_write(dst, &encoding->event);
}
