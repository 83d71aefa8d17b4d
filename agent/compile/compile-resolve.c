/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "packets.h"
#include "util.h"

/* Higher priorities first: what is asked of the switch itself, then what only
 * passes through it. */
enum resolve_priority {
    PRIORITY_GATEWAY_ARP = 200,
    PRIORITY_GATEWAY_PING = 200,
    PRIORITY_ARP_REQUEST = 150,     /* For a prefix of the subnet. */
    PRIORITY_ARP_OTHER = 140,       /* Any other request: silence. */
    PRIORITY_TO_ROUTER = 100,
    PRIORITY_ROUTER_OTHER = 90,
    PRIORITY_MULTICAST = 80,
    PRIORITY_UNICAST = 0,
};

/* The answer to an ARP request (RFC 826), from REG_MAC and the address that
 * was asked for: back to where the request came from. */
static void
arp_reply(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_ARP_REPLY, 50, 0, xstrdup("arp,arp_op=1"),
             xstrdup("move:eth_src->eth_dst,"
                     "move:"REG_MAC"[0..47]->eth_src,"
                     "set_field:2->arp_op,"
                     "move:arp_sha->arp_tha,"
                     "move:"REG_MAC"[0..47]->arp_sha,"
                     "move:arp_tpa->"REG_CA","
                     "move:arp_spa->arp_tpa,"
                     "move:"REG_CA"->arp_spa,"
                     "IN_PORT"));
    ADD(cx, TABLE_ARP_REPLY, 100, 0, REG_MAC"=0", "drop");
}

/* A guest that asks for its own address, to find out whether somebody else has
 * it (RFC 5227) or to announce it, must not hear its own MAC in answer. */
static void
no_arp_reply_to_owner(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->n_ports; i++) {
        const struct bound_port *bound = &cx->ports[i];

        if (bound->state != PORT_ACTIVE) {
            continue;
        }
        plan_add(cx->plan, TABLE_ARP_REPLY, 90, row_cookie(&bound->port->row),
                 plan_text(REG_MAC"=%#"PRIx64",in_port=%"PRIu32,
                           eth_addr_to_uint64(bound->iface->mac),
                           bound->iface->ofport),
                 xstrdup("drop"));
    }
}

/* The gateway's address is the router's MAC, on every host. */
static void
gateway_arp(struct compile_ctx *cx, const struct rules_subnet *subnet,
            ovs_be32 gateway)
{
    plan_add(cx->plan, TABLE_RESOLVE, PRIORITY_GATEWAY_ARP,
             row_cookie(&subnet->row),
             plan_text("arp,"REG_VSID"=%#"PRIx32",arp_op=1,arp_tpa="IP_FMT,
                       subnet->vsid, IP_ARGS(gateway)),
             plan_text("set_field:%#"PRIx64"->"REG_MAC",resubmit(,%d)",
                       eth_addr_to_uint64(cx->rules->router_mac),
                       TABLE_ARP_REPLY));
}

/* Turns what 'kind' matches around. */
static void
turn_around(struct compile_ctx *cx, const struct rules_subnet *subnet,
            ovs_be32 gateway, const char *kind, const char *change)
{
    struct eth_addr mac = cx->rules->router_mac;
    char *who = compile_who(subnet);

    plan_add(cx->plan, TABLE_RESOLVE, PRIORITY_GATEWAY_PING,
             row_cookie(&subnet->row),
             plan_text("icmp,%s,dl_dst="ETH_ADDR_FMT",nw_dst="IP_FMT",%s",
                       who, ETH_ADDR_ARGS(mac), IP_ARGS(gateway), kind),
             plan_text("move:eth_src->eth_dst,"
                       "set_field:"ETH_ADDR_FMT"->eth_src,"
                       "move:ip_src->ip_dst,"
                       "set_field:"IP_FMT"->ip_src,"
                       "%s"
                       "set_field:64->nw_ttl,"
                       "IN_PORT",
                       ETH_ADDR_ARGS(mac), IP_ARGS(gateway), change));
    free(who);
}

/* Answers an echo request (RFC 792).  The gateway of each subnet in the
 * network answers each of its guests.  Later fragments have no ICMP header to
 * change; the guest puts the answer together again. */
static void
gateway_ping(struct compile_ctx *cx, const struct rules_subnet *subnet,
             ovs_be32 gateway)
{
    turn_around(cx, subnet, gateway, "icmp_type=8,icmp_code=0",
                "set_field:0->icmp_type,");
    turn_around(cx, subnet, gateway, "ip_frag=later", "");
}

/* A known CA is answered from the space; an unknown one gets silence. */
static void
arp_for_prefix(struct compile_ctx *cx, const struct rules_subnet *subnet,
               const struct addr_prefix *net)
{
    char buf[ADDR_STRLEN];

    plan_add(cx->plan, TABLE_RESOLVE, PRIORITY_ARP_REQUEST,
             row_cookie(&subnet->row),
             plan_text("arp,"REG_VSID"=%#"PRIx32",arp_op=1,arp_tpa=%s",
                       subnet->vsid, addr_prefix_format(net, buf)),
             plan_text("move:arp_tpa->"REG_CA",resubmit(,%d),resubmit(,%d)",
                       TABLE_SPACE_CA, TABLE_ARP_REPLY));
}

static void
resolve_prefix(struct compile_ctx *cx, const struct rules_subnet *subnet,
               const struct rules_prefix *prefix)
{
    ovs_be32 gateway = addr_to_ipv4(&prefix->gateway);

    arp_for_prefix(cx, subnet, &prefix->net);
    if (!eth_addr_is_zero(cx->rules->router_mac)) {
        gateway_arp(cx, subnet, gateway);
        gateway_ping(cx, subnet, gateway);
    }
}

static void
to_router(struct compile_ctx *cx)
{
    const struct eth_addr mac = cx->rules->router_mac;
    uint64_t cookie = row_cookie(&cx->rules->physical_switch);

    if (eth_addr_is_zero(mac)) {
        return;
    }
    plan_add(cx->plan, TABLE_RESOLVE, PRIORITY_TO_ROUTER, cookie,
             plan_text("ip,dl_dst="ETH_ADDR_FMT, ETH_ADDR_ARGS(mac)),
             plan_text("resubmit(,%d)", TABLE_ROUTE));
    plan_add(cx->plan, TABLE_RESOLVE, PRIORITY_ROUTER_OTHER, cookie,
             plan_text("dl_dst="ETH_ADDR_FMT, ETH_ADDR_ARGS(mac)),
             xstrdup("drop"));
}

void
compile_resolve(struct compile_ctx *cx)
{
    const struct rules *rules = cx->rules;

    for (size_t i = 0; i < rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &rules->subnets[i];

        for (size_t j = 0; j < subnet->n_prefixes; j++) {
            if (prefix_is_compiled(&subnet->prefixes[j])) {
                resolve_prefix(cx, subnet, &subnet->prefixes[j]);
            }
        }
    }
    to_router(cx);
    arp_reply(cx);
    no_arp_reply_to_owner(cx);

    ADD(cx, TABLE_RESOLVE, PRIORITY_ARP_OTHER, 0, "arp,arp_op=1", "drop");
    plan_add(cx->plan, TABLE_RESOLVE, PRIORITY_MULTICAST, 0,
             xstrdup("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
             plan_text("resubmit(,%d)", TABLE_FLOOD));
    plan_add(cx->plan, TABLE_RESOLVE, PRIORITY_UNICAST, 0, xstrdup(""),
             plan_text("resubmit(,%d),resubmit(,%d)",
                       TABLE_SPACE_MAC, TABLE_FORWARD));
}
