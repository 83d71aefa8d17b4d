/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
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

static void
measure(struct compile_ctx *cx, const struct in6_addr *pa,
        enum space_encap encap)
{
    enum pa_family family = pa_family(pa);
    const struct host_pa *known = host_view_find_pa(cx->host, pa);
    unsigned int overhead = mtu_overhead(encap, family);
    char *local = compile_match_local_pa(cx, pa);

    for (int is_ipv6 = 0;
         known && known->mtu > overhead && is_ipv6 < 2; is_ipv6++) {
        plan_add(cx->plan, TABLE_MTU, 100,
                 row_cookie(&cx->rules->physical_switch),
                 plan_text("%s,"REG_ENCAP"=%#x,%s",
                           is_ipv6 ? "ipv6" : "ip",
                           family == PA_IPV4 ? encap : encap | ENCAP_IPV6,
                           local),
                 plan_text("set_field:%u->"REG_MTU","
                           "check_pkt_larger(%u)->"REG_MTU"[%d],"
                           "resubmit(,%d)",
                           known->mtu - overhead,
                           known->mtu - overhead + ETH_HEADER_LEN,
                           MTU_TOO_LONG_BIT, TABLE_TOO_LONG));
    }
    free(local);
}

/* The agent gets the packet as its sender's, not as the router's.  Of what
 * subnet that is the tag says, for REG_VSID says where it goes. */
static void
tell_sender(struct compile_ctx *cx, const struct port_vlan *vlan,
            bool is_ipv6)
{
    const struct bound_port *bound = vlan->bound;
    char *punt = compile_punt(PUNT_TOO_LONG);
    char *first = is_ipv6 ? xstrdup("") : xasprintf("resubmit(,%d),",
                                                    TABLE_ENCAP);

    plan_add(cx->plan, TABLE_TOO_LONG, 100, row_cookie(&bound->port->row),
             plan_text("%s,in_port=%"PRIu32",metadata=%#"PRIx32"/%#x,"TOO_LONG,
                       is_ipv6 ? "ipv6" : "ip", bound->iface->ofport,
                       port_vlan_tag(vlan), METADATA_TAG,
                       1u << MTU_TOO_LONG_BIT, 1u << MTU_TOO_LONG_BIT),
             plan_text("%sset_field:"ETH_ADDR_FMT"->eth_src,"
                       "load:%#"PRIx32"->"REG_FROM",%s",
                       first, ETH_ADDR_ARGS(bound->iface->mac),
                       vlan->subnet->vsid, punt));
    free(first);
    free(punt);
}

void
compile_mtu(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->rules->n_pas; i++) {
        measure(cx, &cx->rules->pas[i], SPACE_VXLAN);
        measure(cx, &cx->rules->pas[i], SPACE_NVGRE);
    }
    plan_add(cx->plan, TABLE_MTU, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_ENCAP));

    for (size_t i = 0; i < cx->n_vlans; i++) {
        if (!eth_addr_is_zero(cx->rules->router_mac)) {
            tell_sender(cx, &cx->vlans[i], false);
            tell_sender(cx, &cx->vlans[i], true);
        }
    }
    plan_add(cx->plan, TABLE_TOO_LONG, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_ENCAP));
}
