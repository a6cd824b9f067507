/* config_text.c - values of the configuration that are kept as text: is it what its type says */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/address.h"
#include "gateway/base/check.h"
#include "gateway/base/ip.h"
#include "proto/subject.h"

/* Of a header, a cookie, a query value. */
#define NAME_MAX 64
/* NATS servers take no longer ones. */
#define STREAM_NAME_MAX 255
#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)

/* RFC 9110 section 5.6.2. */
static const char token_characters[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

bool config_text_is_secret(enum config_type type)
{
    return type == CONFIG_TYPE_SECRET || type == CONFIG_TYPE_URLS;
}

/* ---- addresses ---- */

static const char *check_address(const char *text)
{
    struct address parsed;
    return address_parse(text, &parsed);
}

/* A host that may have a port, which is never 0; port: what stands for it otherwise. */
static const char *check_host(const char *host, const char *port, struct address *parsed)
{
    /* The colons of an IPv6 address are not its port's. */
    const char *after_ip6 = strchr(host, ']');
    const char *colon = strrchr(after_ip6 != NULL ? after_ip6 : host, ':');
    char with_port[ADDRESS_HOST_MAX + 16];
    snprintf(with_port, sizeof(with_port), "%.*s%s", ADDRESS_HOST_MAX, host, colon == NULL ? port : "");
    const char *wrong = address_parse(with_port, parsed);
    return wrong == NULL && strcmp(parsed->port, "0") == 0 ? "has a bad port (1 to 65535)" : wrong;
}

static bool parse_ip(const char *text, uint8_t address[16], unsigned *bits)
{
    *bits = 128;
    if (inet_pton(AF_INET6, text, address) == 1)
        return true;
    memset(address, 0, 10);
    memset(address + 10, 0xff, 2);
    *bits = 32;
    return inet_pton(AF_INET, text, address + 12) == 1;
}

const char *config_text_network(const char *text, struct ip_network *network)
{
    char host[INET6_ADDRSTRLEN + 1];
    size_t len = strcspn(text, "/");
    unsigned most;
    if (len >= sizeof(host))
        return "is not an address";
    memcpy(host, text, len);
    host[len] = '\0';
    if (!parse_ip(host, network->address, &most))
        return "is not an address or network (such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32)";
    network->bits = 128;
    if (text[len] == '/') {
        const char *digits = text + len + 1;
        unsigned long bits = strtoul(digits, NULL, 10);
        /* strtoul alone would take blanks, a sign, and whatever follows the digits. */
        if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0' || strlen(digits) > 3 || bits > most)
            return most == 32 ? "has a bad prefix length (0 to 32)" : "has a bad prefix length (0 to 128)";
        network->bits = (unsigned)bits + 128 - most; /* an IPv4 prefix lies behind the 96 bits of a mapped address */
    }
    /* 10.0.0.1/8 is a slip in the address or in the length; which one is not ours to guess */
    for (unsigned i = network->bits; i != 128; ++i) {
        if ((network->address[i / 8] & (0x80 >> i % 8)) != 0)
            return "has host bits set after its prefix";
    }
    return NULL;
}

/* ---- origins and URLs ---- */

static const char *check_origin_host(const char *scheme, size_t scheme_len, const char *host)
{
    const char *after_ip6 = strchr(host, ']');
    const char *colon = strrchr(after_ip6 != NULL ? after_ip6 : host, ':');
    struct address parsed;
    if (*host == '*')
        return "has a wildcard host (only a plain \"*\" is allowed)";
    if (strpbrk(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL)
        return "has upper-case letters, which browsers never send";
    if (colon != NULL && ((scheme_len == 5 && strncmp(scheme, "https", 5) == 0 && strcmp(colon, ":443") == 0) ||
                          (scheme_len == 4 && strncmp(scheme, "http", 4) == 0 && strcmp(colon, ":80") == 0)))
        return "has its scheme's default port, which browsers omit";
    if (strlen(host) > ADDRESS_HOST_MAX)
        return "is too long";
    return check_host(host, ":1", &parsed);
}

/* RFC 6454 section 6.2, and what browsers make of it. */
static const char *check_origin(const char *text)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789+.-";
    const char *host = strstr(text, "://");
    size_t scheme_len = strspn(text, lower);
    if (strcmp(text, "*") == 0)
        return NULL;
    /* Nor is "null": every sandboxed page sends it, so it would let all of them in. */
    if (host == NULL || text + scheme_len != host || *text < 'a' || *text > 'z')
        return "is not an origin: scheme://host[:port] in lower case";
    host += 3;
    if (strpbrk(host, "/?#@") != NULL)
        return "must be just scheme://host[:port], without a path or trailing '/'";
    return check_origin_host(text, scheme_len, host);
}

/* One URL of a list: [nats://|tls://][user[:password]@]host[:port] */
static const char *check_url(const char *text, size_t len)
{
    char url[512];
    if (len == 0)
        return "has an empty entry";
    if (len >= sizeof(url))
        return "has an entry of more than 511 bytes";
    memcpy(url, text, len);
    url[len] = '\0';
    const char *host = strstr(url, "://");
    if (host != NULL && strncasecmp(url, "nats://", 7) != 0 && strncasecmp(url, "tls://", 6) != 0)
        return "has a scheme that is neither nats:// nor tls://";
    host = host != NULL ? host + 3 : url;
    const char *at = strrchr(host, '@'); /* the last one: a password may have one of its own */
    host = at != NULL ? at + 1 : host;
    if (strlen(host) > ADDRESS_HOST_MAX)
        return "has a host that is too long";
    if (strchr(host, '/') != NULL)
        return "has a path, which NATS URLs do not have";
    struct address parsed;
    const char *wrong = check_host(host, ":4222", &parsed);
    return wrong == NULL && *parsed.host == '\0' ? "has \"*\" as its host" : wrong;
}

/* The next of a list without the blanks around it, and its length; *rest is behind its comma, NULL: it is the last. */
static const char *next_url(const char **rest, size_t *len)
{
    size_t end = strcspn(*rest, ","), first = strspn(*rest, " ");
    const char *url = *rest + first;
    *rest = (*rest)[end] == ',' ? *rest + end + 1 : NULL;
    while (end > first && url[end - first - 1] == ' ')
        --end;
    *len = end > first ? end - first : 0;
    return url;
}

static const char *check_urls(const char *text)
{
    const char *wrong = NULL;
    for (const char *rest = text; rest != NULL && wrong == NULL;) {
        size_t len;
        const char *url = next_url(&rest, &len);
        wrong = check_url(url, len);
    }
    return wrong;
}

bool config_text_uses_tls(const char *urls)
{
    bool uses_tls = false;
    for (const char *rest = urls; rest != NULL;) {
        size_t len;
        const char *url = next_url(&rest, &len);
        uses_tls |= len > 6 && strncasecmp(url, "tls://", 6) == 0;
    }
    return uses_tls;
}

/* ---- names ---- */

/* A stream's request has these for other things: see http/subscribe.c. */
static bool is_taken_name(const char *name)
{
    static const char *const taken[] = {"subject",       "since",       "follow", "lastEventId",
                                        "last_event_id", "lastEventID", "last-id"};
    for (size_t i = 0; i != sizeof(taken) / sizeof(taken[0]); ++i) {
        if (strcmp(name, taken[i]) == 0)
            return true;
    }
    return false;
}

static bool is_token(const char *text)
{
    size_t len = strlen(text);
    return len != 0 && len <= NAME_MAX && text[strspn(text, token_characters)] == '\0';
}

static const char *check_name(const char *text)
{
    if (!is_token(text) || strpbrk(text, "&=+%") != NULL) /* queries and cookies are split and decoded at these */
        return "is not a valid name (1 to " TEXT_OF(NAME_MAX) " letters, digits, '-', '_', '.')";
    return is_taken_name(text) ? "is the name of a query parameter of streams" : NULL;
}

/* As a server names its streams: they become tokens of subjects, and folders. */
static const char *check_stream(const char *text)
{
    bool has_control = false;
    for (const char *p = text; *p != '\0'; ++p)
        has_control |= (unsigned char)*p < 0x20 || *p == 0x7f;
    if (has_control || strpbrk(text, " .*>/\\") != NULL)
        return "is not a valid stream name: it has a blank, '.', '*', '>', '/', '\\' or a control byte";
    return strlen(text) > STREAM_NAME_MAX ? "is longer than " TEXT_OF(STREAM_NAME_MAX) " bytes" : NULL;
}

static const char *check_header(const char *text)
{
    return is_token(text) ? NULL : "is not a valid header name";
}

static const char *check_message_header(const char *text)
{
    if (strncasecmp(text, "nats-", 5) == 0 && is_token(text))
        return "is reserved for the broker; Nats-Msg-Id is always passed on, other Nats- headers never";
    if (strcasecmp(text, "authorization") == 0 || strcasecmp(text, "cookie") == 0)
        return "is a secret that every subscriber would see";
    return check_header(text);
}

/* ---- subjects ---- */

bool config_text_is_control(const char *subject)
{
    static const char prefix[] = "freshet.control.";
    return strncmp(subject, prefix, sizeof(prefix) - 1) == 0;
}

static const char *check_subject(const char *text)
{
    enum subject_verdict verdict = subject_check_literal(text, strlen(text));
    if (verdict != SUBJECT_OK)
        return subject_verdict_text(verdict);
    return config_text_is_control(text) ? "is reserved for gateways" : NULL;
}

static const char *check_pattern(const char *text)
{
    enum subject_verdict verdict = subject_check_pattern(text, strlen(text));
    if (verdict != SUBJECT_OK)
        return subject_verdict_text(verdict);
    if (config_text_is_control(text))
        return "is reserved for gateways; clients can't read it or publish to it";
    return strpbrk(text, "{}") != NULL ? "has a brace; path parameters are only allowed in subjects" : NULL;
}

/* Any text will do where there is none. What a template is depends on the path of its route, see config_routes.h. */
static const char *(*const checks[CONFIG_TYPES])(const char *text) = {
    [CONFIG_TYPE_URLS] = check_urls,
    [CONFIG_TYPE_ADDRESS] = check_address,
    [CONFIG_TYPE_NAME] = check_name,
    [CONFIG_TYPE_STREAM] = check_stream,
    [CONFIG_TYPE_SUBJECT] = check_subject,
    [CONFIG_TYPE_PATTERN] = check_pattern,
    [CONFIG_TYPE_ORIGIN] = check_origin,
    [CONFIG_TYPE_HEADER] = check_header,
    [CONFIG_TYPE_MESSAGE_HEADER] = check_message_header,
};

const char *config_text_check(enum config_type type, const char *text)
{
    CHECK(type < CONFIG_TYPES);
    return checks[type] != NULL ? checks[type](text) : NULL;
}
