/* token_find.c - where a request carries its token */
/* SPDX-License-Identifier: MIT */
#include "gateway/http/access/token_find.h"

#include <h2o.h>
#include <string.h>
#include <strings.h>

#include "gateway/config/config.h"
#include "gateway/http/exchange.h"
#include "proto/text.h"

/* libh2o's HTTP/1.1 parser leaves blanks behind a field's value. */
static struct token_text trim_blanks(const char *s, size_t len)
{
    while (len != 0 && (*s == ' ' || *s == '\t')) {
        ++s;
        --len;
    }
    while (len != 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
        --len;
    return (struct token_text){s, len};
}

static enum token_found count_verdict(unsigned count)
{
    return count == 0 ? TOKEN_ABSENT : count == 1 ? TOKEN_FOUND : TOKEN_AMBIGUOUS;
}

bool token_find_bearer(const char *header, size_t len, struct token_text *text)
{
    static const char scheme[] = "bearer";
    size_t scheme_len = sizeof(scheme) - 1;
    struct token_text value = trim_blanks(header, len);
    if (value.len < scheme_len || strncasecmp(value.base, scheme, scheme_len) != 0 ||
        (value.len > scheme_len && value.base[scheme_len] != ' '))
        return false; /* another scheme, perhaps one that begins like it */
    *text = trim_blanks(value.base + scheme_len, value.len - scheme_len);
    return true;
}

static enum token_found find_in_header(h2o_req_t *req, struct token_text *text)
{
    unsigned count = 0;
    for (ssize_t i = -1; (i = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, i)) != -1;)
        count += token_find_bearer(req->headers.entries[i].value.base, req->headers.entries[i].value.len, text);
    return count_verdict(count);
}

void token_find_cookie(const char *header, size_t len, const char *name, struct token_text *value, unsigned *count)
{
    size_t name_len = strlen(name);
    while (len != 0) {
        const char *end = memchr(header, ';', len);
        size_t pair_len = end != NULL ? (size_t)(end - header) : len;
        struct token_text pair = trim_blanks(header, pair_len);
        if (pair.len > name_len && pair.base[name_len] == '=' && memcmp(pair.base, name, name_len) == 0) {
            *value = trim_blanks(pair.base + name_len + 1, pair.len - name_len - 1);
            /* RFC 6265 4.1.1: a value may stand in quotes. */
            if (value->len >= 2 && value->base[0] == '"' && value->base[value->len - 1] == '"')
                *value = (struct token_text){value->base + 1, value->len - 2};
            ++*count;
        }
        size_t step = end != NULL ? pair_len + 1 : pair_len;
        header += step;
        len -= step;
    }
}

/* HTTP/2 may split the header into one for each cookie (RFC 9113 section 8.2.3). */
static enum token_found find_in_cookies(h2o_req_t *req, const char *name, struct token_text *text)
{
    unsigned count = 0;
    for (ssize_t i = -1; (i = h2o_find_header(&req->headers, H2O_TOKEN_COOKIE, i)) != -1;)
        token_find_cookie(req->headers.entries[i].value.base, req->headers.entries[i].value.len, name, text, &count);
    return count_verdict(count);
}

static bool is_name(const struct exchange *exchange, const struct text_query_pair *pair, const char *name)
{
    size_t len;
    if (memchr(pair->key, '%', pair->key_len) == NULL)
        return h2o_memis(pair->key, pair->key_len, name, strlen(name));
    char *key = h2o_mem_alloc_pool(&exchange->req->pool, pair->key_len);
    return text_percent_decode(key, &len, pair->key, pair->key_len, true) && h2o_memis(key, len, name, strlen(name));
}

static enum token_found find_in_query(const struct exchange *exchange, const char *name, struct token_text *text)
{
    unsigned count = 0;
    size_t position = 0, query_len;
    struct text_query_pair pair;
    const char *query = exchange_query(exchange, &query_len);
    while (text_query_next(query, query_len, &position, &pair)) {
        if (!is_name(exchange, &pair, name))
            continue;
        ++count;
        *text = (struct token_text){pair.value, pair.value_len};
        /* A JWT is base64url and dots: most clients have nothing to encode. */
        if (memchr(pair.value, '%', pair.value_len) == NULL)
            continue;
        /* one that can't be decoded stays as it is, and fails verification */
        char *value = h2o_mem_alloc_pool(&exchange->req->pool, pair.value_len);
        size_t len;
        if (text_percent_decode(value, &len, pair.value, pair.value_len, true))
            *text = (struct token_text){value, len};
    }
    return count_verdict(count);
}

enum token_found token_find(const struct exchange *exchange, const struct config_auth *auth, struct token_text *text)
{
    enum token_found found = TOKEN_ABSENT;
    if ((auth->from & CONFIG_FROM_HEADER) != 0)
        found = find_in_header(exchange->req, text);
    /* Only if absent: a bad token in the first place is refused, not passed over for a better one. */
    if (found == TOKEN_ABSENT && (auth->from & CONFIG_FROM_COOKIE) != 0)
        found = find_in_cookies(exchange->req, auth->cookie, text);
    if (found == TOKEN_ABSENT && (auth->from & CONFIG_FROM_QUERY) != 0)
        found = find_in_query(exchange, auth->query, text);
    return found;
}
