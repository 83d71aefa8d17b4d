/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include "packets.h"
#include "util.h"

/* What another host may send.
 *
 * PEER knows all PAs of the policy, and which of them are of the packet's
 * network; PEER_GATE lets nobody else's packets in.  A PA of another network
 * may be that of a host with several, so its packets are let in if they are
 * from a guest that is not here and that the network knows.
 *
 * A packet from outside cannot come from a guest that is here: its MAC DECAP
 * sees; whose its CA is CLAIM asks the space, in the subnet that the CA is of,
 * and CLAIM_OWNER has a flow per port that recognizes the MAC in the
 * answer. */

/* In TABLE_CLAIM, above those of any prefix. */
enum { PRIORITY_FORWARDED = 300 };

static void
gate(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_PEER_GATE, 100, 0,
             plan_text(REG_PEER"=%d", PEER_KNOWN),
             plan_text("set_field:0->"REG_PEER",resubmit(,%d),"
                       "resubmit(,%d),resubmit(,%d)", TABLE_PEER, TABLE_CLAIM,
                       TABLE_DECAP));
    plan_add(cx->plan, TABLE_DECAP, 210, 0, xstrdup(REG_PEER"=0"),
             compile_drop(DROP_UNKNOWN_PEER));
}

/* From a guest of the network that is elsewhere. */
static void
claim_elsewhere(struct compile_ctx *cx)
{
    const uint32_t encaps[] = {
        SPACE_VXLAN, SPACE_VXLAN | ENCAP_IPV6, SPACE_NVGRE,
        SPACE_NVGRE | ENCAP_IPV6, ENCAP_BALANCED,
    };

    for (size_t i = 0; i < ARRAY_SIZE(encaps); i++) {
        plan_add(cx->plan, TABLE_CLAIM_OWNER, 100, 0,
                 plan_text(REG_ENCAP"=%#"PRIx32, encaps[i]),
                 plan_text("set_field:%d->"REG_PEER, PEER_KNOWN));
    }
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

/* True if static routes of the network lead packets of that family to
 * guests. */
static bool
are_forwarded(const struct rules *rules, uint32_t domain, bool is_ipv4)
{
    for (size_t i = 0; i < rules->n_routes; i++) {
        const struct rules_route *route = &rules->routes[i];

        if (!route->drop && addr_is_ipv4(&route->next_hop) == is_ipv4
            && rules_find_subnet(rules, route->vsid)->domain == domain) {
            return true;
        }
    }
    return false;
}

/* What a guest elsewhere forwards may be from anybody, even from a guest that
 * is here, so its address says nothing. */
static void
admit_forwarded(struct compile_ctx *cx, uint32_t domain)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        if (are_forwarded(cx->rules, domain, !ipv6)) {
            plan_add(cx->plan, TABLE_CLAIM, PRIORITY_FORWARDED, 0,
                     plan_text("%s,"REG_DOMAIN"=%#"PRIx32,
                               ipv6 ? "ipv6" : "ip", domain),
                     plan_text("set_field:%d->"REG_PEER, PEER_KNOWN));
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
                       REG_MAC"=%#"PRIx64"/%#"PRIx64,
                       vlan->subnet->vsid, ENCAP_LOCAL,
                       eth_addr_to_uint64(mac), MAC_MASK),
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
    claim_elsewhere(cx);
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &cx->rules->subnets[i];

        claims_of_subnet(cx, subnet);
        if (subnet->vsid == subnet->domain) {
            admit_forwarded(cx, subnet->domain);    /* Once per domain. */
        }
    }
    for (size_t i = 0; i < cx->n_vlans; i++) {
        claims_of_port(cx, &cx->vlans[i]);
    }
    plan_add(cx->plan, TABLE_DECAP, 210, 0,
             plan_text(REG_PEER"=%d", PEER_CLAIMS),
             compile_drop(DROP_CLAIMS_LOCAL));
}
