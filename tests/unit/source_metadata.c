/* source_metadata.c - what the reply subject of a JetStream message says */
/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "gateway/source/jetstream/js_metadata.h"

TestSuite(source_metadata);

static void expect(const char *reply)
{
    struct js_metadata metadata;
    cr_assert(js_metadata_read(reply, &metadata), "%s", reply);
    cr_assert_eq(metadata.stream_sequence, 4711, "%s", reply);
    cr_assert_eq(metadata.consumer_sequence, 12, "%s", reply);
    cr_assert_eq(metadata.stored_ns, INT64_C(1795367277123456789), "%s", reply);
    cr_assert_eq(metadata.pending, 3, "%s", reply);
}

Test(source_metadata, the_short_form)
{
    expect("$JS.ACK.ORDERS.freshet_1.1.4711.12.1795367277123456789.3");
}

Test(source_metadata, the_long_form_with_domain_and_account)
{
    expect("$JS.ACK.hub.ABCDEF.ORDERS.freshet_1.1.4711.12.1795367277123456789.3");
    expect("$JS.ACK._.ABCDEF.ORDERS.freshet_1.1.4711.12.1795367277123456789.3.r4nd0m");
}

Test(source_metadata, the_largest_numbers)
{
    struct js_metadata metadata;
    cr_assert(js_metadata_read("$JS.ACK.S.C.1.18446744073709551615.18446744073709551615.9223372036854775807."
                               "18446744073709551615",
                               &metadata));
    cr_assert_eq(metadata.stream_sequence, UINT64_MAX);
    cr_assert_eq(metadata.consumer_sequence, UINT64_MAX);
    cr_assert_eq(metadata.stored_ns, INT64_MAX);
    cr_assert_eq(metadata.pending, UINT64_MAX);
}

Test(source_metadata, anything_else_is_refused)
{
    static const char *const others[] = {
        NULL,
        "",
        "_INBOX.abc.1",
        "$JS.ACK",
        "$JS.ACK.",
        "$JS.ACKS.S.C.1.2.3.4.5",
        "$JS.ACK.S.C.1.2.3.4",
        "$JS.ACK.S.C.1.2.3.4.5.6",
        "$JS.ACK.D.A.S.C.1.2.3.4.5.r.s",
        "$JS.ACK.S.C.1..3.4.5",
        "$JS.ACK.S.C.1.2.3.4.",
        "$JS.ACK.S.C.1.-2.3.4.5",
        "$JS.ACK.S.C.1.2x.3.4.5",
        "$JS.ACK.S.C.1.2. 3.4.5",
        "$JS.ACK.S.C.1.18446744073709551616.3.4.5",
        "$JS.ACK.S.C.1.2.3.9223372036854775808.5",
        "$JS.ACK.S.C.1.99999999999999999999999.3.4.5",
    };
    struct js_metadata metadata;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); ++i)
        cr_assert_not(js_metadata_read(others[i], &metadata), "%s", others[i]);
}
