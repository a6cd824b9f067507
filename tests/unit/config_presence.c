/* config_presence.c - a gateway's name, and the subjects on which its routes publish presence */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/config_rig.h"

#include <stdlib.h>

#include "tests/support/sandbox.h"

static struct errors errors;

static struct config *parse(const char *top, const char *path, const char *keys)
{
    char *yaml =
        text_format("listen: [{address: '127.0.0.1:0'}]\n%s\nroutes:\n  - {path: '%s', %s}\n", top, path, keys);
    struct config *config = rig_parse(yaml, &errors);
    free(yaml);
    return config;
}

static void expect(const char *top, const char *path, const char *keys, const char *presence)
{
    struct config *config = parse(top, path, keys);
    cr_assert_not_null(config, "%s", errors.text);
    if (presence == NULL)
        cr_expect_null(config->routes[0].presence);
    else
        cr_expect_str_eq(config->routes[0].presence, presence);
    config_destroy(config);
}

static void refuse(const char *top, const char *path, const char *keys, const char *why)
{
    cr_expect_null(parse(top, path, keys), "%s %s", top, keys);
    cr_expect_not_null(strstr(errors.text, why), "\"%s\" is not in %s", why, errors.text);
}

Test(base_config_presence, where_it_is_told)
{
    expect("", "/a", "subjects: [a]", NULL);
    expect("", "/a", "subjects: [a], presence: p.a", "p.a");
    expect("", "/a", "subjects: [a], presence: 'freshet.presence.{route}'", "freshet.presence.a");
    expect("", "/", "subjects: [a], presence: 'p.{route}'", "p.root");
    expect("", "/events/orders/{id}", "subjects: ['o.{id}'], presence: 'p.{route}'", "p.events_orders_id");
    expect("", "/events/orders/{id}/x", "subjects: ['o.{id}'], presence: '{route}.p'", "events_orders_id_x.p");
    expect("", "/v1.2/a-b", "subjects: [a], presence: 'p.{route}'", "p.v1_2_a-b");
    expect("", "/r/{id}", "subjects: ['r.{id}'], presence: 'rooms.{id}.presence'", "rooms.{id}.presence");
    expect("", "/r/{id}", "subjects: ['r.{id}'], presence: 'p.{route}.{id}'", "p.r_id.{id}");
}

Test(base_config_presence, defaults)
{
    const char *defaults = "defaults: {presence: 'p.{route}'}";
    expect(defaults, "/a", "subjects: [a]", "p.a");
    expect(defaults, "/a", "subjects: [a], presence: other", "other");
    expect(defaults, "/a", "subjects: [a], presence: none", NULL);
    expect(defaults, "/a", "subjects: [a], publish: true", NULL);
}

Test(base_config_presence, what_is_wrong)
{
    refuse("", "/a", "subjects: [a], presence: 'p.>'",
           "routes[0].presence: \"p.>\" is a pattern; presence needs a literal subject");
    refuse("", "/a", "subjects: [a], presence: '$SYS.a'", "routes[0].presence: \"$SYS.a\"");
    refuse("", "/a", "subjects: [a], presence: _p", "routes[0].presence: \"_p\"");
    refuse("", "/a", "subjects: [a], presence: 'p..a'", "routes[0].presence: \"p..a\"");
    refuse("", "/a", "subjects: [a], presence: 'p.{id}'", "routes[0].presence: \"p.{id}\"");
    refuse("", "/a/{id}", "subjects: ['a.{id}'], presence: '{id}.p'", "must not begin with a path parameter");
    refuse("", "/a/{route}", "subjects: ['a.{route}'], presence: 'p.{route}'",
           "{route} is ambiguous: this path has a parameter of that name");
    refuse("", "/a", "subjects: [a], presence: 'p.{token.sub}'", "uses a claim or a certificate name");
    refuse("", "/a", "subjects: [a], presence: '{token.sub}.p'", "uses a claim or a certificate name");
    refuse("", "/a", "subjects: [a], presence: 'freshet.control.x'", "is reserved for gateways");
    refuse("", "/a", "subjects: [a], publish: true, presence: p",
           "presence: is for routes with streams; a route that publishes has none");
}

Test(base_config_presence, there_are_few)
{
    char yaml[16384] = "listen: [{address: '127.0.0.1:0'}]\ndefaults: {presence: 'p.{route}'}\nroutes:\n";
    for (unsigned i = 0; i != CONFIG_PRESENCES_MAX + 1; ++i) {
        if (i == CONFIG_PRESENCES_MAX) {
            struct config *config = rig_parse(yaml, &errors);
            cr_expect_not_null(config, "%s", errors.text);
            config_destroy(config);
        }
        size_t len = strlen(yaml);
        snprintf(yaml + len, sizeof(yaml) - len, "  - {path: /r%u, subjects: [a]}\n", i);
    }
    cr_expect_null(rig_parse(yaml, &errors));
    cr_expect_not_null(strstr(errors.text, "exceeds the limit of 64 different subjects"), "%s", errors.text);
}

Test(base_config_presence, the_gateways_name)
{
    struct config *config = parse("name: gw-1", "/a", "subjects: [a]");
    cr_assert_not_null(config);
    cr_expect_str_eq(config->name, "gw-1");
    config_destroy(config);
    config = parse("", "/a", "subjects: [a]");
    cr_assert_not_null(config);
    cr_expect_null(config->name);
    config_destroy(config);
    refuse("name: a.b", "/a", "subjects: [a]", "name: \"a.b\" has a '.'; the name must be one subject token");
    refuse("name: 'a b'", "/a", "subjects: [a]", "name: \"a b\"");
    refuse("name: '*'", "/a", "subjects: [a]", "name: \"*\"");
}
