/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/choose-pa.h"
#include <stdio.h>
#include <string.h>
#include "host/host-view.h"
#include "model/rules.h"
#include "unit.h"
#include "util.h"
#include "util/diag.h"

#define N_PORTS 1000
#define MAX_PAS 8

struct fixture {
    struct rules rules;
    struct in6_addr pas[MAX_PAS];
    struct host_view *host;
};

static struct in6_addr
addr(const char *s)
{
    struct in6_addr a;

    ck_assert(addr_parse(s, &a));
    return a;
}

static void
add_pa(struct fixture *f, const char *s)
{
    f->pas[f->rules.n_pas++] = addr(s);
}

static void
fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->rules.pas = f->pas;
    f->host = host_view_create();
}

static void
fixture_uninit(struct fixture *f)
{
    host_view_destroy(f->host);
}

/* What the host knows of a PA; on no device if 'device' is NULL. */
static void
know(struct fixture *f, const char *s, const char *device, bool up)
{
    struct in6_addr a = addr(s);
    struct host_pa *pa = CONST_CAST(struct host_pa *,
                                    host_view_find_pa(f->host, &a));

    if (!pa) {
        pa = host_view_add_pa(f->host, &a);
    }
    free(pa->device);
    pa->device = nullable_xstrdup(device);
    pa->up = up;
    pa->vlan_ok = true;
}

/* The PA of port number 'i', as an address: numbers of PAs change. */
static struct in6_addr
chosen(const struct fixture *f, int i, enum pa_family family,
       const char *pinned)
{
    char name[40];
    struct rules_port port = { .name = name };
    const struct in6_addr *pas[N_PA_FAMILIES];

    snprintf(name, sizeof name, "8fd9a2c1-7a34-4f0e-8d3c-%012x", i);
    if (pinned) {
        port.pinned[family] = addr(pinned);
    }
    choose_pas(&f->rules, f->host, &port, pas);
    return pas[family] ? *pas[family] : (struct in6_addr) IN6ADDR_ANY_INIT;
}

static bool
chose(const struct fixture *f, int i, const char *pinned, const char *want)
{
    struct in6_addr got = chosen(f, i, PA_IPV4, pinned);
    struct in6_addr wanted = addr(want);

    return addr_equal(&got, &wanted);
}

START_TEST(ports_spread_over_the_pas)
{
    struct fixture f;
    int n[4] = { 0 };

    fixture_init(&f);
    add_pa(&f, "192.0.2.1");
    add_pa(&f, "192.0.2.2");
    add_pa(&f, "192.0.2.3");
    add_pa(&f, "192.0.2.4");
    for (int i = 0; i < N_PORTS; i++) {
        struct in6_addr pa = chosen(&f, i, PA_IPV4, NULL);

        n[pa.s6_addr[15] - 1]++;
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_gt(n[i], N_PORTS / 4 - N_PORTS / 20);
        ck_assert_int_lt(n[i], N_PORTS / 4 + N_PORTS / 20);
    }
    fixture_uninit(&f);
}
END_TEST

/* What the hash is, is part of what an upgrade must not change. */
START_TEST(the_choice_is_the_same_in_every_version)
{
    struct fixture f;
    char choices[17] = "";

    fixture_init(&f);
    add_pa(&f, "192.0.2.1");
    add_pa(&f, "192.0.2.2");
    for (int i = 0; i < 16; i++) {
        choices[i] = '0' + chosen(&f, i, PA_IPV4, NULL).s6_addr[15];
    }
    ck_assert_str_eq(choices, "1111211212122211");
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_pa_that_comes_or_goes_moves_only_its_own_ports)
{
    struct fixture two, three;
    int moved = 0;

    fixture_init(&two);
    add_pa(&two, "192.0.2.1");
    add_pa(&two, "192.0.2.3");
    fixture_init(&three);
    add_pa(&three, "192.0.2.1");
    add_pa(&three, "192.0.2.2");
    add_pa(&three, "192.0.2.3");
    for (int i = 0; i < N_PORTS; i++) {
        struct in6_addr a = chosen(&two, i, PA_IPV4, NULL);
        struct in6_addr b = chosen(&three, i, PA_IPV4, NULL);

        if (!addr_equal(&a, &b)) {
            ck_assert_int_eq(b.s6_addr[15], 2);
            moved++;
        }
    }
    ck_assert_int_gt(moved, N_PORTS / 4);
    ck_assert_int_lt(moved, N_PORTS / 2);
    fixture_uninit(&two);
    fixture_uninit(&three);
}
END_TEST

START_TEST(each_family_has_its_own_choice)
{
    struct fixture f;
    struct in6_addr six = addr("2001:db8::1");
    struct in6_addr none = IN6ADDR_ANY_INIT;

    fixture_init(&f);
    add_pa(&f, "192.0.2.1");
    struct in6_addr pa = chosen(&f, 1, PA_IPV6, NULL);
    ck_assert(addr_equal(&pa, &none));
    add_pa(&f, "2001:db8::1");
    pa = chosen(&f, 1, PA_IPV6, NULL);
    ck_assert(addr_equal(&pa, &six));
    ck_assert(chose(&f, 1, NULL, "192.0.2.1"));
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_pinned_port_has_its_pa)
{
    struct fixture f;

    fixture_init(&f);
    add_pa(&f, "192.0.2.1");
    add_pa(&f, "192.0.2.2");
    for (int i = 0; i < 20; i++) {
        ck_assert(chose(&f, i, "192.0.2.2", "192.0.2.2"));
    }
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_pa_that_does_not_work_is_replaced_until_it_does)
{
    struct fixture f;

    fixture_init(&f);
    add_pa(&f, "192.0.2.1");
    add_pa(&f, "192.0.2.2");
    for (int i = 0; i < 20; i++) {
        struct in6_addr before = chosen(&f, i, PA_IPV4, NULL);
        struct in6_addr after;

        know(&f, "192.0.2.1", "eth0", true);
        know(&f, "192.0.2.2", "eth1", false);
        ck_assert(chose(&f, i, NULL, "192.0.2.1"));
        ck_assert(chose(&f, i, "192.0.2.2", "192.0.2.1"));

        know(&f, "192.0.2.2", NULL, false);
        ck_assert(chose(&f, i, NULL, "192.0.2.1"));

        /* Better there than not. */
        know(&f, "192.0.2.1", "eth0", false);
        ck_assert(chose(&f, i, NULL, "192.0.2.1"));

        /* All are equally bad. */
        know(&f, "192.0.2.2", "eth1", false);
        after = chosen(&f, i, PA_IPV4, NULL);
        ck_assert(addr_equal(&before, &after));

        know(&f, "192.0.2.1", "eth0", true);
        know(&f, "192.0.2.2", "eth1", true);
        after = chosen(&f, i, PA_IPV4, NULL);
        ck_assert(addr_equal(&before, &after));
    }
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_pa_that_does_not_work_is_told_of)
{
    struct fixture f;
    struct diag_set diags;
    const struct diag *diag;

    fixture_init(&f);
    diag_set_init(&diags);
    add_pa(&f, "192.0.2.1");
    add_pa(&f, "192.0.2.2");
    add_pa(&f, "192.0.2.3");
    diagnose_pas(&f.rules, f.host, &diags);
    ck_assert_uint_eq(diag_set_count(&diags), 0);

    know(&f, "192.0.2.1", "eth0", true);
    know(&f, "192.0.2.2", "eth1", false);
    know(&f, "192.0.2.3", NULL, false);
    diagnose_pas(&f.rules, f.host, &diags);
    ck_assert_uint_eq(diag_set_count(&diags), 1);
    DIAG_SET_FOR_EACH (diag, &diags) {
        ck_assert_str_eq(diag_code_to_string(diag->code),
                         "PAAddressConfigurationFailure");
        ck_assert_ptr_null(strstr(diag->text, "192.0.2.1"));
        ck_assert_ptr_nonnull(strstr(diag->text, "192.0.2.2 is on eth1"));
        ck_assert_ptr_nonnull(strstr(diag->text, "192.0.2.3"));
    }
    diag_set_uninit(&diags);
    fixture_uninit(&f);
}
END_TEST

/* With IP rewrite the host has guests' PAs, too, which are on no device. */
START_TEST(a_guests_pa_is_no_uplink)
{
    struct in6_addr guest = addr("192.0.2.1");
    struct in6_addr uplink = addr("192.0.2.2");
    struct diag_set diags;
    struct fixture f;

    fixture_init(&f);
    diag_set_init(&diags);
    f.rules.rewrite = true;
    add_pa(&f, "192.0.2.1");
    add_pa(&f, "192.0.2.2");
    know(&f, "192.0.2.1", NULL, false);
    know(&f, "192.0.2.2", "eth0", false);
    ck_assert(!pa_is_uplink(&f.rules, f.host, &guest));
    ck_assert(pa_is_uplink(&f.rules, f.host, &uplink));
    for (int i = 0; i < 20; i++) {
        ck_assert(chose(&f, i, NULL, "192.0.2.2"));
        ck_assert(chose(&f, i, "192.0.2.1", "192.0.2.2"));
    }

    know(&f, "192.0.2.2", NULL, false);
    for (int i = 0; i < 20; i++) {
        struct in6_addr none = chosen(&f, i, PA_IPV4, NULL);

        ck_assert(addr_equal(&none, &in6addr_any));
    }
    diagnose_pas(&f.rules, f.host, &diags);
    ck_assert_uint_eq(diag_set_count(&diags), 0);

    f.rules.rewrite = false;
    ck_assert(pa_is_uplink(&f.rules, f.host, &guest));
    diag_set_uninit(&diags);
    fixture_uninit(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("choose-pa");
    TCase *tc = tcase_create("choose-pa");

    tcase_add_test(tc, ports_spread_over_the_pas);
    tcase_add_test(tc, the_choice_is_the_same_in_every_version);
    tcase_add_test(tc, a_pa_that_comes_or_goes_moves_only_its_own_ports);
    tcase_add_test(tc, each_family_has_its_own_choice);
    tcase_add_test(tc, a_pinned_port_has_its_pa);
    tcase_add_test(tc, a_pa_that_does_not_work_is_replaced_until_it_does);
    tcase_add_test(tc, a_pa_that_does_not_work_is_told_of);
    tcase_add_test(tc, a_guests_pa_is_no_uplink);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
