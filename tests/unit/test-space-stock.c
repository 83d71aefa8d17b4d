/* SPDX-License-Identifier: Apache-2.0 */

/* Space entries as flows: what a switch would report of one, and what a person
 * would read. */

#include <config.h>
#include "switch/space-stock.h"

#include <stdio.h>
#include "compile/pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "random-entry.h"
#include "random.h"
#include "switch/encode.h"
#include "timeval.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

static void
check_space_roundtrip(const struct space_stock *stock,
                      const struct space_entry *e)
{
    uint64_t buf[SPACE_STOCK_MESSAGE_MAX / 8];
    size_t size = space_stock_put(stock, e, (uint8_t *) buf);
    struct ofpbuf msg = ofpbuf_const_initializer(buf, size);
    const struct ofp_header *oh = (const void *) buf;
    struct encode_decoded d;

    ck_assert_uint_eq(ntohs(oh->length), size);
    ck_assert(encode_decode(&msg, &d));
    ck_assert_int_eq(d.fm.command, OFPFC_ADD);
    ck_assert_int_eq(d.fm.priority, (e->key.kind == SPACE_BY_OWNER
                                     ? PRIORITY_SPACE_OWNER
                                     : PRIORITY_SPACE));
    ck_assert(!d.fm.flags && !d.fm.idle_timeout && !d.fm.hard_timeout);

    /* What a switch would report of it. */
    struct ofputil_flow_stats fs = {
        .cookie = d.fm.new_cookie,
        .table_id = d.fm.table_id,
        .priority = d.fm.priority,
        .ofpacts = d.fm.ofpacts,
        .ofpacts_len = d.fm.ofpacts_len,
    };
    struct space_key key;
    struct space_entry other = *e;

    minimatch_expand(&d.fm.match, &fs.match);
    ck_assert(space_stock_decode_key(&fs, &key));
    ck_assert(space_key_equal(&key, &e->key));
    ck_assert(space_stock_is_same(&fs, e));
    other.cookie++;
    ck_assert(!space_stock_is_same(&fs, &other));

    /* A flow that matches on more is none of an entry's. */
    match_set_in_port(&fs.match, 1);
    ck_assert(!space_stock_decode_key(&fs, &key));

    struct minimatch match;

    minimatch_clone(&match, &d.fm.match);
    encode_decoded_uninit(&d);

    size = space_stock_remove(stock, &e->key, (uint8_t *) buf);
    msg = ofpbuf_const_initializer(buf, size);
    ck_assert(encode_decode(&msg, &d));
    ck_assert_int_eq(d.fm.command, OFPFC_DELETE_STRICT);
    ck_assert_int_eq(d.fm.priority, fs.priority);
    ck_assert_int_eq(d.fm.table_id, fs.table_id);
    ck_assert(minimatch_equal(&d.fm.match, &match));
    minimatch_destroy(&match);
    encode_decoded_uninit(&d);
}

START_TEST(a_space_entry_survives_encoding)
{
    enum ofp_version versions[] = { OFP14_VERSION, OFP15_VERSION };

    random_set_seed(unit_seed("a_space_entry_survives_encoding"));
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct space_stock *stock = space_stock_create(versions[i]);

        for (int j = 0; j < 5000; j++) {
            struct space_entry e = random_entry_among(65536);

            check_space_roundtrip(stock, &e);
        }
        space_stock_destroy(stock);
    }
}
END_TEST

static void
check_reads_as(const struct space_stock *stock, const struct space_entry *e,
               const char *wanted)
{
    uint64_t buf[SPACE_STOCK_MESSAGE_MAX / 8];
    struct ds s = DS_EMPTY_INITIALIZER;

    space_stock_put(stock, e, (uint8_t *) buf);
    ck_assert(!ofputil_flow_mod_format(&s, (const void *) buf, NULL, NULL,
                                       1));
    ck_assert_str_eq(ds_cstr(&s), wanted);
    ds_destroy(&s);
}

START_TEST(a_space_entry_reads_as_documented)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a01010b));
    struct space_entry e = {
        .mac = ETH_ADDR_C(02,00,00,00,00,07),
        .where = { SPACE_NVGRE, addr_from_ipv4(htonl(0xc0a80214)) },
        .cookie = 0x77,
    };

    space_key_init_ca(&e.key, 5001, &ca);
    check_reads_as(stock, &e, " ADD table:40 priority=100,reg0=0x1389,"
                   "reg2=0xa01010b cookie:0x77 actions="
                   "set_field:0x20000000007->xreg4,"
                   "set_field:0xc0a80214->reg3,set_field:0x2->reg4");
    space_stock_destroy(stock);
}
END_TEST

START_TEST(an_ipv6_entry_reads_as_documented)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    struct space_entry e = {
        .mac = ETH_ADDR_C(02,00,00,00,00,07),
        .where = { .encap = SPACE_VXLAN },
        .cookie = 0x77,
    };
    struct in6_addr ca;

    ck_assert(addr_parse("2001:db8::1", &ca));
    ck_assert(addr_parse("2001:db8:2::20", &e.where.pa));
    space_key_init_ca(&e.key, 5001, &ca);
    check_reads_as(stock, &e, " ADD table:40 priority=100,reg0=0x1389,"
                   "reg12=0x20010db8,reg13=0,reg14=0,reg15=0x1 cookie:0x77 "
                   "actions=set_field:0x20000000007->xreg4,"
                   "set_field:0x20010db8000200000000000000000020->xxreg3,"
                   "set_field:0x11->reg4");
    space_stock_destroy(stock);
}
END_TEST

START_TEST(entries_with_ip_rewrite_read_as_documented)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a01010b));
    struct in6_addr pa = addr_from_ipv4(htonl(0xc0a80114));
    struct space_entry e = {
        .mac = ETH_ADDR_C(02,00,00,00,00,07),
        .where = { SPACE_LOCAL, pa },
        .cookie = 0x77,
    };

    space_key_init_ca(&e.key, 5001, &ca);
    check_reads_as(stock, &e, " ADD table:40 priority=100,reg0=0x1389,"
                   "reg2=0xa01010b cookie:0x77 actions="
                   "set_field:0x20000000007->xreg4,"
                   "set_field:0xc0a80114->reg3,set_field:0x20->reg4");

    space_key_init_mac(&e.key, 5001, e.mac);
    e.where = (struct space_where) { .encap = SPACE_REWRITE };
    check_reads_as(stock, &e, " ADD table:42 priority=100,reg0=0x1389,"
                   "dl_dst=02:00:00:00:00:07 cookie:0x77 actions="
                   "set_field:0x4->reg4");

    space_key_init_pa(&e.key, &pa);
    e.vsid = 5001;
    e.ca = ca;
    check_reads_as(stock, &e, " ADD table:104 priority=100,reg3=0xc0a80114 "
                   "cookie:0x77 actions=set_field:0x1389->reg0,"
                   "set_field:0xa01010b->reg2,"
                   "set_field:0x20000000007->xreg4,set_field:0x4->reg4");

    ck_assert(addr_parse("2001:db8::1", &pa));
    ck_assert(addr_parse("fd00::b", &e.ca));
    space_key_init_pa(&e.key, &pa);
    e.where.encap = SPACE_LOCAL;
    check_reads_as(stock, &e, " ADD table:104 priority=100,"
                   "reg12=0x20010db8,reg13=0,reg14=0,reg15=0x1 cookie:0x77 "
                   "actions=set_field:0x1389->reg0,"
                   "set_field:0xfd00000000000000000000000000000b->xxreg3,"
                   "set_field:0x20000000007->xreg4,set_field:0x20->reg4");
    space_stock_destroy(stock);
}
END_TEST

START_TEST(what_encoding_costs)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    enum { N = 1000000 };
    uint8_t buf[SPACE_STOCK_MESSAGE_MAX];
    struct space_entry e = random_entry_among(65536);
    size_t bytes = 0;
    long long int start = time_usec();

    for (int i = 0; i < N; i++) {
        e.cookie = i;
        bytes += space_stock_put(stock, &e, buf);
    }
    printf("what_encoding_costs: %lld ns and %zu bytes per space entry\n",
           (time_usec() - start) * 1000 / N, bytes / N);
    space_stock_destroy(stock);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("space-stock");
    TCase *tc = tcase_create("space-stock");

    tcase_add_test(tc, a_space_entry_survives_encoding);
    tcase_add_test(tc, a_space_entry_reads_as_documented);
    tcase_add_test(tc, an_ipv6_entry_reads_as_documented);
    tcase_add_test(tc, entries_with_ip_rewrite_read_as_documented);
    tcase_add_test(tc, what_encoding_costs);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
