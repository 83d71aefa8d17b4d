/* SPDX-License-Identifier: Apache-2.0 */

/* What the datapath extension finds must be just what the stock backend's flow
 * of the same entry says: here, both are carried out. */

#include <config.h>
#include "datapath-ext/found.h"

#include <check.h>
#include <string.h>
#include "compile/pipeline.h"
#include "flow.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "random-entry.h"
#include "random.h"
#include "switch/space-stock.h"
#include "unit.h"

#define ROUNDS 20000

/* What a question by 'key' finds. */
static enum space_kind
kind_found_by(enum hnv_key key)
{
    if (key == HNV_KEY_MAC) {
        return SPACE_BY_MAC;
    }
    return (key == HNV_KEY_SHARE4 || key == HNV_KEY_SHARE6
            ? SPACE_BY_SHARE : SPACE_BY_CA);
}

/* Registers, as both are to change them. */
struct registers {
    struct flow stock, found;
};

static void
registers_init(struct registers *r)
{
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < FLOW_N_REGS; i++) {
        r->stock.regs[i] = random_uint32();
    }
    r->found = r->stock;
}

/* Carries out the flow of 'entry'. */
static void
load_stock(const struct space_stock *stock, const struct space_entry *entry,
           struct flow *flow)
{
    uint64_t ofpacts_stub[1024 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(ofpacts_stub);
    uint8_t msg[SPACE_STOCK_MESSAGE_MAX];
    struct ofputil_flow_mod fm;
    const struct ofpact *a;

    space_stock_put(stock, entry, msg);
    ck_assert_int_eq(
        ofputil_decode_flow_mod(&fm, (const struct ofp_header *) msg,
                                OFPUTIL_P_OF15_OXM, NULL, NULL, &ofpacts,
                                u16_to_ofp(255), 254), 0);
    OFPACT_FOR_EACH (a, fm.ofpacts, fm.ofpacts_len) {
        const struct ofpact_set_field *sf = ofpact_get_SET_FIELD(a);

        mf_set_flow_value_masked(sf->field, sf->value,
                                 ofpact_set_field_mask(sf), flow);
    }
    minimatch_destroy(&fm.match);
    ofpbuf_uninit(&ofpacts);
}

/* All the way: into a packet's metadata and out of a flow's. */
static void
load_found(const struct space_entry *entry, enum hnv_key key,
           bool asks_for_itself, struct flow *flow)
{
    struct hnv_found found = hnv_found_from_entry(entry, key,
                                                  asks_for_itself);
    struct flow_tnl tunnel;

    memset(&tunnel, 0xcc, sizeof tunnel);
    hnv_found_to_tunnel(&found, &tunnel);
    ck_assert(flow_tnl_dst_is_set(&tunnel));
    found = hnv_found_from_tunnel(&tunnel);
    hnv_found_load(&found, flow->regs);
}

static void
assert_same(const struct registers *r)
{
    for (size_t i = 0; i < FLOW_N_REGS; i++) {
        ck_assert_uint_eq(r->stock.regs[i], r->found.regs[i]);
    }
}

START_TEST(finds_what_the_flow_says)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);

    for (int round = 0; round < ROUNDS; round++) {
        enum hnv_key key = 1 + random_range(N_HNV_KEYS - 1);
        struct space_entry entry = random_entry_of(kind_found_by(key), 5001);
        struct registers r;

        registers_init(&r);
        load_stock(stock, &entry, &r.stock);
        load_found(&entry, key, false, &r.found);
        assert_same(&r);
        ck_assert_uint_eq(r.found.regs[REG_IDX_ENCAP],
                          pipeline_encap(&entry.where));
    }
    space_stock_destroy(stock);
}
END_TEST

/* Who asks from a CA of several owners is answered by another flow. */
START_TEST(owners_find_what_their_flow_says)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    const struct in6_addr ca = in6_addr_mapped_ipv4(htonl(0x0a000009));
    struct space_entry entry, owner;
    struct registers r;

    memset(&entry, 0, sizeof entry);
    random_bytes(&entry.mac, sizeof entry.mac);
    entry.where.encap = SPACE_BALANCED;
    entry.where.pa = ca;
    owner = entry;
    space_key_init_ca(&entry.key, 5001, &ca);
    space_key_init_owner(&owner.key, 5001, &ca);
    owner.mac = eth_addr_zero;

    registers_init(&r);
    load_stock(stock, &owner, &r.stock);
    load_found(&entry, HNV_KEY_TARGET, true, &r.found);
    assert_same(&r);

    /* Only of several: who has it alone is told so. */
    entry.where.encap = SPACE_LOCAL;
    entry.where.pa = in6addr_any;
    registers_init(&r);
    load_stock(stock, &entry, &r.stock);
    load_found(&entry, HNV_KEY_TARGET, true, &r.found);
    assert_same(&r);
    space_stock_destroy(stock);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("found");
    TCase *tc = tcase_create("found");

    random_set_seed(unit_seed("found") | 1);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, finds_what_the_flow_says);
    tcase_add_test(tc, owners_find_what_their_flow_says);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
