/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/switch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compile/pipeline.h"
#include "datapath-ext/messages.h"
#include "entry-store.h"
#include "fake-switch.h"
#include "fatal-signal.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "plan/plan.h"
#include "random-entry.h"
#include "random.h"
#include "switch/encode.h"
#include "switch/space-hnv.h"
#include "switch/space-stock.h"
#include "timeval.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

/* A plan of 'n' flows.  'variant' changes the actions of some of them. */
static struct plan *
make_plan(int n, int variant)
{
    struct plan *plan = plan_create();

    for (int i = 0; i < n; i++) {
        plan_add(plan, TABLE_ADMIT, 100, 0x1000 + i,
                 plan_text("in_port=%d,dl_src=0a:00:00:00:00:%02x", i + 1, i),
                 plan_text("set_field:%d->reg0,move:NXM_OF_ETH_SRC[0..31]->"
                           "NXM_NX_REG7[],resubmit(,20)",
                           i % 2 ? variant : i));
        plan_add(plan, TABLE_RESOLVE, 50, 0x2000 + i,
                 plan_text("ip,reg0=%#x,nw_dst=10.%d.0.0/16", i, i),
                 plan_text("load:%d->NXM_NX_REG1[],dec_ttl,"
                           "set_field:0a:00:00:00:00:01->dl_dst,goto_table:%d",
                           variant, TABLE_ROUTE));
    }
    plan_add(plan, TABLE_DELIVER, 1, 0, xstrdup(""), xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    return plan;
}

/* The link and its switch. */

struct fixture {
    struct fake fake;
    struct store store;
    struct switch_link *sw;
    char *target;
    bool remakes;               /* fixture_set_plan() was called; with: */
    int n, variant;
};

/* Of make_plan(), for the backend that the link has, now and later. */
static void
fixture_set_plan(struct fixture *f, int n, int variant)
{
    struct plan *plan = make_plan(n, variant);

    f->remakes = true;
    f->n = n;
    f->variant = variant;
    plan->spaces = switch_has_spaces(f->sw);
    for (int i = 0; plan->spaces && i < n; i++) {
        plan_add_guest(plan, &(struct plan_guest) {
            .vsid = 5000 + i % 3,
            .mac.ea[5] = i,
            .port = u16_to_ofp(1 + i + variant),
        });
    }
    plan_sort(plan);
    switch_set_plan(f->sw, plan);
}

static void
fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    fake_init(&f->fake);
    store_init(&f->store);

    struct space_source source = {
        .find = store_find,
        .for_each = store_for_each,
        .aux = &f->store,
    };

    f->sw = switch_create(&source);
    f->target = xasprintf("unix:%s", f->fake.path);
    switch_set_target(f->sw, f->target);
}

static void
fixture_uninit(struct fixture *f)
{
    switch_destroy(f->sw);
    fake_uninit(&f->fake);
    free(f->target);
    store_uninit(&f->store);
}

static void
fixture_turn(struct fixture *f)
{
    switch_wait(f->sw);
    fake_wait(&f->fake);
    poll_timer_wait(20);
    poll_block();
    fake_run(&f->fake);
    switch_run(f->sw);
    if (f->remakes
        && switch_plan(f->sw)->spaces != switch_has_spaces(f->sw)) {
        fixture_set_plan(f, f->n, f->variant);
    }
}

/* Runs until 'condition'; a test that gets stuck fails here. */
#define RUN_UNTIL(F, CONDITION)                                         \
    for (long long int until = time_msec() + 10000; !(CONDITION); ) {   \
        fixture_turn(F);                                                \
        ck_assert_msg(time_msec() < until, "never: %s", #CONDITION);    \
    }

static void
fixture_run_for(struct fixture *f, int ms)
{
    long long int until = time_msec() + ms;

    while (time_msec() < until) {
        fixture_turn(f);
    }
}

static void
fixture_put(struct fixture *f, const struct space_entry *e)
{
    store_put(&f->store, e);
    switch_space_put(f->sw, e);
}

static void
fixture_remove(struct fixture *f, const struct space_key *key_)
{
    struct space_key key = *key_;

    store_remove(&f->store, &key);
    switch_space_remove(f->sw, &key);
}

static uint64_t
fixture_flush(struct fixture *f)
{
    uint64_t seq = switch_flush(f->sw);

    RUN_UNTIL(f, switch_acked(f->sw) >= seq);
    return seq;
}

static void
check_message(struct fake *fake, const void *data)
{
    const struct ofp_header *oh = data;
    struct ofpbuf *msg = ofpbuf_clone_data(oh, ntohs(oh->length));
    struct encode_decoded d;

    ck_assert(encode_decode(msg, &d));

    struct fake_flow *flow = fake_find(fake, &d.fm);

    ck_assert(flow);
    ck_assert(flow->fm.new_cookie == d.fm.new_cookie);

    struct ofpbuf *have = encode_actions(flow->fm.ofpacts,
                                         flow->fm.ofpacts_len, oh->version);
    struct ofpbuf *want = encode_actions(d.fm.ofpacts, d.fm.ofpacts_len,
                                         oh->version);

    ck_assert(ofpbuf_equal(have, want));
    ofpbuf_delete(have);
    ofpbuf_delete(want);
    encode_decoded_uninit(&d);
    ofpbuf_delete(msg);
}

/* The switch has what is wanted, and nothing else. */
static void
check_in_step(struct fixture *f)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    const struct plan *plan = switch_plan(f->sw);
    size_t n_wanted = plan->n;
    struct stored *s;

    HMAP_FOR_EACH (s, hmap_node, &f->store.entries) {
        uint64_t buf[SPACE_STOCK_MESSAGE_MAX / 8];

        if (switch_has_spaces(f->sw) && !space_hnv_leaves(&s->entry)) {
            continue;
        }
        space_stock_put(stock, &s->entry, (uint8_t *) buf);
        check_message(&f->fake, buf);
        n_wanted++;
    }
    for (size_t i = 0; i < plan->n; i++) {
        char *error;
        struct ofpbuf *msg = encode_plan_put(&plan->flows[i], OFP15_VERSION,
                                             &error);

        ck_assert(msg);
        check_message(&f->fake, msg->data);
        ofpbuf_delete(msg);
    }
    ck_assert_uint_eq(hmap_count(&f->fake.flows), n_wanted);
    space_stock_destroy(stock);
}

static void
check_guests(struct fixture *f, bool used)
{
    const struct plan *plan = switch_plan(f->sw);
    struct stored *s;

    HMAP_FOR_EACH (s, hmap_node, &f->fake.ports.entries) {
        ck_assert(plan_has_guest(plan, &(struct plan_guest) {
            .vsid = s->entry.key.vsid,
            .mac = s->entry.key.mac,
            .port = u16_to_ofp(s->entry.cookie),
        }));
    }
    ck_assert_uint_eq(hmap_count(&f->fake.ports.entries),
                      used ? plan->n_guests : 0);
}

/* The datapath has what it is to have, which is nothing if 'used' is false. */
static void
check_spaces(struct fixture *f, bool used)
{
    size_t n_wanted = 0;
    struct stored *s;

    HMAP_FOR_EACH (s, hmap_node, &f->store.entries) {
        if (used && space_hnv_holds(&s->entry)) {
            struct hnv_wire_entry want, have;
            struct stored *there = store_get(&f->fake.spaces,
                                             &s->entry.key);

            ck_assert(there);
            hnv_entry_encode(&s->entry, &want);
            hnv_entry_encode(&there->entry, &have);
            ck_assert(!memcmp(&want, &have, sizeof want));
            n_wanted++;
        }
    }
    ck_assert_uint_eq(hmap_count(&f->fake.spaces.entries), n_wanted);
    check_guests(f, used);
}

static bool
status_says(const struct fixture *f, const char *what)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    switch_format_status(f->sw, &s);

    bool says = strstr(ds_cstr(&s), what) != NULL;

    ds_destroy(&s);
    return says;
}

static void
random_change(struct fixture *f)
{
    struct space_entry e = random_entry_among(100);

    if (random_range(3)) {
        fixture_put(f, &e);
    } else {
        fixture_remove(f, &e.key);
    }
}

START_TEST(a_flow_that_is_not_understood_is_left_out)
{
    struct fixture f;
    struct plan *plan = make_plan(2, 0);
    struct ds s = DS_EMPTY_INITIALIZER;

    plan_add(plan, TABLE_LOCAL, 1, 0, xstrdup("no_such_field=1"),
             xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    fixture_init(&f);
    switch_set_plan(f.sw, plan);

    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, hmap_count(&f.fake.flows) == plan->n - 1);
    fixture_run_for(&f, 50);
    ck_assert_uint_lt(switch_acked(f.sw), seq);
    switch_format_status(f.sw, &s);
    ck_assert(strstr(ds_cstr(&s), "1 not understood"));
    ds_destroy(&s);
    fixture_uninit(&f);
}
END_TEST

/* The session. */

START_TEST(nothing_is_touched_without_a_plan)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    fixture_put(&f, &e);
    ck_assert_uint_gt(switch_flush(f.sw), switch_acked(f.sw));
    fixture_run_for(&f, 200);
    ck_assert(f.fake.conn);
    ck_assert_uint_eq(f.fake.n_flow_mods, 0);
    ck_assert_uint_eq(f.fake.n_dumps, 0);
    ck_assert_uint_eq(switch_acked(f.sw), 0);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(random_changes_end_in_step)
{
    struct fixture f;

    random_set_seed(unit_seed("random_changes_end_in_step"));
    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(5, 0));
    for (int round = 0; round < 60; round++) {
        for (int i = random_range(40); i > 0; i--) {
            random_change(&f);
        }
        if (!random_range(4)) {
            switch_set_plan(f.sw, make_plan(random_range(10),
                                            random_range(3)));
        }
        if (!random_range(8) && f.fake.conn) {
            fake_stop(&f.fake);
            if (random_range(2)) {
                fake_forget(&f.fake);
            }
            fixture_turn(&f);
            for (int i = random_range(40); i > 0; i--) {
                random_change(&f);
            }
            fake_start(&f.fake);
        }
        if (random_range(2)) {
            fixture_turn(&f);
        }
        if (random_range(2)) {
            switch_flush(f.sw);
        }
        if (!random_range(3)) {
            fixture_flush(&f);
            check_in_step(&f);
        }
    }
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

/* The same where the switch may have the extension: each time that it comes
 * back it may be another, and the wish changes, too. */
START_TEST(random_changes_end_in_step_on_changing_switches)
{
    struct fixture f;
    bool wished = true;

    random_set_seed(unit_seed("random_changes_on_changing_switches"));
    fixture_init(&f);
    f.fake.hnv_version = HNV_WIRE_VERSION;
    switch_set_backend(f.sw, SWITCH_BACKEND_HNV);
    fixture_set_plan(&f, 5, 0);
    for (int round = 0; round < 40; round++) {
        for (int i = random_range(40); i > 0; i--) {
            random_change(&f);
        }
        if (!random_range(4)) {
            fixture_set_plan(&f, random_range(10), random_range(3));
        }
        if (!random_range(8)) {
            wished = !wished;
            switch_set_backend(f.sw, (wished ? SWITCH_BACKEND_HNV
                                      : SWITCH_BACKEND_STOCK));
        }
        if (!random_range(6) && f.fake.conn) {
            fake_stop(&f.fake);
            if (random_range(2)) {
                fake_forget(&f.fake);
                f.fake.hnv_version = (random_range(3) ? HNV_WIRE_VERSION
                                      : 0);
            }
            fixture_turn(&f);
            for (int i = random_range(40); i > 0; i--) {
                random_change(&f);
            }
            fake_start(&f.fake);
        }
        for (int i = random_range(4); i > 0; i--) {
            fixture_turn(&f);
        }
        if (random_range(2)) {
            switch_flush(f.sw);
        }
        if (!random_range(3)) {
            bool used = wished && f.fake.hnv_version;

            fixture_flush(&f);
            check_in_step(&f);
            check_spaces(&f, used);
            ck_assert(status_says(&f, (used ? "backend: hnv\n"
                                       : "backend: stock\n")));
            ck_assert(status_says(&f, "errors: 0\n"));
        }
    }
    fixture_uninit(&f);
}
END_TEST

START_TEST(the_switch_is_asked_what_it_can)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_backend(f.sw, SWITCH_BACKEND_HNV);
    ck_assert(status_says(&f, "backend: not known\n"));
    fixture_set_plan(&f, 2, 0);
    fixture_flush(&f);
    ck_assert(status_says(&f, "backend: stock\n"));
    ck_assert(status_says(&f, "has no datapath extension"
                          " (OFPBRC_BAD_SUBTYPE)"));
    ck_assert(status_says(&f, "errors: 0\n"));

    fake_stop(&f.fake);
    fixture_run_for(&f, 20);
    f.fake.hnv_version = HNV_WIRE_VERSION + 1;
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert(status_says(&f, "backend: stock\n"));
    ck_assert(status_says(&f, "which this agent does not speak"));

    fake_stop(&f.fake);
    fixture_run_for(&f, 20);
    f.fake.hnv_version = HNV_WIRE_VERSION;
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert(status_says(&f, "backend: hnv\n"));

    switch_set_backend(f.sw, SWITCH_BACKEND_STOCK);
    fixture_flush(&f);
    ck_assert(status_says(&f, "backend: stock\n"));
    ck_assert(status_says(&f, "which is not to be used"));
    fixture_uninit(&f);
}
END_TEST

START_TEST(entries_travel_many_to_a_message)
{
    struct fixture f;

    fixture_init(&f);
    f.fake.hnv_version = HNV_WIRE_VERSION;
    switch_set_backend(f.sw, SWITCH_BACKEND_HNV);
    fixture_set_plan(&f, 2, 0);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_space_mods, 1);      /* Guests. */
    for (uint32_t i = 0; i < 2 * HNV_SPACE_MOD_MAX + 1; i++) {
        struct in6_addr ca = addr_from_ipv4(htonl(0x0a000000 + i));
        struct space_entry e = { .where = { SPACE_VXLAN, ca } };

        space_key_init_ca(&e.key, 5000, &ca);
        fixture_put(&f, &e);
    }
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_space_mods, 4);
    check_spaces(&f, true);

    /* And after a reconnect none. */
    fake_stop(&f.fake);
    fixture_run_for(&f, 20);
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_space_mods, 4);

    /* But one if there is one that differs, and one that is too many. */
    struct stored *s = CONTAINER_OF(hmap_first(&f.fake.spaces.entries),
                                    struct stored, hmap_node);
    struct space_entry extra = s->entry;

    s->entry.where.encap = SPACE_NVGRE;
    extra.key.vsid = 77;
    store_put(&f.fake.spaces, &extra);
    fake_stop(&f.fake);
    fixture_run_for(&f, 20);
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_space_mods, 6);
    check_spaces(&f, true);
    fixture_uninit(&f);
}
END_TEST

START_TEST(what_the_datapath_refuses_is_tried_again)
{
    struct fixture f;
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a000001));
    struct space_entry e = { .where = { SPACE_VXLAN, ca } };

    fixture_init(&f);
    f.fake.hnv_version = HNV_WIRE_VERSION;
    switch_set_backend(f.sw, SWITCH_BACKEND_HNV);
    fixture_set_plan(&f, 2, 0);
    fixture_flush(&f);

    space_key_init_ca(&e.key, 5000, &ca);
    f.fake.refuse_spaces = true;
    fixture_put(&f, &e);

    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, status_says(&f, "refused space entries (OFPFMFC_TABLE"));
    ck_assert_uint_lt(switch_acked(f.sw), seq);
    f.fake.refuse_spaces = false;
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_spaces(&f, true);
    fixture_uninit(&f);
}
END_TEST

START_TEST(an_empty_flush_is_acknowledged_at_once)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);

    unsigned int n_barriers = f.fake.n_barriers;
    uint64_t seq = switch_flush(f.sw);

    ck_assert_uint_eq(switch_acked(f.sw), seq);
    ck_assert_uint_eq(f.fake.n_barriers, n_barriers);
    fixture_uninit(&f);
}
END_TEST

START_TEST(after_a_reconnect_only_the_difference_is_sent)
{
    struct fixture f;

    fixture_init(&f);
    for (int i = 0; i < 300; i++) {
        random_change(&f);
    }
    switch_set_plan(f.sw, make_plan(20, 0));
    fixture_flush(&f);
    check_in_step(&f);

    /* With nothing different. */
    unsigned int n_flow_mods = f.fake.n_flow_mods;

    fake_stop(&f.fake);
    fixture_run_for(&f, 50);
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_flow_mods, n_flow_mods);
    check_in_step(&f);

    /* With one entry, and one of two actions of each kind of rule. */
    fake_stop(&f.fake);
    fixture_run_for(&f, 50);

    struct space_entry e = random_entry_among(10);

    space_key_init_mac(&e.key, 9999, e.mac);
    fixture_put(&f, &e);
    switch_set_plan(f.sw, make_plan(20, 1));
    fake_start(&f.fake);
    fixture_flush(&f);
    check_in_step(&f);
    ck_assert_uint_eq(f.fake.n_flow_mods, n_flow_mods + 1 + 30);
    fixture_uninit(&f);
}
END_TEST

START_TEST(leftovers_are_removed)
{
    static const char *const leftovers[] = {
        "table=0,priority=0,actions=NORMAL",
        "table=200,in_port=3,actions=drop",
        /* Of entries that nobody wants. */
        "table=40,priority=100,reg0=7777,reg2=1,actions=set_field:1->xreg4",
        "table=42,priority=100,reg0=7777,dl_dst=02:00:00:00:00:01,"
            "actions=set_field:0x20->reg4",
        /* In these tables, and not of an entry. */
        "table=40,priority=99,reg0=7777,reg2=1,actions=drop",
        "table=40,priority=100,reg0=7777,actions=drop",
        "table=42,priority=100,reg0=7777,ip,actions=drop",
        "table=42,priority=100,actions=drop",
    };
    struct fixture f;

    fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(leftovers); i++) {
        fake_add(&f.fake, leftovers[i]);
    }
    for (int i = 0; i < 50; i++) {
        random_change(&f);
    }
    switch_set_plan(f.sw, make_plan(3, 0));
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_flow_in_the_place_of_an_entry_is_replaced)
{
    struct fixture f;
    struct space_entry e = {
        .mac = ETH_ADDR_C(02,00,00,00,00,01),
        .where = { SPACE_VXLAN, addr_from_ipv4(htonl(0xc0a80001)) },
        .cookie = 5,
    };

    fixture_init(&f);
    space_key_init_mac(&e.key, 7777, e.mac);
    store_put(&f.store, &e);
    fake_add(&f.fake, "table=42,priority=100,reg0=7777,cookie=5,"
             "dl_dst=02:00:00:00:00:01,actions=set_field:0x20->reg4");
    fake_add(&f.fake, "table=0,priority=100,cookie=0x1000,in_port=1,"
             "dl_src=0a:00:00:00:00:00,idle_timeout=60,actions=drop");
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(changes_while_the_switch_is_read_back_are_not_lost)
{
    struct fixture f;

    random_set_seed(
        unit_seed("changes_while_the_switch_is_read_back_are_not_lost"));
    for (int round = 0; round < 20; round++) {
        fixture_init(&f);
        for (int i = 0; i < 100; i++) {
            random_change(&f);
        }
        switch_set_plan(f.sw, make_plan(5, 0));
        fixture_flush(&f);

        fake_stop(&f.fake);
        fixture_run_for(&f, 20);
        f.fake.hold_dump = true;
        for (int i = 0; i < 100; i++) {
            random_change(&f);
        }
        fake_start(&f.fake);

        unsigned int n_dumps = f.fake.n_dumps;

        RUN_UNTIL(&f, f.fake.n_dumps > n_dumps);
        for (int i = 0; i < 100; i++) {
            random_change(&f);
        }
        switch_set_plan(f.sw, make_plan(6, 1));

        uint64_t seq = switch_flush(f.sw);

        fixture_run_for(&f, 10);
        ck_assert_uint_lt(switch_acked(f.sw), seq);
        fake_release_dump(&f.fake);
        RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
        check_in_step(&f);
        fixture_uninit(&f);
    }
}
END_TEST

START_TEST(a_lost_acknowledgement_comes_after_reconnecting)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(3, 0));
    fixture_flush(&f);

    f.fake.drop_barriers = true;
    fixture_put(&f, &e);

    uint64_t seq = switch_flush(f.sw);

    fixture_run_for(&f, 100);
    ck_assert_uint_lt(switch_acked(f.sw), seq);

    fake_stop(&f.fake);
    fixture_run_for(&f, 50);
    f.fake.drop_barriers = false;
    fake_start(&f.fake);
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_plan_is_one_bundle)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(10, 0));
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_commits, 1);
    ck_assert_uint_eq(f.fake.n_in_bundle, 21);

    switch_set_plan(f.sw, make_plan(8, 0));
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_commits, 2);
    ck_assert_uint_eq(f.fake.n_in_bundle, 21 + 4);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(the_switch_is_told_to_see_fragments_and_to_tell)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    ck_assert(f.fake.sees_fragments);
    ck_assert(f.fake.gives_registers);
    ck_assert(f.fake.watched);
    fixture_uninit(&f);
}
END_TEST

static struct plan *
make_metered_plan(uint32_t meter1, uint32_t meter2)
{
    struct plan *plan = plan_create();

    plan_add_meter(plan, meter2);
    plan_add_meter(plan, meter1);
    plan_add_meter(plan, meter2);
    ck_assert(!plan_sort(plan));
    ck_assert_uint_eq(plan->meters.n, 2);
    return plan;
}

static struct plan *
make_plan_with_zone(uint16_t zone)
{
    struct plan *plan = make_plan(1, 0);

    plan_add_zone(plan, zone);
    plan_sort(plan);
    return plan;
}

START_TEST(connections_of_a_zone_that_goes_are_forgotten)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan_with_zone(7));
    fixture_flush(&f);
    switch_set_plan(f.sw, make_plan_with_zone(7));
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.flushed_zone, 0);

    switch_set_plan(f.sw, make_plan_with_zone(8));
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.flushed_zone, 7);
    fixture_uninit(&f);
}
END_TEST

START_TEST(meters_come_and_go_with_the_plan)
{
    struct fixture f;

    fixture_init(&f);
    f.fake.meters[1] = true;    /* Of an agent that was here before. */
    switch_set_plan(f.sw, make_metered_plan(1, 2));
    fixture_flush(&f);
    ck_assert(f.fake.meters[1] && f.fake.meters[2]);

    switch_set_plan(f.sw, make_metered_plan(2, 3));
    fixture_flush(&f);
    ck_assert(!f.fake.meters[1] && f.fake.meters[2] && f.fake.meters[3]);

    /* None of this was trouble. */
    fixture_run_for(&f, 50);
    ck_assert_uint_eq(f.fake.n_dumps, 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_switch_that_cannot_tell_is_no_trouble)
{
    struct fixture f;

    fixture_init(&f);
    f.fake.no_monitor = true;
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    fixture_run_for(&f, 50);
    ck_assert_uint_eq(f.fake.n_dumps, 1);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(what_somebody_else_deletes_comes_back)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(3, 0));
    fixture_put(&f, &e);
    fixture_flush(&f);

    fake_forget(&f.fake);
    fake_tell(&f.fake, OFPFME_REMOVED);
    RUN_UNTIL(&f, f.fake.n_dumps == 2);

    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(own_changes_are_no_trouble)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(3, 0));
    fixture_flush(&f);
    fake_tell(&f.fake, OFPFME_ABBREV);
    fake_tell(&f.fake, OFPFME_PAUSED);
    fake_tell(&f.fake, OFPFME_REMOVED);
    fake_tell(&f.fake, OFPFME_RESUMED);
    fixture_run_for(&f, 50);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_dumps, 1);

    fake_tell(&f.fake, OFPFME_MODIFIED);
    RUN_UNTIL(&f, f.fake.n_dumps == 2);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_flow_too_long_for_a_message_is_not_acknowledged)
{
    struct fixture f;
    struct plan *plan = make_plan(3, 0);
    struct ds actions = DS_EMPTY_INITIALIZER;

    fixture_init(&f);
    for (int i = 0; i < 5000; i++) {
        ds_put_format(&actions, "set_field:%d->reg1,", i);
    }
    ds_put_cstr(&actions, "resubmit(,20)");
    plan_add(plan, TABLE_LOCAL, 1, 0xbad, xstrdup("ip"),
             ds_steal_cstr(&actions));
    ck_assert(!plan_sort(plan));
    switch_set_plan(f.sw, plan);

    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, hmap_count(&f.fake.flows) == 7);
    fixture_run_for(&f, 50);
    ck_assert_uint_lt(switch_acked(f.sw), seq);

    switch_set_plan(f.sw, make_plan(3, 1));
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(one_refused_flow_stops_no_other)
{
    struct fixture f;
    struct plan *plan = make_plan(5, 0);
    struct ds s = DS_EMPTY_INITIALIZER;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    f.fake.refuse_table = TABLE_LOCAL;
    plan_add(plan, TABLE_LOCAL, 1, 0xbad, xstrdup("ip"), xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    switch_set_plan(f.sw, plan);

    uint64_t seq = switch_flush(f.sw);

    /* First the bundle fails as a whole, then the flow alone. */
    RUN_UNTIL(&f, hmap_count(&f.fake.flows) == plan->n - 1);
    ck_assert_uint_lt(switch_acked(f.sw), seq);

    /* Others work in the meantime, in spaces and rules, at once. */
    unsigned int n_dumps = f.fake.n_dumps;

    fixture_put(&f, &e);
    plan = make_plan(6, 0);
    plan_add(plan, TABLE_LOCAL, 1, 0xbad, xstrdup("ip"), xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    switch_set_plan(f.sw, plan);
    seq = switch_flush(f.sw);
    RUN_UNTIL(&f, hmap_count(&f.fake.flows) == plan->n - 1 + 1);
    ck_assert_uint_eq(f.fake.n_dumps, n_dumps);
    ck_assert_uint_lt(switch_acked(f.sw), seq);

    /* A person is told. */
    switch_format_status(f.sw, &s);
    ck_assert_msg(strstr(ds_cstr(&s), "trouble"), "%s", ds_cstr(&s));
    ck_assert_msg(strstr(ds_cstr(&s), "cookie=0xbad"), "%s", ds_cstr(&s));
    ck_assert_msg(strstr(ds_cstr(&s), "TABLE_FULL"), "%s", ds_cstr(&s));
    ds_destroy(&s);

    /* It does not ask all the time, and is well again when the switch is. */
    fixture_run_for(&f, 500);
    ck_assert_uint_le(f.fake.n_dumps, n_dumps + 1);
    f.fake.refuse_table = -1;
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_refused_entry_is_tried_again)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(2, 0));
    fixture_flush(&f);
    space_key_init_mac(&e.key, 5000, e.mac);
    f.fake.refuse_table = TABLE_SPACE_MAC;
    fixture_put(&f, &e);

    uint64_t seq = switch_flush(f.sw);

    fixture_run_for(&f, 100);
    ck_assert_uint_lt(switch_acked(f.sw), seq);
    f.fake.refuse_table = -1;
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_switch_without_our_versions_is_not_used)
{
    struct fixture f;

    fixture_init(&f);
    fake_stop(&f.fake);
    f.fake.versions = 1u << OFP13_VERSION;
    fake_start(&f.fake);
    switch_set_plan(f.sw, make_plan(1, 0));

    uint64_t seq = switch_flush(f.sw);

    fixture_run_for(&f, 500);
    ck_assert_uint_eq(f.fake.n_dumps, 0);

    fake_stop(&f.fake);
    f.fake.versions = 1u << OFP13_VERSION | 1u << OFP14_VERSION;
    fake_start(&f.fake);
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    fixture_uninit(&f);
}
END_TEST

START_TEST(without_a_target_there_is_no_session)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    switch_set_target(f.sw, NULL);
    RUN_UNTIL(&f, !f.fake.conn);
    fixture_run_for(&f, 200);
    ck_assert(!f.fake.conn);
    switch_set_target(f.sw, f.target);
    fixture_flush(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(many_entries_are_kept_back_while_congested)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    for (int i = 0; !switch_is_congested(f.sw); i++) {
        e.mac.be16[1] = htons(i);
        space_key_init_mac(&e.key, 5000, e.mac);
        fixture_put(&f, &e);
        ck_assert_int_lt(i, 60000);
    }
    fixture_flush(&f);
    ck_assert(!switch_is_congested(f.sw));
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("switch");
    TCase *session = tcase_create("session");

    fatal_ignore_sigpipe();
    vlog_set_levels(NULL, VLF_CONSOLE,
                    getenv("HNV_TEST_LOG") ? VLL_DBG : VLL_OFF);
    tcase_set_timeout(session, 60);
    tcase_add_test(session, a_flow_that_is_not_understood_is_left_out);
    tcase_add_test(session, nothing_is_touched_without_a_plan);
    tcase_add_test(session, random_changes_end_in_step);
    tcase_add_test(session, random_changes_end_in_step_on_changing_switches);
    tcase_add_test(session, the_switch_is_asked_what_it_can);
    tcase_add_test(session, entries_travel_many_to_a_message);
    tcase_add_test(session, what_the_datapath_refuses_is_tried_again);
    tcase_add_test(session, an_empty_flush_is_acknowledged_at_once);
    tcase_add_test(session, after_a_reconnect_only_the_difference_is_sent);
    tcase_add_test(session, leftovers_are_removed);
    tcase_add_test(session, a_flow_in_the_place_of_an_entry_is_replaced);
    tcase_add_test(session,
                   changes_while_the_switch_is_read_back_are_not_lost);
    tcase_add_test(session, a_lost_acknowledgement_comes_after_reconnecting);
    tcase_add_test(session, a_plan_is_one_bundle);
    tcase_add_test(session,
                   the_switch_is_told_to_see_fragments_and_to_tell);
    tcase_add_test(session, meters_come_and_go_with_the_plan);
    tcase_add_test(session,
                   connections_of_a_zone_that_goes_are_forgotten);
    tcase_add_test(session, a_switch_that_cannot_tell_is_no_trouble);
    tcase_add_test(session, what_somebody_else_deletes_comes_back);
    tcase_add_test(session, own_changes_are_no_trouble);
    tcase_add_test(session,
                   a_flow_too_long_for_a_message_is_not_acknowledged);
    tcase_add_test(session, one_refused_flow_stops_no_other);
    tcase_add_test(session, a_refused_entry_is_tried_again);
    tcase_add_test(session, a_switch_without_our_versions_is_not_used);
    tcase_add_test(session, without_a_target_there_is_no_session);
    tcase_add_test(session, many_entries_are_kept_back_while_congested);
    suite_add_tcase(suite, session);
    return unit_run(suite);
}
