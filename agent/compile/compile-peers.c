/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include "packets.h"
#include "util.h"

/* What another host may send.
 *
 * PEER knows the PAs of the packet's network; PEER_GATE lets nobody else's
 * packets in.  A packet from outside cannot come from a guest that is here:
 * its MAC DECAP sees; whose its CA is CLAIM asks the space, in the subnet that
 * the CA is of, and CLAIM_OWNER has a flow per port that recognizes the MAC
 * in the answer. */

static void
gate(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_PEER_GATE, 100, 0,
             plan_text(REG_PEER"=%d", PEER_KNOWN),
             plan_text("resubmit(,%d),resubmit(,%d)", TABLE_CLAIM,
                       TABLE_DECAP));
}

/* Looks up the source 'field' in 'subnet', and leaves no trace of it. */
static void
claim(struct compile_ctx *cx, const struct rules_subnet *subnet,
      const struct addr_prefix *net, const char *protocol, const char *field,
      const char *reg)
{
    char buf[ADDR_STRLEN];

    plan_add(cx->plan, TABLE_CLAIM, 100 + net->plen, row_cookie(&subnet->row),
             plan_text("%s,"REG_DOMAIN"=%#"PRIx32",%s=%s", protocol,
                       subnet->domain, field, addr_prefix_format(net, buf)),
             plan_text("push:"REG_VSID",set_field:%#"PRIx32"->"REG_VSID","
                       "move:%s->%s,resubmit(,%d),resubmit(,%d),"
                       "pop:"REG_VSID",set_field:0->"REG_CA","
                       "set_field:0->"REG_PA6",set_field:0->"REG_PA","
                       "set_field:0->"REG_MAC",set_field:0->"REG_ENCAP,
                       subnet->vsid, field, reg, TABLE_SPACE_CA,
                       TABLE_CLAIM_OWNER));
}

static void
claims_of_subnet(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct addr_prefix *net = &subnet->prefixes[i].net;

        if (addr_is_ipv4(&net->addr)) {
            claim(cx, subnet, net, "ip", "ip_src", REG_CA);
            claim(cx, subnet, net, "arp", "arp_spa", REG_CA);
        } else {
            claim(cx, subnet, net, "ipv6", "ipv6_src", REG_CA6);
        }
    }
}

static void
claims_of_port(struct compile_ctx *cx, const struct port_vlan *vlan)
{
    const struct bound_port *bound = vlan->bound;
    uint64_t cookie = row_cookie(&bound->port->row);
    struct eth_addr mac = bound->iface->mac;

    plan_add(cx->plan, TABLE_CLAIM_OWNER, 100, cookie,
             plan_text(REG_VSID"=%#"PRIx32","REG_ENCAP"=%#x,"
                       REG_MAC"=%#"PRIx64, vlan->subnet->vsid, ENCAP_LOCAL,
                       eth_addr_to_uint64(mac)),
             plan_text("set_field:%d->"REG_PEER, PEER_CLAIMS));
    plan_add(cx->plan, TABLE_DECAP, 200, cookie,
             plan_text(REG_VSID"=%#"PRIx32",dl_src="ETH_ADDR_FMT,
                       vlan->subnet->vsid, ETH_ADDR_ARGS(mac)),
             compile_drop(DROP_CLAIMS_LOCAL));
}

void
compile_peers(struct compile_ctx *cx)
{
    gate(cx);
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        claims_of_subnet(cx, &cx->rules->subnets[i]);
    }
    for (size_t i = 0; i < cx->n_vlans; i++) {
        claims_of_port(cx, &cx->vlans[i]);
    }
    plan_add(cx->plan, TABLE_DECAP, 210, 0,
             plan_text(REG_PEER"=%d", PEER_CLAIMS),
             compile_drop(DROP_CLAIMS_LOCAL));
}
