/* SPDX-License-Identifier: Apache-2.0 */

/* Static routes, from rows to flows. */

#include <config.h>
#include "compile/compile.h"
#include "compile/drops.h"
#include "compile/pipeline.h"
#include "flow.h"
#include "host/host-view.h"
#include "model/policy.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "packets.h"
#include "plan/plan.h"
#include "policy-feed.h"

static struct feed f;

enum { CONTOSO = 1, FABRIKAM = 2 };             /* Logical_Router. */
enum { WEB = 1, SQL = 2 };                      /* Logical_Switch. */

struct routes {
    struct row_pair pairs[8];
    size_t n;
};

static struct row_map
to_map(const struct routes *routes)
{
    return (struct row_map) { .pairs = routes->pairs, .n = routes->n };
}

static const struct routes none = { .n = 0 };

static void
feed_network(int n, bool routed, const struct routes *routes,
             const struct row_binding *bindings, size_t n_bindings)
{
    feed_row(&f, ROW_LOGICAL_ROUTER, n, (struct row) {
        .logical_router = {
            .name = "net", .enable_logical_router = routed,
            .switch_binding = bindings, .n_switch_binding = n_bindings,
            .static_routes = to_map(routes),
        },
    });
}

static void
feed_contoso(bool routed, const struct routes *routes)
{
    const struct row_binding bindings[] = {
        bind_prefix("10.1.1.0/24", WEB),
        bind_prefix("10.1.2.254/24", SQL),
        bind_prefix("2001:db8:2::/64", SQL),
    };

    feed_network(CONTOSO, routed, routes, bindings, ARRAY_SIZE(bindings));
}

static void
feed_subnet(int n, int64_t vsid, const struct routes *routes)
{
    feed_row(&f, ROW_LOGICAL_SWITCH, n, (struct row) {
        .logical_switch = {
            .name = "subnet", .description = "",
            .has_tunnel_key = true, .tunnel_key = vsid,
            .static_routes = to_map(routes),
        },
    });
}

static void
setup(void)
{
    const char *ips[] = { "192.0.2.1" };

    feed_init(&f);
    feed_host(&f, 1, ips, 1, "00:aa:00:00:00:01");
    feed_subnet(WEB, 5001, &none);
    feed_subnet(SQL, 5002, &none);
    feed_contoso(true, &none);
    ck_assert(feed_settle(&f));
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
}

static void
teardown(void)
{
    feed_uninit(&f);
}

/* The i-th of the rules' routes is this one; 'next_hop' NULL for "drop". */
static void
check_route(size_t i, enum route_scope scope, uint32_t id, const char *net,
            const char *next_hop, uint32_t vsid)
{
    const struct rules *rules = policy_rules(f.policy);
    char buf[ADDR_STRLEN];

    ck_assert_uint_gt(rules->n_routes, i);

    const struct rules_route *route = &rules->routes[i];

    ck_assert_int_eq(route->scope, scope);
    ck_assert_uint_eq(route->id, id);
    ck_assert_str_eq(addr_prefix_format(&route->net, buf), net);
    ck_assert_int_eq(route->drop, !next_hop);
    if (next_hop) {
        ck_assert_str_eq(addr_format(&route->next_hop, buf), next_hop);
        ck_assert_uint_eq(route->vsid, vsid);
    }
}

static void
check_no_route(void)
{
    ck_assert_uint_eq(policy_rules(f.policy)->n_routes, 0);
}

/* There is one diagnostic, about the row's routes, that says 'part'. */
static void
check_bad_route(enum row_table table, int n, const char *part)
{
    struct uuid row = row_id(table, n);
    const struct diag *diag = diag_set_find(&f.diags, &row, "static_routes",
                                            DIAG_BAD_ROUTE);

    ck_assert_uint_eq(diag_set_count(&f.diags), 1);
    ck_assert_ptr_nonnull(diag);
    ck_assert_msg(strstr(diag->text, part), "\"%s\" lacks \"%s\"",
                  diag->text, part);
}

START_TEST(routes_of_a_network_and_of_a_subnet)
{
    feed_contoso(true, &(struct routes) { {
        { "0.0.0.0/0", "10.1.1.13" },
        { " 172.16.5.9/16", " 10.1.2.11 " },
        { "172.16.9.0/24", "drop" },
        { "::/0", "2001:db8:2::11" },
    }, 4 });
    feed_subnet(SQL, 5002, &(struct routes) { {
        { "0.0.0.0/0", "Drop" },
        { "10.9.0.0/16", "10.1.1.12" },
    }, 2 });
    ck_assert(feed_settle(&f));
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    ck_assert_uint_eq(policy_rules(f.policy)->n_routes, 6);
    check_route(0, ROUTE_OF_NETWORK, 5001, "::/0", "2001:db8:2::11", 5002);
    check_route(1, ROUTE_OF_NETWORK, 5001, "0.0.0.0/0", "10.1.1.13", 5001);
    check_route(2, ROUTE_OF_NETWORK, 5001, "172.16.0.0/16", "10.1.2.11",
                5002);
    check_route(3, ROUTE_OF_NETWORK, 5001, "172.16.9.0/24", NULL, 0);
    check_route(4, ROUTE_OF_SUBNET, 5002, "0.0.0.0/0", NULL, 0);
    check_route(5, ROUTE_OF_SUBNET, 5002, "10.9.0.0/16", "10.1.1.12", 5001);
}
END_TEST

START_TEST(bad_routes)
{
    static const struct {
        struct row_pair pair;
        const char *part;
    } bad[] = {
        { { "10.9.0.0", "10.1.1.13" }, "not of the form" },
        { { "10.9.0.0/33", "10.1.1.13" }, "not of the form" },
        { { "", "10.1.1.13" }, "\"\" to \"10.1.1.13\"" },
        { { "224.0.0.0/4", "10.1.1.13" }, "nothing is routed" },
        { { "239.1.1.0/24", "drop" }, "nothing is routed" },
        { { "127.0.0.0/8", "10.1.1.13" }, "nothing is routed" },
        { { "ff02::/16", "2001:db8:2::11" }, "nothing is routed" },
        { { "10.9.0.0/16", "" }, "neither an IP address" },
        { { "10.9.0.0/16", "nobody" }, "neither an IP address" },
        { { "10.9.0.0/16", "10.1.3.1" }, "in no subnet" },
        { { "10.9.0.0/16", "10.1.1.1" }, "gateway" },
        { { "10.9.0.0/16", "10.1.2.254" }, "gateway" },
        { { "10.9.0.0/16", "10.1.1.0" }, "no guest's" },
        { { "10.9.0.0/16", "10.1.1.255" }, "no guest's" },
        { { "10.9.0.0/16", "2001:db8:2::11" }, "another address family" },
        { { "2001:db8:9::/48", "10.1.1.13" }, "another address family" },
        { { "2001:db8:9::/48", "2001:db8:2::1" }, "gateway" },
        { { "172.16.0.1/16", "10.1.1.13" }, "same prefix" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const struct routes routes = { {
            { "172.16.0.0/16", "10.1.1.12" }, bad[i].pair,
        }, 2 };

        feed_contoso(true, &routes);
        feed_settle(&f);
        check_bad_route(ROW_LOGICAL_ROUTER, CONTOSO, bad[i].part);
        ck_assert_uint_eq(policy_rules(f.policy)->n_routes, 1);
        check_route(0, ROUTE_OF_NETWORK, 5001, "172.16.0.0/16", "10.1.1.12",
                    5001);
        feed_contoso(true, &none);

        feed_subnet(WEB, 5001, &routes);
        feed_settle(&f);
        check_bad_route(ROW_LOGICAL_SWITCH, WEB, bad[i].part);
        ck_assert_uint_eq(policy_rules(f.policy)->n_routes, 1);
        check_route(0, ROUTE_OF_SUBNET, 5001, "172.16.0.0/16", "10.1.1.12",
                    5001);
        feed_subnet(WEB, 5001, &none);

        feed_settle(&f);
        ck_assert_uint_eq(diag_set_count(&f.diags), 0);
        check_no_route();
    }
}
END_TEST

START_TEST(a_changed_route_changes_the_rules)
{
    const struct routes first = { { { "10.9.0.0/16", "10.1.1.12" } }, 1 };
    const struct routes second = { { { "10.9.0.0/16", "10.1.1.13" } }, 1 };

    feed_contoso(true, &first);
    ck_assert(feed_settle(&f));
    feed_contoso(true, &first);
    ck_assert(!feed_settle(&f));
    feed_contoso(true, &second);
    ck_assert(feed_settle(&f));
    feed_contoso(true, &none);
    ck_assert(feed_settle(&f));
}
END_TEST

START_TEST(a_route_follows_its_next_hops_subnet)
{
    const struct row_binding web = bind_prefix("10.1.1.0/24", WEB);

    feed_contoso(true, &(struct routes) { {
        { "10.9.0.0/16", "10.1.2.11" },
    }, 1 });
    feed_settle(&f);
    check_route(0, ROUTE_OF_NETWORK, 5001, "10.9.0.0/16", "10.1.2.11", 5002);

    feed_subnet(SQL, 7002, &none);
    ck_assert(feed_settle(&f));
    check_route(0, ROUTE_OF_NETWORK, 5001, "10.9.0.0/16", "10.1.2.11", 7002);

    /* It leaves the network. */
    feed_network(CONTOSO, true, &(struct routes) { {
        { "10.9.0.0/16", "10.1.2.11" },
    }, 1 }, &web, 1);
    ck_assert(feed_settle(&f));
    check_bad_route(ROW_LOGICAL_ROUTER, CONTOSO, "in no subnet");
    check_no_route();

    /* And the last does. */
    feed_network(CONTOSO, true, &(struct routes) { {
        { "10.9.0.0/16", "drop" },
    }, 1 }, NULL, 0);
    ck_assert(feed_settle(&f));
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_no_route();
}
END_TEST

START_TEST(networks_are_apart)
{
    const struct row_binding web = bind_prefix("10.1.1.0/24", WEB);
    const struct row_binding sql = bind_prefix("10.1.1.0/24", SQL);
    const struct routes routes = { { { "0.0.0.0/0", "10.1.1.12" } }, 1 };

    feed_network(CONTOSO, true, &routes, &web, 1);
    feed_network(FABRIKAM, true, &routes, &sql, 1);
    feed_settle(&f);
    ck_assert_uint_eq(policy_rules(f.policy)->n_routes, 2);
    check_route(0, ROUTE_OF_NETWORK, 5001, "0.0.0.0/0", "10.1.1.12", 5001);
    check_route(1, ROUTE_OF_NETWORK, 5002, "0.0.0.0/0", "10.1.1.12", 5002);
}
END_TEST

START_TEST(a_switched_off_router_has_no_routes)
{
    const struct routes routes = { { { "10.9.0.0/16", "10.1.1.12" } }, 1 };
    const struct routes bad = { { { "10.9.0.0/16", "10.9.9.9" } }, 1 };

    feed_contoso(false, &routes);
    feed_subnet(WEB, 5001, &routes);
    feed_settle(&f);
    check_no_route();
    feed_contoso(true, &routes);
    feed_settle(&f);
    ck_assert_uint_eq(policy_rules(f.policy)->n_routes, 2);

    /* It may be wrong all the same. */
    feed_contoso(false, &bad);
    feed_settle(&f);
    check_bad_route(ROW_LOGICAL_ROUTER, CONTOSO, "in no subnet");
}
END_TEST

/* Flows. */

/* The packet's route, in the order of the plan: its actions. */
static const char *
look_up(const struct plan *plan, uint32_t domain, uint32_t vsid,
        const char *dst_text)
{
    struct in6_addr dst;
    struct flow flow;

    ck_assert(addr_parse(dst_text, &dst));
    memset(&flow, 0, sizeof flow);
    flow.regs[0] = vsid;
    flow.regs[1] = domain;
    if (addr_is_ipv4(&dst)) {
        flow.dl_type = htons(ETH_TYPE_IP);
        flow.nw_dst = addr_to_ipv4(&dst);
    } else {
        flow.dl_type = htons(ETH_TYPE_IPV6);
        flow.ipv6_dst = dst;
    }
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_flow *pf = &plan->flows[i];
        enum ofputil_protocol usable;
        struct ofputil_flow_mod fm;
        struct match match;

        if (pf->table != TABLE_ROUTE) {
            continue;
        }
        char *text = xasprintf("priority=%d,%s,actions=drop", pf->priority,
                               pf->match);
        char *error = parse_ofp_flow_mod_str(&fm, text, NULL, NULL,
                                             OFPFC_ADD, &usable);
        ck_assert_msg(!error, "%s: %s", text, error);
        minimatch_expand(&fm.match, &match);
        bool hit = flow_equal_except(&flow, &match.flow, &match.wc);
        minimatch_destroy(&fm.match);
        free(CONST_CAST(struct ofpact *, fm.ofpacts));
        free(text);
        if (hit) {
            return pf->actions;
        }
    }
    return "";
}

static void
check_leads(const struct plan *plan, uint32_t vsid, const char *dst,
            const char *part)
{
    const char *actions = look_up(plan, 5001, vsid, dst);

    ck_assert_msg(strstr(actions, part), "%s for %"PRIu32": %s lacks %s",
                  dst, vsid, actions, part);
}

START_TEST(which_route_a_packet_takes)
{
    struct host_view *host = host_view_create();
    char drop[32];

    snprintf(drop, sizeof drop, "set_field:%#x->"REG_DROP, DROP_BY_ROUTE);
    feed_contoso(true, &(struct routes) { {
        { "0.0.0.0/0", "10.1.1.10" },
        { "10.0.0.0/8", "10.1.1.8" },
        { "10.1.2.0/24", "10.1.1.24" },
        { "10.1.2.7/32", "drop" },
        { "2001:db8:2::/64", "2001:db8:2::64" },
        { "2001:db8::/32", "2001:db8:2::32" },
    }, 6 });
    feed_subnet(WEB, 5001, &(struct routes) { {
        { "10.1.2.0/24", "10.1.1.25" },
        { "10.1.0.0/16", "10.1.1.16" },
    }, 2 });
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);

    struct compiled *compiled = compile(policy_rules(f.policy),
                                        policy_firewall(f.policy), host, NULL);
    const struct plan *plan = compiled->plan;

    check_leads(plan, 5001, "8.8.8.8", "0xa01010a->reg2");
    check_leads(plan, 5001, "10.9.9.9", "0xa010108->reg2");
    check_leads(plan, 5001, "10.1.2.9", "0xa010119->reg2");
    check_leads(plan, 5002, "10.1.2.9", "0xa010118->reg2");
    check_leads(plan, 5001, "10.1.9.9", "0xa010110->reg2");
    check_leads(plan, 5002, "10.1.9.9", "0xa010108->reg2");
    check_leads(plan, 5001, "10.1.1.9", "move:ip_dst->reg2");
    check_leads(plan, 5002, "10.1.2.7", drop);
    check_leads(plan, 5002, "2001:db8:2::9",
                "0x20010db8000200000000000000000064->xxreg3");
    check_leads(plan, 5002, "2001:db8:3::9",
                "0x20010db8000200000000000000000032->xxreg3");
    check_leads(plan, 5002, "2001:db9::9", "reg10");
    ck_assert_ptr_nonnull(strstr(look_up(plan, 6001, 6001, "8.8.8.8"),
                                 "reg10"));

    compiled_destroy(compiled);
    host_view_destroy(host);
}
END_TEST

/* True if packets from other hosts come in whatever address they are from. */
static bool
may_be_from_anybody(const char *protocol)
{
    struct host_view *host = host_view_create();
    struct compiled *compiled = compile(policy_rules(f.policy),
                                        policy_firewall(f.policy), host, NULL);
    char *match = xasprintf("%s,"REG_DOMAIN"=0x1389", protocol);
    bool found = false;

    for (size_t i = 0; i < compiled->plan->n; i++) {
        const struct plan_flow *flow = &compiled->plan->flows[i];

        found |= flow->table == TABLE_CLAIM && !strcmp(flow->match, match);
    }
    free(match);
    compiled_destroy(compiled);
    host_view_destroy(host);
    return found;
}

START_TEST(what_is_forwarded_may_come_back)
{
    ck_assert(!may_be_from_anybody("ip"));
    ck_assert(!may_be_from_anybody("ipv6"));

    feed_subnet(WEB, 5001, &(struct routes) { {
        { "10.9.0.0/16", "drop" }, { "2001:db8:9::/48", "drop" },
    }, 2 });
    feed_settle(&f);
    ck_assert(!may_be_from_anybody("ip"));
    ck_assert(!may_be_from_anybody("ipv6"));

    feed_subnet(WEB, 5001, &(struct routes) { {
        { "10.9.0.0/16", "10.1.1.11" }, { "2001:db8:9::/48", "drop" },
    }, 2 });
    feed_settle(&f);
    ck_assert(may_be_from_anybody("ip"));
    ck_assert(!may_be_from_anybody("ipv6"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("routes");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, routes_of_a_network_and_of_a_subnet);
    tcase_add_test(tc, bad_routes);
    tcase_add_test(tc, a_changed_route_changes_the_rules);
    tcase_add_test(tc, a_route_follows_its_next_hops_subnet);
    tcase_add_test(tc, networks_are_apart);
    tcase_add_test(tc, a_switched_off_router_has_no_routes);
    tcase_add_test(tc, which_route_a_packet_takes);
    tcase_add_test(tc, what_is_forwarded_may_come_back);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
