/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/fw-rule.h"
#include <string.h>
#include "firewall-feed.h"
#include "unit.h"
#include "util.h"
#include "util/diag.h"

/* A field's text, and what it is in the rule's one form; NULL if it is not
 * understood. */
struct text {
    const char *text, *form;
};

static const struct uuid row = { .parts = { 1 } };

/* The one form of a rule; NULL if it is not understood, for reasons that have
 * to do with 'column'. */
static char *
form_of(const struct row_fw_rule *text, const char *column)
{
    struct fw_rule rule;
    struct diag_set diags;
    char *form = NULL;

    diag_set_init(&diags);
    if (fw_rule_parse(text, &row, &diags, &rule)) {
        ck_assert_uint_eq(diag_set_count(&diags), 0);
        form = xstrdup(rule.text);
        fw_rule_uninit(&rule);
    } else {
        ck_assert_ptr_nonnull(diag_set_find(&diags, &row, column,
                                            DIAG_FW_RULE));
    }
    diag_set_uninit(&diags);
    return form;
}

static void
check(const struct row_fw_rule *text, const char *column, const char *given,
      const char *want)
{
    char *got = form_of(text, column);

    if (want) {
        ck_assert_msg(got, "\"%s\" is not understood", given);
        ck_assert_str_eq(got, want);
    } else {
        ck_assert_msg(!got, "\"%s\" is understood as %s", given, got);
    }
    free(got);
}

START_TEST(protocols)
{
    static const struct text texts[] = {
        { "*", "*" }, { "tcp", "6" }, { "TCP", "6" }, { " udp , 6 ", "6,17" },
        { "1-3,58", "1-3,58" }, { "icmp-tcp", "1-6" }, { "icmpv6", "58" },
        { "*,tcp", "*" }, { "0", "0" }, { "255", "255" }, { "6,6", "6" },
        { "", NULL }, { "tcp,", NULL }, { "256", NULL }, { "06", NULL },
        { "-1", NULL }, { "5-4", NULL }, { "tcp udp", NULL }, { "*x", NULL },
        { "1-", NULL }, { "1-2-3", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct row_fw_rule text = fw_rule_for_all("p", "Inbound");
        char *want = (texts[i].form
                      ? xasprintf("65000 allow %s * * * *", texts[i].form)
                      : NULL);

        text.protocols = texts[i].text;
        check(&text, "protocols", texts[i].text, want);
        free(want);
    }
}
END_TEST

START_TEST(addresses)
{
    static const struct text texts[] = {
        { "*", "*" }, { "10.0.0.1", "10.0.0.1" },
        { "10.0.0.0/30", "10.0.0.0-10.0.0.3" },
        { "10.0.0.2/30", "10.0.0.0-10.0.0.3" },
        { "10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9" },
        { "10.0.0.1 - 10.0.0.1", "10.0.0.1" },
        { "10.0.0.2,10.0.0.1,::1", "10.0.0.1-10.0.0.2,::1" },
        { "2001:db8::/127", "2001:db8::-2001:db8::1" },
        { "0.0.0.0/0", "0.0.0.0-255.255.255.255" },
        { "10.0.0.1,*", "*" },
        { "", NULL }, { ",", NULL }, { "10.0.0", NULL }, { "10.0.0.01", NULL },
        { "10.0.0.0/33", NULL }, { "::ffff:10.0.0.0/24", NULL },
        { "10.0.0.2-10.0.0.1", NULL },
        { "10.0.0.1-::1", NULL }, { "10.0.0.1-", NULL }, { "web", NULL },
        { "10.0.0.0/24-10.0.1.0/24", NULL }, { "10.0.0.1 10.0.0.2", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        for (int dst = 0; dst < 2; dst++) {
            struct row_fw_rule text = fw_rule_for_all("p", "Inbound");
            char *want = (texts[i].form
                          ? xasprintf(dst ? "65000 allow * * * %s *"
                                      : "65000 allow * %s * * *",
                                      texts[i].form) : NULL);

            *(dst ? &text.dst_ip_addresses : &text.src_ip_addresses)
                = texts[i].text;
            check(&text, dst ? "dst_ip_addresses" : "src_ip_addresses",
                  texts[i].text, want);
            free(want);
        }
    }
}
END_TEST

START_TEST(ports)
{
    static const struct text texts[] = {
        { "*", "*" }, { "80", "80" }, { "0-65535", "0-65535" },
        { "443,80-81, 82", "80-82,443" }, { "80,*", "*" },
        { "", NULL }, { "65536", NULL }, { "http", NULL }, { "080", NULL },
        { "81-80", NULL }, { "80;81", NULL }, { "+80", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        for (int dst = 0; dst < 2; dst++) {
            struct row_fw_rule text = fw_rule_for_all("p", "Inbound");
            char *want = (texts[i].form
                          ? xasprintf(dst ? "65000 allow 6 * * * %s"
                                      : "65000 allow 6 * %s * *",
                                      texts[i].form) : NULL);

            text.protocols = "tcp";
            *(dst ? &text.dst_ports : &text.src_ports) = texts[i].text;
            check(&text, dst ? "dst_ports" : "src_ports", texts[i].text,
                  want);
            free(want);
        }
    }
}
END_TEST

START_TEST(ports_of_protocols_that_have_none)
{
    static const struct text texts[] = {
        { "icmp,tcp,udp,icmpv6", "1,6,17,58" }, { "*", "*" },
        { "47", NULL }, { "tcp,gre", NULL }, { "sctp", NULL },
        { "0-255", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct row_fw_rule text = fw_rule_for_all("p", "Inbound");
        char *want = (texts[i].form
                      ? xasprintf("65000 allow %s * * * 8", texts[i].form)
                      : NULL);

        text.protocols = texts[i].text;
        text.dst_ports = "8";
        check(&text, "dst_ports", texts[i].text, want);
        free(want);
    }
}
END_TEST

START_TEST(order_is_by_priority_then_block_before_allow)
{
    static const struct {
        int priority;
        const char *action;
    } texts[] = { { -1, "Allow" }, { 5, "Block" }, { 5, "Allow" },
                  { 6, "Block" } };
    struct fw_rule rules[ARRAY_SIZE(texts)];
    struct diag_set diags;

    diag_set_init(&diags);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct row_fw_rule text = fw_rule_for_all("p", "Inbound");

        text.priority = texts[i].priority;
        text.action = texts[i].action;
        ck_assert(fw_rule_parse(&text, &row, &diags, &rules[i]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            int cmp = fw_rule_compare(&rules[i], &rules[j]);

            ck_assert_int_eq((cmp > 0) - (cmp < 0), (i > j) - (i < j));
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        fw_rule_uninit(&rules[i]);
    }
    diag_set_uninit(&diags);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fw-rule");
    TCase *tc = tcase_create("fw-rule");

    tcase_add_test(tc, protocols);
    tcase_add_test(tc, addresses);
    tcase_add_test(tc, ports);
    tcase_add_test(tc, ports_of_protocols_that_have_none);
    tcase_add_test(tc, order_is_by_priority_then_block_before_allow);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
