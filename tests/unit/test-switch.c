/* SPDX-License-Identifier: Apache-2.0 */

/* The link to a switch, which may fail, refuse, forget and hang up. */

#include <config.h>
#include "switch/switch.h"

#include <string.h>
#include "compile/pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "plan/plan.h"
#include "random-entry.h"
#include "random.h"
#include "switch-fixture.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

START_TEST(a_flow_that_is_not_understood_is_left_out)
{
    struct fixture f;
    struct plan *plan = make_plan(2, 0);

    plan_add(plan, TABLE_LOCAL, 1, 0, xstrdup("no_such_field=1"),
             xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    fixture_init(&f);
    switch_set_plan(f.sw, plan);

    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, hmap_count(&f.fake.flows) == plan->n - 1);
    fixture_run_for(&f, 50);
    ck_assert_uint_lt(switch_acked(f.sw), seq);
    ck_assert(status_says(&f, "1 not understood"));
    fixture_uninit(&f);
}
END_TEST

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
    TCase *tc = tcase_create("switch");

    random_set_seed(unit_seed("switch"));
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_flow_that_is_not_understood_is_left_out);
    tcase_add_test(tc, nothing_is_touched_without_a_plan);
    tcase_add_test(tc, random_changes_end_in_step);
    tcase_add_test(tc, an_empty_flush_is_acknowledged_at_once);
    tcase_add_test(tc, after_a_reconnect_only_the_difference_is_sent);
    tcase_add_test(tc, leftovers_are_removed);
    tcase_add_test(tc, a_flow_in_the_place_of_an_entry_is_replaced);
    tcase_add_test(tc, changes_while_the_switch_is_read_back_are_not_lost);
    tcase_add_test(tc, a_lost_acknowledgement_comes_after_reconnecting);
    tcase_add_test(tc, a_plan_is_one_bundle);
    tcase_add_test(tc, the_switch_is_told_to_see_fragments_and_to_tell);
    tcase_add_test(tc, meters_come_and_go_with_the_plan);
    tcase_add_test(tc, connections_of_a_zone_that_goes_are_forgotten);
    tcase_add_test(tc, a_switch_that_cannot_tell_is_no_trouble);
    tcase_add_test(tc, what_somebody_else_deletes_comes_back);
    tcase_add_test(tc, own_changes_are_no_trouble);
    tcase_add_test(tc, a_flow_too_long_for_a_message_is_not_acknowledged);
    tcase_add_test(tc, one_refused_flow_stops_no_other);
    tcase_add_test(tc, a_refused_entry_is_tried_again);
    tcase_add_test(tc, a_switch_without_our_versions_is_not_used);
    tcase_add_test(tc, without_a_target_there_is_no_session);
    tcase_add_test(tc, many_entries_are_kept_back_while_congested);
    suite_add_tcase(suite, tc);
    return fixture_run_suite(suite);
}
