/* publish.c - a gateway that publishes, and a subscriber at its broker that receives everything */
/* SPDX-License-Identifier: MIT */
#include "tests/rigs/publish.h"

const char publish_yaml[] = "routes:\n"
                            "  - {path: \"/orders/{id}\", subjects: [\"orders.{id}.note\"], publish: true}\n"
                            "  - {path: \"/first/{token}\", subjects: [\"{token}.x\"], publish: true}\n"
                            "  - {path: /say, allow: [\"chat.>\", \"news.*\"], publish: true}\n"
                            "  - {path: /shared, subjects: [chat.shared], publish: true,\n"
                            "     cors: {origins: [\"https://app.example\"]}}\n"
                            "  - {path: /events, allow: [\">\"], history: {events: 4096}}\n";

struct publish_rig publish_rig;

void publish_listen(const char *url)
{
    natsOptions *options = NULL;

    REQUIRE(natsOptions_Create(&options) == NATS_OK && natsOptions_SetURL(options, url) == NATS_OK);
    natsOptions_SetMaxReconnect(options, -1);
    natsOptions_SetReconnectWait(options, 50);
    REQUIRE(natsConnection_Connect(&publish_rig.listener, options) == NATS_OK);
    natsOptions_Destroy(options);
    REQUIRE(natsConnection_SubscribeSync(&publish_rig.heard, publish_rig.listener, ">") == NATS_OK);
    REQUIRE(natsConnection_FlushTimeout(publish_rig.listener, scaled_ms(10000)) == NATS_OK);
}

void publish_stop(void)
{
    natsSubscription_Destroy(publish_rig.heard);
    natsConnection_Destroy(publish_rig.listener);
    rig_stop(&publish_rig.rig);
}

void publish_require_heard(const char *subject, const char *data, size_t len)
{
    natsMsg *message = NULL;
    natsStatus status = natsSubscription_NextMsg(&message, publish_rig.heard, scaled_ms(10000));

    REQUIRE(status == NATS_OK, "nothing arrives on %s: %s", subject, natsStatus_GetText(status));
    REQUIRE_STR(natsMsg_GetSubject(message), subject);
    REQUIRE((size_t)natsMsg_GetDataLength(message) == len, "%s: %d bytes, not %zu", subject,
            natsMsg_GetDataLength(message), len);
    REQUIRE(memcmp(natsMsg_GetData(message), data, len) == 0, "%s: the payload has changed", subject);
    natsMsg_Destroy(message);
}

void publish_require_accepted(const struct http_stream *response)
{
    REQUIRE(response->ended && response->result == CURLE_OK && response->status == 202, "%d, %s: %s", response->status,
            curl_easy_strerror(response->result), response->body);
    REQUIRE_STR(http_header(response, "content-type"), "application/json");
    REQUIRE_STR(response->body, "{}");
}

char *publish_letters(size_t len)
{
    char *text = malloc(len + 1);

    REQUIRE(text != NULL);
    for (size_t i = 0; i != len; ++i)
        text[i] = (char)('a' + i % 26);
    text[len] = '\0';
    return text;
}
