/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/choose-pa.h"
#include "compile/mtu.h"
#include "compile/punt.h"
#include "packets.h"
#include "util.h"

/* Packets that are too long for the way to another host.  The switch measures
 * them, at no megaflow more.  What the sender is told the agent says: IPv6
 * knows no fragments on the way, so there the packet ends; of IPv4 OpenFlow
 * does not see whether it may be cut (DF), so such a packet goes on besides,
 * to be cut or lost by whoever sends it on. */

#define TOO_LONG REG_MTU"=%#x/%#x"

/* Measures packets on a way, that 'match' is for, with an MTU of 'mtu'. */
static void
measure(struct compile_ctx *cx, const char *match, unsigned int mtu)
{
    for (int is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
        plan_add(cx->plan, TABLE_MTU, 100,
                 row_cookie(&cx->rules->physical_switch),
                 plan_text("%s,%s", is_ipv6 ? "ipv6" : "ip", match),
                 plan_text("set_field:%u->"REG_MTU","
                           "check_pkt_larger(%u)->"REG_MTU"[%d],"
                           "resubmit(,%d)",
                           mtu, mtu + ETH_HEADER_LEN, MTU_TOO_LONG_BIT,
                           TABLE_TOO_LONG));
    }
}

static void
measure_tunnel(struct compile_ctx *cx, const struct in6_addr *pa,
               enum space_encap encap)
{
    enum pa_family family = pa_family(pa);
    const struct host_pa *known = host_view_find_pa(cx->host, pa);
    unsigned int overhead = mtu_overhead(encap, family);

    if (known && known->mtu > overhead) {
        char *local = compile_match_local_pa(cx, pa);
        char *match = xasprintf(REG_ENCAP"=%#x,%s",
                                (family == PA_IPV4
                                 ? encap : encap | ENCAP_IPV6), local);

        measure(cx, match, known->mtu - overhead);
        free(match);
        free(local);
    }
}

static void
measure_rewrite(struct compile_ctx *cx)
{
    unsigned int mtu = mtu_of_rewrite(cx->host);

    if (mtu && cx->rules->rewrite) {
        char *match = xasprintf(REG_ENCAP"=%#x", SPACE_REWRITE);

        measure(cx, match, mtu);
        free(match);
    }
}

/* The agent gets the packet as its sender's, not as the router's.  Of what
 * subnet that is the tag says, for REG_VSID says where it goes.  'way' is a
 * match, 'before' what else becomes of the packet. */
static void
tell_sender(struct compile_ctx *cx, const struct port_vlan *vlan,
            bool is_ipv6, uint16_t priority, const char *way,
            const char *before)
{
    const struct bound_port *bound = vlan->bound;
    char *punt = compile_punt(PUNT_TOO_LONG);

    plan_add(cx->plan, TABLE_TOO_LONG, priority, row_cookie(&bound->port->row),
             plan_text("%s,in_port=%"PRIu32",metadata=%#"PRIx32"/%#x,%s"
                       TOO_LONG,
                       is_ipv6 ? "ipv6" : "ip", bound->iface->ofport,
                       port_vlan_tag(vlan), METADATA_TAG, way,
                       1u << MTU_TOO_LONG_BIT, 1u << MTU_TOO_LONG_BIT),
             plan_text("%sset_field:"ETH_ADDR_FMT"->eth_src,"
                       "load:%#"PRIx32"->"REG_FROM",%s",
                       before, ETH_ADDR_ARGS(bound->iface->mac),
                       vlan->subnet->vsid, punt));
    free(punt);
}

static void
tell_sender_tunnel(struct compile_ctx *cx, const struct port_vlan *vlan,
                   bool is_ipv6)
{
    char *before = is_ipv6 ? xstrdup("") : xasprintf("resubmit(,%d),",
                                                     TABLE_ENCAP);

    tell_sender(cx, vlan, is_ipv6, 100, "", before);
    free(before);
}

static void
tell_sender_rewrite(struct compile_ctx *cx, const struct port_vlan *vlan,
                    bool is_ipv6)
{
    char *way = xasprintf(REG_ENCAP"=%d,", SPACE_REWRITE);
    char *take_back = compile_take_back_rewrite(is_ipv6);
    char *before = is_ipv6 ? xstrdup(take_back)
                   : xasprintf("clone(resubmit(,%d)),%s", TABLE_ENCAP,
                               take_back);

    tell_sender(cx, vlan, is_ipv6, 110, way, before);
    free(before);
    free(take_back);
    free(way);
}

void
compile_mtu(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->rules->n_pas; i++) {
        if (pa_is_uplink(cx->rules, cx->host, &cx->rules->pas[i])) {
            measure_tunnel(cx, &cx->rules->pas[i], SPACE_VXLAN);
            measure_tunnel(cx, &cx->rules->pas[i], SPACE_NVGRE);
        }
    }
    measure_rewrite(cx);
    plan_add(cx->plan, TABLE_MTU, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_ENCAP));

    for (size_t i = 0; i < cx->n_vlans; i++) {
        const struct port_vlan *vlan = &cx->vlans[i];

        for (int is_ipv6 = 0; is_ipv6 < 2
             && !eth_addr_is_zero(cx->rules->router_mac); is_ipv6++) {
            tell_sender_tunnel(cx, vlan, is_ipv6);
            if (vlan->subnet->rewrite) {
                tell_sender_rewrite(cx, vlan, is_ipv6);
            }
        }
    }
    plan_add(cx->plan, TABLE_TOO_LONG, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_ENCAP));
}
