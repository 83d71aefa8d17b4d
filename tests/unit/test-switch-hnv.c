/* SPDX-License-Identifier: Apache-2.0 */

/* The link to a switch that may have the datapath extension. */

#include <config.h>
#include "switch/switch.h"

#include <string.h>
#include "datapath-ext/messages.h"
#include "plan/plan.h"
#include "random.h"
#include "switch-fixture.h"
#include "switch/space-hnv.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

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

/* Each time that the switch comes back it may be another, and the wish
 * changes, too. */
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

static struct space_entry
entry_number(uint32_t number)
{
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a000000 + number));
    struct space_entry e = { .where = { SPACE_VXLAN, ca } };

    space_key_init_ca(&e.key, 5000, &ca);
    return e;
}

static void
put_ca(struct fixture *f, uint32_t number)
{
    const struct space_entry e = entry_number(number);

    fixture_put(f, &e);
}

static void
remove_ca(struct fixture *f, uint32_t number)
{
    const struct space_entry e = entry_number(number);

    fixture_remove(f, &e.key);
}

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
        put_ca(&f, i);
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

static size_t
n_there(const struct fixture *f)
{
    return hmap_count(&f->fake.spaces.entries);
}

/* One too many costs no other its place, wherever in a message it was. */
START_TEST(a_full_datapath_has_what_fits)
{
    const size_t n = 40, too_many = 3;
    struct fixture f;

    fixture_init(&f);
    f.fake.hnv_version = HNV_WIRE_VERSION;
    f.fake.max_spaces = n - too_many;
    switch_set_backend(f.sw, SWITCH_BACKEND_HNV);
    fixture_set_plan(&f, 2, 0);
    fixture_flush(&f);
    for (uint32_t i = 0; i < n; i++) {
        put_ca(&f, i);
    }
    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, n_there(&f) == n - too_many);
    ck_assert(status_says(&f, "more places than its datapath can hold"));
    ck_assert_uint_lt(switch_acked(f.sw), seq);

    /* Nobody else is blamed for it. */
    fixture_run_for(&f, 2500);
    ck_assert(!status_says(&f, "somebody else"));

    for (uint32_t i = 0; i < too_many; i++) {
        remove_ca(&f, i);
    }
    seq = switch_flush(f.sw);
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_spaces(&f, true);

    /* And then they travel together again. */
    unsigned int n_mods = f.fake.n_space_mods;

    f.fake.max_spaces = SIZE_MAX;
    for (uint32_t i = 0; i < too_many; i++) {
        put_ca(&f, i);
    }
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_space_mods, n_mods + 1);
    check_spaces(&f, true);
    fixture_uninit(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("switch-hnv");
    TCase *tc = tcase_create("switch-hnv");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, random_changes_end_in_step_on_changing_switches);
    tcase_add_test(tc, the_switch_is_asked_what_it_can);
    tcase_add_test(tc, entries_travel_many_to_a_message);
    tcase_add_test(tc, what_the_datapath_refuses_is_tried_again);
    tcase_add_test(tc, a_full_datapath_has_what_fits);
    suite_add_tcase(suite, tc);
    return fixture_run_suite(suite);
}
