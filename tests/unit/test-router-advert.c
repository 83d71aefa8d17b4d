/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/router-advert.h"
#include <string.h>
#include "csum.h"
#include "dp-packet.h"
#include "model/rules.h"
#include "packets.h"
#include "unit.h"
#include "util.h"

/* A router solicitation with its source link-layer option, and where things
 * are in it, by RFC 8200 and RFC 4861. */
static const uint8_t solicit[] = {
    0x33, 0x33, 0x00, 0x00, 0x00, 0x02, /* To all routers, */
    0x02, 0x00, 0x00, 0x00, 0x00, 0x01, /* from the guest. */
    0x86, 0xdd,
    0x60, 0x00, 0x00, 0x00, 0x00, 0x10, 0x3a, 0xff,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x00, 0x00, 0x00, 0xff, 0xfe, 0x00, 0, 1,
    0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
    0x85, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01,
};
enum { AT_IP = 14, AT_HOP_LIMIT = 21, AT_SRC = 22, AT_DST = 38, AT_ICMP = 54 };
enum { AT_OPTIONS = AT_ICMP + 16 };

struct fixture {
    struct rules_prefix prefixes[3];
    struct rules_subnet subnet;
    struct rules rules;
    uint8_t question[sizeof solicit];
    struct dp_packet *answer;
};

static void
fixture_init(struct fixture *f)
{
    static const char *const prefixes[] = {
        "10.1.1.0/24", "2001:db8:1::/64", "2001:db8:2:3::/80",
    };

    memset(f, 0, sizeof *f);
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        ck_assert(addr_prefix_parse(prefixes[i], &f->prefixes[i].net));
    }
    f->subnet = (struct rules_subnet) {
        .vsid = 5001, .routed = true,
        .prefixes = f->prefixes, .n_prefixes = ARRAY_SIZE(prefixes),
    };
    f->rules.router_mac = (struct eth_addr) ETH_ADDR_C(02,00,5e,00,00,fe);
    memcpy(f->question, solicit, sizeof solicit);
}

/* Returns the answer's bytes, or NULL. */
static const uint8_t *
ask(struct fixture *f)
{
    dp_packet_delete(f->answer);
    f->answer = router_advert_answer(&f->rules, &f->subnet, f->question,
                                     sizeof f->question);
    return f->answer ? dp_packet_data(f->answer) : NULL;
}

/* The checksum over the whole of what it is about is right. */
static void
check_sum(const struct dp_packet *packet)
{
    uint32_t sum = packet_csum_pseudoheader6(dp_packet_l3(packet));

    sum = csum_continue(sum, dp_packet_l4(packet),
                        dp_packet_l4_size(packet));
    ck_assert_uint_eq(csum_finish(sum), 0);
}

START_TEST(says_who_the_router_is_and_which_prefixes_there_are)
{
    static const uint8_t from[] = {
        0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x5e, 0x00, 0x00, 0xfe,
        0x86, 0xdd,
    };
    static const uint8_t link_local[] = {
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x00, 0x00, 0x5e, 0xff, 0xfe, 0x00, 0,
        0xfe,
    };
    static const uint8_t options[] = {
        1, 1, 0x02, 0x00, 0x5e, 0x00, 0x00, 0xfe,
        3, 4, 64, 0x80, 0x00, 0x27, 0x8d, 0x00, 0x00, 0x09, 0x3a, 0x80,
        0, 0, 0, 0,
        0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        3, 4, 80, 0x80, 0x00, 0x27, 0x8d, 0x00, 0x00, 0x09, 0x3a, 0x80,
        0, 0, 0, 0,
        0x20, 0x01, 0x0d, 0xb8, 0, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    struct fixture f;

    fixture_init(&f);
    const uint8_t *p = ask(&f);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(dp_packet_size(f.answer), AT_OPTIONS + sizeof options);
    ck_assert_mem_eq(p, from, sizeof from);
    ck_assert_uint_eq(p[AT_IP + 5], 16 + sizeof options);
    ck_assert_uint_eq(p[AT_HOP_LIMIT], 255);
    ck_assert_mem_eq(&p[AT_SRC], link_local, sizeof link_local);
    ck_assert_mem_eq(&p[AT_DST], &solicit[AT_SRC], 16);
    ck_assert_uint_eq(p[AT_ICMP], 134);
    ck_assert_uint_eq(p[AT_ICMP + 1], 0);
    ck_assert_uint_eq(p[AT_ICMP + 4], 64);      /* Hop limit for guests. */
    ck_assert_uint_eq(p[AT_ICMP + 5], 0);       /* Not M, not O. */
    ck_assert_uint_eq(p[AT_ICMP + 6] << 8 | p[AT_ICMP + 7], 65535);
    ck_assert_mem_eq(&p[AT_OPTIONS], options, sizeof options);
    check_sum(f.answer);
    dp_packet_delete(f.answer);
}
END_TEST

START_TEST(slaac_is_for_prefixes_that_have_room)
{
    struct fixture f;

    fixture_init(&f);
    f.subnet.slaac = true;
    const uint8_t *p = ask(&f);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(p[AT_OPTIONS + 8 + 3], 0xc0);
    ck_assert_uint_eq(p[AT_OPTIONS + 8 + 32 + 3], 0x80);
    check_sum(f.answer);
    dp_packet_delete(f.answer);
}
END_TEST

START_TEST(a_switched_off_router_is_no_default_router)
{
    struct fixture f;

    fixture_init(&f);
    f.subnet.routed = false;
    const uint8_t *p = ask(&f);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(p[AT_ICMP + 6] << 8 | p[AT_ICMP + 7], 0);
    dp_packet_delete(f.answer);
}
END_TEST

START_TEST(who_has_no_address_yet_is_answered_with_all_others)
{
    static const uint8_t all_nodes[] = {
        0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    };
    static const uint8_t mac[] = { 0x33, 0x33, 0, 0, 0, 1 };
    struct fixture f;

    fixture_init(&f);
    memset(&f.question[AT_SRC], 0, 16);
    const uint8_t *p = ask(&f);
    ck_assert_ptr_nonnull(p);
    ck_assert_mem_eq(p, mac, sizeof mac);
    ck_assert_mem_eq(&p[AT_DST], all_nodes, sizeof all_nodes);

    /* It is what they hear unasked, too. */
    struct dp_packet *unasked = router_advert_to_all(&f.rules, &f.subnet);

    ck_assert_uint_eq(dp_packet_size(unasked), dp_packet_size(f.answer));
    ck_assert_mem_eq(dp_packet_data(unasked), p, dp_packet_size(unasked));
    dp_packet_delete(unasked);
    dp_packet_delete(f.answer);
}
END_TEST

START_TEST(without_ipv6_or_router_there_is_no_answer)
{
    struct fixture f;

    fixture_init(&f);
    f.subnet.n_prefixes = 1;
    ck_assert_ptr_null(ask(&f));
    ck_assert_ptr_null(router_advert_to_all(&f.rules, &f.subnet));

    fixture_init(&f);
    f.rules.router_mac = eth_addr_zero;
    ck_assert_ptr_null(ask(&f));
}
END_TEST

/* Each byte that matters, spoilt. */
START_TEST(what_is_no_solicitation_gets_no_answer)
{
    static const int bytes[] = {
        12, AT_IP + 6, AT_HOP_LIMIT, AT_ICMP, AT_ICMP + 1,
    };
    struct fixture f;

    for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
        fixture_init(&f);
        f.question[bytes[i]] ^= 1;
        ck_assert_ptr_null(ask(&f));
    }
    fixture_init(&f);
    f.question[AT_SRC] = 0xff;
    ck_assert_ptr_null(ask(&f));

    fixture_init(&f);
    for (size_t size = 0; size < AT_ICMP + 8; size++) {
        ck_assert_ptr_null(router_advert_answer(&f.rules, &f.subnet,
                                                f.question, size));
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("router-advert");
    TCase *tc = tcase_create("router-advert");

    tcase_add_test(tc, says_who_the_router_is_and_which_prefixes_there_are);
    tcase_add_test(tc, slaac_is_for_prefixes_that_have_room);
    tcase_add_test(tc, a_switched_off_router_is_no_default_router);
    tcase_add_test(tc, who_has_no_address_yet_is_answered_with_all_others);
    tcase_add_test(tc, without_ipv6_or_router_there_is_no_answer);
    tcase_add_test(tc, what_is_no_solicitation_gets_no_answer);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
