/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "util/addr.h"
#include <string.h>
#include "packets.h"
#include "unit.h"

static struct in6_addr
addr(const char *s)
{
    struct in6_addr a;

    ck_assert_msg(addr_parse(s, &a), "%s does not parse", s);
    return a;
}

static struct addr_prefix
prefix(const char *s)
{
    struct addr_prefix p;

    ck_assert_msg(addr_prefix_parse(s, &p), "%s does not parse", s);
    return p;
}

START_TEST(addresses_have_one_canonical_form)
{
    static const char *const pairs[][2] = {
        {"10.1.1.11", "10.1.1.11"},
        {"0.0.0.0", "0.0.0.0"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"fe80::", "fe80::"},
        {"::ffff:10.0.0.1", "10.0.0.1"},
        {" 10.1.1.11", "10.1.1.11"},
        {"\t10.1.1.11\r\n ", "10.1.1.11"},
        {" fe80::1 ", "fe80::1"},
    };
    char buf[ADDR_STRLEN];

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct in6_addr a = addr(pairs[i][0]);
        ck_assert_str_eq(addr_format(&a, buf), pairs[i][1]);
    }
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
    static const char *const bad[] = {
        "", " ", "10.1.1", "10.1.1.256", "10.1. 1.1", "010.1.1.x",
        "10.1.1.1/24", "::g", "1:2:3", "web", "fe80::1%eth0",
        "10.1.1.1 10.1.1.2",

        /* Some read these as octal. */
        "010.1.1.1", "10.1.1.01", "10.1.1.00",

        /* Longer than any address, although it starts with one. */
        "10.1.1.1                                                 x",
    };
    struct in6_addr a;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_msg(!addr_parse(bad[i], &a), "\"%s\" parses", bad[i]);
    }
}
END_TEST

START_TEST(what_is_no_prefix_is_refused)
{
    static const char *const bad[] = {
        "", "/", "10.0.0.0", "10.0.0.0/", "/24", "10.0.0.0/33", "10.0.0.0/-1",
        "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8x", "2001:db8::/129",
        "10.0.0.0/255.0.0.0", "10.0.0.0/0x8", "10.0.0.0/99999999999",
        "10.0.0.0 /8", "10.0.0.0/8 8", "10.0.0.0/8/8", " ",

        /* As in addresses. */
        "10.0.0.0/08", "10.0.0.0/024", "10.0.0.0/00", "010.0.0.0/8",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/1",
    };
    struct addr_prefix p;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_msg(!addr_prefix_parse(bad[i], &p), "\"%s\" parses", bad[i]);
    }
}
END_TEST

START_TEST(a_prefix_keeps_its_host_part)
{
    struct addr_prefix p = prefix("10.1.1.254/24");
    struct addr_prefix net = addr_prefix_network(&p);
    char buf[ADDR_STRLEN];

    ck_assert_str_eq(addr_prefix_format(&p, buf), "10.1.1.254/24");
    ck_assert_str_eq(addr_prefix_format(&net, buf), "10.1.1.0/24");

    p = prefix(" 10.1.1.254/24\n");
    ck_assert_str_eq(addr_prefix_format(&p, buf), "10.1.1.254/24");
    p = prefix("0.0.0.0/0");
    ck_assert_str_eq(addr_prefix_format(&p, buf), "0.0.0.0/0");

    p = prefix("2001:db8:1:2::5/64");
    net = addr_prefix_network(&p);
    ck_assert_str_eq(addr_prefix_format(&net, buf), "2001:db8:1:2::/64");
}
END_TEST

START_TEST(prefixes_contain_and_overlap)
{
    struct addr_prefix a = prefix("10.1.0.0/16");
    struct addr_prefix b = prefix("10.1.2.0/24");
    struct addr_prefix c = prefix("10.2.0.0/16");
    struct addr_prefix all6 = prefix("::/0");
    struct in6_addr in = addr("10.1.255.255");
    struct in6_addr out = addr("10.2.0.0");

    ck_assert(addr_prefix_contains(&a, &in));
    ck_assert(!addr_prefix_contains(&a, &out));
    ck_assert(addr_prefix_overlaps(&a, &b));
    ck_assert(addr_prefix_overlaps(&b, &a));
    ck_assert(!addr_prefix_overlaps(&a, &c));

    /* The families are apart, although one is held inside the other. */
    ck_assert(!addr_prefix_contains(&all6, &in));
    ck_assert(!addr_prefix_overlaps(&all6, &a));
}
END_TEST

/* A walk over the bits, as naive as can be, against the real thing. */
static bool
contains_naive(const struct addr_prefix *p, const struct in6_addr *a)
{
    unsigned int n = p->plen + (addr_is_ipv4(&p->addr) ? 96 : 0);

    for (unsigned int i = 0; i < n; i++) {
        int shift = 7 - i % 8;
        if ((p->addr.s6_addr[i / 8] ^ a->s6_addr[i / 8]) >> shift & 1) {
            return false;
        }
    }
    return addr_is_ipv4(&p->addr) == addr_is_ipv4(a);
}

START_TEST(random_prefixes_agree_with_the_naive_model)
{
    srandom(unit_seed("prefixes"));
    for (int i = 0; i < 100000; i++) {
        struct in6_addr a = addr_from_ipv4(htonl(random() & 0xf00ff));
        struct addr_prefix p = {
            .addr = addr_from_ipv4(htonl(random() & 0xf00ff)),
            .plen = random() % 33,
        };
        if (i % 2) {
            a.s6_addr[0] = p.addr.s6_addr[0] = 0x20;
            p.plen = random() % 129;
        }
        ck_assert(addr_prefix_contains(&p, &a) == contains_naive(&p, &a));
    }
}
END_TEST

START_TEST(macs_are_read_in_every_spelling)
{
    static const char *const good[] = {
        "00:15:5d:01:02:aB", "00-15-5D-01-02-AB", "00155d0102ab",
        "0015.5d01.02ab", "00155d-0102ab", "00.15.5d.01.02.ab",
        "0:15:5d:1:2:ab", "0-15-5D-1-02-AB", " 00:15:5d:01:02:ab\t",
    };
    const struct eth_addr want = ETH_ADDR_C(00,15,5d,01,02,ab);

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct eth_addr mac;

        ck_assert_msg(addr_mac_parse(good[i], &mac), "%s", good[i]);
        ck_assert(eth_addr_equals(mac, want));
    }
}
END_TEST

START_TEST(what_is_no_guest_mac_is_refused)
{
    static const char *const bad[] = {
        "", " ", "00:15:5d:01:02", "00:15:5d:01:02:ab:cd",
        "00:15:5d:01:02:gg", "00:15:5d:01:02:", "00:15::5d:01:02:ab",
        "00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff",
        "unknown-dst", ":00:15:5d:01:02:ab", "00 15 5d 01 02 ab",
        "000:15:5d:01:02:ab", "0015:5d:01:02:ab", "15.5d01.02ab",
        "155d0102ab", "0000155d0102ab", "00:15-5d:01-02:ab",
        "+0:15:5d:01:02:ab", "0x:15:5d:01:02:ab", "00:15:5d:01:02:a b",
        "001:55d:010:2ab",
    };
    struct eth_addr mac;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_msg(!addr_mac_parse(bad[i], &mac), "\"%s\" parses", bad[i]);
    }
}
END_TEST

START_TEST(guids_compare_with_and_without_braces)
{
    char a[64], b[64];

    ck_assert(addr_guid_normalize("{0A-bC}", a, sizeof a));
    ck_assert(addr_guid_normalize("0a-Bc", b, sizeof b));
    ck_assert_str_eq(a, b);
    ck_assert(addr_guid_normalize(" {0a-bc}\n", a, sizeof a));
    ck_assert_str_eq(a, b);
    ck_assert(addr_guid_normalize("  1234567  ", a, 8));
    ck_assert_str_eq(a, "1234567");
    ck_assert(!addr_guid_normalize("{}", a, sizeof a));
    ck_assert(!addr_guid_normalize(" \t", a, sizeof a));
    ck_assert(!addr_guid_normalize(" {} ", a, sizeof a));
    ck_assert(!addr_guid_normalize("", a, sizeof a));
    ck_assert(!addr_guid_normalize("12345678", a, 8));
    ck_assert_str_eq(a, "");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("addr");
    TCase *tc = tcase_create("addr");

    tcase_add_test(tc, addresses_have_one_canonical_form);
    tcase_add_test(tc, what_is_no_address_is_refused);
    tcase_add_test(tc, what_is_no_prefix_is_refused);
    tcase_add_test(tc, a_prefix_keeps_its_host_part);
    tcase_add_test(tc, prefixes_contain_and_overlap);
    tcase_add_test(tc, random_prefixes_agree_with_the_naive_model);
    tcase_add_test(tc, macs_are_read_in_every_spelling);
    tcase_add_test(tc, what_is_no_guest_mac_is_refused);
    tcase_add_test(tc, guids_compare_with_and_without_braces);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
