/* config_value.c - values of the configuration that are more than a word: is the text one, and which */
/* SPDX-License-Identifier: MIT */
#include "gateway/config/config_value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/address.h"
#include "gateway/base/check.h"
#include "gateway/config/config_report.h"
#include "proto/units.h"

void config_scope_error(const struct config_scope *scope, const char *key, const char *format, ...)
{
    char path[CONFIG_PATH_MAX], reason[768];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    snprintf(path, sizeof(path), "%s%s", scope->prefix, key);
    config_report(scope->report, path, "%s", reason);
}

static bool is_in_range(const struct config_scope *scope, const char *key, const char *value, uint64_t number,
                        const struct config_range *range)
{
    if ((number >= range->min && number <= range->max) || (number == 0 && range->zero))
        return true;
    config_scope_error(scope, key, "%s is out of range: %s", config_show(value).text, range->text);
    return false;
}

void config_read_number(const struct config_scope *scope, const char *key, const char *value,
                        const struct config_range *range, uint64_t *out)
{
    uint64_t number;

    if (value == NULL)
        return;
    if (!units_parse_u64(value, strlen(value), &number))
        config_scope_error(scope, key, "%s is not a number: %s", config_show(value).text, range->text);
    else if (is_in_range(scope, key, value, number, range))
        *out = number;
}

void config_read_duration(const struct config_scope *scope, const char *key, const char *value,
                          const struct config_range *range, int64_t *out)
{
    int64_t ms;

    if (value == NULL)
        return;
    if (!units_parse_duration(value, strlen(value), &ms))
        config_scope_error(scope, key, "%s is not a duration, such as 250ms, 15s, 5m or 1h: %s",
                           config_show(value).text, range->text);
    else if (is_in_range(scope, key, value, (uint64_t)ms, range))
        *out = ms;
}

void config_read_size(const struct config_scope *scope, const char *key, const char *value,
                      const struct config_range *range, uint64_t *out)
{
    uint64_t bytes;

    if (value == NULL)
        return;
    if (!units_parse_size(value, strlen(value), &bytes))
        config_scope_error(scope, key, "%s is not a size, such as 64KiB or 4MiB: %s", config_show(value).text,
                           range->text);
    else if (is_in_range(scope, key, value, bytes, range))
        *out = bytes;
}

char *config_read_file(const struct config_scope *scope, const char *key, const char *value)
{
    const char *folder = value != NULL && *value == '/' ? "" : scope->folder;
    struct stat status;
    size_t size;
    char *path;

    if (value == NULL)
        return NULL;
    size = strlen(folder) + strlen(value) + 1;
    path = check_malloc(size);
    snprintf(path, size, "%s%s", folder, value);
    if (stat(path, &status) != 0 || access(path, R_OK) != 0)
        config_scope_error(scope, key, "%s cannot be read: %s", config_show(path).text, strerror(errno));
    else if (S_ISDIR(status.st_mode))
        config_scope_error(scope, key, "%s is a folder, not a file", config_show(path).text);
    return path;
}

static const char *check_origin_host(const char *scheme, size_t scheme_len, const char *host)
{
    struct address parsed;
    const char *after_ip6 = strchr(host, ']');
    const char *colon = strrchr(after_ip6 != NULL ? after_ip6 : host, ':');
    const char *wrong;
    char with_port[ADDRESS_HOST_MAX + 16];

    if (*host == '*' || strpbrk(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL)
        return *host == '*' ? "has a wildcard host (only \"*\" alone is possible)"
                            : "has upper-case letters, which browsers never send";
    if (colon != NULL && ((scheme_len == 5 && strncmp(scheme, "https", 5) == 0 && strcmp(colon, ":443") == 0) ||
                          (scheme_len == 4 && strncmp(scheme, "http", 4) == 0 && strcmp(colon, ":80") == 0)))
        return "has its scheme's own port, which browsers leave out";
    if (strlen(host) > ADDRESS_HOST_MAX)
        return "is too long";
    snprintf(with_port, sizeof(with_port), "%s%s", host, colon == NULL ? ":1" : "");
    wrong = address_parse(with_port, &parsed);
    return wrong == NULL && strcmp(parsed.port, "0") == 0 ? "has a bad port (1 to 65535)" : wrong;
}

const char *config_check_origin(const char *s)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789+.-";
    const char *host = strstr(s, "://");
    size_t scheme_len = strspn(s, lower);

    if (strcmp(s, "*") == 0)
        return NULL;
    if (host == NULL || s + scheme_len != host || *s < 'a' || *s > 'z')
        return "is not an origin: scheme://host[:port] in lower case";
    host += 3;
    if (strpbrk(host, "/?#@") != NULL)
        return "has more than scheme://host[:port] (no path, not even a final '/')";
    return check_origin_host(s, scheme_len, host);
}

/* One URL of a list: [nats://|tls://][user[:password]@]host[:port] */
static const char *check_server(const char *s, size_t len, bool *uses_tls)
{
    char url[512], with_port[ADDRESS_HOST_MAX + 16];
    const char *host, *at, *colon, *wrong;
    struct address parsed;

    if (len == 0)
        return "has an empty entry";
    if (len >= sizeof(url))
        return "has an entry of more than 511 bytes";
    memcpy(url, s, len);
    url[len] = '\0';
    host = strstr(url, "://");
    if (host != NULL && strncasecmp(url, "nats://", 7) != 0 && strncasecmp(url, "tls://", 6) != 0)
        return "has a scheme that is neither nats:// nor tls://";
    if (host != NULL && *url != 'n' && *url != 'N')
        *uses_tls = true;
    host = host != NULL ? host + 3 : url;
    at = strrchr(host, '@');
    host = at != NULL ? at + 1 : host;
    if (strlen(host) > ADDRESS_HOST_MAX)
        return "has a host that is too long";
    if (strchr(host, '/') != NULL)
        return "has a path, which NATS URLs do not have";
    colon = strrchr(strchr(host, ']') != NULL ? strchr(host, ']') : host, ':');
    snprintf(with_port, sizeof(with_port), "%.*s%s", ADDRESS_HOST_MAX, host, colon == NULL ? ":4222" : "");
    wrong = address_parse(with_port, &parsed);
    if (wrong == NULL && *parsed.host == '\0')
        return "has \"*\" for a host";
    return wrong == NULL && strcmp(parsed.port, "0") == 0 ? "has a bad port (1 to 65535)" : wrong;
}

const char *config_check_nats_url(const char *s, bool *uses_tls)
{
    *uses_tls = false;
    for (;;) {
        size_t len = strcspn(s, ","), first = strspn(s, " "), last = len;
        const char *wrong;

        while (last > first && s[last - 1] == ' ')
            --last;
        wrong = check_server(s + first, last > first ? last - first : 0, uses_tls);
        if (wrong != NULL || s[len] == '\0')
            return wrong;
        s += len + 1;
    }
}
