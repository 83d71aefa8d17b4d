/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile.h"
#include <string.h>
#include "compile/pipeline.h"
#include "firewall-feed.h"
#include "host/host-view.h"
#include "model/firewall.h"
#include "model/policy.h"
#include "model/rules.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "packets.h"
#include "plan/plan.h"
#include "unit.h"
#include "util.h"

/* One network with two subnets, and a port in the first; built by hand, as the
 * compiler neither knows nor cares where rules come from. */
struct fixture {
    struct rules rules;
    struct rules_subnet subnets[2];
    struct rules_prefix prefixes[2];
    struct rules_prefix both[2];
    struct space_where flood[2];
    struct rules_port ports[1];
    struct in6_addr pas[1];
    struct firewall *firewall;
    struct host_view *host;
    struct compiled *compiled;
};

static void
ignore_diag(const struct diag *diag OVS_UNUSED, void *aux OVS_UNUSED)
{
}

static void
put_rule(struct fixture *f, int n, struct row_fw_rule rule)
{
    const struct policy_sink sink = {
        .diag_put = ignore_diag, .diag_remove = ignore_diag,
    };
    struct row_change change = fw_rule_change(n, rule);

    firewall_apply(f->firewall, &change);
    firewall_settle(f->firewall, &sink);
}

/* Lets everything through a port. */
static void
open_port(struct fixture *f, const char *name)
{
    int n = firewall_count_rows(f->firewall);

    put_rule(f, n, fw_rule_for_all(name, "Inbound"));
    put_rule(f, n + 1, fw_rule_for_all(name, "Outbound"));
}

static struct in6_addr
addr(const char *s)
{
    struct in6_addr a;

    ck_assert(addr_parse(s, &a));
    return a;
}

static void
fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    for (int i = 0; i < 2; i++) {
        struct rules_prefix *p = &f->prefixes[i];

        ck_assert(addr_prefix_parse(i ? "10.1.2.0/24" : "10.1.1.0/24",
                                    &p->net));
        p->gateway = addr(i ? "10.1.2.1" : "10.1.1.1");
        f->subnets[i] = (struct rules_subnet) {
            .row.parts[0] = i + 1,
            .name = CONST_CAST(char *, "s"),
            .vsid = 5001 + i,
            .domain = 5001,
            .routed = true,
            .prefixes = p,
            .n_prefixes = 1,
        };
    }
    f->flood[0] = (struct space_where) { SPACE_VXLAN, addr("192.0.2.2") };
    f->flood[1] = (struct space_where) { SPACE_NVGRE, addr("192.0.2.3") };
    f->subnets[0].flood = f->flood;
    f->subnets[0].n_flood = 2;

    f->ports[0] = (struct rules_port) {
        .name = CONST_CAST(char *, "p1"), .vsid = 5001,
    };
    f->pas[0] = addr("192.0.2.1");
    f->rules = (struct rules) {
        .subnets = f->subnets, .n_subnets = 2,
        .ports = f->ports, .n_ports = 1,
        .pas = f->pas, .n_pas = 1,
        .router_mac = ETH_ADDR_C(02,00,00,00,00,fe),
    };

    f->firewall = firewall_create();
    open_port(f, "p1");
    open_port(f, "p2");
    open_port(f, "p3");
    f->host = host_view_create();
    f->host->vxlan = OFP_PORT_C(100);
    f->host->nvgre = OFP_PORT_C(101);
}

/* Gives the first subnet an IPv6 prefix, beside the IPv4 one. */
static void
fixture_add_ipv6(struct fixture *f)
{
    f->both[0] = f->prefixes[0];
    ck_assert(addr_prefix_parse("2001:db8:1::/64", &f->both[1].net));
    f->both[1].gateway = addr("2001:db8:1::1");
    f->subnets[0].prefixes = f->both;
    f->subnets[0].n_prefixes = 2;
}

static void
add_iface(struct fixture *f, const char *iface_id, const char *name,
          ofp_port_t ofport)
{
    struct host_port *port = host_view_add_port(f->host);

    port->iface_id = xstrdup(iface_id);
    port->name = xstrdup(name);
    port->port_id = xstrdup(name);
    port->vm_name = xstrdup("");
    port->ofport = ofport;
    port->has_mac = true;
    port->mac = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,01);
    host_view_sort(f->host);
}

/* The host knows its PA, on an uplink with this MTU. */
static void
add_pa(struct fixture *f, unsigned int mtu)
{
    struct host_pa *pa = host_view_add_pa(f->host, &f->pas[0]);

    pa->device = xstrdup("eth0");
    pa->up = pa->vlan_ok = true;
    pa->mtu = mtu;
}

static void
run(struct fixture *f)
{
    compiled_destroy(f->compiled);
    f->compiled = compile(&f->rules, f->firewall, f->host, NULL);
}

static void
fixture_uninit(struct fixture *f)
{
    compiled_destroy(f->compiled);
    host_view_destroy(f->host);
    firewall_destroy(f->firewall);
}

/* Number of flows in 'table' whose match has 'match' and actions 'actions'. */
static int
count(const struct fixture *f, int table, const char *match,
      const char *actions)
{
    int n = 0;

    for (size_t i = 0; i < f->compiled->plan->n; i++) {
        const struct plan_flow *flow = &f->compiled->plan->flows[i];

        n += (flow->table == table && strstr(flow->match, match)
              && strstr(flow->actions, actions));
    }
    return n;
}

/* Whatever comes out is understood by Open vSwitch's own parser. */
static void
check_flows_parse(const struct fixture *f)
{
    for (size_t i = 0; i < f->compiled->plan->n; i++) {
        const struct plan_flow *flow = &f->compiled->plan->flows[i];
        enum ofputil_protocol usable;
        struct ofputil_flow_mod fm;
        char *text = xasprintf("table=%d,priority=%d,%s,actions=%s",
                               flow->table, flow->priority, flow->match,
                               flow->actions);
        char *error = parse_ofp_flow_mod_str(&fm, text, NULL, NULL, OFPFC_ADD,
                                             &usable);

        ck_assert_msg(!error, "%s: %s", text, error);
        ck_assert_msg(usable & OFPUTIL_P_OF15_OXM, "%s: not in 1.5", text);
        minimatch_destroy(&fm.match);
        free(CONST_CAST(struct ofpact *, fm.ofpacts));
        free(text);
    }
}

START_TEST(every_flow_parses)
{
    struct rules_migration migrations[] = {
        { addr("10.1.1.2"), { SPACE_VXLAN, addr("192.0.2.2") } },
        { addr("10.1.1.3"), { SPACE_NVGRE, addr("2001:db8::2") } },
        { addr("10.1.1.4"), { .encap = SPACE_LOCAL } },
        { addr("2001:db8:1::2"), { SPACE_VXLAN, addr("2001:db8::2") } },
    };
    struct fixture f;

    fixture_init(&f);
    fixture_add_ipv6(&f);
    f.subnets[0].migrations = migrations;
    f.subnets[0].n_migrations = ARRAY_SIZE(migrations);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(1));
    add_pa(&f, 1600);
    run(&f);
    ck_assert_uint_gt(f.compiled->plan->n, 20);
    ck_assert_int_eq(count(&f, TABLE_MTU, "", "check_pkt_larger"), 4);
    check_flows_parse(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(the_same_in_is_the_same_out)
{
    struct fixture f;

    fixture_init(&f);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(1));
    run(&f);
    struct compiled *again = compile(&f.rules, f.firewall, f.host, NULL);
    struct plan_delta *delta = plan_diff(f.compiled->plan, again->plan);
    ck_assert(plan_delta_is_empty(delta));
    plan_delta_destroy(delta);
    compiled_destroy(again);
    fixture_uninit(&f);
}
END_TEST

START_TEST(an_active_port_is_admitted_and_delivered_to)
{
    struct fixture f;

    fixture_init(&f);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(7));
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_ACTIVE);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=7,", "resubmit(,1)"), 1);
    ck_assert_int_eq(count(&f, TABLE_LOCAL, "dl_dst=02:00:00:00:00:01", ""),
                     1);
    ck_assert_int_eq(count(&f, TABLE_FLOOD_LOCAL, "reg0=0x1389", "0x7->"), 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_port_that_may_spoof_is_not_asked_for_its_addresses)
{
    struct fixture f;

    fixture_init(&f);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(7));
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=7,vlan_tci=0x0000,dl_src",
                           "resubmit(,1)"), 1);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_ARP, "in_port=7,arp", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_OWNER, "in_port=7,", ""), 1);

    f.ports[0].allow_spoof = true;
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "dl_src=02", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=7,", "resubmit(,10)"),
                     1);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_ARP, "in_port=7", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_OWNER, "in_port=7", ""), 0);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_port_that_forwards_may_send_ip_from_any_address)
{
    struct fixture f;

    fixture_init(&f);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(7));
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_IP, "in_port=7", ""), 0);

    f.ports[0].forwards = true;
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_IP, "ip,in_port=7", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_IP, "arp,arp_op=1,in_port=7", ""),
                     1);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_IP,
                           "arp,in_port=7,reg0=0x1389,arp_spa=10.1.1.0/24",
                           "->reg2"), 1);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_IP, "ipv6,in_port=7", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=7,vlan_tci=0x0000,dl_src",
                           "resubmit(,1)"), 1);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_ARP, "in_port=7,arp", ""), 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(an_absent_port_has_no_flow)
{
    struct fixture f;

    fixture_init(&f);
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_ABSENT);
    ck_assert_int_eq(count(&f, TABLE_LOCAL, "dl_dst", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_FLOOD_LOCAL, "", ""), 0);

    /* In the database, but the switch has not given it a number yet. */
    add_iface(&f, "p1", "vif1", OFPP_NONE);
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_ABSENT);
    ck_assert_int_eq(count(&f, TABLE_LOCAL, "dl_dst", ""), 0);
    fixture_uninit(&f);
}
END_TEST

START_TEST(two_interfaces_with_one_iface_id_block_the_port)
{
    struct fixture f;

    fixture_init(&f);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(7));
    add_iface(&f, "p1", "vif2", OFP_PORT_C(8));
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_BLOCKED);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 1);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=7,", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=8,", ""), 0);
    fixture_uninit(&f);
}
END_TEST

/* An interface whose device does not exist cannot be the guest. */
START_TEST(interfaces_that_the_switch_has_not_claim_no_port)
{
    struct fixture f;

    fixture_init(&f);
    add_iface(&f, "p1", "vif1", OFPP_NONE);
    add_iface(&f, "p1", "vif2", OFP_PORT_C(8));
    add_iface(&f, "p1", "vif3", OFPP_NONE);
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_ACTIVE);
    ck_assert_str_eq(f.compiled->ports[0].iface->name, "vif2");
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 0);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=8,", "resubmit(,1)"), 1);

    f.host->ports[1].ofport = OFPP_NONE;
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_ABSENT);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 0);

    f.host->ports[0].ofport = OFP_PORT_C(7);
    f.host->ports[2].ofport = OFP_PORT_C(9);
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_BLOCKED);
    const struct diag *diag;
    DIAG_SET_FOR_EACH (diag, &f.compiled->diags) {
        ck_assert_ptr_nonnull(strstr(diag->text, "vif1 and vif3"));
    }
    fixture_uninit(&f);
}
END_TEST

/* With rules that are not there, not understood, or that block something. */
START_TEST(a_port_forwards_by_its_rules_or_not_at_all)
{
    struct row_fw_rule rule = fw_rule_for_all("p9", "Inbound");
    struct fixture f;

    fixture_init(&f);
    f.ports[0].name = CONST_CAST(char *, "p9");
    add_iface(&f, "p9", "vif9", OFP_PORT_C(9));
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_BLOCKED);
    ck_assert_str_eq(f.compiled->ports[0].reason, "PortBlocked");
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=9", ""), 0);

    rule.protocols = "nonsense";
    put_rule(&f, 100, rule);
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_BLOCKED);
    ck_assert_str_eq(f.compiled->ports[0].reason, "PortBlocked");
    ck_assert_int_eq(count(&f, TABLE_LOCAL, "", "0x9->"), 0);

    rule.protocols = "tcp";
    put_rule(&f, 100, rule);
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_ACTIVE);
    ck_assert_int_eq(count(&f, TABLE_FW_OUT, "in_port=9", "resubmit(,20)"),
                     0);
    ck_assert_int_eq(count(&f, TABLE_FW_IN, "reg6=0x9", "resubmit(,90)"), 0);
    ck_assert_int_eq(count(&f, TABLE_FW_TRACKED, "ct_zone=9,", ""), 4);
    ck_assert_uint_eq(f.compiled->plan->n_parts, 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_faulty_port_says_why_also_without_its_interface)
{
    struct fixture f;

    fixture_init(&f);
    f.ports[0].fault = RULES_PORT_BAD_SUBNET;
    f.ports[0].vsid = 0;
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_BLOCKED);
    ck_assert_str_eq(f.compiled->ports[0].reason,
                     "PolicyConfigurationFailure");
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_switched_off_router_routes_within_a_subnet_only)
{
    struct fixture f;

    fixture_init(&f);
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ROUTE, "reg1=0x1389", ""), 2);
    f.subnets[0].routed = f.subnets[1].routed = false;
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ROUTE, "reg1=", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_ROUTE, "reg0=0x1389", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_ROUTE, "reg0=0x138a", ""), 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(without_a_router_mac_there_is_no_gateway)
{
    struct fixture f;

    fixture_init(&f);
    f.rules.router_mac = (struct eth_addr) ETH_ADDR_C(00,00,00,00,00,00);
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ROUTE, "nw_dst", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_RESOLVE, "arp_tpa=10.1.1.1", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_RESOLVE, "arp_tpa=10.1.1.0/24", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_RESOLVE, "icmp,", ""), 0);

    fixture_add_ipv6(&f);
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ROUTE, "nw_dst", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_ND_SOLICIT, "reg0=", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_ND_SOLICIT,
                           "nd_target=2001:db8:1::/64", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_RESOLVE, "icmp_type=128", ""), 0);
    fixture_uninit(&f);
}
END_TEST

START_TEST(an_ipv6_prefix_has_a_gateway_with_two_addresses)
{
    struct fixture f;

    fixture_init(&f);
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ND_SOLICIT, "reg0=", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_ND, "icmp_type=133", ""), 0);

    fixture_add_ipv6(&f);
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ND, "reg0=0x1389,icmp_type=133",
                           "set_field:0x1/0xff->reg10"), 1);
    ck_assert_int_eq(count(&f, TABLE_ND_SOLICIT, "reg0=0x1389", ""), 2);
    ck_assert_int_eq(count(&f, TABLE_ND_SOLICIT, "nd_target=2001:db8:1::1",
                           "set_field:0x200000000fe->xreg4"), 1);
    ck_assert_int_eq(count(&f, TABLE_ND_LINK_LOCAL,
                           "nd_target=fe80::ff:fe00:fe",
                           "set_field:0x200000000fe->xreg4"), 1);
    ck_assert_int_eq(count(&f, TABLE_TO_ROUTER, "ipv6_dst=fe80::ff:fe00:fe",
                           ""), 2);
    ck_assert_int_eq(count(&f, TABLE_ROUTE, "ipv6_dst=2001:db8:1::/64",
                           "move:ipv6_dst->xxreg3"), 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(only_an_active_port_may_speak_of_neighbours)
{
    struct fixture f;

    fixture_init(&f);
    fixture_add_ipv6(&f);
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ND, "in_port", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_ND_OWNER, "in_port", ""), 0);

    add_iface(&f, "p1", "vif1", OFP_PORT_C(7));
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ND, "in_port=7,", ""), 4);
    ck_assert_int_eq(count(&f, TABLE_ND, "nd_sll=02:00:00:00:00:01", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_ND, "nd_tll=02:00:00:00:00:01", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_ND_OWNER, "in_port=7,", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_ND_REPLY, "in_port=7", "drop"), 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_missing_tunnel_port_leaves_the_other_at_work)
{
    struct fixture f;

    fixture_init(&f);
    f.host->nvgre = OFPP_NONE;
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_ENCAP, "", "->tun_dst"), 1);
    ck_assert_int_eq(count(&f, TABLE_ENCAP, "", "->tun_ipv6_dst"), 1);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "tun_id", ""), 2);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_broadcast_to_many_hosts_takes_several_flows)
{
    static struct space_where many[1000];
    struct fixture f;

    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        many[i] = (struct space_where) {
            .encap = i % 2 ? SPACE_VXLAN : SPACE_NVGRE,
            .pa = addr_from_ipv4(htonl(0xc6120000 + i)),
        };
    }
    fixture_init(&f);
    f.subnets[0].flood = many;
    f.subnets[0].n_flood = ARRAY_SIZE(many);
    run(&f);

    size_t n_copies = 0;

    for (size_t i = 0; i < f.compiled->plan->n; i++) {
        const struct plan_flow *flow = &f.compiled->plan->flows[i];
        const char *p = flow->actions;
        size_t n = 0;

        while (flow->table == TABLE_FLOOD && (p = strstr(p, "->tun_dst"))) {
            n++;
            p++;
        }
        ck_assert_uint_le(n, 256);
        n_copies += n;
    }
    ck_assert_uint_eq(n_copies, ARRAY_SIZE(many));
    ck_assert_int_eq(count(&f, TABLE_FLOOD, "reg7=0x1", "output:100"), 1);
    ck_assert_int_eq(count(&f, TABLE_FLOOD, "reg7=0x4", "output:101"), 1);
    ck_assert_int_eq(count(&f, TABLE_FLOOD, "reg0=0x1389",
                           "set_field:4->reg7,resubmit(,60),"
                           "set_field:0->reg7,resubmit(,62)"), 1);
    fixture_uninit(&f);
}
END_TEST

/* Others send a copy to each of them. */
START_TEST(of_this_hosts_pas_one_hears_copies)
{
    struct in6_addr here[] = { addr("192.0.2.1"), addr("192.0.2.11"),
                               addr("2001:db8::1") };
    struct fixture f;

    fixture_init(&f);
    f.subnets[0].flood_here = here;
    f.subnets[0].n_flood_here = 1;
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_DECAP, "tun_", ""), 0);

    f.subnets[0].n_flood_here = ARRAY_SIZE(here);
    run(&f);
    check_flows_parse(&f);
    ck_assert_int_eq(count(&f, TABLE_DECAP, "reg0=0x1389,tun_", ""), 2);
    ck_assert_int_eq(count(&f, TABLE_DECAP, "tun_dst=192.0.2.11,dl_dst=01",
                           "resubmit(,110)"), 1);
    ck_assert_int_eq(count(&f, TABLE_DECAP, "tun_ipv6_dst=2001:db8::1,", ""),
                     1);

    /* Its uplink is down. */
    add_pa(&f, 1500);
    f.host->pas[0].up = false;
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_DECAP, "reg0=0x1389,tun_", ""), 2);
    ck_assert_int_eq(count(&f, TABLE_DECAP, "tun_dst=192.0.2.1,", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_DECAP, "tun_dst=192.0.2.11,", ""), 0);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_port_has_the_mtu_of_the_worst_tunnel)
{
    struct fixture f;

    fixture_init(&f);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(1));
    run(&f);
    ck_assert_uint_eq(f.compiled->ports[0].mtu, 0);
    add_pa(&f, 1500);
    run(&f);
    ck_assert_uint_eq(f.compiled->ports[0].mtu, 1450);
    f.rules.tunnels[PA_IPV4].nvgre = true;
    run(&f);
    ck_assert_uint_eq(f.compiled->ports[0].mtu, 1458);
    f.rules.tunnels[PA_IPV4].vxlan = true;
    f.rules.tunnels[PA_IPV6].vxlan = true;
    run(&f);
    ck_assert_uint_eq(f.compiled->ports[0].mtu, 1450);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 0);

    f.host->ports[0].mtu = 1450;
    run(&f);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 0);
    f.host->ports[0].mtu = 1451;
    run(&f);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 1);
    fixture_uninit(&f);
}
END_TEST

/* Guests of all kinds of places; the flows of COPY_IP are in several parts. */
START_TEST(a_copy_per_guest_takes_several_flows)
{
    static struct rules_guest many[700];
    struct fixture f;

    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        many[i] = (struct rules_guest) {
            .mac.ea = { 2, 0, 0, 1, i >> 8, i & 0xff },
            .ca4 = i % 3 ? htonl(0x0a010100 + i) : 0,
            .ca6 = addr(i % 5 ? "fd00::5" : "::"),
            .where.encap = i % 4 ? SPACE_VXLAN : SPACE_NVGRE,
            .where.pa = addr(i % 2 ? "192.0.2.9" : "2001:db8::9"),
        };
        if (i % 7 == 0) {
            many[i].where = (struct space_where) { .encap = SPACE_LOCAL };
        }
    }
    fixture_init(&f);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(1));
    f.subnets[0].replication = RULES_PER_VM;
    f.subnets[0].guests = many;
    f.subnets[0].n_guests = ARRAY_SIZE(many);
    run(&f);
    check_flows_parse(&f);

    ck_assert_int_eq(count(&f, TABLE_FLOOD, "reg0=0x1389", "output"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        char *out = xasprintf("set_field:"ETH_ADDR_FMT"->eth_dst,%s",
                              ETH_ADDR_ARGS(many[i].mac),
                              i % 3 ? "set_field:10.1." : "");

        ck_assert_int_eq(count(&f, TABLE_COPY_IP, "ip,", out), 1);
        free(out);
    }
    ck_assert_int_eq(count(&f, TABLE_COPY, "reg7", ""), 3);
    ck_assert_int_eq(count(&f, TABLE_COPY_IP, "ip,reg0=0x1389,reg7", ""), 3);
    fixture_uninit(&f);
}
END_TEST

/* By its mapping's encapsulation, if that names one; in no place twice. */
START_TEST(a_guest_that_moves_gets_copies_in_both_places)
{
    struct rules_guest guests[] = {
        { .mac.ea = { 2, 0, 0, 1, 0, 1 }, .ca4 = htonl(0x0a010105),
          .ca6 = addr("fd00::5"),
          .where = { SPACE_NVGRE, addr("192.0.2.9") } },
        { .mac.ea = { 2, 0, 0, 1, 0, 2 }, .ca4 = htonl(0x0a010106),
          .where = { .encap = SPACE_LOCAL } },
        { .mac.ea = { 2, 0, 0, 1, 0, 3 }, .ca4 = htonl(0x0a010107),
          .where = { SPACE_VXLAN, addr("192.0.2.7") } },
    };
    struct rules_migration migrations[] = {
        { addr("10.1.1.5"), { SPACE_VXLAN, addr("192.0.2.8") } },
        { addr("10.1.1.6"), { SPACE_VXLAN, addr("192.0.2.8") } },
        { addr("10.1.1.7"), { SPACE_VXLAN, addr("192.0.2.7") } },
        { addr("fd00::5"), { SPACE_VXLAN, addr("192.0.2.8") } },
    };
    struct fixture f;

    fixture_init(&f);
    f.subnets[0].replication = RULES_PER_VM;
    f.subnets[0].guests = guests;
    f.subnets[0].n_guests = ARRAY_SIZE(guests);
    f.subnets[0].migrations = migrations;
    f.subnets[0].n_migrations = ARRAY_SIZE(migrations);
    run(&f);
    check_flows_parse(&f);

    static const char *const copies[] = {
        "set_field:02:00:00:01:00:02->eth_dst,"
        "set_field:192.0.2.8->tun_dst,output:100,"
        "set_field:02:00:00:01:00:03->eth_dst,"
        "set_field:192.0.2.7->tun_dst,output:100",
        "set_field:02:00:00:01:00:01->eth_dst,"
        "set_field:192.0.2.9->tun_dst,output:101,"
        "set_field:02:00:00:01:00:01->eth_dst,"
        "set_field:192.0.2.8->tun_dst,output:101",
    };
    for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
        ck_assert_int_eq(count(&f, TABLE_COPY, "", copies[i]), 1);
    }
    ck_assert_int_eq(count(&f, TABLE_COPY, "", "192.0.2.8->tun_dst,output:101,"
                           "set_field:02:00:00:01:00:01"), 0);
    fixture_uninit(&f);
}
END_TEST

/* The fixture's subnet has a PA by VXLAN and one by NVGRE. */
START_TEST(a_group_gets_one_copy_by_each_encapsulation)
{
    struct fixture f;

    fixture_init(&f);
    f.subnets[0].replication = RULES_MULTICAST;
    f.subnets[0].group_pa = addr("239.1.2.3");
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_FLOOD, "reg0=0x1389",
                           "239.1.2.3->tun_dst,output:100"), 1);
    ck_assert_int_eq(count(&f, TABLE_FLOOD, "reg0=0x1389",
                           "239.1.2.3->tun_dst,output:101"), 1);
    ck_assert_int_eq(count(&f, TABLE_FLOOD, "", "192.0.2"), 0);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "tun_src=192.0.2.1", "drop"), 2);
    ck_assert_uint_eq(f.compiled->n_groups, 1);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 0);

    f.host->userspace = true;
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_FLOOD, "", "192.0.2.2->tun_dst"), 1);
    ck_assert_int_eq(count(&f, TABLE_FLOOD, "", "239."), 0);
    ck_assert_uint_eq(f.compiled->n_groups, 0);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(two_ports_with_one_mac_are_both_blocked)
{
    struct rules_port ports[] = {
        { .name = CONST_CAST(char *, "p1"), .vsid = 5001 },
        { .name = CONST_CAST(char *, "p2"), .vsid = 5001,
          .row.parts[0] = 2 },
        { .name = CONST_CAST(char *, "p3"), .vsid = 5002 },
    };
    struct fixture f;

    fixture_init(&f);
    f.rules.ports = ports;
    f.rules.n_ports = ARRAY_SIZE(ports);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(1));
    add_iface(&f, "p2", "vif2", OFP_PORT_C(2));
    add_iface(&f, "p3", "vif3", OFP_PORT_C(3));
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_BLOCKED);
    ck_assert_int_eq(f.compiled->ports[1].state, PORT_BLOCKED);
    ck_assert_int_eq(f.compiled->ports[2].state, PORT_ACTIVE);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 2);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=1,", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_FLOOD_LOCAL, "reg0=0x1389", ""), 0);
    fixture_uninit(&f);
}
END_TEST

/* vif1 is in the first subnet untagged and in the second by VLAN 10; vif2,
 * with the same MAC, in the second alone. */
START_TEST(a_mac_shared_in_one_vlan_sets_that_vlan_aside)
{
    struct rules_trunk trunks[] = { { .vlan = 10, .vsid = 5002 } };
    struct rules_port ports[] = {
        { .name = CONST_CAST(char *, "p1"), .vsid = 5001,
          .trunks = trunks, .n_trunks = 1 },
        { .name = CONST_CAST(char *, "p2"), .vsid = 5002,
          .row.parts[0] = 2 },
    };
    struct fixture f;

    fixture_init(&f);
    f.rules.ports = ports;
    add_iface(&f, "p1", "vif1", OFP_PORT_C(1));
    f.rules.n_ports = 1;
    run(&f);
    ck_assert_uint_eq(f.compiled->n_vlans, 2);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "dl_vlan=10", "pop_vlan"), 1);
    ck_assert_int_eq(count(&f, TABLE_FLOOD_LOCAL, "reg0=0x138a", "0x1->"), 1);

    add_iface(&f, "p2", "vif2", OFP_PORT_C(2));
    f.rules.n_ports = 2;
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_ACTIVE);
    ck_assert_int_eq(f.compiled->ports[1].state, PORT_BLOCKED);
    ck_assert_uint_eq(f.compiled->n_vlans, 1);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 2);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "in_port=1,vlan_tci=0x0000",
                           ""), 1);
    ck_assert_int_eq(count(&f, TABLE_ADMIT, "dl_vlan", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_FLOOD_LOCAL, "reg0=0x138a", ""), 0);
    fixture_uninit(&f);
}
END_TEST

/* vif1 is in both subnets, by VLAN 10 in the second. */
static void
fixture_init_trunk(struct fixture *f)
{
    static struct rules_trunk trunks[] = { { .vlan = 10, .vsid = 5002 } };

    fixture_init(f);
    f->ports[0].trunks = trunks;
    f->ports[0].n_trunks = ARRAY_SIZE(trunks);
    add_iface(f, "p1", "vif1", OFP_PORT_C(7));
}

START_TEST(a_trunk_learns_in_each_of_its_subnets)
{
    struct fixture f;

    fixture_init_trunk(&f);
    f.subnets[1].learning.enabled = true;
    run(&f);
    check_flows_parse(&f);
    ck_assert_int_eq(count(&f, TABLE_LEARN_ARP, "in_port=7", "meter:7"), 1);
    ck_assert_int_eq(count(&f, TABLE_UNKNOWN_MAC, "reg0=0x1389", ""), 0);
    ck_assert_int_eq(count(&f, TABLE_UNKNOWN_MAC, "reg0=0x138a", ""), 1);

    f.subnets[0].learning.enabled = true;
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_LEARN_ARP, "in_port=7", "meter:7"), 1);
    ck_assert_int_eq(count(&f, TABLE_LEARN_ND, "in_port=7", "meter:7"), 1);
    ck_assert_int_eq(count(&f, TABLE_UNKNOWN_MAC, "reg0=0x1389", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_UNKNOWN_MAC, "reg0=0x138a", ""), 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_trunks_tag_says_whose_packet_is_too_long)
{
    struct fixture f;

    fixture_init_trunk(&f);
    add_pa(&f, 1500);
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_TOO_LONG, "metadata=0/0x1fff,",
                           "load:0x1389->reg10[8..31]"), 2);
    ck_assert_int_eq(count(&f, TABLE_TOO_LONG, "metadata=0x100a/0x1fff,",
                           "load:0x138a->reg10[8..31]"), 2);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_trunk_that_forwards_has_neighbors_in_each_subnet)
{
    struct fixture f;

    fixture_init_trunk(&f);
    f.ports[0].forwards = true;
    run(&f);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_IP, "ip,in_port=7", ""), 1);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_IP,
                           "arp,in_port=7,reg0=0x1389,arp_spa=10.1.1.0/24",
                           "->reg2"), 1);
    ck_assert_int_eq(count(&f, TABLE_SOURCE_IP,
                           "arp,in_port=7,reg0=0x138a,arp_spa=10.1.2.0/24",
                           "->reg2"), 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_port_with_the_routers_mac_is_blocked)
{
    struct fixture f;

    fixture_init(&f);
    add_iface(&f, "p1", "vif1", OFP_PORT_C(1));
    f.rules.router_mac = f.host->ports[0].mac;
    run(&f);
    ck_assert_int_eq(f.compiled->ports[0].state, PORT_BLOCKED);
    ck_assert_uint_eq(diag_set_count(&f.compiled->diags), 1);
    fixture_uninit(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("compile");
    TCase *tc = tcase_create("compile");

    tcase_add_test(tc, every_flow_parses);
    tcase_add_test(tc, the_same_in_is_the_same_out);
    tcase_add_test(tc, an_active_port_is_admitted_and_delivered_to);
    tcase_add_test(tc, a_port_that_may_spoof_is_not_asked_for_its_addresses);
    tcase_add_test(tc, a_port_that_forwards_may_send_ip_from_any_address);
    tcase_add_test(tc, an_absent_port_has_no_flow);
    tcase_add_test(tc, two_interfaces_with_one_iface_id_block_the_port);
    tcase_add_test(tc, interfaces_that_the_switch_has_not_claim_no_port);
    tcase_add_test(tc, a_port_forwards_by_its_rules_or_not_at_all);
    tcase_add_test(tc, a_faulty_port_says_why_also_without_its_interface);
    tcase_add_test(tc, a_switched_off_router_routes_within_a_subnet_only);
    tcase_add_test(tc, without_a_router_mac_there_is_no_gateway);
    tcase_add_test(tc, an_ipv6_prefix_has_a_gateway_with_two_addresses);
    tcase_add_test(tc, only_an_active_port_may_speak_of_neighbours);
    tcase_add_test(tc, a_missing_tunnel_port_leaves_the_other_at_work);
    tcase_add_test(tc, a_broadcast_to_many_hosts_takes_several_flows);
    tcase_add_test(tc, of_this_hosts_pas_one_hears_copies);
    tcase_add_test(tc, a_port_has_the_mtu_of_the_worst_tunnel);
    tcase_add_test(tc, a_copy_per_guest_takes_several_flows);
    tcase_add_test(tc, a_guest_that_moves_gets_copies_in_both_places);
    tcase_add_test(tc, a_group_gets_one_copy_by_each_encapsulation);
    tcase_add_test(tc, two_ports_with_one_mac_are_both_blocked);
    tcase_add_test(tc, a_mac_shared_in_one_vlan_sets_that_vlan_aside);
    tcase_add_test(tc, a_trunk_learns_in_each_of_its_subnets);
    tcase_add_test(tc, a_trunks_tag_says_whose_packet_is_too_long);
    tcase_add_test(tc, a_trunk_that_forwards_has_neighbors_in_each_subnet);
    tcase_add_test(tc, a_port_with_the_routers_mac_is_blocked);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
