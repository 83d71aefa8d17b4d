/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/space.h"
#include <string.h>
#include "model/rules.h"
#include "unit.h"
#include "util/addr.h"
#include "util.h"

static struct in6_addr
ip(const char *s)
{
    struct in6_addr addr;

    ck_assert(addr_parse(s, &addr));
    return addr;
}

static struct space_key
by_ca(uint32_t vsid, const char *s)
{
    struct in6_addr ca = ip(s);
    struct space_key key;

    memset(&key, 0xa5, sizeof key);
    space_key_init_ca(&key, vsid, &ca);
    return key;
}

static struct space_key
by_mac(uint32_t vsid, uint8_t last)
{
    struct space_key key;

    memset(&key, 0x5a, sizeof key);
    space_key_init_mac(&key, vsid, (struct eth_addr) { .ea = { 2, 0, 0, 0, 0,
                                                               last } });
    return key;
}

static struct space_key
by_pa(const char *s)
{
    struct in6_addr pa = ip(s);
    struct space_key key;

    memset(&key, 0x3c, sizeof key);
    space_key_init_pa(&key, &pa);
    return key;
}

static void
check_keys(struct space_key a, struct space_key b, bool equal)
{
    ck_assert(space_key_equal(&a, &b) == equal);
    if (equal) {
        ck_assert_uint_eq(space_key_hash(&a), space_key_hash(&b));
    }
}

START_TEST(keys_are_equal_by_kind_vsid_and_address)
{
    check_keys(by_ca(5001, "10.0.0.1"), by_ca(5001, "10.0.0.1"), true);
    check_keys(by_ca(5001, "10.0.0.1"), by_ca(5002, "10.0.0.1"), false);
    check_keys(by_ca(5001, "10.0.0.1"), by_ca(5001, "10.0.0.2"), false);
    check_keys(by_ca(5001, "fd00::1"), by_ca(5001, "FD00:0::1"), true);
    check_keys(by_mac(5001, 1), by_mac(5001, 1), true);
    check_keys(by_mac(5001, 1), by_mac(5002, 1), false);
    check_keys(by_mac(5001, 1), by_mac(5001, 2), false);
    check_keys(by_mac(5001, 1), by_ca(5001, "10.0.0.1"), false);
    check_keys(by_pa("10.0.0.1"), by_pa("10.0.0.1"), true);
    check_keys(by_pa("10.0.0.1"), by_pa("10.0.0.2"), false);
    check_keys(by_pa("10.0.0.1"), by_ca(0, "10.0.0.1"), false);
}
END_TEST

START_TEST(hashes_of_neighbours_differ)
{
    size_t n_same = 0;

    for (int i = 0; i < 100; i++) {
        struct space_key a = by_mac(5001, i);
        struct space_key b = by_mac(5001, i + 1);

        n_same += space_key_hash(&a) == space_key_hash(&b);
    }
    ck_assert_uint_eq(n_same, 0);
}
END_TEST

START_TEST(entries_are_equal_if_they_need_the_same_flow)
{
    struct space_entry a = {
        .key = by_ca(5001, "10.0.0.1"),
        .mac = { .ea = { 2, 0, 0, 0, 0, 1 } },
        .where = { SPACE_VXLAN, ip("192.0.2.1") },
        .cookie = 7,
    };
    struct space_entry b = a;

    ck_assert(space_entry_equal(&a, &b));
    b.where.encap = SPACE_NVGRE;
    ck_assert(!space_entry_equal(&a, &b));
    b = a;
    b.where.pa = ip("192.0.2.2");
    ck_assert(!space_entry_equal(&a, &b));
    b = a;
    b.mac.ea[5] = 2;
    ck_assert(!space_entry_equal(&a, &b));
    b = a;
    b.cookie = 8;
    ck_assert(!space_entry_equal(&a, &b));
    b = a;
    b.key = by_ca(5001, "10.0.0.2");
    ck_assert(!space_entry_equal(&a, &b));
    b = a;
    b.vsid = 5002;
    ck_assert(!space_entry_equal(&a, &b));
    b = a;
    b.ca = ip("10.0.0.2");
    ck_assert(!space_entry_equal(&a, &b));
}
END_TEST

START_TEST(a_cookie_is_the_start_of_the_uuid)
{
    struct uuid uuid = { .parts = { 0x01234567, 0x89abcdef, 1, 2 } };

    ck_assert(row_cookie(&uuid) == UINT64_C(0x0123456789abcdef));
}
END_TEST

START_TEST(subnets_are_found_by_vsid)
{
    struct rules_subnet subnets[] = {
        { .vsid = 5001 }, { .vsid = 5003 }, { .vsid = 6000 },
    };
    struct rules rules = {
        .subnets = subnets, .n_subnets = ARRAY_SIZE(subnets),
    };

    ck_assert_ptr_eq(rules_find_subnet(&rules, 5001), &subnets[0]);
    ck_assert_ptr_eq(rules_find_subnet(&rules, 5003), &subnets[1]);
    ck_assert_ptr_eq(rules_find_subnet(&rules, 6000), &subnets[2]);
    ck_assert_ptr_null(rules_find_subnet(&rules, 5000));
    ck_assert_ptr_null(rules_find_subnet(&rules, 5002));
    ck_assert_ptr_null(rules_find_subnet(&rules, 6001));
    rules_destroy(NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("space");
    TCase *tc = tcase_create("all");

    tcase_add_test(tc, keys_are_equal_by_kind_vsid_and_address);
    tcase_add_test(tc, hashes_of_neighbours_differ);
    tcase_add_test(tc, entries_are_equal_if_they_need_the_same_flow);
    tcase_add_test(tc, a_cookie_is_the_start_of_the_uuid);
    tcase_add_test(tc, subnets_are_found_by_vsid);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
