/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "packets.h"
#include "util.h"

/* What another host may send.
 *
 * PEER knows all PAs of the policy, and which of them are of the packet's
 * network; PEER_GATE lets nobody else's packets in.  A PA of another network
 * may be that of a host with several, so its packets are let in if they are
 * from a guest that is not here and that the network knows.
 *
 * A packet from outside cannot come from a guest that is here: its MAC
 * CLAIM_VERDICT sees; whose its CA is CLAIM asks the space, in the subnet that
 * the CA is of, and CLAIM_OWNER has a flow per port that recognizes the MAC in
 * the answer.
 *
 * With the datapath extension TUNNEL has the datapath ask all of that at once.
 * What it does not let in is asked the long way, which comes to the same and
 * says why. */

/* In TABLE_CLAIM and TABLE_TUNNEL, above those of any prefix. */
enum { PRIORITY_FORWARDED = 300 };

static void
gate(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_PEER_GATE, 100, 0,
             plan_text(REG_PEER"=%d", PEER_KNOWN),
             plan_text("set_field:0->"REG_PEER",resubmit(,%d),"
                       "resubmit(,%d)", TABLE_PEER, TABLE_CLAIM));
    plan_add(cx->plan, TABLE_CLAIM, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_CLAIM_VERDICT));
    plan_add(cx->plan, TABLE_CLAIM_FOUND, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d),pop:"REG_VSID",set_field:0->"REG_CA","
                       "set_field:0->"REG_PA6",set_field:0->"REG_PA","
                       "set_field:0->"REG_MAC",set_field:0->"REG_ENCAP","
                       "resubmit(,%d)",
                       TABLE_CLAIM_OWNER, TABLE_CLAIM_VERDICT));
}

static void
verdict(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_CLAIM_VERDICT, 210, 0, xstrdup(REG_PEER"=0"),
             compile_drop(DROP_UNKNOWN_PEER));
    plan_add(cx->plan, TABLE_CLAIM_VERDICT, 210, 0,
             plan_text(REG_PEER"=%d", PEER_CLAIMS),
             compile_drop(DROP_CLAIMS_LOCAL));
    plan_add(cx->plan, TABLE_CLAIM_VERDICT, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_DECAP));
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

/* A packet's source address: how the packet looks, which field it is, and the
 * question whose it is. */
struct source {
    const char *kind, *field;
    enum find_what what;
};
static const struct source sources_ipv4[] = {
    { "ip", "ip_src", FIND_IP_SRC },
    { "arp", "arp_spa", FIND_ARP_SPA },
    { NULL, NULL, 0 },
};
static const struct source sources_ipv6[] = {
    { "ipv6", "ipv6_src", FIND_IPV6_SRC },
    { NULL, NULL, 0 },
};

/* Looks up the source in 'subnet', and leaves no trace of it. */
static char *
ask_for_source(const struct compile_ctx *cx,
               const struct rules_subnet *subnet, enum find_what what)
{
    char *find = compile_find_in(cx, subnet, what, TABLE_CLAIM_FOUND);
    char *actions = plan_text("push:"REG_VSID",set_field:%#"PRIx32"->"
                              REG_VSID",%s", subnet->vsid, find);

    free(find);
    return actions;
}

/* Has the datapath look at what comes from 'source', a subnet of the domain,
 * or from none of the domain's if that is NULL.  Takes 'match'. */
static void
have_admitted(struct compile_ctx *cx, uint16_t priority, uint32_t domain,
              const struct rules_subnet *source, char *match,
              const char *flags)
{
    plan_add(cx->plan, TABLE_TUNNEL, priority,
             source ? row_cookie(&source->row) : 0, match,
             plan_text("hnv(admit,vsid="REG_VSID",domain=%#"PRIx32","
                       "source=%#"PRIx32",%stable=%d,refused=%d)",
                       domain, source ? source->vsid : 0, flags, TABLE_DECAP,
                       TABLE_TUNNEL_ASK));
}

/* What the datapath is not asked about: what was learned another host may
 * claim by ARP or ND, see compile-learn-source.c.  ARP is left to what TUNNEL
 * does with all else. */
static void
let_be_claimed(struct compile_ctx *cx, const struct rules_subnet *subnet,
               const char *nd_match)
{
    for (int type = 135; type <= 136; type++) {
        plan_add(cx->plan, TABLE_TUNNEL, PRIORITY_FORWARDED + 10,
                 row_cookie(&subnet->row),
                 plan_text("icmp6,icmp_type=%d,%s", type, nd_match),
                 plan_text("resubmit(,%d)", TABLE_TUNNEL_ASK));
    }
}

/* For packets with a source in 'net' of 'subnet'. */
static void
claim(struct compile_ctx *cx, const struct rules_subnet *subnet,
      const struct addr_prefix *net, const struct source *s)
{
    uint16_t priority = 100 + net->plen;
    char buf[ADDR_STRLEN];
    char *from = xasprintf(REG_DOMAIN"=%#"PRIx32",%s=%s", subnet->domain,
                           s->field, addr_prefix_format(net, buf));
    char *match = plan_text("%s,%s", s->kind, from);
    bool learns = subnet->learning.enabled;

    if (compile_is_plain(cx, subnet)) {
        if (!(learns && s->what == FIND_ARP_SPA)) {
            have_admitted(cx, priority, subnet->domain, subnet,
                          xstrdup(match), "");
        }
        if (learns && s->what == FIND_IPV6_SRC) {
            let_be_claimed(cx, subnet, from);
        }
    }
    plan_add(cx->plan, TABLE_CLAIM, priority, row_cookie(&subnet->row), match,
             ask_for_source(cx, subnet, s->what));
    free(from);
}

static void
claims_of_subnet(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        const struct addr_prefix *net = &subnet->prefixes[i].net;
        const struct source *s = (addr_is_ipv4(&net->addr)
                                  ? sources_ipv4 : sources_ipv6);

        for (; s->kind; s++) {
            claim(cx, subnet, net, s);
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
            char *match = plan_text("%s,"REG_DOMAIN"=%#"PRIx32,
                                    ipv6 ? "ipv6" : "ip", domain);

            if (cx->host->spaces) {
                have_admitted(cx, PRIORITY_FORWARDED, domain, NULL,
                              xstrdup(match), "forwarded,");
            }
            plan_add(cx->plan, TABLE_CLAIM, PRIORITY_FORWARDED, 0, match,
                     plan_text("set_field:%d->"REG_PEER",resubmit(,%d)",
                               PEER_KNOWN, TABLE_CLAIM_VERDICT));
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
    plan_add(cx->plan, TABLE_CLAIM_VERDICT, 200, cookie,
             plan_text(REG_VSID"=%#"PRIx32",dl_src="ETH_ADDR_FMT,
                       vlan->subnet->vsid, ETH_ADDR_ARGS(mac)),
             compile_drop(DROP_CLAIMS_LOCAL));
}

/* The long way, from the beginning: is the PA known at all? */
static void
ask_about_refused(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_TUNNEL_ASK, 0, 0, xstrdup(""),
             plan_text("push:"REG_DOMAIN",set_field:0->"REG_DOMAIN","
                       "resubmit(,%d),pop:"REG_DOMAIN",resubmit(,%d)",
                       TABLE_PEER, TABLE_PEER_GATE));
    plan_add(cx->plan, TABLE_TUNNEL, 0, 0, xstrdup(""),
             plan_text("resubmit(,%d)", TABLE_TUNNEL_ASK));
}

void
compile_peers(struct compile_ctx *cx)
{
    gate(cx);
    verdict(cx);
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
    if (cx->host->spaces) {
        ask_about_refused(cx);
    }
}
