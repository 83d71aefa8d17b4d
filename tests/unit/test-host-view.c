/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/host-view.h"
#include <string.h>
#include "random.h"
#include "unit.h"
#include "util/addr.h"
#include "util.h"

static struct host_port *
add(struct host_view *view, const char *iface_id, const char *name)
{
    struct host_port *port = host_view_add_port(view);

    port->iface_id = xstrdup(iface_id);
    port->name = xstrdup(name);
    port->port_id = xstrdup(name);
    port->vm_name = xstrdup("");
    return port;
}

START_TEST(a_new_view_has_nothing)
{
    struct host_view *view = host_view_create();
    size_t n = 1;

    ck_assert(view->vxlan == OFPP_NONE);
    ck_assert(view->nvgre == OFPP_NONE);
    ck_assert(!host_view_find(view, "a", &n));
    ck_assert_uint_eq(n, 0);
    host_view_sort(view);
    host_view_destroy(view);
    host_view_destroy(NULL);
}
END_TEST

START_TEST(ports_are_found_by_iface_id)
{
    struct host_view *view = host_view_create();
    const struct host_port *port;
    size_t n;

    add(view, "b", "tap2");
    add(view, "c", "tap9");
    add(view, "b", "tap1");
    add(view, "a", "tap5");
    host_view_sort(view);

    port = host_view_find(view, "b", &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(port[0].name, "tap1");
    ck_assert_str_eq(port[1].name, "tap2");
    ck_assert(port[0].ofport == OFPP_NONE);

    ck_assert_str_eq(host_view_find(view, "a", &n)->name, "tap5");
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(host_view_find(view, "c", &n)->name, "tap9");
    ck_assert(!host_view_find(view, "bb", &n));
    ck_assert(!host_view_find(view, "", &n));
    ck_assert(!host_view_find(view, "d", &n));
    host_view_destroy(view);
}
END_TEST

/* Adds to 'view' in random order what is the same for the same 'n'. */
static void
fill(struct host_view *view, int n)
{
    int start = random_range(n);

    for (int i = 0; i < n; i++) {
        int j = (start + i) % n;
        char *id = xasprintf("port%d", j / 2);
        char *name = xasprintf("tap%d", j);
        struct host_port *port = add(view, id, name);

        port->ofport = OFP_PORT_C(j + 1);
        port->has_mac = j % 3;
        if (port->has_mac) {
            port->mac.ea[5] = j;
        }
        free(id);
        free(name);
    }
    host_view_sort(view);
}

START_TEST(the_order_of_adding_makes_no_difference)
{
    random_set_seed(unit_seed("the_order_of_adding_makes_no_difference"));
    for (int n = 1; n < 50; n++) {
        struct host_view *a = host_view_create();
        struct host_view *b = host_view_create();
        struct host_view *c;

        fill(a, n);
        fill(b, n);
        ck_assert(host_view_equal(a, b));
        c = host_view_clone(a);
        host_view_destroy(a);
        ck_assert(host_view_equal(b, c));
        host_view_destroy(b);
        host_view_destroy(c);
    }
}
END_TEST

static void
set_string(char **s, const char *value)
{
    free(*s);
    *s = xstrdup(value);
}

START_TEST(every_fact_makes_a_difference)
{
    for (int fact = 0; fact < 13; fact++) {
        struct host_view *a = host_view_create();

        add(a, "a", "tap1")->has_mac = true;

        struct host_view *b = host_view_clone(a);

        ck_assert(host_view_equal(a, b));
        switch (fact) {
        case 0: a->vxlan = OFP_PORT_C(7); break;
        case 1: a->nvgre = OFP_PORT_C(7); break;
        case 2: set_string(&a->ports[0].iface_id, "b"); break;
        case 3: set_string(&a->ports[0].name, "tap2"); break;
        case 4: a->ports[0].ofport = OFP_PORT_C(7); break;
        case 5: a->ports[0].has_mac = false; break;
        case 6: a->ports[0].mac.ea[0] = 2; break;
        case 7: set_string(&a->ports[0].port_id, "x"); break;
        case 8: set_string(&a->ports[0].vm_name, "x"); break;
        case 9: add(a, "b", "tap2"); break;
        case 10: a->userspace = true; break;
        case 11: a->rewrite = OFP_PORT_C(7); break;
        case 12: a->spaces = true; break;
        }
        ck_assert_msg(!host_view_equal(a, b), "fact %d", fact);
        host_view_destroy(a);
        host_view_destroy(b);
    }
}
END_TEST

START_TEST(a_mac_that_is_not_there_is_not_compared)
{
    struct host_view *a = host_view_create();

    add(a, "a", "tap1");

    struct host_view *b = host_view_clone(a);

    a->ports[0].mac.ea[0] = 2;
    ck_assert(host_view_equal(a, b));
    host_view_destroy(a);
    host_view_destroy(b);
}
END_TEST

START_TEST(pas_are_found_in_whatever_order_they_came)
{
    struct host_view *view = host_view_create();
    struct in6_addr pas[100];

    for (int i = 0; i < 100; i++) {
        pas[i] = addr_from_ipv4(htonl(0xc0000200 + i * 37 % 100));
        ck_assert_ptr_null(host_view_find_pa(view, &pas[i]));
        host_view_add_pa(view, &pas[i])->mtu = i + 1;
    }
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(host_view_find_pa(view, &pas[i])->mtu, i + 1);
    }
    host_view_destroy(view);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("host-view");
    TCase *tcase = tcase_create("host-view");

    tcase_add_test(tcase, a_new_view_has_nothing);
    tcase_add_test(tcase, ports_are_found_by_iface_id);
    tcase_add_test(tcase, the_order_of_adding_makes_no_difference);
    tcase_add_test(tcase, every_fact_makes_a_difference);
    tcase_add_test(tcase, a_mac_that_is_not_there_is_not_compared);
    tcase_add_test(tcase, pas_are_found_in_whatever_order_they_came);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
