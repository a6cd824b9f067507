/* admin_address.c - the admin listener binds loopback addresses only */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/json_text.h"
#include "tests/support/rig.h"
#include "tests/support/sandbox.h"

Test(admin_address, has_to_be_loopback, .timeout = 60)
{
    static const struct {
        const char *address;
        bool is_fine;
    } cases[] = {
        {"127.0.0.1:0", true}, {"[::1]:0", true}, {"localhost:0", true},  {"*:0", false},
        {"0.0.0.0:0", false},  {"[::]:0", false}, {"192.0.2.1:0", false}, {"127.example:0", false},
    };

    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        char *path = sandbox_path("freshet.yaml");
        char *text = text_format("listen: [{address: \"127.0.0.1:0\"}]\nadmin: {address: \"%s\"}\n"
                                 "routes: [{path: /a, subjects: [a]}]\n",
                                 cases[i].address);
        struct run_result result;
        sandbox_write(path, text);
        result = gateway_run((const char *const[]){"--check", "--config", path, NULL});
        REQUIRE(result.code == (cases[i].is_fine ? 0 : 1), "%s: %d %s", cases[i].address, result.code, result.err);
        REQUIRE(cases[i].is_fine || (strstr(result.err, "admin.address") && strstr(result.err, "loopback")), "%s: %s",
                cases[i].address, result.err);
        run_result_dispose(&result);
        free(text);
        free(path);
    }
}
