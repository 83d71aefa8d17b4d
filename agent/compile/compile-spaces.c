/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/mtu.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

/* What the datapath extension does, on a switch that has it: the whole way of
 * a packet from a question, or a destination, to the answer or the tunnel, in
 * one action and one megaflow for all destinations.
 *
 * It does what is plain.  What is not, and what it does not know, it leaves as
 * it was to an ASK table.  That asks the space, see compile-find.c, and the
 * packet goes the long way, which is the only one on other switches: so both
 * forward alike.
 *
 *   RESOLVE ──► hnv(arp) ····► ASK_ARP ──► LEARN_ARP, ARP_REPLY
 *   ND_SOLICIT ► hnv(arp) ···► ASK_ND ───► LEARN_ND, ND_REPLY
 *   RESOLVE ──► hnv(switch) ·► ASK_MAC ──► FORWARD
 *   ROUTE ────► hnv(route) ··► ASK_CA ───► ROUTED
 *   ADMIT ──► TUNNEL ──► hnv(admit) ──► DECAP
 *                           └·······► TUNNEL_ASK ──► PEER_GATE
 *
 * IP rewrite knows no tunnels, so those subnets have nothing of it. */

bool
compile_is_plain(const struct compile_ctx *cx,
                 const struct rules_subnet *subnet)
{
    return cx->host->spaces && !subnet->rewrite;
}

/* Where to send packets from. */

/* Of both families, because the datapath chooses the PA that they go to. */
static void
tunnel_sources(struct compile_ctx *cx, const struct bound_port *bound)
{
    const struct in6_addr *ipv4 = bound->pas[PA_IPV4];
    const struct in6_addr *ipv6 = bound->pas[PA_IPV6];
    char buf4[ADDR_STRLEN], buf6[ADDR_STRLEN];

    plan_add(cx->plan, TABLE_TUN_SOURCE, 100,
             row_cookie(&cx->rules->physical_switch),
             plan_text(REG_LOCAL_PA"=%#"PRIx32, compile_local_pa(cx, bound)),
             plan_text("set_field:%s->tun_src,set_field:%s->tun_ipv6_src",
                       ipv4 ? addr_format(ipv4, buf4) : "0.0.0.0",
                       ipv6 ? addr_format(ipv6, buf6) : "::"));
}

/* Ports with the same PAs share a flow. */
static bool
is_first_with_its_pas(const struct compile_ctx *cx, size_t i)
{
    const struct bound_port *bound = &cx->ports[i];

    for (size_t j = 0; j < i; j++) {
        if (cx->ports[j].pas[PA_IPV4] == bound->pas[PA_IPV4]
            && cx->ports[j].pas[PA_IPV6] == bound->pas[PA_IPV6]) {
            return false;
        }
    }
    return bound->pas[PA_IPV4] || bound->pas[PA_IPV6];
}

#define NO_TUNNEL_SOURCE \
    "set_field:0.0.0.0->tun_src,set_field:::->tun_ipv6_src,"

/* Where to. */

static void
put_port(struct ds *s, const char *name, ofp_port_t port)
{
    if (port != OFPP_NONE) {
        ds_put_format(s, ",%s=%"PRIu32, name, port);
    }
}

/* The last arguments of route and switch. */
static char *
where(const struct compile_ctx *cx)
{
    unsigned int mtu = mtu_of_tunnels(cx->rules, cx->host);
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "local=%d", TABLE_LOCAL);
    put_port(&s, "vxlan", cx->host->vxlan);
    put_port(&s, "nvgre", cx->host->nvgre);
    if (mtu && mtu <= UINT16_MAX) {
        ds_put_format(&s, ",mtu=%u", mtu);
    }
    return ds_steal_cstr(&s);
}

char *
compile_switch_action(const struct compile_ctx *cx)
{
    char *to = where(cx);
    char *action = xasprintf("resubmit(,%d),"
                             "hnv(switch,vsid="REG_VSID",table=%d,%s)",
                             TABLE_TUN_SOURCE, TABLE_ASK_MAC, to);

    free(to);
    return action;
}

char *
compile_route_action(const struct compile_ctx *cx, uint32_t vsid,
                     const struct in6_addr *next_hop)
{
    struct eth_addr router = cx->rules->router_mac;
    char *to = where(cx);
    char buf[ADDR_STRLEN];
    char *action = xasprintf(
        "resubmit(,%d),hnv(route,vsid=%#"PRIx32",mac="ETH_ADDR_FMT",%s%s%s"
        "table=%d,%s)", TABLE_TUN_SOURCE, vsid, ETH_ADDR_ARGS(router),
        next_hop ? "next_hop=" : "",
        next_hop ? addr_format(next_hop, buf) : "",
        next_hop ? "," : "", TABLE_ASK_CA, to);

    free(to);
    return action;
}

/* Questions. */

/* The datapath sends its answers as they are: a guest that tagged its question
 * gets a tag, too, by the long way. */
void
compile_answer(struct compile_ctx *cx, enum pipeline_table table,
               uint16_t priority, uint64_t cookie, char *match,
               const char *load, const char *args, enum pipeline_table rest)
{
    if (cx->host->spaces) {
        plan_add(cx->plan, table, priority, cookie,
                 plan_text("%s,metadata=0/0x1000", match),
                 plan_text("%shnv(arp,vsid="REG_VSID",%stable=%d)",
                           load, args, rest));
        plan_add(cx->plan, table, priority, cookie,
                 plan_text("%s,metadata=0x1000/0x1000", match),
                 plan_text("%sresubmit(,%d)", load, rest));
        free(match);
    } else {
        plan_add(cx->plan, table, priority, cookie, match,
                 plan_text("%sresubmit(,%d)", load, rest));
    }
}

void
compile_answer_from_space(struct compile_ctx *cx,
                          const struct rules_subnet *subnet,
                          const struct resolution *by, char *match)
{
    uint64_t cookie = row_cookie(&subnet->row);
    bool learns = subnet->learning.enabled;

    if (compile_is_plain(cx, subnet)) {
        compile_answer(cx, by->table, by->priority, cookie, match, "",
                       learns ? "learning," : "", by->ask);
    } else {
        plan_add(cx->plan, by->table, by->priority, cookie, match,
                 compile_find_in(cx, subnet, by->what,
                                 learns ? by->learn : by->reply));
    }
}

/* What the datapath leaves. */

static void
ask_by(struct compile_ctx *cx, const struct resolution *by)
{
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &cx->rules->subnets[i];

        if (subnet->learning.enabled) {
            plan_add(cx->plan, by->ask, 100, row_cookie(&subnet->row),
                     plan_text(REG_VSID"=%#"PRIx32, subnet->vsid),
                     compile_find(cx, by->what, by->learn));
        }
    }
    plan_add(cx->plan, by->ask, 0, 0, xstrdup(""),
             compile_find(cx, by->what, by->reply));
}

static void
ask(struct compile_ctx *cx, enum pipeline_table table, int priority,
    const char *match, enum find_what what, enum pipeline_table next)
{
    char *find = compile_find(cx, what, next);

    plan_add(cx->plan, table, priority, 0, xstrdup(match),
             plan_text(NO_TUNNEL_SOURCE"%s", find));
    free(find);
}

/* Routes have loaded the CA of a guest that forwards. */
static void
ask_all(struct compile_ctx *cx)
{
    ask_by(cx, &compile_by_arp);
    ask_by(cx, &compile_by_nd);
    ask(cx, TABLE_ASK_MAC, 0, "", FIND_MAC, TABLE_FORWARD);
    ask(cx, TABLE_ASK_CA, 100, "ip,"REG_CA"=0", FIND_IP_DST, TABLE_ROUTED);
    ask(cx, TABLE_ASK_CA, 100, "ipv6,"REG_CA6"=0", FIND_IPV6_DST,
        TABLE_ROUTED);
    ask(cx, TABLE_ASK_CA, 50, "ip", FIND_CA, TABLE_ROUTED);
    ask(cx, TABLE_ASK_CA, 50, "ipv6", FIND_CA6, TABLE_ROUTED);
}

/* What comes out of a tunnel cannot be from these. */
static void
name_guests(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->n_vlans; i++) {
        const struct port_vlan *vlan = &cx->vlans[i];

        plan_add_guest(cx->plan, &(struct plan_guest) {
            .vsid = vlan->subnet->vsid,
            .mac = vlan->bound->iface->mac,
            .port = vlan->bound->iface->ofport,
        });
    }
}

void
compile_spaces(struct compile_ctx *cx)
{
    if (!cx->host->spaces) {
        return;
    }
    for (size_t i = 0; i < cx->n_ports; i++) {
        if (is_first_with_its_pas(cx, i)) {
            tunnel_sources(cx, &cx->ports[i]);
        }
    }
    ask_all(cx);
    cx->plan->spaces = true;
    name_guests(cx);
}
